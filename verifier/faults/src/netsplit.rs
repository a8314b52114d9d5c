//! A network partition: packets between the sides are dropped without an answer.

use delivery_cluster::network::Cut;
use delivery_history::manifest::{BiteProof, Fault};

use crate::kind::{ActsOn, Evidence, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape, SharedNetwork};
use crate::view::ClusterView;

/// The lanes' leader is cut from its peers.
const LEADER: Shape = Shape {
    name: "leader",
    about: "the node that leads the lanes is cut from its peers; clients still reach every node (a bus without leaders: its first node)",
};
/// The leader's side keeps a client host.
const LEADER_CLIENTS: Shape = Shape {
    name: "leader-clients",
    about: "the leader and one client host, confined to it, are cut from all the rest",
};

/// Replicas no longer copy from the leader.
const FOLLOWERS: Shape = Shape {
    name: "followers",
    about: "the leader's followers cannot copy from it; it keeps its clients and, where that has ports of its own (Kafka), the controller",
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
        &[LEADER, LEADER_CLIENTS, FOLLOWERS]
    }

    fn confines_clients(&self, shape: &str) -> bool {
        shape == LEADER_CLIENTS.name
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Network
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let shape = planned.shape.as_str();
        let leader = view.lane_leader().ok_or_else(|| FaultError::NoTarget {
            fault: format!("netsplit:{shape}"),
            reason: String::from("no node was seen to lead the lanes"),
        })?;
        let peers: Vec<u32> = view.nodes.iter().copied().filter(|node| *node != leader).collect();
        let (mut inner, mut outer) = (vec![leader], peers);
        if shape != FOLLOWERS.name {
            outer.extend(&view.controllers);
        }
        if shape == LEADER_CLIENTS.name {
            inner.extend(view.client_hosts.first());
            outer.extend(view.client_hosts.iter().skip(1));
        }
        Ok(Resolved {
            targets: vec![leader],
            cut: between(&inner, &outer),
            only_ports: if shape == FOLLOWERS.name { view.replication_ports.clone() } else { Vec::new() },
            full_cut: true,
            sides: vec![inner, outer],
            clients: Vec::new(),
            bites_by: BiteProof::PacketsDropped,
        })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let cut = Cut { pairs: resolved.cut.clone(), only_ports: resolved.only_ports.clone() };
        ground.network.borrow_mut().cut(&cut)?;
        Ok(Box::new(CutGuard { network: ground.network.clone(), in_force: true }))
    }
}

/// Both directions of every pair between two sides.
fn between(one: &[u32], other: &[u32]) -> Vec<(u32, u32)> {
    one.iter().flat_map(|from| other.iter().flat_map(move |to| [(*from, *to), (*to, *from)])).collect()
}

struct CutGuard {
    network: SharedNetwork,
    in_force: bool,
}

impl FaultGuard for CutGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        let counted = self.network.borrow_mut().counters()?;
        Ok(vec![Evidence::Dropped(counted.dropped_packets), Evidence::Crossed(counted.crossed_packets)])
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        if self.in_force {
            self.network.borrow_mut().heal()?;
            self.in_force = false;
        }
        Ok(())
    }
}

impl Drop for CutGuard {
    fn drop(&mut self) {
        // Nothing is left to tell: the network itself ends with the run.
        let _ = self.heal();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::FaultRequest;
    use crate::schedule::{Defaults, plan_load};
    use delivery_broker::Observation;
    use delivery_cluster::network::{Counters, Network, NetworkError};
    use std::cell::RefCell;
    use std::rc::Rc;

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

    #[derive(Default)]
    struct Switch {
        cuts: Vec<usize>,
    }

    impl Network for Switch {
        fn cut(&mut self, cut: &Cut) -> Result<(), NetworkError> {
            self.cuts.push(cut.pairs.len());
            Ok(())
        }
        fn heal(&mut self) -> Result<(), NetworkError> {
            self.cuts.push(0);
            Ok(())
        }
        fn counters(&mut self) -> Result<Counters, NetworkError> {
            Ok(Counters { dropped_packets: 5, crossed_packets: 0 })
        }
    }

    #[test]
    fn the_guard_heals_once_whether_asked_or_dropped() {
        let switch = Rc::new(RefCell::new(Switch::default()));
        let ground = Ground { network: switch.clone(), processes: None };
        let resolved = resolve("leader", &view()).unwrap();
        let mut guard = Netsplit.start(&resolved, &ground).unwrap();
        assert_eq!(guard.evidence().unwrap(), [Evidence::Dropped(5), Evidence::Crossed(0)]);
        guard.heal().unwrap();
        drop(guard);
        drop(Netsplit.start(&resolved, &ground).unwrap());
        assert_eq!(switch.borrow().cuts, [4, 0, 4, 0]);
    }
}
