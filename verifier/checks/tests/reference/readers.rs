//! Where readers of a log stood, what they were given there, and what they committed.

use std::collections::BTreeMap;

use delivery_checks::judgement::FindingKind;
use delivery_history::event::FLAG_SELF;
use delivery_history::manifest::{Phase, Workload};
use delivery_history::{Event, EventKind, NO_OFFSET};

use super::Reference;
use super::logs::{Audit, Log, same};
use super::past::{Id, Past, unreadable};

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
        read_back(past, log, number, &members, reference);
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

/// A commit that was confirmed.
#[derive(Clone, Copy, Debug)]
struct Confirmed {
    destination: u16,
    offset: u64,
    asked_ns: u64,
    confirmed_ns: u64,
}

/// What was read back of the group's commits, held against what it processed and what was confirmed.
fn read_back(past: &Past<'_>, log: &Log, group: u16, members: &[u16], reference: &mut Reference) {
    let told = past.audit_events().filter(|event| event.kind() == Some(EventKind::ObservedCommit));
    let told: BTreeMap<u16, u64> = told
        .filter(|event| event.detail == u32::from(group))
        .map(|event| (event.destination, if event.offset == NO_OFFSET { 0 } else { event.offset }))
        .collect();
    let processed = |id: Id| {
        let mut done = members.iter().flat_map(|worker| past.stream(*worker));
        done.any(|event| {
            let sent_there = past.sends.get(&id).is_some_and(|sent| sent.destination == event.destination);
            event.kind() == Some(EventKind::Processed) && (event.session, event.sequence) == id && sent_there
        })
    };
    let (confirmed, unknown) = outcomes(past, members);
    for (destination, offset) in told {
        let audit = log.audits.get(&destination).and_then(|audits| audits.first());
        for entry in audit.into_iter().flat_map(|audit| &audit.entries).filter(|entry| entry.offset < offset) {
            let id = (entry.session, entry.sequence);
            let sent_here = past.sends.get(&id).is_some_and(|sent| sent.destination == destination);
            let is_message = entry.kind() == Some(EventKind::AuditRead) && !unreadable(entry) && sent_here;
            if is_message && !processed(id) {
                reference.add_once(FindingKind::CommittedUnprocessed, past.name(id));
            }
        }
        let here: Vec<Confirmed> = confirmed.iter().filter(|one| one.destination == destination).copied().collect();
        let last = here.iter().filter(|one| here.iter().all(|other| other.asked_ns <= one.confirmed_ns));
        let Some(least) = last.map(|one| one.offset).min() else { continue };
        let newest_ns = here.iter().map(|one| one.asked_ns).max().unwrap_or(0);
        let open = unknown
            .iter()
            .any(|(place, asked_ns, offset)| *place == destination && *asked_ns >= newest_ns && *offset < least);
        if offset < least && !open {
            let place = past.place_name(destination);
            reference.add(FindingKind::CommitLost, format!("the commit of offset {least} of {place}"));
        }
    }
}

/// Commits that were confirmed, and (destination, when, offset) of those nobody knows the outcome of.
fn outcomes(past: &Past<'_>, members: &[u16]) -> (Vec<Confirmed>, Vec<(u16, u64, u64)>) {
    let audit_ns = past.entered_ns(Phase::Audit).unwrap_or(0);
    let mut confirmed: Vec<Confirmed> = Vec::new();
    let mut unknown: Vec<(u16, u64, u64)> = Vec::new();
    for worker in members {
        let mut asked: BTreeMap<(u16, u64), u64> = BTreeMap::new();
        let mut before: BTreeMap<u16, u64> = BTreeMap::new();
        for event in past.stream(*worker) {
            let commit = (event.destination, event.offset);
            match event.kind() {
                Some(EventKind::SettleInvoked) => drop(asked.insert(commit, event.time_ns)),
                Some(EventKind::SettleOk) => {
                    let earlier_ns = before.insert(event.destination, event.time_ns);
                    let asked_ns = asked.remove(&commit).or(earlier_ns).unwrap_or(0);
                    confirmed.push(Confirmed {
                        destination: event.destination,
                        offset: event.offset,
                        asked_ns: if event.time_ns < audit_ns { asked_ns } else { 0 },
                        confirmed_ns: event.time_ns,
                    });
                }
                Some(EventKind::SettleFailed) => {
                    let asked_ns = asked.remove(&commit).unwrap_or(event.time_ns);
                    unknown.push((event.destination, asked_ns, event.offset));
                }
                _ => {}
            }
        }
        unknown.extend(asked.into_iter().map(|((destination, offset), asked_ns)| (destination, asked_ns, offset)));
    }
    (confirmed, unknown)
}
