//! `stop`: a node is asked to end (SIGTERM) and started again at the end of the fault's time

use delivery_cluster::processes::Blow;
use delivery_history::manifest::{BiteProof, Fault, Role};

use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::process::{
    ALL, CONTROLLER, COORDINATOR, FOLLOWER, LEADER, MAJORITY, TakenBack, clients_hit, resolve, strike,
};
use crate::view::ClusterView;

/// `stop`.
pub struct Stop;

impl FaultKind for Stop {
    fn name(&self) -> &'static str {
        "stop"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["shutdown"]
    }

    fn about(&self) -> &'static str {
        "a node is asked to end (SIGTERM) and started again at the end of the fault's time"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER, FOLLOWER, MAJORITY, ALL, CONTROLLER, COORDINATOR]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Processes
    }

    fn clients_hit(&self, shape: &str) -> Option<Role> {
        clients_hit(shape)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        resolve(planned, view, BiteProof::ProcessEnded)
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        strike(resolved, ground, Blow::Terminate, TakenBack::ByStart)
    }
}
