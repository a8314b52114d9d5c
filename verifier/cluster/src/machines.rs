//! What faults need of the machines that nodes run on, whichever backend runs them.

use crate::processes::ProcessError;

/// Something a fault needs of every node's machine from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A disk that forgets what was not synced when its power is cut, and that can be made slow.
    LayeredDisk,
    /// A disk of bounded size.
    BoundedDisk,
    /// A clock that can be set.
    Clock,
}

/// What some faults of the network need of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// Connections answered with a reset.
    Reset,
    /// Links of little bandwidth.
    Bandwidth,
    /// Links with a delay.
    Delay,
}

/// What a clock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// It is ahead of the machine's by this much, milliseconds; behind where that is negative.
    Ahead(i64),
    /// It stands still at this second (Unix time).
    StandsAt(u64),
}

/// What a cut of the power took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Writes, and changes of a file's length, that were not synced.
    pub writes: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One thing the local backend needs, tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What was tried.
    pub name: &'static str,
    /// Whether it worked.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// The line that installs or permits it, where it did not work.
    pub remedy: Option<String>,
    /// The faults that cannot be had without it; nothing where no run can.
    pub only_for: Option<&'static str>,
}

/// The machines of a run's nodes.
pub trait Machines {
    /// Takes all that is free on the node's disk, and what has become free since the last call.
    ///
    /// # Errors
    /// When its disk has no bound, or the system refuses.
    fn fill_disk(&mut self, node: u32) -> Result<(), ProcessError>;

    /// Gives back what was taken of the node's disk.
    fn free_disk(&mut self, node: u32);

    /// What is free on the node's disk, bytes; nothing where that has no bound.
    fn free_bytes(&mut self, node: u32) -> Option<u64>;

    /// Makes every write and sync of the node's disk take this much longer, give or take the jitter, milliseconds; 0 ends it.
    ///
    /// # Errors
    /// When its disk is the machine's own.
    fn slow_disk(&mut self, node: u32, by_ms: u32, jitter_ms: u32) -> Result<(), ProcessError>;

    /// Sets the node's clock.
    ///
    /// # Errors
    /// When its clock is the machine's own, or the system refuses.
    fn set_clock(&mut self, node: u32, setting: Setting) -> Result<(), ProcessError>;

    /// Writes and syncs of the node's disk that were held up so far; nothing where nobody counts them.
    fn held_up(&mut self, node: u32) -> Option<u64>;
}
