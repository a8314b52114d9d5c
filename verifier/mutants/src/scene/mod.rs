//! Histories by hand: a healthy run under a cut that bit, which each row of the table spoils in one place.
//!
//! A scene is what happened, as plain lists: what was sent and how it ended, what the logs hold, what readers were
//! given. [`Scene::recorded`] turns it into the streams that workers would have recorded. What one list says is not
//! derived from another at that moment, so a row can make them contradict each other; the methods that change a log
//! ([`Scene::lose`] and the like) have it read anew, so what readers did is spoilt after that.

mod audit;
mod clients;
mod fanout;
mod log;
mod manifest;
mod outputs;
mod queue;
mod transactions;
mod weather;

use std::collections::BTreeMap;

use delivery_broker::{Reason, Settle};
use delivery_history::manifest::{Lane, RunManifest, Workload, first_session};
use delivery_history::{Event, EventKind};

use crate::recorded::Recorded;

pub(crate) use audit::QueueAudit;
pub(crate) use manifest::{AUDIT, C0, C1, OBSERVER, P0, P1};
pub(crate) use queue::{DEAD, ORDERS};
pub(crate) use transactions::{Ending, Transaction};
pub(crate) use weather::{AUDIT_MS, DRAIN_MS, FAULT_MS, HEAL_MS, LOAD_MS, TAKEOVER_MS, Weather};

/// Producer session and sequence.
pub(crate) type Id = (u32, u32);

/// Keys a producer uses in turn.
const KEYS: u32 = 4;

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Acked by this node.
    Acked(u32),
    Sent,
    Failed(Reason),
    Unknown(Reason),
    /// The client died first.
    Never,
    /// Acked, and then certainly failed.
    Contradictory,
}

/// One send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Send {
    pub(crate) id: Id,
    pub(crate) key: u32,
    pub(crate) destination: u16,
    pub(crate) at_ms: u64,
    pub(crate) ended: Ended,
}

/// What stands at one offset of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Message(Id),
    Control,
    Corrupt,
    /// A payload of another run.
    Foreign,
}

/// What one consumer was given, and what it did with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    pub(crate) by: u16,
    pub(crate) id: Id,
    pub(crate) destination: u16,
    /// In a log; the delivery tag in a queue is counted when it is recorded.
    pub(crate) offset: u64,
    pub(crate) at_ms: u64,
    pub(crate) flags: u8,
    /// How often its handler started.
    pub(crate) began: u32,
    /// Its handler finished, 1 ms later.
    pub(crate) processed: bool,
    /// Asked for 1 ms later, and whether it was confirmed 1 ms after that.
    pub(crate) settle: Option<(Settle, bool)>,
}

/// One history by hand.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) manifest: RunManifest,
    pub(crate) weather: Weather,
    pub(crate) sends: Vec<Send>,
    pub(crate) transactions: Vec<Transaction>,
    /// By destination and replica.
    pub(crate) logs: BTreeMap<(u16, u32), Vec<Entry>>,
    /// First offset that retention left.
    pub(crate) log_start: u64,
    /// By destination and replica: how many entries its audit found; all, and the sentinel, where nothing is said.
    pub(crate) audited: BTreeMap<(u16, u32), usize>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) queue_audits: Vec<QueueAudit>,
    /// Destinations that took their sentinel.
    pub(crate) sentinels: Vec<u16>,
    /// Who says to have drained what.
    pub(crate) drained: Vec<(u16, u16)>,
    /// Connections of consumers that ended: the broker counts their tags anew.
    pub(crate) reconnects: Vec<(u16, u64)>,
    /// Further events: whose, when (milliseconds after the load began).
    pub(crate) notes: Vec<(u16, u64, Event)>,
    /// Events that were never recorded.
    pub(crate) unrecorded: Vec<fn(u16, &Event) -> bool>,
    /// What the reader of the files found damaged.
    pub(crate) damage: Vec<String>,
    /// Workers whose whole stream is missing.
    pub(crate) silent: Vec<u16>,
}

/// `p0`'s message with this number, in its first session.
pub(crate) const fn p0(sequence: u32) -> Id {
    (first_session(P0), sequence)
}

/// `p1`'s message with this number, in its first session.
pub(crate) const fn p1(sequence: u32) -> Id {
    (first_session(P1), sequence)
}

/// The event at this time after the load began.
pub(crate) const fn at(event: Event, at_ms: u64) -> Event {
    event.at((weather::START_MS + at_ms) * 1_000_000)
}

/// An event about one destination.
pub(crate) const fn of(kind: EventKind, destination: u16) -> Event {
    Event::new(kind).destination(destination)
}

/// An event about one message.
pub(crate) const fn about(kind: EventKind, id: Id, destination: u16) -> Event {
    Event::new(kind).message(id.0, id.1).destination(destination)
}

impl Scene {
    /// The healthy history of a lane, as its workload has it.
    pub(crate) fn healthy(lane: Lane) -> Self {
        match lane.workload {
            Workload::Log => Self::log(lane),
            Workload::Fanout => Self::fanout(lane),
            Workload::Queue => Self::queue(lane),
            Workload::Transactions => Self::transactions(lane),
        }
    }

    /// The same of a lane that acks.
    pub(crate) fn of(workload: Workload) -> Self {
        Self::healthy(manifest::lane(workload))
    }

    /// Nothing was sent yet.
    fn empty(lane: Lane) -> Self {
        Self {
            manifest: manifest::manifest(lane),
            weather: Weather::cut(),
            sends: Vec::new(),
            transactions: Vec::new(),
            logs: BTreeMap::new(),
            log_start: 0,
            audited: BTreeMap::new(),
            deliveries: Vec::new(),
            queue_audits: Vec::new(),
            sentinels: Vec::new(),
            drained: Vec::new(),
            reconnects: Vec::new(),
            notes: Vec::new(),
            unrecorded: Vec::new(),
            damage: Vec::new(),
            silent: Vec::new(),
        }
    }

    /// Adds an event.
    pub(crate) fn note(&mut self, worker: u16, at_ms: u64, event: Event) {
        self.notes.push((worker, at_ms, event));
    }

    /// The lane.
    pub(crate) fn lane(&mut self) -> &mut Lane {
        &mut self.manifest.lanes[0]
    }

    /// The streams as they were recorded.
    pub(crate) fn recorded(&self) -> Recorded {
        let mut streams = vec![Vec::new(); self.manifest.workers.len()];
        for (number, stream) in streams.iter_mut().enumerate() {
            stream.push(Event::new(EventKind::WorkerStarted).at(1_000_000 + number as u64));
            if !self.weather.crashes.iter().any(|(crashed, _)| usize::from(*crashed) == number) {
                stream.push(at(Event::new(EventKind::WorkerFinished), weather::END_MS));
            }
        }
        self.record_weather(&mut streams);
        self.record_sends(&mut streams);
        self.record_deliveries(&mut streams);
        self.record_audits(&mut streams[usize::from(AUDIT)]);
        for (worker, at_ms, event) in &self.notes {
            streams[usize::from(*worker)].push(at(*event, *at_ms));
        }
        for (worker, stream) in streams.iter_mut().enumerate() {
            let missing = self.silent.iter().any(|silent| usize::from(*silent) == worker);
            stream.retain(|event| !missing && !self.unrecorded.iter().any(|lost| lost(worker as u16, event)));
            stream.sort_by_key(|event| event.time_ns);
        }
        Recorded { manifest: self.manifest.clone(), streams, damage: self.damage.clone() }
    }
}
