//! The parts of a system that runs inside a simulated network, on a simulated clock.
//!
//! Every node is a host of the simulation; its clients live in the same host and talk to it
//! without a network. Nothing in here may read a wall clock or a random source other than
//! [`SimulatedPlan::seed`]: one seed is one history.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use crate::client::{ClientSpec, Consumer, NodeAddress, Producer};
use crate::observe::Observation;

/// A lane as a simulated node needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedLane {
    /// Index of its destination in the run's manifest.
    pub destination: u16,
    /// Topic.
    pub topic: String,
    /// Its settings by full name.
    pub config: BTreeMap<String, String>,
}

/// A whole simulated cluster.
#[derive(Clone, Debug)]
pub struct SimulatedPlan {
    /// The nodes; an address is a host name of the simulation, or its IP address there.
    pub nodes: Vec<NodeAddress>,
    /// One destination a lane.
    pub lanes: Vec<SimulatedLane>,
    /// In every payload of the run.
    pub run_tag: u64,
    /// Seed of everything a node draws.
    pub seed: u64,
    /// Where links account for their frames.
    pub ledger: LinkLedger,
}

/// A product whose nodes run inside the simulation.
pub trait SimulatedSystem: Send + Sync {
    /// Makes node `node` of the plan: once per start of its host, so again after a crash.
    fn node(&self, plan: &SimulatedPlan, node: u32) -> Rc<dyn SimulatedNode>;
}

/// One node. Clients made by it live on its host and share its fate.
pub trait SimulatedNode {
    /// Serves the links to the other nodes until the host ends. Runs inside the host.
    fn run(self: Rc<Self>) -> Pin<Box<dyn Future<Output = io::Result<()>>>>;

    /// A producer on this node. It never blocks: waits are ignored.
    fn producer(&self, spec: &ClientSpec) -> Box<dyn Producer>;

    /// A subscriber on this node. It never blocks: waits are ignored.
    fn consumer(&self, spec: &ClientSpec) -> Box<dyn Consumer>;

    /// What this node believes now; it always counts itself in.
    fn observe(&self, seen: &mut dyn FnMut(Observation));
}

/// Accounts for every frame that nodes hand to the simulated network, per ordered pair of hosts.
///
/// A simulated network does not tell what it dropped. So the sender numbers its frames here
/// and the receiver crosses off those that arrive: a frame that is neither crossed off nor
/// still in flight was dropped. Frames are numbered per pair from 0.
#[derive(Clone, Debug, Default)]
pub struct LinkLedger {
    pairs: Rc<RefCell<BTreeMap<(u32, u32), PairAccount>>>,
    loss: Rc<RefCell<Loss>>,
}

/// Frames that are lost by chance: the sender asks before it hands one to the network.
#[derive(Clone, Debug)]
struct Loss {
    percent: u32,
    pairs: BTreeSet<(u32, u32)>,
    lost: u64,
    random: fastrand::Rng,
}

impl Default for Loss {
    fn default() -> Self {
        Self { percent: 0, pairs: BTreeSet::new(), lost: 0, random: fastrand::Rng::with_seed(0) }
    }
}

/// One ordered pair of hosts.
#[derive(Clone, Copy, Debug, Default)]
struct PairAccount {
    /// Number of the next frame.
    sent: u64,
    arrived: u64,
    /// First frame number since the mark, and how many from there on arrived.
    mark: Option<(u64, u64)>,
}

/// Frames of one ordered pair since its mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinceMark {
    /// Handed to the network.
    pub sent: u64,
    /// Of these, arrived.
    pub arrived: u64,
}

impl LinkLedger {
    /// Draws losses from `seed`.
    pub fn seeded(seed: u64) -> Self {
        let ledger = Self::default();
        ledger.loss.borrow_mut().random = fastrand::Rng::with_seed(seed ^ 0x1055);
        ledger
    }

    /// From now on `percent` of a hundred frames between these ordered pairs are lost, and no others; the count of lost
    /// ones starts again where there are any pairs.
    pub fn lose(&self, pairs: &[(u32, u32)], percent: u32) {
        let mut loss = self.loss.borrow_mut();
        loss.percent = percent;
        loss.pairs = pairs.iter().copied().collect();
        if !loss.pairs.is_empty() {
            loss.lost = 0;
        }
    }

    /// Whether the frame that is about to be handed to the network gets lost: the sender then keeps it to itself.
    pub fn is_lost(&self, from: u32, to: u32) -> bool {
        let loss = &mut *self.loss.borrow_mut();
        if !loss.pairs.contains(&(from, to)) || loss.random.u32(0..100) >= loss.percent {
            return false;
        }
        loss.lost += 1;
        true
    }

    /// Frames lost since the pairs were last set.
    pub fn lost(&self) -> u64 {
        self.loss.borrow().lost
    }

    /// A frame is about to be handed to the network; returns its number, which it must carry.
    pub fn sent(&self, from: u32, to: u32) -> u64 {
        let mut pairs = self.pairs.borrow_mut();
        let account = pairs.entry((from, to)).or_default();
        account.sent += 1;
        account.sent - 1
    }

    /// The frame with this number arrived.
    pub fn arrived(&self, from: u32, to: u32, number: u64) {
        let mut pairs = self.pairs.borrow_mut();
        let account = pairs.entry((from, to)).or_default();
        assert!(number < account.sent, "frame {number} from {from} to {to} arrived but was never sent");
        account.arrived += 1;
        if let Some((first, arrived)) = &mut account.mark
            && number >= *first
        {
            *arrived += 1;
        }
    }

    /// From now on [`LinkLedger::since_mark`] counts the frames of this pair.
    pub fn mark(&self, from: u32, to: u32) {
        let mut pairs = self.pairs.borrow_mut();
        let account = pairs.entry((from, to)).or_default();
        account.mark = Some((account.sent, 0));
    }

    /// Frames sent since the pair was marked; nothing where it never was.
    pub fn since_mark(&self, from: u32, to: u32) -> SinceMark {
        let pairs = self.pairs.borrow();
        let Some(account) = pairs.get(&(from, to)) else { return SinceMark::default() };
        account
            .mark
            .map_or_else(SinceMark::default, |(first, arrived)| SinceMark { sent: account.sent - first, arrived })
    }

    /// Frames of all pairs since the start: (sent, arrived).
    pub fn totals(&self) -> (u64, u64) {
        let pairs = self.pairs.borrow();
        pairs.values().fold((0, 0), |(sent, arrived), account| (sent + account.sent, arrived + account.arrived))
    }
}

#[cfg(test)]
mod tests {
    use super::{LinkLedger, SinceMark};

    #[test]
    fn only_frames_sent_after_the_mark_count() {
        let ledger = LinkLedger::default();
        let early = ledger.sent(1, 2);
        ledger.mark(1, 2);
        let late = [ledger.sent(1, 2), ledger.sent(1, 2)];
        ledger.arrived(1, 2, early);
        assert_eq!(ledger.since_mark(1, 2), SinceMark { sent: 2, arrived: 0 });
        ledger.arrived(1, 2, late[1]);
        assert_eq!(ledger.since_mark(1, 2), SinceMark { sent: 2, arrived: 1 });
        assert_eq!(ledger.totals(), (3, 2));
    }

    #[test]
    fn pairs_are_directed_and_counted_apart() {
        let ledger = LinkLedger::default();
        ledger.mark(1, 2);
        ledger.sent(2, 1);
        assert_eq!(ledger.since_mark(1, 2), SinceMark::default());
        assert_eq!(ledger.since_mark(2, 1), SinceMark::default());
    }

    #[test]
    #[should_panic(expected = "never sent")]
    fn a_frame_nobody_sent_is_refused() {
        LinkLedger::default().arrived(1, 2, 0);
    }

    #[test]
    fn losses_hit_the_named_pairs_only_and_are_counted() {
        let ledger = LinkLedger::seeded(3);
        assert!(!ledger.is_lost(1, 2), "nothing is lost by itself");
        ledger.lose(&[(1, 2)], 25);
        let lost = (0..4_000).filter(|_| ledger.is_lost(1, 2)).count() as u64;
        assert!((850..1_150).contains(&lost), "{lost}");
        assert!((0..100).all(|_| !ledger.is_lost(2, 1)));
        ledger.lose(&[], 0);
        assert!(!ledger.is_lost(1, 2));
        assert_eq!(ledger.lost(), lost, "the count outlasts the fault");
        ledger.lose(&[(1, 2)], 100);
        assert!(ledger.is_lost(1, 2) && ledger.lost() == 1);
    }
}
