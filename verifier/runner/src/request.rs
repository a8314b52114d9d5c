//! What a user asked for, names checked but nothing resolved.

use std::path::PathBuf;

use delivery_broker::{ConfigError, LaneRequest, NodeAddress, Timings};
use delivery_faults::{FaultError, FaultRequest, ScheduleError};
use delivery_history::manifest::Requirement;
use serde::{Deserialize, Serialize};

/// How much of a log the audit reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditMode {
    /// Every replica.
    Full,
    /// The leader's replica only: agreement cannot be shown.
    Quick,
}

/// A run as asked for.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Lanes; none is the tour.
    pub lanes: Vec<LaneRequest>,
    /// Faults.
    pub faults: Vec<FaultRequest>,
    /// Length of the load, milliseconds.
    pub duration_ms: Option<u64>,
    /// Messages a second and lane.
    pub rate_per_s: u32,
    /// Payload bytes a message.
    pub size_bytes: u32,
    /// Producers a lane; where the user did not say, as many as the faults need.
    pub producers: Option<u16>,
    /// Consumers a lane.
    pub consumers: u16,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Timings of the cluster.
    pub timings: Timings,
    /// `--require`: nothing where the user did not say (the default then applies).
    pub required: Option<Vec<Requirement>>,
    /// How much the audit reads.
    pub audit: AuditMode,
    /// Where run directories are made.
    pub out: PathBuf,
    /// Leave the nodes' data.
    pub keep_data: bool,
    /// Ends the name of every topic, queue, group and client: tells a run apart from those before it on the same cluster.
    pub name_suffix: String,
    /// The cluster is somebody else's.
    pub outside: Option<OutsideCluster>,
}

/// A cluster of somebody else's, as a plan needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideCluster {
    /// Its nodes, each with its address and port.
    pub nodes: Vec<NodeAddress>,
    /// Its version, as far as it says.
    pub version: String,
    /// A command of the user's injects faults of nodes.
    pub has_hook: bool,
    /// Machines that the clients run on; without any, this one.
    pub machines: Vec<JoinedMachine>,
}

/// A machine that joined a run, to run clients of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMachine {
    /// What it is called; no two are called the same.
    pub name: String,
    /// Where it was seen from.
    pub address: String,
    /// Cores, memory, kernel.
    pub facts: String,
}

/// A request that cannot be run as it stands. Exit 2: nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A configuration or name.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A fault's times.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A fault that hits nobody.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// A number out of its range.
    #[error("{option} {value} is out of range: {range}")]
    OutOfRange {
        /// Which option.
        option: &'static str,
        /// As given.
        value: u64,
        /// What it takes.
        range: &'static str,
    },
}
