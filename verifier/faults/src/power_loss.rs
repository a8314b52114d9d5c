//! `power-loss`: a node's machine loses its power: the process is gone, and what it wrote and did not sync is gone too

use delivery_cluster::machines::Need;
use delivery_cluster::processes::Blow;
use delivery_history::manifest::{BiteProof, Fault};

use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::process::{ALL, FOLLOWER, LEADER, MAJORITY, TakenBack, resolve, strike};
use crate::view::ClusterView;

/// `power-loss`.
pub struct PowerLoss;

impl FaultKind for PowerLoss {
    fn name(&self) -> &'static str {
        "power-loss"
    }

    fn about(&self) -> &'static str {
        "a node is killed, what it wrote and did not sync is gone, and it is started again at the end of the fault's time"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER, FOLLOWER, MAJORITY, ALL]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Processes
    }

    fn needs(&self) -> Option<Need> {
        Some(Need::LayeredDisk)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        resolve(planned, view, BiteProof::PowerLost)
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        strike(resolved, ground, Blow::PowerLoss, TakenBack::ByStart)
    }
}
