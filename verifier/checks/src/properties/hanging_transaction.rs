//! Hanging transaction: a destination whose last stable offset stays behind what is replicated. Somebody's transaction
//! there is open, and nobody ends it: readers of committed messages never get past it.

use std::collections::BTreeMap;

use delivery_history::manifest::{Phase, Role, Workload};

use crate::health::kind;
use crate::judge::Scope;
use crate::tally::{Subject, Tally};
use crate::work::LaneWork;

/// Name of the limit, in the manifest, in which every transaction must have ended once nobody sends any more.
const LIMIT: &str = "transactions";

/// A last stable offset that does not move.
#[derive(Clone, Copy, Debug)]
struct Stuck {
    offset: u64,
    since_ns: u64,
    until_ns: u64,
}

/// Counts destinations that were stuck for the whole limit when they were last looked at, from the drain on.
pub(crate) fn find(work: &LaneWork<'_, '_>) -> Tally {
    let mut tally = Tally::default();
    let context = work.context;
    if work.workload != Workload::Transactions || work.scope != Scope::All {
        return tally;
    }
    let Some(limit_ms) = context.manifest.limits_ms.get(LIMIT) else { return tally };
    let Some(drain_ns) = context.timeline.entered_ns(Phase::Drain) else { return tally };
    let mut stuck: BTreeMap<u16, Stuck> = BTreeMap::new();
    for (worker, _) in context.workers().filter(|(_, worker)| worker.role == Role::Observer) {
        let said = context.stream(worker).iter().filter(|event| event.kind == kind::OBSERVED_STABLE);
        for event in said.filter(|event| event.time_ns >= drain_ns && work.destinations.contains(&event.destination)) {
            if event.detail == 0 {
                stuck.remove(&event.destination);
                continue;
            }
            let now = Stuck { offset: event.offset, since_ns: event.time_ns, until_ns: event.time_ns };
            let known = stuck.entry(event.destination).or_insert(now);
            *known = if known.offset == event.offset { Stuck { until_ns: event.time_ns, ..*known } } else { now };
        }
    }
    for (destination, stuck) in stuck {
        if (stuck.until_ns - stuck.since_ns) / 1_000_000 >= *limit_ms {
            tally.add(stuck.since_ns, Subject::Destination(destination), destination);
        }
    }
    tally
}
