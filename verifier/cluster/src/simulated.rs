//! Hosts on a simulated network and clock (turmoil), stepped by their caller.
//!
//! Every link has one latency, drawn once from the seed, so frames of a link arrive in the
//! order they were sent and a frame in flight is always in turmoil's own queue between two
//! steps. Cuts are turmoil's partitions. turmoil does not say what it dropped; the evidence
//! is therefore an account that must add up: the sender numbers each frame in the
//! [`LinkLedger`], the receiver crosses it off, turmoil shows what is still in flight, and
//! what is left of the frames sent since the cut began was dropped by it.

mod links;
mod pausable;
mod processes;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use delivery_broker::LinkLedger;
use turmoil::{Builder, Sim};

use crate::simulated::links::Blocks;
use crate::simulated::pausable::{Pausable, Pause};

pub use links::SimulatedNetwork;
pub use processes::{SimulatedProcesses, WhenCrashed};

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
    pauses: BTreeMap<u32, Pause>,
    blocks: Rc<RefCell<Blocks>>,
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
        let blocks = Rc::default();
        let (sim, added, pauses) = (Rc::new(RefCell::new(sim)), Rc::default(), BTreeMap::new());
        Self { sim, names, added, pauses, blocks, ledger: LinkLedger::seeded(seed), random }
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
        let pause = self.pauses.entry(id).or_default().clone();
        sim.host(place.name.as_str(), move || Pausable::new(make(), pause.clone()));
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
        let addresses = self.addresses();
        SimulatedNetwork::new(self.sim.clone(), addresses, self.added.clone(), self.blocks.clone(), self.ledger.clone())
    }

    /// The hosts as processes, for faults; to be used between two steps. `when_crashed` is told of every host whose
    /// software was killed.
    pub fn processes(&self, when_crashed: WhenCrashed) -> SimulatedProcesses {
        let started = self.added.borrow().iter().map(|id| (*id, self.names[id].address)).collect();
        SimulatedProcesses::new(self.sim.clone(), started, self.blocks.clone(), self.pauses.clone(), when_crashed)
    }

    fn addresses(&self) -> BTreeMap<u32, IpAddr> {
        self.names.iter().map(|(id, place)| (*id, place.address)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Counters, Cut, Impairment, ImpairmentId, Network};
    use crate::processes::{Blow, Processes, Whose};
    use delivery_history::event::ProcessState;
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
                    if !ledger.is_lost(me, peer) {
                        socket.send_to(&number, (to, PORT)).await?;
                    }
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
        let cut = pair.network.cut(&Cut::all(vec![(1, 2), (2, 1)])).unwrap();
        let before = pair.arrived.get();
        steps(&mut pair, 100);
        assert_eq!(pair.arrived.get(), before);
        let counters = pair.network.counters(cut).unwrap();
        assert_eq!(counters, dropped(100));
        pair.network.heal(cut).unwrap();
        steps(&mut pair, 100);
        assert!(pair.arrived.get() > before + 80);
        assert_eq!(pair.network.counters(cut).unwrap(), counters);
    }

    #[test]
    fn a_one_way_cut_leaves_the_other_way_open() {
        let mut pair = pair(2);
        steps(&mut pair, 20);
        let cut = pair.network.cut(&Cut::all(vec![(1, 2)])).unwrap();
        let before = pair.arrived.get();
        steps(&mut pair, 100);
        let through = pair.arrived.get() - before;
        assert!((45..=52).contains(&through), "{through}");
        assert_eq!(pair.network.counters(cut).unwrap(), dropped(50));
    }

    #[test]
    fn cuts_and_losses_lie_side_by_side_and_each_counts_its_own() {
        let mut pair = pair(12);
        steps(&mut pair, 20);
        let there = pair.network.cut(&Cut::all(vec![(1, 2)])).unwrap();
        let loss = Cut { percent: Some(50), ..Cut::all(vec![(1, 2), (2, 1)]) };
        let loss = pair.network.cut(&loss).unwrap();
        steps(&mut pair, 1_000);
        let (cut_off, lost) = (pair.network.counters(there).unwrap(), pair.network.counters(loss).unwrap());
        assert!((200..=300).contains(&cut_off.dropped_packets), "what was not lost before: {cut_off:?}");
        assert!((430..=570).contains(&lost.dropped_packets), "{lost:?}");
        pair.network.heal(loss).unwrap();
        assert_eq!(pair.network.counters(loss).unwrap(), lost);
        let before = pair.arrived.get();
        steps(&mut pair, 100);
        let through = pair.arrived.get() - before;
        assert!((45..=52).contains(&through), "the cut is still in force: {through}");
        pair.network.heal(there).unwrap();
        pair.network.heal(there).unwrap();
        assert_eq!(pair.network.counters(there).unwrap(), dropped(cut_off.dropped_packets + 50));
        assert!(pair.network.counters(ImpairmentId(9)).is_err());
    }

    #[test]
    fn a_link_that_two_cuts_hold_is_down_until_both_are_taken_back() {
        let mut pair = pair(13);
        let (first, second) = (both_ways(&mut pair), both_ways(&mut pair));
        // What was on its way when the cut began still arrives.
        steps(&mut pair, 10);
        let before = pair.arrived.get();
        pair.network.heal(first).unwrap();
        steps(&mut pair, 100);
        assert_eq!(pair.arrived.get(), before);
        pair.network.heal(second).unwrap();
        steps(&mut pair, 100);
        assert!(pair.arrived.get() > before + 80);
    }

    fn both_ways(pair: &mut Pair) -> ImpairmentId {
        pair.network.cut(&Cut::all(vec![(1, 2), (2, 1)])).unwrap()
    }

    fn dropped(dropped_packets: u64) -> Counters {
        Counters { dropped_packets, ..Counters::default() }
    }

    #[test]
    fn frames_that_cross_are_reported_and_not_taken_for_drops() {
        let mut pair = pair(3);
        steps(&mut pair, 20);
        let cut = both_ways(&mut pair);
        // Somebody else takes the rules away behind the cut's back.
        pair.cluster.sim.borrow().repair("one", "two");
        steps(&mut pair, 100);
        let counters = pair.network.counters(cut).unwrap();
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
        let cut = pair.network.cut(&Cut::all(vec![(1, 2)])).unwrap();
        let error = pair.network.cut(&Cut::all(vec![(1, 9)])).unwrap_err();
        assert!(error.to_string().contains("no host 9"), "{error}");
        assert_eq!(pair.network.counters(cut).unwrap(), Counters::default());
        steps(&mut pair, 100);
        let counters = pair.network.counters(cut).unwrap();
        assert!(counters.dropped_packets > 0 && counters.crossed_packets == 0, "the cut before is still in force");
        assert!(pair.network.impair(&Impairment::Reset(vec![(1, 2)])).is_err(), "there are no connections");
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

    fn struck(pair: &Pair) -> (SimulatedProcesses, Rc<Cell<u32>>) {
        let crashed = Rc::new(Cell::new(0));
        let told = crashed.clone();
        (pair.cluster.processes(Rc::new(move |host| told.set(host))), crashed)
    }

    #[test]
    fn a_killed_host_is_gone_until_it_is_started_again_and_its_links_are_down() {
        let mut pair = pair(7);
        let (mut processes, crashed) = struck(&pair);
        steps(&mut pair, 100);
        assert_eq!(processes.state(Whose::Node(2)), ProcessState::Running);
        processes.strike(Whose::Node(2), Blow::Kill).unwrap();
        assert_eq!((processes.state(Whose::Node(2)), crashed.get()), (ProcessState::Gone, 2));
        assert!(processes.strike(Whose::Node(2), Blow::Kill).is_err(), "it does not run");
        let before = pair.arrived.get();
        steps(&mut pair, 100);
        assert_eq!(pair.arrived.get(), before);
        processes.start_again(Whose::Node(2)).unwrap();
        assert_eq!(processes.state(Whose::Node(2)), ProcessState::Running);
        steps(&mut pair, 100);
        assert!(pair.arrived.get() > before + 80);
        assert!(processes.start_again(Whose::Node(2)).is_err(), "it runs");
    }

    #[test]
    fn a_cut_outlasts_the_return_of_a_killed_host_and_a_kill_the_heal_of_a_cut() {
        let mut pair = pair(8);
        let (mut processes, _) = struck(&pair);
        steps(&mut pair, 20);
        let cut = both_ways(&mut pair);
        processes.strike(Whose::Node(2), Blow::Kill).unwrap();
        processes.start_again(Whose::Node(2)).unwrap();
        // What was on its way when the cut began still arrives.
        steps(&mut pair, 10);
        let before = pair.arrived.get();
        steps(&mut pair, 100);
        assert_eq!(pair.arrived.get(), before, "the cut is still in force");
        processes.strike(Whose::Node(2), Blow::Kill).unwrap();
        pair.network.heal(cut).unwrap();
        steps(&mut pair, 100);
        assert_eq!(pair.arrived.get(), before, "the host is still down");
        processes.start_again(Whose::Node(2)).unwrap();
        steps(&mut pair, 100);
        assert!(pair.arrived.get() > before + 80);
    }

    #[test]
    fn a_paused_host_does_nothing_and_then_finds_what_was_sent_meanwhile() {
        let mut pair = pair(9);
        let (mut processes, crashed) = struck(&pair);
        steps(&mut pair, 100);
        processes.strike(Whose::Node(2), Blow::Stop).unwrap();
        assert_eq!(processes.state(Whose::Node(2)), ProcessState::Stopped);
        steps(&mut pair, 10);
        let (sent, arrived) = pair.cluster.ledger().totals();
        steps(&mut pair, 100);
        let (sent_after, arrived_after) = pair.cluster.ledger().totals();
        assert_eq!((sent_after - sent, arrived_after - arrived), (50, 0), "only the other one sends, nobody reads");
        processes.strike(Whose::Node(2), Blow::Continue).unwrap();
        assert_eq!((processes.state(Whose::Node(2)), crashed.get()), (ProcessState::Running, 0));
        steps(&mut pair, 100);
        let (sent, arrived) = pair.cluster.ledger().totals();
        let in_flight: u64 = pair.network.in_flight().values().sum();
        assert!(sent - arrived - in_flight <= 2, "nothing was lost: {sent} {arrived} {in_flight}");
    }

    #[test]
    fn lost_frames_are_drawn_from_the_seed_and_counted() {
        let dropped_by = |seed| {
            let mut pair = pair(seed);
            steps(&mut pair, 20);
            let loss = Cut { percent: Some(30), ..Cut::all(vec![(1, 2), (2, 1)]) };
            let loss = pair.network.cut(&loss).unwrap();
            steps(&mut pair, 2_000);
            let counters = pair.network.counters(loss).unwrap();
            pair.network.heal(loss).unwrap();
            steps(&mut pair, 100);
            assert_eq!(pair.network.counters(loss).unwrap(), counters, "nothing is lost after the heal");
            let (sent, arrived) = pair.cluster.ledger().totals();
            assert!(sent - arrived - counters.dropped_packets <= 8, "what was not lost arrived");
            counters.dropped_packets
        };
        assert!((500..700).contains(&dropped_by(10)), "{}", dropped_by(10));
        assert_eq!(dropped_by(10), dropped_by(10));
        assert_ne!(dropped_by(10), dropped_by(11));
    }
}
