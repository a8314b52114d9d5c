//! `int-poll-skip`, `int-nonmonotonic-poll`, `int-send-skip`, `int-nonmonotonic-send`: within one operation, each
//! message of a key against the one before it.

use delivery_history::import::Action;

use super::anomaly::Anomaly;
use super::collect::Collector;
use super::facts::Facts;
use super::log_order::LogOrder;

/// The last message of a key and the operation that touched it.
type Last = Vec<(u32, u32)>;

const NO_PLACE: u32 = u32::MAX;

pub(super) fn check(facts: &Facts<'_>, order: &LogOrder, found: &mut Collector<'_, '_>) {
    let keys = facts.history.key_count();
    let (mut reads, mut sends): (Last, Last) = (vec![(NO_PLACE, 0); keys], vec![(NO_PLACE, 0); keys]);
    let mut rebalanced = vec![NO_PLACE; keys];
    for (place, operation) in facts.transactions() {
        let place = place as u32;
        for key in facts.history.rebalanced(operation) {
            rebalanced[*key as usize] = place;
        }
        for micro in facts.micro(place as usize) {
            let key = facts.message(micro.message).key as usize;
            let (last, skip, back) = match micro.action {
                Action::Read => (&mut reads[key], Anomaly::IntPollSkip, Anomaly::IntNonmonotonicPoll),
                Action::Send => (&mut sends[key], Anomaly::IntSendSkip, Anomaly::IntNonmonotonicSend),
            };
            let (before, previous) = std::mem::replace(last, (place, micro.message));
            let excused = micro.action == Action::Read && rebalanced[key] == place;
            if before != place || excused {
                continue;
            }
            let step = order.step(previous, micro.message);
            let what = || format!("{step:+} in its key's order from {}", name(facts, previous));
            match step {
                2.. => found.add(skip, micro.message, what, &[place]),
                1 => {}
                _ => found.add(back, micro.message, what, &[place]),
            }
        }
    }
}

pub(super) fn name(facts: &Facts<'_>, message: u32) -> String {
    facts.history.text(facts.message(message).value)
}
