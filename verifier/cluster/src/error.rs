//! What can keep a cluster from being made or started.

use std::io;
use std::path::PathBuf;

/// A cluster that could not be made or started.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A host that cannot be.
    #[error("host {host} cannot be made: {reason}")]
    BadHost {
        /// Its name.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A host number that was not given to `create`.
    #[error("there is no host number {host} in this cluster")]
    UnknownHost {
        /// The number.
        host: u32,
    },
    /// A program the backend calls is missing.
    #[error("the program `{tool}` is missing: install it (Debian, Ubuntu: `apt-get install {package}`)")]
    MissingTool {
        /// Its name.
        tool: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// The system refused part of the network.
    #[error("could not {action}: {cause}. `verify doctor` shows what this machine lacks")]
    Network {
        /// What was to be done.
        action: String,
        /// Output of the command, or the system's error.
        cause: String,
    },
    /// A file or directory could not be written.
    #[error("could not write {path}: {source}. Check the space and the permissions there")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A node's file outside its data directory.
    #[error("node {node} wants to write {path}, which is outside its data directory")]
    Outside {
        /// The node.
        node: String,
        /// The file.
        path: PathBuf,
    },
    /// A node's root file system could not be laid out.
    #[error(
        "could not give node {node} the root file system {rootfs}: {source}. `verify doctor` shows what this machine lacks"
    )]
    Rootfs {
        /// The node.
        node: String,
        /// The tree.
        rootfs: PathBuf,
        /// What was refused, and where.
        source: io::Error,
    },
    /// A disk could not be laid over a node's data.
    #[error(
        "could not lay a disk over the data of node {node}: {source}. `verify doctor` shows what this machine lacks"
    )]
    Disk {
        /// The node.
        node: String,
        /// What was refused.
        source: io::Error,
    },
    /// A clock could not be laid into a node's data.
    #[error(
        "could not give node {node} a clock that can be set: {source}. `verify doctor` shows what this machine lacks"
    )]
    Clock {
        /// The node.
        node: String,
        /// What was refused.
        source: io::Error,
    },
    /// The nodes could not be given shared memory of their own, which clocks that can be set need.
    #[error(
        "could not lay shared memory over /dev/shm, for clocks that can be set: {source}. `verify doctor` shows what this machine lacks"
    )]
    SharedMemory {
        /// What was refused.
        source: io::Error,
    },
    /// A process could not be started.
    #[error("could not start {program} on host {host}: {source}")]
    Start {
        /// Its program.
        program: String,
        /// Where.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// A preparing command failed.
    #[error(
        "preparing node {node} failed: {program} ended with {status}. Its last lines:\n{}",
        last_lines.join("\n")
    )]
    Prepare {
        /// The node.
        node: String,
        /// The command's program.
        program: String,
        /// How it ended.
        status: String,
        /// Of its output.
        last_lines: Vec<String>,
    },
    /// A preparing command took too long.
    #[error(
        "preparing node {node} failed: {program} was still running after {limit_ms} ms and was killed. Its last lines:\n{}",
        last_lines.join("\n")
    )]
    PrepareTooLong {
        /// The node.
        node: String,
        /// The command's program.
        program: String,
        /// The limit, milliseconds.
        limit_ms: u64,
        /// Of its output.
        last_lines: Vec<String>,
    },
    /// An engine that runs containers refused something.
    #[error("could not {action}: {cause}")]
    Engine {
        /// What was to be done.
        action: String,
        /// What it said.
        cause: String,
    },
    /// The user asked to stop.
    #[error("stopped while the nodes were being started")]
    Stopped,
}
