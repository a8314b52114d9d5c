//! Recording events so that they survive the death of whoever records them.
//!
//! An event file grows by segments that a helper thread allocates and maps ahead of the
//! recording thread. Killing the process is survived; power loss of the machine is not.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::fcntl::posix_fallocate;

pub use crate::clock::{Clock, SimulatedClock};
use crate::event::Event;
use crate::format::Header;
use crate::map::{EVENT_BYTES, HEADER_BYTES, Segment};

/// Length of the first segment, bytes; each further one is twice as long, up to [`MAX_SEGMENT_BYTES`].
const FIRST_SEGMENT_BYTES: usize = 256 << 10;
/// Longest segment, bytes.
const MAX_SEGMENT_BYTES: usize = 4 << 20;
/// Segments that wait ready for the recorder.
const SEGMENTS_AHEAD: usize = 1;

/// An event that cannot be recorded. The run ends: a history with gaps proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No space left: of no client's doing, and never taken for a crash.
    #[error("the disk is full: {path} cannot grow. Free some space there, or write elsewhere with --out.")]
    DiskFull {
        /// The event file.
        path: PathBuf,
    },
    /// Any other failure of the file.
    #[error("cannot record into {path}: {cause}. Check the directory given by --out.")]
    Io {
        /// The event file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
}

impl RecordError {
    fn new(path: &Path, cause: io::Error) -> Self {
        match cause.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOSPC | Errno::EDQUOT) => Self::DiskFull { path: path.to_owned() },
            _ => Self::Io { path: path.to_owned(), cause },
        }
    }
}

/// Records the events of one worker, from one thread.
pub struct Recorder {
    path: PathBuf,
    file: File,
    clock: Clock,
    segment: Segment,
    next_slot: usize,
    finished_slots: u64,
    last_ns: u64,
    ahead: Option<Receiver<io::Result<Segment>>>,
    helper: Option<JoinHandle<()>>,
    /// Why the file could not grow: it never will again.
    stuck: Option<i32>,
}

impl Recorder {
    /// Creates the event file of `worker`.
    ///
    /// # Errors
    /// When the file exists, cannot be made, or the disk is full.
    pub fn create(path: &Path, worker: u16, clock: Clock) -> Result<Self, RecordError> {
        let failed = |cause| RecordError::new(path, cause);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(failed)?;
        let mut segment = allocate(&file, 0, FIRST_SEGMENT_BYTES).map_err(failed)?;
        segment.write_header(&Header { worker }.to_bytes());
        let (sender, ahead) = sync_channel(SEGMENTS_AHEAD);
        let grown = file.try_clone().map_err(failed)?;
        let helper = std::thread::Builder::new()
            .name(String::from("segments"))
            .spawn(move || {
                let (mut offset, mut length) = (FIRST_SEGMENT_BYTES as u64, FIRST_SEGMENT_BYTES * 2);
                loop {
                    let segment = allocate(&grown, offset, length);
                    let ended = segment.is_err();
                    if sender.send(segment).is_err() || ended {
                        return;
                    }
                    offset += length as u64;
                    length = (length * 2).min(MAX_SEGMENT_BYTES);
                }
            })
            .map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            clock,
            segment,
            next_slot: HEADER_BYTES / EVENT_BYTES,
            finished_slots: 0,
            last_ns: 1,
            ahead: Some(ahead),
            helper: Some(helper),
            stuck: None,
        })
    }

    /// The time of this history's clock, nanoseconds.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Records an event now. Time never goes back within a stream.
    ///
    /// # Errors
    /// When the file cannot grow: see [`RecordError`].
    #[inline]
    pub fn record(&mut self, event: Event) -> Result<(), RecordError> {
        if self.next_slot == self.segment.slots() {
            self.next_segment()?;
        }
        self.last_ns = self.last_ns.max(self.clock.now_ns());
        self.segment.write(self.next_slot, &event, self.last_ns);
        self.next_slot += 1;
        Ok(())
    }

    /// Ends the file after its last event.
    ///
    /// # Errors
    /// When the file cannot be trimmed.
    pub fn close(mut self) -> Result<(), RecordError> {
        self.trim().map_err(|cause| RecordError::new(&self.path, cause))
    }

    #[cold]
    fn next_segment(&mut self) -> Result<(), RecordError> {
        if let Some(errno) = self.stuck {
            return Err(RecordError::new(&self.path, io::Error::from_raw_os_error(errno)));
        }
        let next = self.ahead.as_ref().and_then(|ahead| ahead.recv().ok());
        let segment = next.unwrap_or_else(|| Err(Errno::EIO.into())).map_err(|cause| {
            self.stuck = cause.raw_os_error();
            RecordError::new(&self.path, cause)
        })?;
        self.finished_slots += self.segment.slots() as u64;
        self.segment = segment;
        self.next_slot = 0;
        Ok(())
    }

    fn trim(&mut self) -> io::Result<()> {
        // The helper ends at its next send; until then it may still make the file longer.
        drop(self.ahead.take());
        if let Some(helper) = self.helper.take() {
            let _ = helper.join();
            self.file.set_len((self.finished_slots + self.next_slot as u64) * EVENT_BYTES as u64)?;
        }
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // An untrimmed file is as readable as a trimmed one.
        let _ = self.trim();
    }
}

/// Allocates on disk, then maps.
fn allocate(file: &File, offset: u64, length: usize) -> io::Result<Segment> {
    posix_fallocate(file, offset as i64, length as i64)?;
    Segment::map(file, offset, length)
}
