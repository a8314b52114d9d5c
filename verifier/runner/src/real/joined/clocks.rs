//! How a machine's clock stands to the runner's.
//!
//! Each round trip bounds the offset (Cristian, 1989): the machine's time was read between the question and its answer.
//! The shortest round trip of each few is kept; between two of those the offset changes evenly.

use delivery_history::ClockComparison;

/// Round trips of which the shortest is kept.
const WINDOW: u32 = 5;
/// And of how many where none of those was short: a machine that is busy answers late for a moment.
const LONGEST_WINDOW: u32 = 30;
/// Half of a round trip that is short.
const SHORT_NS: u64 = 10_000_000;

/// One moment by both clocks.
#[derive(Clone, Copy, Debug)]
struct Knot {
    theirs_ns: u64,
    ours_ns: u64,
    /// Half of the round trip.
    half_ns: u64,
}

impl Knot {
    /// Their time minus ours.
    fn offset_ns(&self) -> i64 {
        let offset = i128::from(self.theirs_ns) - i128::from(self.ours_ns);
        i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX })
    }
}

/// What is known of a machine's clock.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    knots: Vec<Knot>,
    best: Option<Knot>,
    in_window: u32,
    comparisons: u64,
    error_ns: u64,
}

impl Clocks {
    /// Takes a round trip: asked and answered by our clock, and their time in between.
    pub(crate) fn take(&mut self, asked_ns: u64, theirs_ns: u64, answered_ns: u64) {
        let half_ns = answered_ns.saturating_sub(asked_ns).div_ceil(2);
        let knot = Knot { theirs_ns, ours_ns: asked_ns.saturating_add(half_ns), half_ns };
        self.comparisons += 1;
        self.in_window += 1;
        if self.best.is_none_or(|best| knot.half_ns < best.half_ns) {
            self.best = Some(knot);
        }
        let is_short = self.best.is_some_and(|best| best.half_ns <= SHORT_NS);
        if self.in_window >= LONGEST_WINDOW || (self.in_window >= WINDOW && is_short) {
            self.close_window();
        }
    }

    fn close_window(&mut self) {
        self.in_window = 0;
        let Some(knot) = self.best.take() else { return };
        let error_ns = match self.knots.last() {
            None => knot.half_ns,
            // Neither clock goes back: what says so was answered out of turn.
            Some(last) if knot.theirs_ns <= last.theirs_ns || knot.ours_ns <= last.ours_ns => return,
            Some(last) => last.half_ns.max(knot.half_ns).saturating_add(knot.offset_ns().abs_diff(last.offset_ns())),
        };
        self.error_ns = self.error_ns.max(error_ns);
        self.knots.push(knot);
    }

    /// Our time of a moment by their clock; nothing while that lies behind the last comparison.
    pub(crate) fn ours_ns(&self, theirs_ns: u64) -> Option<u64> {
        let last = self.knots.last()?;
        (theirs_ns <= last.theirs_ns).then(|| self.translate(theirs_ns))
    }

    /// The same, by the nearest comparison where it lies behind the last one.
    pub(crate) fn ours_at_the_end_ns(&self, theirs_ns: u64) -> u64 {
        self.translate(theirs_ns)
    }

    fn translate(&self, theirs_ns: u64) -> u64 {
        let after = self.knots.partition_point(|knot| knot.theirs_ns < theirs_ns);
        let (before, after) = (after.checked_sub(1).and_then(|at| self.knots.get(at)), self.knots.get(after));
        match (before, after) {
            (Some(before), Some(after)) => {
                let part = u128::from(theirs_ns - before.theirs_ns);
                let (ours, theirs) = (after.ours_ns - before.ours_ns, after.theirs_ns - before.theirs_ns);
                before.ours_ns + (part * u128::from(ours) / u128::from(theirs)) as u64
            }
            (Some(knot), None) | (None, Some(knot)) => {
                let ours = i128::from(theirs_ns) - i128::from(knot.offset_ns());
                u64::try_from(ours).unwrap_or(1).max(1)
            }
            (None, None) => theirs_ns,
        }
    }

    /// What was learned; nothing before the first few round trips.
    pub(crate) fn comparison(&self) -> Option<ClockComparison> {
        let (first, last) = (self.knots.first()?, self.knots.last()?);
        Some(ClockComparison {
            offset_ns: first.offset_ns(),
            drift_ns: last.offset_ns().saturating_sub(first.offset_ns()),
            error_ns: self.error_ns,
            comparisons: self.comparisons,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A machine whose clock stands `offset_ns` ahead at our 0 and gains `ppm`.
    fn theirs(ours_ns: u64, offset_ns: i64, ppm: i64) -> u64 {
        let gained = i128::from(ours_ns) * i128::from(ppm) / 1_000_000;
        (i128::from(ours_ns) + i128::from(offset_ns) + gained) as u64
    }

    proptest! {
        /// Whatever way the delays of a round trip are shared out, the truth lies within what is said of the error.
        #[test]
        fn times_taken_over_are_as_near_as_is_said(
            offset_ns in -50_000_000_000_i64..1_000_000_000_000,
            ppm in -300_i64..300,
            trips in proptest::collection::vec((0_u64..4_000_000, 0_u64..4_000_000), 40..120),
        ) {
            let start_ns = 100_000_000_000_u64;
            let mut clocks = Clocks::default();
            for (number, (there_ns, back_ns)) in (0_u64..).zip(&trips) {
                let asked_ns = start_ns + number * 100_000_000;
                let read_ns = asked_ns + there_ns;
                clocks.take(asked_ns, theirs(read_ns, offset_ns, ppm), read_ns + back_ns);
            }
            let told = clocks.comparison().unwrap();
            prop_assert_eq!(told.comparisons, trips.len() as u64);
            let mut before_ns = 0;
            for step in 0..trips.len() as u64 * 10 {
                let true_ns = start_ns + step * 10_000_000;
                let Some(taken_ns) = clocks.ours_ns(theirs(true_ns, offset_ns, ppm)) else { continue };
                prop_assert!(taken_ns >= before_ns, "time goes back");
                before_ns = taken_ns;
                // Before the first comparison the drift is not known: no event is taken from there.
                if step >= 50 {
                    prop_assert!(taken_ns.abs_diff(true_ns) <= told.error_ns + 1, "{} > {}", taken_ns.abs_diff(true_ns), told.error_ns);
                }
            }
        }
    }

    #[test]
    fn what_lies_behind_the_last_comparison_waits_for_the_next() {
        let mut clocks = Clocks::default();
        assert_eq!((clocks.ours_ns(5), clocks.comparison()), (None, None));
        (0..5).for_each(|trip| clocks.take(1_000 + trip, 9_000 + trip, 1_010 + trip));
        assert_eq!(clocks.ours_ns(9_000), Some(1_005));
        assert_eq!(clocks.ours_ns(9_100), None);
        assert_eq!(clocks.ours_at_the_end_ns(9_100), 1_105);
        assert_eq!(clocks.comparison().map(|told| (told.offset_ns, told.error_ns)), Some((7_995, 5)));
    }
}
