//! Agreement: what keeps replicas and readers from being shown to hold one log. The differences
//! themselves are found while the audits and deliveries are gone through.

use crate::audits::Audits;
use crate::work::LaneWork;

/// Doubts about whole replicas.
pub(crate) fn doubts(work: &LaneWork<'_, '_>, audits: &Audits<'_>) -> Vec<String> {
    let mut doubts = Vec::new();
    for destination in &work.destinations {
        let runs = audits.of(*destination);
        let place = work.context.destination_name(*destination);
        for run in runs {
            let replica = work.context.host_name(run.replica);
            if let Some(flaw) = &run.flaw {
                doubts.push(format!("the audit of {place} on {replica} {flaw}"));
            }
        }
        let complete: Vec<_> = runs.iter().filter(|run| run.is_complete()).collect();
        let nodes = work.context.manifest.nodes.len();
        if let ([only], 2..) = (complete.as_slice(), nodes) {
            let replica = work.context.host_name(only.replica);
            doubts.push(format!("only {replica} was audited to its end for {place}: its replicas were not compared"));
        }
        if let Some(reference) = complete.first() {
            for run in complete.iter().filter(|run| run.end_offset() != reference.end_offset()) {
                let (one, other) = (work.context.host_name(reference.replica), work.context.host_name(run.replica));
                doubts.push(format!(
                    "{place} ends at {} on {one} and at {} on {other} (a replica behind, or its end is gone)",
                    reference.end_offset(),
                    run.end_offset()
                ));
            }
        }
    }
    doubts
}
