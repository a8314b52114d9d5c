//! A run as plain lists that a test can read and spoil: what producers recorded, what each replica (or queue) holds,
//! what consumers recorded.
//!
//! [`World::grow`] makes correct ones of every shape from a seed, [`spoil`] breaks them in one way each.

mod dice;
mod grow;
mod grow_queue;
pub mod spoil;

use std::collections::BTreeMap;

use delivery_checks::judgement::LaneJudgement;
use delivery_history::manifest::{RunManifest, first_session};
use delivery_history::{Event, EventKind};

pub use dice::Dice;

use crate::common::{AUDIT, C0, Id, LOAD_MS, SENTINEL, START_MS, Scene, judge_streams};

/// A second group of a log, or a third consumer of a queue.
pub const C2: u16 = 8;
/// A third producer.
pub const P2: u16 = 9;

pub const MS: u64 = 1_000_000;

/// One reading of one replica or queue.
#[derive(Clone, Debug)]
pub struct Audit {
    pub destination: u16,
    pub replica: u32,
    pub start: u64,
    /// Reads and control records; their offsets are counted when they are recorded.
    pub entries: Vec<Event>,
    pub ended: bool,
    /// Ready and unacked, as often as a queue was asked.
    pub depths: Vec<(u64, u32)>,
}

#[derive(Clone, Debug)]
pub struct World {
    /// Manifest, phases, the fault and what the nodes said.
    pub scene: Scene,
    /// Of producers: by worker, in the order of time.
    pub sent: Vec<(u16, Event)>,
    pub audits: Vec<Audit>,
    /// Of consumers: by worker, in any order.
    pub done: Vec<(u16, Event)>,
    /// What was read back of each group's commits.
    pub commits: Vec<Event>,
}

/// Nanoseconds on the clock of the recording.
pub fn ns(at_ms: u64) -> u64 {
    (START_MS + at_ms) * MS
}

/// An event about a message at a time in nanoseconds.
pub fn about(kind: EventKind, id: Id, destination: u16, at_ns: u64) -> Event {
    Event::new(kind).message(id.0, id.1).destination(destination).at(at_ns)
}

impl World {
    pub fn manifest(&self) -> &RunManifest {
        &self.scene.manifest
    }

    /// Every send by what it was invoked with.
    pub fn sends(&self) -> Vec<Event> {
        self.sent.iter().map(|(_, event)| *event).filter(|event| event.kind() == Some(EventKind::SendInvoked)).collect()
    }

    /// What each message ended with first.
    pub fn ends(&self) -> BTreeMap<Id, Event> {
        let mut ends = BTreeMap::new();
        let kinds = [EventKind::SendAcked, EventKind::SendSent, EventKind::SendFailed, EventKind::SendUnknown];
        for (_, event) in self.sent.iter().filter(|(_, event)| event.kind().is_some_and(|kind| kinds.contains(&kind))) {
            ends.entry((event.session, event.sequence)).or_insert(*event);
        }
        ends
    }

    pub fn streams(&self) -> Vec<Vec<Event>> {
        let mut scene = self.scene.clone();
        scene.extra.extend(&self.sent);
        scene.extra.extend(self.done.iter().copied());
        let mut streams = scene.streams();
        streams[usize::from(AUDIT)].extend(self.audits.iter().enumerate().flat_map(|(number, one)| one.record(number)));
        streams[usize::from(AUDIT)].extend(&self.commits);
        streams
    }

    pub fn lane(&self) -> LaneJudgement {
        judge_streams(self.manifest(), &self.streams(), &[], &[]).lanes.remove(0)
    }

    /// The sentinels of every destination that is sent to but the first, whose the scene writes.
    fn write_sentinels(&mut self, places: u16) {
        for destination in 1..places {
            let id = (first_session(SENTINEL), u32::from(destination));
            let at_ns = ns(LOAD_MS + 1_002) + u64::from(destination);
            self.sent.push((SENTINEL, about(EventKind::SendInvoked, id, destination, at_ns)));
            self.sent.push((SENTINEL, about(EventKind::SendAcked, id, destination, at_ns + 9 * MS).detail(1)));
        }
    }

    fn finish_consumers(&mut self, consumers: &[u16]) {
        for worker in consumers {
            let crashed = self.scene.crashes.iter().any(|(crashed, _)| crashed == worker);
            let end = Event::new(EventKind::WorkerFinished).at(ns(LOAD_MS + 9_000));
            self.done.extend((!crashed).then_some((*worker, end)));
        }
    }
}

impl Audit {
    fn record(&self, number: usize) -> Vec<Event> {
        let at_ns = ns(LOAD_MS + 2_000 + number as u64 * 10);
        let event = |kind: EventKind| Event::new(kind).destination(self.destination).detail(self.replica).at(at_ns);
        let mut events = vec![event(EventKind::AuditStart).offset(self.start)];
        events.extend(self.depths.iter().map(|(ready, unacked)| Event {
            session: 1,
            ..event(EventKind::ObservedDepth).offset(*ready).detail(*unacked)
        }));
        let read = |entry: &Event| Event { time_ns: at_ns, detail: self.replica, ..*entry };
        events.extend(self.entries.iter().zip(self.start..).map(|(entry, offset)| read(entry).offset(offset)));
        let end = self.start + self.entries.len() as u64;
        events.extend(self.ended.then(|| event(EventKind::AuditEnd).offset(end)));
        events
    }
}

/// Members of each group of a log.
pub fn members(group: u16) -> &'static [u16] {
    if group == 0 { &[C0, crate::common::C1] } else { &[C2] }
}
