//! What else must be said: claims, settings that were not applied, doubts, where to look next.

use delivery_checks::judgement::{EventCounts, NOT_SHOWN, Verdict};
use delivery_claims::{ClaimJudgement, ClaimKind, Contradicted, Overall};

use super::page::{Page, Tone};
use crate::words::{counted, number};
use crate::{LaneView, Report};

/// Lines of one kind that are printed; the rest is in the document.
const MAX_LINES: usize = 6;

/// Why the verdict is what it is, promises that were broken, and what the vendor says of the losses that were seen.
pub(super) fn write_claims(report: &Report<'_>, page: &mut Page) {
    if matches!(report.verdict.overall, Overall::Violated | Overall::Inconclusive) {
        let reasons = report.verdict.reasons.iter();
        write_limited(page, "Verdict", reasons.cloned());
    }
    let mut said: Vec<(&str, String, Vec<&str>)> = Vec::new();
    for view in report.lanes() {
        for claim in worth_saying(&view) {
            let what = match claim.kind {
                ClaimKind::DocumentedLoss => "As advertised",
                ClaimKind::Promise | ClaimKind::Label => "Promised",
            };
            let against: String = claim.contradicted.iter().map(elsewhere).collect();
            let text = format!("{} [{}; {}]{against}", claim.promise, claim.id, claim.documented_in);
            match said.iter_mut().find(|(_, known, _)| *known == text) {
                Some((_, _, lanes)) => lanes.push(&view.lane.name),
                None => said.push((what, text, vec![&view.lane.name])),
            }
        }
    }
    for (what, text, lanes) in said.iter().take(MAX_LINES) {
        page.titled(&format!("{what} ({})", lanes.join(", ")), text);
    }
    let left_out = said.len().saturating_sub(MAX_LINES);
    if left_out > 0 {
        page.paragraph(&format!("{} more in findings.json.", counted(left_out, "claim")), 2, Tone::Plain);
    }
}

/// Promises that are broken, and what documents the gravest violation that breaks none.
fn worth_saying<'a>(view: &LaneView<'a>) -> Vec<&'a ClaimJudgement> {
    let Some(verdict) = view.verdict else { return Vec::new() };
    let broken = verdict.claims.iter().filter(|claim| claim.counts && claim.verdict == Verdict::Violated);
    let mut worth: Vec<&ClaimJudgement> = broken.collect();
    let mut unpromised = verdict.violations.iter().filter(|violation| violation.breaks.is_empty());
    let documented = unpromised.find_map(|violation| violation.documented_by.first());
    worth.extend(documented.and_then(|id| verdict.claims.iter().find(|claim| claim.id == *id)));
    worth
}

/// The label the vendor claims beside those that were observed.
pub(super) fn write_label(report: &Report<'_>, page: &mut Page) {
    let claimed = report.lanes().find_map(|view| view.verdict.and_then(|verdict| verdict.claimed_label.as_deref()));
    let Some(claimed) = claimed else { return };
    let mut observed: Vec<(&str, Vec<&str>)> = Vec::new();
    for view in report.lanes() {
        let label = view.judged.map_or("", |judged| judged.label.observed.as_str());
        let label = if label.is_empty() { NOT_SHOWN } else { label };
        match observed.iter_mut().find(|(known, _)| *known == label) {
            Some((_, lanes)) => lanes.push(&view.lane.name),
            None => observed.push((label, vec![&view.lane.name])),
        }
    }
    let told = |(label, lanes): &(&str, Vec<&str>)| match *label {
        NOT_SHOWN => format!("nothing shown ({})", lanes.join(", ")),
        label => format!("{label} observed ({})", lanes.join(", ")),
    };
    let texts: Vec<String> = observed.iter().map(told).collect();
    page.titled("Label", &format!("{claimed} claimed, {}.{}", texts.join("; "), against_label(report)));
}

/// What the vendor says elsewhere against the label it claims.
fn against_label(report: &Report<'_>) -> String {
    let verdicts = report.lanes().filter_map(|view| view.verdict);
    let mut labels = verdicts.flat_map(|verdict| &verdict.claims).filter(|claim| claim.kind == ClaimKind::Label);
    let Some(label) = labels.find(|claim| !claim.contradicted.is_empty()) else { return String::new() };
    label.contradicted.iter().map(elsewhere).collect()
}

fn elsewhere(other: &Contradicted) -> String {
    format!(" Elsewhere: {} [{}]", other.says, other.documented_in)
}

/// Settings of a user's file that were not applied.
pub(super) fn write_settings(report: &Report<'_>, page: &mut Page) {
    for lane in report.manifest.lanes.iter().filter(|lane| !lane.not_applied.is_empty()) {
        let title = format!("Not applied ({})", lane.name);
        page.titled(
            &title,
            &format!("{}: set by the run itself, or unknown to the client.", lane.not_applied.join(", ")),
        );
    }
}

/// Doubts about the run, then about its lanes, each once.
pub(super) fn write_doubts(report: &Report<'_>, page: &mut Page) {
    let mut doubts: Vec<(&str, Vec<&str>)> =
        report.judgement.doubts.iter().map(|doubt| (doubt.as_str(), Vec::new())).collect();
    for view in report.lanes() {
        for doubt in view.judged.map_or(&[][..], |judged| &judged.doubts) {
            match doubts.iter_mut().find(|(known, _)| known == doubt) {
                Some((_, lanes)) => lanes.push(&view.lane.name),
                None => doubts.push((doubt, vec![&view.lane.name])),
            }
        }
    }
    let texts = doubts.into_iter().map(|(doubt, lanes)| {
        if lanes.is_empty() { doubt.to_owned() } else { format!("{}: {doubt}", lanes.join(", ")) }
    });
    write_limited(page, "By hand", report.manifest.by_hand.iter().cloned());
    write_limited(page, "Doubt", texts);
}

fn write_limited(page: &mut Page, title: &str, texts: impl Iterator<Item = String>) {
    let texts: Vec<String> = texts.collect();
    for text in texts.iter().take(MAX_LINES) {
        page.titled(title, text);
    }
    if texts.len() > MAX_LINES {
        page.titled(title, &format!("{} more in findings.json.", texts.len() - MAX_LINES));
    }
}

/// How much of the history the verdict rests on.
pub(super) fn write_events(report: &Report<'_>, page: &mut Page) {
    let EventCounts { judged, not_judged } = report.judgement.events;
    page.gap();
    let rest = if not_judged == 0 {
        String::from("none was left out")
    } else {
        format!("{} could not be judged", number(not_judged))
    };
    page.titled("Events judged", &format!("{}; {rest}.", number(judged)));
}

/// Nothing is written beside a file of others'.
pub(super) fn write_where_else(file: &str, page: &mut Page) {
    page.gap();
    page.paragraph(&format!("More: with --json, `verify check` prints every finding in {file}."), 2, Tone::Plain);
}

pub(super) fn write_where_to_look(report: &Report<'_>, run_dir: Option<&str>, page: &mut Page) {
    page.gap();
    let default_dir = format!("runs/{}", report.manifest.run_id);
    let run_dir = run_dir.unwrap_or(&default_dir).trim_end_matches('/');
    page.paragraph(
        &format!("More: {run_dir}/findings.json has every finding; `verify check {run_dir}` judges the run again."),
        2,
        Tone::Plain,
    );
}
