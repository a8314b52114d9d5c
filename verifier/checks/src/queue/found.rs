//! What the audits took out of the queues: left in its own, dead-lettered, or where nobody sent it.

use std::collections::BTreeSet;

use delivery_history::Event;

use crate::audits::Audits;
use crate::directory::state;
use crate::health::{Health, kind};
use crate::queue::{Place, place_of};
use crate::tally::Subject;
use crate::work::LaneWork;

/// Goes through every audit of the lane: what is left in its queue is `STORED`, what was
/// dead-lettered `MISPLACED`. Returns the messages found in a queue nobody sent them to.
///
/// Readings that broke off count too: what they took out is in no later one.
pub(crate) fn mark_found(work: &mut LaneWork<'_, '_>, audits: &Audits<'_>, health: &Health) -> BTreeSet<usize> {
    let mut elsewhere: Vec<(usize, &Event)> = Vec::new();
    for run in audits.runs() {
        for event in run.reads {
            if event.kind == kind::AUDIT_CONTROL || work.take_unreadable(u16::MAX, event) {
                continue;
            }
            match place_of(work, event) {
                Place::Own { index, .. } => mark(work, index, state::STORED),
                Place::DeadLetters { index } => mark(work, index, state::MISPLACED),
                Place::Elsewhere { index } => elsewhere.push((index, event)),
                Place::Sentinel => {}
                Place::Phantom => work.take_phantom(event, health),
            }
        }
        for event in run.reads {
            if let Place::Own { index, .. } | Place::DeadLetters { index } = place_of(work, event) {
                work.sends.messages.state[index] &= !state::SEEN_IN_RUN;
            }
        }
    }
    for (index, event) in &elsewhere {
        settle_elsewhere(work, *index, event);
    }
    elsewhere.into_iter().map(|(index, _)| index).collect()
}

/// The same message twice in one reading of one queue was there twice.
fn mark(work: &mut LaneWork<'_, '_>, index: usize, found: u16) {
    let message = &mut work.sends.messages.state[index];
    if *message & state::SEEN_IN_RUN != 0 {
        *message |= state::STORED_TWICE;
    }
    *message |= found | state::SEEN_IN_RUN;
}

/// Also in its own queue it is stored twice, else it is a phantom where it was found.
fn settle_elsewhere(work: &mut LaneWork<'_, '_>, index: usize, event: &Event) {
    let message = &mut work.sends.messages.state[index];
    if *message & state::STORED != 0 {
        *message |= state::STORED_TWICE;
        return;
    }
    let subject = Subject::Message { session: event.session, sequence: event.sequence };
    work.phantom.add(event.time_ns, subject, event.destination);
}
