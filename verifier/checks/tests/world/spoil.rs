//! One anomaly at a time: what to break in a correct run, and what must then be found.

use std::collections::BTreeSet;

use delivery_broker::{Reason, Settle};
use delivery_checks::judgement::FindingKind;
use delivery_history::event::{FLAG_CORRUPT, FLAG_REDELIVERED};
use delivery_history::manifest::{Group, Phase, RunStatus, Workload, worker_of_session};
use delivery_history::{Event, EventKind, NO_OFFSET};

use super::{Dice, World, about};
use crate::common::{C0, C1, Id, LOAD_MS, OBSERVER, P1, SENTINEL};

/// What must be found: exactly one of the kind, unless another number is told.
#[derive(Clone, Debug)]
pub struct Spoilt {
    pub kind: FindingKind,
    pub count: u64,
    pub witness: String,
    /// Kinds that may come with it.
    pub with: &'static [FindingKind],
}

type Spoil = fn(&mut World, &mut Dice) -> Option<Spoilt>;

/// Every way, by what must be found. Each gives nothing where the world has no place for it.
pub const ALL: &[(FindingKind, Spoil)] = &[
    (FindingKind::Lost, lost),
    (FindingKind::Undelivered, undelivered),
    (FindingKind::StoredTwice, stored_twice),
    (FindingKind::ProcessedTwice, processed_twice),
    (FindingKind::ProcessedAtOnce, processed_at_once),
    (FindingKind::Redelivered, redelivered),
    (FindingKind::RedeliveredUnflagged, unflagged),
    (FindingKind::RedeliveredSettled, after_settle),
    (FindingKind::Reordered, reordered),
    (FindingKind::ReorderedKey, reordered_key),
    (FindingKind::ReorderedTotal, reordered_total),
    (FindingKind::ReorderedRequeued, requeued_behind),
    (FindingKind::OffsetBack, offset_back),
    (FindingKind::OffsetSkipped, offset_skipped),
    (FindingKind::CommitBack, commit_back),
    (FindingKind::CommitLost, commit_lost),
    (FindingKind::CommittedUnprocessed, committed_unprocessed),
    (FindingKind::Disagreement, disagreement),
    (FindingKind::Phantom, phantom),
    (FindingKind::Corrupt, corrupt),
    (FindingKind::FailedButStored, failed_but_stored),
    (FindingKind::TornTransaction, torn),
    (FindingKind::AbortedRead, aborted_read),
    (FindingKind::UncommittedRead, uncommitted_read),
    (FindingKind::DirtyRead, dirty_read),
    (FindingKind::OutputTwice, output_twice),
    (FindingKind::HangingTransaction, hanging_transaction),
    (FindingKind::DeadLettered, dead_lettered),
    (FindingKind::DeadLetterLost, dead_letter_lost),
    (FindingKind::LeftInQueue, left_in_queue),
    (FindingKind::NotRecovered, not_recovered),
];

impl World {
    fn workload(&self) -> Workload {
        self.scene.manifest.lanes[0].workload
    }

    fn is_log(&self) -> bool {
        matches!(self.workload(), Workload::Log | Workload::Transactions)
    }

    fn name(&self, id: Id) -> String {
        let worker = &self.scene.manifest.workers[usize::from(worker_of_session(id.0))].name;
        match id.0 & 0xffff {
            0 => format!("{worker}/{}", id.1),
            later => format!("{worker}#{later}/{}", id.1),
        }
    }

    fn offset_name(&self, destination: u16, offset: u64) -> String {
        format!("offset {offset} of orders-{destination}")
    }

    fn spoilt(&self, kind: FindingKind, id: Id, with: &'static [FindingKind]) -> Option<Spoilt> {
        Some(Spoilt { kind, count: 1, witness: self.name(id), with })
    }

    /// Deliveries of real messages, in the order in which they were recorded.
    fn deliveries(&self) -> Vec<(u16, Event)> {
        let all = self.done.iter().filter(|(_, event)| event.kind() == Some(EventKind::Delivered));
        let mut all: Vec<(u16, Event)> =
            all.filter(|(_, event)| worker_of_session(event.session) != SENTINEL).copied().collect();
        all.sort_by_key(|(_, event)| event.time_ns);
        all
    }

    fn delivered_once(&self, id: Id) -> bool {
        self.deliveries().iter().filter(|(_, event)| key(event) == id).count() == 1
    }

    /// A message that was taken, and that somebody processed.
    fn pick_processed(&self, dice: &mut Dice) -> Option<(u16, Event)> {
        let ends = self.ends();
        let taken = |event: &Event| {
            let end = ends.get(&key(event)).and_then(Event::kind);
            matches!(end, Some(EventKind::SendAcked | EventKind::SendSent))
        };
        let all: Vec<(u16, Event)> = self
            .done
            .iter()
            .filter(|(_, event)| event.kind() == Some(EventKind::Processed) && taken(event))
            .copied()
            .collect();
        dice.pick(&all).copied()
    }

    fn remove(&mut self, which: impl Fn(u16, &Event) -> bool) {
        self.done.retain(|(worker, event)| !which(*worker, event));
    }

    /// No replica holds it any more; the offset stays.
    fn erase(&mut self, id: Id) {
        let entries = self.audits.iter_mut().flat_map(|audit| &mut audit.entries);
        for entry in entries.filter(|entry| key(entry) == id) {
            *entry = Event::new(EventKind::AuditControl).destination(entry.destination);
        }
        self.remove(|_, event| key(event) == id);
    }

    /// Every audit that came to its end finds this before the sentinel.
    fn append(&mut self, entry: Event) {
        for audit in self.audits.iter_mut().filter(|one| one.destination == entry.destination && one.ended) {
            audit.entries.insert(audit.entries.len() - 1, entry);
        }
    }

    /// What happened to one message happened to the other.
    fn swap(&mut self, one: Id, other: Id, only: Option<u16>) {
        let swapped = |event: &mut Event| match key(event) {
            id if id == one => (event.session, event.sequence) = other,
            id if id == other => (event.session, event.sequence) = one,
            _ => {}
        };
        if only.is_none() {
            self.audits.iter_mut().flat_map(|audit| &mut audit.entries).for_each(swapped);
            let offsets = [one, other].map(|id| {
                self.sent
                    .iter()
                    .find(|(_, event)| key(event) == id && is(event, EventKind::SendAcked))
                    .map(|end| end.1.offset)
            });
            for (_, event) in self.sent.iter_mut().filter(|(_, event)| is(event, EventKind::SendAcked)) {
                let offset = if key(event) == one { offsets[1] } else { offsets[0] };
                if key(event) == one || key(event) == other {
                    event.offset = offset.unwrap_or(NO_OFFSET);
                }
            }
        }
        let mine = self.done.iter_mut().filter(|(worker, _)| only.is_none_or(|only| only == *worker));
        mine.for_each(|(_, event)| swapped(event));
    }

    fn key_of(&self, id: Id) -> u32 {
        self.sends().iter().find(|event| key(event) == id).map_or(0, |event| event.detail)
    }

    /// Neighbours in one log (or at one subscriber or consumer), the earlier first, of which `fit` says they will do.
    fn pick_neighbours(
        &self,
        dice: &mut Dice,
        same_session: bool,
        fit: impl Fn(Id, Id) -> bool,
    ) -> Option<(Id, Id, Option<u16>)> {
        let mut pairs = Vec::new();
        let mut collect = |line: Vec<Id>, worker: Option<u16>| {
            for (at, one) in line.iter().enumerate() {
                let mut rest = line[at + 1..].iter();
                let next = if same_session { rest.find(|other| other.0 == one.0) } else { rest.next() };
                let next = next.filter(|other| same_session == (other.0 == one.0) && fit(*one, **other));
                pairs.extend(next.map(|other| (*one, *other, worker)));
            }
        };
        if self.is_log() {
            for audit in self.audits.iter().filter(|audit| audit.replica == 1) {
                let reads = audit.entries.iter().filter(|entry| is(entry, EventKind::AuditRead));
                collect(reads.map(key).filter(|id| worker_of_session(id.0) != SENTINEL).collect(), None);
            }
        } else {
            let deliveries = self.deliveries();
            for worker in [C0, C1, super::C2] {
                let mine = deliveries.iter().filter(|(by, event)| *by == worker && event.flags == 0);
                let mine: Vec<&Event> = mine.map(|(_, event)| event).collect();
                for queue in [0, 1] {
                    let mut line: Vec<Id> = Vec::new();
                    for event in mine.iter().filter(|event| event.destination == queue) {
                        if !line.contains(&key(event)) {
                            line.push(key(event));
                        }
                    }
                    collect(line, Some(worker));
                }
            }
        }
        dice.pick(&pairs).copied()
    }
}

fn key(event: &Event) -> Id {
    (event.session, event.sequence)
}

fn is(event: &Event, kind: EventKind) -> bool {
    event.kind() == Some(kind)
}

fn lost(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (worker, processed) = world.pick_processed(dice)?;
    let id = key(&processed);
    match world.workload() {
        Workload::Fanout => world.remove(|by, event| by == worker && key(event) == id),
        _ => world.erase(id),
    }
    world.spoilt(FindingKind::Lost, id, &[FindingKind::TornTransaction])
}

fn undelivered(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (worker, processed) = world.pick_processed(dice)?;
    world.remove(|by, event| by == worker && key(event) == key(&processed) && is(event, EventKind::Processed));
    world.spoilt(FindingKind::Undelivered, key(&processed), &[FindingKind::CommittedUnprocessed])
}

fn stored_twice(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (_, processed) = world.pick_processed(dice)?;
    let (id, place) = (key(&processed), processed.destination);
    match world.workload() {
        Workload::Fanout => return None,
        Workload::Queue => {
            leave(world, id, place);
            leave(world, id, place);
        }
        _ => world.append(about(EventKind::AuditRead, id, place, 1)),
    }
    world.spoilt(FindingKind::StoredTwice, id, &[FindingKind::LeftInQueue])
}

fn leave(world: &mut World, id: Id, queue: u16) {
    for audit in world.audits.iter_mut().filter(|audit| audit.destination == queue) {
        audit.entries.push(about(EventKind::AuditRead, id, queue, 1));
        audit.depths = vec![(audit.entries.len() as u64, 0); 3];
    }
}

fn processed_twice(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (worker, processed) = world.pick_processed(dice)?;
    let again = Event { kind: EventKind::Processing as u8, time_ns: processed.time_ns + 1, ..processed };
    world.done.push((worker, again));
    world.spoilt(FindingKind::ProcessedTwice, key(&processed), &[])
}

fn processed_at_once(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (worker, processed) = world.pick_processed(dice)?;
    if !world.is_log() || worker == super::C2 {
        return None;
    }
    let other = if worker == C0 { C1 } else { C0 };
    let event =
        |kind: EventKind, at_ns: u64| Event { kind: kind as u8, time_ns: at_ns, offset: NO_OFFSET, ..processed };
    world.done.push((other, event(EventKind::Processing, processed.time_ns - 9)));
    world.done.push((other, event(EventKind::Processed, processed.time_ns + 9)));
    world.spoilt(FindingKind::ProcessedAtOnce, key(&processed), &[FindingKind::ProcessedTwice])
}

fn redelivered(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (worker, processed) = world.pick_processed(dice)?;
    let group_of = |by: u16| match world.workload() {
        Workload::Fanout => by,
        _ => u16::from(by == super::C2),
    };
    let given: Vec<u16> = world
        .deliveries()
        .iter()
        .filter(|(_, event)| key(event) == key(&processed))
        .map(|(by, _)| group_of(*by))
        .collect();
    let came_again = given.len() > given.iter().collect::<BTreeSet<_>>().len();
    if world.workload() == Workload::Queue || came_again {
        return None;
    }
    // Others came again before.
    let before = world.lane().count(FindingKind::Redelivered);
    let at_ns = processed.time_ns + 2;
    let again = Event { kind: EventKind::Delivered as u8, time_ns: at_ns, offset: NO_OFFSET, ..processed };
    world.done.push((worker, again));
    Some(Spoilt { count: before + 1, ..world.spoilt(FindingKind::Redelivered, key(&processed), &[])? })
}

fn unflagged(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (worker, processed) = world.pick_processed(dice)?;
    if world.workload() != Workload::Queue || !world.delivered_once(key(&processed)) {
        return None;
    }
    let first = world.deliveries().into_iter().find(|(_, event)| key(event) == key(&processed))?;
    world.done.push((worker, Event { time_ns: first.1.time_ns + 1, ..first.1 }));
    world.spoilt(FindingKind::RedeliveredUnflagged, key(&processed), &[])
}

fn after_settle(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let settled: Vec<(u16, Event)> =
        world.done.iter().filter(|(_, event)| is(event, EventKind::SettleOk)).copied().collect();
    let (worker, settled) = dice.pick(&settled).copied().filter(|_| world.workload() == Workload::Queue)?;
    let again = about(EventKind::Delivered, key(&settled), settled.destination, settled.time_ns + 1);
    world.done.push((worker, again.flags(FLAG_REDELIVERED)));
    world.spoilt(FindingKind::RedeliveredSettled, key(&settled), &[])
}

fn reordered(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let queue = world.workload() == Workload::Queue;
    let once = |one: Id, other: Id| !queue || (world.delivered_once(one) && world.delivered_once(other));
    let (one, other, worker) = world.pick_neighbours(dice, true, once)?;
    if queue && !on_one_connection(world, one, other) {
        return None;
    }
    world.swap(one, other, worker);
    world.spoilt(
        FindingKind::Reordered,
        one,
        &[FindingKind::ReorderedKey, FindingKind::ReorderedTotal, FindingKind::UncommittedRead],
    )
}

/// Nothing began anew between the two.
fn on_one_connection(world: &World, one: Id, other: Id) -> bool {
    let deliveries = world.deliveries();
    let of = |id: Id| deliveries.iter().find(|(_, event)| key(event) == id);
    let (Some((worker, from)), Some((_, to))) = (of(one), of(other)) else { return false };
    !world.done.iter().any(|(by, event)| {
        by == worker && is(event, EventKind::SessionEnded) && (from.time_ns..to.time_ns).contains(&event.time_ns)
    })
}

fn reordered_key(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    if world.workload() == Workload::Queue {
        return None;
    }
    let (one, other, worker) = world.pick_neighbours(dice, true, |_, _| true)?;
    let same = world.key_of(other);
    let sent = world.sent.iter_mut().find(|(_, event)| key(event) == one && is(event, EventKind::SendInvoked));
    sent?.1.detail = same;
    world.swap(one, other, worker);
    world.spoilt(
        FindingKind::ReorderedKey,
        one,
        &[FindingKind::Reordered, FindingKind::ReorderedTotal, FindingKind::UncommittedRead],
    )
}

fn reordered_total(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    if !world.is_log() {
        return None;
    }
    let (ends, sends) = (world.ends(), world.sends());
    let acked_before = |one: Id, other: Id| {
        let acked = |id: Id| ends.get(&id).filter(|end| is(end, EventKind::SendAcked)).map(|end| end.time_ns);
        let invoked_ns = sends.iter().find(|event| key(event) == other).map(|event| event.time_ns);
        acked(other).is_some() && acked(one).zip(invoked_ns).is_some_and(|(acked_ns, at_ns)| acked_ns < at_ns)
    };
    let (one, other, worker) = world.pick_neighbours(dice, false, acked_before)?;
    world.swap(one, other, worker);
    world.spoilt(FindingKind::ReorderedTotal, other, &[FindingKind::UncommittedRead])
}

fn requeued_behind(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    if world.workload() != Workload::Queue || world.scene.manifest.lanes[0].automatic_ack {
        return None;
    }
    let once = |one: Id, other: Id| world.delivered_once(one) && world.delivered_once(other);
    let (one, other, worker) = world.pick_neighbours(dice, true, once)?;
    let worker = worker.filter(|_| on_one_connection(world, one, other))?;
    let (_, later) = world.deliveries().into_iter().find(|(_, event)| key(event) == other)?;
    world.remove(|_, event| {
        key(event) == one && matches!(event.kind(), Some(EventKind::SettleInvoked | EventKind::SettleOk))
    });
    let event = |kind: EventKind, at_ns: u64| about(kind, one, later.destination, at_ns);
    let requeue = event(EventKind::SettleInvoked, later.time_ns - 1).detail(Settle::NackRequeue as u32);
    world.done.push((worker, requeue));
    world.done.push((worker, event(EventKind::Delivered, later.time_ns + 1).flags(FLAG_REDELIVERED)));
    world.spoilt(FindingKind::ReorderedRequeued, one, &[])
}

fn offset_back(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let read: Vec<(u16, Event)> =
        world.deliveries().into_iter().filter(|(_, event)| event.offset != NO_OFFSET).collect();
    let (worker, event) = dice.pick(&read).copied()?;
    world.done.push((worker, Event { time_ns: event.time_ns + 1, ..event }));
    let witness = world.offset_name(event.destination, event.offset);
    Some(Spoilt { kind: FindingKind::OffsetBack, count: 1, witness, with: &[] })
}

fn offset_skipped(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (worker, processed) = world.pick_processed(dice)?;
    let mut mine: Vec<Event> = world
        .done
        .iter()
        .filter(|(by, event)| *by == worker && event.destination == processed.destination)
        .map(|(_, event)| *event)
        .filter(|event| !matches!(event.kind(), Some(EventKind::Processing | EventKind::Processed)))
        .filter(|event| !matches!(event.kind(), Some(EventKind::SettleInvoked | EventKind::SettleOk)))
        .collect();
    mine.sort_by_key(|event| event.time_ns);
    let at = mine.iter().position(|event| key(event) == key(&processed) && event.offset != NO_OFFSET)?;
    let ahead = |event: &&Event| event.offset != NO_OFFSET && event.offset > processed.offset;
    let next = mine.get(at + 1).filter(|event| is(event, EventKind::Delivered)).filter(ahead)?;
    let witness = world.offset_name(next.destination, next.offset);
    let deliveries = world.deliveries();
    let in_group = |by: u16, event: &Event| group_of(by) == group_of(worker) && key(event) == key(&processed);
    if !world.is_log() || deliveries.iter().filter(|(by, event)| in_group(*by, event)).count() != 1 {
        return None;
    }
    world.remove(in_group);
    let with = &[FindingKind::Undelivered, FindingKind::CommittedUnprocessed];
    Some(Spoilt { kind: FindingKind::OffsetSkipped, count: 1, witness, with })
}

fn commit_back(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let commits: Vec<(u16, Event)> = world
        .done
        .iter()
        .filter(|(_, event)| is(event, EventKind::SettleOk) && event.offset != NO_OFFSET && event.offset > 0)
        .copied()
        .collect();
    let (worker, commit) = dice.pick(&commits).copied().filter(|_| world.is_log())?;
    let event = |kind: EventKind, after_ns: u64| Event {
        kind: kind as u8,
        offset: commit.offset - 1,
        time_ns: commit.time_ns + after_ns,
        ..commit
    };
    world.done.push((worker, event(EventKind::SettleInvoked, 1)));
    world.done.push((worker, event(EventKind::SettleOk, 2)));
    let witness = format!("the commit of offset {} of orders-{}", commit.offset - 1, commit.destination);
    Some(Spoilt { kind: FindingKind::CommitBack, count: 1, witness, with: &[] })
}

fn commit_lost(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let committed: Vec<usize> = (0..world.commits.len()).filter(|at| world.commits[*at].offset > 0).collect();
    let told = &mut world.commits[*dice.pick(&committed)?];
    let (confirmed, destination) = (told.offset, told.destination);
    told.offset -= 1;
    let witness = format!("the commit of offset {confirmed} of orders-{destination}");
    Some(Spoilt { kind: FindingKind::CommitLost, count: 1, witness, with: &[] })
}

fn committed_unprocessed(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (worker, processed) = world.pick_processed(dice)?;
    let group = u32::from(group_of(worker));
    let passed = |told: &Event| {
        told.destination == processed.destination && told.detail == group && told.offset > processed.offset
    };
    if processed.offset == NO_OFFSET || !world.commits.iter().any(passed) {
        return None;
    }
    world.remove(|by, event| by == worker && key(event) == key(&processed) && is(event, EventKind::Processed));
    world.spoilt(FindingKind::CommittedUnprocessed, key(&processed), &[FindingKind::Undelivered])
}

fn group_of(worker: u16) -> u16 {
    u16::from(worker == super::C2)
}

fn disagreement(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let audit = dice.below(world.audits.len());
    let audit = world.audits.get_mut(audit).filter(|audit| audit.replica == 2)?;
    let offset = dice.below(audit.entries.len() - 1);
    let (destination, entry) = (audit.destination, &mut audit.entries[offset]);
    if !is(entry, EventKind::AuditRead) {
        return None;
    }
    *entry = Event::new(EventKind::AuditControl).destination(destination);
    let witness = world.offset_name(destination, offset as u64);
    Some(Spoilt { kind: FindingKind::Disagreement, count: 1, witness, with: &[] })
}

fn phantom(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (worker, processed) = world.pick_processed(dice)?;
    let id = (delivery_history::manifest::first_session(P1), 1_000_000 + dice.below(1_000_000) as u32);
    if world.is_log() && dice.one_in(2) {
        world.append(about(EventKind::AuditRead, id, processed.destination, 1));
    } else {
        world.done.push((worker, about(EventKind::Delivered, id, processed.destination, processed.time_ns + 3)));
    }
    world.spoilt(FindingKind::Phantom, id, &[])
}

fn corrupt(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (worker, processed) = world.pick_processed(dice)?;
    let given = Event::new(EventKind::Delivered).destination(processed.destination).flags(FLAG_CORRUPT);
    world.done.push((worker, given.at(processed.time_ns + 4)));
    let name = &world.scene.manifest.workers[usize::from(worker)].name;
    let witness = format!("a payload {name} was given");
    Some(Spoilt { kind: FindingKind::Corrupt, count: 1, witness, with: &[] })
}

fn failed_but_stored(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (_, processed) = world.pick_processed(dice)?;
    let kinds = [EventKind::SendAcked, EventKind::SendSent];
    let end = world
        .sent
        .iter_mut()
        .find(|(_, event)| key(event) == key(&processed) && event.kind().is_some_and(|kind| kinds.contains(&kind)));
    let end = &mut end?.1;
    *end = Event { kind: EventKind::SendFailed as u8, offset: NO_OFFSET, detail: Reason::TooLarge as u32, ..*end };
    world.spoilt(FindingKind::FailedButStored, key(&processed), &[])
}

/// The messages of each transaction that ended so.
fn transactions(world: &World, ending: u64) -> Vec<Vec<Id>> {
    let mut sent: Vec<Event> = world.sent.iter().map(|(_, event)| *event).collect();
    sent.sort_by_key(|event| event.time_ns);
    let mut found = Vec::new();
    for outcome in sent.iter().filter(|event| is(event, EventKind::TransactionOutcome) && event.offset == ending) {
        let begin = sent.iter().find(|event| {
            is(event, EventKind::TransactionBegin) && (event.session, event.detail) == (outcome.session, outcome.detail)
        });
        let Some(begin) = begin else { continue };
        let inside = |event: &&Event| {
            is(event, EventKind::SendInvoked)
                && event.session == outcome.session
                && (begin.time_ns..outcome.time_ns).contains(&event.time_ns)
        };
        found.push(sent.iter().filter(inside).map(key).collect());
    }
    found
}

fn torn(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let several: Vec<Vec<Id>> = transactions(world, 0).into_iter().filter(|messages| messages.len() > 1).collect();
    let id = dice.pick(several.get(dice.clone().below(several.len()))?).copied()?;
    world.erase(id);
    world.spoilt(FindingKind::TornTransaction, id, &[FindingKind::Lost])
}

fn aborted_read(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let aborted: Vec<Id> = transactions(world, 1).into_iter().flatten().collect();
    let id = dice.pick(&aborted).copied()?;
    let sent = world.sends().into_iter().find(|event| key(event) == id)?;
    world.done.push((C0, about(EventKind::Delivered, id, sent.destination, sent.time_ns + 5)));
    world.spoilt(FindingKind::AbortedRead, id, &[])
}

fn uncommitted_read(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let committed: Vec<Id> = transactions(world, 0).into_iter().flatten().collect();
    let id = dice.pick(&committed).copied()?;
    let sent = world.sends().into_iter().find(|event| key(event) == id)?;
    world.done.push((C0, about(EventKind::Delivered, id, sent.destination, sent.time_ns + 5)));
    world.spoilt(FindingKind::UncommittedRead, id, &[])
}

/// The second group asks for all, beside the first one.
fn dirty_read(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let aborted: Vec<Id> = transactions(world, 1).into_iter().flatten().collect();
    let id = dice.pick(&aborted).copied().filter(|_| world.scene.manifest.groups.len() == 2)?;
    let sent = world.sends().into_iter().find(|event| key(event) == id)?;
    let group = &mut world.scene.manifest.groups[1];
    (group.read_uncommitted, group.beside) = (true, true);
    world.done.push((super::C2, about(EventKind::Delivered, id, sent.destination, sent.time_ns + 5)));
    world.spoilt(FindingKind::DirtyRead, id, &[])
}

/// A producer turns out to have made two messages that stand of one.
fn output_twice(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let committed: Vec<Vec<Id>> = transactions(world, 0).into_iter().filter(|ids| ids.len() > 1).collect();
    let ids = dice.pick(&committed)?.clone();
    let (_, of) = world.pick_processed(dice).filter(|(_, of)| !ids.contains(&key(of)))?;
    let stands = |id: &Id| world.audits.iter().flat_map(|audit| &audit.entries).any(|entry| key(entry) == *id);
    if !ids.iter().take(2).all(stands) || world.scene.manifest.groups.iter().any(|group| group.name == "workers") {
        return None;
    }
    let worker = worker_of_session(ids[0].0);
    let group = Group { name: "workers".into(), ..world.scene.manifest.groups[0].clone() };
    world.scene.manifest.groups.push(group);
    world.scene.manifest.workers[usize::from(worker)].group = Some(world.scene.manifest.groups.len() as u16 - 1);
    for id in ids.iter().take(2) {
        let sent = world.sends().into_iter().find(|event| key(event) == *id)?;
        let made = about(EventKind::Transformed, key(&of), of.destination, sent.time_ns - 1).detail(id.1);
        let at = world.sent.iter().position(|(_, event)| is(event, EventKind::SendInvoked) && key(event) == *id)?;
        world.sent.insert(at, (worker, made));
    }
    world.spoilt(FindingKind::OutputTwice, key(&of), &[FindingKind::Undelivered])
}

/// The leader says for as long as it may take, and longer, that the last stable offset stays where it is.
fn hanging_transaction(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    if world.workload() != Workload::Transactions {
        return None;
    }
    world.scene.manifest.limits_ms.insert("transactions".into(), 2_000);
    let place = dice.below(world.scene.manifest.destinations.len()) as u16;
    for after_ms in [1_400, 2_400, 3_500] {
        let said = Event::new(EventKind::ObservedStable).destination(place).offset(7).detail(3);
        world.scene.extra.push((OBSERVER, Event { session: 1, ..said.at(super::ns(LOAD_MS + after_ms)) }));
    }
    let witness = format!("orders-{place}");
    Some(Spoilt { kind: FindingKind::HangingTransaction, count: 1, witness, with: &[] })
}

fn dead_lettered(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let id = refuse_one(world, dice)?;
    leave(world, id, 2);
    world.spoilt(FindingKind::DeadLettered, id, &[FindingKind::Undelivered])
}

fn dead_letter_lost(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let id = refuse_one(world, dice)?;
    let confirmed = |event: &Event| event.kind == EventKind::SettleOk as u8 && key(event) == id;
    world.done.iter().any(|(_, event)| confirmed(event)).then_some(())?;
    world.spoilt(FindingKind::DeadLetterLost, id, &[FindingKind::Undelivered])
}

/// Turns what a consumer of the first queue did with a message into a refusal.
fn refuse_one(world: &mut World, dice: &mut Dice) -> Option<Id> {
    let (worker, processed) = world.pick_processed(dice)?;
    let id = key(&processed);
    if world.workload() != Workload::Queue || processed.destination != 0 || world.scene.manifest.lanes[0].automatic_ack
    {
        return None;
    }
    world.remove(|by, event| {
        let handled = [EventKind::Processing, EventKind::Processed];
        by == worker && key(event) == id && event.kind().is_some_and(|kind| handled.contains(&kind))
    });
    let settles = world.done.iter_mut().filter(|(_, event)| key(event) == id && event.detail == Settle::Ack as u32);
    settles.for_each(|(_, event)| event.detail = Settle::Reject as u32);
    Some(id)
}

fn left_in_queue(world: &mut World, dice: &mut Dice) -> Option<Spoilt> {
    let (_, processed) = world.pick_processed(dice).filter(|_| world.workload() == Workload::Queue)?;
    leave(world, key(&processed), processed.destination);
    world.spoilt(FindingKind::LeftInQueue, key(&processed), &[])
}

fn not_recovered(world: &mut World, _: &mut Dice) -> Option<Spoilt> {
    let reason = String::from("not recovered within 60 s: still waiting for n2");
    world.scene.manifest.status = RunStatus::CutShort { reason, took_ms: 90_000 };
    world.scene.phases.retain(|(phase, _)| *phase <= Phase::Recover);
    let places: Vec<_> =
        world.scene.manifest.destinations.iter().filter(|place| place.dead_letters_of.is_none()).collect();
    let partition = places[0].partition.map_or(String::new(), |number| format!("-{number}"));
    let witness = format!("{}{partition}", places[0].name);
    Some(Spoilt { kind: FindingKind::NotRecovered, count: places.len() as u64, witness, with: &[] })
}
