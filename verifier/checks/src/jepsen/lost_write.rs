//! `lost-write`: a committed value below the highest one that was read, and never read itself. Every value counts from
//! the last index it was seen at, the highest read from the first: what stands twice proves the least.

use super::anomaly::Anomaly;
use super::collect::Collector;
use super::facts::Facts;
use super::log_order::LogOrder;

pub(super) fn check(facts: &Facts<'_>, order: &LogOrder, found: &mut Collector<'_, '_>) {
    let mut bounds: Vec<Option<u32>> = vec![None; facts.history.key_count()];
    for (id, message) in facts.messages.iter().enumerate().filter(|(_, message)| message.ok_polled) {
        let bound = &mut bounds[message.key as usize];
        *bound = order.seen(id as u32).map(|seen| seen.first).max(*bound);
    }
    for (id, message) in facts.messages.iter().enumerate().filter(|(_, message)| !message.ok_polled) {
        let (Some(bound), Some(seen)) = (bounds[message.key as usize], order.seen(id as u32)) else {
            continue;
        };
        let Some(writer) = message.writer.filter(|writer| facts.committed(*writer as usize)) else {
            continue;
        };
        if seen.last <= bound {
            let what = || format!("never read, although index {bound} of its key was, and it stands at {}", seen.last);
            found.add(Anomaly::LostWrite, id as u32, what, &[writer]);
        }
    }
}
