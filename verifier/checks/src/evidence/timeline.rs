//! When phases, faults and crashes happened: the runner's own stream.

use std::collections::BTreeMap;

use delivery_history::manifest::{Phase, Role, RunManifest};
use delivery_history::{Event, EventKind, NO_SESSION};

use crate::health::{Health, Watch};

/// Faults of one schedule that are judged; a run has a handful.
pub(crate) const MAX_FAULTS: usize = 64;

/// What was recorded of one fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FaultWindow {
    pub(crate) started_ns: Option<u64>,
    pub(crate) healed_ns: Option<u64>,
    /// (time, packets its rules had dropped by then).
    pub(crate) dropped: Vec<(u64, u64)>,
    /// The same of packets answered with a reset, of waits for bandwidth, of packets delayed.
    pub(crate) reset: Vec<(u64, u64)>,
    pub(crate) held_back: Vec<(u64, u64)>,
    pub(crate) delayed: Vec<(u64, u64)>,
    /// Packets that crossed the cut; nothing where nobody counted.
    pub(crate) crossed: Option<u64>,
    /// Looks at the processes it holds down.
    pub(crate) looks: Vec<Look>,
    /// Writes that were not synced and lost to a cut of the power, with their KiB, by node.
    pub(crate) writes_lost: BTreeMap<u32, (u64, u64)>,
    /// What the product answered to the change it was asked for, as an outcome's number, by destination.
    pub(crate) answered: BTreeMap<u16, u64>,
    /// Bytes that nodes had stored and no longer have, by node.
    pub(crate) wiped: BTreeMap<u32, u64>,
    /// (time, node, bytes that were free on its disk).
    pub(crate) disk_free: Vec<(u64, u32, u64)>,
    /// By node: (time, writes and syncs that were held up by then).
    pub(crate) held: BTreeMap<u32, Vec<(u64, u64)>>,
    /// (time, node, how far ahead its clock was set, milliseconds).
    pub(crate) clock_set: Vec<(u64, u32, i64)>,
    /// When the product had confirmed the change it was asked for.
    pub(crate) applied_ns: Option<u64>,
}

/// What one process was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) at_ns: u64,
    /// The node; nothing for a client.
    pub(crate) node: Option<u32>,
    /// The worker of a client.
    pub(crate) worker: Option<u16>,
    /// A `ProcessState` as a number.
    pub(crate) state: u64,
}

impl FaultWindow {
    /// Start and heal, where both were recorded in this order.
    pub(crate) fn span_ns(&self) -> Option<(u64, u64)> {
        let (start_ns, end_ns) = (self.started_ns?, self.healed_ns?);
        (start_ns <= end_ns).then_some((start_ns, end_ns))
    }

    /// By how much a count grew in each third of the window, from (time, count so far).
    pub(crate) fn growth_by_third(&self, samples: &[(u64, u64)]) -> [u64; 3] {
        let Some((start_ns, end_ns)) = self.span_ns() else { return [0; 3] };
        let third_ns = (end_ns - start_ns) / 3;
        let bounds_ns = [start_ns + third_ns, start_ns + 2 * third_ns, end_ns];
        let mut thirds = [0; 3];
        let mut counted = 0;
        for (third, bound_ns) in thirds.iter_mut().zip(bounds_ns) {
            // The sample just before the heal is recorded with it, so the last bound takes what there is.
            let until = samples.iter().filter(|(at_ns, _)| *at_ns <= bound_ns).map(|(_, total)| *total).max();
            let until = until.unwrap_or(0).max(counted);
            *third = until - counted;
            counted = until;
        }
        thirds
    }

    /// Whether `time_ns` lies between start and heal (or the end of the recording).
    pub(crate) fn contains(&self, time_ns: u64) -> bool {
        self.started_ns.is_some_and(|start_ns| start_ns <= time_ns)
            && self.healed_ns.is_none_or(|healed_ns| time_ns < healed_ns)
    }
}

/// A worker that ended without being told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) at_ns: u64,
    /// A fault of the schedule did it.
    pub(crate) by_fault: bool,
}

/// When phases, faults and crashes happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    phases: Vec<(Phase, u64)>,
    /// By index in the manifest; at most [`MAX_FAULTS`].
    pub(crate) faults: Vec<FaultWindow>,
    /// By worker.
    pub(crate) crashes: BTreeMap<u16, Crash>,
    /// Start of the load, or of the recording where no baseline was entered.
    pub(crate) load_start_ns: u64,
    /// End of the load, or of the recording.
    pub(crate) load_end_ns: u64,
    /// Last event anybody recorded.
    pub(crate) end_ns: u64,
}

impl Timeline {
    /// Reads the runner's streams.
    pub(crate) fn read(manifest: &RunManifest, streams: &[Option<&[Event]>], health: &mut Health) -> Self {
        let judged_faults = manifest.faults.len().min(MAX_FAULTS);
        let mut timeline = Self { faults: vec![FaultWindow::default(); judged_faults], ..Self::default() };
        if manifest.faults.len() > MAX_FAULTS {
            health.damage(format!("{} faults are more than the {MAX_FAULTS} judged", manifest.faults.len()));
        }
        for (number, worker) in manifest.workers.iter().enumerate().filter(|(_, one)| one.role == Role::Runner) {
            let (Some(Some(events)), Ok(number)) = (streams.get(number), u16::try_from(number)) else { continue };
            let mut watch = Watch::default();
            for event in *events {
                watch.see(event);
                timeline.take(event, &mut watch);
            }
            health.note_watch(number, &worker.name, &watch);
        }
        timeline.set_load(streams);
        timeline
    }

    fn take(&mut self, event: &Event, watch: &mut Watch) {
        let Some(kind) = event.kind() else {
            watch.unknown_kinds += 1;
            return;
        };
        match kind {
            EventKind::PhaseEntered => {
                self.phases.extend(Phase::from_number(event.detail).map(|phase| (phase, event.time_ns)));
            }
            EventKind::WorkerCrashed => {
                let by_fault = event.has(delivery_history::event::FLAG_SELF);
                if let Ok(worker) = u16::try_from(event.detail) {
                    self.crashes.entry(worker).or_insert(Crash { at_ns: event.time_ns, by_fault });
                }
            }
            _ => {
                let fault = usize::try_from(event.detail).ok().and_then(|index| self.faults.get_mut(index));
                if let Some(fault) = fault {
                    take_evidence(fault, kind, event);
                }
            }
        }
    }

    fn set_load(&mut self, streams: &[Option<&[Event]>]) {
        let all = || streams.iter().copied().flatten();
        let first_ns = all().filter_map(|events| events.first()).map(|event| event.time_ns).min().unwrap_or(0);
        let last_ns = all().filter_map(|events| events.last()).map(|event| event.time_ns).max().unwrap_or(0);
        self.load_start_ns = self.entered_ns(Phase::Baseline).unwrap_or(first_ns);
        self.end_ns = last_ns.max(self.load_start_ns);
        self.load_end_ns = self.entered_ns(Phase::Recover).unwrap_or(self.end_ns).max(self.load_start_ns);
    }

    /// When `phase` was first entered.
    pub(crate) fn entered_ns(&self, phase: Phase) -> Option<u64> {
        self.phases.iter().find(|(entered, _)| *entered == phase).map(|(_, time_ns)| *time_ns)
    }

    /// Whether the runner went on from recovering to draining: the cluster was whole again.
    pub(crate) fn went_past_recovery(&self) -> bool {
        let recover_ns = self.entered_ns(Phase::Recover);
        let drain_ns = self.phases.iter().rev().find(|(phase, _)| *phase == Phase::Drain).map(|(_, at_ns)| *at_ns);
        recover_ns.zip(drain_ns).is_some_and(|(recover_ns, drain_ns)| drain_ns >= recover_ns)
    }

    /// When recovery was over: draining or the audit began, else the end of the recording.
    pub(crate) fn recovered_ns(&self) -> u64 {
        self.entered_ns(Phase::Drain).or_else(|| self.entered_ns(Phase::Audit)).unwrap_or(self.end_ns)
    }

    /// Start of the earliest fault that started.
    pub(crate) fn first_fault_ns(&self) -> Option<u64> {
        self.faults.iter().filter_map(|fault| fault.started_ns).min()
    }
}

fn take_evidence(fault: &mut FaultWindow, kind: EventKind, event: &Event) {
    match kind {
        EventKind::FaultStarted => fault.started_ns = fault.started_ns.or(Some(event.time_ns)),
        EventKind::FaultHealed => fault.healed_ns = fault.healed_ns.or(Some(event.time_ns)),
        EventKind::FaultDropped => fault.dropped.push((event.time_ns, event.offset)),
        EventKind::FaultReset => fault.reset.push((event.time_ns, event.offset)),
        EventKind::FaultHeldBack => fault.held_back.push((event.time_ns, event.offset)),
        EventKind::FaultDelayed => fault.delayed.push((event.time_ns, event.offset)),
        EventKind::ChangeApplied if event.offset == 1 => {
            fault.applied_ns = fault.applied_ns.or(Some(event.time_ns));
        }
        EventKind::ChangeAnswered => drop(fault.answered.insert(event.destination, event.offset)),
        EventKind::DataWiped => drop(fault.wiped.insert(event.session, event.offset)),
        EventKind::WritesDropped => {
            let lost = fault.writes_lost.entry(event.session).or_default();
            *lost = (lost.0.max(event.offset), lost.1.max(event.sequence.into()));
        }
        EventKind::ClockSet => fault.clock_set.push((event.time_ns, event.session, event.offset.cast_signed())),
        EventKind::DiskFree => fault.disk_free.push((event.time_ns, event.session, event.offset)),
        EventKind::OperationsHeld => {
            fault.held.entry(event.session).or_default().push((event.time_ns, event.offset));
        }
        EventKind::ProcessState => fault.looks.push(Look {
            at_ns: event.time_ns,
            node: (event.session != NO_SESSION).then_some(event.session),
            worker: (event.session == NO_SESSION).then(|| u16::try_from(event.sequence).ok()).flatten(),
            state: event.offset,
        }),
        EventKind::FaultCrossed => fault.crossed = Some(fault.crossed.unwrap_or(0).max(event.offset)),
        _ => {}
    }
}
