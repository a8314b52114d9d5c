//! Queues: what consumers were given and settled, and what was still there at the end.

use std::collections::{BTreeMap, BTreeSet};

use delivery_broker::Settle;
use delivery_checks::judgement::FindingKind;
use delivery_history::event::{FLAG_CORRUPT, FLAG_REDELIVERED};
use delivery_history::{Event, EventKind};

use super::Reference;
use super::groups::Did;
use super::past::{Id, Outcome, Past, id, unreadable};

/// What the audits found, and whether each is complete.
#[derive(Debug, Default)]
struct Queues {
    whole: BTreeSet<u16>,
    left: BTreeSet<Id>,
    dead: BTreeSet<Id>,
    elsewhere: BTreeSet<Id>,
    twice: BTreeSet<Id>,
}

pub fn check(past: &Past<'_>, reference: &mut Reference) {
    let queues = audits(past, reference);
    let consumers = past.consumers(None);
    let mut did: BTreeMap<Id, Did> = BTreeMap::new();
    for worker in &consumers {
        for event in past.stream(*worker) {
            take(past, *worker, event, &mut did, reference);
        }
    }
    for (id, did) in &did {
        did.copies(&past.name(*id), reference);
    }
    let steps = life(past, &consumers);
    for (id, steps) in &steps {
        again(past, *id, steps, reference);
    }
    for worker in &consumers {
        order(past, *worker, &steps, reference);
    }
    missing(past, &consumers, &queues, &did, reference);
    letters(past, &consumers, &queues, &steps, reference);
    for sent in past.sends.values().filter(|sent| sent.outcome == Outcome::Failed) {
        let given = did.get(&sent.id).is_some_and(|did| did.delivered > 0);
        if given || queues.left.contains(&sent.id) || queues.dead.contains(&sent.id) {
            reference.add(FindingKind::FailedButStored, past.name(sent.id));
        }
    }
    queues.left.iter().for_each(|id| reference.add(FindingKind::LeftInQueue, past.name(*id)));
    queues.dead.iter().for_each(|id| reference.add(FindingKind::DeadLettered, past.name(*id)));
    queues.twice.iter().for_each(|id| reference.add(FindingKind::StoredTwice, past.name(*id)));
}

fn audits(past: &Past<'_>, reference: &mut Reference) -> Queues {
    let mut queues = Queues::default();
    let mut elsewhere: Vec<Id> = Vec::new();
    let events: Vec<&Event> = past.audit_events().collect();
    for destination in 0..past.manifest.destinations.len() as u16 {
        let mine: Vec<&Event> = events.iter().copied().filter(|event| event.destination == destination).collect();
        let depths: Vec<(u64, u32)> = mine
            .iter()
            .filter(|event| event.kind() == Some(EventKind::ObservedDepth))
            .map(|event| (event.offset, event.detail))
            .collect();
        let read: Vec<&Event> =
            mine.iter().copied().filter(|event| event.kind() == Some(EventKind::AuditRead)).collect();
        let ended =
            mine.iter().any(|event| event.kind() == Some(EventKind::AuditEnd) && event.offset == read.len() as u64);
        let last: Vec<&(u64, u32)> = depths.iter().rev().take(3).collect();
        if ended && last.len() == 3 && last.iter().all(|depth| **depth == (read.len() as u64, 0)) {
            queues.whole.insert(destination);
        }
        let letters_of = past.manifest.destinations[usize::from(destination)].dead_letters_of;
        let mut here: BTreeSet<Id> = BTreeSet::new();
        for event in read {
            match past.sends.get(&id(event)) {
                Some(sent) if sent.destination == destination || Some(sent.destination) == letters_of => {
                    if !here.insert(sent.id) {
                        queues.twice.insert(sent.id);
                    }
                    let found = if sent.destination == destination { &mut queues.left } else { &mut queues.dead };
                    found.insert(sent.id);
                }
                Some(sent) => elsewhere.push(sent.id),
                None if past.sentinels.contains(&id(event)) => {}
                None => reference.add_once(FindingKind::Phantom, past.name(id(event))),
            }
        }
    }
    for id in elsewhere {
        if queues.left.contains(&id) {
            queues.twice.insert(id);
        } else {
            reference.add_once(FindingKind::Phantom, past.name(id));
        }
        queues.elsewhere.insert(id);
    }
    queues
}

fn take(past: &Past<'_>, worker: u16, event: &Event, did: &mut BTreeMap<Id, Did>, reference: &mut Reference) {
    let delivered = event.kind() == Some(EventKind::Delivered);
    if delivered && unreadable(event) {
        let kind = if event.has(FLAG_CORRUPT) { FindingKind::Corrupt } else { FindingKind::Phantom };
        reference.add(kind, past.payload_name(worker));
        return;
    }
    match past.sends.get(&id(event)) {
        Some(sent) if sent.destination == event.destination => did.entry(sent.id).or_default().take(worker, event),
        _ if delivered && !past.sentinels.contains(&id(event)) => {
            reference.add_once(FindingKind::Phantom, past.name(id(event)));
        }
        _ => {}
    }
}

/// By message: its deliveries and settles at any consumer, in the order of time.
fn life<'p>(past: &Past<'p>, consumers: &[u16]) -> BTreeMap<Id, Vec<&'p Event>> {
    let mut steps: BTreeMap<Id, Vec<&'p Event>> = BTreeMap::new();
    for event in consumers.iter().flat_map(|worker| past.stream(*worker)) {
        let sent = past.sends.get(&id(event)).filter(|sent| sent.destination == event.destination);
        if let Some(sent) = sent.filter(|_| !unreadable(event)) {
            steps.entry(sent.id).or_default().push(event);
        }
    }
    steps.values_mut().for_each(|steps| steps.sort_by_key(|event| event.time_ns));
    steps
}

fn settles(event: &Event, kind: EventKind, among: &[Settle]) -> bool {
    event.kind() == Some(kind) && among.iter().any(|settle| *settle as u32 == event.detail)
}

const REQUEUES: &[Settle] = &[Settle::NackRequeue, Settle::RejectRequeue];
const FOR_GOOD: &[Settle] = &[Settle::Ack, Settle::Reject, Settle::NackDrop];

/// Delivered again without the flag, or after its settle had been confirmed.
fn again(past: &Past<'_>, id: Id, steps: &[&Event], reference: &mut Reference) {
    let deliveries: Vec<&&Event> = steps.iter().filter(|event| event.kind() == Some(EventKind::Delivered)).collect();
    if deliveries.iter().skip(1).any(|event| !event.has(FLAG_REDELIVERED)) {
        reference.add(FindingKind::RedeliveredUnflagged, past.name(id));
    }
    let settled = steps.iter().filter(|event| settles(event, EventKind::SettleOk, FOR_GOOD));
    let settled_ns = settled.map(|event| event.time_ns).min();
    let after = deliveries.iter().any(|event| settled_ns.is_some_and(|settled_ns| settled_ns < event.time_ns));
    if after && deliveries.len() > 1 {
        reference.add(FindingKind::RedeliveredSettled, past.name(id));
    }
}

/// One consumer on one connection: first deliveries without the flag, per session and queue.
fn order(past: &Past<'_>, worker: u16, steps: &BTreeMap<Id, Vec<&Event>>, reference: &mut Reference) {
    let mut before: Vec<&Event> = Vec::new();
    for event in past.stream(worker) {
        match event.kind() {
            Some(EventKind::SessionEnded) => before.clear(),
            Some(EventKind::Assigned) => before.retain(|other| other.destination != event.destination),
            Some(EventKind::Delivered) if !unreadable(event) => {
                let sent = past.sends.get(&id(event)).filter(|sent| sent.destination == event.destination);
                let Some(sent) = sent else { continue };
                let deliveries = steps[&sent.id].iter().filter(|step| step.kind() == Some(EventKind::Delivered));
                let first = deliveries.clone().next().is_some_and(|first| std::ptr::eq(*first, event));
                let previous = deliveries.clone().rev().find(|step| step.time_ns < event.time_ns);
                let requeued = steps[&sent.id].iter().rev().find(|step| {
                    settles(step, EventKind::SettleInvoked, REQUEUES)
                        && step.time_ns < event.time_ns
                        && previous.is_none_or(|previous| previous.time_ns < step.time_ns)
                });
                let later = |other: &&&Event| {
                    other.session == event.session
                        && other.destination == event.destination
                        && other.sequence > event.sequence
                };
                if event.has(FLAG_REDELIVERED) {
                    let behind =
                        |requeued: &&Event| before.iter().filter(later).any(|other| other.time_ns > requeued.time_ns);
                    if requeued.is_some_and(behind) {
                        reference.add_once(FindingKind::ReorderedRequeued, past.name(sent.id));
                    }
                } else if first {
                    if before.iter().any(|other| later(&other)) {
                        reference.add_once(FindingKind::Reordered, past.name(sent.id));
                    }
                    before.push(event);
                }
            }
            _ => {}
        }
    }
}

/// Refused for good, as the broker confirmed, never acked, and neither in the queue nor where its dead letters end.
fn letters(
    past: &Past<'_>,
    consumers: &[u16],
    queues: &Queues,
    steps: &BTreeMap<Id, Vec<&Event>>,
    reference: &mut Reference,
) {
    if !past.recovered || !is_sound(past, consumers) {
        return;
    }
    for (id, steps) in steps {
        let sent = &past.sends[id];
        let letters: Vec<u16> = letters_of(past, sent.destination);
        let mut places = letters.iter().chain([&sent.destination]);
        let whole = !letters.is_empty() && places.all(|place| queues.whole.contains(place));
        let refused = steps.iter().any(|step| settles(step, EventKind::SettleOk, &[Settle::Reject, Settle::NackDrop]));
        let acked = steps.iter().any(|step| settles(step, EventKind::SettleInvoked, &[Settle::Ack]));
        let found = [&queues.left, &queues.dead, &queues.elsewhere].into_iter().any(|found| found.contains(id));
        if whole && refused && !acked && !found {
            reference.add(FindingKind::DeadLetterLost, past.name(*id));
        }
    }
}

/// Whether each consumer crashed or ended as it was told to.
fn is_sound(past: &Past<'_>, consumers: &[u16]) -> bool {
    let finished =
        |worker: u16| past.stream(worker).iter().any(|event| event.kind() == Some(EventKind::WorkerFinished));
    consumers.iter().all(|worker| past.crashed.contains(worker) || finished(*worker))
}

/// The queues where the dead letters of a queue end.
fn letters_of(past: &Past<'_>, queue: u16) -> Vec<u16> {
    let places = (0u16..).zip(&past.manifest.destinations);
    places.filter(|(_, place)| place.dead_letters_of == Some(queue)).map(|(number, _)| number).collect()
}

fn missing(past: &Past<'_>, consumers: &[u16], queues: &Queues, did: &BTreeMap<Id, Did>, reference: &mut Reference) {
    let recorded = |kind: EventKind, worker: u16| past.stream(worker).iter().any(|event| event.kind() == Some(kind));
    let crashed = |worker: &u16| past.crashed.contains(worker);
    let sound = is_sound(past, consumers);
    let dead = consumers.iter().all(crashed);
    let ended = consumers.iter().any(|worker| crashed(worker) || recorded(EventKind::SessionEnded, *worker));
    let may_vanish = past.manifest.lanes[0].automatic_ack && ended;
    for sent in past.sends.values().filter(|sent| past.recovered && sound && past.is_owed(sent)) {
        let mut places = letters_of(past, sent.destination).into_iter().chain([sent.destination]);
        if did.get(&sent.id).is_some_and(|did| did.processed) || !places.all(|place| queues.whole.contains(&place)) {
            continue;
        }
        let found = [&queues.left, &queues.dead, &queues.elsewhere].into_iter().any(|found| found.contains(&sent.id));
        let there = found || did.get(&sent.id).is_some_and(|did| did.delivered > 0 || did.began > 0);
        if !there && !may_vanish {
            reference.add(FindingKind::Lost, past.name(sent.id));
            continue;
        }
        reference.undelivered_proved += u64::from(there && !dead);
        reference.add(FindingKind::Undelivered, past.name(sent.id));
    }
}
