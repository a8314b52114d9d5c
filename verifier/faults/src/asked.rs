//! The guard of faults that ask the product for a change of its own: it tells what was answered, once.

use delivery_broker::Change;

use crate::kind::{Evidence, FaultError, FaultGuard, Ground, SharedProduct};

/// Asks for `change`.
///
/// # Errors
/// When this product cannot be asked, or a process that is a part of it could not be struck.
pub(crate) fn ask(change: Change, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
    let product = ground.product.clone().ok_or(FaultError::NoProduct)?;
    let number = product.borrow_mut().change(change)?;
    let left = match change {
        Change::Leave { node } => Some(node),
        _ => None,
    };
    Ok(Box::new(ChangeGuard { product, number, left, answers_told: false, wiped_told: false }))
}

struct ChangeGuard {
    product: SharedProduct,
    number: u32,
    /// The node that is to come back.
    left: Option<u32>,
    answers_told: bool,
    wiped_told: bool,
}

impl FaultGuard for ChangeGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        let changed = self.product.borrow_mut().changed(self.number)?;
        let mut seen = Vec::new();
        if !self.answers_told && !changed.answers.is_empty() {
            self.answers_told = true;
            seen.extend(changed.answers.iter().map(|answer| Evidence::Answered(answer.destination, answer.outcome)));
        }
        if let (false, Some(node), Some(bytes)) = (self.wiped_told, self.left, changed.wiped_bytes) {
            self.wiped_told = true;
            seen.push(Evidence::Wiped(node, bytes));
        }
        Ok(seen)
    }

    /// Whoever leads now goes on leading; a node that left comes back.
    fn heal(&mut self) -> Result<(), FaultError> {
        match self.left.take() {
            Some(node) => Ok(self.product.borrow_mut().bring_back(node)?),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use delivery_broker::{ChangeAnswer, ChangeOutcome, Changed, Observation};
    use delivery_cluster::network::Counters;
    use delivery_cluster::processes::ProcessError;
    use delivery_history::manifest::{BiteProof, Fault};

    use super::*;
    use crate::impaired::tests::Switch;
    use crate::kind::{Product, Resolved, find_fault};
    use crate::request::FaultRequest;
    use crate::schedule::{Defaults, plan_load};
    use crate::view::ClusterView;

    /// Writes down what it is asked for.
    #[derive(Default)]
    struct Asked {
        done: Vec<String>,
        changed: Changed,
    }

    impl Product for Asked {
        fn ask_for(&mut self, _destinations: &[u16]) {}
        fn has_confirmed(&self, _destinations: &[u16]) -> bool {
            false
        }
        fn change(&mut self, change: Change) -> Result<u32, ProcessError> {
            self.done.push(format!("{change:?}"));
            Ok(7)
        }
        fn changed(&mut self, number: u32) -> Result<Changed, ProcessError> {
            assert_eq!(number, 7);
            Ok(self.changed.clone())
        }
        fn bring_back(&mut self, node: u32) -> Result<(), ProcessError> {
            self.done.push(format!("back {node}"));
            Ok(())
        }
    }

    fn view() -> ClusterView {
        let mut view = ClusterView::new(vec![1, 2, 3], vec![101], false);
        for destination in [0, 1] {
            view.see(&Observation::Leader { node: 1, destination, leader: Some(2), epoch: 3 });
            view.see(&Observation::Isr { node: 2, destination, isr_bits: 0b1110 });
        }
        view
    }

    fn planned(text: &str) -> Fault {
        let defaults = Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 9_000, session_timeout_ms: 1 };
        plan_load(&FaultRequest::parse_list(text).unwrap(), None, defaults).unwrap().faults.remove(0)
    }

    fn resolved(text: &str, view: &ClusterView) -> Resolved {
        let planned = planned(text);
        find_fault(&planned.fault).unwrap().resolve(&planned, view).unwrap()
    }

    /// Starts it with what is resolved, and lets it tell and heal twice.
    fn goes_through(text: &str, changed: Changed) -> (Vec<Evidence>, Vec<String>) {
        let asked = Rc::new(RefCell::new(Asked { changed, ..Asked::default() }));
        let product: SharedProduct = asked.clone();
        let ground = Ground { product: Some(product), ..Switch::ground(Counters::default()).1 };
        let mut guard = find_fault(&planned(text).fault).unwrap().start(&resolved(text, &view()), &ground).unwrap();
        let mut seen = guard.evidence().unwrap();
        seen.extend(guard.evidence().unwrap());
        guard.heal().unwrap();
        guard.heal().unwrap();
        let done = asked.borrow().done.clone();
        (seen, done)
    }

    #[test]
    fn what_the_product_answers_is_told_once() {
        let answers = vec![ChangeAnswer::new(0, ChangeOutcome::Done), ChangeAnswer::refused(1, "no")];
        let changed = Changed { answers, wiped_bytes: None };
        let (seen, done) = goes_through("leader-transfer", changed);
        let told = [Evidence::Answered(0, ChangeOutcome::Done), Evidence::Answered(1, ChangeOutcome::Refused)];
        assert_eq!((seen, done), (told.to_vec(), vec![String::from("TransferLeaders { to: 3 }")]));
    }

    #[test]
    fn a_node_that_left_comes_back_once() {
        let answers = vec![ChangeAnswer::new(0, ChangeOutcome::Done)];
        let (seen, done) = goes_through("leave:leader", Changed { answers, wiped_bytes: Some(99) });
        assert_eq!(seen, [Evidence::Answered(0, ChangeOutcome::Done), Evidence::Wiped(2, 99)]);
        assert_eq!(done, ["Leave { node: 2 }", "back 2"]);
    }

    #[test]
    fn each_asks_for_its_own_change_and_takes_nothing_back() {
        let asked = |text: &str| goes_through(text, Changed::default()).1;
        assert_eq!(asked("leader-transfer:preferred"), ["ElectPreferred"]);
        assert_eq!(asked("unclean-election"), ["ElectUnclean"]);
        assert_eq!(asked("rebalance-queues"), ["Rebalance"]);
        assert_eq!(asked("reassign"), ["Reassign"]);
    }

    #[test]
    fn leadership_goes_to_the_next_node_in_sync_and_again_to_the_same_one_in_a_replay() {
        let mut view = view();
        let first = resolved("leader-transfer", &view);
        assert_eq!((first.targets.as_slice(), first.bites_by), (&[2, 3][..], BiteProof::LeaderMoved));
        view.see(&Observation::Isr { node: 2, destination: 0, isr_bits: 0b0110 });
        view.see(&Observation::Isr { node: 2, destination: 1, isr_bits: 0b0110 });
        assert_eq!(resolved("leader-transfer", &view).targets, [2, 1], "n3 is out of sync");
        view.see(&Observation::Isr { node: 2, destination: 0, isr_bits: 0b0100 });
        view.see(&Observation::Isr { node: 2, destination: 1, isr_bits: 0b0100 });
        let nobody = find_fault("leader-transfer").unwrap().resolve(&planned("leader-transfer"), &view);
        assert!(nobody.unwrap_err().to_string().contains("no other replica is in sync"));
        let recorded = Fault { targets: first.targets, bites_by: first.bites_by, ..planned("leader-transfer") };
        let again = find_fault("leader-transfer").unwrap().resolve_again(&recorded, &view);
        assert_eq!((again.targets.as_slice(), again.bites_by), (&[2, 3][..], BiteProof::LeaderMoved));
    }

    #[test]
    fn who_leaves_is_taken_by_role() {
        assert_eq!(resolved("leave", &view()).targets, [3]);
        assert_eq!(resolved("leave:leader", &view()).targets, [2]);
        assert_eq!(planned("leave").duration_ms, 25_000);
        assert_eq!(planned("leader-transfer").duration_ms, 3_000);
    }
}
