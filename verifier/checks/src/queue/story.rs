//! Words for what happens to a message in a queue.

use std::collections::BTreeSet;

use delivery_broker::Settle;
use delivery_history::manifest::Phase;
use delivery_history::{Event, EventKind, NO_OFFSET};

use crate::audits::{AuditRun, Audits};
use crate::context::reason_words;
use crate::judgement::FindingKind;
use crate::queue::{DeadLetters, Place, place_of};
use crate::work::LaneWork;

/// What an event of the life of a delivery says; nothing for events told as in every lane.
pub(crate) fn client_words(event: &Event, who: &str) -> Option<String> {
    let tag = || if event.offset == NO_OFFSET { String::new() } else { format!(" of tag {}", event.offset) };
    Some(match event.kind()? {
        EventKind::SettleInvoked => format!("{}{} asked for by {who}", settle_words(event.detail), tag()),
        EventKind::SettleOk => format!("{}{} confirmed to {who}", settle_words(event.detail), tag()),
        EventKind::SettleFailed => {
            format!("settle{} by {who} not confirmed: {}", tag(), reason_words(event.detail))
        }
        _ => return None,
    })
}

/// ` with tag 7`, or nothing where no tag is known.
pub(crate) fn with_tag(tag: u64) -> String {
    if tag == NO_OFFSET { String::new() } else { format!(" with tag {tag}") }
}

fn settle_words(number: u32) -> &'static str {
    const WORDS: [(Settle, &str); 6] = [
        (Settle::Ack, "ack"),
        (Settle::NackRequeue, "requeue (nack)"),
        (Settle::Reject, "reject"),
        (Settle::Commit, "commit"),
        (Settle::RejectRequeue, "requeue (reject)"),
        (Settle::NackDrop, "drop (nack)"),
    ];
    WORDS.iter().find(|(settle, _)| *settle as u32 == number).map_or("settle", |(_, words)| words)
}

/// What it says of a message that an audit found it there; nothing for one nobody sent.
pub(crate) fn found_words(work: &LaneWork<'_, '_>, event: &Event) -> Option<String> {
    let queue = work.context.destination_name(event.destination);
    match place_of(work, event) {
        Place::Own { .. } => Some(format!("audit: still in queue {queue}")),
        Place::DeadLetters { .. } => Some(format!("audit: ended in dead-letter queue {queue}")),
        Place::Elsewhere { .. } => Some(format!("audit: in queue {queue}, to which it was not sent")),
        Place::Sentinel | Place::Phantom => None,
    }
}

/// What did not happen to a message of `queue`, where that is the point: when, and in words.
///
/// `read`: (destination, node) of the audits that hold it.
pub(crate) fn absence(
    work: &LaneWork<'_, '_>,
    audits: &Audits<'_>,
    kind: FindingKind,
    queue: u16,
    read: &BTreeSet<(u16, u32)>,
    delivered: bool,
    processed: bool,
) -> Vec<(u64, String)> {
    let context = work.context;
    let mut told = Vec::new();
    if !matches!(kind, FindingKind::Lost | FindingKind::Undelivered) {
        return told;
    }
    let end_ns = context.timeline.entered_ns(Phase::Audit).unwrap_or(context.timeline.end_ns);
    if !delivered {
        told.push((end_ns, String::from("never delivered to anybody")));
    } else if !processed {
        told.push((end_ns, String::from("never processed by anybody")));
    }
    let dead_letters = DeadLetters::of(context);
    for place in std::iter::once(queue).chain(dead_letters.queues(queue).iter().copied()) {
        let complete = audits.of(place).iter().filter(|run| run.is_complete());
        let ended_ns = complete.map(|run: &AuditRun<'_>| run.ended_ns).max();
        if let Some(ended_ns) = ended_ns.filter(|_| !read.iter().any(|(known, _)| *known == place)) {
            let what = if place == queue { "queue" } else { "dead-letter queue" };
            told.push((ended_ns, format!("audit: not in {what} {}", context.destination_name(place))));
        }
    }
    told
}
