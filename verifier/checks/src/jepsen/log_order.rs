//! The order of each key's log, from every offset that is known. Offsets nobody knows of leave no gap: what counts is
//! the dense index.

use super::facts::{Facts, MessageId};
use super::tie;
use delivery_history::import::Action;

/// A message at an offset of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) key: u32,
    pub(super) offset: u64,
    pub(super) message: MessageId,
}

/// Where a message stands among the dense indexes of its key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Indexes {
    /// Where it stands for its offset, the last of them.
    pub(super) of_order: u32,
    /// The first at which it was seen at all.
    pub(super) first: u32,
    /// The last at which it was seen at all.
    pub(super) last: u32,
}

const UNKNOWN: u32 = u32::MAX;

/// Every key's log.
pub(super) struct LogOrder {
    /// By key, then offset; messages of one offset in the order of [`tie`].
    pub(super) placed: Vec<Placed>,
    /// The message that stands for each dense index; those of one key after those of the key before it.
    by_index: Vec<MessageId>,
    /// Where each key begins in `by_index`; one more for the end.
    begins: Vec<u32>,
    indexes: Vec<Indexes>,
}

impl LogOrder {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let unknown = Indexes { of_order: UNKNOWN, first: UNKNOWN, last: UNKNOWN };
        let mut order = Self {
            placed: placed(facts),
            by_index: Vec::new(),
            begins: vec![0; facts.history.key_count() + 1],
            indexes: vec![unknown; facts.messages.len()],
        };
        order.number();
        order
    }

    fn number(&mut self) {
        let mut last = None;
        let mut index = 0;
        for placed in &self.placed {
            let indexes = &mut self.indexes[placed.message as usize];
            if last != Some((placed.key, placed.offset)) {
                index = if last.is_some_and(|(key, _)| key == placed.key) { index + 1 } else { 0 };
                indexes.of_order = index;
                self.by_index.push(placed.message);
                self.begins[placed.key as usize + 1] += 1;
                last = Some((placed.key, placed.offset));
            }
            indexes.first = indexes.first.min(index);
            indexes.last = index;
        }
        for key in 1..self.begins.len() {
            self.begins[key] += self.begins[key - 1];
        }
    }

    /// Where a message was seen; nothing where no offset of it is known.
    pub(super) fn seen(&self, message: MessageId) -> Option<Indexes> {
        Some(self.indexes[message as usize]).filter(|indexes| indexes.first != UNKNOWN)
    }

    /// The step from one message of a key to the next one; 1 where either's place is not known.
    pub(super) fn step(&self, from: MessageId, to: MessageId) -> i64 {
        match (self.indexes[from as usize].of_order, self.indexes[to as usize].of_order) {
            (UNKNOWN, _) | (_, UNKNOWN) => 1,
            (from, to) => i64::from(to) - i64::from(from),
        }
    }

    /// The message before this one in its key's order.
    pub(super) fn previous(&self, key: u32, message: MessageId) -> Option<MessageId> {
        match self.indexes[message as usize].of_order {
            0 | UNKNOWN => None,
            index => Some(self.by_index[(self.begins[key as usize] + index - 1) as usize]),
        }
    }
}

/// Sends count where they are known to have happened, polls always: what a poll returns is meant to be safe, however
/// its transaction ends.
fn placed(facts: &Facts<'_>) -> Vec<Placed> {
    let mut placed = Vec::new();
    for (place, _) in facts.transactions() {
        let committed = facts.committed(place);
        for micro in facts.micro(place) {
            if let Some(offset) = micro.offset.filter(|_| committed || micro.action == Action::Read) {
                let key = facts.message(micro.message).key;
                placed.push(Placed { key, offset, message: micro.message });
            }
        }
    }
    placed.sort_unstable_by_key(|placed| {
        (placed.key, placed.offset, tie::rank(facts.message(placed.message).value), placed.message)
    });
    placed.dedup();
    placed
}
