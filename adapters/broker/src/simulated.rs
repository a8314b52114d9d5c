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
    losses: Rc<RefCell<Losses>>,
    delays: Rc<RefCell<Delays>>,
}

/// Frames that come later: the sender asks how long it is to keep one, before it numbers it.
#[derive(Clone, Debug)]
struct Delays {
    /// By the number of whoever asked for it.
    by_number: BTreeMap<u32, Delay>,
    random: fastrand::Rng,
}

/// One delay.
#[derive(Clone, Debug)]
struct Delay {
    lateness: Lateness,
    pairs: BTreeSet<(u32, u32)>,
    counted: DelayCounts,
}

/// How much later frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// By this much.
    Of {
        /// Milliseconds.
        ms: u32,
        /// And this much more or less, drawn frame by frame, milliseconds.
        jitter_ms: u32,
    },
    /// As long as it lasts: nothing goes out until then.
    UntilItEnds,
}

/// What one delay came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DelayCounts {
    /// Frames that had to wait.
    pub delayed: u64,
    /// Frames for which there was no room to wait in.
    pub dropped: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self { by_number: BTreeMap::new(), random: fastrand::Rng::with_seed(0) }
    }
}

/// Frames that are lost by chance: the sender asks before it hands one to the network.
#[derive(Clone, Debug)]
struct Losses {
    /// By the number of whoever asked for it.
    by_number: BTreeMap<u32, Loss>,
    random: fastrand::Rng,
}

/// One loss.
#[derive(Clone, Debug)]
struct Loss {
    percent: u32,
    pairs: BTreeSet<(u32, u32)>,
    lost: u64,
}

impl Default for Losses {
    fn default() -> Self {
        Self { by_number: BTreeMap::new(), random: fastrand::Rng::with_seed(0) }
    }
}

/// One ordered pair of hosts.
#[derive(Clone, Debug, Default)]
struct PairAccount {
    /// Number of the next frame.
    sent: u64,
    arrived: u64,
    /// By the number of whoever counts.
    marks: BTreeMap<u32, Mark>,
}

/// From which frame on somebody counts, and what became of those.
#[derive(Clone, Copy, Debug)]
struct Mark {
    first: u64,
    arrived: u64,
    lost: u64,
}

/// Frames of one ordered pair since a mark.
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
        ledger.losses.borrow_mut().random = fastrand::Rng::with_seed(seed ^ 0x1055);
        ledger.delays.borrow_mut().random = fastrand::Rng::with_seed(seed ^ 0x1a7e);
        ledger
    }

    /// From now on frames between these ordered pairs come later on behalf of `number`.
    pub fn delay(&self, number: u32, pairs: &[(u32, u32)], lateness: Lateness) {
        let delay = Delay { lateness, pairs: pairs.iter().copied().collect(), counted: DelayCounts::default() };
        self.delays.borrow_mut().by_number.insert(number, delay);
    }

    /// Nothing more is delayed on behalf of `number`; what waits for it goes on.
    pub fn stop_delaying(&self, number: u32) {
        self.delays.borrow_mut().by_number.remove(&number);
    }

    /// What was delayed on behalf of `number` so far.
    pub fn delayed(&self, number: u32) -> DelayCounts {
        self.delays.borrow().by_number.get(&number).map_or_else(DelayCounts::default, |delay| delay.counted)
    }

    /// How much later the next frame of this pair comes, milliseconds; it is counted. Nothing where it goes at once.
    pub fn lateness_ms(&self, from: u32, to: u32) -> Option<u32> {
        let Delays { by_number, random } = &mut *self.delays.borrow_mut();
        let mut late_ms = None;
        for delay in by_number.values_mut().filter(|delay| delay.pairs.contains(&(from, to))) {
            delay.counted.delayed += 1;
            let by_ms = match delay.lateness {
                Lateness::Of { ms, jitter_ms } => {
                    random.u32(ms.saturating_sub(jitter_ms)..=ms.saturating_add(jitter_ms))
                }
                Lateness::UntilItEnds => 0,
            };
            late_ms = Some(late_ms.unwrap_or(0).max(by_ms));
        }
        late_ms
    }

    /// Whether nothing of this pair goes out now.
    pub fn is_held(&self, from: u32, to: u32) -> bool {
        let delays = self.delays.borrow();
        delays
            .by_number
            .values()
            .any(|delay| delay.lateness == Lateness::UntilItEnds && delay.pairs.contains(&(from, to)))
    }

    /// A frame of this pair that was to come later found no room to wait in.
    pub fn had_no_room(&self, from: u32, to: u32) {
        let mut delays = self.delays.borrow_mut();
        let hit = delays.by_number.values_mut().filter(|delay| delay.pairs.contains(&(from, to)));
        hit.for_each(|delay| delay.counted.dropped += 1);
    }

    /// From now on `percent` of a hundred frames between these ordered pairs are lost on behalf of `number`.
    pub fn lose(&self, number: u32, pairs: &[(u32, u32)], percent: u32) {
        let loss = Loss { percent, pairs: pairs.iter().copied().collect(), lost: 0 };
        self.losses.borrow_mut().by_number.insert(number, loss);
    }

    /// Nothing more is lost on behalf of `number`; returns how many frames were.
    pub fn stop_losing(&self, number: u32) -> u64 {
        self.losses.borrow_mut().by_number.remove(&number).map_or(0, |loss| loss.lost)
    }

    /// Whether the frame that was numbered last of this pair gets lost: the sender then keeps it to itself.
    pub fn is_lost(&self, from: u32, to: u32) -> bool {
        let losses = &mut *self.losses.borrow_mut();
        let random = &mut losses.random;
        let mut hits = losses.by_number.values_mut().filter(|loss| loss.pairs.contains(&(from, to)));
        let Some(loss) = hits.find(|loss| random.u32(0..100) < loss.percent) else { return false };
        loss.lost += 1;
        if let Some(account) = self.pairs.borrow_mut().get_mut(&(from, to)) {
            account.marks.values_mut().for_each(|mark| mark.lost += 1);
        }
        true
    }

    /// Frames lost on behalf of `number` so far.
    pub fn lost(&self, number: u32) -> u64 {
        self.losses.borrow().by_number.get(&number).map_or(0, |loss| loss.lost)
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
        for mark in account.marks.values_mut().filter(|mark| number >= mark.first) {
            mark.arrived += 1;
        }
    }

    /// From now on [`LinkLedger::since_mark`] counts the frames of this pair for `number`.
    pub fn mark(&self, number: u32, from: u32, to: u32) {
        let mut pairs = self.pairs.borrow_mut();
        let account = pairs.entry((from, to)).or_default();
        account.marks.insert(number, Mark { first: account.sent, arrived: 0, lost: 0 });
    }

    /// Nobody counts this pair for `number` any more.
    pub fn unmark(&self, number: u32, from: u32, to: u32) {
        if let Some(account) = self.pairs.borrow_mut().get_mut(&(from, to)) {
            account.marks.remove(&number);
        }
    }

    /// Frames handed to the network since the pair was marked for `number`, without those that were lost by chance
    /// before it had them; nothing where it never was.
    pub fn since_mark(&self, number: u32, from: u32, to: u32) -> SinceMark {
        let pairs = self.pairs.borrow();
        let marked = pairs.get(&(from, to)).and_then(|account| Some((account.sent, account.marks.get(&number)?)));
        marked.map_or_else(SinceMark::default, |(sent, mark)| SinceMark {
            sent: sent - mark.first - mark.lost,
            arrived: mark.arrived,
        })
    }

    /// Frames of all pairs since the start: (sent, arrived).
    pub fn totals(&self) -> (u64, u64) {
        let pairs = self.pairs.borrow();
        pairs.values().fold((0, 0), |(sent, arrived), account| (sent + account.sent, arrived + account.arrived))
    }
}

#[cfg(test)]
mod tests {
    use super::{DelayCounts, Lateness, LinkLedger, SinceMark};

    #[test]
    fn only_frames_sent_after_the_mark_count() {
        let ledger = LinkLedger::default();
        let early = ledger.sent(1, 2);
        ledger.mark(7, 1, 2);
        let late = [ledger.sent(1, 2), ledger.sent(1, 2)];
        ledger.arrived(1, 2, early);
        assert_eq!(ledger.since_mark(7, 1, 2), SinceMark { sent: 2, arrived: 0 });
        ledger.arrived(1, 2, late[1]);
        assert_eq!(ledger.since_mark(7, 1, 2), SinceMark { sent: 2, arrived: 1 });
        assert_eq!(ledger.totals(), (3, 2));
    }

    #[test]
    fn pairs_are_directed_and_counted_apart() {
        let ledger = LinkLedger::default();
        ledger.mark(7, 1, 2);
        ledger.sent(2, 1);
        assert_eq!(ledger.since_mark(7, 1, 2), SinceMark::default());
        assert_eq!(ledger.since_mark(7, 2, 1), SinceMark::default());
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
        ledger.lose(0, &[(1, 2)], 25);
        let lost = (0..4_000).filter(|_| ledger.is_lost(1, 2)).count() as u64;
        assert!((850..1_150).contains(&lost), "{lost}");
        assert!((0..100).all(|_| !ledger.is_lost(2, 1)));
        assert_eq!((ledger.lost(0), ledger.stop_losing(0)), (lost, lost));
        assert!(!ledger.is_lost(1, 2));
        ledger.lose(1, &[(1, 2)], 100);
        assert!(ledger.is_lost(1, 2) && ledger.lost(1) == 1);
    }

    #[test]
    fn frames_of_the_named_pairs_come_later_by_what_the_seed_draws() {
        let drawn = |seed: u64| {
            let ledger = LinkLedger::seeded(seed);
            assert_eq!(ledger.lateness_ms(1, 2), None);
            ledger.delay(0, &[(1, 2)], Lateness::Of { ms: 100, jitter_ms: 20 });
            let late: Vec<u32> = (0..500).filter_map(|_| ledger.lateness_ms(1, 2)).collect();
            assert_eq!((ledger.lateness_ms(2, 1), ledger.is_held(1, 2)), (None, false));
            assert_eq!(ledger.delayed(0), DelayCounts { delayed: 500, dropped: 0 });
            ledger.stop_delaying(0);
            assert_eq!(ledger.lateness_ms(1, 2), None);
            late
        };
        let late = drawn(7);
        assert_eq!((late.len(), late.iter().min(), late.iter().max()), (500, Some(&80), Some(&120)));
        assert_eq!(late, drawn(7));
        assert_ne!(late, drawn(8));
    }

    #[test]
    fn a_pair_is_held_until_nobody_holds_it() {
        let ledger = LinkLedger::default();
        ledger.delay(0, &[(1, 2)], Lateness::UntilItEnds);
        ledger.delay(1, &[(1, 2), (2, 1)], Lateness::UntilItEnds);
        assert_eq!(ledger.lateness_ms(1, 2), Some(0));
        ledger.had_no_room(1, 2);
        assert_eq!((ledger.delayed(0), ledger.delayed(1).dropped), (DelayCounts { delayed: 1, dropped: 1 }, 1));
        ledger.stop_delaying(0);
        assert!(ledger.is_held(1, 2) && ledger.is_held(2, 1));
        ledger.stop_delaying(1);
        assert!(!ledger.is_held(1, 2));
    }

    #[test]
    fn whoever_counts_beside_another_counts_its_own() {
        let ledger = LinkLedger::default();
        ledger.mark(1, 1, 2);
        ledger.sent(1, 2);
        ledger.mark(2, 1, 2);
        ledger.lose(3, &[(1, 2)], 100);
        ledger.sent(1, 2);
        assert!(ledger.is_lost(1, 2));
        assert_eq!(ledger.since_mark(1, 1, 2), SinceMark { sent: 1, arrived: 0 }, "the network never had the other");
        assert_eq!(ledger.since_mark(2, 1, 2), SinceMark::default());
        ledger.unmark(1, 1, 2);
        ledger.stop_losing(3);
        let late = ledger.sent(1, 2);
        ledger.arrived(1, 2, late);
        assert_eq!(ledger.since_mark(2, 1, 2), SinceMark { sent: 1, arrived: 1 });
        assert_eq!(ledger.since_mark(1, 1, 2), SinceMark::default());
    }
}
