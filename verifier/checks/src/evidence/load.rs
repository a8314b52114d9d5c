//! Did the clients do enough for a fault to find anything?

use crate::context::Context;
use crate::evidence::bite::FaultFacts;
use crate::evidence::segments::{Part, Segments};
use crate::judgement::SATURATED;
use crate::sends::{Counts, Sends};

/// Messages that must have been taken before the first fault.
const MIN_TAKEN: u64 = 50;

/// Why the load of a lane proves too little: clients that did little, or were saturated before the fault.
pub(crate) fn doubts(context: &Context<'_>, sends: &Sends, segments: &Segments, facts: &[FaultFacts]) -> Vec<String> {
    let timeline = &context.timeline;
    let until_ns = timeline.first_fault_ns().unwrap_or(timeline.load_end_ns);
    let lasted_s = until_ns.saturating_sub(timeline.load_start_ns) as f64 / 1e9;
    let asked = f64::from(context.manifest.rate_per_s) * lasted_s;
    let Counts { invoked, acked, sent } = sum(sends, segments, Part::Before);
    let taken = acked + sent;
    let when = if facts.is_empty() { "in the whole run" } else { "before the fault" };
    let mut doubts = Vec::new();
    if taken < MIN_TAKEN {
        doubts.push(format!("clients did little: {taken} messages were taken {when}, {MIN_TAKEN} are asked for"));
    } else if (invoked as f64) < asked / 2.0 {
        doubts.push(format!("{SATURATED} {when}: {invoked} sends, less than half of the {asked:.0} asked for"));
    } else if taken < invoked / 2 {
        doubts.push(format!("{SATURATED} {when}: only {taken} of {invoked} sends were taken"));
    }
    for (index, fact) in facts.iter().enumerate() {
        let during = segments.iter().zip(&sends.counts).filter(|(segment, _)| segment.fault == Some(index));
        let invoked: u64 = during.map(|(_, counts)| counts.invoked).sum();
        if fact.span_ns.is_some() && invoked == 0 && !fact.hit_producers(context) {
            doubts.push(format!("clients sent nothing during {}", fact.label));
        }
    }
    doubts
}

fn sum(sends: &Sends, segments: &Segments, part: Part) -> Counts {
    let parts = segments.iter().zip(&sends.counts).filter(|(segment, _)| segment.part == part);
    parts.fold(Counts::default(), |all, (_, counts)| Counts {
        invoked: all.invoked + counts.invoked,
        acked: all.acked + counts.acked,
        sent: all.sent + counts.sent,
    })
}
