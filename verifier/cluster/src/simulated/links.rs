//! The links between simulated hosts: cut, lossy, or down because a host is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use delivery_broker::LinkLedger;
use turmoil::Sim;

use crate::network::{Counters, Cut, Network, NetworkError};

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
    /// The cut in force.
    pairs: Vec<(u32, u32)>,
    /// It drops by chance only.
    lossy: bool,
    /// Last reading of a cut that is over.
    last: Counters,
}

impl SimulatedNetwork {
    pub(crate) fn new(
        sim: Rc<RefCell<Sim<'static>>>,
        addresses: BTreeMap<u32, IpAddr>,
        started: Rc<RefCell<Vec<u32>>>,
        blocks: Rc<RefCell<Blocks>>,
        ledger: LinkLedger,
    ) -> Self {
        let (pairs, lossy, last) = (Vec::new(), false, Counters::default());
        Self { sim, addresses, started, blocks, ledger, pairs, lossy, last }
    }

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
        self.ledger.lose(&[], 0);
        let pairs = std::mem::take(&mut self.pairs);
        if self.lossy {
            return;
        }
        let (sim, mut blocks) = (self.sim.borrow(), self.blocks.borrow_mut());
        for (from, to) in pairs {
            blocks.unblock(&sim, self.addresses[&from], self.addresses[&to]);
        }
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

    fn read(&self) -> Counters {
        if self.pairs.is_empty() {
            return self.last;
        }
        if self.lossy {
            return Counters { dropped_packets: self.ledger.lost(), crossed_packets: 0 };
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
        self.lossy = cut.percent.is_some();
        if let Some(percent) = cut.percent {
            self.ledger.lose(&pairs, percent);
        } else {
            let (sim, mut blocks) = (self.sim.borrow(), self.blocks.borrow_mut());
            for (from, to) in &pairs {
                blocks.block(&sim, self.addresses[from], self.addresses[to]);
                self.ledger.mark(*from, *to);
            }
        }
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
