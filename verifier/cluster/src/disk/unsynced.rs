//! What one file was at its last sync.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Data that lay unsynced for this long is taken for written back, with all that its file holds by then: Linux does so
/// after `vm.dirty_expire_centisecs`, 30 s unless set otherwise.
pub(super) const EXPIRE: Duration = Duration::from_secs(30);

/// What has to be undone to bring a file back to its last sync.
#[derive(Debug)]
pub(super) struct Unsynced {
    /// Length at the last sync, bytes.
    synced_len: u64,
    /// What stood below that length before it was written over, by offset; no two overlap.
    old: BTreeMap<u64, Vec<u8>>,
    /// Writes and changes of length since.
    pub(super) writes: u64,
    /// Bytes written since.
    pub(super) bytes: u64,
    /// When the first of them came.
    pub(super) since: Instant,
}

impl Unsynced {
    /// A file that is synced as it is now.
    pub(super) fn new(len: u64, now: Instant) -> Self {
        Self { synced_len: len, old: BTreeMap::new(), writes: 0, bytes: 0, since: now }
    }

    /// Bytes kept of it.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.old.values().map(|bytes| bytes.len() as u64).sum()
    }

    /// Keeps what `len` bytes at `offset` are about to cover, and counts the write. Returns how many bytes it kept.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn before_write(&mut self, file: &File, offset: u64, len: u64) -> io::Result<u64> {
        let kept = self.keep(file, offset, offset.saturating_add(len))?;
        self.writes += 1;
        self.bytes += len;
        Ok(kept)
    }

    /// Keeps what a change of the length to `len` is about to cut off, and counts it. Returns how many bytes it kept.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn before_set_len(&mut self, file: &File, len: u64) -> io::Result<u64> {
        let kept = self.keep(file, len, u64::MAX)?;
        self.writes += 1;
        Ok(kept)
    }

    /// Bytes that a change of the length to `len` would cut off of what was synced.
    pub(super) fn cut_off_bytes(&self, len: u64) -> u64 {
        self.synced_len.saturating_sub(len)
    }

    fn keep(&mut self, file: &File, from: u64, to: u64) -> io::Result<u64> {
        let mut kept = 0;
        for (start, end) in self.gaps(from, to.min(self.synced_len)) {
            let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, start)?;
            kept += end - start;
            self.old.insert(start, bytes);
        }
        Ok(kept)
    }

    /// Parts of a range of which nothing is kept yet.
    fn gaps(&self, from: u64, to: u64) -> Vec<(u64, u64)> {
        let mut gaps = Vec::new();
        let mut at = from;
        // One that begins before the range may reach into it.
        let first = self.old.range(..=from).next_back().map_or(from, |(start, _)| *start);
        for (start, bytes) in self.old.range(first..to.max(first)) {
            if at < (*start).min(to) {
                gaps.push((at, *start));
            }
            at = at.max(start + bytes.len() as u64);
        }
        if at < to {
            gaps.push((at, to));
        }
        gaps
    }

    /// Brings the file back to its last sync.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn undo(&self, file: &File) -> io::Result<()> {
        file.set_len(self.synced_len)?;
        self.old.iter().try_for_each(|(offset, bytes)| file.write_all_at(bytes, *offset))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Something that is done to a file.
    #[derive(Clone, Debug)]
    enum Change {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let bytes = proptest::collection::vec(1..=255u8, 0..24);
        let write = (0..64u64, bytes).prop_map(|(offset, bytes)| Change::Write(offset, bytes));
        proptest::collection::vec(prop_oneof![3 => write, 1 => (0..64u64).prop_map(Change::SetLen)], 0..16)
    }

    fn apply(file: &File, unsynced: &mut Unsynced, change: &Change) {
        match change {
            Change::Write(offset, bytes) => {
                unsynced.before_write(file, *offset, bytes.len() as u64).unwrap();
                file.write_all_at(bytes, *offset).unwrap();
            }
            Change::SetLen(len) => {
                unsynced.before_set_len(file, *len).unwrap();
                file.set_len(*len).unwrap();
            }
        }
    }

    fn content(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn whatever_is_done_to_a_file_is_undone(synced in proptest::collection::vec(1..=255u8, 0..64), changes in changes()) {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&synced, 0).unwrap();
            let mut unsynced = Unsynced::new(synced.len() as u64, Instant::now());
            changes.iter().for_each(|change| apply(&file, &mut unsynced, change));
            prop_assert!(unsynced.kept_bytes() <= synced.len() as u64, "no byte is kept twice");
            unsynced.undo(&file).unwrap();
            prop_assert_eq!(content(&file), synced);
        }
    }
}
