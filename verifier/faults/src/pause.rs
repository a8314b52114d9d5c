//! `pause`: a process stands still (SIGSTOP) and goes on at the end of the fault's time, as after a long collection of garbage

use delivery_cluster::processes::Blow;
use delivery_history::manifest::{BiteProof, Fault, Role};

use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::process::{
    CONSUMER, CONTROLLER, COORDINATOR, FOLLOWER, LEADER, MAJORITY, PRODUCER, TakenBack, clients_hit, resolve, strike,
};
use crate::view::ClusterView;

/// `pause`.
pub struct Pause;

impl FaultKind for Pause {
    fn name(&self) -> &'static str {
        "pause"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    fn about(&self) -> &'static str {
        "a process stands still (SIGSTOP) and goes on at the end of the fault's time, as after a long collection of garbage"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER, FOLLOWER, MAJORITY, CONTROLLER, COORDINATOR, PRODUCER, CONSUMER]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Processes
    }

    fn is_gray(&self, _shape: &str) -> bool {
        true
    }

    fn clients_hit(&self, shape: &str) -> Option<Role> {
        clients_hit(shape)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        resolve(planned, view, BiteProof::ProcessStopped)
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        strike(resolved, ground, Blow::Stop, TakenBack::ByContinue)
    }
}
