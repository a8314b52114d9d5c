//! The sentence a person needs.

use delivery_checks::jepsen::Anomaly;
use delivery_checks::judgement::{FindingKind, Guarantee, Verdict};
use delivery_claims::{Overall, Standing, Violation};
use delivery_history::manifest::RunStatus;

use super::page::{Page, Tone};
use crate::words::{number, share};
use crate::{LaneView, Report};

/// Guarantees that a loss breaks by itself: said once, as the loss.
const BROKEN_BY_LOSS: &[Guarantee] = &[Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce];

pub(super) fn write(report: &Report<'_>, page: &mut Page) {
    for (sentence, tone) in sentences(report) {
        page.paragraph(&sentence, 2, tone);
    }
}

/// What was lost, what is violated, what was not shown; or that everything held.
pub(super) fn sentences(report: &Report<'_>) -> Vec<(String, Tone)> {
    let mut sentences: Vec<(String, Tone)> = Vec::new();
    sentences.extend(lost(report));
    sentences.extend(violated(report));
    sentences.extend(inconclusive(report));
    if sentences.is_empty() {
        sentences.push(held(report));
    }
    sentences
}

/// Messages proved lost.
pub(crate) fn lost_count(view: &LaneView<'_>) -> u64 {
    let lost = [FindingKind::Lost, FindingKind::Jepsen(Anomaly::LostWrite)];
    view.judged.map_or(0, |judged| lost.into_iter().map(|kind| judged.count(kind)).sum())
}

/// What a loss is counted over: acked messages, or sent ones where no ack is asked for.
pub(crate) fn loss_base(view: &LaneView<'_>) -> u64 {
    let Some(judged) = view.judged else { return 0 };
    if view.lane.acknowledged { judged.stats.acked } else { judged.stats.sent_unacknowledged }
}

fn lost(report: &Report<'_>) -> Option<(String, Tone)> {
    let losing: Vec<LaneView<'_>> = report.lanes().filter(|view| lost_count(view) > 0).collect();
    let excused = |view: &LaneView<'_>| {
        let violation = view.verdict.and_then(|verdict| verdict.violation(Guarantee::Durability));
        violation.is_some_and(Violation::is_excused)
    };
    let tone = if losing.iter().all(excused) { Tone::Documented } else { Tone::Broken };
    let text = match (losing.as_slice(), report.manifest.lanes.len()) {
        ([], _) => return None,
        ([only], 1) => lost_by_one(only),
        (several, lanes) => lost_by_several(several, lanes),
    };
    Some((text, tone))
}

fn lost_by_one(view: &LaneView<'_>) -> String {
    let (lost, base) = (lost_count(view), loss_base(view));
    let kind = if view.lane.acknowledged { "acknowledged messages" } else { "messages sent without acks" };
    let share = share(lost, base).map_or_else(String::new, |share| format!(" ({share})"));
    format!("LOST: {} lost {} of {} {kind}{share}.", view.lane.name, number(lost), number(base))
}

fn lost_by_several(losing: &[LaneView<'_>], lanes: usize) -> String {
    let names = |acknowledged: bool| -> String {
        let chosen = losing.iter().filter(|view| view.lane.acknowledged == acknowledged);
        chosen.map(|view| view.lane.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (acknowledged, unacknowledged) = (names(true), names(false));
    let count = losing.len();
    match (acknowledged.is_empty(), unacknowledged.is_empty()) {
        (false, true) => {
            format!("LOST: {count} of {lanes} configurations lost acknowledged messages ({acknowledged}).")
        }
        (true, _) => {
            format!("LOST: {count} of {lanes} configurations lost messages sent without acks ({unacknowledged}).")
        }
        (false, false) => format!(
            "LOST: {count} of {lanes} configurations lost acknowledged messages ({acknowledged}; sent without acks: {unacknowledged})."
        ),
    }
}

/// Violations that no loss explains and nobody documents.
fn violated(report: &Report<'_>) -> Option<(String, Tone)> {
    let mut broken: Vec<(Guarantee, Vec<&str>)> = Vec::new();
    for view in report.lanes() {
        let Some(verdict) = view.verdict else { continue };
        for violation in verdict.violations.iter().filter(|violation| !violation.is_excused()) {
            if lost_count(&view) > 0 && BROKEN_BY_LOSS.contains(&violation.guarantee) {
                continue;
            }
            match broken.iter_mut().find(|(guarantee, _)| *guarantee == violation.guarantee) {
                Some((_, lanes)) => lanes.push(&view.lane.name),
                None => broken.push((violation.guarantee, vec![&view.lane.name])),
            }
        }
    }
    let parts: Vec<String> =
        broken.iter().map(|(guarantee, lanes)| format!("{} ({})", guarantee.label(), lanes.join(", "))).collect();
    if !parts.is_empty() {
        return Some((format!("VIOLATED: {}.", parts.join("; ")), Tone::Broken));
    }
    // A broken label, or a requirement on a lane that also lost: the loss, if there is one, has said it.
    let is_said = report.lanes().any(|view| lost_count(&view) > 0);
    let reason = report.verdict.reasons.first().filter(|_| report.verdict.overall == Overall::Violated && !is_said)?;
    Some((format!("VIOLATED: {}.", reason.trim_start_matches("violated: ")), Tone::Broken))
}

fn inconclusive(report: &Report<'_>) -> Option<(String, Tone)> {
    let unshown: Vec<LaneView<'_>> = report.lanes().filter(is_unshown).collect();
    let text = match (unshown.as_slice(), report.verdict.overall) {
        ([], Overall::Inconclusive) => {
            let reason = report.verdict.reasons.first().map_or("nothing could be shown", String::as_str);
            format!("INCONCLUSIVE: {}.", reason.trim_start_matches("inconclusive: "))
        }
        ([], _) => return None,
        (lanes, _) => {
            let names: Vec<&str> = lanes.iter().map(|view| view.lane.name.as_str()).collect();
            let (count, all) = (lanes.len(), report.manifest.lanes.len());
            format!(
                "INCONCLUSIVE: {count} of {all} configurations could not be judged ({}): {}.",
                names.join(", "),
                why_unfinished(&report.manifest.status).unwrap_or_else(|| why_unshown(&lanes[0]))
            )
        }
    };
    Some((text, Tone::Unshown))
}

fn is_unshown(view: &LaneView<'_>) -> bool {
    view.verdict.is_none_or(|verdict| verdict.standing == Standing::Unshown)
}

fn why_unfinished(status: &RunStatus) -> Option<String> {
    match status {
        RunStatus::Finished { .. } => None,
        RunStatus::Running => Some(String::from("the run did not finish")),
        RunStatus::CutShort { reason, .. } => Some(format!("the run was cut short: {reason}")),
    }
}

/// Why a lane that could not be judged could not be.
pub(crate) fn why_unshown(view: &LaneView<'_>) -> String {
    let counted = view.verdict.into_iter().flat_map(|verdict| {
        let claims = verdict.claims.iter().filter(|claim| claim.counts).map(|claim| (claim.verdict, &claim.reason));
        claims.chain(verdict.required.iter().map(|required| (required.verdict, &required.reason)))
    });
    let durability = view.judged.and_then(|judged| judged.verdict(Guarantee::Durability));
    let durability = durability.into_iter().map(|found| (found.verdict, &found.reason));
    let mut reasons =
        counted.chain(durability).filter(|(verdict, reason)| *verdict == Verdict::Inconclusive && !reason.is_empty());
    reasons.next().map_or_else(|| String::from("no reason was recorded"), |(_, reason)| reason.clone())
}

fn is_durable(view: &LaneView<'_>) -> bool {
    let durability = view.judged.and_then(|judged| judged.verdict(Guarantee::Durability));
    durability.is_some_and(|found| found.verdict == Verdict::Holds)
}

/// Nothing else is left to say; still, nobody reads `HELD` where durability was not shown to hold.
fn held(report: &Report<'_>) -> (String, Tone) {
    let lanes: Vec<LaneView<'_>> = report.lanes().collect();
    let unheld: Vec<&str> = lanes.iter().filter(|view| !is_durable(view)).map(|view| view.lane.name.as_str()).collect();
    if !unheld.is_empty() {
        return (format!("VIOLATED: durability ({}), with no lost message named.", unheld.join(", ")), Tone::Broken);
    }
    let calm = if report.manifest.faults.is_empty() { " (no fault was injected)" } else { "" };
    let kind = if lanes.iter().all(|view| view.lane.acknowledged) { "acknowledged message" } else { "message" };
    let text = match lanes.as_slice() {
        [] => return (String::from("INCONCLUSIVE: the run has no configuration to judge."), Tone::Unshown),
        [only] => format!("HELD: {} lost no {kind}{calm}.", only.lane.name),
        several => format!("HELD: no {kind} was lost in any of {} configurations{calm}.", several.len()),
    };
    (text, Tone::Held)
}
