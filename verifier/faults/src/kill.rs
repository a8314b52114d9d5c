//! `kill`: a process is killed (SIGKILL) and started again at the end of the fault's time

use delivery_cluster::processes::Blow;
use delivery_history::manifest::{BiteProof, Fault, Role};

use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::process::{
    ALL, CONSUMER, CONTROLLER, COORDINATOR, FOLLOWER, FOLLOWERS, LEADER, MAJORITY, PRODUCER, TakenBack, clients_hit,
    resolve, strike,
};
use crate::view::ClusterView;

/// `kill`.
pub struct Kill;

impl FaultKind for Kill {
    fn name(&self) -> &'static str {
        "kill"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["crash"]
    }

    fn about(&self) -> &'static str {
        "a process is killed (SIGKILL) and started again at the end of the fault's time"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER, FOLLOWER, FOLLOWERS, MAJORITY, ALL, CONTROLLER, COORDINATOR, PRODUCER, CONSUMER]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Processes
    }

    fn clients_hit(&self, shape: &str) -> Option<Role> {
        clients_hit(shape)
    }

    fn is_succeeded(&self) -> bool {
        true
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        resolve(planned, view, BiteProof::ProcessGone)
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        strike(resolved, ground, Blow::Kill, TakenBack::ByStart)
    }
}
