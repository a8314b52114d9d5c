//! Time in which one fault alone can have been what clients felt.
//!
//! A stall that an earlier fault caused is none of what a lane waits for by itself, so it would hide what a later one does;
//! and a stall that another fault causes meanwhile, or that comes of its end, must not vouch for this one.

use crate::acks::AckTrack;

/// With less of it before a fault, what other faults did counts as what the lane waits for by itself.
const ENOUGH_NS: u64 = 2_000_000_000;

/// Stretches of time, none of them empty, that touch no other fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alone {
    /// Before the fault: without the time from the start of another fault to the first ack after its heal.
    pub(crate) before: Vec<(u64, u64)>,
    /// While it was on: without that, and without as long again as clients waited then, as what comes of an end may come late.
    pub(crate) during: Vec<(u64, u64)>,
}

impl Alone {
    /// Of a fault that was on during `span_ns`, in a load that lasted `load_ns`; `others`: when each other fault that bit
    /// was on.
    pub(crate) fn of(acks: &AckTrack, load_ns: (u64, u64), span_ns: (u64, u64), others: &[(u64, u64)]) -> Self {
        let (mut back, mut over) = (Vec::new(), Vec::new());
        for (from_ns, healed_ns) in others.iter().copied() {
            let back_ns = acks.first_from(healed_ns).unwrap_or(u64::MAX);
            let waited_ns = acks.longest_stall_ns(from_ns, back_ns.min(load_ns.1));
            back.push((from_ns, back_ns));
            over.push((from_ns, back_ns.saturating_add(waited_ns)));
        }
        let all_before = (load_ns.0, span_ns.0);
        let mut before = without(all_before, &back);
        let left_ns: u64 = before.iter().map(|(from_ns, to_ns)| to_ns - from_ns).sum();
        if left_ns < ENOUGH_NS {
            before = without(all_before, &[]);
        }
        Self { before, during: without(span_ns, &over) }
    }
}

/// Whether a moment lies in one of the stretches.
pub(crate) fn within(stretches: &[(u64, u64)], at_ns: u64) -> bool {
    stretches.iter().any(|(from_ns, to_ns)| (*from_ns..*to_ns).contains(&at_ns))
}

/// What is left of a stretch without these.
fn without(stretch: (u64, u64), holes: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut left = vec![stretch];
    for (hole_from, hole_to) in holes.iter().copied() {
        let cut = |(from, to): (u64, u64)| [(from, to.min(hole_from)), (from.max(hole_to), to)];
        left = left.into_iter().flat_map(cut).collect();
        left.retain(|(from, to)| from < to);
    }
    left.retain(|(from, to)| from < to);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// An ack every 10 ms for 30 s, but not from one moment to another.
    fn acks(silent_ms: &[(u64, u64)]) -> AckTrack {
        let mut track = AckTrack::new(0, 30_000 * MS);
        let is_silent = |at_ms: u64| silent_ms.iter().any(|(from, to)| (*from..*to).contains(&at_ms));
        (0..30_000).step_by(10).filter(|at_ms| !is_silent(*at_ms)).for_each(|at_ms| track.take(at_ms * MS));
        track
    }

    fn alone(silent_ms: &[(u64, u64)], span_ms: (u64, u64), others_ms: &[(u64, u64)]) -> Alone {
        let ns = |(from_ms, to_ms): (u64, u64)| (from_ms * MS, to_ms * MS);
        let others: Vec<_> = others_ms.iter().copied().map(ns).collect();
        let Alone { before, during } = Alone::of(&acks(silent_ms), (0, 30_000 * MS), ns(span_ms), &others);
        let ms = |spans: Vec<(u64, u64)>| spans.into_iter().map(|(from, to)| (from / MS, to / MS)).collect();
        Alone { before: ms(before), during: ms(during) }
    }

    #[test]
    fn a_fault_that_is_alone_has_all_the_time() {
        let all = alone(&[], (10_000, 20_000), &[]);
        assert_eq!(all, Alone { before: vec![(0, 10_000)], during: vec![(10_000, 20_000)] });
    }

    #[test]
    fn an_earlier_fault_is_left_out_until_acks_come_again_and_what_comes_of_its_end_for_as_long() {
        let left = alone(&[(4_100, 8_500)], (10_000, 20_000), &[(4_000, 8_000)]);
        assert_eq!(left.before, [(0, 4_000), (8_500, 10_000)]);
        // It waited for 4,410 ms: from 8,500 on, that lasts until 12,910.
        assert_eq!(left.during, [(12_910, 20_000)]);
    }

    #[test]
    fn a_fault_that_overlaps_leaves_what_it_does_not_touch() {
        let left = alone(&[], (10_000, 20_000), &[(14_000, 16_000)]);
        assert_eq!(left, Alone { before: vec![(0, 10_000)], during: vec![(10_000, 14_000), (16_010, 20_000)] });
        assert_eq!(alone(&[], (10_000, 20_000), &[(9_000, 21_000)]).during, [], "it is never alone");
        assert_eq!(alone(&[(9_500, 30_000)], (10_000, 20_000), &[(9_000, 9_800)]).during, [], "nobody came back");
    }

    #[test]
    fn with_too_little_left_before_it_all_counts() {
        assert_eq!(alone(&[], (10_000, 20_000), &[(1_990, 10_000)]).before, [(0, 10_000)]);
        assert_eq!(alone(&[], (10_000, 20_000), &[(2_000, 10_000)]).before, [(0, 2_000)]);
        assert_eq!(alone(&[], (0, 20_000), &[]).before, []);
    }

    #[test]
    fn a_moment_belongs_to_the_stretch_it_begins() {
        assert!(within(&[(1, 3)], 1) && within(&[(1, 3)], 2) && !within(&[(1, 3)], 3) && !within(&[], 0));
    }
}
