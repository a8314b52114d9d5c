//! `slow-disk`: a node's disk takes its time over every write and sync

use delivery_cluster::machines::Need;
use delivery_history::manifest::{BiteProof, Fault};

use crate::kind::{
    ActsOn, Amount, Evidence, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape, SharedProcesses,
};
use crate::process::{ALL, FOLLOWER, LEADER, resolve};
use crate::view::ClusterView;

/// How much longer each operation takes.
const LATENCY: Amount = Amount { unit: "ms", default: 200, range: 1..=60_000, drawn: 50..=500 };

/// `slow-disk`.
pub struct SlowDisk;

impl FaultKind for SlowDisk {
    fn name(&self) -> &'static str {
        "slow-disk"
    }

    fn about(&self) -> &'static str {
        "every write and sync of a node's disk takes longer, 200 ms where nothing is given (`slow-disk=50`)"
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
        Some(LATENCY)
    }

    fn needs(&self) -> Option<Need> {
        Some(Need::LayeredDisk)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        // It is there, so there are no sides.
        Ok(Resolved { sides: Vec::new(), ..resolve(planned, view, BiteProof::DiskSlow)? })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let processes = ground.processes.clone().ok_or(FaultError::NoProcesses)?;
        let by_ms = resolved.amount.unwrap_or(LATENCY.default);
        let mut guard = SlowGuard { processes, nodes: Vec::with_capacity(resolved.targets.len()) };
        for node in &resolved.targets {
            let mut processes = guard.processes.borrow_mut();
            let machines = processes.machines().ok_or(FaultError::NoMachines)?;
            let before = machines.held_up(*node).unwrap_or(0);
            guard.nodes.push((*node, before));
            machines.slow_disk(*node, by_ms)?;
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
        Ok(nodes.try_for_each(|(node, _)| machines.slow_disk(node, 0))?)
    }
}

impl Drop for SlowGuard {
    fn drop(&mut self) {
        // Nothing is left to tell: the disks themselves end with the run.
        let _ = self.heal();
    }
}
