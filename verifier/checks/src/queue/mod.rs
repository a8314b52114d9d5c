//! Queues: competing consumers, settles, dead letters.
//!
//! Which message a settle, a redelivery or an audit is about is an array entry as in every lane;
//! only messages that were delivered more than once are looked at a second time, in the order of time.

pub(crate) mod again;
pub(crate) mod audit;
pub(crate) mod found;
pub(crate) mod letters;
pub(crate) mod members;
pub(crate) mod missing;
pub(crate) mod order;
pub(crate) mod story;

use std::collections::BTreeMap;

use delivery_history::Event;
use delivery_history::manifest::Workload;

use crate::audits::Audits;
use crate::context::Context;
use crate::directory::state;
use crate::evidence::segments::Segments;
use crate::health::Health;
use crate::judgement::FindingKind;
use crate::latency::Latencies;
use crate::properties::tally;
use crate::properties::undelivered::Leftover;
use crate::queue::audit::Audited;
use crate::queue::members::Members;
use crate::tally::Tally;
use crate::work::{Found, LaneWork};

/// What a queue lane was found to have done, beyond the states of its messages.
pub(crate) struct Queues {
    /// All of the lane's consumers together: groups do not part a queue, they compete for it.
    pub(crate) leftover: Leftover,
    pub(crate) undelivered: Tally,
    pub(crate) end_to_end: Latencies,
    pub(crate) members: Members,
    /// Owed messages that were nowhere, where nothing proves that they are lost.
    pub(crate) unproved: u64,
    /// Kinds only queues have.
    pub(crate) counted: Vec<(FindingKind, Tally)>,
    /// Why it is not known what the queues hold.
    pub(crate) storage: Vec<String>,
    /// Messages that are nowhere, and why that proves no loss.
    pub(crate) missing: Vec<String>,
    /// Why it is not known what the consumers would still have been given.
    pub(crate) readers: Vec<String>,
}

/// Goes through audits and consumers of a queue lane and marks its messages.
///
/// `recovered`: the cluster was whole again before it was audited; `automatic_ack`: the broker
/// counts a message as settled when it hands it out.
pub(crate) fn read(
    work: &mut LaneWork<'_, '_>,
    audits: &Audits<'_>,
    segments: &Segments,
    recovered: bool,
    automatic_ack: bool,
    health: &mut Health,
) -> Queues {
    let elsewhere = found::mark_found(work, audits, health);
    let mut end_to_end = Latencies::new("end-to-end");
    let members = members::read(work, segments, &mut end_to_end, health);
    let again = again::find(work, &members);
    let requeued_behind = order::mark_reordered(work, &members, &again);
    let audited = Audited { audits, dead_letters: DeadLetters::of(work.context) };
    let letters = letters::lost(work, &audited, &members, &elsewhere, recovered);
    let missing = missing::classify(work, &audited, &members, &elsewhere, recovered, automatic_ack);
    let counted = vec![
        (FindingKind::RedeliveredUnflagged, again.unflagged),
        (FindingKind::RedeliveredSettled, again.settled),
        (FindingKind::ReorderedRequeued, requeued_behind),
        (FindingKind::DeadLettered, tally(work, |message| message & state::MISPLACED != 0)),
        (FindingKind::DeadLetterLost, letters),
        (FindingKind::LeftInQueue, tally(work, |message| message & state::STORED != 0)),
    ];
    Queues {
        storage: missing::storage_doubts(work, &audited),
        missing: missing::missing_doubts(work, &members, &missing),
        readers: missing::reader_doubts(work, &audited, &members, &missing),
        leftover: missing.leftover,
        undelivered: missing.undelivered,
        end_to_end,
        members,
        unproved: missing.unproved,
        counted,
    }
}

/// Where an event shows a message of the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the queue it was sent to.
    Own { slot: usize, index: usize },
    /// Where the dead letters of its queue end.
    DeadLetters { index: usize },
    /// In a queue nobody sent it to.
    Elsewhere { index: usize },
    /// A sentinel: it counts for nothing.
    Sentinel,
    /// Never sent in this lane.
    Phantom,
}

/// Where `event` shows which message.
#[inline]
fn place_of(work: &LaneWork<'_, '_>, event: &Event) -> Place {
    match work.resolve(event) {
        Found::Judged { slot, index } => Place::Own { slot, index },
        Found::Misplaced { index } => misplaced(work, event, index),
        Found::Sentinel => Place::Sentinel,
        Found::Phantom => Place::Phantom,
    }
}

#[cold]
fn misplaced(work: &LaneWork<'_, '_>, event: &Event, index: usize) -> Place {
    let Some((_, entry)) = work.directory.find(event.session, event.sequence) else { return Place::Phantom };
    let sent_to = if entry.mixed { work.invoked(entry, index).destination } else { entry.destination };
    if dead_letters_of(work.context, event.destination) == Some(sent_to) {
        Place::DeadLetters { index }
    } else {
        Place::Elsewhere { index }
    }
}

/// The queue whose dead letters end in `destination`.
fn dead_letters_of(context: &Context<'_>, destination: u16) -> Option<u16> {
    context.destination(destination).and_then(|known| known.dead_letters_of)
}

/// By queue: where its dead letters end.
pub(crate) struct DeadLetters(BTreeMap<u16, Vec<u16>>);

impl DeadLetters {
    fn of(context: &Context<'_>) -> Self {
        let mut queues: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
        for (index, known) in context.manifest.destinations.iter().enumerate() {
            if let (Some(queue), Ok(index)) = (known.dead_letters_of, u16::try_from(index)) {
                queues.entry(queue).or_default().push(index);
            }
        }
        Self(queues)
    }

    /// The queues in which the dead letters of `queue` end.
    fn queues(&self, queue: u16) -> &[u16] {
        self.0.get(&queue).map_or(&[], Vec::as_slice)
    }
}

/// Whether `destination` is a queue of a queue lane.
pub(crate) fn is_queue(context: &Context<'_>, destination: u16) -> bool {
    let lane = context.destination(destination).and_then(|known| context.manifest.lanes.get(usize::from(known.lane)));
    lane.is_some_and(|lane| lane.workload == Workload::Queue)
}
