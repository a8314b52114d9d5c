//! Stored twice: the same identity at two offsets of one replica, or in two destinations.

use crate::directory::state;
use crate::properties::tally;
use crate::tally::Tally;
use crate::work::LaneWork;

/// Messages that are stored more than once.
pub(crate) fn stored_twice(work: &LaneWork<'_, '_>) -> Tally {
    tally(work, |message| message & state::STORED_TWICE != 0)
}
