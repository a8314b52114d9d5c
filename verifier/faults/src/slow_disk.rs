//! `slow-disk`: a node's disk takes its time over every write and sync

use delivery_cluster::machines::Need;
use delivery_history::manifest::{Amount, BiteProof, Fault};

use crate::kind::{ActsOn, Evidence, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape, SharedProcesses};
use crate::process::{ALL, FOLLOWER, LEADER, resolve};
use crate::view::ClusterView;

/// How much longer each operation takes where nobody says, milliseconds, give or take the second.
const DELAY_MS: u32 = 200;
const JITTER_MS: u32 = 50;

/// `slow-disk`.
pub struct SlowDisk;

impl FaultKind for SlowDisk {
    fn name(&self) -> &'static str {
        "slow-disk"
    }

    fn about(&self) -> &'static str {
        "every write and sync of a node's disk takes 200 ms longer where nobody says how much, give or take 50 ms (`slow-disk=1s`, `slow-disk=100ms~20ms`)"
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

    fn amount(&self) -> Option<Amount> {
        Some(Amount::Delay { ms: DELAY_MS, jitter_ms: JITTER_MS })
    }

    fn needs(&self) -> Option<Need> {
        Some(Need::LayeredDisk)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        // It is there, so there are no sides.
        let amount = planned.amount.or(self.amount());
        Ok(Resolved { sides: Vec::new(), amount, ..resolve(planned, view, BiteProof::DiskSlow)? })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let processes = ground.processes.clone().ok_or(FaultError::NoProcesses)?;
        let (by_ms, jitter_ms) = match resolved.amount {
            Some(Amount::Delay { ms, jitter_ms }) => (ms, jitter_ms),
            _ => (DELAY_MS, JITTER_MS),
        };
        let mut guard = SlowGuard { processes, nodes: Vec::with_capacity(resolved.targets.len()) };
        for node in &resolved.targets {
            let mut processes = guard.processes.borrow_mut();
            let machines = processes.machines().ok_or(FaultError::NoMachines)?;
            let before = machines.held_up(*node).unwrap_or(0);
            guard.nodes.push((*node, before));
            machines.slow_disk(*node, by_ms, jitter_ms)?;
        }
        Ok(Box::new(guard))
    }
}

struct SlowGuard {
    processes: SharedProcesses,
    /// With how many operations an earlier fault had held up.
    nodes: Vec<(u32, u64)>,
}

impl FaultGuard for SlowGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        let mut processes = self.processes.borrow_mut();
        let machines = processes.machines().ok_or(FaultError::NoMachines)?;
        let held = |(node, before): &(u32, u64)| Some(Evidence::Held(*node, machines.held_up(*node)? - before));
        Ok(self.nodes.iter().filter_map(held).collect())
    }

    fn heal(&mut self) -> Result<(), FaultError> {
        let mut processes = self.processes.borrow_mut();
        let machines = processes.machines().ok_or(FaultError::NoMachines)?;
        let mut nodes = std::mem::take(&mut self.nodes).into_iter();
        Ok(nodes.try_for_each(|(node, _)| machines.slow_disk(node, 0, 0))?)
    }
}

impl Drop for SlowGuard {
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

    use super::*;
    use crate::impaired::tests::Switch;
    use crate::process::tests::Crew;

    fn ground(crew: &Rc<RefCell<Crew>>) -> Ground {
        Ground { processes: Some(crew.clone()), ..Switch::ground(Counters::default()).1 }
    }

    #[test]
    fn operations_are_counted_from_its_start_and_the_disk_is_quick_again_however_it_ends() {
        let crew = Rc::new(RefCell::new(Crew::default()));
        let amount = Some(Amount::Delay { ms: 80, jitter_ms: 5 });
        let resolved = Resolved { targets: vec![2], amount, ..Resolved::default() };
        let mut guard = SlowDisk.start(&resolved, &ground(&crew)).unwrap();
        assert_eq!(guard.evidence().unwrap(), [Evidence::Held(2, 3)]);
        assert_eq!(guard.evidence().unwrap(), [Evidence::Held(2, 6)]);
        drop(guard);
        assert_eq!(crew.borrow().done, ["Slow 2 by 80~5", "Slow 2 by 0~0"]);
    }
}
