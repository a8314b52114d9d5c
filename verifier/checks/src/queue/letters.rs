//! Dead letters that did not arrive: refused for good, and nowhere.

use std::collections::{BTreeMap, BTreeSet};

use delivery_broker::Settle;
use delivery_history::Event;
use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN};

use crate::directory::state;
use crate::health::kind;
use crate::queue::audit::Audited;
use crate::queue::members::Members;
use crate::queue::{Place, place_of};
use crate::tally::{Subject, Tally};
use crate::work::LaneWork;

/// Messages whose refusal without a requeue was confirmed, and that are neither where dead letters end nor anywhere
/// else. Nothing is said of queues that keep no dead letters, or whose audits are not complete; nor of a message that
/// some consumer has acked as well, which may be why it is gone.
pub(crate) fn lost(
    work: &LaneWork<'_, '_>,
    audited: &Audited<'_, '_>,
    members: &Members,
    elsewhere: &BTreeSet<usize>,
    recovered: bool,
) -> Tally {
    let mut lost = Tally::default();
    let keeps = |queue: &&u16| !audited.dead_letters.queues(**queue).is_empty();
    let is_whole = |queue: &&u16| audited.why_any_open(work.context, **queue).is_none();
    let whole: BTreeSet<u16> = work.destinations.iter().filter(keeps).filter(is_whole).copied().collect();
    if whole.is_empty() || !recovered || !members.sound {
        return lost;
    }
    let (refused, acked) = settled(work, members);
    for (index, event) in refused {
        let found = work.sends.messages.state[index] & (state::STORED | state::MISPLACED) != 0;
        if found || acked.contains(&index) || elsewhere.contains(&index) || !whole.contains(&event.destination) {
            continue;
        }
        let subject = Subject::Message { session: event.session, sequence: event.sequence };
        lost.add(event.time_ns, subject, event.destination);
    }
    lost
}

/// By message: its first confirmed refusal; and those for which an ack was asked.
fn settled<'a>(work: &LaneWork<'a, '_>, members: &Members) -> (BTreeMap<usize, &'a Event>, BTreeSet<usize>) {
    let (mut refused, mut acked) = (BTreeMap::<usize, &Event>::new(), BTreeSet::new());
    for event in members.workers.iter().flat_map(|worker| work.context.stream(*worker)) {
        let is = |settles: &[Settle]| settles.iter().any(|settle| *settle as u32 == event.detail);
        let refusal = event.kind == kind::SETTLE_OK && is(&[Settle::Reject, Settle::NackDrop]);
        let ack = event.kind == kind::SETTLE_INVOKED && is(&[Settle::Ack]);
        if !(refusal || ack) || event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) != 0 {
            continue;
        }
        let Place::Own { index, .. } = place_of(work, event) else { continue };
        if ack {
            acked.insert(index);
        } else {
            let first = refused.entry(index).or_insert(event);
            if event.time_ns < first.time_ns {
                *first = event;
            }
        }
    }
    (refused, acked)
}
