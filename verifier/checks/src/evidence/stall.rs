//! Clients that stalled, or waited longer for every ack: what shows a fault that stays below the product's failure detection.

use std::collections::HashMap;

use delivery_history::EventKind;

use crate::acks::AckTrack;
use crate::context::Context;

/// A shorter wait for an ack is no stall, however even the acks came before.
const LEAST_NS: u64 = 500_000_000;
/// A stall is this many times as long as the longest wait before the fault.
const TIMES: u64 = 3;

/// How long sends of a lane took before a fault, and how long while it was on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slowed {
    /// Nine of ten took no longer before it.
    pub(crate) before_ns: u64,
    /// Half of them took as long as this, or longer, while it was on.
    pub(crate) during_ns: u64,
}

/// How much longer sends took from `from_ns` to `to_ns` than before, where half of them stand out against nine of ten then.
pub(crate) fn slowed(context: &Context<'_>, lane: u16, from_ns: u64, to_ns: u64) -> Option<Slowed> {
    let (mut before, mut during) = (Vec::new(), Vec::new());
    for worker in context.producers_of(lane) {
        let mut open: HashMap<(u32, u32), u64> = HashMap::new();
        for event in context.stream(worker) {
            let message = (event.session, event.sequence);
            match event.kind() {
                Some(EventKind::SendInvoked) if event.time_ns < to_ns => drop(open.insert(message, event.time_ns)),
                Some(EventKind::SendAcked | EventKind::SendUnknown | EventKind::SendFailed) => {
                    let Some(invoked_ns) = open.remove(&message) else { continue };
                    let took_ns = event.time_ns.saturating_sub(invoked_ns);
                    if invoked_ns >= from_ns { during.push(took_ns) } else { before.push(took_ns) }
                }
                _ => {}
            }
        }
    }
    before.sort_unstable();
    during.sort_unstable();
    let before_ns = *before.get(before.len() * 9 / 10)?;
    let during_ns = *during.get(during.len() / 2)?;
    (during_ns >= LEAST_NS.max(before_ns.saturating_mul(TIMES))).then_some(Slowed { before_ns, during_ns })
}

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
