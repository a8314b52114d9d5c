//! Clients that stalled, or waited longer for every ack: what shows a fault that stays below the product's failure detection.

use std::collections::HashMap;

use delivery_history::{Event, EventKind};

use crate::acks::AckTrack;
use crate::context::Context;
use crate::evidence::alone::{Alone, within};

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

/// What the clients of one lane felt of a fault: by the time in which no other fault can have been what they felt.
pub(crate) struct Felt<'a> {
    context: &'a Context<'a>,
    lane: u16,
    acks: AckTrack,
    alone: Alone,
}

impl<'a> Felt<'a> {
    /// Of a fault that was on during `span_ns`; `others`: when each other fault that bit was on.
    pub(crate) fn new(context: &'a Context<'a>, lane: u16, span_ns: (u64, u64), others: &[(u64, u64)]) -> Self {
        let timeline = &context.timeline;
        let load_ns = (timeline.load_start_ns, timeline.load_end_ns);
        let mut acks = AckTrack::new(load_ns.0, load_ns.1);
        for worker in context.producers_of(lane) {
            let events = context.stream(worker).iter();
            let taken = events.filter(|event| matches!(event.kind(), Some(EventKind::SendAcked | EventKind::SendSent)));
            taken.for_each(|event| acks.take(event.time_ns));
        }
        let alone = Alone::of(&acks, load_ns, span_ns, others);
        Self { context, lane, acks, alone }
    }

    /// The longest time without an ack (or, where none is asked for, without a message taken) while it was on, where it
    /// stands out against what the lane waited for before.
    pub(crate) fn stall_ns(&self) -> Option<u64> {
        let longest_ns = |spans: &[(u64, u64)]| {
            let stalls_ns = spans.iter().map(|(from_ns, to_ns)| self.acks.longest_stall_ns(*from_ns, *to_ns));
            stalls_ns.max().unwrap_or(0)
        };
        let (before_ns, during_ns) = (longest_ns(&self.alone.before), longest_ns(&self.alone.during));
        (during_ns >= LEAST_NS.max(before_ns.saturating_mul(TIMES))).then_some(during_ns)
    }

    /// How much longer sends took while it was on than before, where half of them stand out against nine of ten then.
    pub(crate) fn slowed(&self) -> Option<Slowed> {
        let (mut before, mut during) = (Vec::new(), Vec::new());
        for worker in self.context.producers_of(self.lane) {
            self.time_sends(self.context.stream(worker), &mut before, &mut during);
        }
        before.sort_unstable();
        during.sort_unstable();
        let before_ns = *before.get(before.len() * 9 / 10)?;
        let during_ns = *during.get(during.len() / 2)?;
        (during_ns >= LEAST_NS.max(before_ns.saturating_mul(TIMES))).then_some(Slowed { before_ns, during_ns })
    }

    /// Adds how long each send took, by when it was asked for.
    fn time_sends(&self, stream: &[Event], before: &mut Vec<u64>, during: &mut Vec<u64>) {
        let mut open: HashMap<(u32, u32), u64> = HashMap::new();
        for event in stream {
            let message = (event.session, event.sequence);
            match event.kind() {
                Some(EventKind::SendInvoked) => drop(open.insert(message, event.time_ns)),
                Some(EventKind::SendAcked | EventKind::SendUnknown | EventKind::SendFailed) => {
                    let Some(invoked_ns) = open.remove(&message) else { continue };
                    let took_ns = event.time_ns.saturating_sub(invoked_ns);
                    if within(&self.alone.before, invoked_ns) {
                        before.push(took_ns);
                    } else if within(&self.alone.during, invoked_ns) {
                        during.push(took_ns);
                    }
                }
                _ => {}
            }
        }
    }
}
