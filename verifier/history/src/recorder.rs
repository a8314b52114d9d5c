//! Recording events so that they survive the death of whoever records them.
//!
//! Killing the process is survived; power loss of the machine is not.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

pub use crate::clock::{Clock, SimulatedClock};
use crate::event::Event;
use crate::mapped::EventFile;

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
    pub(crate) fn new(path: &Path, cause: io::Error) -> Self {
        match cause.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOSPC | Errno::EDQUOT) => Self::DiskFull { path: path.to_owned() },
            _ => Self::Io { path: path.to_owned(), cause },
        }
    }
}

/// Records the events of one worker, from one thread.
pub struct Recorder {
    clock: Clock,
    last_ns: u64,
    sink: Sink,
}

/// Where events go.
enum Sink {
    File(EventFile),
    Memory(Vec<Event>),
}

impl Recorder {
    /// Creates the event file of `worker`.
    ///
    /// # Errors
    /// When the file exists, cannot be made, or the disk is full.
    pub fn create(path: &Path, worker: u16, clock: Clock) -> Result<Self, RecordError> {
        Ok(Self { clock, last_ns: 1, sink: Sink::File(EventFile::create(path, worker)?) })
    }

    /// Keeps the events in memory: for a run that is repeated at will (a simulation) and need not survive anything.
    pub fn in_memory(clock: Clock) -> Self {
        Self { clock, last_ns: 1, sink: Sink::Memory(Vec::new()) }
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
        self.last_ns = self.last_ns.max(self.clock.now_ns());
        match &mut self.sink {
            Sink::File(file) => file.push(&event, self.last_ns),
            Sink::Memory(events) => {
                events.push(Event { time_ns: self.last_ns, ..event });
                Ok(())
            }
        }
    }

    /// Ends the file after its last event.
    ///
    /// # Errors
    /// When the file cannot be trimmed.
    pub fn close(self) -> Result<(), RecordError> {
        match self.sink {
            Sink::File(file) => file.close(),
            Sink::Memory(_) => Ok(()),
        }
    }

    /// The events of a recorder that keeps them in memory; nothing of one that writes a file.
    pub fn into_events(self) -> Vec<Event> {
        match self.sink {
            Sink::File(_) => Vec::new(),
            Sink::Memory(events) => events,
        }
    }
}
