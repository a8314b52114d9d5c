//! Clients that stalled: what shows a fault that stays below the product's failure detection.

use delivery_history::EventKind;

use crate::context::Context;

/// A shorter wait for an ack is no stall, however even the acks came before.
const LEAST_NS: u64 = 500_000_000;
/// A stall is this many times as long as the longest wait before the fault.
const TIMES: u64 = 3;

/// The longest time without an ack (or, where none is asked for, without a message taken) from `from_ns` to `to_ns`, where
/// it stands out against what the lane waited for before.
pub(crate) fn stall_ns(context: &Context<'_>, lane: u16, from_ns: u64, to_ns: u64) -> Option<u64> {
    let mut taken_ns: Vec<u64> = Vec::new();
    for worker in context.producers_of(lane) {
        let events = context.stream(worker).iter();
        let taken = events.filter(|event| {
            matches!(event.kind(), Some(EventKind::SendAcked | EventKind::SendSent)) && event.time_ns <= to_ns
        });
        taken_ns.extend(taken.map(|event| event.time_ns));
    }
    taken_ns.sort_unstable();
    let start_ns = context.timeline.load_start_ns;
    let before = longest_gap_ns(&taken_ns, start_ns, from_ns);
    let during = longest_gap_ns(&taken_ns, from_ns, to_ns);
    (during >= LEAST_NS.max(before.saturating_mul(TIMES))).then_some(during)
}

/// The longest stretch between `from_ns` and `to_ns` in which nothing of `times_ns` (sorted) lies.
fn longest_gap_ns(times_ns: &[u64], from_ns: u64, to_ns: u64) -> u64 {
    let inside = times_ns.iter().copied().filter(|at_ns| (from_ns..=to_ns).contains(at_ns));
    let (last_ns, longest_ns) =
        inside.fold((from_ns, 0), |(last_ns, longest_ns), at_ns| (at_ns, longest_ns.max(at_ns - last_ns)));
    longest_ns.max(to_ns.saturating_sub(last_ns))
}

#[cfg(test)]
mod tests {
    use super::longest_gap_ns;

    #[test]
    fn a_gap_may_lie_at_either_end() {
        assert_eq!(longest_gap_ns(&[10, 12, 20], 10, 20), 8);
        assert_eq!(longest_gap_ns(&[15], 0, 20), 15);
        assert_eq!(longest_gap_ns(&[3], 0, 20), 17);
        assert_eq!(longest_gap_ns(&[50], 0, 20), 20, "what came outside is no ack inside");
        assert_eq!(longest_gap_ns(&[], 20, 10), 0);
    }
}
