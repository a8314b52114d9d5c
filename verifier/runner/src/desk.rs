//! Faults of a run: resolved, started, evidenced and taken back in one place, with every step
//! in the history.

use delivery_broker::Observation;
use delivery_cluster::processes::Whose;
use delivery_faults::{ClusterView, Evidence, FaultError, FaultGuard, Ground, find_fault, hook};
use delivery_history::manifest::Fault;
use delivery_history::{Event, EventKind, NO_SEQUENCE, NO_SESSION, RecordError, Recorder};

/// Why a step of a fault did not work.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The fault itself.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// The history.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A name that was valid when the run was planned.
    #[error(transparent)]
    Name(#[from] delivery_broker::ConfigError),
}

/// Holds the guards of the faults in force.
pub struct FaultDesk {
    view: ClusterView,
    guards: Vec<Option<Box<dyn FaultGuard>>>,
}

impl FaultDesk {
    /// No fault is on.
    pub fn new(view: ClusterView, faults: usize) -> Self {
        Self { view, guards: (0..faults).map(|_| None).collect() }
    }

    /// Takes an observation in: faults aim at roles as they were last seen.
    pub fn see(&mut self, observation: &Observation) {
        self.view.see(observation);
        self.guards.iter_mut().flatten().for_each(|guard| guard.see(observation));
    }

    /// Starts fault `index` and writes into `fault` whom it hits; one that was resolved before (in the run that is played
    /// again) hits the same.
    ///
    /// # Errors
    /// When nobody holds the role it aims at, or it cannot be injected.
    pub fn start(
        &mut self,
        index: usize,
        fault: &mut Fault,
        ground: &Ground,
        recorder: &mut Recorder,
    ) -> Result<(), DeskError> {
        let kind = find_fault(&fault.fault)?;
        let resolved = match fault.targets.is_empty() {
            true => kind.resolve(fault, &self.view)?,
            false => kind.resolve_again(fault, &self.view),
        };
        let mut resolved = resolved;
        let hooks = ground.hooks.as_ref().filter(|_| hook::is_hooked(kind, &fault.shape));
        let guard = match hooks {
            Some(hooks) => hook::start(fault, &mut resolved, hooks),
            None => kind.start(&resolved, ground)?,
        };
        // Recorded only now, so that a recorded window is one the fault was on throughout.
        recorder.record(event(EventKind::FaultStarted, index))?;
        self.guards[index] = Some(guard);
        fault.targets = resolved.targets;
        fault.cut = resolved.cut;
        fault.full_cut = resolved.full_cut;
        fault.sides = resolved.sides;
        fault.workers = resolved.clients;
        fault.adds = resolved.adds;
        fault.bites_by = resolved.bites_by;
        Ok(())
    }

    /// Records what is seen of the fault now.
    ///
    /// # Errors
    /// When its rules cannot be read.
    pub fn sample(&mut self, index: usize, recorder: &mut Recorder) -> Result<(), DeskError> {
        let Some(guard) = self.guards[index].as_mut() else { return Ok(()) };
        for evidence in guard.evidence()? {
            recorder.record(evidence_event(index, evidence))?;
        }
        Ok(())
    }

    /// Takes fault `index` back, and writes into `fault` what a command of the user's said meanwhile.
    ///
    /// # Errors
    /// When its rules cannot be removed.
    pub fn heal(&mut self, index: usize, fault: &mut Fault, recorder: &mut Recorder) -> Result<(), DeskError> {
        let Some(mut guard) = self.guards[index].take() else { return Ok(()) };
        let healed = guard.heal();
        fault.hook_calls.extend(guard.calls());
        healed?;
        recorder.record(event(EventKind::FaultHealed, index))?;
        Ok(())
    }
}

fn event(kind: EventKind, fault: usize) -> Event {
    Event::new(kind).detail(fault as u32)
}

fn evidence_event(fault: usize, evidence: Evidence) -> Event {
    match evidence {
        Evidence::Dropped(packets) => event(EventKind::FaultDropped, fault).offset(packets),
        Evidence::Crossed(packets) => event(EventKind::FaultCrossed, fault).offset(packets),
        Evidence::Reset(packets) => event(EventKind::FaultReset, fault).offset(packets),
        Evidence::HeldBack(times) => event(EventKind::FaultHeldBack, fault).offset(times),
        Evidence::Delayed(packets) => event(EventKind::FaultDelayed, fault).offset(packets),
        Evidence::Lost(node, lost) => {
            let kib = u32::try_from(lost.bytes.div_ceil(1_024)).unwrap_or(NO_SEQUENCE - 1);
            event(EventKind::WritesDropped, fault).offset(lost.writes).message(node, kib.min(NO_SEQUENCE - 1))
        }
        Evidence::Answered(destination, outcome) => {
            event(EventKind::ChangeAnswered, fault).destination(destination).offset(outcome as u64)
        }
        Evidence::Wiped(node, bytes) => event(EventKind::DataWiped, fault).offset(bytes).message(node, NO_SEQUENCE),
        Evidence::Free(node, bytes) => event(EventKind::DiskFree, fault).offset(bytes).message(node, NO_SEQUENCE),
        Evidence::Held(node, count) => event(EventKind::OperationsHeld, fault).offset(count).message(node, NO_SEQUENCE),
        Evidence::Clock(node, ahead_ms) => {
            event(EventKind::ClockSet, fault).offset(ahead_ms.cast_unsigned()).message(node, NO_SEQUENCE)
        }
        Evidence::Applied(done) => event(EventKind::ChangeApplied, fault).offset(done.into()),
        Evidence::Process(whose, state) => {
            let seen = event(EventKind::ProcessState, fault).offset(state as u64);
            match whose {
                Whose::Node(node) => seen.message(node, NO_SEQUENCE),
                Whose::Client(worker) => seen.message(NO_SESSION, worker.into()),
            }
        }
    }
}
