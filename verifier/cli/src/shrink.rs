//! `verify shrink`: the smallest schedule that still fails as a simulated run did.

use std::io::Write;
use std::time::Instant;

use delivery_broker::SimulatedSystem;
use delivery_checks::judgement::{Guarantee, Judgement, Verdict};
use delivery_checks::{Options, judge, judge_with};
use delivery_claims::judge_claims;
use delivery_faults::Schedule;
use delivery_history::{History, RunDir, RunManifest};
use delivery_runner::{Interrupts, Quiet, RunPlan, check_shrinkable, run_simulated, shrink as make_smaller, simulate};

use crate::args::ShrinkArgs;
use crate::commit::replan;
use crate::exit::{self, CliError};
use crate::run::{listen, requirements};
use crate::systems;

/// Runs that are tried at most.
const MOST_TRIES: u32 = 300;

/// Shrinks and prints what is left; returns the exit code.
///
/// # Errors
/// A run that is not simulated, or in which nothing is violated; what keeps the result from being written.
pub fn shrink(args: &ShrinkArgs) -> Result<i32, CliError> {
    let run_dir = RunDir::open(&args.run_dir)?;
    let history = History::open(&run_dir)?;
    let system = systems::find(&history.manifest().system)?;
    let planned = replan(system, history.manifest())?;
    check_shrinkable(&planned)?;
    let simulated = system
        .simulated()
        .ok_or_else(|| CliError::Usage(format!("{} cannot be simulated by this program", system.info().title)))?;
    let target = target(history.manifest(), &judge(&history.view()), &args.require)?;
    let (began, interrupts) = (Instant::now(), listen()?);
    let mut fails = |plan: &RunPlan| !interrupts.pending() && fails(plan, simulated, &target);
    if !fails(&planned) {
        return Err(CliError::Usage(format!(
            "the run does not fail again with this version of verify: {} of {} is not violated. It was recorded by {}",
            target.guarantee.label(),
            target.lane,
            history.manifest().tool_version
        )));
    }
    let shrunk = make_smaller(&planned, MOST_TRIES, &mut fails).map_err(|error| CliError::Usage(error.to_string()))?;
    if interrupts.pending() {
        return Err(CliError::Stopped);
    }
    let left = run_simulated(&shrunk.plan, &args.out, simulated, &Interrupts::default(), &mut Quiet)?;
    let took_s = began.elapsed().as_secs_f64();
    let (before, after) = (words(&planned.manifest), words(&shrunk.plan.manifest));
    let schedule = Schedule::of_run(shrunk.plan.manifest.load_ms, &shrunk.plan.manifest.faults)?;
    let name = args.out.join(left.run_dir.path().file_name().unwrap_or_default());
    let mut stdout = std::io::stdout().lock();
    let tries = shrunk.tries;
    let bound = if shrunk.gave_up { ", which is the most that is tried: it may not be the smallest" } else { "" };
    write!(
        stdout,
        "{} of {} is still violated.\n  before: {before}\n  after:  {after}\n{tries} runs{bound}\n\n{}\nThe smallest run: {}\n",
        target.guarantee.label(),
        target.lane,
        schedule.to_toml(),
        name.display()
    )
    .and_then(|()| writeln!(stdout, "exit 0: shrunk"))
    .map_err(CliError::Output)?;
    if !args.quiet {
        eprintln!("took {took_s:.1} s");
    }
    Ok(exit::HOLDS)
}

/// What must stay violated.
struct Target {
    lane: String,
    guarantee: Guarantee,
}

/// The gravest violation: one that was required or promised, else the first; or the one the user names.
fn target(manifest: &RunManifest, judgement: &Judgement, required: &[String]) -> Result<Target, CliError> {
    let verdict = judge_claims(manifest, judgement);
    let wanted = requirements(required).unwrap_or_default();
    delivery_runner::check_requirements(&wanted, manifest.lanes.iter().map(|lane| lane.name.as_str()))?;
    let is_wanted = |lane: &str, guarantee: Guarantee| {
        wanted.is_empty()
            || wanted.iter().any(|one| {
                one.guarantee == guarantee.label() && one.lane.as_deref().is_none_or(|wanted| wanted == lane)
            })
    };
    let all = verdict.lanes.iter().flat_map(|lane| lane.violations.iter().map(move |found| (lane, found)));
    let mut all: Vec<_> = all.filter(|(lane, found)| is_wanted(&lane.lane, found.guarantee)).collect();
    all.sort_by_key(|(_, found)| found.is_excused());
    let first = all.first().ok_or_else(|| {
        CliError::Usage(String::from("nothing that was asked for is violated in this run: there is nothing to shrink"))
    })?;
    Ok(Target { lane: first.0.lane.clone(), guarantee: first.1.guarantee })
}

fn fails(plan: &RunPlan, system: &'static dyn SimulatedSystem, target: &Target) -> bool {
    let Ok(ran) = simulate(plan, system, &Interrupts::default()) else { return false };
    let judgement = judge_with(&ran.view(), &Options { threads: 1, ..Options::default() });
    let lane = judgement.lanes.iter().find(|lane| lane.lane == target.lane);
    lane.and_then(|lane| lane.verdict(target.guarantee)).is_some_and(|found| found.verdict == Verdict::Violated)
}

/// `2 faults for 9.5 s in 15.0 s of load`.
fn words(manifest: &RunManifest) -> String {
    let faults = manifest.faults.len();
    let lasted_ms: u64 = manifest.faults.iter().map(|fault| fault.duration_ms).sum();
    let (seconds, load) = (lasted_ms as f64 / 1e3, manifest.load_ms as f64 / 1e3);
    format!("{faults} {} for {seconds:.2} s in {load:.2} s of load", if faults == 1 { "fault" } else { "faults" })
}
