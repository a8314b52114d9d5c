//! One message with its story: the earliest witness of the gravest finding.

use delivery_checks::jepsen::Anomaly;
use delivery_checks::judgement::{Finding, FindingKind, Guarantee, StoryStep, Witness};
use delivery_claims::Standing;

use super::page::{Page, Tone};
use crate::{LaneView, Report};

/// Steps printed from the start of a long story, and from its end.
const FIRST_STEPS: usize = 8;
const LAST_STEPS: usize = 4;

pub(super) fn write(report: &Report<'_>, page: &mut Page) {
    let mut found: Vec<(Standing, u8, LaneView<'_>, &Finding)> = Vec::new();
    for view in report.lanes() {
        let standing = view.verdict.map_or(Standing::Unshown, |verdict| verdict.standing);
        let findings = view.judged.map_or(&[][..], |judged| &judged.findings);
        let grave = findings.iter().filter_map(|finding| Some((standing, gravity(finding.kind)?, view, finding)));
        found.extend(grave);
    }
    // Lanes stay in their order where all else is equal.
    found.sort_by_key(|(standing, gravity, ..)| (*standing, *gravity));
    let witness = found.iter().find_map(|(_, _, view, finding)| {
        finding.witnesses.first().map(|witness| (finding.kind, view.lane.name.as_str(), witness))
    });
    let Some((kind, lane, witness)) = witness else { return };
    page.gap();
    let title = format!("Witness: message {} of {} ({lane}): {}", witness.message, witness.destination, kind.label());
    page.paragraph(&title, 2, Tone::Plain);
    write_story(witness, page);
}

/// Smaller is graver; nothing for what breaks no guarantee.
const fn gravity(kind: FindingKind) -> Option<u8> {
    match kind {
        FindingKind::Lost => Some(0),
        FindingKind::Phantom | FindingKind::Corrupt | FindingKind::FailedButStored => Some(1),
        FindingKind::TornTransaction | FindingKind::AbortedRead | FindingKind::UncommittedRead => Some(2),
        FindingKind::Disagreement => Some(3),
        FindingKind::Undelivered => Some(4),
        FindingKind::StoredTwice => Some(5),
        FindingKind::ProcessedTwice | FindingKind::ProcessedAtOnce | FindingKind::OutputTwice => Some(6),
        FindingKind::Reordered | FindingKind::ReorderedKey => Some(7),
        FindingKind::NotRecovered | FindingKind::HangingTransaction => Some(8),
        FindingKind::Jepsen(anomaly) => of_operations(anomaly),
        FindingKind::Redelivered
        | FindingKind::RedeliveredUnflagged
        | FindingKind::RedeliveredSettled
        | FindingKind::ReorderedTotal
        | FindingKind::ReorderedRequeued
        | FindingKind::OffsetBack
        | FindingKind::OffsetSkipped
        | FindingKind::CommitBack
        | FindingKind::DirtyRead
        | FindingKind::CommitLost
        | FindingKind::CommittedUnprocessed
        | FindingKind::DeadLettered
        | FindingKind::DeadLetterLost
        | FindingKind::LeftInQueue => None,
    }
}

const fn of_operations(anomaly: Anomaly) -> Option<u8> {
    match anomaly.breaks() {
        Some(Guarantee::Durability) => Some(0),
        Some(Guarantee::Integrity) => Some(1),
        Some(Guarantee::Atomicity) => Some(2),
        Some(Guarantee::Agreement) => Some(3),
        Some(Guarantee::AtMostOnce) => Some(5),
        Some(_) => Some(7),
        None => Some(9),
    }
}

fn write_story(witness: &Witness, page: &mut Page) {
    let steps = &witness.story;
    if steps.len() <= FIRST_STEPS + LAST_STEPS {
        steps.iter().for_each(|step| write_step(step, page));
        return;
    }
    steps[..FIRST_STEPS].iter().for_each(|step| write_step(step, page));
    page.paragraph(&format!("{:>14} {} more steps", "...", steps.len() - FIRST_STEPS - LAST_STEPS), 15, Tone::Plain);
    steps[steps.len() - LAST_STEPS..].iter().for_each(|step| write_step(step, page));
}

/// Seconds after the load began, to the millisecond: steps of one story are often milliseconds apart.
fn write_step(step: &StoryStep, page: &mut Page) {
    let sign = if step.at_ms < 0 { '-' } else { '+' };
    let at_ms = step.at_ms.unsigned_abs();
    let time = format!("{sign}{}.{:03} s", at_ms / 1_000, at_ms % 1_000);
    page.paragraph(&format!("{time:>14} {}", step.what), 15, Tone::Plain);
}
