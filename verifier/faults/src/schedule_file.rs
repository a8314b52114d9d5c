//! A schedule as a TOML file: read with the place of every mistake, and written so that it reads back the same.

use std::fmt::Write as _;
use std::ops::Range;

use delivery_history::manifest::{Amount, Fault};
use serde::Deserialize;
use toml::Spanned;

use crate::amount;
use crate::excerpt::Place;
use crate::kind::{FaultKind, find_fault, find_shape};
use crate::request::{FaultRequest, MAX_FAULTS, hits_whole, time, time_ms};

/// Largest file that is read, bytes.
const MAX_BYTES: usize = 1 << 20;

/// A schedule as it stands in a file: names checked, times that are missing left to the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Length of the load, milliseconds; nothing is what the faults need.
    pub load_ms: Option<u64>,
    /// The faults, in the order of the file.
    pub faults: Vec<FaultRequest>,
}

/// A mistake in a schedule file, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {problem}{excerpt}")]
pub struct ScheduleFileError {
    /// Name of the file, as the user gave it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub problem: String,
    /// The line with the mistake marked; may be empty.
    pub excerpt: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    load: Option<Spanned<String>>,
    #[serde(default)]
    fault: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: Spanned<String>,
    shape: Option<Spanned<String>>,
    start: Option<Spanned<String>>,
    length: Option<Spanned<String>>,
    percent: Option<Spanned<i64>>,
    kbit_per_s: Option<Spanned<i64>>,
    delay: Option<Spanned<String>>,
    jitter: Option<Spanned<String>>,
}

/// A mistake with the bytes it is made in.
type Mistake = (Range<usize>, String);

impl Schedule {
    /// Reads `text`, which stands in the file called `file`.
    ///
    /// # Errors
    /// The first mistake, with its place: no TOML, an unknown key, fault or shape, a time or share that is none, too many faults.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScheduleFileError> {
        read(text).map_err(|(at, problem)| {
            let Place { line, column, excerpt } = Place::of(text, &at);
            ScheduleFileError { file: file.to_owned(), line, column, problem, excerpt }
        })
    }

    /// The schedule of a run, with every time it was planned with.
    ///
    /// # Errors
    /// A name this version does not know.
    pub fn of_run(load_ms: u64, faults: &[Fault]) -> Result<Self, delivery_broker::ConfigError> {
        let request = |fault: &Fault| {
            let kind = find_fault(&fault.fault)?;
            Ok(FaultRequest {
                fault: kind.name(),
                shape: find_shape(kind, Some(&fault.shape))?.name,
                amount: fault.amount,
                start_ms: Some(fault.start_ms),
                duration_ms: Some(fault.duration_ms),
            })
        };
        let faults: Result<Vec<FaultRequest>, delivery_broker::ConfigError> = faults.iter().map(request).collect();
        Ok(Self { load_ms: Some(load_ms), faults: faults? })
    }

    /// The text of a file that reads back as this schedule.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("# A schedule of faults: `verify SYSTEM --schedule FILE` runs it.\n");
        if let Some(load_ms) = self.load_ms {
            let _ = writeln!(text, "load = \"{}\"", time(load_ms));
        }
        for fault in &self.faults {
            let _ = write!(text, "\n[[fault]]\nkind = \"{}\"\nshape = \"{}\"\n", fault.fault, fault.shape);
            for (name, time_ms) in [("start", fault.start_ms), ("length", fault.duration_ms)] {
                if let Some(time_ms) = time_ms {
                    let _ = writeln!(text, "{name} = \"{}\"", time(time_ms));
                }
            }
            text.extend(fault.amount.map(amount::to_toml));
        }
        text
    }
}

fn read(text: &str) -> Result<Schedule, Mistake> {
    if text.len() > MAX_BYTES {
        return Err((0..0, format!("a schedule has at most {MAX_BYTES} bytes, and this file has {}", text.len())));
    }
    let file: File =
        toml::from_str(text).map_err(|error| (error.span().unwrap_or(0..0), error.message().trim().to_owned()))?;
    if let Some(beyond) = file.fault.get(MAX_FAULTS) {
        return Err((beyond.span(), format!("a schedule has at most {MAX_FAULTS} faults; this one is too many")));
    }
    let load_ms = file.load.as_ref().map(read_time).transpose()?;
    let faults: Result<Vec<FaultRequest>, Mistake> = file.fault.iter().map(|entry| request(entry.get_ref())).collect();
    Ok(Schedule { load_ms, faults: faults? })
}

fn request(entry: &Entry) -> Result<FaultRequest, Mistake> {
    let at = |spanned: &Spanned<String>| spanned.span();
    let kind = find_fault(entry.kind.get_ref()).map_err(|error| (at(&entry.kind), error.to_string()))?;
    let shape = match &entry.shape {
        None => find_shape(kind, None).map_err(|error| (at(&entry.kind), error.to_string()))?,
        Some(named) => find_shape(kind, Some(named.get_ref())).map_err(|error| (at(named), error.to_string()))?,
    };
    Ok(FaultRequest {
        fault: kind.name(),
        shape: shape.name,
        amount: read_amount(entry, kind)?,
        start_ms: entry.start.as_ref().map(read_time).transpose()?,
        duration_ms: entry.length.as_ref().map(read_time).transpose()?,
    })
}

fn read_time(text: &Spanned<String>) -> Result<u64, Mistake> {
    time_ms(text.get_ref()).map_err(|problem| (text.span(), problem))
}

/// The amount, in whichever unit it is given; it has to be the one of the fault.
fn read_amount(entry: &Entry, kind: &dyn FaultKind) -> Result<Option<Amount>, Mistake> {
    let number = |given: &Spanned<i64>| u32::try_from(*given.get_ref()).ok();
    let mut read: Vec<(Range<usize>, Result<Amount, String>)> = Vec::new();
    read.extend(entry.percent.as_ref().map(|given| (given.span(), amount::percent(number(given)))));
    read.extend(entry.kbit_per_s.as_ref().map(|given| (given.span(), amount::kbit_per_s(number(given)))));
    let jitter = entry.jitter.as_ref().map(|jitter| jitter.get_ref().as_str());
    read.extend(entry.delay.as_ref().map(|given| (given.span(), amount::delay_of(given.get_ref(), jitter))));
    if let (None, Some(jitter)) = (&entry.delay, &entry.jitter) {
        return Err((jitter.span(), String::from("jitter goes with a `delay`")));
    }
    let mut amounts = read.into_iter();
    let Some((at, first)) = amounts.next() else { return Ok(None) };
    if let Some((at, _)) = amounts.next() {
        return Err((at, String::from("a fault has one amount, and this is another")));
    }
    let like = kind.amount().ok_or_else(|| (at.clone(), hits_whole(kind)))?;
    let amount = first.map_err(|problem| (at.clone(), problem))?;
    if !amount::is_like(amount, like) {
        let example = amount::to_toml(like);
        let problem =
            format!("this is not what {} is measured by; it looks like `{}`", kind.name(), example.trim_end());
        return Err((at, problem.replace('\n', "`, `")));
    }
    Ok(Some(amount))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kind::ALL;

    const FULL: &str = "load = \"30s\"\n\n[[fault]]\nkind = \"partition\"\nshape = \"leader-clients\"\nstart = \"5s\"\nlength = \"500ms\"\n\n[[fault]]\nkind = \"loss\"\npercent = 30\n";

    fn told(text: &str) -> String {
        Schedule::parse("cuts.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn everything_but_the_kind_may_be_left_out() {
        let schedule = Schedule::parse("cuts.toml", FULL).unwrap();
        assert_eq!(schedule.load_ms, Some(30_000));
        let [cut, loss] = &schedule.faults[..] else { panic!() };
        assert_eq!(
            (cut.fault, cut.shape, cut.start_ms, cut.duration_ms),
            ("netsplit", "leader-clients", Some(5_000), Some(500))
        );
        assert_eq!(
            (loss.fault, loss.shape, loss.amount, loss.start_ms),
            ("loss", "leader", Some(Amount::Percent(30)), None)
        );
        assert_eq!(Schedule::parse("cuts.toml", "").unwrap(), Schedule::default());
    }

    #[test]
    fn a_mistake_is_reported_with_its_place() {
        let of_fault = |line: &str| told(&format!("[[fault]]\nkind = \"loss\"\n{line}\n"));
        assert_eq!(of_fault("start = \"soon\"").split(": ").next(), Some("cuts.toml:3:9"));
        assert!(of_fault("length = \"400d\"").starts_with("cuts.toml:3:10: no run lasts longer than a year"));
        assert!(
            of_fault("shape = \"leeder\"").starts_with("cuts.toml:3:9: there is no shape `leeder`; nearest: leader")
        );
        assert!(of_fault("percent = 101").starts_with("cuts.toml:3:11: a share is 1 to 100 percent"));
        assert!(of_fault("percent = -1").starts_with("cuts.toml:3:11: a share"));
        assert!(of_fault("kbit_per_s = 64").starts_with("cuts.toml:3:14: this is not what loss is measured by"));
        assert!(of_fault("percent = 5\nkbit_per_s = 64").starts_with("cuts.toml:4:14: a fault has one amount"));
        assert!(of_fault("jitter = \"1s\"").starts_with("cuts.toml:3:10: jitter goes with a `delay`"));
        assert!(of_fault("delay = \"2m\"").starts_with("cuts.toml:3:9: a delay is 1 to 60000 ms"));
        assert!(
            of_fault("lenght = \"1s\"").starts_with("cuts.toml:3:1: unknown field `lenght`"),
            "{}",
            of_fault("lenght = \"1s\"")
        );
        assert!(of_fault("é = \"1s\" x").starts_with("cuts.toml:3:"));
        assert!(
            told("[[fault]]\nkind = \"netsplt\"")
                .starts_with("cuts.toml:2:8: there is no fault `netsplt`; nearest: netsplit")
        );
        assert!(told("[[fault]]\nkind = \"kill\"\npercent = 5").starts_with("cuts.toml:3:11: kill hits whole"));
        assert!(told("[[fault]]\nshape = \"leader\"").contains("missing field `kind`"));
        assert!(told("load = \"1s\" load").starts_with("cuts.toml:1:13"), "{}", told("load = \"1s\" load"));
        let many = "[[fault]]\nkind = \"kill\"\n".repeat(MAX_FAULTS + 1);
        assert!(
            told(&many).starts_with(&format!("cuts.toml:{}:1: a schedule has at most 64 faults", 2 * MAX_FAULTS + 1)),
            "{}",
            told(&many)
        );
    }

    fn faults() -> impl Strategy<Value = FaultRequest> {
        let time = || proptest::option::of(0u64..1_000_000);
        (0..ALL.len(), any::<prop::sample::Index>(), any::<Option<u64>>(), time(), time()).prop_map(
            |(kind, shape, seed, start_ms, duration_ms)| FaultRequest {
                fault: ALL[kind].name(),
                shape: shape.get(ALL[kind].shapes()).name,
                amount: seed
                    .and_then(|seed| Some(amount::draw(&mut fastrand::Rng::with_seed(seed), ALL[kind].amount()?))),
                start_ms,
                duration_ms,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(
            load_ms in proptest::option::of(0u64..1_000_000), faults in proptest::collection::vec(faults(), 0..6),
        ) {
            let schedule = Schedule { load_ms, faults };
            prop_assert_eq!(Schedule::parse("again.toml", &schedule.to_toml()), Ok(schedule));
        }

        #[test]
        fn a_spoilt_file_is_read_or_refused_with_a_place_in_it(at in 0..FULL.len(), put in "[ -~é\n]{0,3}", cut in 0usize..4) {
            let mut text = FULL.to_owned();
            text.replace_range(at..(at + cut).min(FULL.len()), &put);
            if let Err(error) = Schedule::parse("f", &text) {
                prop_assert!((1..=text.matches('\n').count() + 1).contains(&error.line), "{}", error);
                prop_assert!(error.column >= 1 && !error.problem.is_empty());
            }
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
            let _ = Schedule::parse("f", &text);
        }
    }
}
