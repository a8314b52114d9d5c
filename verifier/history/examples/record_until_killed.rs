//! Records numbered events until it is killed or the disk is full: what the recorder's tests kill.
//!
//! `record_until_killed FILE`: prints the number of recorded events now and then; ends with
//! status 3 and the message when the disk is full.

use std::path::Path;
use std::process::ExitCode;

use delivery_history::{Clock, Event, EventKind, RecordError, Recorder};

fn main() -> ExitCode {
    let path = std::env::args().nth(1).unwrap_or_default();
    match record(Path::new(&path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ RecordError::DiskFull { .. }) => {
            println!("{error}");
            ExitCode::from(3)
        }
        Err(error) => {
            println!("{error}");
            ExitCode::from(4)
        }
    }
}

/// Enough to fill any file system this is pointed at in a test, and an end all the same.
const MAX_EVENTS: u32 = 200_000_000;

fn record(path: &Path) -> Result<(), RecordError> {
    let mut recorder = Recorder::create(path, 7, Clock::Monotonic)?;
    for sequence in 0..MAX_EVENTS {
        recorder.record(Event::new(EventKind::SendInvoked).message(1, sequence).detail(!sequence))?;
        if sequence % 100_000 == 0 {
            println!("{sequence}");
        }
    }
    recorder.close()
}
