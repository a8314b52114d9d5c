//! `G1a`: a poll returns a value whose send certainly failed. It was delivered even where nobody knows how the polling
//! operation ended (`info`), so that one counts too.

use delivery_history::import::OperationKind;

use super::anomaly::Anomaly;
use super::collect::Collector;
use super::facts::Facts;

pub(super) fn check(facts: &Facts<'_>, found: &mut Collector<'_, '_>) {
    for (place, operation) in facts.transactions() {
        if !matches!(operation.kind, OperationKind::Ok | OperationKind::Info) {
            continue;
        }
        for read in facts.reads(place) {
            let message = facts.message(read.message);
            if message.failed {
                let places: Vec<u32> = message.writer.into_iter().chain([place as u32]).collect();
                found.add(Anomaly::G1a, read.message, || String::from("read, although its send failed"), &places);
            }
        }
    }
}
