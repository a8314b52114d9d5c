//! The workload's names of anomalies.

use serde::{Deserialize, Serialize};

/// An anomaly of a log, as Jepsen's Kafka workload names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// Two or more values at one offset.
    InconsistentOffsets,
    /// One value at more than one offset of its key.
    Duplicate,
    /// A value whose send certainly failed was read.
    #[serde(rename = "G1a")]
    G1a,
    /// An operation polls what it sends.
    PrecommittedRead,
    /// A committed value below the highest one read was never read.
    LostWrite,
    /// Acknowledged and never polled.
    Unseen,
    /// Within one operation, reads of a key leave out a part of the log.
    IntPollSkip,
    /// Within one operation, reads of a key go back or repeat.
    IntNonmonotonicPoll,
    /// Within one operation, sends to a key leave out a part of the log.
    IntSendSkip,
    /// Within one operation, sends to a key go back or repeat.
    IntNonmonotonicSend,
    /// From one operation of a process to the next, reads of a key leave out a part of the log.
    PollSkip,
    /// From one operation of a process to the next, reads of a key go back or repeat.
    NonmonotonicPoll,
    /// From one operation of a process to the next, sends to a key go back or repeat.
    NonmonotonicSend,
    /// A value nobody sent was read.
    Phantom,
    /// Writes alone depend on each other in a cycle.
    #[serde(rename = "G0")]
    G0,
    /// Writes and reads depend on each other in a cycle.
    #[serde(rename = "G1c")]
    G1c,
    /// Writes and real time contradict each other.
    #[serde(rename = "G0-realtime")]
    G0Realtime,
    /// Writes, reads and real time contradict each other.
    #[serde(rename = "G1c-realtime")]
    G1cRealtime,
}

impl Anomaly {
    /// Every anomaly, in the order of the output.
    pub const ALL: &[Anomaly] = &[
        Self::InconsistentOffsets,
        Self::Duplicate,
        Self::G1a,
        Self::PrecommittedRead,
        Self::LostWrite,
        Self::Unseen,
        Self::IntPollSkip,
        Self::IntNonmonotonicPoll,
        Self::IntSendSkip,
        Self::IntNonmonotonicSend,
        Self::PollSkip,
        Self::NonmonotonicPoll,
        Self::NonmonotonicSend,
        Self::Phantom,
        Self::G0,
        Self::G1c,
        Self::G0Realtime,
        Self::G1cRealtime,
    ];

    /// Name in JSON and tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::InconsistentOffsets => "inconsistent-offsets",
            Self::Duplicate => "duplicate",
            Self::G1a => "G1a",
            Self::PrecommittedRead => "precommitted-read",
            Self::LostWrite => "lost-write",
            Self::Unseen => "unseen",
            Self::IntPollSkip => "int-poll-skip",
            Self::IntNonmonotonicPoll => "int-nonmonotonic-poll",
            Self::IntSendSkip => "int-send-skip",
            Self::IntNonmonotonicSend => "int-nonmonotonic-send",
            Self::PollSkip => "poll-skip",
            Self::NonmonotonicPoll => "nonmonotonic-poll",
            Self::NonmonotonicSend => "nonmonotonic-send",
            Self::Phantom => "phantom",
            Self::G0 => "G0",
            Self::G1c => "G1c",
            Self::G0Realtime => "G0-realtime",
            Self::G1cRealtime => "G1c-realtime",
        }
    }
}
