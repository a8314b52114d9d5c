//! Writes a run in the plain format, events of all workers in the order of time.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use super::encode;
use super::line::{EventLine, Header};
use super::lookup::Lookup;
use crate::event::Event;
use crate::view::HistoryView;

/// A history that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file or pipe takes no more.
    #[error("cannot write the history: {0}")]
    Write(#[from] io::Error),
    /// It cannot be expressed.
    #[error("cannot write the history as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It cannot be expressed.
    #[error("cannot write the history as CSV: {0}")]
    Csv(#[from] csv::Error),
}

impl ExportError {
    /// Whoever was to read it has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        let kind = match self {
            Self::Write(error) => Some(error.kind()),
            Self::Json(error) => error.io_error_kind(),
            Self::Csv(error) => match error.kind() {
                csv::ErrorKind::Io(error) => Some(error.kind()),
                _ => None,
            },
        };
        kind == Some(io::ErrorKind::BrokenPipe)
    }
}

/// Writes a header with the whole manifest, and every event: what reads back as the same history.
///
/// # Errors
/// When `out` takes no more.
pub fn write_jsonl(history: &HistoryView<'_>, mut out: impl Write) -> Result<(), ExportError> {
    let events = history.streams.iter().map(|stream| stream.events.len() as u64).sum();
    let header = Header { manifest: Cow::Borrowed(history.manifest), events, damage: history.damage.clone() };
    serde_json::to_writer(&mut out, &header)?;
    out.write_all(b"\n")?;
    let lookup = Lookup::new(history.manifest);
    for (worker, event) in in_time(history) {
        serde_json::to_writer(&mut out, &encode::line(event, worker, &lookup))?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Writes every event as a row, with the fields of the plain format as columns: for spreadsheets. It says nothing of
/// the run itself, so it cannot be judged.
///
/// # Errors
/// When `out` takes no more.
pub fn write_csv(history: &HistoryView<'_>, out: impl Write) -> Result<(), ExportError> {
    let mut rows = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    rows.write_record(COLUMNS)?;
    let lookup = Lookup::new(history.manifest);
    for (worker, event) in in_time(history) {
        rows.serialize(row(&encode::line(event, worker, &lookup)))?;
    }
    Ok(rows.flush()?)
}

/// Columns of the CSV.
const COLUMNS: [&str; 25] = [
    "time_ns",
    "worker",
    "event",
    "message",
    "destination",
    "offset",
    "key",
    "node",
    "nodes",
    "by",
    "reason",
    "settle",
    "transaction",
    "target",
    "fault",
    "phase",
    "group",
    "redelivered",
    "corrupt",
    "foreign",
    "self",
    "session",
    "sequence",
    "detail",
    "flags",
];

/// A line as a row: every column, whether it says anything or not.
fn row<'a>(line: &'a EventLine<'_>) -> Vec<Option<Cow<'a, str>>> {
    fn number<T: ToString>(number: Option<T>) -> Option<Cow<'static, str>> {
        number.map(|number| Cow::Owned(number.to_string()))
    }
    let name = |name: &'a Option<super::number::NameOrNumber<'_>>| name.as_ref().map(|name| name.text());
    let text = |text: &'a Option<super::line::Text<'_>>| text.as_ref().map(|text| Cow::Borrowed(&**text));
    vec![
        number(line.time_ns),
        name(&line.worker),
        text(&line.event),
        name(&line.message),
        name(&line.destination),
        number(line.offset),
        name(&line.key),
        name(&line.node),
        text(&line.nodes),
        name(&line.by),
        text(&line.reason),
        text(&line.settle),
        number(line.transaction),
        name(&line.target),
        name(&line.fault),
        text(&line.phase),
        name(&line.group),
        number(line.redelivered),
        number(line.corrupt),
        number(line.foreign),
        number(line.own),
        number(line.session),
        number(line.sequence),
        number(line.detail),
        number(line.flags),
    ]
}

/// Events of all workers in the order of time, each worker's in the order it recorded them; with the worker.
pub(crate) fn in_time<'a>(history: &HistoryView<'a>) -> impl Iterator<Item = (u16, &'a Event)> {
    let mut streams: Vec<_> = history.streams.iter().map(|stream| (stream.worker, stream.events.iter())).collect();
    let mut heads = BinaryHeap::new();
    for (index, (_, events)) in streams.iter().enumerate() {
        heads.extend(events.as_slice().first().map(|event| Reverse((event.time_ns, index))));
    }
    std::iter::from_fn(move || {
        let Reverse((_, index)) = heads.pop()?;
        let (worker, events) = &mut streams[index];
        let event = events.next()?;
        heads.extend(events.as_slice().first().map(|next| Reverse((next.time_ns, index))));
        Some((*worker, event))
    })
}
