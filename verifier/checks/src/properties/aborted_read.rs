//! Aborted read: a message of an aborted transaction that is stored for readers of committed messages, or was delivered
//! to one (G1a in Adya's terms). Uncommitted read: delivered to one before the commit was asked for.

use delivery_history::Event;

use crate::directory::state;
use crate::tally::{OnceTally, Subject};
use crate::transactions::Ending;
use crate::work::LaneWork;

/// Counts messages of aborted transactions that an audit holds.
pub(crate) fn find_stored(work: &LaneWork<'_, '_>, tally: &mut OnceTally) {
    for transaction in work.sends.transactions.iter().filter(|one| one.ending == Ending::Aborted) {
        for index in transaction.messages.start as usize..transaction.messages.end as usize {
            if work.sends.messages.state[index] & (state::STORED | state::MISPLACED) != 0 {
                let invoked = work.invoked_of(index);
                let subject = Subject::Message { session: invoked.session, sequence: invoked.sequence };
                tally.add(invoked.time_ns, subject, invoked.destination);
            }
        }
    }
}

/// Judges a delivery of message `index` to a reader of committed messages.
pub(crate) fn take_delivery(
    work: &LaneWork<'_, '_>,
    index: usize,
    event: &Event,
    aborted: &mut OnceTally,
    uncommitted: &mut OnceTally,
) {
    let Some(transaction) = work.sends.transactions.of(index) else { return };
    let subject = Subject::Message { session: event.session, sequence: event.sequence };
    if transaction.ending == Ending::Aborted {
        aborted.add(event.time_ns, subject, event.destination);
    } else if transaction.commit_asked_ns.is_none_or(|asked_ns| event.time_ns < asked_ns) {
        uncommitted.add(event.time_ns, subject, event.destination);
    }
}
