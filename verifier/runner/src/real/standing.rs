//! A cluster that still stands when its run is over, for a next run that wants one like it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use delivery_broker::{ClusterPlan, Installation, Timings};
use delivery_cluster::cluster::{Cluster, ClusterHost};
use delivery_history::event::ProcessState;

/// What a cluster is made of: runs that want the same can have it one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    hosts: Vec<ClusterHost>,
    nodes: Vec<u32>,
    config: BTreeMap<String, String>,
    timings: Timings,
    version: String,
    /// Where the product is installed.
    installed_in: PathBuf,
    /// What its nodes' machines have.
    pub(crate) machines: MachineNeeds,
}

/// What the faults of a run need of the nodes' machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineNeeds {
    /// Disks that forget what was not synced, and that can be slow.
    pub layered_disks: bool,
    /// Size of disks that can be filled.
    pub disk_bytes: Option<u64>,
    /// Clocks that can be set.
    pub clocks: bool,
}

impl Recipe {
    /// What `plan` makes of `hosts`, but for what each cluster draws for itself.
    pub(crate) fn new(
        hosts: &[ClusterHost],
        plan: &ClusterPlan,
        installation: &Installation,
        machines: MachineNeeds,
    ) -> Self {
        Self {
            hosts: hosts.to_vec(),
            nodes: plan.nodes.iter().chain(&plan.controllers).map(|node| node.id).collect(),
            config: plan.config.clone(),
            timings: plan.timings,
            version: installation.version.clone(),
            installed_in: installation.home.clone(),
            machines,
        }
    }
}

/// Where a cluster lives, and what only its nodes and clients know. Dropping it takes away what is not to be kept.
pub(crate) struct Home {
    pub(crate) recipe: Recipe,
    pub(crate) secret: String,
    /// The run that started it.
    pub(crate) run_id: String,
    /// Of its nodes.
    pub(crate) logs_dir: PathBuf,
    /// What goes when the cluster goes.
    pub(crate) goes: Option<PathBuf>,
}

impl Home {
    /// Makes the nodes' logs appear among those of a run. They may begin before it and go on after it.
    pub(crate) fn share_logs(&self, logs_dir: &Path) {
        if logs_dir == self.logs_dir {
            return;
        }
        let Ok(entries) = std::fs::read_dir(&self.logs_dir) else { return };
        for entry in entries.flatten() {
            // Without it the run lacks a log, and nothing else.
            let _ = std::fs::hard_link(entry.path(), logs_dir.join(entry.file_name()));
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(path) = &self.goes {
            // A leftover costs space, not truth.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// A cluster that stands. Dropping it ends its nodes and takes their data away.
pub struct Standing {
    // Before its home, which its nodes write to.
    pub(crate) cluster: Box<dyn Cluster>,
    pub(crate) home: Home,
}

impl Standing {
    /// Whether a run that wants `recipe` can have it: every node runs, and none has ended since it was last looked at.
    pub(crate) fn serves(&mut self, recipe: &Recipe) -> bool {
        let nothing_happened = self.cluster.poll_nodes().is_empty();
        let runs = |node: &u32| self.cluster.state(*node) == ProcessState::Running;
        // What one run leaves on a disk of bounded size the next has no space for.
        let has_space = recipe.machines.disk_bytes.is_none();
        self.home.recipe == *recipe && has_space && nothing_happened && recipe.nodes.iter().all(runs)
    }
}
