//! Events as columns, some at a time.

use delivery_history::Event;
use delivery_history::event::{
    FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED, FLAG_SELF, NO_DESTINATION, NO_NODE, NO_OFFSET, NO_SEQUENCE,
    NO_SESSION,
};
use delivery_history::manifest::RunManifest;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::SerializedRowGroupWriter;

/// Events of one worker.
pub(crate) struct Rows<'a> {
    pub(crate) manifest: &'a RunManifest,
    pub(crate) worker: u16,
    pub(crate) events: &'a [Event],
}

impl Rows<'_> {
    /// Writes every column of the schema, in its order.
    pub(crate) fn write<W: std::io::Write + Send>(&self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        let mut columns = Columns { group, rows: self.events };
        let entry = self.manifest.workers.get(usize::from(self.worker));
        let consumer_group = entry.and_then(|entry| self.manifest.groups.get(usize::from(entry.group?)));
        let worker = entry.map_or_else(|| format!("worker-{}", self.worker), |entry| entry.name.clone());
        let destination = |event: &Event| self.manifest.destinations.get(usize::from(event.destination));
        let lane_of = |event: &Event| {
            let lane = destination(event).map(|one| one.lane).or(entry?.lane)?;
            Some(text(&self.manifest.lanes.get(usize::from(lane))?.name))
        };
        let worker = text(&worker);
        let consumer_group = consumer_group.map(|group| text(&group.name));
        columns.numbers(|event| Some(signed(event.time_ns)), Presence::Always)?;
        columns.texts(|_| Some(worker.clone()), Presence::Always)?;
        columns.texts(lane_of, Presence::Sometimes)?;
        columns.texts(|_| consumer_group.clone(), Presence::Sometimes)?;
        columns.texts(|event| Some(kind(event)), Presence::Always)?;
        columns.texts(|event| name(event, self.manifest), Presence::Sometimes)?;
        columns.numbers(|event| destination(event)?.partition.map(i64::from), Presence::Sometimes)?;
        columns.numbers(|event| said(event.session, NO_SESSION), Presence::Sometimes)?;
        columns.numbers(|event| said(event.sequence, NO_SEQUENCE), Presence::Sometimes)?;
        columns.numbers(|event| (event.offset != NO_OFFSET).then(|| signed(event.offset)), Presence::Sometimes)?;
        columns.numbers(|event| said(event.detail, NO_NODE), Presence::Sometimes)?;
        for flag in [FLAG_REDELIVERED, FLAG_CORRUPT, FLAG_FOREIGN, FLAG_SELF] {
            columns.flags(flag)?;
        }
        Ok(())
    }
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text)
}

fn kind(event: &Event) -> ByteArray {
    event.kind().map_or_else(|| text(&format!("unknown-{}", event.kind)), |kind| text(kind.label()))
}

fn name(event: &Event, manifest: &RunManifest) -> Option<ByteArray> {
    match manifest.destinations.get(usize::from(event.destination)) {
        Some(destination) => Some(text(&destination.name)),
        None if event.destination == NO_DESTINATION => None,
        None => Some(text(&event.destination.to_string())),
    }
}

fn said(number: u32, nothing: u32) -> Option<i64> {
    (number != nothing).then(|| i64::from(number))
}

/// The bits stay the same: query engines have no unsigned numbers in common.
fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// Whether a column has a value in every row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Always,
    Sometimes,
}

struct Columns<'g, 'w, 'r, W: std::io::Write> {
    group: &'g mut SerializedRowGroupWriter<'w, W>,
    rows: &'r [Event],
}

impl<W: std::io::Write + Send> Columns<'_, '_, '_, W> {
    fn numbers(&mut self, value: impl Fn(&Event) -> Option<i64>, presence: Presence) -> Result<()> {
        let (values, levels) = self.collect(value, presence);
        let mut column = self.group.next_column()?.ok_or_else(too_many)?;
        column.typed::<Int64Type>().write_batch(&values, levels.as_deref(), None)?;
        column.close()
    }

    fn texts(&mut self, value: impl Fn(&Event) -> Option<ByteArray>, presence: Presence) -> Result<()> {
        let (values, levels) = self.collect(value, presence);
        let mut column = self.group.next_column()?.ok_or_else(too_many)?;
        column.typed::<ByteArrayType>().write_batch(&values, levels.as_deref(), None)?;
        column.close()
    }

    fn flags(&mut self, flag: u8) -> Result<()> {
        let values: Vec<bool> = self.rows.iter().map(|event| event.has(flag)).collect();
        let mut column = self.group.next_column()?.ok_or_else(too_many)?;
        column.typed::<BoolType>().write_batch(&values, None, None)?;
        column.close()
    }

    /// Values that are there, and for a column that may lack some a 1 for each row that has one.
    fn collect<T>(&self, value: impl Fn(&Event) -> Option<T>, presence: Presence) -> (Vec<T>, Option<Vec<i16>>) {
        let found: Vec<Option<T>> = self.rows.iter().map(value).collect();
        let levels =
            (presence == Presence::Sometimes).then(|| found.iter().map(|one| i16::from(one.is_some())).collect());
        (found.into_iter().flatten().collect(), levels)
    }
}

fn too_many() -> ParquetError {
    ParquetError::General(String::from("more columns than the schema has"))
}
