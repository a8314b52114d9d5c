//! The links between simulated hosts: cut, lossy, late, or down because a host is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use delivery_broker::{DelayCounts, Lateness, LinkLedger};
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
    /// Frames of its pairs come later.
    Delay,
    /// Frames of these pairs wait for its end.
    Hold(Vec<(u32, u32)>),
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

    fn check(&self, pairs: &[(u32, u32)]) -> Result<(), NetworkError> {
        for (from, to) in pairs {
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
            State::Delay => {
                let DelayCounts { delayed, dropped } = self.ledger.delayed(id.0);
                return Counters { delayed_packets: delayed, dropped_packets: dropped, ..Counters::default() };
            }
            State::Hold(pairs) => {
                let DelayCounts { delayed, dropped } = self.ledger.delayed(id.0);
                let arrived = pairs.iter().map(|(from, to)| self.ledger.since_mark(id.0, *from, *to).arrived);
                let crossed_packets = arrived.sum();
                return Counters {
                    held_back: delayed,
                    dropped_packets: dropped,
                    crossed_packets,
                    ..Counters::default()
                };
            }
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
        match state {
            State::Cut(pairs) => {
                let (sim, mut blocks) = (self.sim.borrow(), self.blocks.borrow_mut());
                for (from, to) in pairs {
                    blocks.unblock(&sim, self.addresses[from], self.addresses[to]);
                    self.ledger.unmark(id.0, *from, *to);
                }
            }
            State::Loss => drop(self.ledger.stop_losing(id.0)),
            State::Delay => self.ledger.stop_delaying(id.0),
            State::Hold(pairs) => {
                self.ledger.stop_delaying(id.0);
                pairs.iter().for_each(|(from, to)| self.ledger.unmark(id.0, *from, *to));
            }
            State::Healed(_) => {}
        }
    }

    fn cut_off(&self, id: ImpairmentId, cut: &Cut) -> Result<State, NetworkError> {
        self.check(&cut.pairs)?;
        let pairs = sorted(&cut.pairs);
        if let Some(percent) = cut.percent {
            self.ledger.lose(id.0, &pairs, percent);
            return Ok(State::Loss);
        }
        let (sim, mut blocks) = (self.sim.borrow(), self.blocks.borrow_mut());
        for (from, to) in &pairs {
            blocks.block(&sim, self.addresses[from], self.addresses[to]);
            self.ledger.mark(id.0, *from, *to);
        }
        Ok(State::Cut(pairs))
    }

    fn delay(&self, id: ImpairmentId, hosts: &[u32], ms: u32, jitter_ms: u32) -> Result<State, NetworkError> {
        let started = self.started.borrow().clone();
        let with_all = |host: &u32| {
            let host = *host;
            let others = started.iter().copied().filter(move |other| *other != host);
            others.flat_map(move |other| [(host, other), (other, host)])
        };
        let unknown = hosts.iter().find(|host| !started.contains(host));
        if let Some(unknown) = unknown {
            return Err(refused(format!("the simulation has no host {unknown}")));
        }
        let pairs: Vec<(u32, u32)> = hosts.iter().flat_map(with_all).collect();
        self.ledger.delay(id.0, &sorted(&pairs), Lateness::Of { ms, jitter_ms });
        Ok(State::Delay)
    }

    fn hold(&self, id: ImpairmentId, pairs: &[(u32, u32)]) -> Result<State, NetworkError> {
        self.check(pairs)?;
        let pairs = sorted(pairs);
        self.ledger.delay(id.0, &pairs, Lateness::UntilItEnds);
        pairs.iter().for_each(|(from, to)| self.ledger.mark(id.0, *from, *to));
        Ok(State::Hold(pairs))
    }
}

fn sorted(pairs: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut pairs = pairs.to_vec();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

fn refused(cause: String) -> NetworkError {
    NetworkError { operation: "set the impairment", cause }
}

impl Network for SimulatedNetwork {
    fn impair(&mut self, impairment: &Impairment) -> Result<ImpairmentId, NetworkError> {
        let id = ImpairmentId(self.next);
        let state = match impairment {
            Impairment::Cut(cut) => self.cut_off(id, cut)?,
            Impairment::Delay { hosts, delay_ms, jitter_ms } => self.delay(id, hosts, *delay_ms, *jitter_ms)?,
            Impairment::Hold(pairs) => self.hold(id, pairs)?,
            Impairment::Reset(_) | Impairment::Bandwidth { .. } => {
                let what = "simulated links can be cut, lose frames, delay and hold them, and no more";
                return Err(refused(String::from(what)));
            }
        };
        self.next += 1;
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
