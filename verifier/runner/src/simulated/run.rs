//! One simulated run, start to finish.

use std::cell::RefCell;
use std::rc::Rc;

use delivery_broker::SimulatedSystem;
use delivery_faults::ClusterView;
use delivery_history::manifest::Role;
use delivery_history::recorder::SimulatedClock;
use delivery_history::{Clock, RecordError, Recorder, RunDir};

use crate::drive::{Run, drive};
use crate::finish::{Completed, RunError, begin, conclude};
use crate::interrupt::Interrupts;
use crate::plan::RunPlan;
use crate::progress::Progress;
use crate::request::RunRequest;
use crate::simulated::clients::{Shared, record_started};
use crate::simulated::driver::{SimulatedDriver, finish_streams};

/// Runs in this process. The same plan and seed leave the same bytes under `history/`.
///
/// # Errors
/// When the run directory cannot be made or written, or the simulation itself fails.
pub fn run_simulated(
    plan: &RunPlan,
    request: &RunRequest,
    system: &'static dyn SimulatedSystem,
    interrupts: &Interrupts,
    progress: &mut dyn Progress,
) -> Result<Completed, RunError> {
    let mut manifest = plan.manifest.clone();
    let (run_dir, began) = begin(&request.out, &manifest)?;
    let clock = SimulatedClock::default();
    let shared = Rc::new(RefCell::new(shared(plan, &run_dir, &clock)?));
    let runner = plan.runner_worker();
    let path = run_dir.event_path(&manifest.workers[usize::from(runner)].name);
    let mut recorder = Recorder::create(&path, runner, Clock::Simulated(clock.clone()))?;
    let mut driver = SimulatedDriver::new(plan, system, shared.clone(), clock, interrupts)
        .map_err(|error| RunError::Simulation(error.to_string()))?;
    let nodes = manifest.nodes.iter().map(|node| node.id).collect();
    let end = drive(
        plan.machine.clone(),
        ClusterView::new(nodes, Vec::new(), true),
        &mut driver,
        &mut Run { manifest: &mut manifest, run_dir: &run_dir, recorder: &mut recorder, progress },
    );
    drop(driver);
    finish_streams(&shared)?;
    recorder.close()?;
    conclude(run_dir, manifest, end, began)
}

/// A stream for every worker but the runner, each begun.
fn shared(plan: &RunPlan, run_dir: &RunDir, clock: &SimulatedClock) -> Result<Shared, RecordError> {
    let mut shared = Shared::default();
    for (worker, entry) in (0u16..).zip(&plan.manifest.workers) {
        if entry.role == Role::Runner {
            continue;
        }
        if entry.role == Role::Observer {
            shared.observer = worker;
        }
        let path = run_dir.event_path(&entry.name);
        let mut recorder = Recorder::create(&path, worker, Clock::Simulated(clock.clone()))?;
        record_started(&mut recorder)?;
        shared.recorders.insert(worker, recorder);
    }
    Ok(shared)
}
