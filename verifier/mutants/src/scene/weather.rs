//! What happened around the clients: phases, the fault and its evidence, what the nodes believed.
//!
//! Times are milliseconds after the load began.

use delivery_history::event::FLAG_SELF;
use delivery_history::manifest::Phase;
use delivery_history::{Event, EventKind};

use super::manifest::{CUT_OFF, NODES, OBSERVER, RUNNER};
use super::{Scene, at};

/// Start of the load on the clock of the recording.
pub(crate) const START_MS: u64 = 5_000;
/// The cut begins.
pub(crate) const FAULT_MS: u64 = 4_000;
/// n1 takes over.
pub(crate) const TAKEOVER_MS: u64 = 7_000;
/// The cut ends.
pub(crate) const HEAL_MS: u64 = 9_000;
/// The load ends.
pub(crate) const LOAD_MS: u64 = 12_000;
/// The drain begins.
pub(crate) const DRAIN_MS: u64 = 13_000;
/// The audit begins.
pub(crate) const AUDIT_MS: u64 = 14_000;
/// Every worker has ended.
pub(crate) const END_MS: u64 = 15_000;
/// How long the system takes to miss a node.
pub(crate) const DETECTION_MS: u64 = 3_000;
/// Messages a second of both producers.
pub(crate) const RATE_PER_S: u32 = 50;

/// What the fault and the cluster were seen to do.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// Phases and when they were entered.
    pub(crate) phases: Vec<(Phase, u64)>,
    /// When the fault was on.
    pub(crate) fault_ms: Option<(u64, Option<u64>)>,
    /// Its rules drop packets in these stretches of time.
    pub(crate) drops_ms: Vec<(u64, u64)>,
    /// Packets that crossed the cut; nothing where nobody counted.
    pub(crate) crossed: Option<u64>,
    /// When the nodes that were not hit told of another leader.
    pub(crate) noticed_ms: Option<u64>,
    /// When the nodes were asked.
    pub(crate) observed_ms: Vec<u64>,
    /// Who had died of it, and when.
    pub(crate) crashes: Vec<(u16, u64)>,
}

impl Weather {
    /// A cut that bit, was noticed and healed.
    pub(crate) fn cut() -> Self {
        Self {
            phases: vec![
                (Phase::Baseline, 0),
                (Phase::Fault, FAULT_MS),
                (Phase::Heal, HEAL_MS),
                (Phase::Recover, LOAD_MS),
                (Phase::Drain, DRAIN_MS),
                (Phase::Audit, AUDIT_MS),
                (Phase::Judge, END_MS),
            ],
            fault_ms: Some((FAULT_MS, Some(HEAL_MS))),
            drops_ms: vec![(FAULT_MS, HEAL_MS)],
            crossed: Some(0),
            noticed_ms: Some(TAKEOVER_MS),
            observed_ms: (100..LOAD_MS).step_by(500).collect(),
            crashes: Vec::new(),
        }
    }
}

impl Scene {
    pub(super) fn record_weather(&self, streams: &mut [Vec<Event>]) {
        self.record_run(&mut streams[usize::from(RUNNER)]);
        self.record_observations(&mut streams[usize::from(OBSERVER)]);
    }

    fn record_run(&self, stream: &mut Vec<Event>) {
        let weather = &self.weather;
        for (phase, at_ms) in &weather.phases {
            stream.push(at(Event::new(EventKind::PhaseEntered).detail(*phase as u32), *at_ms));
        }
        let of_fault = |kind: EventKind| Event::new(kind).detail(0);
        let fault = weather.fault_ms.filter(|_| !self.manifest.faults.is_empty());
        if let Some((from_ms, to_ms)) = fault {
            stream.push(at(of_fault(EventKind::FaultStarted), from_ms));
            let mut dropped = 0;
            for at_ms in (from_ms + 100..=to_ms.unwrap_or(HEAL_MS)).step_by(100) {
                dropped += 7 * u64::from(weather.drops_ms.iter().any(|(from, to)| (*from..=*to).contains(&at_ms)));
                stream.push(at(of_fault(EventKind::FaultDropped).offset(dropped), at_ms));
                let crossed = weather.crossed.map(|crossed| of_fault(EventKind::FaultCrossed).offset(crossed));
                stream.extend(crossed.map(|event| at(event, at_ms)));
            }
            stream.extend(to_ms.map(|to_ms| at(of_fault(EventKind::FaultHealed), to_ms)));
        }
        for (worker, at_ms) in &weather.crashes {
            stream.push(at(Event::new(EventKind::WorkerCrashed).detail(u32::from(*worker)).offset(9), *at_ms));
        }
    }

    fn record_observations(&self, stream: &mut Vec<Event>) {
        for at_ms in &self.weather.observed_ms {
            let moved = self.weather.noticed_ms.is_some_and(|noticed_ms| *at_ms >= noticed_ms);
            for node in NODES {
                let cut_off = node == CUT_OFF && (FAULT_MS..HEAL_MS).contains(at_ms);
                let (leader, epoch, in_sync) = if moved && !cut_off { (1, 6, 0b1010) } else { (2, 5, 0b1110) };
                for destination in 0..self.manifest.destinations.len() as u16 {
                    let said = |kind: EventKind| {
                        let event = Event { session: node, ..Event::new(kind) };
                        event.destination(destination).flags(FLAG_SELF)
                    };
                    stream.push(at(said(EventKind::ObservedLeader).detail(leader).offset(epoch), *at_ms));
                    stream.push(at(said(EventKind::ObservedIsr).detail(in_sync), *at_ms));
                }
            }
        }
    }
}
