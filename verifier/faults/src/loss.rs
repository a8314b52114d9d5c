//! `loss`: packets are lost by chance.

use delivery_history::manifest::{Amount, BiteProof, Fault};

use crate::impaired::cut;
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::shapes;
use crate::view::ClusterView;

/// Everything the leader says and hears.
const LEADER: Shape = Shape {
    name: "leader",
    about: "between the leader and every other node and client: `loss=30` loses 30 of a hundred",
};
/// Everything the nodes say to each other.
const NODES: Shape = Shape { name: "nodes", about: "between the nodes; clients lose nothing" };
/// Lost where nobody says how many, percent.
const PERCENT: u32 = 20;

/// `loss`.
pub struct Loss;

impl FaultKind for Loss {
    fn name(&self) -> &'static str {
        "loss"
    }

    fn about(&self) -> &'static str {
        "packets are lost by chance, 20 of a hundred where no share is given (`loss=5`)"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER, NODES]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Network
    }

    fn is_gray(&self, _shape: &str) -> bool {
        true
    }

    fn amount(&self) -> Option<Amount> {
        Some(Amount::Percent(PERCENT))
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let everybody = shapes::resolve(self.name(), LEADER.name, view)?;
        let nodes = [view.nodes.clone(), view.controllers.clone()].concat();
        let others = |node: u32| nodes.iter().copied().filter(move |other| *other != node);
        let cut = if planned.shape == NODES.name {
            nodes.iter().flat_map(|from| others(*from).map(move |to| (*from, to))).collect()
        } else {
            let leader = everybody.targets[0];
            let heard = others(leader).chain(view.client_hosts.iter().copied());
            heard.flat_map(|other| [(leader, other), (other, leader)]).collect()
        };
        Ok(Resolved {
            targets: if planned.shape == NODES.name { view.nodes.clone() } else { everybody.targets },
            cut,
            amount: planned.amount.or(self.amount()),
            bites_by: BiteProof::PacketsDropped,
            ..Resolved::default()
        })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        cut(resolved, ground)
    }
}
