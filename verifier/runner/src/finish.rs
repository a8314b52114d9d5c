//! The beginning and the end that real and simulated runs share.

use std::path::Path;
use std::time::Instant;

use delivery_history::manifest::{RunManifest, RunStatus};
use delivery_history::{RecordError, RunDir, RunDirError};

use crate::machine::RunEnd;

/// A run whose directory or history cannot be written. Exit 4.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The runner's own events.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The simulation itself failed: a bug.
    #[error("the simulation failed: {0}. This is a bug in verify: please report it with the command and the seed.")]
    Simulation(String),
}

/// A run that is over.
#[derive(Debug)]
pub struct Completed {
    /// Where it stands.
    pub run_dir: RunDir,
    /// How it ended.
    pub end: RunEnd,
}

pub(crate) fn begin(out: &Path, manifest: &RunManifest) -> Result<(RunDir, Instant), RunError> {
    let began = Instant::now();
    let run_dir = RunDir::create(out, &manifest.run_id)?;
    run_dir.write_manifest(manifest)?;
    Ok((run_dir, began))
}

pub(crate) fn conclude(
    run_dir: RunDir,
    mut manifest: RunManifest,
    end: RunEnd,
    began: Instant,
) -> Result<Completed, RunError> {
    let took_ms = began.elapsed().as_millis() as u64;
    manifest.status = match &end {
        RunEnd::Finished => RunStatus::Finished { took_ms },
        RunEnd::CutShort(reason) | RunEnd::CouldNotRun(reason) => {
            RunStatus::CutShort { reason: reason.clone(), took_ms }
        }
        RunEnd::Stopped => RunStatus::CutShort { reason: String::from("stopped by the user"), took_ms },
    };
    run_dir.write_manifest(&manifest)?;
    Ok(Completed { run_dir, end })
}
