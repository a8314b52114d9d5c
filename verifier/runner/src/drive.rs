//! The loop that drives the machine: the same for real clusters and simulations.

use delivery_broker::Observation;
use delivery_faults::{ClusterView, Ground};
use delivery_history::manifest::{Phase, RunManifest};
use delivery_history::{Event, EventKind, RecordError, Recorder, RunDir};

use crate::desk::{DeskError, FaultDesk};
use crate::machine::{Action, Input, MachinePlan, RunEnd, RunMachine};
use crate::progress::Progress;

/// What came in since the last look.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// For the machine.
    pub inputs: Vec<Input>,
    /// For faults to aim by.
    pub observations: Vec<Observation>,
    /// For the runner's own stream (crashes it saw).
    pub events: Vec<Event>,
    /// For whoever watches.
    pub notes: Vec<String>,
    /// For `run.json`: what had to be done by hand for the cluster to come back.
    pub by_hand: Vec<String>,
}

/// Carries out actions on a cluster, real or simulated.
pub trait Driver {
    /// The time of the run's clock, nanoseconds.
    fn now_ns(&self) -> u64;

    /// Begins what the machine asked for; its end is told by [`Driver::advance`].
    fn apply(&mut self, action: &Action, manifest: &mut RunManifest, arrivals: &mut Arrivals);

    /// Lets a little time pass and tells what happened.
    fn advance(&mut self, arrivals: &mut Arrivals);

    /// What faults act on, once the cluster stands.
    fn ground(&self) -> Option<Ground>;
}

/// Everything a run's loop holds beside its driver.
pub struct Run<'a> {
    /// What stands in `run.json`.
    pub manifest: &'a mut RunManifest,
    /// Where it stands; nothing for a run that is kept in memory.
    pub run_dir: Option<&'a RunDir>,
    /// The runner's own stream.
    pub recorder: &'a mut Recorder,
    /// Who watches.
    pub progress: &'a mut dyn Progress,
}

/// Drives a run from its start to its end. Every fault is taken back on every way out.
pub fn drive(plan: MachinePlan, view: ClusterView, driver: &mut dyn Driver, run: &mut Run<'_>) -> RunEnd {
    let mut desk = FaultDesk::new(view, plan.faults.len());
    let load_ms = plan.load_ms;
    let mut machine = RunMachine::new(plan);
    let mut arrivals = Arrivals::default();
    loop {
        for observation in arrivals.observations.drain(..) {
            desk.see(&observation);
        }
        run.manifest.by_hand.append(&mut arrivals.by_hand);
        for note in arrivals.notes.drain(..) {
            run.progress.note(&note);
        }
        let mut inputs = std::mem::take(&mut arrivals.inputs);
        for event in arrivals.events.drain(..) {
            if let Err(error) = run.recorder.record(event) {
                inputs.push(Input::HistoryLost(error.to_string()));
            }
        }
        for action in machine.step(driver.now_ns(), &inputs) {
            if let Action::Finish(end) = action {
                return end;
            }
            if let Err(input) = carry_out(&action, load_ms, &mut desk, driver, run, &mut arrivals) {
                arrivals.inputs.push(input);
            }
        }
        run.progress.tick();
        driver.advance(&mut arrivals);
    }
}

fn carry_out(
    action: &Action,
    load_ms: u64,
    desk: &mut FaultDesk,
    driver: &mut dyn Driver,
    run: &mut Run<'_>,
    arrivals: &mut Arrivals,
) -> Result<(), Input> {
    match *action {
        Action::EnterPhase(phase) => {
            let entered = Event::new(EventKind::PhaseEntered).detail(phase as u32);
            run.recorder.record(entered).map_err(lost)?;
            run.progress.phase(phase, expected_ms(phase, load_ms, run.manifest));
            Ok(())
        }
        Action::StartFault(index) => {
            let ground = driver.ground().ok_or_else(|| Input::Trouble(String::from("there is no cluster to hit")))?;
            desk.start(index, &mut run.manifest.faults[index], &ground, run.recorder).map_err(trouble)?;
            let written = run.run_dir.map_or(Ok(()), |run_dir| run_dir.write_manifest(run.manifest));
            written.map_err(|error| Input::HistoryLost(error.to_string()))
        }
        Action::SampleEvidence(index) => desk.sample(index, run.recorder).map_err(trouble),
        Action::HealFault(index) => desk.heal(index, &mut run.manifest.faults[index], run.recorder).map_err(trouble),
        _ => {
            driver.apply(action, run.manifest, arrivals);
            Ok(())
        }
    }
}

fn lost(error: RecordError) -> Input {
    Input::HistoryLost(error.to_string())
}

fn trouble(error: DeskError) -> Input {
    match error {
        DeskError::Record(error) => lost(error),
        error => Input::Trouble(error.to_string()),
    }
}

/// How long a phase lasts by the schedule; waits have no length of their own, and nobody knows how
/// fast a simulation goes.
fn expected_ms(phase: Phase, load_ms: u64, manifest: &RunManifest) -> Option<u64> {
    if manifest.simulated {
        return None;
    }
    let faults = &manifest.faults;
    match phase {
        Phase::Baseline => Some(faults.first().map_or(load_ms, |fault| fault.start_ms)),
        Phase::Fault => faults.first().map(|fault| fault.duration_ms),
        Phase::Heal => faults.last().map(|fault| load_ms.saturating_sub(fault.start_ms + fault.duration_ms)),
        _ => None,
    }
}
