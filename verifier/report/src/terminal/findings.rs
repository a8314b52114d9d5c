//! What was found in histories whose anomalies have no column in the table.

use delivery_checks::judgement::FindingKind;

use super::page::Page;
use crate::Report;
use crate::words::number;

/// One line a lane: every anomaly of its own vocabulary, with its count.
pub(super) fn write(report: &Report<'_>, page: &mut Page) {
    for view in report.lanes() {
        let findings = view.judged.map_or(&[][..], |judged| &judged.findings);
        let found: Vec<String> = findings
            .iter()
            .filter(|finding| matches!(finding.kind, FindingKind::Jepsen(_)))
            .map(|finding| format!("{} {}", number(finding.count), finding.kind.label()))
            .collect();
        if !found.is_empty() {
            page.titled(&format!("Found ({})", view.lane.name), &format!("{}.", found.join(", ")));
        }
    }
}
