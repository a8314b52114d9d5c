//! What GitHub Actions shows: a summary of the step, and annotations.

use super::changes::{ChangeKind, Changes};
use super::readme;
use super::results::{Outcome, Results};
use crate::words::{clean, counted};

/// Longest summary, bytes: GitHub takes a mebibyte a step.
const MAX_SUMMARY: usize = 1_000_000;
/// Annotations of one kind that GitHub shows a step.
const MAX_ANNOTATIONS: usize = 10;

/// Markdown for the summary of a step.
pub fn step_summary(results: &Results, changes: Option<&Changes>) -> String {
    let changed = changes.map_or_else(String::new, Changes::to_markdown);
    let whole = format!("# verify\n\n{changed}{}", readme::tables(results));
    if whole.len() <= MAX_SUMMARY {
        return whole;
    }
    let tally = readme::tally(results);
    let short = format!(
        "# verify\n\n{}: {tally}. The tables are too long for this summary.\n",
        counted(results.results.len(), "result")
    );
    if short.len() + changed.len() <= MAX_SUMMARY { format!("{short}\n{changed}") } else { short }
}

/// Workflow commands that put each violation beside the run's steps, those that are new first.
pub fn annotations(results: &Results, changes: Option<&Changes>) -> Vec<String> {
    let newly =
        changes.iter().flat_map(|changes| &changes.all).filter(|change| change.kind == ChangeKind::NewlyViolated);
    let mut told: Vec<(String, String)> =
        newly.map(|change| (format!("Newly violated: {}", change.subject), change.what.clone())).collect();
    let is_told = |subject: &str, told: &[(String, String)]| told.iter().any(|(title, _)| title.ends_with(subject));
    for row in results.results.iter().filter(|row| row.outcome == Outcome::Violated) {
        let subject = row.subject();
        if !is_told(&subject, &told) {
            told.push((format!("Violated: {subject}"), format!("{} Run {}.", row.meaning, row.run.id)));
        }
    }
    let more = told.len().saturating_sub(MAX_ANNOTATIONS);
    if more > 0 {
        told.truncate(MAX_ANNOTATIONS - 1);
        told.push((String::from("Violated"), format!("{} more in the summary and in the tables.", more + 1)));
    }
    told.iter().map(|(title, what)| format!("::error title={}::{}", property(title), data(what))).collect()
}

/// Nothing in a name may end the command or begin another.
fn data(text: &str) -> String {
    clean(text, true).replace('%', "%25")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
