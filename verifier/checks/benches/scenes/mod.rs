//! Healthy histories to judge, as large as asked for.
//!
//! A log has eight events a message: invoked, acked; delivered, processing, processed; read from
//! three replicas. A fan-out with one subscriber leaves the audits out: five. A queue
//! has two more for the settle: seven.

use std::collections::BTreeMap;

use delivery_broker::Settle;
use delivery_history::manifest::{
    Destination, Group, Host, Lane, Phase, Role, RunManifest, RunStatus, Worker, Workload, first_session,
};
use delivery_history::{Event, EventKind, HistoryView, StreamView};

const RUNNER: usize = 0;
const PRODUCERS: [usize; 2] = [1, 2];
const CONSUMER: usize = 3;
const SENTINEL: usize = 4;
const AUDIT: usize = 5;
const OBSERVER: usize = 6;
/// Between two sends.
const STEP_NS: u64 = 10_000;

fn manifest(workload: Workload, messages: u64) -> RunManifest {
    let worker = |name: &str, role: Role, lane: Option<u16>, group: Option<u16>| Worker {
        name: name.into(),
        role,
        lane,
        group,
        host: 101,
        succeeds: None,
    };
    let host = |id: u32| Host { id, name: format!("n{id}"), address: String::new() };
    RunManifest {
        tool_version: String::new(),
        backend: "local".into(),
        seed: 0,
        rate_per_s: 1_000,
        size_bytes: 100,
        load_ms: messages * STEP_NS / 1_000_000,
        lanes: vec![Lane {
            name: "lane".into(),
            workload,
            config: BTreeMap::new(),
            settings: String::new(),
            defaults_of: String::new(),
            acknowledged: true,
            resends: false,
            automatic_ack: false,
            not_applied: vec![],
        }],
        nodes: vec![host(1), host(2), host(3)],
        client_hosts: vec![host(101)],
        workers: vec![
            worker("runner", Role::Runner, None, None),
            worker("p0", Role::Producer, Some(0), None),
            worker("p1", Role::Producer, Some(0), None),
            worker("c0", Role::Consumer, Some(0), Some(0)),
            worker("sentinel", Role::Sentinel, None, None),
            worker("audit", Role::Audit, None, None),
            worker("observer", Role::Observer, None, None),
        ],
        destinations: vec![Destination {
            lane: 0,
            name: "orders".into(),
            partition: Some(0),
            dead_letters_of: None,
            output_of: None,
            added: false,
        }],
        groups: vec![Group {
            lane: 0,
            name: "readers".into(),
            session_timeout_ms: 6_000,
            read_uncommitted: false,
            reads_outputs: false,
            beside: false,
        }],
        status: RunStatus::Finished { took_ms: 1 },
        ..RunManifest::blank("", "kafka")
    }
}

/// In which order messages are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they were sent.
    Dense,
    /// In any: every look at a delivered message is one at another end of the tables.
    Random,
}

/// A history of about this many events.
pub(crate) struct Scene {
    manifest: RunManifest,
    streams: Vec<Vec<Event>>,
}

impl Scene {
    /// Makes one up.
    pub(crate) fn new(workload: Workload, order: Order, events: u64) -> Self {
        let events_a_message = match workload {
            Workload::Log => 8,
            Workload::Queue => 7,
            Workload::Fanout | Workload::Transactions => 5,
        };
        let messages = events / events_a_message;
        Self { manifest: manifest(workload, messages), streams: streams(workload, order, messages) }
    }

    /// The same, read by `groups` groups.
    #[allow(dead_code, reason = "what only measures time has no use for it")]
    pub(crate) fn read_by(mut self, groups: u16) -> Self {
        for group in 1..groups {
            let number = self.manifest.groups.len() as u16;
            self.manifest.groups.push(Group { name: format!("readers{group}"), ..self.manifest.groups[0].clone() });
            let member = self.manifest.workers[CONSUMER].clone();
            self.manifest.workers.push(Worker { name: format!("c{group}"), group: Some(number), ..member });
            self.streams.push(self.streams[CONSUMER].clone());
        }
        self
    }

    /// How many events it has.
    #[allow(dead_code, reason = "what only measures memory has no use for it")]
    pub(crate) fn events(&self) -> u64 {
        self.streams.iter().map(|stream| stream.len() as u64).sum()
    }

    /// What is judged.
    pub(crate) fn view(&self) -> HistoryView<'_> {
        let streams = self.streams.iter().enumerate();
        let streams = streams.map(|(worker, events)| StreamView { worker: worker as u16, events }).collect();
        HistoryView { manifest: &self.manifest, streams, damage: vec![] }
    }
}

/// Numbers below `count`, each once, in an order that is always the same.
fn places(order: Order, count: u64) -> Vec<u64> {
    let mut places: Vec<u64> = (0..count).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..places.len()).rev().filter(|_| order == Order::Random) {
        // xorshift: good enough to defeat every cache.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        places.swap(last, (state % (last as u64 + 1)) as usize);
    }
    places
}

/// Streams of a healthy run; every message in flight for a hundred steps.
fn streams(workload: Workload, order: Order, messages: u64) -> Vec<Vec<Event>> {
    let mut streams = vec![Vec::new(); 7];
    let mut log = Vec::with_capacity(messages as usize);
    let lag_ns = if order == Order::Random { messages * STEP_NS } else { 200 * STEP_NS };
    for number in 0..messages {
        let worker = PRODUCERS[number as usize % 2];
        let id = (first_session(worker as u16), (number / 2) as u32);
        let at_ns = 1_000_000 + number * STEP_NS;
        let event = |kind: EventKind| Event::new(kind).message(id.0, id.1).destination(0).offset(number);
        streams[worker].push(event(EventKind::SendInvoked).detail(id.1 % 16).at(at_ns));
        streams[worker].push(event(EventKind::SendAcked).detail(1).at(at_ns + 100 * STEP_NS));
        log.push(id);
    }
    for (turn, offset) in places(order, messages).into_iter().enumerate() {
        let id = log[offset as usize];
        let event = |kind: EventKind| Event::new(kind).message(id.0, id.1).destination(0).offset(offset);
        let at_ns = 1_000_000 + turn as u64 * STEP_NS + lag_ns;
        for kind in [EventKind::Delivered, EventKind::Processing, EventKind::Processed] {
            streams[CONSUMER].push(event(kind).at(at_ns));
        }
        for kind in [EventKind::SettleInvoked, EventKind::SettleOk] {
            let settle = event(kind).detail(Settle::Ack as u32).at(at_ns);
            streams[CONSUMER].extend((workload == Workload::Queue).then_some(settle));
        }
    }
    for producer in PRODUCERS {
        streams[producer].sort_by_key(|event| event.time_ns);
    }
    let end_ns = 1_000_000 + (messages + 300) * STEP_NS + lag_ns;
    let sentinel = (first_session(SENTINEL as u16), 0);
    let event = |kind: EventKind| Event::new(kind).message(sentinel.0, sentinel.1).destination(0);
    streams[SENTINEL].extend([event(EventKind::SendInvoked).at(end_ns), event(EventKind::SendAcked).at(end_ns)]);
    // Given to the member twice: a rebalance, without which nothing could have come twice.
    for kind in [EventKind::Subscribed, EventKind::Assigned, EventKind::Assigned] {
        streams[CONSUMER].push(Event::new(kind).destination(0).at(1));
    }
    streams[CONSUMER].push(Event::new(EventKind::Drained).destination(0).at(end_ns));
    streams[CONSUMER].sort_by_key(|event| event.time_ns);
    streams[OBSERVER].push(Event::new(EventKind::WorkerStarted).at(1));
    let phases =
        [(Phase::Baseline, 1_000_000), (Phase::Recover, end_ns), (Phase::Drain, end_ns), (Phase::Audit, end_ns)];
    let entered = |(phase, at_ns)| Event::new(EventKind::PhaseEntered).detail(phase as u32).at(at_ns);
    streams[RUNNER].extend(phases.map(entered));
    if workload == Workload::Queue {
        let event = |kind: EventKind| Event::new(kind).destination(0).detail(0).offset(0).at(end_ns);
        let depth = event(EventKind::ObservedDepth);
        let audit = [event(EventKind::AuditStart), depth, depth, depth, event(EventKind::AuditEnd)];
        streams[AUDIT].extend(audit);
        streams[CONSUMER].push(Event::new(EventKind::WorkerFinished).at(end_ns));
    }
    if workload == Workload::Log {
        log.push(sentinel);
        (1..=3).for_each(|replica| audit(&mut streams[AUDIT], &log, replica, end_ns));
    }
    streams
}

fn audit(stream: &mut Vec<Event>, log: &[(u32, u32)], replica: u32, at_ns: u64) {
    let event = |kind: EventKind| Event::new(kind).destination(0).detail(replica).at(at_ns);
    stream.push(event(EventKind::AuditStart).offset(0));
    let read = |(at, id): (usize, &(u32, u32))| event(EventKind::AuditRead).message(id.0, id.1).offset(at as u64);
    stream.extend(log.iter().enumerate().map(read));
    stream.push(event(EventKind::AuditEnd).offset(log.len() as u64));
}
