//! Which messages a node has taken already: one bit a message.

use std::collections::BTreeMap;

use delivery_broker::MessageId;

/// Messages of one topic that were taken. Sequences are dense, so a bitmap a session is small.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    sessions: BTreeMap<u32, Vec<u64>>,
}

impl Seen {
    pub(crate) fn contains(&self, id: MessageId) -> bool {
        let (word, bit) = place(id.sequence);
        self.sessions.get(&id.session).and_then(|words| words.get(word)).is_some_and(|bits| bits & bit != 0)
    }

    pub(crate) fn insert(&mut self, id: MessageId) {
        let (word, bit) = place(id.sequence);
        let words = self.sessions.entry(id.session).or_default();
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        words[word] |= bit;
    }
}

fn place(sequence: u32) -> (usize, u64) {
    (sequence as usize / 64, 1 << (sequence % 64))
}

#[cfg(test)]
mod tests {
    use super::Seen;
    use delivery_broker::MessageId;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_set(ids in proptest::collection::vec((0u32..3, 0u32..400), 0..200)) {
            let (mut seen, mut model) = (Seen::default(), BTreeSet::new());
            for (session, sequence) in ids {
                let id = MessageId { session, sequence };
                prop_assert_eq!(seen.contains(id), model.contains(&id));
                seen.insert(id);
                model.insert(id);
                prop_assert!(seen.contains(id));
            }
        }
    }
}
