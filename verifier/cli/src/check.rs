//! `verify check`: judges a run again from its directory alone.

use delivery_history::RunDir;

use crate::args::CheckArgs;
use crate::exit::CliError;
use crate::outcome;
use crate::run::requirements;

/// Judges the run that stands in the directory; returns the exit code.
///
/// # Errors
/// A directory without a run, a damaged or foreign file, an unknown requirement.
pub fn check(args: &CheckArgs) -> Result<i32, CliError> {
    let run_dir = RunDir::open(&args.run_dir)?;
    outcome::judge_and_show(&run_dir, requirements(&args.require), &args.output)
}
