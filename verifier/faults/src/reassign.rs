//! `reassign`: a replica moves to a node that held none, and the leader with it.

use delivery_broker::{Change, ChangeKind};
use delivery_history::manifest::{BiteProof, Fault};

use crate::asked::ask;
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::view::ClusterView;

const LEADER: Shape =
    Shape { name: "leader", about: "every partition of the lanes: a node that holds none takes the leader's replica" };

/// `reassign`.
pub struct Reassign;

impl FaultKind for Reassign {
    fn name(&self) -> &'static str {
        "reassign"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["reassign-partitions"]
    }

    fn about(&self) -> &'static str {
        "the replica that leads is given to a node that holds none while clients work (Kafka, more nodes than replicas); it stays"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Product
    }

    fn change(&self, _shape: &str) -> Option<ChangeKind> {
        Some(ChangeKind::Reassign)
    }

    fn length_ms(&self) -> Option<u64> {
        Some(15_000)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let nobody = || FaultError::NoTarget {
            fault: planned.fault.clone(),
            reason: String::from("no node was ever seen to lead the lanes"),
        };
        let leader = view.lane_leader().ok_or_else(nobody)?;
        Ok(Resolved { targets: vec![leader], bites_by: BiteProof::ReplicasMoved, ..Resolved::default() })
    }

    fn start(&self, _resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        ask(Change::Reassign, ground)
    }
}
