//! Backend `external`: nodes that somebody else runs, of which only addresses are known. Clients are processes of this
//! machine, with no namespace of their own, so it needs no privilege.

use std::os::unix::process::CommandExt;

use crate::cluster::{ClusterError, Errand, HostProcess};
use crate::local::errand;
use crate::network::{Counters, Impairment, ImpairmentId, Network, NetworkError};

/// Runs this very program beside a cluster of somebody else's, in a process group of its own.
///
/// # Errors
/// The system's refusal.
pub fn run(errand: &Errand) -> Result<Box<dyn HostProcess>, ClusterError> {
    errand::run(errand, |mut command| {
        let program = command.get_program().to_string_lossy().into_owned();
        // A terminal's Ctrl-C is for the runner alone.
        command.process_group(0);
        command.spawn().map_err(|source| ClusterError::Start { program, host: String::from("this machine"), source })
    })
}

/// A cluster of somebody else's, seen from this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elsewhere;

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
