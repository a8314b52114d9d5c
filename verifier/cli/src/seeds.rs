//! `verify pubsub --seeds A..B`: many short simulated runs on every core, in memory.

mod table;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use delivery_broker::{SimulatedSystem, System};
use delivery_checks::{Options, judge_with};
use delivery_claims::{Overall, RunVerdict, judge_claims};
use delivery_faults::FaultRequest;
use delivery_runner::{Interrupts, Quiet, RunPlan, RunRequest, draw_faults, run_simulated, simulate};
use indicatif::ProgressBar;

use crate::args::{RunArgs, SeedRange, SeedsArgs};
use crate::commit::plan;
use crate::exit::{self, CliError};
use crate::run::{listen, request};
use table::{Exploration, Failing};

/// Load of a seed, milliseconds: with its start and its drain it comes to 20 simulated seconds.
const LOAD_MS: u64 = 15_000;
/// Load before the first fault without a time of its own, milliseconds.
const BASELINE_MS: u64 = 4_000;
/// Between two faults without times of their own, milliseconds.
const BETWEEN_MS: u64 = 1_000;
/// A fault without a length outlasts failure detection by this much, milliseconds.
const BEYOND_DETECTION_MS: u64 = 4_000;
/// Drawn faults end this long before the load does, milliseconds.
const AFTER_HEAL_MS: u64 = 2_500;
/// Messages a second and lane.
const RATE_PER_S: u32 = 100;
/// Failing seeds that leave a run directory; of the rest it is printed how to run them again.
const MOST_KEPT: u64 = 10;
/// Failing seeds that are told one by one.
const MOST_TOLD: usize = 20;

/// Explores the seeds; returns the exit code.
///
/// # Errors
/// What keeps any run from being planned, or a run directory from being written.
pub fn explore(system: &'static dyn System, args: &SeedsArgs, seeds: SeedRange) -> Result<i32, CliError> {
    let simulated = system
        .simulated()
        .ok_or_else(|| CliError::Usage(String::from("--seeds explores simulations; a real broker has none")))?;
    let args = SeedsArgs { run: with_defaults(&args.run), ..args.clone() };
    let explorer = Explorer::new(system, simulated, &args)?;
    // What can be refused is refused before the first seed.
    explorer.plan(seeds.first)?;
    let began = Instant::now();
    let exploration = explorer.run(seeds)?;
    exploration.show(&args.run, seeds, began.elapsed())
}

/// A seed is small unless the user wants it otherwise.
fn with_defaults(args: &RunArgs) -> RunArgs {
    let mut args = args.clone();
    args.rate.get_or_insert(RATE_PER_S);
    if args.schedule.is_none() {
        args.duration.get_or_insert(Duration::from_millis(LOAD_MS));
        args.faults.get_or_insert_with(|| String::from("random"));
    }
    if !args.set.iter().any(|(name, _)| name == "cluster.nodes" || name == "nodes") {
        args.set.push((String::from("cluster.nodes"), String::from("3")));
    }
    if args.preset.is_empty() {
        args.preset = crate::run::overridden(&crate::systems::PUBSUB).into_iter().map(str::to_owned).collect();
    }
    // What a preset promises is judged; what it never promised is required only of who asks for it.
    if args.require.is_empty() {
        args.require.push(String::from("none"));
    }
    args
}

struct Explorer<'a> {
    system: &'static dyn System,
    simulated: &'static dyn SimulatedSystem,
    args: &'a SeedsArgs,
    request: RunRequest,
    /// The plan of every seed, but for its seed; nothing where faults are drawn.
    fixed: Option<RunPlan>,
}

/// What came of one seed.
struct Judged {
    plan: RunPlan,
    verdict: RunVerdict,
    judgement: delivery_checks::Judgement,
}

impl<'a> Explorer<'a> {
    fn new(
        system: &'static dyn System,
        simulated: &'static dyn SimulatedSystem,
        args: &'a SeedsArgs,
    ) -> Result<Self, CliError> {
        let mut request = request(system, &args.run)?;
        let draws = crate::run::draws(&args.run);
        if draws {
            request.faults.clear();
        } else {
            give_times(&mut request.faults, system.detection_ms(request.timings));
        }
        let fixed = if draws { None } else { Some(plan(system, &request)?) };
        Ok(Self { system, simulated, args, request, fixed })
    }

    fn plan(&self, seed: u64) -> Result<RunPlan, CliError> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.with_seed(seed));
        }
        let mut request = RunRequest { seed, ..self.request.clone() };
        let last_end_ms = request.duration_ms.map(|load_ms| load_ms.saturating_sub(AFTER_HEAL_MS));
        request.faults = draw_faults(self.system, &request, Some(BASELINE_MS), last_end_ms)?;
        Ok(plan(self.system, &request)?)
    }

    fn judge(&self, seed: u64) -> Result<Judged, CliError> {
        let plan = self.plan(seed)?;
        let ran = simulate(&plan, self.simulated, &Interrupts::default())?;
        let judgement = judge_with(&ran.view(), &Options { threads: 1, ..Options::default() });
        let verdict = judge_claims(&ran.manifest, &judgement);
        Ok(Judged { plan, verdict, judgement })
    }

    /// Every core takes the next seed until there is none, somebody asks to stop, or one cannot be run.
    fn run(&self, seeds: SeedRange) -> Result<Exploration, CliError> {
        let interrupts = listen()?;
        let (next, stop) = (AtomicU64::new(seeds.first), AtomicBool::new(false));
        let collected = Mutex::new(Exploration::default());
        let failed: Mutex<Option<CliError>> = Mutex::new(None);
        let bar = if self.args.run.output.quiet { ProgressBar::hidden() } else { ProgressBar::new(seeds.count()) };
        let work = || {
            while !stop.load(Ordering::Relaxed) && !interrupts.pending() {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return;
                }
                let done = self.judge(seed).and_then(|judged| self.collect(seed, judged, &collected));
                if let Err(error) = done {
                    stop.store(true, Ordering::Relaxed);
                    *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                }
                bar.inc(1);
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(work);
            }
        });
        bar.finish_and_clear();
        if let Some(error) = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return Err(error);
        }
        let mut exploration = collected.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        exploration.sort();
        self.keep_failing(&mut exploration)?;
        Ok(exploration)
    }

    fn collect(&self, seed: u64, judged: Judged, collected: &Mutex<Exploration>) -> Result<(), CliError> {
        if self.args.keep {
            self.leave(&judged.plan)?;
        }
        let mut collected = collected.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        collected.count(&judged.verdict, &judged.judgement);
        if matches!(judged.verdict.overall, Overall::Violated | Overall::Inconclusive) {
            let faults = requests(&judged.plan);
            collected.failing.push(Failing {
                seed,
                violated: judged.verdict.overall == Overall::Violated,
                reason: judged.verdict.reasons.first().cloned().unwrap_or_default(),
                command: command(&self.args.run, &faults, seed),
                run_dir: None,
            });
        }
        Ok(())
    }

    /// The first failing seeds leave a run directory, to be looked at, played again and shrunk.
    fn keep_failing(&self, exploration: &mut Exploration) -> Result<(), CliError> {
        let violated = exploration.failing.iter_mut().filter(|failing| failing.violated && !self.args.keep);
        for failing in violated.take(MOST_KEPT as usize) {
            failing.run_dir = Some(self.leave(&self.plan(failing.seed)?)?);
        }
        Ok(())
    }

    fn leave(&self, plan: &RunPlan) -> Result<String, CliError> {
        let mut plan = plan.clone();
        plan.manifest.run_id = format!("{}-seed-{}", plan.manifest.run_id, plan.manifest.seed);
        let out: &Path = &self.args.run.out;
        let completed = run_simulated(&plan, out, self.simulated, &Interrupts::default(), &mut Quiet)?;
        Ok(out.join(completed.run_dir.path().file_name().unwrap_or_default()).display().to_string())
    }
}

/// Faults start one after the other, long enough to be noticed, unless the user gave their times.
fn give_times(faults: &mut [FaultRequest], detection_ms: u64) {
    let mut next_ms = BASELINE_MS;
    for fault in faults {
        let start_ms = *fault.start_ms.get_or_insert(next_ms);
        let length_ms = *fault.duration_ms.get_or_insert(detection_ms + BEYOND_DETECTION_MS);
        next_ms = start_ms + length_ms + BETWEEN_MS;
    }
}

/// The faults of a plan as they would be typed.
fn requests(plan: &RunPlan) -> Vec<String> {
    let schedule = delivery_faults::Schedule::of_run(plan.manifest.load_ms, &plan.manifest.faults);
    schedule.map(|schedule| schedule.faults.iter().map(FaultRequest::typed).collect()).unwrap_or_default()
}

/// The command that makes this one run.
fn command(args: &RunArgs, faults: &[String], seed: u64) -> String {
    let mut words = vec![format!("verify pubsub --preset {}", args.preset.join(","))];
    words.extend(args.set.iter().map(|(name, value)| format!("--set {name}={value}")));
    words.push(format!("--faults {}", if faults.is_empty() { String::from("none") } else { faults.join(",") }));
    words.extend(
        args.duration
            .map(|load| format!("--duration {}", humantime::format_duration(load).to_string().replace(' ', ""))),
    );
    words.extend(args.rate.map(|rate| format!("--rate {rate}")));
    words.extend((args.size != 128).then(|| format!("--size {}", args.size)));
    words.extend(args.producers.map(|producers| format!("--producers {producers}")));
    words.extend(args.require.iter().map(|required| format!("--require {required}")));
    words.push(format!("--seed {seed}"));
    words.join(" ")
}
