//! The Docker backend: every host and every node is a container of the engine that runs on this machine.
//!
//! testcontainers finds the engine, pulls images and runs the containers of nodes. What it lacks is done through its
//! client of the engine's API: addresses that are known beforehand (hosts), SIGKILL, and a reaper.

pub mod cluster;
mod containers;
pub mod engine;
pub mod error;
mod hosts;
pub mod image;
mod inside;
mod link;
pub mod network;
mod node;
mod process;
mod protocol;
mod reaper;
mod rules;
pub mod run;

pub use cluster::DockerCluster;
pub use engine::Engine;
pub use error::EngineError;
pub use image::ImageName;
pub use network::DockerNetwork;
pub use run::DockerRun;

use std::path::Path;

use protocol::{HOST_ARGUMENT, REAPER_ARGUMENT, WIPE_ARGUMENT};

/// Makes this process what a run started it as, if one did, and then never returns.
///
/// Call it first thing in `main`: hosts and the reaper are this very program, started again.
pub fn init() {
    let mut arguments = std::env::args().skip(1);
    let Some(role) = arguments.next() else { return };
    let code = match (role.as_str(), arguments.next(), arguments.next()) {
        (HOST_ARGUMENT, None, None) => {
            inside::work();
            0
        }
        (REAPER_ARGUMENT, Some(run_id), None) => reaper::work(&run_id),
        (WIPE_ARGUMENT, Some(data_dir), Some(storage)) => wipe(Path::new(&data_dir), Path::new(&storage)),
        _ => return,
    };
    std::process::exit(code);
}

/// Takes what a node stored, says how many bytes that were, and marks it as one that is to be prepared.
fn wipe(data_dir: &Path, storage: &Path) -> i32 {
    let taken = delivery_cluster::local::storage::take(data_dir, storage);
    let marked = taken.and_then(|bytes| std::fs::write(data_dir.join(containers::PREPARE_MARK), "").map(|()| bytes));
    match marked {
        Ok(bytes) => {
            println!("{bytes}");
            0
        }
        Err(error) => {
            println!("{error}");
            1
        }
    }
}
