//! A broker node as plain data: any backend can run it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A host the backend will make, known before anything starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlan {
    /// Number the vendor knows the node by, from 1.
    pub id: u32,
    /// Host name.
    pub name: String,
    /// IP address.
    pub address: String,
    /// An empty directory of its own, as the node sees it.
    pub data_dir: PathBuf,
}

/// The cluster to be described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterPlan {
    /// Its nodes.
    pub nodes: Vec<HostPlan>,
    /// Nodes that keep the cluster's metadata and serve no client; where there are none, all nodes share that work.
    #[serde(default)]
    pub controllers: Vec<HostPlan>,
    /// Broker and cluster settings of the run by full name (`broker.num.partitions`).
    pub config: BTreeMap<String, String>,
    /// Timings in force.
    pub timings: crate::config::Timings,
    /// Lowercase letters, digits and hyphens; unique to the run.
    pub run_id: String,
}

/// A file written before the node starts, for its user alone to read: it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFile {
    /// Absolute path as the node sees it, inside its data directory.
    pub path: PathBuf,
    /// Content.
    pub text: String,
}

/// A program with its arguments; the environment is exactly `environment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCommand {
    /// Absolute path as the node sees it.
    pub program: PathBuf,
    /// Arguments.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
}

/// How to run one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Where it runs.
    pub host: HostPlan,
    /// Root file system its commands run in, which they cannot write to: only the data directory,
    /// `/tmp` and `/run` are theirs, and `/etc/hosts` names the hosts. Without one they run on the
    /// host's files.
    pub rootfs: Option<PathBuf>,
    /// Written first.
    pub files: Vec<NodeFile>,
    /// Where it stores what is gone when its disk is replaced, inside its data directory; nothing for a node whose
    /// product does that itself. The node can start there again once it is prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<PathBuf>,
    /// Run to their end, in order, before the node (format the storage). All must exit 0.
    pub prepare: Vec<NodeCommand>,
    /// The node itself.
    pub command: NodeCommand,
    /// Text in a line of its output that says it is ready.
    pub ready_line: String,
    /// Longest time from start to the ready line, milliseconds.
    pub ready_limit_ms: u64,
    /// TCP ports brokers and clients talk to; the drop counters count these.
    pub ports: Vec<u16>,
    /// Image for container backends.
    pub image: Option<String>,
}
