//! `FAULT[:SHAPE][=AMOUNT][@START][+DURATION][*TIMES]`.

use std::time::Duration;

use delivery_broker::ConfigError;
use delivery_history::manifest::Amount;

use crate::amount;
use crate::kind::{FaultKind, find_fault, find_shape};

/// Longest time that is taken, milliseconds: a year.
const MAX_MS: u64 = 366 * 24 * 60 * 60 * 1_000;

/// Most faults one list asks for.
pub(crate) const MAX_FAULTS: usize = 64;

/// A fault as asked for, its names checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRequest {
    /// Name of the fault (never an alias).
    pub fault: &'static str,
    /// Name of the shape.
    pub shape: &'static str,
    /// How much of it there is.
    pub amount: Option<Amount>,
    /// After the load began, milliseconds.
    pub start_ms: Option<u64>,
    /// Length, milliseconds.
    pub duration_ms: Option<u64>,
}

impl FaultRequest {
    /// Reads one fault of a `--faults` list.
    ///
    /// # Errors
    /// Unknown names, with the nearest valid ones; times that are none.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (rest, duration) = split_off(text, '+');
        let (rest, start) = split_off(rest, '@');
        let (rest, amount) = split_off(rest, '=');
        let (name, shape) = split_off(rest, ':');
        let kind = find_fault(name)?;
        let shape = find_shape(kind, shape)?;
        Ok(Self {
            fault: kind.name(),
            shape: shape.name,
            amount: amount.map(|amount| parse_amount(text, amount, kind)).transpose()?,
            start_ms: start.map(|time| parse_ms(text, time)).transpose()?,
            duration_ms: duration.map(|time| parse_ms(text, time)).transpose()?,
        })
    }

    /// Reads a whole `--faults` list; an empty one, or `none`, is no fault at all. `kill:consumer@5s+1s*3` is three
    /// faults, one after the other.
    ///
    /// # Errors
    /// As [`FaultRequest::parse`]; more than 64 faults.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ConfigError> {
        let text = text.trim();
        if text.is_empty() || text == "none" {
            return Ok(Vec::new());
        }
        let mut requests = Vec::new();
        for one in text.split(',').map(str::trim) {
            let (fault, times) = split_off(one, '*');
            let times = times.map_or(Ok(1), |times| parse_times(one, times))?;
            let first = Self::parse(fault)?;
            let again = Self { start_ms: None, ..first.clone() };
            requests.push(first);
            requests.extend(std::iter::repeat_n(again, times - 1));
            if requests.len() > MAX_FAULTS {
                return Err(too_many(one));
            }
        }
        Ok(requests)
    }

    /// As it is typed.
    pub fn typed(&self) -> String {
        let part =
            |mark: char, time_ms: Option<u64>| time_ms.map_or_else(String::new, |ms| format!("{mark}{}", time(ms)));
        let amount = self.amount.map_or_else(String::new, |amount| format!("={}", amount::typed(amount)));
        format!("{}{amount}{}{}", self.label(), part('@', self.start_ms), part('+', self.duration_ms))
    }

    /// `netsplit:leader`.
    pub fn label(&self) -> String {
        format!("{}:{}", self.fault, self.shape)
    }
}

/// A time as people write it.
pub(crate) fn time(time_ms: u64) -> String {
    if time_ms.is_multiple_of(1_000) { format!("{}s", time_ms / 1_000) } else { format!("{time_ms}ms") }
}

fn split_off(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn parse_times(fault: &str, times: &str) -> Result<usize, ConfigError> {
    times.parse().ok().filter(|times| (1..=MAX_FAULTS).contains(times)).ok_or_else(|| too_many(fault))
}

fn parse_amount(fault: &str, text: &str, kind: &dyn FaultKind) -> Result<Amount, ConfigError> {
    let invalid =
        |reason: String| ConfigError::Invalid { setting: format!("--faults {fault}"), value: text.to_owned(), reason };
    let like = kind.amount().ok_or_else(|| invalid(hits_whole(kind)))?;
    amount::parse(text, like).map_err(invalid)
}

/// What whoever gives a share to a fault without one is told.
pub(crate) fn hits_whole(kind: &dyn FaultKind) -> String {
    format!("{} hits whole and takes no share", kind.name())
}

fn too_many(fault: &str) -> ConfigError {
    ConfigError::Invalid {
        setting: String::from("--faults"),
        value: fault.to_owned(),
        reason: format!("1 to {MAX_FAULTS} faults make a list (`kill:leader*3` is three)"),
    }
}

fn parse_ms(fault: &str, time: &str) -> Result<u64, ConfigError> {
    let invalid =
        |reason: String| ConfigError::Invalid { setting: format!("--faults {fault}"), value: time.to_owned(), reason };
    time_ms(time).map_err(invalid)
}

/// A time as people write it, milliseconds.
///
/// # Errors
/// What is wrong with it, in words.
pub fn time_ms(time: &str) -> Result<u64, String> {
    let parsed: Duration =
        humantime::parse_duration(time).map_err(|error| format!("{error}; a time looks like 5s, 500ms or 1m"))?;
    let too_long = || String::from("no run lasts longer than a year; a time looks like 5s, 500ms or 1m");
    u64::try_from(parsed.as_millis()).ok().filter(|time_ms| *time_ms <= MAX_MS).ok_or_else(too_long)
}

#[cfg(test)]
mod tests {
    use super::FaultRequest;
    use delivery_history::manifest::Amount;
    use proptest::prelude::*;

    #[test]
    fn every_part_is_optional_but_the_name() {
        let full = FaultRequest::parse("netsplit:leader-clients@5s+20s").unwrap();
        assert_eq!((full.shape, full.start_ms, full.duration_ms), ("leader-clients", Some(5_000), Some(20_000)));
        let bare = FaultRequest::parse("partition").unwrap();
        assert_eq!((bare.fault, bare.shape, bare.start_ms, bare.duration_ms), ("netsplit", "leader", None, None));
        let late = FaultRequest::parse("netsplit+500ms").unwrap();
        assert_eq!((late.start_ms, late.duration_ms), (None, Some(500)));
    }

    #[test]
    fn mistakes_name_the_nearest_valid_word() {
        let message = |text| FaultRequest::parse(text).unwrap_err().to_string();
        assert!(message("netsplitt").starts_with("there is no fault `netsplitt`; nearest: netsplit"));
        assert!(message("netsplit:leeder").starts_with("there is no shape `leeder`; nearest: leader, leader-clients"));
        assert!(message("netsplit@soon").contains("a time looks like 5s"));
        assert!(message("netsplit@18446744073709551s+1s").contains("no run lasts longer than a year"));
        assert!(message("netsplit+367d").contains("no run lasts longer than a year"));
    }

    #[test]
    fn an_amount_is_taken_where_it_means_something() {
        let amount = |text: &str| FaultRequest::parse(text).map(|request| request.amount);
        assert_eq!(amount("loss=5@2s"), Ok(Some(Amount::Percent(5))));
        assert_eq!(amount("loss:nodes=30%+4s"), Ok(Some(Amount::Percent(30))));
        assert_eq!(amount("bandwidth=2mbit@2s+4s"), Ok(Some(Amount::KbitPerS(2_000))));
        assert_eq!(amount("delay:follower=200ms~20ms@2s"), Ok(Some(Amount::Delay { ms: 200, jitter_ms: 20 })));
        assert_eq!(amount("loss"), Ok(None));
        for text in ["loss=0", "loss=101", "loss=x", "netsplit=5", "bandwidth=0", "delay=late"] {
            assert!(amount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_fault_can_come_again() {
        let again = FaultRequest::parse_list("kill:leader@2s+3s*3,netsplit").unwrap();
        assert_eq!(again.iter().map(|one| one.start_ms).collect::<Vec<_>>(), [Some(2_000), None, None, None]);
        assert_eq!(again[2].duration_ms, Some(3_000));
        for text in ["kill*0", "kill*65", "kill*x", "kill*40,kill*40"] {
            assert!(FaultRequest::parse_list(text).unwrap_err().to_string().contains("1 to 64 faults"), "{text}");
        }
    }

    #[test]
    fn none_is_no_fault() {
        assert_eq!(FaultRequest::parse_list("none").unwrap(), []);
        assert_eq!(FaultRequest::parse_list("netsplit@1s+1s,netsplit@9s").unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,40}") {
            let _ = FaultRequest::parse_list(&text);
        }

        #[test]
        fn times_are_kept_exactly(start in 0u64..1_000_000, length in 1u64..1_000_000) {
            let parsed = FaultRequest::parse(&format!("netsplit@{start}ms+{length}ms")).unwrap();
            prop_assert_eq!((parsed.start_ms, parsed.duration_ms), (Some(start), Some(length)));
            prop_assert_eq!(FaultRequest::parse(&parsed.typed()).unwrap(), parsed);
        }
    }
}
