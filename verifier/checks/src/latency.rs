//! Send and end-to-end latency, before, during and after the faults.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::evidence::segments::Part;
use crate::judgement::Percentiles;

/// Longest latency told apart, microseconds; longer ones count as this.
const MAX_US: u64 = 3_600_000_000;
/// Significant digits.
const DIGITS: u8 = 3;

/// Latencies of one kind by part of the run. Memory is taken with the first measurement of a part.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    name: &'static str,
    parts: [Option<Histogram<u64>>; 3],
}

impl Latencies {
    /// Nothing measured yet. `name`: `send`, `end-to-end`.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, parts: [None, None, None] }
    }

    /// Takes one measurement into the part its message was invoked in.
    #[inline]
    pub(crate) fn take(&mut self, part: Part, invoked_ns: u64, done_ns: u64) {
        let took_us = done_ns.saturating_sub(invoked_ns) / 1_000;
        match &mut self.parts[part as usize] {
            Some(histogram) => histogram.saturating_record(took_us),
            empty => *empty = first(took_us),
        }
    }

    /// Percentiles by name (`send-during`); parts without a measurement are left out.
    pub(crate) fn percentiles(&self, into: &mut BTreeMap<String, Percentiles>) {
        for (histogram, label) in self.parts.iter().zip(Part::LABELS) {
            let Some(histogram) = histogram else { continue };
            let ms = |us: u64| us as f64 / 1e3;
            let percentiles = Percentiles {
                count: histogram.len(),
                p50: ms(histogram.value_at_quantile(0.5)),
                p99: ms(histogram.value_at_quantile(0.99)),
                max: ms(histogram.max()),
            };
            into.insert(format!("{}-{label}", self.name), percentiles);
        }
    }
}

#[cold]
fn first(took_us: u64) -> Option<Histogram<u64>> {
    let mut histogram = Histogram::new_with_bounds(1, MAX_US, DIGITS).ok()?;
    histogram.saturating_record(took_us);
    Some(histogram)
}

#[cfg(test)]
mod tests {
    use super::Latencies;
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
        assert!((before.p50 - 50.0).abs() < 0.1 && (before.max - 100.0).abs() < 0.1, "{before:?}");
    }
}
