//! What a result means, in a sentence or two.

use delivery_checks::judgement::{Guarantee, Verdict};
use delivery_claims::{ClaimJudgement, LaneVerdict, Standing, Violation};
use delivery_history::manifest::RunStatus;

use crate::terminal::{loss_base, lost_count, why_unshown};
use crate::words::{clean, counted, number, share, shorten};
use crate::{LaneView, Report};

/// Longest sentence: what a node wrote before it died can be a page.
const MAX_COLUMNS: usize = 600;

/// The sentence for readers who know nothing of this program.
pub(crate) fn meaning(report: &Report<'_>, view: &LaneView<'_>) -> String {
    let Some(verdict) = view.verdict else { return String::from("Not judged.") };
    let mut sentences = Vec::new();
    sentences.extend(loss(view));
    match verdict.standing {
        Standing::Broken => sentences.extend(broken(verdict)),
        Standing::Documented => sentences.extend(documented(verdict)),
        Standing::Held => sentences.push(held(report, view, verdict)),
        Standing::Unshown => sentences.push(unshown(report, view)),
    }
    shorten(&clean(&sentences.join(" "), true), MAX_COLUMNS)
}

fn loss(view: &LaneView<'_>) -> Option<String> {
    let (lost, base) = (lost_count(view), loss_base(view));
    let share = share(lost, base).map_or_else(String::new, |share| format!(" ({share})"));
    let what = if view.lane.acknowledged { "acknowledged messages" } else { "messages sent without acks" };
    (lost > 0).then(|| format!("Lost {} of {} {what}{share}.", number(lost), number(base)))
}

fn broken(verdict: &LaneVerdict) -> Vec<String> {
    let mut sentences = Vec::new();
    for claim in verdict.claims.iter().filter(|claim| claim.counts && claim.verdict == Verdict::Violated) {
        sentences.push(format!("Breaks a promise [{}]: {}", claim.id, sentence(&claim.promise)));
    }
    let required = names(verdict.violations.iter().filter(|found| found.required));
    if !required.is_empty() {
        sentences.push(format!("Violates {required}, which was required."));
    }
    let undocumented = verdict
        .violations
        .iter()
        .filter(|found| !found.required && found.breaks.is_empty() && found.documented_by.is_empty());
    let undocumented = names(undocumented);
    if !undocumented.is_empty() {
        sentences.push(format!("Violates {undocumented}, of which no document in the registry warns."));
    }
    sentences
}

fn documented(verdict: &LaneVerdict) -> Vec<String> {
    let mut sentences = vec![format!("Violates {}, as the vendor documents.", names(verdict.violations.iter()))];
    let first = verdict.violations.iter().find_map(|found| found.documented_by.first());
    let claim: Option<&ClaimJudgement> = first.and_then(|id| verdict.claims.iter().find(|claim| claim.id == *id));
    sentences.extend(claim.map(|claim| format!("[{}] {}", claim.id, sentence(&claim.promise))));
    sentences
}

fn held(report: &Report<'_>, view: &LaneView<'_>, verdict: &LaneVerdict) -> String {
    let promises = verdict.claims.iter().filter(|claim| claim.counts).count();
    let what = if view.lane.acknowledged { "acknowledged message" } else { "message" };
    let calm = if report.manifest.faults.is_empty() { " No fault was injected." } else { "" };
    let kept = match promises {
        0 => String::new(),
        _ => format!(" {} held.", counted(promises, "promise")),
    };
    format!("No {what} was lost, and nothing else is violated.{kept}{calm}")
}

fn unshown(report: &Report<'_>, view: &LaneView<'_>) -> String {
    let why = match &report.manifest.status {
        RunStatus::Finished { .. } => why_unshown(view),
        RunStatus::Running => String::from("the run did not finish"),
        RunStatus::CutShort { reason, .. } => format!("the run was cut short: {}", without_places(reason)),
    };
    format!("Not shown either way: {}", sentence(&why))
}

/// Without where the run left its logs, on the machine that ran it.
fn without_places(reason: &str) -> String {
    let said = reason.lines().filter(|line| !line.trim_start().starts_with("The logs stand in "));
    said.collect::<Vec<_>>().join("\n")
}

fn names<'a>(violations: impl Iterator<Item = &'a Violation>) -> String {
    violations.map(|found| Guarantee::label(found.guarantee)).collect::<Vec<_>>().join(", ")
}

/// With a full stop at its end.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    format!("{text}.")
}

#[cfg(test)]
mod tests {
    use super::without_places;

    #[test]
    fn a_machines_directories_are_not_published() {
        let reason = "node n2 died\nby itself\nThe logs stand in /somewhere/runs/20261128-1/logs";
        assert_eq!(without_places(reason), "node n2 died\nby itself");
    }
}
