//! Hosts on a simulated network and clock (turmoil), stepped by their caller.
//!
//! Every link has one latency, drawn once from the seed, so frames of a link arrive in the
//! order they were sent and a frame in flight is always in turmoil's own queue between two
//! steps. Cuts are turmoil's partitions. turmoil does not say what it dropped; the evidence
//! is therefore an account that must add up: the sender numbers each frame in the
//! [`LinkLedger`], the receiver crosses it off, turmoil shows what is still in flight, and
//! what is left of the frames sent since the cut began was dropped by it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use delivery_broker::LinkLedger;
use turmoil::{Builder, Sim};

use crate::network::{Counters, Cut, Network, NetworkError};

/// Latencies of links are drawn from here, milliseconds. Never 0: a frame is in flight until the next step.
const LATENCY_MS: std::ops::RangeInclusive<u64> = 1..=12;
/// Datagrams a socket of a host holds until it is read.
const SOCKET_DATAGRAMS: usize = 16_384;

/// What the software of a host ends with; an error ends the run.
pub type HostResult = Result<(), Box<dyn Error>>;

/// A simulation that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The software of a host ended with an error.
    #[error("a host of the simulation stopped: {0}")]
    HostStopped(Box<dyn Error>),
    /// No such host.
    #[error("the simulation has no host {0}; only hosts named when it was made can be used")]
    UnknownHost(u32),
    /// It runs already.
    #[error("host {0} was added to the simulation twice")]
    AddedTwice(u32),
}

/// Hosts, the links between them, and their clock.
pub struct SimulatedCluster {
    sim: Rc<RefCell<Sim<'static>>>,
    names: BTreeMap<u32, Place>,
    /// Hosts that were started, shared with the network.
    added: Rc<RefCell<Vec<u32>>>,
    ledger: LinkLedger,
    random: fastrand::Rng,
}

/// Where a host sits.
#[derive(Clone, Debug)]
struct Place {
    name: String,
    address: IpAddr,
}

impl SimulatedCluster {
    /// A simulation of hosts `nodes` (number and name), none of them started yet.
    pub fn new(seed: u64, tick_ms: u64, nodes: &[(u32, String)]) -> Self {
        let latency = Duration::from_millis(*LATENCY_MS.start());
        let sim: Sim<'static> = Builder::new()
            .rng_seed(seed)
            // turmoil's own default is the wall clock.
            .epoch(SystemTime::UNIX_EPOCH)
            .tick_duration(Duration::from_millis(tick_ms.max(1)))
            .simulation_duration(Duration::MAX)
            .min_message_latency(latency)
            .max_message_latency(latency)
            .udp_capacity(SOCKET_DATAGRAMS)
            .build();
        let names = nodes
            .iter()
            .map(|(id, name)| (*id, Place { name: name.clone(), address: sim.lookup(name.as_str()) }))
            .collect();
        let random = fastrand::Rng::with_seed(seed);
        Self { sim: Rc::new(RefCell::new(sim)), names, added: Rc::default(), ledger: LinkLedger::default(), random }
    }

    /// Starts the software `make` builds on host `id`. It is built again at each restart.
    ///
    /// # Errors
    /// When the host is none of this simulation's, or was added before.
    pub fn add_host<F, Fut>(&mut self, id: u32, make: F) -> Result<(), SimulationError>
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = HostResult> + 'static,
    {
        let place = self.names.get(&id).ok_or(SimulationError::UnknownHost(id))?;
        let mut added = self.added.borrow_mut();
        if added.contains(&id) {
            return Err(SimulationError::AddedTwice(id));
        }
        let mut sim = self.sim.borrow_mut();
        sim.host(place.name.as_str(), make);
        for other in added.iter() {
            let latency = Duration::from_millis(self.random.u64(LATENCY_MS));
            sim.set_link_latency(place.address, self.names[other].address, latency);
        }
        added.push(id);
        Ok(())
    }

    /// Runs every host for one tick; returns the time after it, nanoseconds since the start.
    ///
    /// # Errors
    /// When the software of a host ended with an error.
    pub fn step(&mut self) -> Result<u64, SimulationError> {
        self.sim.borrow_mut().step().map_err(SimulationError::HostStopped)?;
        Ok(self.now_ns())
    }

    /// Simulated time between two steps, nanoseconds since the start.
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.sim.borrow().elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The address of host `id` in the simulation.
    pub fn address(&self, id: u32) -> Option<IpAddr> {
        self.names.get(&id).map(|place| place.address)
    }

    /// The account of frames; nodes must be given this one.
    pub fn ledger(&self) -> LinkLedger {
        self.ledger.clone()
    }

    /// The links, for faults; to be asked for once a run and used between two steps, never inside a host.
    pub fn network(&self) -> SimulatedNetwork {
        SimulatedNetwork {
            sim: self.sim.clone(),
            addresses: self.names.iter().map(|(id, place)| (*id, place.address)).collect(),
            started: self.added.clone(),
            ledger: self.ledger.clone(),
            pairs: Vec::new(),
            last: Counters::default(),
        }
    }

    /// Ends the software of a host at once, mid-sentence. Its memory is gone.
    ///
    /// # Errors
    /// When the host was never added.
    pub fn crash(&mut self, id: u32) -> Result<(), SimulationError> {
        let address = self.started(id)?;
        self.sim.borrow_mut().crash(address);
        Ok(())
    }

    /// Starts the software of a host anew.
    ///
    /// # Errors
    /// When the host was never added.
    pub fn restart(&mut self, id: u32) -> Result<(), SimulationError> {
        let address = self.started(id)?;
        self.sim.borrow_mut().bounce(address);
        Ok(())
    }

    fn started(&self, id: u32) -> Result<IpAddr, SimulationError> {
        match self.names.get(&id) {
            Some(place) if self.added.borrow().contains(&id) => Ok(place.address),
            _ => Err(SimulationError::UnknownHost(id)),
        }
    }
}

/// Simulated time inside the software of a host, nanoseconds since the start of the simulation.
/// Nothing outside of one.
pub fn host_now_ns() -> Option<u64> {
    turmoil::sim_elapsed().map(|elapsed| u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
}

/// The links of a [`SimulatedCluster`].
pub struct SimulatedNetwork {
    sim: Rc<RefCell<Sim<'static>>>,
    addresses: BTreeMap<u32, IpAddr>,
    started: Rc<RefCell<Vec<u32>>>,
    ledger: LinkLedger,
    /// The cut in force.
    pairs: Vec<(u32, u32)>,
    /// Last reading of a cut that is over.
    last: Counters,
}

impl SimulatedNetwork {
    fn check(&self, cut: &Cut) -> Result<(), NetworkError> {
        let refused = |cause| Err(NetworkError { operation: "set the cut", cause });
        for (from, to) in &cut.pairs {
            if from == to {
                return refused(format!("host {from} cannot be cut from itself"));
            }
            if let Some(unknown) = [from, to].into_iter().find(|host| !self.started.borrow().contains(host)) {
                return refused(format!("the simulation has no host {unknown}"));
            }
        }
        Ok(())
    }

    fn repair(&mut self) {
        let sim = self.sim.borrow();
        for (from, to) in std::mem::take(&mut self.pairs) {
            sim.repair_oneway(self.addresses[&from], self.addresses[&to]);
        }
    }

    /// Frames of each cut pair that turmoil still holds for delivery.
    fn in_flight(&self) -> BTreeMap<(IpAddr, IpAddr), u64> {
        let mut held: BTreeMap<(IpAddr, IpAddr), u64> = BTreeMap::new();
        self.sim.borrow().links(|links| {
            for sent in links.flatten() {
                let (from, to) = sent.pair();
                *held.entry((from.ip(), to.ip())).or_default() += 1;
            }
        });
        held
    }

    fn read(&self) -> Counters {
        if self.pairs.is_empty() {
            return self.last;
        }
        let in_flight = self.in_flight();
        let mut counters = Counters::default();
        for (from, to) in &self.pairs {
            let since = self.ledger.since_mark(*from, *to);
            let held = in_flight.get(&(self.addresses[from], self.addresses[to])).copied().unwrap_or(0);
            counters.crossed_packets += since.arrived;
            counters.dropped_packets += since.sent.saturating_sub(since.arrived + held);
        }
        counters
    }
}

impl Network for SimulatedNetwork {
    fn cut(&mut self, cut: &Cut) -> Result<(), NetworkError> {
        self.check(cut)?;
        self.repair();
        self.last = Counters::default();
        let mut pairs = cut.pairs.clone();
        pairs.sort_unstable();
        pairs.dedup();
        let sim = self.sim.borrow();
        for (from, to) in &pairs {
            sim.partition_oneway(self.addresses[from], self.addresses[to]);
            self.ledger.mark(*from, *to);
        }
        drop(sim);
        self.pairs = pairs;
        Ok(())
    }

    fn heal(&mut self) -> Result<(), NetworkError> {
        self.last = self.read();
        self.repair();
        Ok(())
    }

    /// After a heal: what the cut that is over came to.
    fn counters(&mut self) -> Result<Counters, NetworkError> {
        Ok(self.read())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use turmoil::net::UdpSocket;

    const PORT: u16 = 4000;

    /// Two hosts that send each other one numbered frame every 10 ms.
    struct Pair {
        cluster: SimulatedCluster,
        network: SimulatedNetwork,
        arrived: Rc<Cell<u64>>,
    }

    fn talk(cluster: &mut SimulatedCluster, me: u32, peer: u32, arrived: Rc<Cell<u64>>) {
        let ledger = cluster.ledger();
        let to = cluster.address(peer).unwrap();
        let make = move || {
            let (ledger, arrived) = (ledger.clone(), arrived.clone());
            async move {
                let socket = UdpSocket::bind(("0.0.0.0", PORT)).await?;
                loop {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    let mut number = [0; 8];
                    while socket.try_recv_from(&mut number).is_ok() {
                        ledger.arrived(peer, me, u64::from_le_bytes(number));
                        arrived.set(arrived.get() + 1);
                    }
                    let number = ledger.sent(me, peer).to_le_bytes();
                    socket.send_to(&number, (to, PORT)).await?;
                }
            }
        };
        cluster.add_host(me, make).unwrap();
    }

    fn pair(seed: u64) -> Pair {
        let names = [(1, String::from("one")), (2, String::from("two"))];
        let mut cluster = SimulatedCluster::new(seed, 5, &names);
        let arrived = Rc::new(Cell::new(0));
        talk(&mut cluster, 1, 2, arrived.clone());
        talk(&mut cluster, 2, 1, arrived.clone());
        let network = cluster.network();
        Pair { cluster, network, arrived }
    }

    fn steps(pair: &mut Pair, count: u32) {
        for _ in 0..count {
            pair.cluster.step().unwrap();
        }
    }

    #[test]
    fn a_cut_drops_every_frame_and_the_account_says_so() {
        let mut pair = pair(1);
        steps(&mut pair, 100);
        assert!(pair.arrived.get() > 80);
        pair.network.cut(&Cut::all(vec![(1, 2), (2, 1)])).unwrap();
        let before = pair.arrived.get();
        steps(&mut pair, 100);
        assert_eq!(pair.arrived.get(), before);
        let counters = pair.network.counters().unwrap();
        assert_eq!(counters, Counters { dropped_packets: 100, crossed_packets: 0 });
        pair.network.heal().unwrap();
        steps(&mut pair, 100);
        assert!(pair.arrived.get() > before + 80);
        assert_eq!(pair.network.counters().unwrap(), counters);
    }

    #[test]
    fn a_one_way_cut_leaves_the_other_way_open() {
        let mut pair = pair(2);
        steps(&mut pair, 20);
        pair.network.cut(&Cut::all(vec![(1, 2)])).unwrap();
        let before = pair.arrived.get();
        steps(&mut pair, 100);
        let through = pair.arrived.get() - before;
        assert!((45..=52).contains(&through), "{through}");
        assert_eq!(pair.network.counters().unwrap(), Counters { dropped_packets: 50, crossed_packets: 0 });
    }

    #[test]
    fn frames_that_cross_are_reported_and_not_taken_for_drops() {
        let mut pair = pair(3);
        steps(&mut pair, 20);
        pair.network.cut(&Cut::all(vec![(1, 2), (2, 1)])).unwrap();
        // Somebody else takes the rules away behind the cut's back.
        pair.cluster.sim.borrow().repair("one", "two");
        steps(&mut pair, 100);
        let counters = pair.network.counters().unwrap();
        assert!(counters.crossed_packets > 90, "{counters:?}");
        assert_eq!(counters.dropped_packets, 0);
    }

    #[test]
    fn without_a_cut_every_frame_is_accounted_for() {
        let mut pair = pair(4);
        steps(&mut pair, 200);
        let in_flight: u64 = pair.network.in_flight().values().sum();
        let (sent, arrived) = pair.cluster.ledger().totals();
        let unread = sent - arrived - in_flight;
        assert!(unread <= 2, "sent {sent}, arrived {arrived}, in flight {in_flight}");
    }

    #[test]
    fn a_cut_of_unknown_hosts_changes_nothing() {
        let mut pair = pair(5);
        pair.network.cut(&Cut::all(vec![(1, 2)])).unwrap();
        let error = pair.network.cut(&Cut::all(vec![(1, 9)])).unwrap_err();
        assert!(error.to_string().contains("no host 9"), "{error}");
        assert_eq!(pair.network.pairs, [(1, 2)]);
    }

    #[test]
    fn a_host_that_fails_ends_the_simulation_with_its_error() {
        let mut cluster = SimulatedCluster::new(1, 5, &[(1, String::from("one"))]);
        cluster.add_host(1, || async { Err("no space left".into()) }).unwrap();
        let error = cluster.step().unwrap_err();
        assert!(error.to_string().contains("no space left"), "{error}");
        assert!(matches!(cluster.add_host(1, || async { Ok(()) }), Err(SimulationError::AddedTwice(1))));
        assert!(matches!(cluster.crash(7), Err(SimulationError::UnknownHost(7))));
    }

    #[test]
    fn a_crashed_host_is_silent_until_it_is_restarted() {
        let mut pair = pair(6);
        steps(&mut pair, 100);
        pair.cluster.crash(2).unwrap();
        steps(&mut pair, 10);
        let before = pair.arrived.get();
        steps(&mut pair, 100);
        assert_eq!(pair.arrived.get(), before);
        pair.cluster.restart(2).unwrap();
        steps(&mut pair, 100);
        assert!(pair.arrived.get() > before + 80);
    }
}
