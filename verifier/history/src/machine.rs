//! Machines other than the runner's whose clients took part, and how well their clocks could be compared.

use serde::{Deserialize, Serialize};

/// A machine that ran clients of a run and recorded them by its own clock. What it recorded stands in the history by the
/// runner's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerMachine {
    /// Name, as printed; that of its client host, too.
    pub name: String,
    /// [`crate::manifest::Host::id`] of its clients.
    pub host: u32,
    /// Cores, memory, kernel.
    pub facts: String,
    /// How its clock stood to the runner's; nothing until it was compared to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockComparison>,
    /// Everything its clients recorded was taken over.
    pub complete: bool,
}

/// How a machine's clock stood to the runner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockComparison {
    /// Its time minus the runner's when the run began, nanoseconds.
    pub offset_ns: i64,
    /// How much that had changed in the end, nanoseconds.
    pub drift_ns: i64,
    /// How far a time taken over may be off, nanoseconds: half of the shortest round trips, and what the offset changed
    /// from one to the next.
    pub error_ns: u64,
    /// Round trips that were made to learn that.
    pub comparisons: u64,
}

impl WorkerMachine {
    /// How far a time it recorded may be off, nanoseconds; a clock that was not compared to the end may be off by anything.
    pub fn error_ns(&self) -> u64 {
        self.clock.map_or(u64::MAX, |clock| clock.error_ns)
    }
}

/// A clock that may be off by more is of no use: faults and clients are told apart by less. Nanoseconds.
pub const MAX_CLOCK_ERROR_NS: u64 = 100_000_000;
