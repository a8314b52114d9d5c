//! From moments and values to places in a picture.

use delivery_checks::Picture;

/// Width and height of a picture.
pub(super) const SIZE: (f64, f64) = (960.0, 296.0);
/// Where time begins and ends.
pub(super) const TIME: (f64, f64) = (78.0, 938.0);
/// Top and bottom of the part that shows messages a second.
pub(super) const RATES: (f64, f64) = (52.0, 172.0);
/// Top and bottom of the part that shows lost messages.
pub(super) const LOST: (f64, f64) = (180.0, 192.0);
/// Top and bottom of the part that shows times.
pub(super) const TIMES: (f64, f64) = (206.0, 270.0);
/// Middle of the first line of marks of what nodes told of, and how far the next ones are apart.
pub(super) const MARKS: (f64, f64) = (7.0, 11.0);

/// Where moments stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeScale {
    length_ms: f64,
    bin_ms: f64,
}

impl TimeScale {
    pub(super) fn of(picture: &Picture) -> Self {
        let bin_ms = picture.bin_ms.max(1) as f64;
        Self { length_ms: bin_ms * picture.bins.max(1) as f64, bin_ms }
    }

    /// A moment, milliseconds after the load began; those outside of the picture stand at its edge.
    pub(super) fn x(&self, at_ms: f64) -> f64 {
        TIME.0 + (at_ms / self.length_ms).clamp(0.0, 1.0) * (TIME.1 - TIME.0)
    }

    /// Where a stretch begins.
    pub(super) fn bin(&self, bin: usize) -> f64 {
        self.x(bin as f64 * self.bin_ms)
    }

    /// Whether a moment is in the picture.
    pub(super) fn holds(&self, at_ms: f64) -> bool {
        (0.0..=self.length_ms).contains(&at_ms)
    }

    /// Round seconds, at most a dozen of them.
    pub(super) fn ticks_s(&self) -> Vec<f64> {
        let length_s = self.length_ms / 1e3;
        let step_s = round_up(length_s / 11.0);
        (0..12).map(|tick| f64::from(tick) * step_s).filter(|at_s| *at_s <= length_s).collect()
    }
}

/// A scale from nothing at the bottom to a round number at the top.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinearScale {
    pub(super) top: f64,
}

impl LinearScale {
    /// Up to `largest`, rounded up.
    pub(super) fn up_to(largest: f64) -> Self {
        Self { top: round_up(largest.max(1e-9)) }
    }

    /// Where a value stands; what is larger is cut off.
    pub(super) fn y(&self, value: f64) -> f64 {
        RATES.1 - (value / self.top).clamp(0.0, 1.0) * (RATES.1 - RATES.0)
    }
}

/// A scale of decades.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogScale {
    low: i32,
    high: i32,
}

impl LogScale {
    /// Decades around all of `values`, milliseconds.
    pub(super) fn around(values: impl Iterator<Item = f64>) -> Self {
        let decades = values.map(|value| value.max(0.01).log10());
        let (low, high) = decades.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self { low: 0, high: 1 };
        }
        let (low, high) = (low.floor() as i32, high.ceil() as i32);
        Self { low, high: high.max(low + 1) }
    }

    pub(super) fn y(&self, value_ms: f64) -> f64 {
        let decade = value_ms.max(0.01).log10();
        let share = (decade - f64::from(self.low)) / f64::from(self.high - self.low);
        TIMES.1 - share.clamp(0.0, 1.0) * (TIMES.1 - TIMES.0)
    }

    /// Its decades: all of them, or the lowest, one in the middle and the highest.
    pub(super) fn decades(&self) -> Vec<i32> {
        if self.high - self.low <= 3 {
            return (self.low..=self.high).collect();
        }
        vec![self.low, self.low + (self.high - self.low) / 2, self.high]
    }
}

/// The next of 1, 2, 5, 10, 20 ...
fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * decade >= value * 0.999_999);
    factor.unwrap_or(10.0) * decade
}

#[cfg(test)]
mod tests {
    use super::{LinearScale, LogScale, TIMES, TimeScale};
    use delivery_checks::Picture;

    #[test]
    fn ends_of_scales_are_round() {
        let tops = [0.0, 1.0, 1.1, 990.0, 1_000.0, 1_001.0, 4_999.0].map(|largest| LinearScale::up_to(largest).top);
        assert_eq!(tops[1..], [1.0, 2.0, 1_000.0, 1_000.0, 2_000.0, 5_000.0]);
        let scale = LogScale::around([0.3, 40.0].into_iter());
        assert_eq!(scale.decades(), [-1, 0, 1, 2]);
        assert!((scale.y(0.1) - TIMES.1).abs() < 1e-9 && (scale.y(1e9) - TIMES.0).abs() < 1e-9);
        assert_eq!(LogScale::around([0.0, 1e7].into_iter()).decades(), [-2, 2, 7]);
        assert_eq!(LogScale::around(std::iter::empty()).decades(), [0, 1]);
    }

    #[test]
    fn ticks_are_few_and_inside() {
        for bins in [1, 40, 200, 240] {
            let time = TimeScale::of(&Picture { bin_ms: 200, bins, ..Picture::default() });
            let ticks = time.ticks_s();
            assert!((1..=12).contains(&ticks.len()), "{ticks:?}");
            assert!(ticks.iter().all(|at_s| time.holds(at_s * 1e3)), "{ticks:?}");
        }
    }
}
