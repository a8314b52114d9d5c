//! Where the messages of queues ended, beside the table: undelivered, dead-lettered, left, given again.

use delivery_checks::judgement::{FindingKind, LaneJudgement};
use delivery_history::manifest::Workload;

use super::page::{Page, Tone};
use crate::words::number;
use crate::{LaneView, Report};

/// What is said of a lane, in this order, where it was found.
const SAID: [(FindingKind, &str); 4] = [
    (FindingKind::Undelivered, "never processed (undelivered)"),
    (FindingKind::DeadLettered, "dead-lettered"),
    (FindingKind::DeadLetterLost, "refused and nowhere (dead-letter-lost)"),
    (FindingKind::LeftInQueue, "left in the queue"),
];

/// Broken promises about being given again, and how they are counted.
const AGAIN: [(FindingKind, &str); 3] = [
    (FindingKind::RedeliveredUnflagged, "without the broker's flag"),
    (FindingKind::RedeliveredSettled, "after a confirmed settle"),
    (FindingKind::ReorderedRequeued, "behind a later one first given after the requeue"),
];

/// One line a lane of queues of which there is anything to say.
pub(super) fn write(report: &Report<'_>, page: &mut Page) {
    let lines: Vec<String> = report.lanes().filter_map(|view| line(&view)).collect();
    if lines.is_empty() {
        return;
    }
    page.paragraph("Queues (messages):", 2, Tone::Plain);
    for line in lines {
        page.paragraph(&format!("  {line}"), 4, Tone::Plain);
    }
}

fn line(view: &LaneView<'_>) -> Option<String> {
    let judged = view.judged.filter(|_| view.lane.workload == Workload::Queue)?;
    let mut parts = counted(judged, &SAID);
    // Of those that were given again, some were processed again.
    let again = judged.count(FindingKind::Redelivered) + judged.count(FindingKind::ProcessedTwice);
    let how = counted(judged, &AGAIN).join(", ");
    match (again, how.is_empty()) {
        (0, true) => {}
        (0, false) => parts.push(format!("given again: {how}")),
        (_, true) => parts.push(format!("{} given again", number(again))),
        (_, false) => parts.push(format!("{} given again ({how})", number(again))),
    }
    (!parts.is_empty()).then(|| format!("{}: {}", view.lane.name, parts.join("; ")))
}

fn counted(judged: &LaneJudgement, kinds: &[(FindingKind, &str)]) -> Vec<String> {
    let found = kinds.iter().map(|(kind, words)| (judged.count(*kind), words));
    found.filter(|(count, _)| *count > 0).map(|(count, words)| format!("{} {words}", number(count))).collect()
}
