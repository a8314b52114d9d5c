//! How long a lane took to come back after each heal.

use crate::evidence::bite::FaultFacts;
use crate::evidence::segments::Segments;
use crate::judgement::Recovery;
use crate::work::LaneWork;

/// Per fault: from its heal to the first ack, and until every group had been handed all that was sent before the heal.
///
/// `caught_up_ns`: by segment in which a message was invoked, when the last of them was first delivered to any group;
/// nothing where some group never drained.
pub(crate) fn of(
    work: &LaneWork<'_, '_>,
    facts: &[FaultFacts],
    segments: &Segments,
    caught_up_ns: Option<&[u64]>,
) -> Vec<Recovery> {
    let windows = &work.context.timeline.faults;
    let measured = facts.iter().zip(windows).enumerate().map(|(fault, (fact, window))| {
        let since_heal_ms = |at_ns: u64| Some(at_ns.saturating_sub(window.healed_ns?) / 1_000_000);
        let caught_up = caught_up_ns.zip(window.healed_ns).map(|(caught_up_ns, healed_ns)| {
            let before = segments.iter().zip(caught_up_ns).filter(|(segment, _)| segment.until_ns <= healed_ns);
            before.map(|(_, at_ns)| *at_ns).max().unwrap_or(0)
        });
        Recovery {
            fault: fact.label.clone(),
            // Where nothing is acked, what the client takes says nothing of the cluster.
            first_ack_ms: work
                .acknowledged
                .then_some(())
                .and(work.sends.first_ack_ns.get(fault).copied().flatten())
                .and_then(since_heal_ms),
            caught_up_ms: caught_up.and_then(since_heal_ms),
        }
    });
    measured.collect()
}
