//! `verify replay`: the very run of a run directory again.

use std::fs;
use std::path::Path;

use delivery_history::{RunDir, RunManifest};
use delivery_runner::{first_leader, run_simulated};

use crate::args::ReplayArgs;
use crate::commit::replan;
use crate::exit::CliError;
use crate::progress::progress;
use crate::real;
use crate::run::{conclude, listen};
use crate::systems;

/// Runs it again and judges it; returns the exit code.
///
/// # Errors
/// A directory without a run, a system that is not there, and what keeps a run from a verdict.
pub fn replay(args: &ReplayArgs) -> Result<i32, CliError> {
    let recorded_dir = RunDir::open(&args.run_dir)?;
    let recorded = recorded_dir.read_manifest()?;
    let system = systems::find(&recorded.system)?;
    let mut planned = replan(system, &recorded)?;
    planned.leader = first_leader(&recorded_dir, &recorded);
    if let Some(simulated) = system.simulated() {
        if args.dist.is_some() || args.rootfs.is_some() {
            return Err(CliError::Usage(format!(
                "the {} is built in, so --dist and --rootfs mean nothing to it; leave them out",
                system.info().title
            )));
        }
        let interrupts = listen()?;
        let mut shown = progress(args.output.quiet);
        let completed = run_simulated(&planned, &args.out, simulated, &interrupts, shown.as_mut())?;
        if !args.output.quiet {
            shown.note(&compare(&recorded_dir, &recorded, &completed.run_dir));
        }
        return conclude(&completed, shown, &args.output);
    }
    real::run_again(system, &planned, args, &recorded)
}

/// Whether a simulation came to the same history, in words.
fn compare(recorded_dir: &RunDir, recorded: &RunManifest, again: &RunDir) -> String {
    let same =
        |path: &Path, other: &Path| matches!((fs::read(path), fs::read(other)), (Ok(one), Ok(two)) if one == two);
    let differs = recorded
        .workers
        .iter()
        .find(|worker| !same(&recorded_dir.event_path(&worker.name), &again.event_path(&worker.name)));
    match differs {
        None => String::from("the history is the recorded one, byte for byte"),
        Some(worker) => format!(
            "the history is another one than was recorded (version {}, this is {}): it differs in that of {}",
            recorded.tool_version,
            env!("CARGO_PKG_VERSION"),
            worker.name
        ),
    }
}
