//! Reordered: stored (of a fan-out: first delivered) after a later message of the same session
//! and destination. Late unknowns count; second copies do not.

use crate::directory::state;
use crate::properties::tally;
use crate::tally::Tally;
use crate::work::LaneWork;

/// Messages that came after a later one of their session.
pub(crate) fn reordered(work: &LaneWork<'_, '_>) -> Tally {
    tally(work, |message| message & state::REORDERED != 0)
}
