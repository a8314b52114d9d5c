//! `leave`: a node leaves the cluster, forgets what it stores, and joins again.

use delivery_broker::{Change, ChangeKind};
use delivery_history::manifest::{BiteProof, Fault};

use crate::asked::ask;
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::process::{FOLLOWER, LEADER, resolve};
use crate::view::ClusterView;

/// `leave`.
pub struct Leave;

impl FaultKind for Leave {
    fn name(&self) -> &'static str {
        "leave"
    }

    fn about(&self) -> &'static str {
        "a node is taken out of the cluster, loses all it stores, and joins again at the end of the fault's time"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[FOLLOWER, LEADER]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Product
    }

    fn change(&self, _shape: &str) -> Option<ChangeKind> {
        Some(ChangeKind::Leave)
    }

    fn length_ms(&self) -> Option<u64> {
        Some(25_000)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        resolve(planned, view, BiteProof::MemberLeft)
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let nobody = || FaultError::NoTarget { fault: String::from("leave"), reason: String::from("nobody was named") };
        let node = resolved.targets.first().copied().ok_or_else(nobody)?;
        ask(Change::Leave { node }, ground)
    }
}
