//! Event files of workers on other machines, written down as they come in.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::event::Event;
use crate::format::header_bytes;
use crate::recorder::RecordError;

/// The event file of a worker that records elsewhere. A process that is killed leaves what it had taken over.
#[derive(Debug)]
pub struct TakenOver {
    path: PathBuf,
    file: File,
    last_ns: u64,
}

impl TakenOver {
    /// Creates the event file of `worker`.
    ///
    /// # Errors
    /// When it exists, cannot be made, or the disk is full.
    pub fn create(path: &Path, worker: u16) -> Result<Self, RecordError> {
        let failed = |cause| RecordError::new(path, cause);
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
        file.write_all(&header_bytes(worker)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, last_ns: 1 })
    }

    /// Appends events whose times are by the clock of the history. Time never goes back within a stream.
    ///
    /// # Errors
    /// When the file cannot grow.
    pub fn append(&mut self, events: &mut [Event]) -> Result<(), RecordError> {
        for event in &mut *events {
            self.last_ns = self.last_ns.max(event.time_ns);
            event.time_ns = self.last_ns;
        }
        self.file.write_all(bytemuck::cast_slice(events)).map_err(|cause| RecordError::new(&self.path, cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventKind, read_events};

    #[test]
    fn what_was_taken_over_is_read_as_if_it_had_been_recorded_here() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.events");
        let mut file = TakenOver::create(&path, 7).unwrap();
        let event = |time_ns: u64| Event { time_ns, ..Event::new(EventKind::Delivered) };
        file.append(&mut [event(10), event(20)]).unwrap();
        file.append(&mut [event(19), event(30)]).unwrap();
        let times: Vec<u64> = read_events(&path, 7).unwrap().iter().map(|event| event.time_ns).collect();
        assert_eq!(times, [10, 20, 20, 30]);
        assert!(TakenOver::create(&path, 7).is_err(), "no file is written over");
    }
}
