//! `disk-full`: nothing more can be written to a node's disk

use delivery_cluster::machines::Need;
use delivery_cluster::processes::Whose;
use delivery_history::manifest::{BiteProof, Fault};

use crate::kind::{ActsOn, Evidence, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape, SharedProcesses};
use crate::process::{ALL, FOLLOWER, LEADER, resolve};
use crate::view::ClusterView;

/// `disk-full`.
pub struct DiskFull;

impl FaultKind for DiskFull {
    fn name(&self) -> &'static str {
        "disk-full"
    }

    fn about(&self) -> &'static str {
        "a node's disk is filled to its last page, and freed at the end of the fault's time; a node that halted is started again then"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER, FOLLOWER, ALL]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Processes
    }

    fn is_gray(&self, _shape: &str) -> bool {
        true
    }

    fn needs(&self) -> Option<Need> {
        Some(Need::BoundedDisk)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        // Whether it goes on without space is the product's choice, so there are no sides.
        Ok(Resolved { sides: Vec::new(), ..resolve(planned, view, BiteProof::DiskFull)? })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let processes = ground.processes.clone().ok_or(FaultError::NoProcesses)?;
        let mut guard = FullGuard { processes, nodes: Vec::with_capacity(resolved.targets.len()) };
        for node in &resolved.targets {
            guard.nodes.push(*node);
            guard.fill(*node)?;
        }
        Ok(Box::new(guard))
    }
}

struct FullGuard {
    processes: SharedProcesses,
    nodes: Vec<u32>,
}

impl FullGuard {
    fn fill(&self, node: u32) -> Result<(), FaultError> {
        let mut processes = self.processes.borrow_mut();
        Ok(processes.machines().ok_or(FaultError::NoMachines)?.fill_disk(node)?)
    }
}

impl FaultGuard for FullGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        let mut seen = Vec::with_capacity(2 * self.nodes.len());
        for node in &self.nodes {
            let mut processes = self.processes.borrow_mut();
            let free = processes.machines().and_then(|machines| machines.free_bytes(*node));
            seen.extend(free.map(|bytes| Evidence::Free(*node, bytes)));
            seen.push(Evidence::Process(Whose::Node(*node), processes.state(Whose::Node(*node))));
            drop(processes);
            // Whoever fills a disk goes on doing so: what the node itself gives up is gone at once.
            self.fill(*node)?;
        }
        Ok(seen)
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        let mut processes = self.processes.borrow_mut();
        let machines = processes.machines().ok_or(FaultError::NoMachines)?;
        std::mem::take(&mut self.nodes).into_iter().for_each(|node| machines.free_disk(node));
        Ok(())
    }
}

impl Drop for FullGuard {
    fn drop(&mut self) {
        // Nothing is left to tell: the disks themselves end with the run.
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

    fn ground(crew: &Rc<RefCell<Crew>>) -> Ground {
        Ground { processes: Some(crew.clone()), ..Switch::ground(Counters::default()).1 }
    }

    #[test]
    fn a_disk_is_filled_again_at_every_look_and_freed_however_the_fault_ends() {
        let crew = Rc::new(RefCell::new(Crew::default()));
        let resolved = Resolved { targets: vec![2], ..Resolved::default() };
        let mut guard = DiskFull.start(&resolved, &ground(&crew)).unwrap();
        crew.borrow_mut().free_bytes = 8_192;
        let running = Evidence::Process(Whose::Node(2), ProcessState::Running);
        assert_eq!(guard.evidence().unwrap(), [Evidence::Free(2, 8_192), running], "as it was before");
        assert_eq!(guard.evidence().unwrap()[0], Evidence::Free(2, 0));
        drop(guard);
        assert_eq!(crew.borrow().done, ["Fill 2", "Fill 2", "Fill 2", "Free 2"]);
    }
}
