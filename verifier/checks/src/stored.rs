//! What the audits say of each message: stored, stored twice, in which order; and whether the
//! replicas show one log.

use delivery_history::Event;
use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN};

use crate::audits::{AuditRun, Audits};
use crate::directory::state;
use crate::health::{Health, kind};
use crate::judge::Scope;
use crate::properties::reordered_key;
use crate::tally::Subject;
use crate::work::{Found, LaneWork};

/// Highest sequence of each session so far in the run with this number.
type Highest = Vec<(u32, u32)>;

/// Goes through every audit of the lane. What is the same on another replica is not gone through again.
pub(crate) fn mark_stored(work: &mut LaneWork<'_, '_>, audits: &Audits<'_>, health: &Health) {
    let mut highest: Highest = vec![(0, 0); work.sends.slots.len()];
    let mut number = 0;
    let mut reference: Option<&AuditRun<'_>> = None;
    for run in audits.runs() {
        let first = reference.is_none_or(|known| known.destination != run.destination);
        if first {
            reference = Some(run);
        } else if reference.is_some_and(|known| compare(work, known, run)) {
            continue;
        }
        number += 1;
        mark_run(work, run, first, number, &mut highest, health);
    }
}

/// Whether both events say that the same stands at one offset.
#[inline]
pub(crate) fn same_content(left: &Event, right: &Event) -> bool {
    const UNREADABLE: u8 = FLAG_CORRUPT | FLAG_FOREIGN;
    left.session == right.session
        && left.sequence == right.sequence
        && left.kind == right.kind
        && left.flags & UNREADABLE == right.flags & UNREADABLE
}

/// Whether both events name the same readable message.
#[inline]
pub(crate) fn same_message(left: &Event, right: &Event) -> bool {
    const UNREADABLE: u8 = FLAG_CORRUPT | FLAG_FOREIGN;
    (left.session, left.sequence) == (right.session, right.sequence) && (left.flags | right.flags) & UNREADABLE == 0
}

/// Compares two replicas where both were read; true when `run` shows nothing the reference does not.
fn compare(work: &mut LaneWork<'_, '_>, reference: &AuditRun<'_>, run: &AuditRun<'_>) -> bool {
    let from = reference.start_offset.max(run.start_offset);
    let to = reference.end_offset().min(run.end_offset());
    let part = |of: &AuditRun<'_>| {
        let skip = usize::try_from(from.saturating_sub(of.start_offset)).unwrap_or(usize::MAX);
        let take = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        (skip, take)
    };
    let (left, right) = (part(reference), part(run));
    let pairs = reference.reads.iter().skip(left.0).take(left.1).zip(run.reads.iter().skip(right.0).take(right.1));
    let mut same = true;
    for (one, other) in pairs {
        if !same_content(one, other) {
            same = false;
            let place = Subject::Place { destination: run.destination, offset: other.offset };
            work.disagreement.add(other.time_ns, place, run.destination);
        }
    }
    same && run.start_offset >= reference.start_offset && run.end_offset() <= reference.end_offset()
}

fn mark_run(
    work: &mut LaneWork<'_, '_>,
    run: &AuditRun<'_>,
    first: bool,
    number: u32,
    highest: &mut Highest,
    health: &Health,
) {
    // In the first run of a destination nothing of it can have been read before.
    let seen = if first { state::STORED } else { state::SEEN_IN_RUN };
    let base_slot = work.sends.slots.start;
    let mut reordered = false;
    for event in run.reads {
        if event.kind == kind::AUDIT_CONTROL || work.take_unreadable(u16::MAX, event) {
            continue;
        }
        if event.kind != kind::AUDIT_READ {
            take_withheld(work, event, health);
            continue;
        }
        match work.resolve(event) {
            Found::Judged { slot, index } => {
                let message = &mut work.sends.messages.state[index];
                if *message & seen != 0 {
                    *message |= state::STORED_TWICE;
                    continue;
                }
                *message |= seen | state::STORED;
                if work.scope == Scope::Delivery {
                    continue;
                }
                let known = &mut highest[slot - base_slot];
                if known.0 != number {
                    *known = (number, event.sequence);
                } else if event.sequence < known.1 {
                    *message |= state::REORDERED;
                    reordered = true;
                } else {
                    known.1 = event.sequence;
                }
            }
            Found::Misplaced { index } => {
                work.misplaced = true;
                work.sends.messages.state[index] |= state::MISPLACED;
            }
            Found::Sentinel => {}
            Found::Phantom => work.take_phantom(event, health),
        }
    }
    if reordered {
        let readable =
            |event: &&Event| event.kind == kind::AUDIT_READ && event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) == 0;
        reordered_key::mark(work, run.reads.iter().filter(readable), |_, message| message & state::STORED_TWICE != 0);
    }
    if !first {
        forget_run(work, run);
    }
}

/// A message of a transaction that aborted, or has not ended: there, and for no reader of committed messages.
fn take_withheld(work: &mut LaneWork<'_, '_>, event: &Event, health: &Health) {
    if work.resolve(event) == Found::Phantom {
        work.take_phantom(event, health);
    }
}

/// Takes back the marks of one run, so that the next one starts anew.
fn forget_run(work: &mut LaneWork<'_, '_>, run: &AuditRun<'_>) {
    for event in run.reads {
        if let Found::Judged { index, .. } = work.resolve(event) {
            work.sends.messages.state[index] &= !state::SEEN_IN_RUN;
        }
    }
}

/// Settles messages read where they were not sent: also in their own destination they are stored
/// twice, else they are phantoms where they were read.
pub(crate) fn settle_misplaced(work: &mut LaneWork<'_, '_>, audits: &Audits<'_>) {
    let runs = if work.misplaced { audits.runs() } else { &[] };
    for run in runs {
        for event in run.reads {
            if event.kind != kind::AUDIT_READ || event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) != 0 {
                continue;
            }
            let Found::Misplaced { index } = work.resolve(event) else { continue };
            let message = &mut work.sends.messages.state[index];
            if *message & state::STORED != 0 {
                *message |= state::STORED_TWICE;
            } else {
                let subject = Subject::Message { session: event.session, sequence: event.sequence };
                work.phantom.add(event.time_ns, subject, event.destination);
            }
        }
    }
}
