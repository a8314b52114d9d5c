//! Send and end-to-end latency, before, during and after the faults.
//!
//! Every measurement is counted, none is sampled. A pass over millions of events only raises a
//! count in a plain table; what the counts come to is left to the histogram library at the end.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::evidence::segments::Part;
use crate::judgement::Percentiles;

/// Longest latency told apart, microseconds; longer ones count as this.
pub(crate) const MAX_US: u64 = 3_600_000_000;
/// Significant digits.
const DIGITS: u8 = 3;
/// Values that differ in the first bits only as many as this share a bucket: one part in 2048.
const BITS: u32 = 11;
/// Buckets up to [`MAX_US`]: exact ones, then half as many for every doubling.
const BUCKETS: usize = bucket_of::<BITS>(MAX_US) + 1;

/// Buckets are as wide as the last of the `BITS` leading bits of their values.
pub(crate) const fn bucket_of<const BITS: u32>(took_us: u64) -> usize {
    let above = (u64::BITS - took_us.leading_zeros()).saturating_sub(BITS);
    ((above as usize) << (BITS - 1)) + (took_us >> above) as usize
}

/// The middle of a bucket's values.
pub(crate) const fn middle_of<const BITS: u32>(bucket: usize) -> u64 {
    let above = (bucket >> (BITS - 1)).saturating_sub(1);
    let first = ((bucket - (above << (BITS - 1))) as u64) << above;
    first + ((1 << above) >> 1)
}

/// Measurements of one part of the run.
#[derive(Clone, Debug)]
struct Counts {
    buckets: Vec<u64>,
    max_us: u64,
}

/// Latencies of one kind by part of the run. Memory is taken with the first measurement of a part.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    name: &'static str,
    parts: [Option<Counts>; 3],
}

impl Latencies {
    /// Nothing measured yet. `name`: `send`, `end-to-end`.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, parts: [None, None, None] }
    }

    /// Takes one measurement into the part its message was invoked in.
    #[inline]
    pub(crate) fn take(&mut self, part: Part, invoked_ns: u64, done_ns: u64) {
        let took_us = (done_ns.saturating_sub(invoked_ns) / 1_000).min(MAX_US);
        let counts = match &mut self.parts[part as usize] {
            Some(counts) => counts,
            empty => first(empty),
        };
        counts.buckets[bucket_of::<BITS>(took_us)] += 1;
        counts.max_us = counts.max_us.max(took_us);
    }

    /// Percentiles by name (`send-during`); parts without a measurement are left out.
    pub(crate) fn percentiles(&self, into: &mut BTreeMap<String, Percentiles>) {
        for (counts, label) in self.parts.iter().zip(Part::LABELS) {
            let percentiles = counts.as_ref().and_then(percentiles);
            into.extend(percentiles.map(|percentiles| (format!("{}-{label}", self.name), percentiles)));
        }
    }
}

fn percentiles(counts: &Counts) -> Option<Percentiles> {
    let mut histogram: Histogram<u64> = Histogram::new_with_bounds(1, MAX_US, DIGITS).ok()?;
    for (bucket, count) in counts.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
        histogram.saturating_record_n(middle_of::<BITS>(bucket).min(counts.max_us), *count);
    }
    let ms = |us: u64| us as f64 / 1e3;
    let quantile = |share: f64| ms(histogram.value_at_quantile(share).min(counts.max_us));
    Some(Percentiles { count: histogram.len(), p50: quantile(0.5), p99: quantile(0.99), max: ms(counts.max_us) })
}

#[cold]
fn first(part: &mut Option<Counts>) -> &mut Counts {
    part.get_or_insert_with(|| Counts { buckets: vec![0; BUCKETS], max_us: 0 })
}

#[cfg(test)]
mod tests {
    use super::{BITS, BUCKETS, Latencies, MAX_US, bucket_of, middle_of};
    use crate::evidence::segments::Part;
    use std::collections::BTreeMap;

    #[test]
    fn parts_are_kept_apart_and_empty_ones_left_out() {
        let mut latencies = Latencies::new("send");
        for ms in 1..=100u64 {
            latencies.take(Part::Before, 0, ms * 1_000_000);
        }
        latencies.take(Part::After, 9, 0);
        let mut named = BTreeMap::new();
        latencies.percentiles(&mut named);
        assert_eq!(named.keys().collect::<Vec<_>>(), ["send-after", "send-before"]);
        let before = named["send-before"];
        assert_eq!(before.count, 100);
        assert!((before.p50 - 50.0).abs() < 0.1 && (before.max - 100.0).abs() < f64::EPSILON, "{before:?}");
    }

    #[test]
    fn a_bucket_stands_for_its_values_to_three_digits() {
        let mut last = None;
        let doublings = (0..64u32).flat_map(|shift| [1u64 << shift, (1 << shift) + (1 << shift) / 3]);
        let mut values: Vec<u64> = (0..5_000).chain(doublings).chain([MAX_US]).filter(|us| *us <= MAX_US).collect();
        values.sort_unstable();
        for took_us in values {
            let bucket = bucket_of::<BITS>(took_us);
            assert!(bucket < BUCKETS && last.is_none_or(|last| last <= bucket), "{took_us}");
            last = Some(bucket);
            let middle_us = middle_of::<BITS>(bucket);
            assert!(middle_us.abs_diff(took_us) * 1_000 <= took_us, "{took_us}: {middle_us}");
        }
    }

    #[test]
    fn centuries_count_as_the_longest() {
        let mut latencies = Latencies::new("send");
        latencies.take(Part::During, 0, u64::MAX);
        let mut named = BTreeMap::new();
        latencies.percentiles(&mut named);
        assert!((named["send-during"].max - MAX_US as f64 / 1e3).abs() < 1e-6);
    }
}
