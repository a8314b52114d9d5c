//! One file per property: what counts as an anomaly, and what proves it.

pub(crate) mod aborted_read;
pub(crate) mod agreement;
pub(crate) mod commit_back;
pub(crate) mod committed;
pub(crate) mod failed_but_stored;
pub(crate) mod hanging_transaction;
pub(crate) mod liveness;
pub(crate) mod lost;
pub(crate) mod outputs;
pub(crate) mod processed_at_once;
pub(crate) mod processed_twice;
pub(crate) mod reordered;
pub(crate) mod reordered_key;
pub(crate) mod reordered_total;
pub(crate) mod stored_twice;
pub(crate) mod torn_transaction;
pub(crate) mod undelivered;

use crate::tally::{Subject, Tally};
use crate::work::LaneWork;

/// Counts the messages of the lane whose state satisfies `which`.
pub(crate) fn tally(work: &LaneWork<'_, '_>, which: impl Fn(u16) -> bool) -> Tally {
    let mut tally = Tally::default();
    for entry in work.directory.sessions(work.sends.slots.clone()) {
        let from = entry.base as usize;
        for (inside, message) in work.sends.messages.state[from..from + entry.len as usize].iter().enumerate() {
            if which(*message) {
                let invoked = work.invoked(entry, from + inside);
                let subject = Subject::Message { session: invoked.session, sequence: invoked.sequence };
                tally.add(invoked.time_ns, subject, invoked.destination);
            }
        }
    }
    tally
}
