//! Redelivered without the broker's flag, or after a confirmed settle. Consumers' streams are not
//! merged, so only messages that were delivered more than once are put in the order of time.

use std::collections::BTreeMap;

use delivery_broker::Settle;
use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED};
use delivery_history::{Event, EventKind};

use crate::health::kind;
use crate::queue::members::{Members, TWICE};
use crate::queue::{Place, place_of};
use crate::tally::{Subject, Tally};
use crate::work::LaneWork;

/// What the order of first deliveries must know of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    /// It carries no flag, but is not the first of its message.
    NotFirst,
    /// It carries the flag, and its message was requeued at this time.
    Requeued { invoked_ns: u64 },
}

/// What became of messages that were delivered more than once.
#[derive(Debug, Default)]
pub(crate) struct Again {
    pub(crate) unflagged: Tally,
    pub(crate) settled: Tally,
    /// By consumer, in the order of its stream: (position of the event, what it is).
    pub(crate) special: BTreeMap<u16, Vec<(usize, Special)>>,
}

/// What happened to a message that was delivered more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Given to a consumer, without the flag.
    Unflagged,
    /// The same with it.
    Flagged,
    /// Asked to be given to somebody again.
    Requeued,
    /// For good, and the broker confirmed it.
    Settled,
}

/// Ordered by message, then by time; at one time deliveries come before settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    index: usize,
    time_ns: u64,
    what: What,
    worker: u16,
    at: usize,
}

/// Looks at every message that was delivered more than once.
pub(crate) fn find(work: &LaneWork<'_, '_>, members: &Members) -> Again {
    let mut again = Again::default();
    if members.marks.iter().fold(0, |all, marks| all | marks) & TWICE == 0 {
        return again;
    }
    let mut steps = collect(work, members);
    steps.sort_unstable();
    for of_message in steps.chunk_by(|one, other| one.index == other.index) {
        judge_message(work, of_message, &mut again);
    }
    for special in again.special.values_mut() {
        special.sort_unstable_by_key(|(at, _)| *at);
    }
    again
}

fn collect(work: &LaneWork<'_, '_>, members: &Members) -> Vec<Step> {
    let mut steps = Vec::new();
    for worker in &members.workers {
        for (at, event) in work.context.stream(*worker).iter().enumerate() {
            let Some(what) = what_of(event) else { continue };
            let Place::Own { index, .. } = place_of(work, event) else { continue };
            if members.marks[index] & TWICE != 0 {
                steps.push(Step { index, time_ns: event.time_ns, what, worker: *worker, at });
            }
        }
    }
    steps
}

#[inline]
fn what_of(event: &Event) -> Option<What> {
    if event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) != 0 {
        return None;
    }
    let settles = |among: &[Settle]| among.iter().any(|settle| *settle as u32 == event.detail);
    match event.kind {
        kind::DELIVERED if event.has(FLAG_REDELIVERED) => Some(What::Flagged),
        kind::DELIVERED => Some(What::Unflagged),
        kind::SETTLE_INVOKED => settles(&[Settle::NackRequeue, Settle::RejectRequeue]).then_some(What::Requeued),
        kind::SETTLE_OK => settles(&[Settle::Ack, Settle::Reject, Settle::NackDrop]).then_some(What::Settled),
        _ => None,
    }
}

fn judge_message(work: &LaneWork<'_, '_>, steps: &[Step], again: &mut Again) {
    let clocks = &work.context.clocks;
    let came_before = |before: Option<Step>, step: &Step| {
        before.is_some_and(|before| clocks.is_before((before.worker, before.time_ns), (step.worker, step.time_ns)))
    };
    let (mut delivered, mut requeued, mut settled): (Option<Step>, Option<Step>, Option<Step>) = (None, None, None);
    let (mut unflagged, mut after_settle) = (None, None);
    for step in steps {
        match step.what {
            What::Requeued => requeued = Some(*step),
            What::Settled => settled = settled.or(Some(*step)),
            What::Flagged | What::Unflagged => {
                if came_before(settled, step) {
                    after_settle = after_settle.or(Some(step));
                }
                // Whoever is given it next is given what was requeued; after that it is another story.
                let special = match (step.what, delivered, requeued.take()) {
                    (What::Unflagged, Some(first), _) => {
                        // Of two deliveries at the same time by one clock, or at nearly the same by two, either may be first.
                        let is_second = clocks.slack_ns(first.worker, step.worker) == 0 || came_before(delivered, step);
                        unflagged = unflagged.or(is_second.then_some(step));
                        Some(Special::NotFirst)
                    }
                    (What::Flagged, _, Some(before)) => {
                        let slack_ns = clocks.slack_ns(before.worker, step.worker);
                        Some(Special::Requeued { invoked_ns: before.time_ns.saturating_add(slack_ns) })
                    }
                    _ => None,
                };
                if let Some(special) = special {
                    again.special.entry(step.worker).or_default().push((step.at, special));
                }
                delivered = delivered.or(Some(*step));
            }
        }
    }
    for (tally, step) in [(&mut again.unflagged, unflagged), (&mut again.settled, after_settle)] {
        if let Some(step) = step {
            count(work, tally, step);
        }
    }
}

fn count(work: &LaneWork<'_, '_>, tally: &mut Tally, step: &Step) {
    let event = &work.context.stream(step.worker)[step.at];
    debug_assert_eq!(event.kind(), Some(EventKind::Delivered));
    let subject = Subject::Message { session: event.session, sequence: event.sequence };
    tally.add(event.time_ns, subject, event.destination);
}
