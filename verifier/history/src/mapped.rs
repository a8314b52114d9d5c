//! An event file that grows by segments which a helper thread allocates and maps ahead of the recording thread.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use nix::errno::Errno;

use crate::event::Event;
use crate::format::Header;
use crate::map::{EVENT_BYTES, HEADER_BYTES, Segment};
use crate::recorder::RecordError;
use crate::room;

/// Length of the first segment, bytes; each further one is twice as long, up to [`MAX_SEGMENT_BYTES`].
const FIRST_SEGMENT_BYTES: usize = 256 << 10;
/// Longest segment, bytes.
const MAX_SEGMENT_BYTES: usize = 4 << 20;
/// Segments that wait ready for the recorder.
const SEGMENTS_AHEAD: usize = 1;

/// The file of one worker's events.
pub(crate) struct EventFile {
    path: PathBuf,
    file: File,
    segment: Segment,
    next_slot: usize,
    finished_slots: u64,
    ahead: Option<Receiver<io::Result<Segment>>>,
    helper: Option<JoinHandle<()>>,
    /// Why the file could not grow: it never will again.
    stuck: Option<i32>,
}

impl EventFile {
    /// Creates the event file of `worker`.
    ///
    /// # Errors
    /// When the file exists, cannot be made, or the disk is full.
    pub(crate) fn create(path: &Path, worker: u16) -> Result<Self, RecordError> {
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
            segment,
            next_slot: HEADER_BYTES / EVENT_BYTES,
            finished_slots: 0,
            ahead: Some(ahead),
            helper: Some(helper),
            stuck: None,
        })
    }

    /// Writes an event behind the last.
    ///
    /// # Errors
    /// When the file cannot grow.
    #[inline]
    pub(crate) fn push(&mut self, event: &Event, time_ns: u64) -> Result<(), RecordError> {
        if self.next_slot == self.segment.slots() {
            self.next_segment()?;
        }
        self.segment.write(self.next_slot, event, time_ns);
        self.next_slot += 1;
        Ok(())
    }

    /// Ends the file after its last event.
    ///
    /// # Errors
    /// When the file cannot be trimmed.
    pub(crate) fn close(mut self) -> Result<(), RecordError> {
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

impl Drop for EventFile {
    fn drop(&mut self) {
        // An untrimmed file is as readable as a trimmed one.
        let _ = self.trim();
    }
}

/// Allocates on disk, then maps.
fn allocate(file: &File, offset: u64, length: usize) -> io::Result<Segment> {
    room::take(file, offset, length)?;
    Segment::map(file, offset, length)
}
