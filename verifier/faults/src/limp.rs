//! `limp`: a node that is given a fraction of its time, and answers late instead of not at all.

use delivery_cluster::processes::{Blow, Whose};
use delivery_history::manifest::{BiteProof, Fault};

use crate::kind::{ActsOn, Evidence, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape, SharedProcesses};
use crate::process::{CONTROLLER, FOLLOWER, LEADER, resolve};
use crate::view::ClusterView;

/// Looks (ten a second) of one turn, and how many of them the node stands still for: 0.8 s of each second.
const TURN_LOOKS: u32 = 10;
const STOPPED_LOOKS: u32 = 8;

/// `limp`.
pub struct Limp;

impl FaultKind for Limp {
    fn name(&self) -> &'static str {
        "limp"
    }

    fn about(&self) -> &'static str {
        "a node stands still for 0.8 s of every second (SIGSTOP, SIGCONT): it is slow, and never gone for long"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER, FOLLOWER, CONTROLLER]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Processes
    }

    fn is_gray(&self, _shape: &str) -> bool {
        true
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        // It is there, so there are no sides.
        Ok(Resolved { sides: Vec::new(), ..resolve(planned, view, BiteProof::ProcessLimped)? })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let processes = ground.processes.clone().ok_or(FaultError::NoProcesses)?;
        let nodes = resolved.targets.iter().map(|node| Whose::Node(*node)).collect();
        let mut guard = LimpGuard { processes, nodes, looks: 0, stopped: false };
        guard.turn(true)?;
        Ok(Box::new(guard))
    }
}

struct LimpGuard {
    processes: SharedProcesses,
    nodes: Vec<Whose>,
    looks: u32,
    stopped: bool,
}

impl LimpGuard {
    fn turn(&mut self, stop: bool) -> Result<(), FaultError> {
        if self.stopped == stop {
            return Ok(());
        }
        let blow = if stop { Blow::Stop } else { Blow::Continue };
        for whose in &self.nodes {
            self.processes.borrow_mut().strike(*whose, blow)?;
        }
        self.stopped = stop;
        Ok(())
    }
}

impl FaultGuard for LimpGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        let seen = {
            let mut processes = self.processes.borrow_mut();
            self.nodes.iter().map(|whose| Evidence::Process(*whose, processes.state(*whose))).collect()
        };
        self.looks += 1;
        self.turn(self.looks % TURN_LOOKS < STOPPED_LOOKS)?;
        Ok(seen)
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        self.turn(false)
    }
}

impl Drop for LimpGuard {
    fn drop(&mut self) {
        // What stands still must not do so for ever.
        let _ = self.heal();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use delivery_cluster::network::Counters;
    use delivery_history::event::ProcessState;

    use super::*;
    use crate::impaired::tests::Switch;
    use crate::process::tests::Crew;

    #[test]
    fn it_stands_still_for_most_of_every_second_and_goes_on_in_the_end() {
        let crew = Rc::new(RefCell::new(Crew::default()));
        let ground = Ground { processes: Some(crew.clone()), ..Switch::ground(Counters::default()).1 };
        let resolved = Resolved { targets: vec![2], ..Resolved::default() };
        let mut guard = Limp.start(&resolved, &ground).unwrap();
        let states: Vec<Evidence> = (0..20).flat_map(|_| guard.evidence().unwrap()).collect();
        let stopped = Evidence::Process(Whose::Node(2), ProcessState::Stopped);
        assert_eq!(states.iter().filter(|state| **state == stopped).count(), 16);
        drop(guard);
        assert_eq!(crew.borrow().done.last().map(String::as_str), Some("Continue Node(2)"));
    }
}
