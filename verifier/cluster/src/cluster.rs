//! What a run needs of a cluster, whichever backend runs it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use delivery_broker::NodeSpec;
use delivery_history::event::ProcessState;

pub use crate::error::ClusterError;

use crate::machines::{Dropped, Machines};
use crate::network::Network;
use crate::processes::{Blow, ProcessError};

/// A host to be made: a broker node's or a client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterHost {
    /// Number used in cuts and in events.
    pub id: u32,
    /// Host name.
    pub name: String,
    /// IPv4 address in 198.18.0.0/15.
    pub address: String,
}

/// What happens to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// Its ready line appeared. Once a start.
    Ready {
        /// Its number.
        id: u32,
    },
    /// It ended by itself. Nothing else comes from it.
    Died {
        /// Its number.
        id: u32,
        /// How: `exit code 1`, `signal 9 (SIGKILL)`.
        status: String,
        /// Of its log.
        last_lines: Vec<String>,
    },
    /// It ended by itself because its disk had been full, and the disk is full no more: it is to be started again.
    Halted {
        /// Its number.
        id: u32,
        /// How, as above.
        status: String,
    },
    /// Its limit ran out without the ready line. Once a start; it still runs.
    NotReady {
        /// Its number.
        id: u32,
        /// Time since its start, milliseconds.
        after_ms: u64,
        /// Of its log.
        last_lines: Vec<String>,
    },
}

/// What is run on a host: this very program, in another role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where its standard error goes.
    pub log: PathBuf,
    /// Variables of the environment that it is not to inherit.
    pub not_inherited: Vec<String>,
}

/// A process on a host, with all that belongs to it. Dropping it ends it.
pub trait HostProcess {
    /// Says a line to it.
    ///
    /// # Errors
    /// When it listens no more.
    fn say(&mut self, line: &str) -> io::Result<()>;

    /// What it says on its standard output, line by line, until it ends; nothing where somebody listens already.
    fn lines(&mut self) -> Option<Box<dyn Iterator<Item = String> + Send>>;

    /// Does it to the process with all that belongs to it.
    ///
    /// # Errors
    /// Why the blow missed.
    fn strike(&mut self, blow: Blow) -> Result<(), String>;

    /// What the system says of it now.
    fn state(&self) -> ProcessState;

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When that cannot be known.
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>>;

    /// Kills it and waits for its end; how it ended, as far as that can be known.
    fn kill(&mut self) -> Option<ExitStatus>;
}

/// Hosts, the network between them and the nodes that run on them. Dropping it ends them.
pub trait Cluster {
    /// The network, for faults.
    fn network(&self) -> Box<dyn Network>;

    /// Prepares the nodes (side by side) and starts them; returns when every node's command runs.
    /// Output goes to `NAME.log` in `logs_dir`. `should_stop` is asked again and again. A node that ends while others
    /// are being prepared ends their preparation: [`Cluster::poll_nodes`] tells of it.
    ///
    /// # Errors
    /// A command that cannot be started, fails or takes too long, with its last lines; or
    /// [`ClusterError::Stopped`]. No node is left running then.
    fn start_nodes(
        &mut self,
        specs: &[NodeSpec],
        logs_dir: &Path,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<(), ClusterError>;

    /// What has happened to the nodes since the last call; never waits.
    fn poll_nodes(&mut self) -> Vec<NodeEvent>;

    /// Does it to a node's process; one that ends of it has not ended by itself.
    ///
    /// # Errors
    /// When the node does not run, or the system refuses.
    fn strike(&mut self, node: u32, blow: Blow) -> Result<(), ProcessError>;

    /// Starts a node again that a fault ended; [`NodeEvent::Ready`] tells when it is.
    ///
    /// # Errors
    /// An unknown node, or the system's refusal.
    fn start_again(&mut self, node: u32) -> Result<(), ClusterError>;

    /// Whether what a node stores stands apart from what it is configured by, so that its disk can be replaced.
    fn stores_apart(&self, node: u32) -> bool;

    /// Takes all that a node that does not run has stored, as a new disk does; it is prepared again when it is started.
    /// Gives back how many bytes that were.
    ///
    /// # Errors
    /// A node that runs or stores nothing apart, or the system's refusal.
    fn wipe(&mut self, node: u32) -> Result<u64, ProcessError>;

    /// What is known of a node's process.
    fn state(&self, node: u32) -> ProcessState;

    /// Runs this very program on a host, in a session of its own.
    ///
    /// # Errors
    /// An unknown host, or the system's refusal.
    fn run(&self, host: u32, errand: &Errand) -> Result<Box<dyn HostProcess>, ClusterError>;

    /// Kills every node that still runs and waits for its end.
    fn stop(&mut self);

    /// Takes everything that nodes have written so far for synced: what a cluster is set up with has long been written
    /// back when the power of a real one fails.
    fn settle_disks(&self) {}

    /// What a node lost to cuts of its power so far; nothing where its disk loses nothing.
    fn dropped(&self, _node: u32) -> Option<Dropped> {
        None
    }

    /// The machines the nodes run on, where they have some of their own.
    fn machines(&mut self) -> Option<&mut dyn Machines> {
        None
    }
}
