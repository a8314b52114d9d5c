//! A network partition: packets between the sides are dropped without an answer.

use delivery_history::manifest::Fault;

use crate::impaired::{cut, flap};
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::shapes;
use crate::view::ClusterView;

/// As users see them.
static SHAPES: [Shape; shapes::ALL.len()] = {
    let mut shown = [shapes::ALL[0].shape; shapes::ALL.len()];
    let mut place = 1;
    while place < shown.len() {
        shown[place] = shapes::ALL[place].shape;
        place += 1;
    }
    shown
};

/// `netsplit`.
pub struct Netsplit;

impl FaultKind for Netsplit {
    fn name(&self) -> &'static str {
        "netsplit"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["partition"]
    }

    fn about(&self) -> &'static str {
        "a network partition: packets between the sides are dropped without an answer"
    }

    fn shapes(&self) -> &'static [Shape] {
        &SHAPES
    }

    fn confines_clients(&self, shape: &str) -> bool {
        shapes::ALL.iter().any(|known| known.shape.name == shape && known.confines_clients)
    }

    fn is_gray(&self, shape: &str) -> bool {
        shapes::ALL.iter().any(|known| known.shape.name == shape && known.is_gray)
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Network
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        shapes::resolve(self.name(), &planned.shape, view)
    }

    fn resolve_again(&self, recorded: &Fault, view: &ClusterView) -> Resolved {
        let ports = || view.replication_ports.clone();
        Resolved {
            targets: recorded.targets.clone(),
            cut: recorded.cut.clone(),
            full_cut: recorded.full_cut,
            sides: recorded.sides.clone(),
            only_ports: if shapes::is_confined_to_replication(&recorded.shape) { ports() } else { Vec::new() },
            flaps: shapes::flaps(&recorded.shape),
            bites_by: recorded.bites_by,
            ..Resolved::default()
        }
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        if resolved.flaps { flap(resolved, ground) } else { cut(resolved, ground) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impaired::tests::Switch;
    use crate::kind::Evidence;
    use crate::request::FaultRequest;
    use crate::schedule::{Defaults, plan_load};
    use delivery_broker::Observation;
    use delivery_cluster::network::{Counters, Cut, Impairment};

    fn resolve(shape: &str, view: &ClusterView) -> Result<Resolved, FaultError> {
        let defaults = Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 1, session_timeout_ms: 1 };
        let requests = FaultRequest::parse_list(&format!("netsplit:{shape}")).unwrap();
        Netsplit.resolve(&plan_load(&requests, None, defaults).unwrap().faults[0], view)
    }

    fn view() -> ClusterView {
        let mut view = ClusterView::new(vec![1, 2, 3], vec![101, 102], false);
        for destination in 0..4 {
            view.see(&Observation::Leader { node: 1, destination, leader: Some(2), epoch: 3 });
        }
        view
    }

    #[test]
    fn leader_is_cut_from_its_peers_in_both_directions_and_from_no_client() {
        let resolved = resolve("leader", &view()).unwrap();
        assert_eq!(resolved.targets, [2]);
        assert_eq!(resolved.cut, [(2, 1), (1, 2), (2, 3), (3, 2)]);
        assert_eq!(resolved.sides, [vec![2], vec![1, 3]]);
    }

    #[test]
    fn leader_clients_confines_the_first_client_host_to_the_leader() {
        let resolved = resolve("leader-clients", &view()).unwrap();
        assert_eq!(resolved.sides, [vec![2, 101], vec![1, 3, 102]]);
        assert!(resolved.cut.contains(&(101, 1)) && resolved.cut.contains(&(2, 102)));
        assert!(!resolved.cut.contains(&(101, 2)) && !resolved.cut.contains(&(102, 3)));
        assert_eq!(resolved.cut.len(), 2 * 2 * 3);
    }

    #[test]
    fn what_was_resolved_once_is_hit_again_whoever_leads_now() {
        let (mut before, defaults) =
            (view(), Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 1, session_timeout_ms: 1 });
        before.replication_ports = vec![9092];
        let mut now = before.clone();
        now.see(&Observation::Leader { node: 1, destination: 0, leader: Some(3), epoch: 9 });
        for shape in Netsplit.shapes().iter().filter(|shape| !["controller", "ring"].contains(&shape.name)) {
            let requests = FaultRequest::parse_list(&format!("netsplit:{}", shape.name)).unwrap();
            let mut fault = plan_load(&requests, None, defaults).unwrap().faults.remove(0);
            let resolved = Netsplit.resolve(&fault, &before).unwrap();
            fault.targets.clone_from(&resolved.targets);
            fault.cut.clone_from(&resolved.cut);
            fault.sides.clone_from(&resolved.sides);
            fault.full_cut = resolved.full_cut;
            assert_eq!(Netsplit.resolve_again(&fault, &now), resolved, "{}", shape.name);
        }
    }

    #[test]
    fn followers_are_cut_off_from_copying_only() {
        let mut view = view();
        view.replication_ports = vec![9092];
        let resolved = resolve("followers", &view).unwrap();
        assert_eq!((resolved.cut.len(), resolved.only_ports), (4, vec![9092]));
        assert!(resolve("leader", &view).unwrap().only_ports.is_empty());
    }

    #[test]
    fn a_newer_epoch_moves_the_leader_and_an_older_one_does_not() {
        let mut view = view();
        for destination in 0..4 {
            view.see(&Observation::Leader { node: 3, destination, leader: Some(1), epoch: 4 });
            view.see(&Observation::Leader { node: 2, destination, leader: Some(2), epoch: 3 });
        }
        assert_eq!(view.lane_leader(), Some(1));
    }

    #[test]
    fn nobody_leading_is_an_error_and_not_a_guess() {
        let unseen = ClusterView::new(vec![1, 2, 3], vec![101], false);
        assert!(resolve("leader", &unseen).is_err());
    }

    #[test]
    fn the_guard_heals_once_whether_asked_or_dropped() {
        let (switch, ground) = Switch::ground(Counters { dropped_packets: 5, ..Counters::default() });
        let resolved = resolve("leader", &view()).unwrap();
        let mut guard = Netsplit.start(&resolved, &ground).unwrap();
        assert_eq!(guard.evidence().unwrap(), [Evidence::Dropped(5), Evidence::Crossed(0)]);
        guard.heal().unwrap();
        drop(guard);
        drop(Netsplit.start(&resolved, &ground).unwrap());
        let cut = Impairment::Cut(Cut::all(resolved.cut.clone()));
        assert_eq!(switch.borrow().started, [cut.clone(), cut]);
        assert!(switch.borrow().in_force.is_empty());
    }
}
