//! What stands on a line of the journal.

use std::collections::BTreeMap;

use delivery_checks::judgement::{Guarantee, Verdict};
use delivery_claims::{Overall, Standing};
use serde::{Deserialize, Serialize};

/// Version of the journal: fields may be added under one, a change of meaning makes it another.
pub const JOURNAL_FORMAT: u32 = 1;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// The first line: which matrix. It stands there again, with a later time, each time the matrix was resumed.
    Matrix(MatrixEntry),
    /// A cell that is to be run, or that is listed and not run. All of them stand before the first attempt.
    Cell(CellEntry),
    /// A run in which a cell was a lane, and what was seen of it.
    Attempt(Attempt),
    /// What a cell came to; the last one of a cell counts.
    Result(CellResult),
    /// Directories of runs that were cut down to `run.json` and `findings.json`, relative to the matrix's directory.
    Pruned {
        /// Which.
        runs: Vec<String>,
    },
    /// The matrix ended by itself: every cell has its result.
    Ended {
        /// Wall-clock time, RFC 3339.
        at: String,
    },
}

/// Which matrix this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixEntry {
    /// [`JOURNAL_FORMAT`].
    pub format: u32,
    /// Name of the matrix: that of its file, without `.toml`.
    pub name: String,
    /// Version of this program.
    pub tool_version: String,
    /// Wall-clock start, RFC 3339.
    pub started_at: String,
    /// Number that every seed is drawn from.
    pub seed: u64,
}

/// One configuration under one fault, with what is expected of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellEntry {
    /// Its name, unique in the matrix: `K2/kafka-4.1.1/fast/netsplit:leader`.
    pub name: String,
    /// The row of the file it comes from (`K2`); several cells share one where a list was expanded.
    pub row: String,
    /// What the row shows, in words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// `kafka`, `rabbitmq`, `pubsub`.
    pub system: String,
    /// Version of the product as asked for; none is the system's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Preset it starts from.
    pub preset: String,
    /// Settings on top of it, by full name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Faults, as `--faults` takes them.
    pub faults: String,
    /// `vendor` or `short`.
    pub timings: String,
    /// Name of its lane in a run: `fast`, `default+acks=1`. Empty where it is not run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lane: String,
    /// How often it is run.
    pub repeat: u32,
    /// What is expected: by guarantee (`durability`), kind of finding (`undelivered`), `label`, `standing` or `verdict`, the values
    /// that agree (`holds`, `violated`; `some`, `none`; `unavailable-safe`). Empty where nothing is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expected: BTreeMap<String, Vec<String>>,
    /// Why it is listed and not run; none where it is run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_run: Option<String>,
}

/// Why a run was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It was due.
    Due,
    /// The clients did not get up to their rate beside other cells: again alone.
    Saturated,
    /// It contradicted what was expected: again alone before that is published.
    Surprise,
    /// It was inconclusive: `--retries`.
    Retry,
}

/// One run, seen from one of the cells that were its lanes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// [`CellEntry::name`].
    pub cell: String,
    /// Which of the cell's repetitions, from 1.
    pub repetition: u32,
    /// Which run of this repetition, from 1.
    pub attempt: u32,
    /// Why it was made.
    pub cause: Cause,
    /// Directory of the run relative to the matrix's own (`runs/kafka-...`); none where it did not get that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The cell had the cluster to itself.
    pub alone: bool,
    /// Its clients did not get up to the rate they were asked for before the fault.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub saturated: bool,
    /// What was seen; none where there was nothing to judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// Against what is expected.
    pub comparison: Comparison,
    /// Why it is inconclusive or surprising, the gravest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Wall-clock length of the whole run with its judging, milliseconds.
    pub took_ms: u64,
    /// Wall-clock time of its end, RFC 3339.
    pub at: String,
}

/// What was seen of a lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// What its claims and requirements come to.
    pub verdict: Overall,
    /// How it stands.
    pub standing: Standing,
    /// `CP`, `AP`, `neither`, `unavailable-safe`, `not shown` and so on.
    pub label: String,
    /// Every guarantee that applies.
    pub guarantees: BTreeMap<Guarantee, Verdict>,
    /// How many messages show each kind of finding; those that none shows are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub findings: BTreeMap<String, u64>,
    /// Sends invoked.
    pub sent: u64,
    /// Sends acked; 0 where the configuration asks for no ack.
    pub acked: u64,
}

/// An observation against what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// All that was expected was seen.
    Agreed,
    /// Something else was seen.
    Surprising,
    /// Something that was expected could not be shown either way.
    Inconclusive,
    /// Nothing was expected, and it was judged.
    NotExpected,
}

/// What a cell came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellStatus {
    /// As expected wherever it was shown, and it was shown: an expected violation in one run at least, anything else in all.
    Agreed,
    /// Otherwise than expected, and again so when it was run alone, or with messages for witnesses.
    Surprising,
    /// Something that is expected was not shown either way in any run.
    Inconclusive,
    /// Judged, with nothing expected of it.
    Judged,
    /// Listed and not run, or not any more; the reason says why.
    NotRun,
}

/// In how many of the runs something was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// A guarantee, a kind of finding, `label`, `standing` or `verdict`.
    pub subject: String,
    /// What was looked for: `violated`, `some`, `CP`.
    pub value: String,
    /// Runs that showed it.
    pub shown: u32,
    /// Runs that showed it or something else; those in which the subject was inconclusive do not count.
    pub of: u32,
    /// Lower end of the exact (Clopper-Pearson) interval of its share at 95 %, 0 to 1.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What a cell came to over its repetitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellResult {
    /// [`CellEntry::name`].
    pub cell: String,
    /// How it stands.
    pub status: CellStatus,
    /// The runs it rests on, one a repetition, relative to the matrix's directory. Attempts that are not here are still in the
    /// journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<String>,
    /// How often each expected thing was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Why, where it is anything but agreed; the gravest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}
