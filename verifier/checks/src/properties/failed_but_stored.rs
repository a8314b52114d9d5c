//! Failed but stored: certainly not stored, said the client, and there all the same.

use crate::directory::{Outcome, outcome_of, state};
use crate::properties::tally;
use crate::tally::Tally;
use crate::work::LaneWork;

/// Failed messages that were stored or delivered.
pub(crate) fn failed_but_stored(work: &LaneWork<'_, '_>) -> Tally {
    const THERE: u16 = state::STORED | state::MISPLACED | state::DELIVERED;
    tally(work, |message| message & THERE != 0 && outcome_of(message) == Outcome::Failed)
}
