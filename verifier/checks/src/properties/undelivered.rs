//! Undelivered: there, but never processed by a group (or subscriber) before the drain ended.
//!
//! Nothing is stored in a fan-out: what a drained subscriber was owed and never given is lost,
//! what it was given and never processed is undelivered.

use delivery_history::manifest::{Workload, worker_of_session};

use crate::consumed::{GroupWork, mark};
use crate::directory::{Session, state};
use crate::health::Health;
use crate::tally::{Subject, Tally};
use crate::work::LaneWork;

/// What one group left undone.
#[derive(Debug, Default)]
pub(crate) struct Leftover {
    pub(crate) group: u16,
    /// Never processed, and the group had drained: proved.
    pub(crate) proved: u64,
    /// Never processed, and the group had no live member at the drain: shown, but the test's own doing.
    pub(crate) of_dead_group: u64,
    /// Never processed, and nothing proves that the group would not have come to it.
    pub(crate) unproved: u64,
    /// Destinations it reads.
    pub(crate) reads: Vec<u16>,
    /// Destinations it never drained.
    pub(crate) not_drained: Vec<u16>,
    /// All of its members ended without being told to.
    pub(crate) dead: bool,
    /// Its members recorded all they did.
    pub(crate) sound: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    Drained,
    Dead,
    None,
}

/// Classifies every message in one group, marks its state, and counts what is undelivered into `tally`.
pub(crate) fn classify(
    work: &mut LaneWork<'_, '_>,
    seen: &GroupWork,
    recovered: bool,
    health: &Health,
    tally: &mut Tally,
) -> Leftover {
    const ALL_WELL: u8 = mark::DELIVERED | mark::PROCESSING | mark::PROCESSED;
    let mut left = Leftover {
        group: seen.group,
        dead: seen.is_dead(work),
        sound: !seen.members.is_empty() && seen.members.iter().all(|member| health.is_sound(*member)),
        ..Leftover::default()
    };
    left.reads = work.context.destinations_read_by(seen.group);
    left.not_drained = left.reads.iter().copied().filter(|place| !seen.drained.contains(place)).collect();
    for slot in work.sends.slots.clone() {
        let entry = work.directory.sessions(slot..slot + 1)[0];
        for index in entry.base as usize..entry.base as usize + entry.len as usize {
            let marks = seen.marks[index];
            if marks == ALL_WELL {
                work.sends.messages.state[index] |= state::DELIVERED;
                continue;
            }
            mark_copies(&mut work.sends.messages.state[index], marks);
            let message = work.sends.messages.state[index];
            let owed = marks & mark::PROCESSED == 0 && message & state::LOST == 0 && work.is_owed(message);
            // What was transformed is judged by what came of it.
            if owed && !seen.transforms {
                missing(work, seen, &entry, index, recovered, &mut left, tally);
            }
        }
    }
    left
}

fn mark_copies(message: &mut u16, marks: u8) {
    if marks & mark::DELIVERED != 0 {
        *message |= state::DELIVERED;
    }
    if marks & mark::PROCESSING_AGAIN != 0 {
        *message |= state::PROCESSED_TWICE;
    } else if marks & mark::AGAIN != 0 {
        *message |= state::REDELIVERED;
    }
}

/// An owed message that the group never processed.
fn missing(
    work: &mut LaneWork<'_, '_>,
    seen: &GroupWork,
    entry: &Session,
    index: usize,
    recovered: bool,
    left: &mut Leftover,
    tally: &mut Tally,
) {
    let invoked = *work.invoked(entry, index);
    if !left.reads.contains(&invoked.destination) {
        return;
    }
    let message = work.sends.messages.state[index];
    let fanout = work.workload == Workload::Fanout;
    if fanout {
        let slack_ns = seen
            .members
            .first()
            .map_or(0, |member| work.context.clocks.slack_ns(*member, worker_of_session(invoked.session)));
        if !seen.was_subscribed(invoked.destination, invoked.time_ns, slack_ns) {
            return;
        }
    }
    let proof = if !recovered {
        Proof::None
    } else if left.sound && seen.drained.contains(&invoked.destination) {
        Proof::Drained
    } else if left.dead {
        Proof::Dead
    } else {
        Proof::None
    };
    let there = if fanout { seen.marks[index] & mark::DELIVERED != 0 } else { message & state::STORED != 0 };
    match proof {
        Proof::Drained if there => left.proved += 1,
        Proof::Drained if fanout => {
            work.sends.messages.state[index] |= state::LOST;
            return;
        }
        Proof::Dead if there || fanout => left.of_dead_group += 1,
        _ => {
            left.unproved += 1;
            return;
        }
    }
    if message & state::UNDELIVERED == 0 {
        work.sends.messages.state[index] |= state::UNDELIVERED;
        let subject = Subject::Message { session: invoked.session, sequence: invoked.sequence };
        tally.add(invoked.time_ns, subject, invoked.destination);
    }
}
