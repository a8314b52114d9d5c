//! What is printed of a matrix: a line a cell, and what it all comes to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use delivery_journal::{CellEntry, CellResult, CellStatus, Window};

/// Reasons that are printed of a cell; the rest is in the journal.
const MAX_REASONS: usize = 3;

const fn word(status: CellStatus) -> &'static str {
    match status {
        CellStatus::Agreed => "agreed",
        CellStatus::Surprising => "surprising",
        CellStatus::Inconclusive => "inconclusive",
        CellStatus::Judged => "judged",
        CellStatus::NotRun => "not run",
    }
}

const fn mark(status: CellStatus, unicode: bool) -> char {
    match (status, unicode) {
        (CellStatus::Agreed, true) => '✓',
        (CellStatus::Agreed, false) => '+',
        (CellStatus::Surprising, true) => '✗',
        (CellStatus::Surprising, false) => 'x',
        (CellStatus::Inconclusive, _) => '?',
        (CellStatus::Judged, true) => '·',
        (CellStatus::Judged, false) => '.',
        (CellStatus::NotRun, _) => '-',
    }
}

/// A finished cell: one line, and its reasons below where it is anything but agreed.
pub fn result_line(entry: &CellEntry, result: &CellResult, took: Duration, unicode: bool) -> String {
    let mut line = format!("{} {:12} {}", mark(result.status, unicode), word(result.status), entry.name);
    for window in &result.windows {
        let _ = write!(line, "  {}", shown(window));
    }
    if !took.is_zero() {
        let _ = write!(line, "  [{}]", length(took));
    }
    line.push('\n');
    for reason in result.reasons.iter().take(MAX_REASONS) {
        let _ = writeln!(line, "    {reason}");
    }
    if matches!(result.status, CellStatus::Surprising | CellStatus::Inconclusive) {
        for run in &result.runs {
            let _ = writeln!(line, "    see {run}");
        }
    }
    line
}

/// `durability=violated 3/3 (29 to 100 %)`.
fn shown(window: &Window) -> String {
    let Window { subject, value, shown, of, low, high } = window;
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    format!("{subject}={value} {shown}/{of} ({} to {} %)", percent(*low), percent(*high))
}

/// A length of time as people say it.
pub fn length(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let seconds = time.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// How many cells came to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// As expected.
    pub agreed: usize,
    /// Otherwise.
    pub surprising: usize,
    /// Not shown.
    pub inconclusive: usize,
    /// Judged, with nothing expected.
    pub judged: usize,
    /// Listed and not run.
    pub not_run: usize,
    /// Not reached: the matrix was stopped.
    pub open: usize,
}

impl Summary {
    /// Counts results.
    pub fn of<'a>(results: impl IntoIterator<Item = Option<&'a CellResult>>) -> Self {
        let mut summary = Self::default();
        for result in results {
            *match result.map(|result| result.status) {
                Some(CellStatus::Agreed) => &mut summary.agreed,
                Some(CellStatus::Surprising) => &mut summary.surprising,
                Some(CellStatus::Inconclusive) => &mut summary.inconclusive,
                Some(CellStatus::Judged) => &mut summary.judged,
                Some(CellStatus::NotRun) => &mut summary.not_run,
                None => &mut summary.open,
            } += 1;
        }
        summary
    }

    /// In words: `12 of 14 cells agreed, 1 surprising, 1 not run`.
    pub fn sentence(&self) -> String {
        let parts = [
            (self.surprising, "surprising"),
            (self.inconclusive, "inconclusive"),
            (self.judged, "judged with nothing expected"),
            (self.not_run, "not run"),
            (self.open, "not reached"),
        ];
        let all: usize = self.agreed + parts.iter().map(|(count, _)| count).sum::<usize>();
        let told = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
        format!(
            "{} of {all} {} agreed{}",
            self.agreed,
            if all == 1 { "cell" } else { "cells" },
            told.collect::<String>()
        )
    }
}

/// Rows of a file with the number of their cells, for `--list`.
pub fn listing<'a>(entries: impl IntoIterator<Item = &'a CellEntry>) -> String {
    let mut text = String::new();
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        *rows.entry(&entry.row).or_default() += 1;
        let expected: Vec<String> =
            entry.expected.iter().map(|(subject, values)| format!("{subject}={}", values.join(" or "))).collect();
        let _ = write!(text, "{}", entry.name);
        if !expected.is_empty() {
            let _ = write!(text, "  {}", expected.join(", "));
        }
        match &entry.not_run {
            Some(reason) => {
                let _ = writeln!(text, "  not run: {reason}");
            }
            None => text.push('\n'),
        }
    }
    let _ = writeln!(text, "{} cells in {} rows", rows.values().sum::<usize>(), rows.len());
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Summary, length};

    #[test]
    fn lengths_are_said_as_people_say_them() {
        let said = |seconds: f64| length(Duration::from_secs_f64(seconds));
        assert_eq!([0.04, 9.9, 12.4, 83.0, 3_700.0].map(said), ["0.0 s", "9.9 s", "12 s", "1 min 23 s", "1 h 1 min"]);
    }

    #[test]
    fn a_summary_says_what_there_is() {
        assert_eq!(Summary { agreed: 1, ..Summary::default() }.sentence(), "1 of 1 cell agreed");
        let summary = Summary { agreed: 12, surprising: 1, not_run: 3, ..Summary::default() };
        assert_eq!(summary.sentence(), "12 of 16 cells agreed, 1 surprising, 3 not run");
    }
}
