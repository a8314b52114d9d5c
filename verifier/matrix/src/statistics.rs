//! How sure k of n is.

/// Coverage of an interval, in parts of one.
const CONFIDENCE: f64 = 0.95;
/// Halvings of an interval of length 1: beyond what a double tells apart.
const HALVINGS: u32 = 60;
/// Terms of the continued fraction, at most; it converges in a few dozen.
const MAX_TERMS: u32 = 400;

/// The exact interval (Clopper and Pearson, 1934) of a share of which `shown` of `of` trials were seen, at 95 %.
/// Nothing tried says nothing: 0 to 1.
pub fn clopper_pearson(shown: u32, of: u32) -> (f64, f64) {
    let shown = shown.min(of);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let (k, n) = (f64::from(shown), f64::from(of));
    let low = if shown == 0 { 0.0 } else { beta_quantile(tail, k, n - k + 1.0) };
    let high = if shown == of { 1.0 } else { beta_quantile(1.0 - tail, k + 1.0, n - k) };
    (low, high)
}

/// Where the beta distribution reaches `probability`: by halving, as it only grows.
fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..HALVINGS {
        let middle = low + (high - low) / 2.0;
        if incomplete_beta(middle, a, b) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    low + (high - low) / 2.0
}

/// The regularized incomplete beta function I_x(a, b), a and b at least 1 (DLMF 8.17).
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let ln_front = a * x.ln() + b * (-x).ln_1p() - ln_beta(a, b);
    // The fraction converges fast below the mean; above, the symmetry I_x(a, b) = 1 - I_(1-x)(b, a) helps.
    if x < (a + 1.0) / (a + b + 2.0) {
        (ln_front.exp() * beta_fraction(x, a, b) / a).clamp(0.0, 1.0)
    } else {
        (1.0 - ln_front.exp() * beta_fraction(1.0 - x, b, a) / b).clamp(0.0, 1.0)
    }
}

/// The continued fraction of DLMF 8.17.22, by Lentz's method.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let not_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for term in 1..=MAX_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / not_zero(1.0 + even * d);
        c = not_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / not_zero(1.0 + odd * d);
        c = not_zero(1.0 + odd / c);
        let step = d * c;
        fraction *= step;
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// ln B(a, b) for whole a and b: sums of logarithms are exact enough, and counts are small.
fn ln_beta(a: f64, b: f64) -> f64 {
    ln_factorial(a - 1.0) + ln_factorial(b - 1.0) - ln_factorial(a + b - 1.0)
}

fn ln_factorial(n: f64) -> f64 {
    let mut sum = 0.0;
    let mut factor = 2.0;
    while factor <= n {
        sum += factor.ln();
        factor += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::clopper_pearson;

    /// P(X >= k) of a binomial distribution, summed term by term.
    fn at_least(k: u32, n: u32, share: f64) -> f64 {
        (k..=n).map(|i| term(i, n, share)).sum()
    }

    fn term(k: u32, n: u32, share: f64) -> f64 {
        let ways = (1..=k).fold(1.0, |ways, i| ways * f64::from(n - k + i) / f64::from(i));
        ways * share.powi(k as i32) * (1.0 - share).powi((n - k) as i32)
    }

    #[test]
    fn known_intervals_are_met() {
        let near = |(low, high): (f64, f64), expected: (f64, f64)| {
            assert!((low - expected.0).abs() < 5e-5 && (high - expected.1).abs() < 5e-5, "{low} {high} {expected:?}");
        };
        near(clopper_pearson(0, 0), (0.0, 1.0));
        // Closed forms at the ends: 1 - 0.025^(1/n).
        near(clopper_pearson(0, 3), (0.0, 1.0 - 0.025_f64.powf(1.0 / 3.0)));
        near(clopper_pearson(3, 3), (0.025_f64.powf(1.0 / 3.0), 1.0));
        near(clopper_pearson(5, 10), (0.1871, 0.8129));
        near(clopper_pearson(9, 9), (0.025_f64.powf(1.0 / 9.0), 1.0));
    }

    proptest! {
        /// At the lower end as many or more are just unlikely enough, at the upper end as few or fewer.
        #[test]
        fn ends_are_where_the_exact_sums_say(n in 1u32..120, share in 0.0f64..=1.0) {
            let k = (share * f64::from(n)).round() as u32;
            let (low, high) = clopper_pearson(k, n);
            prop_assert!((0.0..=1.0).contains(&low) && low <= high && high <= 1.0);
            let seen = f64::from(k) / f64::from(n);
            prop_assert!(low <= seen && seen <= high);
            if k > 0 {
                prop_assert!((at_least(k, n, low) - 0.025).abs() < 1e-9, "{}", at_least(k, n, low));
            }
            if k < n {
                let at_most = 1.0 - at_least(k + 1, n, high);
                prop_assert!((at_most - 0.025).abs() < 1e-9, "{at_most}");
            }
        }
    }
}
