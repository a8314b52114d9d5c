//! Reading a finished, running or killed run's events back.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::event::Event;
use crate::format::{Header, HeaderError};
use crate::manifest::RunManifest;
use crate::map::{EVENT_BYTES, HEADER_BYTES, map_for_reading};
use crate::run_dir::{RunDir, RunDirError};
use crate::view::{HistoryView, StreamView};

/// A history that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] RunDirError),
    /// A file that cannot be opened.
    #[error("cannot read {path}: {cause}")]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A file that holds no events of this version.
    #[error("cannot read {path}: {cause}")]
    Header {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        cause: HeaderError,
    },
}

/// One worker's events, mapped.
struct Stream {
    worker: u16,
    map: Mmap,
    count: usize,
}

impl Stream {
    fn events(&self) -> &[Event] {
        bytemuck::cast_slice(&self.map[HEADER_BYTES..HEADER_BYTES + self.count * EVENT_BYTES])
    }
}

/// A run's history, mapped into memory.
pub struct History {
    manifest: RunManifest,
    streams: Vec<Stream>,
    damage: Vec<String>,
}

impl History {
    /// Maps every worker's events. A worker that left no file, or whose file is damaged behind
    /// some event, is told of in [`HistoryView::damage`]; what stands before is kept.
    ///
    /// # Errors
    /// An unreadable manifest or file, or another format version.
    pub fn open(run_dir: &RunDir) -> Result<Self, ReadError> {
        let manifest = run_dir.read_manifest()?;
        let (mut streams, mut damage) = (Vec::new(), Vec::new());
        for (worker, entry) in (0u16..).zip(&manifest.workers) {
            let path = run_dir.event_path(&entry.name);
            match open_stream(&path, worker, &mut damage)? {
                Some(stream) => streams.push(stream),
                None => damage.push(format!("worker {} left no events", entry.name)),
            }
        }
        Ok(Self { manifest, streams, damage })
    }

    /// What took part.
    pub fn manifest(&self) -> &RunManifest {
        &self.manifest
    }

    /// Events of all workers.
    pub fn event_count(&self) -> u64 {
        self.streams.iter().map(|stream| stream.count as u64).sum()
    }

    /// The history as checks see it.
    pub fn view(&self) -> HistoryView<'_> {
        let streams =
            self.streams.iter().map(|stream| StreamView { worker: stream.worker, events: stream.events() }).collect();
        HistoryView { manifest: &self.manifest, streams, damage: self.damage.clone() }
    }
}

/// Events of one worker's file: of another process that may still write it, or was killed. None where there is no such
/// file, or it holds none of `worker`.
///
/// # Errors
/// An unreadable file, or another format version.
pub fn read_events(path: &Path, worker: u16) -> Result<Vec<Event>, ReadError> {
    let stream = open_stream(path, worker, &mut Vec::new())?;
    Ok(stream.map_or_else(Vec::new, |stream| stream.events().to_vec()))
}

fn open_stream(path: &Path, worker: u16, damage: &mut Vec<String>) -> Result<Option<Stream>, ReadError> {
    let failed = |cause| ReadError::Io { path: path.to_owned(), cause };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(cause)),
    };
    if file.metadata().map_err(failed)?.len() == 0 {
        return Ok(None);
    }
    let map = map_for_reading(&file).map_err(failed)?;
    if map.iter().take(HEADER_BYTES).all(|byte| *byte == 0) {
        return Ok(None); // Killed between the allocation and the header.
    }
    let header = Header::parse(&map).map_err(|cause| ReadError::Header { path: path.to_owned(), cause })?;
    if header.worker != worker {
        damage.push(format!(
            "{} was recorded by worker {}, not {worker}: it is left out",
            path.display(),
            header.worker
        ));
        return Ok(None);
    }
    let count = count_events(&map, path, damage);
    Ok(Some(Stream { worker, map, count }))
}

/// Events up to the first that was never finished. Whatever comes behind it, or goes back in
/// time, is damage.
fn count_events(map: &Mmap, path: &Path, damage: &mut Vec<String>) -> usize {
    let slots = (map.len() - HEADER_BYTES) / EVENT_BYTES;
    let events: &[Event] = bytemuck::cast_slice(&map[HEADER_BYTES..HEADER_BYTES + slots * EVENT_BYTES]);
    let count = events.iter().position(|event| event.time_ns == 0).unwrap_or(slots);
    let byte = |slot: usize| HEADER_BYTES + slot * EVENT_BYTES;
    if let Some(behind) = events[count..].iter().position(|event| event.time_ns != 0) {
        let (hole, next) = (byte(count), byte(count + behind));
        damage.push(format!("{}: the event at byte {hole} is missing, but one stands at byte {next}", path.display()));
    }
    if let Some(back) = events[..count].windows(2).position(|pair| pair[1].time_ns < pair[0].time_ns) {
        damage.push(format!("{}: time goes back at byte {}", path.display(), byte(back + 1)));
    }
    if let Some(unknown) = events[..count].iter().position(|event| event.kind().is_none()) {
        let kind = events[unknown].kind;
        damage.push(format!("{}: the event at byte {} has unknown kind {kind}", path.display(), byte(unknown)));
    }
    count
}
