//! What a history was found to say: plain data, ready for claims and reports.

use std::collections::BTreeMap;

use delivery_history::manifest::Workload;
use serde::{Deserialize, Serialize};

use crate::jepsen::Anomaly;

/// Never two-valued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Shown to hold under a fault that bit.
    Holds,
    /// Could not be shown either way; the reason says why.
    Inconclusive,
    /// Shown to be broken; findings name the messages.
    Violated,
}

/// What can be judged. Definitions: `docs/guarantees.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// No acked message is lost.
    Durability,
    /// Every acked message is processed at least once by each group or subscriber.
    AtLeastOnce,
    /// No message is processed twice in a group, none is stored twice.
    AtMostOnce,
    /// Every acked message is processed exactly once by each group.
    ExactlyOnce,
    /// Order per producer session.
    Ordering,
    /// All readers and replicas show one log.
    Agreement,
    /// Nothing delivered that was never sent, had certainly failed, or arrives altered.
    Integrity,
    /// A transaction's messages are all visible or none, aborted ones never.
    Atomicity,
    /// The cluster took writes, and groups progressed, within the limit after heal.
    Liveness,
}

impl Guarantee {
    /// Every guarantee, in the order of the output.
    pub const ALL: &[Guarantee] = &[
        Self::Durability,
        Self::AtLeastOnce,
        Self::AtMostOnce,
        Self::ExactlyOnce,
        Self::Ordering,
        Self::Agreement,
        Self::Integrity,
        Self::Atomicity,
        Self::Liveness,
    ];

    /// Name for `--require`, JSON and tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Durability => "durability",
            Self::AtLeastOnce => "at-least-once",
            Self::AtMostOnce => "at-most-once",
            Self::ExactlyOnce => "exactly-once",
            Self::Ordering => "ordering",
            Self::Agreement => "agreement",
            Self::Integrity => "integrity",
            Self::Atomicity => "atomicity",
            Self::Liveness => "liveness",
        }
    }

    /// One line for `verify list guarantees`.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Durability => "no acked message is lost (over `sent` where the configuration asks for no ack)",
            Self::AtLeastOnce => "every acked message is processed at least once by each group or subscriber",
            Self::AtMostOnce => "no message enters processing twice in a group, none is stored twice",
            Self::ExactlyOnce => "every acked message is processed exactly once by each group",
            Self::Ordering => {
                "messages of a producer session are stored (or first delivered) in the order they were sent"
            }
            Self::Agreement => "all readers and all replicas show one log: same offset, same message",
            Self::Integrity => "nothing is delivered that was never sent, had certainly failed, or arrives altered",
            Self::Atomicity => {
                "a transaction's messages are all visible or none, aborted ones never, those of an unknown commit all or none"
            }
            Self::Liveness => "the cluster took writes, and groups progressed, within the limit after heal",
        }
    }

    /// The guarantee with this name, if there is one.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|guarantee| guarantee.label() == label)
    }

    /// Kinds of findings that break it (`docs/guarantees.md`).
    pub const fn broken_by(self) -> &'static [FindingKind] {
        use FindingKind::*;
        match self {
            Self::Durability => &[Lost],
            Self::AtLeastOnce => &[Lost, Undelivered],
            Self::AtMostOnce => &[ProcessedTwice, StoredTwice, OutputTwice],
            Self::ExactlyOnce => &[Lost, Undelivered, ProcessedTwice, OutputTwice],
            Self::Ordering => &[Reordered],
            Self::Agreement => &[Disagreement],
            Self::Integrity => &[Phantom, Corrupt, FailedButStored],
            Self::Atomicity => &[TornTransaction, AbortedRead, UncommittedRead],
            Self::Liveness => &[NotRecovered, HangingTransaction],
        }
    }

    /// Whether it means anything for lanes that do this.
    pub fn applies_to(self, workload: Workload) -> bool {
        match self {
            Self::Agreement => matches!(workload, Workload::Log | Workload::Transactions),
            Self::Atomicity => workload == Workload::Transactions,
            _ => true,
        }
    }
}

/// How the doubt begins that says of a lane's clients that they did not get up to the rate they were asked for.
pub const SATURATED: &str = "clients were saturated";

/// What the observed label says where nothing was shown.
pub const NOT_SHOWN: &str = "not shown";

/// Every label that can be observed; [`NOT_SHOWN`] is the last.
pub const OBSERVED_LABELS: [&str; 7] =
    ["CP", "unavailable-safe", "unavailable", "AP", "AP, lossy", "neither", NOT_SHOWN];

/// A kind of anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Acked (or sent) and absent from where it must be.
    Lost,
    /// There, but never processed by a group before the drain ended.
    Undelivered,
    /// Stored more than once.
    StoredTwice,
    /// Entered processing more than once in a group.
    ProcessedTwice,
    /// In processing at two members of a group at the same time.
    ProcessedAtOnce,
    /// Delivered again without being processed again.
    Redelivered,
    /// Delivered again by a queue without its redelivered flag.
    RedeliveredUnflagged,
    /// Delivered again after its settle had been confirmed.
    RedeliveredSettled,
    /// Stored, or first delivered, out of the order it was sent in by its session.
    Reordered,
    /// Stored, or first delivered, after a later message of its session and key.
    ReorderedKey,
    /// Stored behind a message that was sent only after this one had been acked.
    ReorderedTotal,
    /// Delivered again behind a later message of its session that was first delivered after the requeue.
    ReorderedRequeued,
    /// A reader was given an offset it had passed, and nothing recorded explains it.
    OffsetBack,
    /// A reader passed over stored messages, and nothing recorded explains it.
    OffsetSkipped,
    /// A group's committed offset moved back, and no recorded reset explains it.
    CommitBack,
    /// Less of a group's commits was read back than had been confirmed.
    CommitLost,
    /// A group has committed past it, and nobody of the group ever processed it.
    CommittedUnprocessed,
    /// Readers or replicas show different messages at one offset.
    Disagreement,
    /// Delivered or stored but never sent.
    Phantom,
    /// Arrived altered.
    Corrupt,
    /// Certainly failed, and stored or delivered all the same.
    FailedButStored,
    /// Of a transaction that did not abort, a part is visible and a part is not.
    TornTransaction,
    /// Of an aborted transaction, and stored for good or delivered to a reader of committed messages.
    AbortedRead,
    /// Delivered to a reader of committed messages before its transaction was asked to commit.
    UncommittedRead,
    /// Of an aborted transaction, and delivered to a group that reads beside the lane's own and asks for all.
    DirtyRead,
    /// More than one committed output stands for it.
    OutputTwice,
    /// A transaction that nobody ends: readers of committed messages do not get past it.
    HangingTransaction,
    /// Moved by the broker to where its queue's dead letters go.
    DeadLettered,
    /// Refused for good, and neither where its queue's dead letters go nor anywhere else.
    DeadLetterLost,
    /// Still in its queue when the drain had ended.
    LeftInQueue,
    /// The cluster or a group did not come back within the limit.
    NotRecovered,
    /// An anomaly of a history of operations, by its own name.
    #[serde(untagged)]
    Jepsen(Anomaly),
}

impl FindingKind {
    /// The kind with this name, if histories of events are searched for it.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.label() == label)
    }

    /// Every kind that histories of events are searched for, in the order of the output.
    pub const ALL: &[FindingKind] = &[
        Self::Lost,
        Self::Undelivered,
        Self::StoredTwice,
        Self::ProcessedTwice,
        Self::ProcessedAtOnce,
        Self::Redelivered,
        Self::RedeliveredUnflagged,
        Self::RedeliveredSettled,
        Self::Reordered,
        Self::ReorderedKey,
        Self::ReorderedTotal,
        Self::ReorderedRequeued,
        Self::OffsetBack,
        Self::OffsetSkipped,
        Self::CommitBack,
        Self::CommitLost,
        Self::CommittedUnprocessed,
        Self::Disagreement,
        Self::Phantom,
        Self::Corrupt,
        Self::FailedButStored,
        Self::TornTransaction,
        Self::AbortedRead,
        Self::UncommittedRead,
        Self::DirtyRead,
        Self::OutputTwice,
        Self::HangingTransaction,
        Self::DeadLettered,
        Self::DeadLetterLost,
        Self::LeftInQueue,
        Self::NotRecovered,
    ];

    /// Name in JSON and tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Undelivered => "undelivered",
            Self::StoredTwice => "stored-twice",
            Self::ProcessedTwice => "processed-twice",
            Self::ProcessedAtOnce => "processed-at-once",
            Self::Redelivered => "redelivered",
            Self::RedeliveredUnflagged => "redelivered-unflagged",
            Self::RedeliveredSettled => "redelivered-settled",
            Self::Reordered => "reordered",
            Self::ReorderedKey => "reordered-key",
            Self::ReorderedTotal => "reordered-total",
            Self::ReorderedRequeued => "reordered-requeued",
            Self::OffsetBack => "offset-back",
            Self::OffsetSkipped => "offset-skipped",
            Self::CommitBack => "commit-back",
            Self::CommitLost => "commit-lost",
            Self::CommittedUnprocessed => "committed-unprocessed",
            Self::Disagreement => "disagreement",
            Self::Phantom => "phantom",
            Self::Corrupt => "corrupt",
            Self::FailedButStored => "failed-but-stored",
            Self::TornTransaction => "torn-transaction",
            Self::AbortedRead => "aborted-read",
            Self::UncommittedRead => "uncommitted-read",
            Self::DirtyRead => "dirty-read",
            Self::OutputTwice => "output-twice",
            Self::HangingTransaction => "hanging-transaction",
            Self::DeadLettered => "dead-lettered",
            Self::DeadLetterLost => "dead-letter-lost",
            Self::LeftInQueue => "left-in-queue",
            Self::NotRecovered => "not-recovered",
            Self::Jepsen(anomaly) => anomaly.label(),
        }
    }
}

/// One step in a witness's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryStep {
    /// After the load began, milliseconds (negative before).
    pub at_ms: i64,
    /// What happened, to whom, by whom: `acked by n2 at offset 4711`.
    pub what: String,
}

/// A message that shows a finding, with its whole story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// `producer/sequence`, or what else names it.
    pub message: String,
    /// Destination by name.
    pub destination: String,
    /// Sent, acked by whom and when, leader then, where read.
    pub story: Vec<StoryStep>,
}

/// One kind of anomaly in one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub kind: FindingKind,
    /// How many messages (never 0).
    pub count: u64,
    /// At most a few of them, the earliest first.
    pub witnesses: Vec<Witness>,
}

/// A guarantee's verdict in one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuaranteeJudgement {
    /// Which.
    pub name: Guarantee,
    /// How it was judged.
    pub verdict: Verdict,
    /// Why: always there unless it simply holds.
    pub reason: String,
}

/// Latencies of one part of the run, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Measurements.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

/// Counts of one lane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Sends invoked.
    pub sent: u64,
    /// Acked; 0 where the configuration asks for no ack.
    pub acked: u64,
    /// Taken by the client with no ack asked for.
    pub sent_unacknowledged: u64,
    /// Certainly not stored.
    pub failed: u64,
    /// May be stored.
    pub unknown: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Handlers that finished.
    pub processed: u64,
    /// Commits that were not confirmed, by why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commits_refused: BTreeMap<String, u64>,
    /// Destinations that members were given, gave back and lost; left out where no group reads logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalances: Option<Rebalances>,
    /// Transactions by how they ended; left out where the lane has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<TransactionCounts>,
    /// Distinct messages the audit read.
    pub stored: u64,
    /// Acked (or sent) messages exposed to a fault window that bit (rule 8).
    pub exposed: u64,
    /// Fault windows that bit.
    pub windows: u64,
    /// Largest share of losing windows still compatible with no loss seen, at 95 %; nothing with losses or no window.
    pub bound: Option<f64>,
    /// Sends a second over the load.
    pub rate_per_s: f64,
    /// By name: `send-before`, `send-during`, `send-after`, `end-to-end-before`, ...
    pub latency_ms: BTreeMap<String, Percentiles>,
}

/// What became of who reads what in a lane's groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebalances {
    /// Destinations that members were given.
    pub assigned: u64,
    /// Destinations that members gave back.
    pub revoked: u64,
    /// Destinations that members lost: the group had gone on without them, and others may have read there already.
    pub lost: u64,
}

/// Transactions by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionCounts {
    /// Their commit was confirmed.
    pub committed: u64,
    /// They aborted.
    pub aborted: u64,
    /// Their client died or never learned.
    pub unknown: u64,
}

/// Writes during the cut, by the node that acked or the side that tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideWrites {
    /// `leader side (n2)`, `majority side (n1, n3)`.
    pub side: String,
    /// Sends by clients confined to it, from detection to heal; 0 where no client is.
    pub attempts: u64,
    /// Acks by its nodes, from detection to heal.
    pub acks: u64,
    /// Acks its nodes gave while the fault was on.
    pub acks_during_fault: u64,
    /// Share of the fault's time with acks by its nodes, 0 to 1; nothing where nobody acks.
    #[serde(default)]
    pub available: Option<f64>,
    /// Longest time without an ack by its nodes while the fault was on, milliseconds.
    #[serde(default)]
    pub longest_stall_ms: u64,
}

/// How a lane came back after one fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// `netsplit@4s+15s`.
    pub fault: String,
    /// From the heal to the first ack, milliseconds; nothing where none came.
    pub first_ack_ms: Option<u64>,
    /// From the heal until every group had been handed all that was sent before it, milliseconds; nothing where a group
    /// never drained.
    pub caught_up_ms: Option<u64>,
}

/// CP, AP and the like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// `CP`, `AP`, `AP, lossy`, `neither`, `unavailable`, `unavailable-safe`, `not shown`.
    pub observed: String,
    /// The numbers it rests on.
    pub reason: String,
    /// Writes per side.
    pub sides: Vec<SideWrites>,
}

/// What one lane was found to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneJudgement {
    /// Name of the lane.
    pub lane: String,
    /// Counts.
    pub stats: Stats,
    /// Anomalies, by kind.
    pub findings: Vec<Finding>,
    /// Every guarantee that applies, in the order of [`Guarantee::ALL`].
    pub guarantees: Vec<GuaranteeJudgement>,
    /// Observed label.
    pub label: Label,
    /// Share of the fault's time with sends acked, 0 to 1; nothing without a fault or without acks.
    pub available_during_fault: Option<f64>,
    /// Longest time without an ack while sends were invoked, milliseconds.
    pub longest_stall_ms: u64,
    /// By fault: how long the lane took to come back.
    #[serde(default)]
    pub recovery: Vec<Recovery>,
    /// What keeps anything here from being judged to hold (empty: nothing does).
    pub doubts: Vec<String>,
}

impl LaneJudgement {
    /// How many of `kind`.
    pub fn count(&self, kind: FindingKind) -> u64 {
        self.findings.iter().find(|finding| finding.kind == kind).map_or(0, |finding| finding.count)
    }

    /// The verdict on `guarantee`, if it applies to the lane.
    pub fn verdict(&self, guarantee: Guarantee) -> Option<&GuaranteeJudgement> {
        self.guarantees.iter().find(|judged| judged.name == guarantee)
    }
}

/// What one fault was found to have done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultJudgement {
    /// `netsplit:leader`.
    pub fault: String,
    /// Who was hit, by name.
    pub targets: Vec<String>,
    /// Planned start, milliseconds after the load began.
    pub start_ms: u64,
    /// How long it really was on, milliseconds (0: it never started or never ended).
    pub lasted_ms: u64,
    /// Its own rules dropped packets throughout and nothing crossed a full cut; or its processes were down throughout.
    pub bit: bool,
    /// The cluster saw it.
    pub noticed: bool,
    /// It was taken back and traffic flowed again.
    pub healed: bool,
    /// Packets (or frames) dropped by its rules.
    pub packets_dropped: u64,
    /// Packets that crossed a full cut: 0 for a cut that holds.
    pub packets_crossed: u64,
    /// Drops in each third of the window.
    pub dropped_by_third: [u64; 3],
    /// What it did to packets other than dropping them; nothing for any other fault.
    pub packets_hit: Option<PacketsHit>,
    /// Looks at the processes it held down; nothing for a fault of the network.
    pub looks: Option<ProcessLooks>,
    /// What was not synced and lost to a cut of the power; nothing for any other fault.
    pub writes_lost: Option<WritesLost>,
    /// What the product said of a change it was asked for; nothing for any other fault.
    pub confirmed: Option<Confirmed>,
    /// Nodes that were gone and came back; nothing for any fault but a restart.
    pub restarted: Option<u64>,
    /// How often the clocks it set were read back; nothing for any other fault.
    pub clock_readings: Option<u64>,
    /// Writes and syncs that were held up in each third of the window; nothing for any fault but a slow disk.
    pub operations_held: Option<[u64; 3]>,
    /// How the calls of the user's command ended that injected it; nothing for any other fault.
    pub hook: Option<String>,
    /// What the cluster saw, in words (`n1 said leader n2 -> n3 after 9.4 s`).
    pub evidence: Vec<String>,
    /// Why it did not bite, was not noticed or did not heal.
    pub reasons: Vec<String>,
}

/// What a fault did to packets other than dropping them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketsHit {
    /// `answered with a reset`, `held back`, `delayed`.
    pub how: String,
    /// How many, or how often (a packet may be held back more than once).
    pub count: u64,
    /// The same in each third of its time.
    pub by_third: [u64; 3],
}

/// What the product said of a change it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// Destinations for which it made the change.
    pub done: u64,
    /// Destinations it answered for.
    pub of: u64,
    /// What a node that was taken out had stored and no longer has, KiB; left out where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wiped_kib: Option<u64>,
}

/// Writes that were not synced, and lost when the power was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritesLost {
    /// How many, of all nodes that were hit.
    pub writes: u64,
    /// How much they held, KiB.
    pub kib: u64,
}

/// What the processes (or disks) that a fault holds down were seen to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLooks {
    /// What they had to be: `gone`, `stopped`; of disks `full`.
    pub expected: String,
    /// Looks that found them so.
    pub as_expected: u64,
    /// Looks in all.
    pub of: u64,
}

/// How much of a history the judgement rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts {
    /// Events (of a history of operations: lines) that were judged.
    pub judged: u64,
    /// Events that could not be: of an unknown kind, of nobody who took part, or such as cannot be.
    pub not_judged: u64,
}

/// What a whole history was found to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Faults in the order of the schedule.
    pub faults: Vec<FaultJudgement>,
    /// Lanes in the order of the manifest.
    pub lanes: Vec<LaneJudgement>,
    /// Doubts about the run as a whole (cut short, a worker missing, a stream damaged).
    pub doubts: Vec<String>,
    /// How much of the history was judged.
    #[serde(default)]
    pub events: EventCounts,
}
