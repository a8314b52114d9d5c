//! Writes a run as operations of Jepsen's Kafka workload, as JSON lines: for tools that know those, and to judge a run
//! in that workload's terms. What they have no words for is left out and counted (`docs/history-format.md`).

use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use serde_json::{Value, json};

use crate::event::{Event, EventKind, FLAG_CORRUPT, FLAG_FOREIGN, NO_OFFSET};
use crate::manifest::{RunManifest, Workload};
use crate::plain::ExportError;
use crate::plain::lookup::Lookup;
use crate::plain::write::in_time;
use crate::view::HistoryView;

/// How much of a run could be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Operations written, invocations and completions.
    pub operations: u64,
    /// Events that operations have no words for.
    pub left_out: u64,
}

/// Writes sends as `send`, deliveries as `poll`, assignments as `assign`.
///
/// # Errors
/// When `out` takes no more.
pub fn write_operations(history: &HistoryView<'_>, out: impl Write) -> Result<Exported, ExportError> {
    let mut writer = Writer {
        lookup: Lookup::new(history.manifest),
        out,
        exported: Exported::default(),
        next_process: 0,
        free: HashMap::new(),
        sending: HashMap::default(),
        readers: HashMap::new(),
    };
    for (worker, event) in in_time(history) {
        if !writer.take(worker, event)? {
            writer.exported.left_out += 1;
        }
    }
    writer.out.flush()?;
    Ok(writer.exported)
}

/// A consumer: its process, and what it reads.
#[derive(Debug, Default)]
struct Reader {
    process: u64,
    assigned: BTreeSet<u16>,
}

struct Writer<'m, W> {
    lookup: Lookup<'m>,
    out: W,
    exported: Exported,
    next_process: u64,
    /// Processes of a producer that have nothing in flight. A process does one thing at a time and a producer many, so
    /// a producer is as many processes as it has sends in flight.
    free: HashMap<u16, Vec<u64>>,
    /// Sends in flight: their process.
    sending: HashMap<(u32, u32), u64, foldhash::fast::RandomState>,
    readers: HashMap<u16, Reader>,
}

/// An operation, but for its number.
struct Operation {
    process: u64,
    kind: &'static str,
    function: &'static str,
    value: Value,
}

impl<W: Write> Writer<'_, W> {
    /// False where there is no operation for the event.
    fn take(&mut self, worker: u16, event: &Event) -> Result<bool, ExportError> {
        match event.kind() {
            Some(EventKind::SendInvoked) => self.invoke(worker, event),
            Some(EventKind::SendAcked) => self.complete(worker, event, "ok"),
            Some(EventKind::SendFailed) => self.complete(worker, event, "fail"),
            // Taken by the client is no more than unknown.
            Some(EventKind::SendUnknown | EventKind::SendSent) => self.complete(worker, event, "info"),
            Some(EventKind::Delivered) => self.poll(worker, event),
            Some(EventKind::Assigned) => self.assign(worker, event, true),
            Some(EventKind::Revoked) => self.assign(worker, event, false),
            Some(EventKind::PositionReset) => self.reposition(worker, event),
            _ => Ok(false),
        }
    }

    fn write(&mut self, event: &Event, operation: &Operation) -> Result<(), ExportError> {
        let Operation { process, kind, function, value } = operation;
        let line = json!({
            "index": self.exported.operations,
            // Times have a sign there.
            "time": i64::try_from(event.time_ns).unwrap_or(i64::MAX),
            "process": process,
            "type": kind,
            "f": function,
            "value": value,
        });
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")?;
        self.exported.operations += 1;
        Ok(())
    }

    fn message(&self, event: &Event) -> Value {
        let name = self.lookup.message(event.session, event.sequence);
        Value::from(name.unwrap_or_else(|| format!("{}/{}", event.session, event.sequence)))
    }

    fn key(&self, event: &Event) -> String {
        self.lookup.destination(event.destination).text().into_owned()
    }

    /// Only a log's offsets are places in it; a queue's delivery tags are not.
    fn offset(&self, event: &Event) -> Value {
        if event.offset == NO_OFFSET || !is_log(self.lookup.manifest, event.destination) {
            return Value::Null;
        }
        i64::try_from(event.offset).map_or(Value::Null, Value::from)
    }

    fn process(&mut self) -> u64 {
        self.next_process += 1;
        self.next_process - 1
    }

    fn invoke(&mut self, worker: u16, event: &Event) -> Result<bool, ExportError> {
        if self.sending.contains_key(&(event.session, event.sequence)) {
            return Ok(false);
        }
        let free = self.free.entry(worker).or_default().pop();
        let process = free.unwrap_or_else(|| self.process());
        self.sending.insert((event.session, event.sequence), process);
        let value = json!([["send", self.key(event), self.message(event)]]);
        self.write(event, &Operation { process, kind: "invoke", function: "send", value })?;
        Ok(true)
    }

    fn complete(&mut self, worker: u16, event: &Event, kind: &'static str) -> Result<bool, ExportError> {
        let Some(process) = self.sending.remove(&(event.session, event.sequence)) else { return Ok(false) };
        let sent = match kind {
            "ok" => json!([self.offset(event), self.message(event)]),
            _ => self.message(event),
        };
        let value = json!([["send", self.key(event), sent]]);
        self.write(event, &Operation { process, kind, function: "send", value })?;
        // A process whose operation never ended for certain does nothing more.
        if kind != "info" {
            self.free.entry(worker).or_default().push(process);
        }
        Ok(true)
    }

    fn poll(&mut self, worker: u16, event: &Event) -> Result<bool, ExportError> {
        if event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) != 0 {
            return Ok(false);
        }
        let process = self.reader(worker);
        let invoked = Operation { process, kind: "invoke", function: "poll", value: json!([["poll"]]) };
        self.write(event, &invoked)?;
        let mut read = serde_json::Map::new();
        read.insert(self.key(event), json!([[self.offset(event), self.message(event)]]));
        let value = json!([["poll", Value::Object(read)]]);
        self.write(event, &Operation { process, kind: "ok", function: "poll", value })?;
        Ok(true)
    }

    fn reader(&mut self, worker: u16) -> u64 {
        if let Some(reader) = self.readers.get(&worker) {
            return reader.process;
        }
        let process = self.process();
        self.readers.insert(worker, Reader { process, assigned: BTreeSet::new() });
        process
    }

    /// Assignments say all that is read from now on. What is assigned again starts anew: it is given up first.
    fn assign(&mut self, worker: u16, event: &Event, more: bool) -> Result<bool, ExportError> {
        self.reader(worker);
        let assigned = &mut self.readers.entry(worker).or_default().assigned;
        if assigned.remove(&event.destination) || !more {
            self.write_assigned(worker, event)?;
        }
        if more {
            self.readers.entry(worker).or_default().assigned.insert(event.destination);
            self.write_assigned(worker, event)?;
        }
        Ok(true)
    }

    /// A position that moved other than by reading: as if the destination had been given up and assigned again.
    fn reposition(&mut self, worker: u16, event: &Event) -> Result<bool, ExportError> {
        self.assign(worker, event, true)
    }

    fn write_assigned(&mut self, worker: u16, event: &Event) -> Result<(), ExportError> {
        let process = self.reader(worker);
        let keys = self.readers.get(&worker).map_or_else(Vec::new, |reader| {
            reader.assigned.iter().map(|one| Value::from(self.lookup.destination(*one).text().into_owned())).collect()
        });
        for kind in ["invoke", "ok"] {
            let value = Value::Array(keys.clone());
            self.write(event, &Operation { process, kind, function: "assign", value })?;
        }
        Ok(())
    }
}

fn is_log(manifest: &RunManifest, destination: u16) -> bool {
    let lane = manifest.destinations.get(usize::from(destination)).map(|destination| destination.lane);
    let lane = lane.and_then(|lane| manifest.lanes.get(usize::from(lane)));
    lane.is_some_and(|lane| matches!(lane.workload, Workload::Log | Workload::Transactions))
}
