//! Histories by hand: a healthy run under a cut that bit, which each test then spoils in one place.
//!
//! Times are milliseconds after the load began. Three nodes, n2 leads and is cut off from 4 s to
//! 19 s, n1 takes over at 9 s. Two producers, one group of two consumers, all replicas audited.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "every test file uses its own part")]

use std::collections::BTreeMap;

use delivery_checks::judgement::{FindingKind, Guarantee, Judgement, LaneJudgement, Verdict};
use delivery_history::event::FLAG_SELF;
use delivery_history::manifest::{
    BiteProof, Destination, Fault, Group, Host, Lane, Phase, Role, RunManifest, RunStatus, Worker, Workload,
    first_session,
};
use delivery_history::{Event, EventKind, HistoryView, StreamView};

pub const RUNNER: u16 = 0;
pub const OBSERVER: u16 = 1;
pub const P0: u16 = 2;
pub const P1: u16 = 3;
pub const C0: u16 = 4;
pub const C1: u16 = 5;
pub const SENTINEL: u16 = 6;
pub const AUDIT: u16 = 7;

/// Start of the load on the clock of the recording.
pub const START_MS: u64 = 5_000;
pub const FAULT_MS: u64 = 4_000;
pub const TAKEOVER_MS: u64 = 9_000;
pub const HEAL_MS: u64 = 19_000;
pub const LOAD_MS: u64 = 24_000;

/// (session, sequence).
pub type Id = (u32, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Acked(u32),
    Sent,
    Failed,
    Unknown,
    Never,
    AckedAndFailed,
}

#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub worker: u16,
    pub id: Id,
    pub sent_ms: u64,
    pub ended: Ended,
}

/// What stands at one offset: a message, or a control record.
pub type Entry = Option<Id>;

#[derive(Clone, Copy, Debug)]
pub struct Handled {
    pub worker: u16,
    pub id: Id,
    pub offset: u64,
    pub at_ms: u64,
    pub processing: u8,
    pub processed: bool,
}

#[derive(Clone, Debug)]
pub struct Scene {
    pub manifest: RunManifest,
    pub messages: Vec<Message>,
    /// By replica.
    pub logs: BTreeMap<u32, Vec<Entry>>,
    pub log_start: u64,
    pub handled: Vec<Handled>,
    pub sentinel_taken: bool,
    /// Consumers that say they have drained.
    pub drained: Vec<u16>,
    pub dropped_until_ms: u64,
    pub crossed: u64,
    pub noticed: bool,
    pub observed: bool,
    pub crashes: Vec<(u16, u64)>,
    pub phases: Vec<(Phase, u64)>,
    /// Last changes to the streams.
    pub extra: Vec<(u16, Event)>,
    pub without: Vec<fn(&Event) -> bool>,
    pub damage: Vec<String>,
    pub missing_streams: Vec<u16>,
}

fn host(id: u32, name: &str) -> Host {
    Host { id, name: name.into(), address: format!("198.18.0.{id}") }
}

fn worker(name: &str, role: Role, lane: Option<u16>, group: Option<u16>, host: u32) -> Worker {
    Worker { name: name.into(), role, lane, group, host, succeeds: None }
}

pub fn cut() -> Fault {
    Fault {
        fault: "netsplit".into(),
        shape: "leader".into(),
        start_ms: FAULT_MS,
        duration_ms: HEAL_MS - FAULT_MS,
        targets: vec![2],
        cut: vec![(2, 1), (1, 2), (2, 3), (3, 2)],
        full_cut: true,
        sides: vec![vec![2], vec![1, 3]],
        detection_ms: 11_000,
        workers: Vec::new(),
        bites_by: BiteProof::default(),
        adds: Vec::new(),
        amount: None,
        gray: false,
        hook_calls: Vec::new(),
    }
}

pub fn manifest(workload: Workload) -> RunManifest {
    let consumers = if workload == Workload::Fanout { [Some(0), Some(1)] } else { [Some(0), Some(0)] };
    let group = |name: &str| Group {
        lane: 0,
        name: name.into(),
        session_timeout_ms: 6_000,
        read_uncommitted: false,
        reads_outputs: false,
        beside: false,
    };
    let mut groups = vec![group("readers")];
    if workload == Workload::Fanout {
        groups = vec![group("s0"), group("s1")];
    }
    RunManifest {
        tool_version: "0".into(),
        broker_version: "4.1.1".into(),
        client: "client 1".into(),
        backend: "local".into(),
        started_at: "2026-01-01T00:00:00Z".into(),
        machine: "2 cores".into(),
        rate_per_s: 100,
        size_bytes: 100,
        load_ms: LOAD_MS,
        lanes: vec![Lane {
            name: "safe".into(),
            workload,
            config: BTreeMap::new(),
            settings: String::new(),
            defaults_of: String::new(),
            acknowledged: true,
            resends: false,
            automatic_ack: false,
            not_applied: vec![],
        }],
        nodes: vec![host(1, "n1"), host(2, "n2"), host(3, "n3")],
        client_hosts: vec![host(101, "h1"), host(102, "h2"), host(103, "watch")],
        workers: vec![
            worker("runner", Role::Runner, None, None, 103),
            worker("observer", Role::Observer, None, None, 103),
            worker("p0", Role::Producer, Some(0), None, 101),
            worker("p1", Role::Producer, Some(0), None, 102),
            worker("c0", Role::Consumer, Some(0), consumers[0], 101),
            worker("c1", Role::Consumer, Some(0), consumers[1], 102),
            worker("sentinel", Role::Sentinel, None, None, 103),
            worker("audit", Role::Audit, None, None, 103),
        ],
        destinations: vec![Destination {
            lane: 0,
            name: "orders".into(),
            partition: Some(0),
            dead_letters_of: None,
            output_of: None,
            added: false,
        }],
        groups,
        faults: vec![cut()],
        status: RunStatus::Finished { took_ms: 30_000 },
        ..RunManifest::blank("test", "kafka")
    }
}

/// Guarantees that apply to a log: all but those about transactions.
pub const ALL_OF_A_LOG: usize = Guarantee::ALL.len() - 1;

pub fn at(event: Event, at_ms: u64) -> Event {
    event.at((START_MS + at_ms) * 1_000_000)
}

impl Scene {
    /// A log that lost nothing: what was sent from the cut to the takeover is unknown and not stored.
    pub fn log() -> Self {
        let mut scene = Self::empty(Workload::Log);
        for number in 0..LOAD_MS / 20 {
            for worker in [P0, P1] {
                let sent_ms = number * 20 + u64::from(worker);
                let ended = match sent_ms {
                    0..FAULT_MS => Ended::Acked(2),
                    FAULT_MS..TAKEOVER_MS => Ended::Unknown,
                    _ => Ended::Acked(1),
                };
                let id = (first_session(worker), number as u32);
                scene.messages.push(Message { worker, id, sent_ms, ended });
            }
        }
        scene.store_what_was_taken();
        scene
    }

    /// A fan-out in which every subscriber got all.
    pub fn fanout() -> Self {
        let mut scene = Self::log();
        scene.manifest = manifest(Workload::Fanout);
        scene.logs.clear();
        scene.messages.iter_mut().for_each(|message| message.ended = Ended::Acked(1));
        scene.handled.clear();
        for message in &scene.messages {
            for worker in [C0, C1] {
                scene.handled.push(handled(worker, message.id, u64::MAX, message.sent_ms + 5));
            }
        }
        scene.drained = vec![C0, C1];
        for worker in [C0, C1] {
            scene.extra.push((worker, at(Event::new(EventKind::Subscribed).destination(0), 0)));
        }
        scene
    }

    fn empty(workload: Workload) -> Self {
        Self {
            manifest: manifest(workload),
            messages: vec![],
            logs: BTreeMap::new(),
            log_start: 0,
            handled: vec![],
            sentinel_taken: true,
            drained: vec![C0],
            dropped_until_ms: HEAL_MS,
            crossed: 0,
            noticed: true,
            observed: true,
            crashes: vec![],
            phases: vec![
                (Phase::Baseline, 0),
                (Phase::Fault, FAULT_MS),
                (Phase::Heal, HEAL_MS),
                (Phase::Recover, LOAD_MS),
                (Phase::Drain, LOAD_MS + 1_000),
                (Phase::Audit, LOAD_MS + 2_000),
                (Phase::Judge, LOAD_MS + 3_000),
            ],
            extra: vec![],
            without: vec![],
            damage: vec![],
            missing_streams: vec![],
        }
    }

    /// Logs hold what was acked or sent, in the order it was sent; the group processed all of it.
    pub fn store_what_was_taken(&mut self) {
        let taken = |message: &&Message| matches!(message.ended, Ended::Acked(_) | Ended::Sent);
        let mut ids: Vec<(Id, u64)> = self.messages.iter().filter(taken).map(|one| (one.id, one.sent_ms)).collect();
        ids.sort_by_key(|(_, sent_ms)| *sent_ms);
        let log: Vec<Entry> = ids.iter().map(|(id, _)| Some(*id)).collect();
        self.logs = [1, 2, 3].map(|replica| (replica, log.clone())).into();
        let reader = |index: usize| if index.is_multiple_of(2) { C0 } else { C1 };
        self.handled = ids
            .iter()
            .enumerate()
            .map(|(index, (id, sent_ms))| handled(reader(index), *id, index as u64, sent_ms + 5))
            .collect();
    }

    /// Takes `id` out of every log; readers get the offsets that are left.
    pub fn lose(&mut self, id: Id) {
        for log in self.logs.values_mut() {
            log.retain(|entry| *entry != Some(id));
        }
        self.handled.retain(|one| one.id != id);
        self.renumber();
    }

    /// Gives readers the offsets of the first log, which they read in its order.
    pub fn renumber(&mut self) {
        let Some(log) = self.logs.values().next() else { return };
        let offsets: BTreeMap<Id, u64> =
            log.iter().enumerate().rev().filter_map(|(at, entry)| Some(((*entry)?, at as u64))).collect();
        for one in &mut self.handled {
            one.offset = offsets.get(&one.id).copied().unwrap_or(u64::MAX);
        }
        for worker in [C0, C1] {
            let mut mine: Vec<&mut Handled> =
                self.handled.iter_mut().filter(|one| one.worker == worker && one.offset != u64::MAX).collect();
            let mut times_ms: Vec<u64> = mine.iter().map(|one| one.at_ms).collect();
            times_ms.sort_unstable();
            mine.sort_by_key(|one| one.offset);
            mine.into_iter().zip(times_ms).for_each(|(one, at_ms)| one.at_ms = at_ms);
        }
    }

    pub fn message(&mut self, id: Id) -> &mut Message {
        self.messages.iter_mut().find(|message| message.id == id).unwrap()
    }

    pub fn every_log(&mut self, change: impl Fn(&mut Vec<Entry>)) {
        self.logs.values_mut().for_each(change);
        self.renumber();
    }

    /// The streams by worker.
    pub fn streams(&self) -> Vec<Vec<Event>> {
        let mut streams = vec![Vec::new(); self.manifest.workers.len()];
        for (number, stream) in streams.iter_mut().enumerate() {
            stream.push(Event::new(EventKind::WorkerStarted).at(1_000_000 + number as u64));
        }
        self.run(&mut streams[usize::from(RUNNER)]);
        if self.observed {
            self.observe(&mut streams[usize::from(OBSERVER)]);
        }
        self.send(&mut streams);
        self.consume(&mut streams);
        self.audit(&mut streams[usize::from(AUDIT)]);
        for (worker, event) in &self.extra {
            streams[usize::from(*worker)].push(*event);
        }
        for stream in &mut streams {
            stream.retain(|event| !self.without.iter().any(|without| without(event)));
            stream.sort_by_key(|event| event.time_ns);
        }
        streams
    }

    fn run(&self, stream: &mut Vec<Event>) {
        let push = |stream: &mut Vec<Event>, event: Event, at_ms: u64| stream.push(at(event, at_ms));
        for (phase, at_ms) in &self.phases {
            push(stream, Event::new(EventKind::PhaseEntered).detail(*phase as u32), *at_ms);
        }
        for (number, fault) in self.manifest.faults.iter().enumerate() {
            let fault_event = |kind: EventKind| Event::new(kind).detail(number as u32);
            let end_ms = fault.start_ms + fault.duration_ms;
            push(stream, fault_event(EventKind::FaultStarted), fault.start_ms);
            for at_ms in (fault.start_ms + 100..=end_ms).step_by(100) {
                let dropped = at_ms.min(self.dropped_until_ms).saturating_sub(fault.start_ms) / 10;
                push(stream, fault_event(EventKind::FaultDropped).offset(dropped), at_ms);
                push(stream, fault_event(EventKind::FaultCrossed).offset(self.crossed), at_ms);
            }
            push(stream, fault_event(EventKind::FaultHealed), end_ms);
        }
        for (worker, at_ms) in &self.crashes {
            let crashed = Event::new(EventKind::WorkerCrashed).detail(u32::from(*worker)).offset(9);
            push(stream, crashed, *at_ms);
        }
    }

    fn observe(&self, stream: &mut Vec<Event>) {
        for at_ms in (100..LOAD_MS).step_by(500) {
            for node in [1, 2, 3] {
                let cut_off = node == 2 && (FAULT_MS..HEAL_MS).contains(&at_ms);
                let moved = self.noticed && at_ms >= TAKEOVER_MS && !cut_off;
                let (leader, epoch, isr) = if moved { (1, 6, 0b1010) } else { (2, 5, 0b1110) };
                let said =
                    |kind: EventKind| Event { session: node, ..Event::new(kind) }.destination(0).flags(FLAG_SELF);
                stream.push(at(said(EventKind::ObservedLeader).detail(leader).offset(epoch), at_ms));
                stream.push(at(said(EventKind::ObservedIsr).detail(isr), at_ms));
            }
        }
    }

    fn send(&self, streams: &mut [Vec<Event>]) {
        let mut offsets: BTreeMap<Id, u64> = BTreeMap::new();
        for log in self.logs.values() {
            let placed = log.iter().enumerate().filter_map(|(at, entry)| Some(((*entry)?, at as u64)));
            offsets.extend(placed);
        }
        for message in &self.messages {
            let stream = &mut streams[usize::from(message.worker)];
            let event = |kind: EventKind| Event::new(kind).message(message.id.0, message.id.1).destination(0);
            stream.push(at(event(EventKind::SendInvoked).detail(0), message.sent_ms));
            let offset = offsets.get(&message.id).copied().unwrap_or(u64::MAX);
            let acked = |node: u32| event(EventKind::SendAcked).detail(node).offset(offset);
            let failed = event(EventKind::SendFailed).detail(2);
            let ends: Vec<Event> = match message.ended {
                Ended::Acked(node) => vec![acked(node)],
                Ended::Sent => vec![event(EventKind::SendSent)],
                Ended::Failed => vec![failed],
                Ended::Unknown => vec![event(EventKind::SendUnknown).detail(20)],
                Ended::Never => vec![],
                Ended::AckedAndFailed => vec![acked(1), failed],
            };
            stream.extend(ends.into_iter().map(|end| at(end, message.sent_ms + 2)));
        }
        let stream = &mut streams[usize::from(SENTINEL)];
        let event = |kind: EventKind| Event::new(kind).message(first_session(SENTINEL), 0).destination(0);
        stream.push(at(event(EventKind::SendInvoked), LOAD_MS + 1_000));
        if self.sentinel_taken {
            stream.push(at(event(EventKind::SendAcked).detail(1), LOAD_MS + 1_010));
        }
    }

    fn consume(&self, streams: &mut [Vec<Event>]) {
        for one in &self.handled {
            let stream = &mut streams[usize::from(one.worker)];
            let event =
                |kind: EventKind| Event::new(kind).message(one.id.0, one.id.1).destination(0).offset(one.offset);
            stream.push(at(event(EventKind::Delivered), one.at_ms));
            for _ in 0..one.processing {
                stream.push(at(event(EventKind::Processing), one.at_ms));
            }
            if one.processed {
                stream.push(at(event(EventKind::Processed), one.at_ms + 1));
            }
        }
        for worker in &self.drained {
            let stream = &mut streams[usize::from(*worker)];
            let sentinel = |kind: EventKind| Event::new(kind).message(first_session(SENTINEL), 0).destination(0);
            stream.push(at(sentinel(EventKind::Delivered), LOAD_MS + 1_100));
            stream.push(at(Event::new(EventKind::Drained).destination(0), LOAD_MS + 1_101));
        }
    }

    fn audit(&self, stream: &mut Vec<Event>) {
        for (replica, log) in &self.logs {
            let event = |kind: EventKind| Event::new(kind).destination(0).detail(*replica);
            let at_ms = LOAD_MS + 2_000 + u64::from(*replica);
            stream.push(at(event(EventKind::AuditStart).offset(self.log_start), at_ms));
            let sentinel = Some((first_session(SENTINEL), 0));
            for (index, entry) in log.iter().copied().chain([sentinel]).enumerate() {
                let offset = self.log_start + index as u64;
                let read = match entry {
                    Some((session, sequence)) => event(EventKind::AuditRead).message(session, sequence),
                    None => event(EventKind::AuditControl),
                };
                stream.push(at(read.offset(offset), at_ms));
            }
            stream.push(at(event(EventKind::AuditEnd).offset(self.log_start + log.len() as u64 + 1), at_ms));
        }
    }

    pub fn judge(&self) -> Judgement {
        let streams = self.streams();
        judge_streams(&self.manifest, &streams, &self.damage, &self.missing_streams)
    }

    pub fn lane(&self) -> LaneJudgement {
        self.judge().lanes.remove(0)
    }
}

pub fn handled(worker: u16, id: Id, offset: u64, at_ms: u64) -> Handled {
    Handled { worker, id, offset, at_ms, processing: 1, processed: true }
}

pub fn judge_streams(manifest: &RunManifest, streams: &[Vec<Event>], damage: &[String], missing: &[u16]) -> Judgement {
    let views = streams.iter().enumerate().map(|(worker, events)| StreamView { worker: worker as u16, events });
    let streams = views.filter(|view| !missing.contains(&view.worker)).collect();
    delivery_checks::judge(&HistoryView { manifest, streams, damage: damage.to_vec() })
}

pub fn p0(sequence: u32) -> Id {
    (first_session(P0), sequence)
}

pub fn p1(sequence: u32) -> Id {
    (first_session(P1), sequence)
}

/// Every finding as (kind, count).
pub fn found(lane: &LaneJudgement) -> Vec<(FindingKind, u64)> {
    lane.findings.iter().map(|finding| (finding.kind, finding.count)).collect()
}

/// Names of the guarantees with this verdict.
pub fn with(lane: &LaneJudgement, verdict: Verdict) -> Vec<&'static str> {
    lane.guarantees.iter().filter(|one| one.verdict == verdict).map(|one| one.name.label()).collect()
}

pub fn reason(lane: &LaneJudgement, guarantee: Guarantee) -> String {
    lane.verdict(guarantee).unwrap().reason.clone()
}

pub fn verdict(lane: &LaneJudgement, guarantee: Guarantee) -> Verdict {
    lane.verdict(guarantee).unwrap().verdict
}

/// The witness's story as lines.
pub fn story(lane: &LaneJudgement, kind: FindingKind) -> (String, Vec<String>) {
    let finding = lane.findings.iter().find(|finding| finding.kind == kind).unwrap();
    let witness = &finding.witnesses[0];
    (witness.message.clone(), witness.story.iter().map(|step| format!("{} {}", step.at_ms, step.what)).collect())
}
