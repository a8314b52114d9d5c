//! Memory maps of event files: the only place where this crate touches raw memory.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Mmap, MmapOptions, MmapRaw};

use crate::event::Event;
use crate::room;

/// Bytes before the first event; as long as an event, so that events stay aligned.
pub(crate) const HEADER_BYTES: usize = 32;
/// Bytes of one event.
pub(crate) const EVENT_BYTES: usize = size_of::<Event>();

/// A part of an event file, allocated on disk and mapped for writing.
pub(crate) struct Segment {
    map: MmapRaw,
    slots: usize,
}

impl Segment {
    /// Maps `length` bytes from `offset`, which the caller has allocated on disk (a sparse file
    /// would die of SIGBUS on a full disk). Pages are faulted in here and not when events are written.
    pub(crate) fn map(file: &File, offset: u64, length: usize) -> io::Result<Self> {
        let map = MmapOptions::new().offset(offset).len(length).map_raw(file)?;
        room::fault_in(&map);
        Ok(Self { map, slots: length / EVENT_BYTES })
    }

    /// Events that fit.
    #[inline]
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Writes `bytes` at the start of the segment: the file's header.
    pub(crate) fn write_header(&mut self, bytes: &[u8; HEADER_BYTES]) {
        assert!(self.slots > 0, "a segment holds at least the header");
        // SAFETY: the map is at least HEADER_BYTES long (asserted), writable, and this segment is
        // its only user, since `&mut self` is held and `bytes` lies elsewhere.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.as_mut_ptr(), HEADER_BYTES) }
    }

    /// Writes an event into `slot`: its body first, its time word last, so that whoever reads the
    /// file after this process was killed sees either a whole event or a zero time word.
    #[inline]
    pub(crate) fn write(&mut self, slot: usize, event: &Event, time_ns: u64) {
        assert!(slot < self.slots, "the recorder moves on to the next segment before this one is full");
        // SAFETY: the slot lies inside the map (asserted), maps start at a page boundary and events
        // are 32 bytes, so the slot is aligned; `&mut self` makes this the only writer. The time word
        // is the first field (repr(C)), hence at the slot's own address.
        unsafe {
            let slot = self.map.as_mut_ptr().add(slot * EVENT_BYTES).cast::<Event>();
            slot.write(Event { time_ns: 0, ..*event });
            AtomicU64::from_ptr(slot.cast::<u64>()).store(time_ns, Ordering::Release);
        }
    }
}

/// Maps a whole file for reading.
pub(crate) fn map_for_reading(file: &File) -> io::Result<Mmap> {
    // SAFETY: event files only grow while they are recorded and are trimmed at most to the end of
    // their last event, which is where a reader stops; nobody else writes into a run directory.
    unsafe { Mmap::map(file) }
}
