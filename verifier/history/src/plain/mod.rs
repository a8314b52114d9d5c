//! The plain format: one event a line, as JSON lines (read and written) or CSV (written), so that anyone's own logs can
//! be judged and ours can be looked at. `docs/history-format.md` describes it.
//!
//! A file that begins with a header is an exported run: it names everything as its manifest does, and reads back as the
//! very same events. Any other file is a person's: who took part is inferred.

mod decode;
mod draft;
mod encode;
mod exported;
mod foreign;
mod infer;
mod interner;
mod line;
pub(crate) mod lookup;
pub mod manifest;
mod names;
pub(crate) mod number;
pub mod words;
pub(crate) mod write;

use crate::event::Event;
use crate::import::ImportError;
use crate::manifest::RunManifest;
use crate::view::{HistoryView, StreamView};

pub use names::MessageNames;
pub use write::{ExportError, write_csv, write_jsonl};

/// Bytes of the longest line that is read; the header may be [`MAX_HEADER_BYTES`] long.
pub const MAX_LINE_BYTES: usize = 1 << 20;
/// Bytes of the longest header that is read.
pub const MAX_HEADER_BYTES: usize = 16 << 20;

/// A history that was read from a plain file.
#[derive(Clone, Debug)]
pub struct PlainHistory {
    /// Who took part.
    pub manifest: RunManifest,
    /// Events by worker.
    pub streams: Vec<Vec<Event>>,
    /// What is wrong with the file, in words that name the line; it can be judged all the same.
    pub damage: Vec<String>,
    /// What messages are called in the file; nothing for an exported run, whose names are the usual ones.
    pub names: Option<MessageNames>,
    /// Events that were added because the file implies them (processed says delivered): none of its lines.
    pub implied: u64,
    /// Lines that say nothing that could be judged.
    pub not_judged: u64,
}

impl PlainHistory {
    /// The history as checks see it.
    pub fn view(&self) -> HistoryView<'_> {
        let streams = (0u16..).zip(&self.streams).filter(|(_, events)| !events.is_empty());
        let streams = streams.map(|(worker, events)| StreamView { worker, events }).collect();
        HistoryView { manifest: &self.manifest, streams, damage: self.damage.clone() }
    }
}

/// Reads a plain file; `name` is what it is called in messages.
///
/// # Errors
/// The first line that is no event, with its number and byte.
pub fn read_plain(text: &[u8], name: &str) -> Result<PlainHistory, ImportError> {
    let mut lines = line::Lines::new(text);
    match exported::read_header(&mut lines)? {
        Some(header) => exported::read(header, lines, name),
        None => foreign::read(lines, name),
    }
}
