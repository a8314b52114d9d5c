//! `inconsistent-offsets`: two or more values at one offset; `duplicate`: one value at more than one offset.

use super::anomaly::Anomaly;
use super::collect::Collector;
use super::facts::Facts;
use super::internal::name;
use super::log_order::LogOrder;

pub(super) fn check(facts: &Facts<'_>, order: &LogOrder, found: &mut Collector<'_, '_>) {
    let placed = &order.placed;
    let mut times = vec![0_u32; facts.messages.len()];
    for (at, this) in placed.iter().enumerate() {
        let same = |other: Option<usize>| {
            let other = other.and_then(|other| placed.get(other));
            other.is_some_and(|other| (other.key, other.offset) == (this.key, this.offset))
        };
        // The second value of an offset stands for all the further ones.
        if same(at.checked_sub(1)) && !same(at.checked_sub(2)) {
            let other = placed[at - 1].message;
            let what = || format!("seen at offset {}, where {} was seen, too", this.offset, name(facts, other));
            let places = [writer(facts, other), writer(facts, this.message)].concat();
            found.add(Anomaly::InconsistentOffsets, this.message, what, &places);
        }
        times[this.message as usize] += 1;
        if times[this.message as usize] == 2 {
            let what = || format!("stored again at offset {}", this.offset);
            found.add(Anomaly::Duplicate, this.message, what, &writer(facts, this.message));
        }
    }
}

fn writer(facts: &Facts<'_>, message: u32) -> Vec<u32> {
    facts.message(message).writer.into_iter().collect()
}
