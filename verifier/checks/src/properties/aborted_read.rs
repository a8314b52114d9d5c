//! Aborted read: a message of an aborted transaction that is stored for readers of committed messages, or was delivered
//! to a reader of the lane (G1a in Adya's terms). Uncommitted read: delivered to a reader of committed messages before
//! the commit was asked for. Dirty read: of an aborted transaction, and delivered to a reader that reads beside.

use delivery_history::Event;
use delivery_history::manifest::worker_of_session;

use crate::context::Context;
use crate::directory::state;
use crate::tally::{OnceTally, Subject};
use crate::transactions::Ending;
use crate::work::LaneWork;

/// What a group asks for of transactions that have not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Nothing.
    Committed,
    /// Everything: it is the configuration that is judged.
    Uncommitted,
    /// Everything, to show what that gives.
    Beside,
}

impl Isolation {
    /// What the manifest says of `group`.
    pub(crate) fn of(context: &Context<'_>, group: u16) -> Self {
        match context.manifest.groups.get(usize::from(group)) {
            Some(known) if known.read_uncommitted && known.beside => Self::Beside,
            Some(known) if known.read_uncommitted => Self::Uncommitted,
            _ => Self::Committed,
        }
    }
}

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

/// Judges a delivery of message `index` to a reader.
pub(crate) fn take_delivery(
    work: &mut LaneWork<'_, '_>,
    isolation: Isolation,
    reader: u16,
    index: usize,
    event: &Event,
) {
    let Some(transaction) = work.sends.transactions.of(index) else { return };
    let (clocks, writer) = (&work.context.clocks, worker_of_session(event.session));
    let is_before = |asked_ns| clocks.is_before((reader, event.time_ns), (writer, asked_ns));
    let too_early = transaction.commit_asked_ns.is_none_or(is_before);
    let tally = match (isolation, transaction.ending) {
        (Isolation::Beside, Ending::Aborted) => &mut work.dirty_read,
        (_, Ending::Aborted) => &mut work.aborted_read,
        (Isolation::Committed, _) if too_early => &mut work.uncommitted_read,
        _ => return,
    };
    let subject = Subject::Message { session: event.session, sequence: event.sequence };
    tally.add(event.time_ns, subject, event.destination);
}
