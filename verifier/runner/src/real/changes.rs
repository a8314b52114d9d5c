//! Changes the product was asked for, and what became of them.

use std::collections::BTreeMap;

use delivery_broker::{Change, Changed};

/// Changes by number.
#[derive(Default)]
pub(crate) struct Changes {
    asked: BTreeMap<u32, (Change, Changed)>,
}

impl Changes {
    /// Writes down a change that is asked for; the number its answer goes by.
    pub(crate) fn ask(&mut self, change: Change) -> u32 {
        let number = self.asked.keys().next_back().map_or(1, |last| last + 1);
        self.asked.insert(number, (change, Changed::default()));
        number
    }

    /// Takes the administrator's answer.
    pub(crate) fn answer(&mut self, number: u32, changed: Changed) {
        let Some((_, known)) = self.asked.get_mut(&number) else { return };
        known.answers = changed.answers;
        known.wiped_bytes = changed.wiped_bytes.or(known.wiped_bytes);
    }

    /// The node that is to leave and still has what it stores, as far as is known.
    pub(crate) fn leaving(&self, number: u32) -> Option<u32> {
        match self.asked.get(&number) {
            Some((Change::Leave { node }, Changed { wiped_bytes: None, .. })) => Some(*node),
            _ => None,
        }
    }

    /// What the node that leaves had stored is gone.
    pub(crate) fn wiped(&mut self, number: u32, bytes: u64) {
        if let Some((_, known)) = self.asked.get_mut(&number) {
            known.wiped_bytes = Some(bytes);
        }
    }

    /// What is known so far.
    pub(crate) fn told(&self, number: u32) -> Changed {
        self.asked.get(&number).map(|(_, changed)| changed.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use delivery_broker::{ChangeAnswer, ChangeOutcome};

    use super::*;

    #[test]
    fn a_node_is_leaving_until_its_data_is_gone_and_an_answer_does_not_undo_that() {
        let mut changes = Changes::default();
        let (first, second) = (changes.ask(Change::ElectUnclean), changes.ask(Change::Leave { node: 3 }));
        assert_eq!((changes.leaving(first), changes.leaving(second)), (None, Some(3)));
        changes.wiped(second, 99);
        let answers = vec![ChangeAnswer::new(0, ChangeOutcome::Done)];
        changes.answer(second, Changed { answers: answers.clone(), wiped_bytes: None });
        assert_eq!(changes.leaving(second), None);
        assert_eq!(changes.told(second), Changed { answers, wiped_bytes: Some(99) });
        assert_eq!(changes.told(first), Changed::default());
        changes.answer(77, Changed::default());
    }
}
