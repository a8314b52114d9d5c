//! Torn transaction: of one that did not abort, a part is stored for readers of committed messages and a part is not.

use crate::audits::Audits;
use crate::directory::{Outcome, outcome_of, state};
use crate::tally::{Subject, Tally};
use crate::transactions::{Ending, Transaction};
use crate::work::LaneWork;

/// Counts torn transactions; the witness is the first message that is missing.
pub(crate) fn find(work: &LaneWork<'_, '_>, audits: &Audits<'_>, recovered: bool) -> Tally {
    let mut tally = Tally::default();
    if !recovered {
        return tally;
    }
    for transaction in work.sends.transactions.iter().filter(|one| one.ending != Ending::Aborted) {
        if let Some(index) = missing(work, audits, transaction) {
            let invoked = work.invoked_of(index);
            let subject = Subject::Message { session: invoked.session, sequence: invoked.sequence };
            tally.add(invoked.time_ns, subject, invoked.destination);
        }
    }
    tally
}

/// The first message that is proved to be absent, where others of the transaction are there.
fn missing(work: &LaneWork<'_, '_>, audits: &Audits<'_>, transaction: &Transaction) -> Option<usize> {
    let mut absent = None;
    let mut there = false;
    for index in transaction.messages.start as usize..transaction.messages.end as usize {
        let message = work.sends.messages.state[index];
        if message & (state::STORED | state::MISPLACED) != 0 {
            there = true;
        } else if outcome_of(message) != Outcome::Failed && audits.prove_absence(work.invoked_of(index).destination) {
            absent = absent.or(Some(index));
        }
    }
    absent.filter(|_| there)
}
