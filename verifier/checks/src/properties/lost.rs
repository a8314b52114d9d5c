//! Lost: acked (or sent, where no ack is asked for) and proved to be stored nowhere.

use std::collections::BTreeMap;

use crate::audits::Audits;
use crate::directory::state;
use crate::properties::tally;
use crate::tally::Tally;
use crate::work::LaneWork;

/// Messages that are not where they must be.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Proved lost.
    pub(crate) tally: Tally,
    /// The same by destination.
    pub(crate) by_destination: BTreeMap<u16, u64>,
    /// Not found, but nothing proves that they are not there.
    pub(crate) unproved: u64,
}

/// Marks messages that no audit of their destination holds; what consumers did with them changes nothing.
///
/// `recovered`: the cluster was whole again before it was audited.
pub(crate) fn mark_lost_from_log(work: &mut LaneWork<'_, '_>, audits: &Audits<'_>, recovered: bool) -> u64 {
    let mut unproved = 0;
    let provable: Vec<u16> = work
        .destinations
        .iter()
        .copied()
        .filter(|destination| recovered && audits.prove_absence(*destination))
        .collect();
    for slot in work.sends.slots.clone() {
        let entry = work.directory.sessions(slot..slot + 1)[0];
        for index in entry.base as usize..entry.base as usize + entry.len as usize {
            let message = work.sends.messages.state[index];
            if message & (state::STORED | state::MISPLACED) != 0 || !work.is_owed(message) {
                continue;
            }
            let destination = if entry.mixed { work.invoked(&entry, index).destination } else { entry.destination };
            if provable.binary_search(&destination).is_ok() {
                work.sends.messages.state[index] |= state::LOST;
            } else {
                unproved += 1;
            }
        }
    }
    unproved
}

/// Counts what was marked lost, by audits or by drained subscribers.
pub(crate) fn lost(work: &LaneWork<'_, '_>, unproved: u64) -> Lost {
    let any = work.sends.messages.state.iter().fold(0, |all, message| all | message);
    let tally =
        if any & state::LOST == 0 { Tally::default() } else { tally(work, |message| message & state::LOST != 0) };
    let mut by_destination = BTreeMap::new();
    if tally.count() > 0 {
        for entry in work.directory.sessions(work.sends.slots.clone()) {
            for index in entry.base as usize..entry.base as usize + entry.len as usize {
                if work.sends.messages.state[index] & state::LOST != 0 {
                    *by_destination.entry(work.invoked(entry, index).destination).or_default() += 1;
                }
            }
        }
    }
    Lost { tally, by_destination, unproved }
}
