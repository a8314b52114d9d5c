//! The beginning and the end that real and simulated runs share.

use std::path::Path;
use std::time::Instant;

use delivery_faults::Schedule;
use delivery_history::manifest::{RunManifest, RunStatus};
use delivery_history::{RecordError, RunDir, RunDirError};

use crate::machine::RunEnd;

/// The schedule of a run, in its directory: to be changed and run with `--schedule`.
pub const SCHEDULE_FILE: &str = "schedule.toml";

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
    if let Ok(schedule) = Schedule::of_run(manifest.load_ms, &manifest.faults) {
        run_dir.write_text(SCHEDULE_FILE, &schedule.to_toml())?;
    }
    Ok((run_dir, began))
}

pub(crate) fn conclude(
    run_dir: RunDir,
    mut manifest: RunManifest,
    end: RunEnd,
    began: Instant,
) -> Result<Completed, RunError> {
    manifest.status = status(&end, began.elapsed().as_millis() as u64);
    run_dir.write_manifest(&manifest)?;
    Ok(Completed { run_dir, end })
}

/// What the manifest says of a run that ended so.
pub(crate) fn status(end: &RunEnd, took_ms: u64) -> RunStatus {
    match end {
        RunEnd::Finished => RunStatus::Finished { took_ms },
        RunEnd::CutShort(reason) | RunEnd::CouldNotRun(reason) => {
            RunStatus::CutShort { reason: reason.clone(), took_ms }
        }
        RunEnd::Stopped => RunStatus::CutShort { reason: String::from("stopped by the user"), took_ms },
    }
}
