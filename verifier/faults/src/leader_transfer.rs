//! `leader-transfer`: the lanes are led by another node, though their leader is well.

use delivery_broker::{Change, ChangeKind};
use delivery_history::manifest::{BiteProof, Fault};

use crate::asked::ask;
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::view::ClusterView;

const NEXT: Shape = Shape { name: "next", about: "to the next node that is in sync" };
const PREFERRED: Shape = Shape {
    name: "preferred",
    about: "back to the replica that is to lead by their order (Kafka); whoever leads already goes on",
};

/// `leader-transfer`.
pub struct LeaderTransfer;

impl FaultKind for LeaderTransfer {
    fn name(&self) -> &'static str {
        "leader-transfer"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["transfer-leadership"]
    }

    fn about(&self) -> &'static str {
        "the product is asked to move the lanes' leadership to another replica while clients work; it stays there"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[NEXT, PREFERRED]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Product
    }

    fn change(&self, shape: &str) -> Option<ChangeKind> {
        Some(if shape == PREFERRED.name { ChangeKind::ElectPreferred } else { ChangeKind::TransferLeaders })
    }

    fn length_ms(&self) -> Option<u64> {
        Some(3_000)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let nobody = |reason: &str| FaultError::NoTarget { fault: planned.fault.clone(), reason: reason.to_owned() };
        let leader = view.lane_leader().ok_or_else(|| nobody("no node was seen to lead the lanes"))?;
        let mut targets = vec![leader];
        if planned.shape != PREFERRED.name {
            targets.push(view.next_in_sync(leader).ok_or_else(|| nobody("no other replica is in sync"))?);
        }
        Ok(Resolved { targets, bites_by: BiteProof::LeaderMoved, ..Resolved::default() })
    }

    /// From the first target to the second; where there is none, to whoever is preferred.
    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let to = resolved.targets.get(1).copied();
        ask(to.map_or(Change::ElectPreferred, |to| Change::TransferLeaders { to }), ground)
    }
}
