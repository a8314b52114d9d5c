//! Reading everything that is stored, from every replica.

use delivery_broker::{AuditItem, Auditor, ClientError, Decoded, DestinationRef, DrainItem};
use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN};
use delivery_history::recorder::{RecordError, Recorder};
use delivery_history::{Event, EventKind, NO_OFFSET};

use crate::error::WorkloadError;

/// Reads each destination on each replica and records all of it. A replica that cannot be read to
/// its end is returned with the reason; its audit then has no end in the history and proves nothing.
///
/// # Errors
/// When the history cannot be written.
pub fn audit(
    auditor: &mut dyn Auditor,
    destinations: &[DestinationRef],
    replicas: &[u32],
    recorder: &mut Recorder,
) -> Result<Vec<(u16, u32, ClientError)>, WorkloadError> {
    let mut incomplete = Vec::new();
    for destination in destinations {
        for replica in replicas {
            if let Some(error) = read_replica(auditor, destination, *replica, recorder)? {
                incomplete.push((destination.index, *replica, error));
            }
        }
    }
    Ok(incomplete)
}

fn read_replica(
    auditor: &mut dyn Auditor,
    destination: &DestinationRef,
    replica: u32,
    recorder: &mut Recorder,
) -> Result<Option<ClientError>, RecordError> {
    let mut unwritten = Ok(());
    let read = auditor.read(destination, replica, &mut |item| {
        if unwritten.is_ok() {
            unwritten = recorder.record(audit_event(destination.index, replica, item));
        }
    });
    unwritten?;
    Ok(read.err())
}

/// Asks what each group has committed, and records it. A group nobody tells of is returned with the reason.
///
/// # Errors
/// When the history cannot be written.
pub fn committed(
    auditor: &mut dyn Auditor,
    groups: &[(u16, String, Vec<DestinationRef>)],
    recorder: &mut Recorder,
) -> Result<Vec<(u16, ClientError)>, WorkloadError> {
    let mut untold = Vec::new();
    for (group, name, destinations) in groups {
        match auditor.committed(name, destinations) {
            Ok(None) => {}
            Ok(Some(committed)) => {
                for (destination, offset) in committed.offsets {
                    let mut told = Event::new(EventKind::ObservedCommit).destination(destination);
                    told = told.offset(offset.unwrap_or(NO_OFFSET)).detail((*group).into());
                    told.session = committed.node;
                    recorder.record(told)?;
                }
            }
            Err(error) => untold.push((*group, error)),
        }
    }
    Ok(untold)
}

/// Waits until each queue is drained, takes out what is left, and records all of it. A queue that is not drained is
/// returned with the reason; its audit then has no end in the history and proves nothing.
///
/// # Errors
/// When the history cannot be written.
pub fn drain(
    auditor: &mut dyn Auditor,
    queues: &[DestinationRef],
    recorder: &mut Recorder,
) -> Result<Vec<(u16, ClientError)>, WorkloadError> {
    let mut incomplete = Vec::new();
    for queue in queues {
        let mut unwritten = Ok(());
        let mut drained = DrainEvents { destination: queue.index, node: 0, read: 0 };
        let outcome = auditor.drain(queue, &mut |item| {
            if unwritten.is_ok() {
                unwritten = recorder.record(drained.event(item));
            }
        });
        unwritten?;
        if let Err(error) = outcome {
            incomplete.push((queue.index, error));
        }
    }
    Ok(incomplete)
}

/// Turns what the drain of one queue met into events.
struct DrainEvents {
    destination: u16,
    node: u32,
    read: u64,
}

impl DrainEvents {
    fn event(&mut self, item: DrainItem) -> Event {
        match item {
            DrainItem::Start { node } => {
                self.node = node;
                audit_event(self.destination, node, AuditItem::Start(0))
            }
            DrainItem::Depth { node, ready, unacked } => {
                let depth = Event::new(EventKind::ObservedDepth).destination(self.destination);
                let mut depth = depth.offset(ready).detail(unacked);
                depth.session = node;
                depth
            }
            DrainItem::Message { payload } => {
                self.read += 1;
                audit_event(self.destination, self.node, AuditItem::Message { offset: self.read - 1, payload })
            }
            DrainItem::End => audit_event(self.destination, self.node, AuditItem::End(self.read)),
        }
    }
}

/// The event an audited item becomes.
pub fn audit_event(destination: u16, replica: u32, item: AuditItem) -> Event {
    let event = |kind: EventKind, offset: u64| Event::new(kind).destination(destination).offset(offset).detail(replica);
    match item {
        AuditItem::Start(offset) => event(EventKind::AuditStart, offset),
        AuditItem::End(offset) => event(EventKind::AuditEnd, offset),
        AuditItem::Control(offset) => event(EventKind::AuditControl, offset),
        AuditItem::Message { offset, payload } => with_payload(event(EventKind::AuditRead, offset), payload),
        AuditItem::Aborted { offset, payload } => with_payload(event(EventKind::AuditAborted, offset), payload),
        AuditItem::Open { offset, payload } => with_payload(event(EventKind::AuditOpen, offset), payload),
    }
}

fn with_payload(read: Event, payload: Decoded) -> Event {
    match payload {
        Decoded::Message { id, .. } => read.message(id.session, id.sequence),
        Decoded::Corrupt => read.flags(FLAG_CORRUPT),
        Decoded::Foreign => read.flags(FLAG_FOREIGN),
    }
}
