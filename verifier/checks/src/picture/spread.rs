//! Median and maximum of the times in each stretch, in memory that does not grow with what is measured.

use crate::latency::{MAX_US, bucket_of, middle_of};
use crate::picture::Spread;

/// Leading bits that are told apart: one part in 16.
const BITS: u32 = 5;
/// Buckets of one stretch.
const BUCKETS: usize = bucket_of::<BITS>(MAX_US) + 1;

/// Times by stretch. Memory is taken with the first measurement of a stretch.
#[derive(Clone, Debug)]
pub(super) struct Spreads(Vec<Option<Counts>>);

#[derive(Clone, Debug)]
struct Counts {
    buckets: Box<[u32; BUCKETS]>,
    count: u64,
    max_us: u64,
}

impl Spreads {
    pub(super) fn new(bins: usize) -> Self {
        Self(vec![None; bins])
    }

    /// Takes one measurement.
    pub(super) fn take(&mut self, bin: usize, from_ns: u64, to_ns: u64) {
        let took_us = (to_ns.saturating_sub(from_ns) / 1_000).min(MAX_US);
        let Some(place) = self.0.get_mut(bin) else { return };
        let counts = place.get_or_insert_with(|| Counts { buckets: Box::new([0; BUCKETS]), count: 0, max_us: 0 });
        let bucket = &mut counts.buckets[bucket_of::<BITS>(took_us)];
        *bucket = bucket.saturating_add(1);
        counts.count += 1;
        counts.max_us = counts.max_us.max(took_us);
    }

    /// Of each stretch, in their order.
    pub(super) fn finish(self) -> impl Iterator<Item = Option<Spread>> {
        self.0.into_iter().map(|counts| counts.map(|counts| counts.spread()))
    }
}

impl Counts {
    fn spread(&self) -> Spread {
        let half = self.count.div_ceil(2);
        let mut seen = 0;
        let reached = self.buckets.iter().position(|count| {
            seen += u64::from(*count);
            seen >= half
        });
        let p50_us = reached.map_or(self.max_us, middle_of::<BITS>).min(self.max_us);
        Spread { p50_ms: p50_us as f64 / 1e3, max_ms: self.max_us as f64 / 1e3 }
    }
}

#[cfg(test)]
mod tests {
    use super::Spreads;

    #[test]
    fn the_median_is_near_and_the_maximum_exact() {
        let mut spreads = Spreads::new(3);
        for took_ms in 1..=99 {
            spreads.take(1, 0, took_ms * 1_000_000);
        }
        spreads.take(2, 0, u64::MAX);
        spreads.take(7, 0, 1);
        let found: Vec<_> = spreads.finish().collect();
        assert_eq!(found[0], None);
        let middle = found[1].expect("measured");
        assert!((middle.p50_ms - 50.0).abs() < 50.0 / 16.0 && (middle.max_ms - 99.0).abs() < 1e-9, "{middle:?}");
        let longest = found[2].expect("measured");
        assert!((longest.p50_ms - 3_600_000.0).abs() < 3_600_000.0 / 16.0, "{longest:?}");
    }
}
