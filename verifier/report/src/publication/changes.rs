//! What changed against an earlier publication.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use delivery_claims::ClaimOutcome;

use super::markdown::escape;
use super::results::{Key, ResultRow, Results};
use crate::terminal::{Style, wrapped};

/// Kinds of changes, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Something is violated that was not known to be.
    NewlyViolated,
    /// Something holds that was violated.
    NewlyHeld,
    /// Something could not be shown that had been, either way.
    NoLongerShown,
    /// Something holds that could not be shown.
    NowShown,
    /// Nothing that counts, but another outcome or label: a documented loss was seen, or was not.
    SeenOtherwise,
    /// A result that was not there.
    Added,
    /// A result that is no longer there.
    Gone,
}

impl ChangeKind {
    const ALL: [Self; 7] = [
        Self::NewlyViolated,
        Self::NewlyHeld,
        Self::NoLongerShown,
        Self::NowShown,
        Self::SeenOtherwise,
        Self::Added,
        Self::Gone,
    ];

    /// As a title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::NewlyViolated => "Newly violated",
            Self::NewlyHeld => "Newly held",
            Self::NoLongerShown => "No longer shown",
            Self::NowShown => "Now shown to hold",
            Self::SeenOtherwise => "Seen otherwise",
            Self::Added => "New results",
            Self::Gone => "Results no longer there",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of which kind.
    pub kind: ChangeKind,
    /// Of which result: [`ResultRow::subject`].
    pub subject: String,
    /// What changed: `kafka-acks-all-durability was holds, is violated`.
    pub what: String,
    /// The run that shows it; none for a result that is gone.
    pub run: Option<String>,
}

/// What changed against an earlier publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The gravest first, then in the order of the results.
    pub all: Vec<Change>,
}

impl Changes {
    /// Compares two publications.
    pub fn between(earlier: &Results, now: &Results) -> Self {
        let before: BTreeMap<Key<'_>, &ResultRow> = earlier.results.iter().map(|row| (row.key(), row)).collect();
        let mut all = Vec::new();
        for row in &now.results {
            match before.get(&row.key()) {
                Some(known) => compare(known, row, &mut all),
                None => add(row, &mut all),
            }
        }
        let gone = earlier.results.iter().filter(|row| !now.results.iter().any(|known| known.key() == row.key()));
        all.extend(gone.map(|row| change(ChangeKind::Gone, row, format!("it was {}", row.outcome.label()), None)));
        all.sort_by_key(|change| change.kind);
        Self { all }
    }

    /// How many are of one kind.
    pub fn count(&self, kind: ChangeKind) -> usize {
        self.all.iter().filter(|change| change.kind == kind).count()
    }

    /// Nothing is another than it was.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// For a terminal; no line is wider than a page.
    pub fn to_text(&self, style: Style) -> String {
        let mut text = String::new();
        for (kind, changes) in self.by_kind() {
            let _ = writeln!(text, "{} ({}):", kind.title(), changes.len());
            for change in changes {
                let run = change.run.as_ref().map_or_else(String::new, |run| format!(" (run {run})"));
                text.push_str(&wrapped(&format!("  {}: {}{run}", change.subject, change.what), 4, style));
            }
        }
        if text.is_empty() { String::from("Nothing changed.\n") } else { text }
    }

    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = String::from("## What changed\n\n");
        for (kind, changes) in self.by_kind() {
            let _ = writeln!(text, "### {} ({})\n", kind.title(), changes.len());
            for change in changes {
                let run = change.run.as_ref().map_or_else(String::new, |run| format!(" (run {})", escape(run)));
                let _ = writeln!(text, "- {}: {}{run}", escape(&change.subject), escape(&change.what));
            }
            text.push('\n');
        }
        if self.is_empty() {
            text.push_str("Nothing.\n\n");
        }
        text
    }

    fn by_kind(&self) -> impl Iterator<Item = (ChangeKind, Vec<&Change>)> {
        let of_kind = |kind| (kind, self.all.iter().filter(|change| change.kind == kind).collect::<Vec<_>>());
        ChangeKind::ALL.into_iter().map(of_kind).filter(|(_, changes)| !changes.is_empty())
    }
}

fn change(kind: ChangeKind, row: &ResultRow, what: String, run: Option<&str>) -> Change {
    Change { kind, subject: row.subject(), what, run: run.map(str::to_owned) }
}

fn compare(before: &ResultRow, row: &ResultRow, all: &mut Vec<Change>) {
    let known = all.len();
    let mut names: Vec<&String> = before.statements.keys().chain(row.statements.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (was, is) = (before.statements.get(name).copied(), row.statements.get(name).copied());
        if let Some(kind) = kind_of(was, is) {
            let what = format!("{name} was {}, is {}", words(was), words(is));
            all.push(change(kind, row, what, Some(&row.run.id)));
        }
    }
    if all.len() > known {
        return;
    }
    let labels = before.label_observed != row.label_observed;
    if before.outcome != row.outcome || labels {
        let mut what = format!("was {}, is {}", before.outcome.label(), row.outcome.label());
        if labels {
            let _ = write!(what, "; label observed was {}, is {}", before.label_observed, row.label_observed);
        }
        all.push(change(ChangeKind::SeenOtherwise, row, what, Some(&row.run.id)));
    }
}

fn add(row: &ResultRow, all: &mut Vec<Change>) {
    let violated = row.statements.iter().filter(|(_, outcome)| **outcome == ClaimOutcome::Violated);
    let mut violated = violated.map(|(name, outcome)| {
        let what = format!("{name} is {}, in a result that was not there", words(Some(*outcome)));
        change(ChangeKind::NewlyViolated, row, what, Some(&row.run.id))
    });
    match violated.next() {
        Some(first) => all.extend(std::iter::once(first).chain(violated)),
        None => all.push(change(ChangeKind::Added, row, format!("it is {}", row.outcome.label()), Some(&row.run.id))),
    }
}

/// A statement that is no longer made, or is made for the first time, changes nothing unless it is or was violated. That a
/// documented loss was seen, or was not, is told as another outcome.
const fn kind_of(was: Option<ClaimOutcome>, is: Option<ClaimOutcome>) -> Option<ChangeKind> {
    use ClaimOutcome::{Holds, Inconclusive, NotExercised, Violated};
    match (was, is) {
        (Some(Violated), Some(Violated)) => None,
        (_, Some(Violated)) => Some(ChangeKind::NewlyViolated),
        (Some(Violated), Some(Holds)) => Some(ChangeKind::NewlyHeld),
        (Some(Violated), _) | (Some(Holds), Some(Inconclusive | NotExercised)) => Some(ChangeKind::NoLongerShown),
        (Some(Inconclusive | NotExercised), Some(Holds)) => Some(ChangeKind::NowShown),
        _ => None,
    }
}

fn words(outcome: Option<ClaimOutcome>) -> &'static str {
    outcome.map_or("not there", ClaimOutcome::label)
}
