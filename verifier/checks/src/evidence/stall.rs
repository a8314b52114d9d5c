//! Clients that stalled: what shows a fault that stays below the product's failure detection.

use delivery_history::EventKind;

use crate::acks::AckTrack;
use crate::context::Context;

/// A shorter wait for an ack is no stall, however even the acks came before.
const LEAST_NS: u64 = 500_000_000;
/// A stall is this many times as long as the longest wait before the fault.
const TIMES: u64 = 3;

/// The longest time without an ack (or, where none is asked for, without a message taken) from `from_ns` to `to_ns`, where
/// it stands out against what the lane waited for before.
pub(crate) fn stall_ns(context: &Context<'_>, lane: u16, from_ns: u64, to_ns: u64) -> Option<u64> {
    let timeline = &context.timeline;
    let mut acks = AckTrack::new(timeline.load_start_ns, timeline.load_end_ns);
    for worker in context.producers_of(lane) {
        let events = context.stream(worker).iter();
        let taken = events.filter(|event| matches!(event.kind(), Some(EventKind::SendAcked | EventKind::SendSent)));
        taken.for_each(|event| acks.take(event.time_ns));
    }
    let before = acks.longest_stall_ns(timeline.load_start_ns, from_ns);
    let during = acks.longest_stall_ns(from_ns, to_ns);
    (during >= LEAST_NS.max(before.saturating_mul(TIMES))).then_some(during)
}
