//! Processed twice: entered processing more than once in one group. Redelivered: delivered again
//! without that.

use crate::directory::state;
use crate::properties::tally;
use crate::tally::Tally;
use crate::work::LaneWork;

/// Messages some group processed more than once.
pub(crate) fn processed_twice(work: &LaneWork<'_, '_>) -> Tally {
    tally(work, |message| message & state::PROCESSED_TWICE != 0)
}

/// Messages some group was given again without processing them again.
pub(crate) fn redelivered(work: &LaneWork<'_, '_>) -> Tally {
    tally(work, |message| message & state::REDELIVERED != 0)
}
