//! How much of a fault there is: as typed, as written into a schedule file, and as drawn.

use delivery_history::manifest::Amount;

use crate::request::{time, time_ms};

/// Widest link that can be asked for, kbit a second.
const MOST_KBIT_PER_S: u32 = 1_000_000;
/// Longest delay, milliseconds.
const LONGEST_DELAY_MS: u32 = 60_000;
/// Jitter of a delay for which nobody gives one: a quarter of it.
const JITTER_PART: u32 = 4;
/// Shares that are drawn, percent.
const DRAWN_PERCENT: std::ops::RangeInclusive<u32> = 20..=90;
/// Bandwidths that are drawn, kbit a second.
const DRAWN_KBIT_PER_S: std::ops::RangeInclusive<u32> = 16..=256;
/// Delays that are drawn, milliseconds: long enough to be felt where somebody waits for an answer.
const DRAWN_DELAY_MS: std::ops::RangeInclusive<u32> = 300..=1_500;

/// Reads what stands behind the `=`, in the unit of `like`.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(crate) fn parse(text: &str, like: Amount) -> Result<Amount, String> {
    match like {
        Amount::Percent(_) => percent(text.trim_end_matches('%').parse().ok()),
        Amount::KbitPerS(_) => {
            let (number, times) = match text.strip_suffix("mbit") {
                Some(number) => (number, 1_000),
                None => (text.strip_suffix("kbit").unwrap_or(text), 1),
            };
            kbit_per_s(number.parse::<u32>().ok().and_then(|number| number.checked_mul(times)))
        }
        Amount::Delay { .. } => {
            let (delay, jitter) = text.split_once('~').map_or((text, None), |(delay, jitter)| (delay, Some(jitter)));
            delay_of(delay, jitter)
        }
    }
}

/// A share.
///
/// # Errors
/// When it is none.
pub(crate) fn percent(share: Option<u32>) -> Result<Amount, String> {
    let share = share.filter(|share| (1..=100).contains(share));
    share.map(Amount::Percent).ok_or_else(|| String::from("a share is 1 to 100 percent"))
}

/// A bandwidth.
///
/// # Errors
/// When it is none.
pub(crate) fn kbit_per_s(rate: Option<u32>) -> Result<Amount, String> {
    let rate = rate.filter(|rate| (1..=MOST_KBIT_PER_S).contains(rate));
    let wrong = || format!("a bandwidth is 1 to {MOST_KBIT_PER_S} kbit a second (`64`, `64kbit`, `2mbit`)");
    rate.map(Amount::KbitPerS).ok_or_else(wrong)
}

/// A delay; its jitter is a quarter of it where none is given.
///
/// # Errors
/// When it is none.
pub(crate) fn delay_of(delay: &str, jitter: Option<&str>) -> Result<Amount, String> {
    let read = |text: &str| match text.parse::<u64>() {
        Ok(number) => Ok(number),
        Err(_) => time_ms(text),
    };
    let in_range = |ms: u64| u32::try_from(ms).ok().filter(|ms| *ms <= LONGEST_DELAY_MS);
    let wrong =
        || format!("a delay is 1 to {LONGEST_DELAY_MS} ms, its jitter no longer than it (`200ms`, `200ms~50ms`)");
    let ms = in_range(read(delay)?).filter(|ms| *ms > 0).ok_or_else(wrong)?;
    let jitter_ms = match jitter {
        None => ms / JITTER_PART,
        Some(jitter) => in_range(read(jitter)?).filter(|jitter_ms| *jitter_ms <= ms).ok_or_else(wrong)?,
    };
    Ok(Amount::Delay { ms, jitter_ms })
}

/// As it is typed behind the `=`.
pub(crate) fn typed(amount: Amount) -> String {
    match amount {
        Amount::Percent(share) => share.to_string(),
        Amount::KbitPerS(rate) => format!("{rate}kbit"),
        Amount::Delay { ms, jitter_ms } => format!("{}~{}", time(ms.into()), time(jitter_ms.into())),
    }
}

/// Its lines in a schedule file.
pub(crate) fn to_toml(amount: Amount) -> String {
    match amount {
        Amount::Percent(share) => format!("percent = {share}\n"),
        Amount::KbitPerS(rate) => format!("kbit_per_s = {rate}\n"),
        Amount::Delay { ms, jitter_ms } => {
            format!("delay = \"{}\"\njitter = \"{}\"\n", time(ms.into()), time(jitter_ms.into()))
        }
    }
}

/// Whether both are given in the same unit.
pub(crate) fn is_like(one: Amount, other: Amount) -> bool {
    std::mem::discriminant(&one) == std::mem::discriminant(&other)
}

/// Draws one in the unit of `like`.
pub(crate) fn draw(random: &mut fastrand::Rng, like: Amount) -> Amount {
    match like {
        Amount::Percent(_) => Amount::Percent(random.u32(DRAWN_PERCENT)),
        Amount::KbitPerS(_) => Amount::KbitPerS(random.u32(DRAWN_KBIT_PER_S)),
        Amount::Delay { .. } => {
            let ms = random.u32(DRAWN_DELAY_MS);
            Amount::Delay { ms, jitter_ms: ms / JITTER_PART }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Amount = Amount::Percent(1);
    const RATE: Amount = Amount::KbitPerS(1);
    const LATE: Amount = Amount::Delay { ms: 1, jitter_ms: 0 };

    #[test]
    fn each_is_read_in_the_words_users_of_tc_expect() {
        assert_eq!(parse("30%", SHARE), Ok(Amount::Percent(30)));
        for text in ["64", "64kbit"] {
            assert_eq!(parse(text, RATE), Ok(Amount::KbitPerS(64)), "{text}");
        }
        assert_eq!(parse("2mbit", RATE), Ok(Amount::KbitPerS(2_000)));
        for text in ["200", "200ms", "200ms~50ms", "200~50"] {
            assert_eq!(parse(text, LATE), Ok(Amount::Delay { ms: 200, jitter_ms: 50 }), "{text}");
        }
        assert_eq!(parse("1s~0", LATE), Ok(Amount::Delay { ms: 1_000, jitter_ms: 0 }));
    }

    #[test]
    fn what_is_no_amount_is_told_what_would_be_one() {
        for (text, like, told) in [
            ("0", SHARE, "1 to 100 percent"),
            ("101", SHARE, "1 to 100 percent"),
            ("0", RATE, "1 to 1000000 kbit"),
            ("9999999mbit", RATE, "1 to 1000000 kbit"),
            ("fast", RATE, "1 to 1000000 kbit"),
            ("0ms", LATE, "1 to 60000 ms"),
            ("2m", LATE, "1 to 60000 ms"),
            ("20ms~30ms", LATE, "no longer than it"),
            ("late", LATE, "a time looks like"),
        ] {
            let problem = parse(text, like).unwrap_err();
            assert!(problem.contains(told), "{text}: {problem}");
        }
    }

    #[test]
    fn what_is_drawn_can_be_typed() {
        let mut random = fastrand::Rng::with_seed(1);
        for like in [SHARE, RATE, LATE] {
            for _ in 0..100 {
                let drawn = draw(&mut random, like);
                assert_eq!(parse(&typed(drawn), like), Ok(drawn));
            }
        }
    }
}
