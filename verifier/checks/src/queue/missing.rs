//! Lost and undelivered in a queue, and why some of it is not proved.

use std::collections::BTreeSet;

use crate::consumed::mark;
use crate::context::Context;
use crate::directory::state;
use crate::guarantees::counted;
use crate::properties::undelivered::Leftover;
use crate::queue::audit::Audited;
use crate::queue::members::{Members, TWICE};
use crate::tally::{Subject, Tally};
use crate::work::LaneWork;

/// Consumers named in one sentence.
const MAX_NAMED: usize = 4;

/// What was not processed, and what can be said of it.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    pub(crate) leftover: Leftover,
    pub(crate) undelivered: Tally,
    /// Nowhere, and nothing proves that they are lost.
    pub(crate) unproved: u64,
    /// Nowhere, but the broker settled what it handed out, and some connection it was handed to ended.
    vanished: u64,
}

/// Classifies every message of the lane.
///
/// Lost: owed, never delivered to anybody, and in no complete audit of its queue or of where its
/// dead letters end. Undelivered: owed, there, and never processed.
pub(crate) fn classify(
    work: &mut LaneWork<'_, '_>,
    audited: &Audited<'_, '_>,
    members: &Members,
    elsewhere: &BTreeSet<usize>,
    recovered: bool,
    automatic_ack: bool,
) -> Missing {
    let context = work.context;
    let is_whole = |queue: &&u16| recovered && members.sound && audited.why_any_open(context, **queue).is_none();
    let whole: BTreeSet<u16> = work.destinations.iter().filter(is_whole).copied().collect();
    let mut missing = Missing { leftover: leftover(work, audited, members), ..Missing::default() };
    let may_vanish = automatic_ack && !members.ended.is_empty();
    for slot in work.sends.slots.clone() {
        let entry = work.directory.sessions(slot..slot + 1)[0];
        for index in entry.base as usize..entry.base as usize + entry.len as usize {
            let marks = members.marks[index];
            mark_copies(&mut work.sends.messages.state[index], marks);
            let message = work.sends.messages.state[index];
            if marks & mark::PROCESSED != 0 || !work.is_owed(message) {
                continue;
            }
            let invoked = *work.invoked(&entry, index);
            let found = message & (state::STORED | state::MISPLACED) != 0 || elsewhere.contains(&index);
            let there = marks != 0 || found;
            match (whole.contains(&invoked.destination), there) {
                (false, true) => {
                    missing.leftover.unproved += 1;
                    continue;
                }
                (false, false) => {
                    missing.unproved += 1;
                    continue;
                }
                (true, false) if !may_vanish => {
                    work.sends.messages.state[index] |= state::LOST;
                    continue;
                }
                (true, false) => missing.vanished += 1,
                (true, true) if members.dead => missing.leftover.of_dead_group += 1,
                (true, true) => missing.leftover.proved += 1,
            }
            work.sends.messages.state[index] |= state::UNDELIVERED;
            let subject = Subject::Message { session: invoked.session, sequence: invoked.sequence };
            missing.undelivered.add(invoked.time_ns, subject, invoked.destination);
        }
    }
    missing
}

fn leftover(work: &LaneWork<'_, '_>, audited: &Audited<'_, '_>, members: &Members) -> Leftover {
    let is_drained = |queue: &u16| audited.why_open(work.context, *queue).is_none() && audited.left_in(*queue) == 0;
    Leftover {
        group: work.context.groups_of(work.lane).first().copied().unwrap_or(u16::MAX),
        not_drained: work.destinations.iter().copied().filter(|queue| !is_drained(queue)).collect(),
        dead: members.dead,
        sound: members.sound && !members.workers.is_empty(),
        ..Leftover::default()
    }
}

fn mark_copies(message: &mut u16, marks: u8) {
    if marks & mark::DELIVERED != 0 {
        *message |= state::DELIVERED;
    }
    if marks & mark::PROCESSING_AGAIN != 0 {
        *message |= state::PROCESSED_TWICE;
    } else if marks & (mark::AGAIN | TWICE) != 0 {
        *message |= state::REDELIVERED;
    }
}

/// Why it is not known what the queues held at the end.
pub(crate) fn storage_doubts(work: &LaneWork<'_, '_>, audited: &Audited<'_, '_>) -> Vec<String> {
    let dead_letters = work.destinations.iter().flat_map(|queue| audited.dead_letters.queues(*queue));
    let queues = work.destinations.iter().chain(dead_letters);
    queues.filter_map(|queue| audited.why_open(work.context, *queue)).collect()
}

/// Messages that are nowhere, and why that proves no loss.
pub(crate) fn missing_doubts(work: &LaneWork<'_, '_>, members: &Members, missing: &Missing) -> Vec<String> {
    let context = work.context;
    let mut doubts = Vec::new();
    if missing.unproved > 0 {
        let words = "neither delivered nor found in a queue, which proves no loss here";
        doubts.push(format!("{} {words}", counted(missing.unproved)));
    }
    if missing.vanished > 0 {
        doubts.push(format!(
            "{} gone without a trace: the broker counts as settled what it hands out, and the connection of {} ended, \
             so this is no proof of loss",
            counted(missing.vanished),
            names(context, &members.ended)
        ));
    }
    doubts
}

/// Why it is not known what the consumers would still have been given.
pub(crate) fn reader_doubts(
    work: &LaneWork<'_, '_>,
    audited: &Audited<'_, '_>,
    members: &Members,
    missing: &Missing,
) -> Vec<String> {
    let context = work.context;
    let left = &missing.leftover;
    let mut doubts: Vec<String> = Vec::new();
    if members.dead {
        doubts.push(format!(
            "no consumer was alive at the drain: {} undelivered",
            counted(left.of_dead_group + missing.vanished)
        ));
    }
    for queue in &left.not_drained {
        doubts.push(audited.why_open(context, *queue).unwrap_or_else(|| {
            let (place, held) = (context.destination_name(*queue), counted(audited.left_in(*queue)));
            format!("queue {place} still held {held} when it was audited")
        }));
    }
    if members.workers.is_empty() {
        doubts.push(String::from("nobody read this lane"));
    } else if !members.unfinished.is_empty() {
        let words = "never seen to end as told: what it had at hand then may not be recorded";
        doubts.push(format!("{} {words}", names(context, &members.unfinished)));
    } else if !left.sound {
        doubts.push(String::from("the recording of some consumer is damaged"));
    }
    if left.unproved > 0 {
        doubts.push(format!("{} processed by no consumer, which proves nothing here", counted(left.unproved)));
    }
    doubts
}

fn names(context: &Context<'_>, workers: &[u16]) -> String {
    let names: Vec<String> = workers.iter().take(MAX_NAMED).map(|worker| context.worker_name(*worker)).collect();
    names.join(", ")
}
