//! What each group (or subscriber) was given and did with it.

use std::collections::{BTreeMap, BTreeSet};

use delivery_checks::judgement::FindingKind;
use delivery_history::event::{FLAG_CORRUPT, FLAG_REDELIVERED};
use delivery_history::manifest::{Group, Workload};
use delivery_history::{Event, EventKind, NO_OFFSET};

use super::Reference;
use super::logs::Log;
use super::past::{Ending, Id, Outcome, Past, Sent, id, unreadable};

/// What one group did with one message.
#[derive(Clone, Debug, Default)]
pub struct Did {
    pub delivered: u32,
    pub flagged: bool,
    pub began: u32,
    pub processed: bool,
    /// (Worker, from, to) of each run of its handler.
    runs: Vec<(u16, u64, u64)>,
}

impl Did {
    pub fn take(&mut self, worker: u16, event: &Event) {
        match event.kind() {
            Some(EventKind::Delivered) => {
                self.delivered += 1;
                self.flagged |= event.has(FLAG_REDELIVERED);
            }
            Some(EventKind::Processing) => {
                self.began += 1;
                self.runs.push((worker, event.time_ns, event.time_ns));
            }
            Some(EventKind::Processed) => {
                self.processed = true;
                if let Some(run) = self.runs.iter_mut().rev().find(|run| run.0 == worker) {
                    run.2 = event.time_ns;
                }
            }
            _ => {}
        }
    }

    fn at_once(&self) -> bool {
        let pairs = self.runs.iter().flat_map(|one| self.runs.iter().map(move |other| (one, other)));
        pairs.into_iter().any(|(one, other)| one.0 != other.0 && one.1 <= other.1 && other.1 < one.2)
    }

    /// Counts what came again.
    pub fn copies(&self, name: &str, reference: &mut Reference) {
        if self.began > 1 {
            reference.add_once(FindingKind::ProcessedTwice, name.to_owned());
        } else if self.delivered > 1 || self.flagged {
            reference.add_once(FindingKind::Redelivered, name.to_owned());
        }
    }
}

pub fn check(past: &Past<'_>, log: &Log, reference: &mut Reference) {
    let mut lost: BTreeSet<Id> = log.lost.clone();
    let mut delivered: BTreeSet<Id> = BTreeSet::new();
    for (number, group) in (0u16..).zip(&past.manifest.groups) {
        let members = past.consumers(Some(number));
        let mut did: BTreeMap<Id, Did> = BTreeMap::new();
        for worker in &members {
            for event in past.stream(*worker) {
                if let Some(sent) = take(past, *worker, event, reference) {
                    did.entry(sent.id).or_default().take(*worker, event);
                    if event.kind() == Some(EventKind::Delivered) {
                        delivered_from_transaction(past, group, sent, event, reference);
                    }
                }
            }
            if past.workload == Workload::Fanout {
                order(past, *worker, reference);
            }
        }
        for (id, did) in &did {
            did.copies(&past.name(*id), reference);
            if did.began > 1 && did.at_once() {
                reference.add_once(FindingKind::ProcessedAtOnce, past.name(*id));
            }
        }
        delivered.extend(did.iter().filter(|(_, did)| did.delivered > 0).map(|(id, _)| *id));
        if past.transforms(number) {
            super::outputs::check(past, log, &members, reference);
        } else {
            unprocessed(past, log, group, &members, &did, &mut lost, reference);
        }
    }
    for id in lost.difference(&log.lost) {
        reference.add(FindingKind::Lost, past.name(*id));
    }
    for sent in past.sends.values().filter(|sent| sent.outcome == Outcome::Failed) {
        if [&log.stored, &log.misplaced, &delivered].into_iter().any(|there| there.contains(&sent.id)) {
            reference.add(FindingKind::FailedButStored, past.name(sent.id));
        }
    }
}

/// The message an event of a consumer is about, where it was sent there; counts what was not.
fn take<'p>(past: &'p Past<'_>, worker: u16, event: &Event, reference: &mut Reference) -> Option<&'p Sent> {
    if !matches!(event.kind(), Some(EventKind::Delivered | EventKind::Processing | EventKind::Processed)) {
        return None;
    }
    let delivered = event.kind() == Some(EventKind::Delivered);
    if unreadable(event) {
        let kind = if event.has(FLAG_CORRUPT) { FindingKind::Corrupt } else { FindingKind::Phantom };
        if event.offset == NO_OFFSET {
            reference.add(kind, past.payload_name(worker));
        } else {
            reference.add_once(kind, past.offset_name(event.destination, event.offset));
        }
        return None;
    }
    let sent = past.sends.get(&id(event)).filter(|sent| sent.destination == event.destination);
    if sent.is_none() && delivered && !past.sentinels.contains(&id(event)) {
        reference.add_once(FindingKind::Phantom, past.name(id(event)));
    }
    sent
}

fn delivered_from_transaction(past: &Past<'_>, group: &Group, sent: &Sent, event: &Event, reference: &mut Reference) {
    let Some(transaction) = sent.transaction.map(|number| &past.transactions[number]) else { return };
    if transaction.ending == Ending::Aborted {
        let beside = group.read_uncommitted && group.beside;
        let kind = if beside { FindingKind::DirtyRead } else { FindingKind::AbortedRead };
        reference.add_once(kind, past.name(sent.id));
    } else if group.read_uncommitted {
        // What it asks for.
    } else if transaction.commit_asked_ns.is_none_or(|asked_ns| event.time_ns < asked_ns) {
        reference.add_once(FindingKind::UncommittedRead, past.name(sent.id));
    }
}

/// First deliveries of a subscriber, per session and destination.
fn order(past: &Past<'_>, worker: u16, reference: &mut Reference) {
    let mut before: Vec<Id> = Vec::new();
    for event in past.stream(worker) {
        let readable = event.kind() == Some(EventKind::Delivered) && !unreadable(event);
        let sent = past.sends.get(&id(event)).filter(|sent| readable && sent.destination == event.destination);
        let Some(sent) = sent.filter(|sent| !before.contains(&sent.id)) else { continue };
        let mut later = before
            .iter()
            .map(|id| &past.sends[id])
            .filter(|other| other.id.0 == sent.id.0 && other.id.1 > sent.id.1 && other.destination == sent.destination);
        if later.clone().next().is_some() {
            reference.add_once(FindingKind::Reordered, past.name(sent.id));
        }
        if later.any(|other| other.key == sent.key) {
            reference.add_once(FindingKind::ReorderedKey, past.name(sent.id));
        }
        before.push(sent.id);
    }
}

/// Whether the subscriber was owed what was sent to `destination` at this time.
fn subscribed(past: &Past<'_>, members: &[u16], destination: u16, time_ns: u64) -> bool {
    members.iter().any(|worker| {
        let mine = past.stream(*worker).iter().filter(|event| event.destination == destination);
        let said = mine.filter(|event| {
            matches!(event.kind(), Some(EventKind::Subscribed | EventKind::Unsubscribed)) && event.time_ns <= time_ns
        });
        said.max_by_key(|event| event.time_ns).is_some_and(|event| event.kind() == Some(EventKind::Subscribed))
    })
}

fn unprocessed(
    past: &Past<'_>,
    log: &Log,
    group: &Group,
    members: &[u16],
    did: &BTreeMap<Id, Did>,
    lost: &mut BTreeSet<Id>,
    reference: &mut Reference,
) {
    let fanout = past.workload == Workload::Fanout;
    let dead = !members.is_empty() && members.iter().all(|member| past.crashed.contains(member));
    let reads = past.places_of(group);
    let owed = past.sends.values().filter(|sent| past.recovered && past.is_owed(sent));
    for sent in owed.filter(|sent| reads.contains(&sent.destination)) {
        let processed = did.get(&sent.id).is_some_and(|did| did.processed);
        if processed || lost.contains(&sent.id) {
            continue;
        }
        if fanout && !subscribed(past, members, sent.destination, sent.invoked_ns) {
            continue;
        }
        let given = did.get(&sent.id).is_some_and(|did| did.delivered > 0);
        let there = if fanout { given } else { log.stored.contains(&sent.id) };
        let drained = members
            .iter()
            .flat_map(|member| past.stream(*member))
            .any(|event| event.kind() == Some(EventKind::Drained) && event.destination == sent.destination);
        let undelivered = match (drained, dead) {
            (true, _) if there => {
                reference.undelivered_proved += 1;
                true
            }
            (true, _) => {
                if fanout {
                    lost.insert(sent.id);
                }
                false
            }
            (false, true) => there || fanout,
            (false, false) => false,
        };
        if undelivered {
            reference.add_once(FindingKind::Undelivered, past.name(sent.id));
        }
    }
}
