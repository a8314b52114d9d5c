//! `reset`: connections are answered with a reset rather than with silence.

use delivery_cluster::network::Impairment;
use delivery_cluster::probe::Facility;
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
