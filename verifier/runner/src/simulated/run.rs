//! One simulated run, start to finish: into a run directory, or kept in memory.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use delivery_broker::SimulatedSystem;
use delivery_faults::ClusterView;
use delivery_history::manifest::{Role, RunManifest};
use delivery_history::recorder::SimulatedClock;
use delivery_history::{Clock, Event, HistoryView, RecordError, Recorder, RunDir, StreamView};

use crate::drive::{Run, drive};
use crate::finish::{Completed, RunError, begin, conclude, status};
use crate::interrupt::Interrupts;
use crate::machine::RunEnd;
use crate::plan::RunPlan;
use crate::progress::{Progress, Quiet};
use crate::simulated::clients::Shared;
use crate::simulated::driver::{SimulatedDriver, finish_streams};

/// Runs in this process, into a directory under `out`. The same plan and seed leave the same bytes under `history/`.
///
/// # Errors
/// When the run directory cannot be made or written, or the simulation itself fails.
pub fn run_simulated(
    plan: &RunPlan,
    out: &Path,
    system: &'static dyn SimulatedSystem,
    interrupts: &Interrupts,
    progress: &mut dyn Progress,
) -> Result<Completed, RunError> {
    let (run_dir, began) = begin(out, &plan.manifest)?;
    let ran = run(plan, Some(&run_dir), system, interrupts, progress)?;
    for (_, recorder) in ran.streams {
        recorder.close()?;
    }
    conclude(run_dir, ran.manifest, ran.end, began)
}

/// A simulated run that left no files.
pub struct Simulated {
    /// What took part, with targets as they were resolved.
    pub manifest: RunManifest,
    /// How it ended.
    pub end: RunEnd,
    streams: Vec<(u16, Vec<Event>)>,
}

impl Simulated {
    /// The history as checks see it.
    pub fn view(&self) -> HistoryView<'_> {
        let streams = self.streams.iter().map(|(worker, events)| StreamView { worker: *worker, events });
        HistoryView { manifest: &self.manifest, streams: streams.collect(), damage: Vec::new() }
    }

    /// Events of all workers.
    pub fn event_count(&self) -> u64 {
        self.streams.iter().map(|(_, events)| events.len() as u64).sum()
    }
}

/// Runs in this process and in its memory: the very history that [`run_simulated`] would leave.
///
/// # Errors
/// When the simulation itself fails.
pub fn simulate(
    plan: &RunPlan,
    system: &'static dyn SimulatedSystem,
    interrupts: &Interrupts,
) -> Result<Simulated, RunError> {
    let ran = run(plan, None, system, interrupts, &mut Quiet)?;
    let mut manifest = ran.manifest;
    manifest.status = status(&ran.end, 0);
    let streams = ran.streams.into_iter().map(|(worker, recorder)| (worker, recorder.into_events())).collect();
    Ok(Simulated { manifest, end: ran.end, streams })
}

struct Ran {
    manifest: RunManifest,
    end: RunEnd,
    /// By worker number.
    streams: Vec<(u16, Recorder)>,
}

fn run(
    plan: &RunPlan,
    run_dir: Option<&RunDir>,
    system: &'static dyn SimulatedSystem,
    interrupts: &Interrupts,
    progress: &mut dyn Progress,
) -> Result<Ran, RunError> {
    let mut manifest = plan.manifest.clone();
    let clock = SimulatedClock::default();
    let shared = Rc::new(RefCell::new(shared(plan, run_dir, &clock)?));
    let runner = plan.runner_worker();
    let mut recorder = recorder(plan, run_dir, runner, &clock)?;
    let mut driver = SimulatedDriver::new(plan, system, shared.clone(), clock, interrupts)
        .map_err(|error| RunError::Simulation(error.to_string()))?;
    let nodes = manifest.nodes.iter().map(|node| node.id).collect();
    let end = drive(
        plan.machine.clone(),
        ClusterView::new(nodes, Vec::new(), true),
        &mut driver,
        &mut Run { manifest: &mut manifest, run_dir, recorder: &mut recorder, progress },
    );
    drop(driver);
    let mut streams = finish_streams(&shared)?;
    streams.insert(runner, recorder);
    Ok(Ran { manifest, end, streams: streams.into_iter().collect() })
}

fn recorder(
    plan: &RunPlan,
    run_dir: Option<&RunDir>,
    worker: u16,
    clock: &SimulatedClock,
) -> Result<Recorder, RecordError> {
    let clock = Clock::Simulated(clock.clone());
    match run_dir {
        Some(run_dir) => Recorder::create(&run_dir.event_path(&plan.worker(worker).name), worker, clock),
        None => Ok(Recorder::in_memory(clock)),
    }
}

/// A stream for every worker but the runner, each begun.
fn shared(plan: &RunPlan, run_dir: Option<&RunDir>, clock: &SimulatedClock) -> Result<Shared, RecordError> {
    let mut shared = Shared::default();
    for (worker, entry) in (0u16..).zip(&plan.manifest.workers) {
        if entry.role == Role::Runner {
            continue;
        }
        if entry.role == Role::Observer {
            shared.observer = worker;
        }
        shared.recorders.insert(worker, recorder(plan, run_dir, worker, clock)?);
    }
    // Those that start with the run; others begin when they take a place.
    let first = (0u16..).zip(&plan.manifest.workers).filter(|(_, worker)| worker.succeeds.is_none());
    for (worker, _) in first {
        shared.begin(worker)?;
    }
    Ok(shared)
}
