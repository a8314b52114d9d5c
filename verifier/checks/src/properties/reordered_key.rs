//! Reordered by key: stored (of a fan-out: first delivered) after a later message of the same session and key. What
//! is out of order by key is out of order in its session, so only histories with such messages are gone through again.

use std::collections::{HashMap, HashSet};

use delivery_history::Event;

use crate::directory::state;
use crate::properties::tally;
use crate::tally::Tally;
use crate::work::{Found, LaneWork};

/// Marks what came after a later message of its session and key among `events`: one reading in its order.
/// `came_twice` tells by number and state which messages may stand there more than once.
pub(crate) fn mark<'e>(
    work: &mut LaneWork<'_, '_>,
    events: impl Iterator<Item = &'e Event>,
    came_twice: impl Fn(usize, u16) -> bool,
) {
    let mut highest: HashMap<(usize, u32, u16), u32, foldhash::fast::RandomState> = HashMap::default();
    let mut copied: HashSet<usize, foldhash::fast::RandomState> = HashSet::default();
    for event in events {
        let Found::Judged { slot, index } = work.resolve(event) else { continue };
        let entry = work.directory.sessions(slot..slot + 1)[0];
        let message = work.sends.messages.state[index];
        // Where a second copy stands says nothing of the order.
        if came_twice(index, message) && !copied.insert(index) {
            continue;
        }
        let key = work.invoked(&entry, index).detail;
        let known = highest.entry((slot, key, event.destination)).or_insert(event.sequence);
        if event.sequence < *known {
            work.sends.messages.state[index] |= state::REORDERED_KEY;
        } else {
            *known = event.sequence;
        }
    }
}

/// Messages that came after a later one of their session and key.
pub(crate) fn reordered_key(work: &LaneWork<'_, '_>) -> Tally {
    tally(work, |message| message & state::REORDERED_KEY != 0)
}
