//! Following an event file that another process writes, without a map of it: the file is trimmed when it is closed, and a
//! map behind its end is no memory any more.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytemuck::Zeroable;

use crate::event::Event;
use crate::map::{EVENT_BYTES, HEADER_BYTES};

/// Most events of one look.
const MAX_EVENTS: usize = 2_048;

/// What was read of an event file so far.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
    events: u64,
}

impl Tail {
    /// Nothing yet; the file may not be there yet either.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, events: 0 }
    }

    /// The next events, in the order they were recorded; empty when there are none yet.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_events(&mut self) -> io::Result<Vec<Event>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => file,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(cause) => return Err(cause),
            },
        };
        let from = HEADER_BYTES as u64 + self.events * EVENT_BYTES as u64;
        let mut events = vec![Event::zeroed(); MAX_EVENTS];
        let there = read_at(&file, bytemuck::cast_slice_mut(&mut events), from)? / EVENT_BYTES;
        let whole = events[..there].iter().position(|event| event.time_ns == 0).unwrap_or(there);
        events.truncate(whole);
        // An event's time is written after the rest of it: whoever saw the time, and looks again, sees all.
        let again = read_at(&file, bytemuck::cast_slice_mut(&mut events), from)? / EVENT_BYTES;
        events.truncate(again);
        self.events += events.len() as u64;
        self.file = Some(file);
        Ok(events)
    }
}

/// Reads as much as there is from there on.
fn read_at(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, EventKind, Recorder};

    #[test]
    fn what_is_recorded_is_read_once_and_in_order_while_it_is_written_and_after_it_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.events");
        let mut tail = Tail::new(&path);
        assert_eq!(tail.next_events().unwrap(), []);
        let mut recorder = Recorder::create(&path, 3, Clock::Monotonic).unwrap();
        let mut read = Vec::new();
        for number in 0..10_000_u64 {
            recorder.record(Event::new(EventKind::Delivered).offset(number)).unwrap();
            if number % 777 == 0 {
                read.extend(tail.next_events().unwrap());
            }
        }
        recorder.close().unwrap();
        loop {
            let more = tail.next_events().unwrap();
            if more.is_empty() {
                break;
            }
            read.extend(more);
        }
        let offsets: Vec<u64> = read.iter().map(|event| event.offset).collect();
        assert_eq!(offsets, (0..10_000).collect::<Vec<u64>>());
    }
}
