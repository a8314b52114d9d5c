//! Backend `external`: nodes that somebody else runs, of which only addresses are known. Clients are processes of this
//! machine, with no namespace of their own, so it needs no privilege and no Linux.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use crate::local::{ClusterError, LocalCluster};
use crate::network::{Counters, Impairment, ImpairmentId, Network, NetworkError};

/// Where clients run.
pub trait Hosts {
    /// Starts a program on a host, in a process group of its own.
    ///
    /// # Errors
    /// An unknown host, or the system's refusal.
    fn spawn(&self, host: u32, command: Command) -> Result<Child, ClusterError>;
}

impl Hosts for LocalCluster {
    fn spawn(&self, host: u32, command: Command) -> Result<Child, ClusterError> {
        Self::spawn(self, host, command)
    }
}

/// A cluster of somebody else's, seen from this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elsewhere;

impl Hosts for Elsewhere {
    fn spawn(&self, _host: u32, mut command: Command) -> Result<Child, ClusterError> {
        let program = command.get_program().to_string_lossy().into_owned();
        // A terminal's Ctrl-C is for the runner alone.
        command.process_group(0);
        command.spawn().map_err(|source| ClusterError::Start { program, host: String::from("this machine"), source })
    }
}

/// Its links are not ours to touch.
impl Network for Elsewhere {
    fn impair(&mut self, _impairment: &Impairment) -> Result<ImpairmentId, NetworkError> {
        Err(not_ours("set the impairment"))
    }

    fn heal(&mut self, _id: ImpairmentId) -> Result<(), NetworkError> {
        Ok(())
    }

    fn counters(&mut self, _id: ImpairmentId) -> Result<Counters, NetworkError> {
        Err(not_ours("read the counters"))
    }
}

fn not_ours(operation: &'static str) -> NetworkError {
    NetworkError { operation, cause: String::from("somebody else runs it, and only a --fault-hook reaches it") }
}
