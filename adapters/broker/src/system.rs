//! The product under test, as the rest of the program sees it.

use std::path::{Path, PathBuf};

use delivery_history::manifest::Workload;

use crate::change::ChangeKind;
use crate::client::{ClientError, ClientSpec, Consumer, Producer};
use crate::config::{ConfigError, LanePlan, LaneRequest, Preset, Setting, Timings};
use crate::external::ExternalSystem;
use crate::image::ImageLayout;
use crate::node::{ClusterPlan, NodeSpec};
use crate::observe::{Admin, Auditor, Observer};
use crate::simulated::SimulatedSystem;
use crate::transactional::Transactor;

/// What is known of a system without starting anything.
#[derive(Clone, Debug)]
pub struct SystemInfo {
    /// Name on the command line (`kafka`).
    pub name: &'static str,
    /// Name as its vendor writes it (`Apache Kafka`).
    pub title: &'static str,
    /// Client library and version (`librdkafka 2.12.1`).
    pub client: String,
    /// What its lanes do.
    pub workload: Workload,
    /// Presets, in the order of the output.
    pub presets: &'static [Preset],
    /// Settings `--set` knows.
    pub settings: &'static [Setting],
    /// Version that runs where none is asked for.
    pub default_version: &'static str,
    /// Nodes of a cluster.
    pub nodes: u32,
    /// TCP port clients connect to.
    pub client_port: u16,
    /// A partition can be added to what its lanes send to.
    pub grows: bool,
    /// What it can be asked to change of itself while clients work.
    pub changes: &'static [ChangeKind],
    /// It has an active controller, and a coordinator of each group.
    pub has_controller: bool,
    /// TCP ports over which replicas copy, where what keeps the cluster together (controllers, membership) has others.
    pub replication_ports: &'static [u16],
    /// A client talks to the node it is connected to, whoever leads: one client does not show what the other side of
    /// a cut accepts.
    pub clients_stay: bool,
    /// Load before the first fault, milliseconds, where the user gives no times.
    pub baseline_ms: u64,
    /// Load after the last heal, milliseconds, where the user gives no times.
    pub after_heal_ms: u64,
    /// How long the cluster may take to be whole again after the last heal, milliseconds.
    pub recover_ms: u64,
    /// Cluster start, as expected before it is known, milliseconds (0 in simulation).
    pub start_ms: u64,
}

/// A product under test.
pub trait System: Send + Sync {
    /// What is known without starting anything.
    fn info(&self) -> SystemInfo;

    /// Turns a request into the lane that will run.
    ///
    /// # Errors
    /// Unknown or contradictory names and values, with the nearest valid ones.
    fn lane(&self, request: &LaneRequest) -> Result<LanePlan, ConfigError>;

    /// Why a change has no meaning for a lane; nothing where it has one.
    fn why_no_change(&self, _change: ChangeKind, _lane: &LanePlan) -> Option<&'static str> {
        None
    }

    /// How long the system may take to notice that a node is gone, milliseconds, under these timings.
    fn detection_ms(&self, timings: Timings) -> u64;

    /// Timings that differ from the vendor's, `name=value`; empty for [`Timings::Vendor`].
    fn tuned(&self, timings: Timings) -> Vec<String>;

    /// The parts a system has that runs as processes of its own; nothing for a simulated one.
    fn real(&self) -> Option<&dyn RealSystem> {
        None
    }

    /// The parts of a system that runs inside a simulated network; nothing for a real one.
    fn simulated(&self) -> Option<&dyn SimulatedSystem> {
        None
    }
}

/// Which product to run, as the user asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstallRequest {
    /// `--broker-version`.
    pub version: Option<String>,
    /// `--dist`.
    pub dist: Option<PathBuf>,
    /// `--rootfs`.
    pub rootfs: Option<PathBuf>,
    /// Where downloads are kept.
    pub cache_dir: PathBuf,
}

/// A product that is ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Root file system it stands in; none is the host's. The other paths are as seen inside.
    pub rootfs: Option<PathBuf>,
    /// Directory it stands in.
    pub home: PathBuf,
    /// Its version, as far as its files say.
    pub version: String,
    /// Runtime it needs (the `java` to call), resolved to an absolute path; empty where an image's own scripts find it.
    pub runtime: PathBuf,
    /// The container image it stands in, where it does.
    pub image: Option<String>,
}

/// A product that cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Bad request: exit 2.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something on the machine is missing: exit 4. The message says what to install.
    #[error("{what}. {remedy}")]
    Missing {
        /// What is missing or too old.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A command failed: exit 4.
    #[error("{what} failed: {cause}. {remedy}")]
    Failed {
        /// What was done.
        what: String,
        /// Last lines of its output.
        cause: String,
        /// What to do.
        remedy: String,
    },
}

/// Something a product needs on the machine, tried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeProbe {
    /// What (`Java`).
    pub name: &'static str,
    /// What was found; nothing is wrong with it.
    pub found: Result<String, InstallProblem>,
}

/// What is wrong, and the line that puts it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallProblem {
    /// What is missing or too old.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// A product that runs as processes.
pub trait RealSystem: Send + Sync {
    /// Makes the product ready: checks the runtime, resolves and downloads the version. Starts no thread.
    ///
    /// # Errors
    /// See [`InstallError`].
    fn install(&self, request: &InstallRequest, progress: &mut dyn FnMut(&str)) -> Result<Installation, InstallError>;

    /// What it takes to use a cluster that somebody else runs; nothing where that cannot be done.
    fn external(&self) -> Option<&dyn ExternalSystem> {
        None
    }

    /// Tries out what the product needs of the machine and whether `cache_dir` has it, without
    /// downloading anything.
    fn probe(&self, cache_dir: &Path) -> Vec<RuntimeProbe>;

    /// Whether the version that will run can run the lane.
    ///
    /// # Errors
    /// What it does not have, with the reason.
    fn check_lane(&self, _lane: &LanePlan, _installation: &Installation) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Describes every node of the cluster.
    ///
    /// # Errors
    /// A broker setting that is unknown or contradicts another.
    fn nodes(&self, plan: &ClusterPlan, installation: &Installation) -> Result<Vec<NodeSpec>, ConfigError>;

    /// How it stands in a container image; nothing where it is not known to.
    fn image_layout(&self) -> Option<&'static ImageLayout> {
        None
    }

    /// What a node's log says about why the node does not run in its cluster, in the broker's words
    /// and ours; nothing where it says nothing of it.
    fn explain(&self, _log: &str) -> Option<String> {
        None
    }

    /// Connects a producer.
    ///
    /// # Errors
    /// When the client refuses the configuration.
    fn producer(&self, spec: &ClientSpec) -> Result<Box<dyn Producer>, ClientError>;

    /// Connects a producer with the strongest acknowledgement there is, for sentinels.
    ///
    /// # Errors
    /// When the client refuses the configuration.
    fn sentinel(&self, spec: &ClientSpec) -> Result<Box<dyn Producer>, ClientError>;

    /// Connects a member of the group.
    ///
    /// # Errors
    /// When the client refuses the configuration.
    fn consumer(&self, spec: &ClientSpec) -> Result<Box<dyn Consumer>, ClientError>;

    /// Connects a client that reads and writes in transactions.
    ///
    /// # Errors
    /// When the product has no such thing, or the client refuses the configuration.
    fn transactor(&self, _spec: &ClientSpec) -> Result<Box<dyn Transactor>, ClientError> {
        Err(ClientError::Configuration(String::from("this product has no transactions that span reading and writing")))
    }

    /// Connects an administrator.
    ///
    /// # Errors
    /// When no node answers.
    fn admin(&self, spec: &ClientSpec) -> Result<Box<dyn Admin>, ClientError>;

    /// Makes an observer; `groups` are (index in the manifest, name).
    ///
    /// # Errors
    /// When the configuration cannot be used.
    fn observer(&self, spec: &ClientSpec, groups: &[(u16, String)]) -> Result<Box<dyn Observer>, ClientError>;

    /// Makes an audit reader.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    fn auditor(&self, spec: &ClientSpec) -> Result<Box<dyn Auditor>, ClientError>;
}
