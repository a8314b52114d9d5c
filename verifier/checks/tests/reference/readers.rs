//! Where readers of a log stood, what they were given there, and what they committed.

use std::collections::BTreeMap;

use delivery_checks::judgement::FindingKind;
use delivery_history::event::FLAG_SELF;
use delivery_history::manifest::Workload;
use delivery_history::{Event, EventKind, NO_OFFSET};

use super::Reference;
use super::logs::{Audit, Log, same};
use super::past::{Past, unreadable};

pub fn check(past: &Past<'_>, log: &Log, reference: &mut Reference) {
    if past.workload == Workload::Fanout {
        return;
    }
    for (number, _) in (0u16..).zip(&past.manifest.groups) {
        let members = past.consumers(Some(number));
        for worker in &members {
            positions(past, log, past.stream(*worker), members.len() == 1, reference);
        }
        commits(past, &members, reference);
    }
}

fn announced(event: &Event) -> bool {
    event.has(FLAG_SELF) || event.offset == NO_OFFSET
}

fn positions(past: &Past<'_>, log: &Log, events: &[Event], alone: bool, reference: &mut Reference) {
    let mut next: BTreeMap<u16, u64> = BTreeMap::new();
    let mut assigned: Vec<u16> = Vec::new();
    for event in events {
        let destination = event.destination;
        match event.kind() {
            Some(EventKind::Assigned) => {
                assigned.push(destination);
                next.remove(&destination);
                if event.offset != NO_OFFSET {
                    next.insert(destination, event.offset);
                }
            }
            Some(EventKind::Revoked) => drop(next.remove(&destination)),
            Some(EventKind::PositionReset) if announced(event) => drop(next.remove(&destination)),
            Some(EventKind::Delivered) if event.offset != NO_OFFSET => {
                let audit = log.audits.get(&destination).and_then(|audits| audits.first());
                let name = past.offset_name(destination, event.offset);
                match next.insert(destination, event.offset + 1) {
                    Some(due) if event.offset < due => reference.add(FindingKind::OffsetBack, name.clone()),
                    Some(due) if event.offset > due => {
                        // Of several members another may have read it, where nobody recorded who was to.
                        let due_here = alone || assigned.contains(&destination);
                        if due_here && audit.is_some_and(|audit| holds_message(audit, due, event.offset)) {
                            reference.add(FindingKind::OffsetSkipped, name.clone());
                        }
                    }
                    _ => {}
                }
                if !unreadable(event) && audit.is_some_and(|audit| differs(audit, event)) {
                    reference.add_once(FindingKind::Disagreement, name);
                }
            }
            _ => {}
        }
    }
}

fn holds_message(audit: &Audit, from: u64, to: u64) -> bool {
    audit.entries.iter().any(|entry| (from..to).contains(&entry.offset) && entry.kind() == Some(EventKind::AuditRead))
}

fn differs(audit: &Audit, event: &Event) -> bool {
    match audit.at(event.offset) {
        Some(entry) => !same(event, entry),
        None => audit.complete && event.offset >= audit.end(),
    }
}

/// Confirmed commits before one that had been confirmed when they were asked for.
fn commits(past: &Past<'_>, members: &[u16], reference: &mut Reference) {
    let mut events: Vec<(u16, &Event)> =
        members.iter().flat_map(|worker| past.stream(*worker).iter().map(|event| (*worker, event))).collect();
    events.sort_by_key(|(_, event)| event.time_ns);
    // By destination: offset, when it was confirmed, to whom.
    let mut committed: BTreeMap<u16, (u64, u64, u16)> = BTreeMap::new();
    let mut asked: BTreeMap<(u16, u16, u64), u64> = BTreeMap::new();
    for (worker, event) in events {
        let commit = (worker, event.destination, event.offset);
        match event.kind() {
            Some(EventKind::SettleInvoked) => drop(asked.insert(commit, event.time_ns)),
            Some(EventKind::SettleFailed) => drop(asked.remove(&commit)),
            Some(EventKind::PositionReset) if announced(event) => drop(committed.remove(&event.destination)),
            Some(EventKind::SettleOk) => {
                let asked_ns = asked.remove(&commit);
                let (known, at_ns, by) = committed.get(&event.destination).copied().unwrap_or((0, 0, worker));
                let after = asked_ns.map_or(by == worker, |asked_ns| at_ns < asked_ns);
                if event.offset < known && after {
                    let place = past.place_name(event.destination);
                    reference.add(FindingKind::CommitBack, format!("the commit of offset {} of {place}", event.offset));
                }
                if event.offset >= known || after {
                    committed.insert(event.destination, (event.offset, event.time_ns, worker));
                }
            }
            _ => {}
        }
    }
}
