//! The links between simulated hosts: cut, lossy, or down because a host is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use delivery_broker::LinkLedger;
use turmoil::Sim;

use crate::network::{Counters, Cut, Impairment, ImpairmentId, Network, NetworkError};

/// Why one-way links are down, counted: a cut may go while a host is still down, and the other way round.
#[derive(Debug, Default)]
pub(crate) struct Blocks(BTreeMap<(IpAddr, IpAddr), u32>);

impl Blocks {
    /// One more reason for the link to be down.
    pub(crate) fn block(&mut self, sim: &Sim<'static>, from: IpAddr, to: IpAddr) {
        let reasons = self.0.entry((from, to)).or_default();
        *reasons += 1;
        if *reasons == 1 {
            sim.partition_oneway(from, to);
        }
    }

    /// One reason less.
    pub(crate) fn unblock(&mut self, sim: &Sim<'static>, from: IpAddr, to: IpAddr) {
        let Some(reasons) = self.0.get_mut(&(from, to)) else { return };
        *reasons -= 1;
        if *reasons == 0 {
            self.0.remove(&(from, to));
            sim.repair_oneway(from, to);
        }
    }
}

/// The links of a [`SimulatedCluster`](crate::simulated::SimulatedCluster).
pub struct SimulatedNetwork {
    sim: Rc<RefCell<Sim<'static>>>,
    addresses: BTreeMap<u32, IpAddr>,
    started: Rc<RefCell<Vec<u32>>>,
    blocks: Rc<RefCell<Blocks>>,
    ledger: LinkLedger,
    next: u32,
    known: BTreeMap<ImpairmentId, State>,
}

/// How an impairment stands.
enum State {
    /// Its pairs are down.
    Cut(Vec<(u32, u32)>),
    /// Its pairs lose frames by chance.
    Loss,
    /// It was taken back with these counts.
    Healed(Counters),
}

impl SimulatedNetwork {
    pub(crate) fn new(
        sim: Rc<RefCell<Sim<'static>>>,
        addresses: BTreeMap<u32, IpAddr>,
        started: Rc<RefCell<Vec<u32>>>,
        blocks: Rc<RefCell<Blocks>>,
        ledger: LinkLedger,
    ) -> Self {
        Self { sim, addresses, started, blocks, ledger, next: 0, known: BTreeMap::new() }
    }

    fn check(&self, cut: &Cut) -> Result<(), NetworkError> {
        for (from, to) in &cut.pairs {
            if from == to {
                return Err(refused(format!("host {from} cannot be cut from itself")));
            }
            if let Some(unknown) = [from, to].into_iter().find(|host| !self.started.borrow().contains(host)) {
                return Err(refused(format!("the simulation has no host {unknown}")));
            }
        }
        Ok(())
    }

    /// Frames of each cut pair that turmoil still holds for delivery.
    pub(crate) fn in_flight(&self) -> BTreeMap<(IpAddr, IpAddr), u64> {
        let mut held: BTreeMap<(IpAddr, IpAddr), u64> = BTreeMap::new();
        self.sim.borrow().links(|links| {
            for sent in links.flatten() {
                let (from, to) = sent.pair();
                *held.entry((from.ip(), to.ip())).or_default() += 1;
            }
        });
        held
    }

    fn read(&self, id: ImpairmentId, state: &State) -> Counters {
        let pairs = match state {
            State::Cut(pairs) => pairs,
            State::Loss => return Counters { dropped_packets: self.ledger.lost(id.0), ..Counters::default() },
            State::Healed(last) => return *last,
        };
        let in_flight = self.in_flight();
        let mut counters = Counters::default();
        for (from, to) in pairs {
            let since = self.ledger.since_mark(id.0, *from, *to);
            let held = in_flight.get(&(self.addresses[from], self.addresses[to])).copied().unwrap_or(0);
            counters.crossed_packets += since.arrived;
            counters.dropped_packets += since.sent.saturating_sub(since.arrived + held);
        }
        counters
    }

    fn repair(&self, id: ImpairmentId, state: &State) {
        let State::Cut(pairs) = state else {
            self.ledger.stop_losing(id.0);
            return;
        };
        let (sim, mut blocks) = (self.sim.borrow(), self.blocks.borrow_mut());
        for (from, to) in pairs {
            blocks.unblock(&sim, self.addresses[from], self.addresses[to]);
            self.ledger.unmark(id.0, *from, *to);
        }
    }
}

fn refused(cause: String) -> NetworkError {
    NetworkError { operation: "set the impairment", cause }
}

impl Network for SimulatedNetwork {
    fn impair(&mut self, impairment: &Impairment) -> Result<ImpairmentId, NetworkError> {
        let Impairment::Cut(cut) = impairment else {
            return Err(refused(String::from("simulated links can be cut and lose frames, and no more")));
        };
        self.check(cut)?;
        let id = ImpairmentId(self.next);
        self.next += 1;
        let mut pairs = cut.pairs.clone();
        pairs.sort_unstable();
        pairs.dedup();
        let state = if let Some(percent) = cut.percent {
            self.ledger.lose(id.0, &pairs, percent);
            State::Loss
        } else {
            let (sim, mut blocks) = (self.sim.borrow(), self.blocks.borrow_mut());
            for (from, to) in &pairs {
                blocks.block(&sim, self.addresses[from], self.addresses[to]);
                self.ledger.mark(id.0, *from, *to);
            }
            State::Cut(pairs)
        };
        self.known.insert(id, state);
        Ok(id)
    }

    fn heal(&mut self, id: ImpairmentId) -> Result<(), NetworkError> {
        let Some(state) = self.known.get(&id) else { return Ok(()) };
        if !matches!(state, State::Healed(_)) {
            let last = self.read(id, state);
            self.repair(id, state);
            self.known.insert(id, State::Healed(last));
        }
        Ok(())
    }

    fn counters(&mut self, id: ImpairmentId) -> Result<Counters, NetworkError> {
        let known = self.known.get(&id).map(|state| self.read(id, state));
        known.ok_or_else(|| NetworkError {
            operation: "read the counters",
            cause: String::from("there was no such impairment"),
        })
    }
}
