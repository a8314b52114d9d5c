//! What was found to be stored: every replica of a log, or what a queue still held.

use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN};
use delivery_history::{Event, EventKind};

use super::clients::sentinel;
use super::{AUDIT_MS, Entry, Id, Scene, at, of};

/// One reading of one queue.
#[derive(Clone, Debug)]
pub(crate) struct QueueAudit {
    pub(crate) queue: u16,
    /// (Ready, unacked), as often as the queue was asked.
    pub(crate) depths: Vec<(u64, u32)>,
    /// What was taken out.
    pub(crate) read: Vec<Id>,
    /// It came to its end.
    pub(crate) ended: bool,
}

impl QueueAudit {
    /// A complete one that finds these.
    pub(crate) fn of(queue: u16, ids: &[Id]) -> Self {
        Self { queue, depths: vec![(ids.len() as u64, 0); 3], read: ids.to_vec(), ended: true }
    }
}

impl Scene {
    pub(super) fn record_audits(&self, stream: &mut Vec<Event>) {
        for (number, ((destination, replica), log)) in self.logs.iter().enumerate() {
            let event = |kind: EventKind| of(kind, *destination).detail(*replica);
            let at_ms = AUDIT_MS + number as u64;
            stream.push(at(event(EventKind::AuditStart).offset(self.log_start), at_ms));
            let sentinel = self.sentinels.contains(destination).then(|| Entry::Message(sentinel(*destination)));
            let end = self.audited.get(&(*destination, *replica)).copied().unwrap_or(usize::MAX);
            let entries: Vec<Entry> = log.iter().copied().chain(sentinel).take(end).collect();
            for (entry, offset) in entries.iter().zip(self.log_start..) {
                let read = event(EventKind::AuditRead);
                let read = match entry {
                    Entry::Message(id) => read.message(id.0, id.1),
                    Entry::Control => event(EventKind::AuditControl),
                    Entry::Corrupt => read.flags(FLAG_CORRUPT),
                    Entry::Foreign => read.flags(FLAG_FOREIGN),
                };
                stream.push(at(read.offset(offset), at_ms));
            }
            stream.push(at(event(EventKind::AuditEnd).offset(self.log_start + entries.len() as u64), at_ms));
        }
        for (number, audit) in self.queue_audits.iter().enumerate() {
            audit.record(AUDIT_MS + number as u64 * 10, stream);
        }
    }
}

impl QueueAudit {
    fn record(&self, at_ms: u64, stream: &mut Vec<Event>) {
        let event = |kind: EventKind| of(kind, self.queue).detail(1);
        stream.push(at(event(EventKind::AuditStart).offset(0), at_ms));
        for (ready, unacked) in &self.depths {
            let depth = of(EventKind::ObservedDepth, self.queue).offset(*ready).detail(*unacked);
            stream.push(at(Event { session: 1, ..depth }, at_ms + 1));
        }
        for (id, offset) in self.read.iter().zip(0..) {
            stream.push(at(event(EventKind::AuditRead).message(id.0, id.1).offset(offset), at_ms + 2));
        }
        if self.ended {
            stream.push(at(event(EventKind::AuditEnd).offset(self.read.len() as u64), at_ms + 3));
        }
    }
}
