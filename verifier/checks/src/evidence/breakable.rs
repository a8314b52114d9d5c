//! Guarantees that could not have been seen to break: what the run never put to the test is not shown to hold.

use std::collections::HashSet;

use crate::judgement::Guarantee;
use crate::work::LaneWork;

/// What could have made a message come twice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chances {
    /// Fault windows that bit the lane.
    pub(crate) windows: u64,
    /// Sends whose outcome is unknown: something may have been tried again.
    pub(crate) unknown: u64,
    /// Destinations that changed hands inside a group.
    pub(crate) rebalanced: u64,
    /// Deliveries that came again.
    pub(crate) redelivered: u64,
    /// Sessions of producers and connections of consumers that ended in the middle.
    pub(crate) sessions_ended: u64,
}

impl Chances {
    fn none(&self) -> bool {
        self.windows + self.unknown + self.rebalanced + self.redelivered + self.sessions_ended == 0
    }
}

/// Why a guarantee could not have been seen to break, by guarantee.
pub(crate) fn doubts(work: &LaneWork<'_, '_>, chances: &Chances) -> Vec<(Guarantee, String)> {
    let mut doubts = Vec::new();
    if !has_two_in_one_place(work) {
        let words = "no producer session sent two messages to one place: no order could have been seen to break";
        doubts.push((Guarantee::Ordering, String::from(words)));
    }
    let crashed = work.context.timeline.crashes.keys().any(|worker| {
        work.context.manifest.workers.get(usize::from(*worker)).is_some_and(|worker| worker.lane == Some(work.lane))
    });
    if chances.none() && !crashed {
        let words = "nothing here could have made a message come twice: no fault bit, no send was unknown, no consumer \
                     died, reconnected or was rebalanced";
        doubts.push((Guarantee::AtMostOnce, String::from(words)));
        doubts.push((Guarantee::ExactlyOnce, String::from(words)));
    }
    if !work.sends.transactions.can_be_torn() {
        let words = "no transaction sent two messages: none could have been seen to be torn";
        doubts.push((Guarantee::Atomicity, String::from(words)));
    }
    doubts
}

/// Whether some session sent two messages to the same destination.
fn has_two_in_one_place(work: &LaneWork<'_, '_>) -> bool {
    work.directory.sessions(work.sends.slots.clone()).iter().any(|entry| {
        // More messages than places leave no other way.
        if !entry.mixed || entry.len as usize > work.destinations.len() {
            return entry.len > 1;
        }
        let mut seen = HashSet::new();
        let indexes = entry.base as usize..entry.base as usize + entry.len as usize;
        indexes.into_iter().any(|index| !seen.insert(work.invoked(entry, index).destination))
    })
}
