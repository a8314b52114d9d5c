//! The disks a node's data lies on, where that is not the machine's own.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::bounded::BoundedDisk;
use crate::disk::UnsyncedDisk;

/// What nodes are to be started on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Disks {
    /// Size of a bounded disk.
    pub(super) bytes: Option<u64>,
    /// A disk that forgets and can be slow, over what is there.
    pub(super) layered: bool,
}

impl Disks {
    /// The disk of bounded size, where there is to be one: before anything is written.
    pub(super) fn lay_bounded(self, directory: &Path) -> io::Result<Option<BoundedDisk>> {
        self.bytes.map(|bytes| BoundedDisk::mount(directory, bytes)).transpose()
    }

    /// The other one, where there is to be one, over that and what is written by now.
    pub(super) fn lay_layered(self, directory: &Path, bounded: Option<BoundedDisk>) -> io::Result<NodeDisks> {
        let layered = self.layered.then(|| UnsyncedDisk::mount(directory)).transpose()?;
        Ok(NodeDisks { layered, bounded, was_full: false })
    }
}

/// The disks of one node. The upper one is taken off first.
#[derive(Default)]
pub(super) struct NodeDisks {
    /// Forgets what was not synced, and can be slow.
    pub(super) layered: Option<UnsyncedDisk>,
    bounded: Option<BoundedDisk>,
    was_full: bool,
}

impl NodeDisks {
    /// Takes everything written so far for synced.
    pub(super) fn settle(&self) {
        if let Some(disk) = &self.layered {
            disk.settle();
        }
    }

    /// Takes what is free.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        let disk = self.bounded.as_mut().ok_or_else(|| io::Error::other("its size has no bound"))?;
        self.was_full = true;
        disk.fill()
    }

    /// Gives back what was taken.
    pub(super) fn free(&mut self) {
        if let Some(disk) = &mut self.bounded {
            disk.free();
        }
    }

    /// What is free, bytes.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.bounded.as_ref()?.free_bytes().ok()
    }

    /// Whether it is full now.
    pub(super) fn is_filled(&self) -> bool {
        self.bounded.as_ref().is_some_and(BoundedDisk::is_filled)
    }

    /// Whether it was full since the node was started last: what it could not write may end it later, too.
    pub(super) fn was_full(&self) -> bool {
        self.was_full
    }

    /// The node was started: what comes of it from here on is its own, unless its disk is full still.
    pub(super) fn forgive(&mut self) {
        self.was_full = self.is_filled();
    }

    /// Makes every write and sync take this much longer, give or take the jitter.
    pub(super) fn slow_down(&self, by: Duration, jitter: Duration) -> io::Result<()> {
        let disk = self.layered.as_ref().ok_or_else(|| io::Error::other("it is the machine's own"))?;
        disk.slow_down(by, jitter);
        Ok(())
    }

    /// Writes and syncs that took longer so far.
    pub(super) fn held_up(&self) -> Option<u64> {
        self.layered.as_ref().map(UnsyncedDisk::held_up)
    }
}
