//! `reset`: connections are answered with a reset rather than with silence.

use delivery_cluster::machines::Facility;
use delivery_cluster::network::Impairment;
use delivery_history::manifest::{BiteProof, Fault};

use crate::impaired::impair;
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::shapes;
use crate::view::ClusterView;

/// Everybody who talks to the leader.
const LEADER: Shape =
    Shape { name: "leader", about: "connections between the leader and every other node and client are reset" };
/// Clients only.
const CLIENTS: Shape =
    Shape { name: "clients", about: "connections between the leader and clients are reset; nodes keep theirs" };

/// `reset`.
pub struct Reset;

impl FaultKind for Reset {
    fn name(&self) -> &'static str {
        "reset"
    }

    fn about(&self) -> &'static str {
        "every TCP packet is answered with a reset: connections break and are refused at once, nobody waits in silence"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER, CLIENTS]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Network
    }

    fn is_gray(&self, shape: &str) -> bool {
        shape == CLIENTS.name
    }

    fn refusal(&self) -> Option<String> {
        Facility::Reset.refusal()
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let targets = shapes::resolve(self.name(), LEADER.name, view)?.targets;
        let leader = targets[0];
        let nodes = view.nodes.iter().chain(&view.controllers).copied();
        let peers: Vec<u32> = nodes.filter(|node| *node != leader && planned.shape == LEADER.name).collect();
        let others = peers.into_iter().chain(view.client_hosts.iter().copied());
        let cut = others.flat_map(|other| [(leader, other), (other, leader)]).collect();
        // Whoever is refused at once goes elsewhere, so there are no sides to be seen.
        Ok(Resolved { targets, cut, full_cut: true, bites_by: BiteProof::PacketsReset, ..Resolved::default() })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        impair(Impairment::Reset(resolved.cut.clone()), ground)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivery_broker::Observation;
    use delivery_cluster::network::Counters;

    use crate::impaired::tests::Switch;
    use crate::kind::Evidence;
    use crate::request::FaultRequest;
    use crate::schedule::{Defaults, plan_load};

    fn resolved(text: &str) -> Resolved {
        let defaults = Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 1, session_timeout_ms: 1 };
        let planned = plan_load(&FaultRequest::parse_list(text).unwrap(), None, defaults).unwrap().faults.remove(0);
        let mut view = ClusterView::new(vec![1, 2, 3], vec![101, 102], false);
        view.controllers = vec![4];
        view.see(&Observation::Leader { node: 1, destination: 0, leader: Some(2), epoch: 3 });
        Reset.resolve(&planned, &view).unwrap()
    }

    #[test]
    fn the_leader_is_refused_by_everybody_or_by_clients_alone() {
        let everybody = resolved("reset");
        assert_eq!(everybody.targets, [2]);
        for other in [1, 3, 4, 101, 102] {
            assert!(everybody.cut.contains(&(2, other)) && everybody.cut.contains(&(other, 2)), "{other}");
        }
        assert_eq!(everybody.cut.len(), 10);
        assert_eq!(resolved("reset:clients").cut, [(2, 101), (101, 2), (2, 102), (102, 2)]);
        assert!(everybody.full_cut && everybody.sides.is_empty());
    }

    #[test]
    fn it_shows_what_it_answered_and_what_got_past() {
        let counters = Counters { reset_packets: 4, ..Counters::default() };
        let (switch, ground) = Switch::ground(counters);
        let resolved = resolved("reset:clients");
        let mut guard = Reset.start(&resolved, &ground).unwrap();
        assert_eq!(guard.evidence().unwrap(), [Evidence::Reset(4), Evidence::Crossed(0)]);
        assert_eq!(switch.borrow().started, [Impairment::Reset(resolved.cut)]);
    }
}
