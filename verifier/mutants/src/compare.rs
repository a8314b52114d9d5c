//! Running rows, and where what was found differs from what was expected.

use delivery_checks::{FindingKind, Guarantee, Options, Verdict};

use crate::row::{Expected, Found, Nature, Row, RowError};

/// What came of one row.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The row.
    pub row: Row,
    /// What was found.
    pub found: Found,
    /// What should have been found, or left open, and was not.
    pub missed: Vec<String>,
    /// What should not have been found, or held against a guarantee, and was.
    pub false_alarms: Vec<String>,
}

impl Outcome {
    /// Everything is as expected.
    pub fn agreed(&self) -> bool {
        self.missed.is_empty() && self.false_alarms.is_empty()
    }
}

/// How many rows came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows in which something is broken.
    pub broken: usize,
    /// Of those: caught, exactly.
    pub caught: usize,
    /// Rows that prove nothing.
    pub doubtful: usize,
    /// Of those: left open, exactly.
    pub left_open: usize,
    /// Correct rows.
    pub correct: usize,
    /// Of those: left alone.
    pub left_alone: usize,
    /// Rows with something missed.
    pub missed: usize,
    /// Rows with a false alarm.
    pub false_alarms: usize,
}

impl Totals {
    /// Counts the rows.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut totals = Self::default();
        for outcome in outcomes {
            let (rows, agreed) = match outcome.row.nature {
                Nature::Broken => (&mut totals.broken, &mut totals.caught),
                Nature::Doubtful => (&mut totals.doubtful, &mut totals.left_open),
                Nature::Correct => (&mut totals.correct, &mut totals.left_alone),
            };
            *rows += 1;
            *agreed += usize::from(outcome.agreed());
            totals.missed += usize::from(!outcome.missed.is_empty());
            totals.false_alarms += usize::from(!outcome.false_alarms.is_empty());
        }
        totals
    }

    /// Every row agreed.
    pub fn all_agreed(&self) -> bool {
        self.missed + self.false_alarms == 0
    }
}

/// Judges the history of a row with these options.
///
/// # Errors
/// See [`Row::history`].
pub fn run(row: &Row, options: &Options) -> Result<Outcome, RowError> {
    let judgement = row.history()?.judge(options);
    let lane = judgement.lanes.first();
    let found = lane.map(Found::of).unwrap_or_default();
    let (mut missed, mut false_alarms) = (Vec::new(), Vec::new());
    compare_findings(&row.expected, &found, &mut missed, &mut false_alarms);
    compare_verdicts(&row.expected, &found, &mut missed, &mut false_alarms);
    if lane.is_none() {
        missed.push(String::from("no lane was judged"));
    }
    Ok(Outcome { row: row.clone(), found, missed, false_alarms })
}

fn compare_findings(expected: &Expected, found: &Found, missed: &mut Vec<String>, false_alarms: &mut Vec<String>) {
    let count = |all: &[(FindingKind, u64)], kind: FindingKind| {
        all.iter().find(|(known, _)| *known == kind).map_or(0, |(_, count)| *count)
    };
    let kinds = FindingKind::ALL
        .iter()
        .filter(|kind| expected.findings.iter().chain(&found.findings).any(|(known, _)| known == *kind));
    for kind in kinds {
        let (due, got) = (count(&expected.findings, *kind), count(&found.findings, *kind));
        if got < due {
            missed.push(format!("{} {} of {due}", kind.label(), due - got));
        } else if got > due {
            false_alarms.push(format!("{} {} too many", kind.label(), got - due));
        }
    }
}

fn compare_verdicts(expected: &Expected, found: &Found, missed: &mut Vec<String>, false_alarms: &mut Vec<String>) {
    for guarantee in Guarantee::ALL {
        let due = expected.not_held.get(guarantee).copied().unwrap_or(Verdict::Holds);
        let got = found.not_held.get(guarantee);
        let verdict = got.map_or(Verdict::Holds, |(verdict, _)| *verdict);
        let words = || format!("{} {} instead of {}", guarantee.label(), words(verdict), words(due));
        match (due, verdict) {
            (due, got) if got > due => false_alarms.push(words()),
            (due, got) if got < due => missed.push(words()),
            (Verdict::Inconclusive, _) if got.is_some_and(|(_, reason)| !reason.contains(&expected.reason)) => {
                missed.push(format!("{} is open for another reason", guarantee.label()));
            }
            _ => {}
        }
    }
}

/// A verdict in one word.
pub fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Violated => "violated",
    }
}
