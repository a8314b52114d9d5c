//! What was seen of a lane, from the document of its run.

use delivery_checks::judgement::Verdict;
use delivery_claims::{Overall, Standing};
use delivery_journal::Observed;
use delivery_report::LaneEntry;

/// What was seen of a lane.
pub fn observed(lane: &LaneEntry) -> Observed {
    let claims = lane.claims.iter().filter(|claim| claim.counts).map(|claim| claim.verdict);
    let counted: Vec<Verdict> = claims.chain(lane.required.iter().map(|required| required.verdict)).collect();
    let verdict = if counted.is_empty() {
        Overall::NotJudged
    } else if counted.contains(&Verdict::Violated) {
        Overall::Violated
    } else if counted.contains(&Verdict::Inconclusive) {
        Overall::Inconclusive
    } else {
        Overall::Holds
    };
    Observed {
        verdict,
        standing: lane.standing.unwrap_or(Standing::Unshown),
        label: lane.label.observed.clone(),
        guarantees: lane.guarantees.iter().map(|judged| (judged.name, judged.verdict)).collect(),
        findings: lane.findings.iter().map(|finding| (finding.kind.label().to_owned(), finding.count)).collect(),
        sent: lane.stats.sent,
        acked: lane.stats.acked,
    }
}
