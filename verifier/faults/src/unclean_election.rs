//! `unclean-election`: whoever lives may lead, in sync or not. Something happens only where no replica in sync lives.

use delivery_broker::{Change, ChangeKind};
use delivery_history::manifest::{BiteProof, Fault};

use crate::asked::ask;
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::view::ClusterView;

const LANES: Shape = Shape { name: "lanes", about: "every partition of the lanes that has no leader" };

/// `unclean-election`.
pub struct UncleanElection;

impl FaultKind for UncleanElection {
    fn name(&self) -> &'static str {
        "unclean-election"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["elect-unclean"]
    }

    fn about(&self) -> &'static str {
        "a replica that is not in sync is made the leader (Kafka), where none in sync lives: take it with what takes those down"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LANES]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Product
    }

    fn change(&self, _shape: &str) -> Option<ChangeKind> {
        Some(ChangeKind::ElectUnclean)
    }

    fn length_ms(&self) -> Option<u64> {
        Some(5_000)
    }

    fn is_drawn(&self) -> bool {
        false
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let nobody = || FaultError::NoTarget {
            fault: planned.fault.clone(),
            reason: String::from("no node was ever seen to lead the lanes"),
        };
        let leader = view.lane_leader().ok_or_else(nobody)?;
        Ok(Resolved { targets: vec![leader], bites_by: BiteProof::UncleanElected, ..Resolved::default() })
    }

    fn start(&self, _resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        ask(Change::ElectUnclean, ground)
    }
}
