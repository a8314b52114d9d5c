//! The stretches of time a picture is made of.

use delivery_history::manifest::Phase;

use crate::evidence::timeline::Timeline;

/// Most stretches.
const MAX_BINS: u64 = 240;
/// Shortest stretch, milliseconds; longer ones are twice, five or ten times a shorter.
const SHORTEST_MS: u64 = 10;

/// Stretches of equal length from the start of the load to the start of the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    start_ns: u64,
    bin_ns: u64,
    bins: usize,
}

impl Axis {
    /// The axis of a run.
    pub(crate) fn of(timeline: &Timeline) -> Self {
        let end_ns = timeline.entered_ns(Phase::Audit).unwrap_or(timeline.end_ns);
        Self::new(timeline.load_start_ns, end_ns)
    }

    fn new(start_ns: u64, end_ns: u64) -> Self {
        let length_ns = end_ns.saturating_sub(start_ns).max(1);
        let mut bin_ns = SHORTEST_MS * 1_000_000;
        for factor in [2, 5, 10].into_iter().cycle() {
            if length_ns.div_ceil(bin_ns) <= MAX_BINS {
                break;
            }
            bin_ns = match factor {
                2 => bin_ns * 2,
                5 => bin_ns / 2 * 5,
                _ => bin_ns * 2,
            };
        }
        Self { start_ns, bin_ns, bins: usize::try_from(length_ns.div_ceil(bin_ns)).unwrap_or(1) }
    }

    /// The stretch a moment lies in; nothing before the first and after the last.
    #[inline]
    pub(crate) fn bin_of(&self, at_ns: u64) -> Option<usize> {
        let bin = usize::try_from(at_ns.checked_sub(self.start_ns)? / self.bin_ns).ok()?;
        (bin < self.bins).then_some(bin)
    }

    /// Length of one stretch, milliseconds.
    pub(crate) fn bin_ms(&self) -> u64 {
        self.bin_ns / 1_000_000
    }

    /// Number of stretches.
    pub(crate) fn bins(&self) -> usize {
        self.bins
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, MAX_BINS};

    const MS: u64 = 1_000_000;

    #[test]
    fn stretches_are_round_and_few() {
        let lengths = [1, 2_400, 2_401, 40_000, 48_001, 600_000, 24 * 3_600_000];
        let widths = lengths.map(|length_ms| Axis::new(5 * MS, (5 + length_ms) * MS).bin_ms());
        assert_eq!(widths, [10, 10, 20, 200, 500, 5_000, 500_000]);
        for length_ns in [0, 1, 2_400 * MS, 2_400 * MS + 1, u64::MAX] {
            let axis = Axis::new(0, length_ns);
            assert!((1..=MAX_BINS as usize).contains(&axis.bins()), "{length_ns}: {axis:?}");
        }
    }

    #[test]
    fn moments_outside_of_the_axis_have_no_place() {
        let axis = Axis::new(1_000 * MS, 1_100 * MS);
        assert_eq!(axis.bin_of(999 * MS), None);
        assert_eq!(axis.bin_of(1_000 * MS), Some(0));
        assert_eq!(axis.bin_of(1_099 * MS), Some(9));
        assert_eq!(axis.bin_of(1_100 * MS), None);
        assert_eq!(axis.bin_of(u64::MAX), None);
    }
}
