//! What is stored, what should be, and whether the replicas agree.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use delivery_checks::judgement::FindingKind;
use delivery_history::event::FLAG_CORRUPT;
use delivery_history::{Event, EventKind};

use super::Reference;
use super::past::{Ending, Id, Outcome, Past, id, unreadable};

/// One reading of one replica.
#[derive(Clone, Debug)]
pub struct Audit {
    pub destination: u16,
    pub start: u64,
    pub entries: Vec<Event>,
    pub complete: bool,
    sentinel: bool,
}

impl Audit {
    pub fn end(&self) -> u64 {
        self.start + self.entries.len() as u64
    }

    pub fn at(&self, offset: u64) -> Option<&Event> {
        self.entries.iter().find(|entry| entry.offset == offset)
    }

    fn proves_absence(&self) -> bool {
        self.complete && self.start == 0 && self.sentinel
    }
}

/// What all audits together say.
#[derive(Debug, Default)]
pub struct Log {
    /// By destination, the one to compare with first.
    pub audits: BTreeMap<u16, Vec<Audit>>,
    /// Read in the destination it was sent to.
    pub stored: BTreeSet<Id>,
    pub twice: BTreeSet<Id>,
    /// Read in another one.
    pub misplaced: BTreeSet<Id>,
    pub lost: BTreeSet<Id>,
}

impl Log {
    /// What is in no audit of `destination` is not stored there.
    pub fn proves_absence(&self, destination: u16) -> bool {
        self.audits.get(&destination).and_then(|audits| audits.first()).is_some_and(Audit::proves_absence)
    }

    fn is_absent(&self, destination: u16, id: Id) -> bool {
        self.proves_absence(destination) && !self.stored.contains(&id) && !self.misplaced.contains(&id)
    }
}

pub fn check(past: &Past<'_>, reference: &mut Reference) -> Log {
    let mut log = Log::default();
    for audit in audits(past) {
        log.audits.entry(audit.destination).or_default().push(audit);
    }
    for audits in log.audits.values_mut() {
        audits.sort_by_key(|audit| (!audit.proves_absence(), !audit.complete, Reverse(audit.end())));
    }
    let all: Vec<Audit> = log.audits.values().flatten().cloned().collect();
    for audit in &all {
        stored(past, audit, &mut log, reference);
        order(past, audit, reference);
    }
    misplaced(past, &all, &mut log, reference);
    log.twice.iter().for_each(|id| reference.add(FindingKind::StoredTwice, past.name(*id)));
    disagreements(past, &log, reference);
    lost(past, &mut log, reference);
    transactions(past, &log, reference);
    total_order(past, &log, reference);
    log
}

fn audits(past: &Past<'_>) -> Vec<Audit> {
    let mut audits: Vec<Audit> = Vec::new();
    for event in past.audit_events() {
        match event.kind() {
            Some(EventKind::AuditStart) => audits.push(Audit {
                destination: event.destination,
                start: event.offset,
                entries: Vec::new(),
                complete: false,
                sentinel: false,
            }),
            Some(EventKind::AuditRead | EventKind::AuditControl | EventKind::AuditAborted) => {
                let audit = audits.last_mut().unwrap();
                audit.sentinel |= !unreadable(event) && past.sentinels.contains(&id(event));
                audit.entries.push(*event);
            }
            Some(EventKind::AuditEnd) => {
                let audit = audits.last_mut().unwrap();
                audit.complete = audit.end() == event.offset;
            }
            _ => {}
        }
    }
    audits
}

fn stored(past: &Past<'_>, audit: &Audit, log: &mut Log, reference: &mut Reference) {
    let mut here: BTreeSet<Id> = BTreeSet::new();
    for event in audit.entries.iter().filter(|event| event.kind() != Some(EventKind::AuditControl)) {
        let aborted = event.kind() == Some(EventKind::AuditAborted);
        let place = past.offset_name(event.destination, event.offset);
        if unreadable(event) {
            let corrupt = event.has(FLAG_CORRUPT);
            reference.add_once(if corrupt { FindingKind::Corrupt } else { FindingKind::Phantom }, place);
        } else if let Some(sent) = past.sends.get(&id(event)) {
            if aborted {
                continue;
            }
            if sent.destination != event.destination {
                log.misplaced.insert(sent.id);
            } else {
                log.stored.insert(sent.id);
                if !here.insert(sent.id) {
                    log.twice.insert(sent.id);
                }
            }
        } else if !past.sentinels.contains(&id(event)) {
            reference.add_once(FindingKind::Phantom, past.name(id(event)));
        }
    }
}

fn misplaced(past: &Past<'_>, audits: &[Audit], log: &mut Log, reference: &mut Reference) {
    for event in audits.iter().flat_map(|audit| &audit.entries) {
        if event.kind() != Some(EventKind::AuditRead) || unreadable(event) {
            continue;
        }
        let Some(sent) = past.sends.get(&id(event)).filter(|sent| sent.destination != event.destination) else {
            continue;
        };
        if log.stored.contains(&sent.id) {
            log.twice.insert(sent.id);
        } else {
            reference.add_once(FindingKind::Phantom, past.name(sent.id));
        }
    }
}

/// Stored after a later message of its session (and key) in the same log; copies have no place.
fn order(past: &Past<'_>, audit: &Audit, reference: &mut Reference) {
    let mut before: Vec<Id> = Vec::new();
    for event in audit.entries.iter().filter(|event| event.kind() == Some(EventKind::AuditRead) && !unreadable(event)) {
        let Some(sent) = past.sends.get(&id(event)).filter(|sent| sent.destination == event.destination) else {
            continue;
        };
        if before.contains(&sent.id) {
            continue;
        }
        let mut later = before.iter().filter(|(session, sequence)| *session == sent.id.0 && *sequence > sent.id.1);
        let name = past.name(sent.id);
        if later.clone().next().is_some() {
            reference.add_once(FindingKind::Reordered, name.clone());
        }
        if later.any(|later| past.sends[later].key == sent.key) {
            reference.add_once(FindingKind::ReorderedKey, name);
        }
        before.push(sent.id);
    }
}

/// What both say of one offset is the same.
pub fn same(one: &Event, other: &Event) -> bool {
    let read = |event: &Event| event.kind() != Some(EventKind::AuditControl);
    id(one) == id(other) && read(one) == read(other) && unreadable(one) == unreadable(other)
}

fn disagreements(past: &Past<'_>, log: &Log, reference: &mut Reference) {
    for audits in log.audits.values() {
        let (first, others) = audits.split_first().unwrap();
        for entry in others.iter().flat_map(|audit| &audit.entries) {
            if first.at(entry.offset).is_some_and(|other| !same(entry, other)) {
                let name = past.offset_name(first.destination, entry.offset);
                reference.add_once(FindingKind::Disagreement, name);
            }
        }
    }
}

fn lost(past: &Past<'_>, log: &mut Log, reference: &mut Reference) {
    for sent in past.sends.values().filter(|sent| past.recovered && past.is_owed(sent)) {
        if log.is_absent(sent.destination, sent.id) {
            log.lost.insert(sent.id);
            reference.add(FindingKind::Lost, past.name(sent.id));
        }
    }
}

fn transactions(past: &Past<'_>, log: &Log, reference: &mut Reference) {
    for transaction in &past.transactions {
        let is_there = |id: &&Id| log.stored.contains(id) || log.misplaced.contains(id);
        if transaction.ending == Ending::Aborted {
            let seen = transaction.messages.iter().filter(is_there);
            seen.for_each(|id| reference.add_once(FindingKind::AbortedRead, past.name(*id)));
            continue;
        }
        let is_gone = |id: &&Id| {
            let sent = &past.sends[*id];
            sent.outcome != Outcome::Failed && log.is_absent(sent.destination, **id)
        };
        let missing = transaction.messages.iter().find(is_gone);
        if let Some(missing) = missing.filter(|_| past.recovered && transaction.messages.iter().any(|id| is_there(&id)))
        {
            reference.add(FindingKind::TornTransaction, past.name(*missing));
        }
    }
}

/// Sent after the ack of one that stands behind it.
fn total_order(past: &Past<'_>, log: &Log, reference: &mut Reference) {
    let standing: Vec<(u16, u64, u64, u64, Id)> = past
        .sends
        .values()
        .filter(|sent| log.stored.contains(&sent.id) && !log.twice.contains(&sent.id))
        .filter_map(|sent| {
            let (acked_ns, offset) = sent.acked?;
            let entry = log.audits.get(&sent.destination)?.first()?.at(offset)?;
            let there = entry.kind() == Some(EventKind::AuditRead) && !unreadable(entry) && id(entry) == sent.id;
            there.then_some((sent.destination, sent.invoked_ns, acked_ns, offset, sent.id))
        })
        .collect();
    for (destination, invoked_ns, _, offset, id) in &standing {
        let ahead = standing
            .iter()
            .any(|(place, _, acked_ns, other, _)| place == destination && acked_ns < invoked_ns && other > offset);
        if ahead {
            reference.add(FindingKind::ReorderedTotal, past.name(*id));
        }
    }
}
