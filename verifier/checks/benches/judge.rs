//! Events judged a second, all checks, dense, one core, in memory: `cargo bench -p delivery-checks`.
//!
//! Eight events a message: invoked, acked; delivered, processing, processed; read from three replicas.
//! The second group leaves the audits out (a fan-out with one subscriber): the delivery checks alone.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use delivery_checks::{Verdict, judge};
use delivery_history::manifest::{
    Destination, Group, Host, Lane, MANIFEST_FORMAT, Phase, Role, RunManifest, RunStatus, Worker, Workload,
    first_session,
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
    };
    let host = |id: u32| Host { id, name: format!("n{id}"), address: String::new() };
    RunManifest {
        format: MANIFEST_FORMAT,
        run_id: String::new(),
        tool_version: String::new(),
        system: "kafka".into(),
        broker_version: String::new(),
        client: String::new(),
        backend: "local".into(),
        simulated: false,
        timings: "vendor".into(),
        tuned: vec![],
        seed: 0,
        started_at: String::new(),
        machine: String::new(),
        required: vec![],
        user_configuration: false,
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
        destinations: vec![Destination { lane: 0, name: "orders".into(), partition: Some(0) }],
        groups: vec![Group { lane: 0, name: "readers".into(), session_timeout_ms: 6_000 }],
        faults: vec![],
        limits_ms: BTreeMap::new(),
        status: RunStatus::Finished { took_ms: 1 },
    }
}

/// Streams of a healthy run; every message in flight for a hundred steps.
fn streams(workload: Workload, messages: u64) -> Vec<Vec<Event>> {
    let mut streams = vec![Vec::new(); 7];
    let mut log = Vec::new();
    for (number, worker) in (0..messages).map(|number| (number, PRODUCERS[number as usize % 2])) {
        let id = (first_session(worker as u16), (number / 2) as u32);
        let at_ns = 1_000_000 + number * STEP_NS;
        let event = |kind: EventKind| Event::new(kind).message(id.0, id.1).destination(0).offset(number);
        streams[worker].push(event(EventKind::SendInvoked).at(at_ns));
        streams[worker].push(event(EventKind::SendAcked).detail(1).at(at_ns + 100 * STEP_NS));
        for kind in [EventKind::Delivered, EventKind::Processing, EventKind::Processed] {
            streams[CONSUMER].push(event(kind).at(at_ns + 200 * STEP_NS));
        }
        log.push(id);
    }
    for producer in PRODUCERS {
        streams[producer].sort_by_key(|event| event.time_ns);
    }
    let end_ns = 1_000_000 + (messages + 300) * STEP_NS;
    let sentinel = (first_session(SENTINEL as u16), 0);
    let event = |kind: EventKind| Event::new(kind).message(sentinel.0, sentinel.1).destination(0);
    streams[SENTINEL].extend([event(EventKind::SendInvoked).at(end_ns), event(EventKind::SendAcked).at(end_ns)]);
    streams[CONSUMER].push(Event::new(EventKind::Subscribed).destination(0).at(1));
    streams[CONSUMER].push(Event::new(EventKind::Drained).destination(0).at(end_ns));
    streams[CONSUMER].sort_by_key(|event| event.time_ns);
    streams[OBSERVER].push(Event::new(EventKind::WorkerStarted).at(1));
    let phases =
        [(Phase::Baseline, 1_000_000), (Phase::Recover, end_ns), (Phase::Drain, end_ns), (Phase::Audit, end_ns)];
    let entered = |(phase, at_ns)| Event::new(EventKind::PhaseEntered).detail(phase as u32).at(at_ns);
    streams[RUNNER].extend(phases.map(entered));
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

fn bench(criterion: &mut Criterion) {
    for (name, workload, events_a_message) in [("all", Workload::Log, 8), ("delivery", Workload::Fanout, 5)] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        for events in [1_000_000u64, 10_000_000] {
            let messages = events / events_a_message;
            let manifest = manifest(workload, messages);
            let recorded = streams(workload, messages);
            let views = recorded.iter().enumerate();
            let streams = views.map(|(worker, events)| StreamView { worker: worker as u16, events }).collect();
            let history = HistoryView { manifest: &manifest, streams, damage: vec![] };
            let judged = judge(&history);
            let open: Vec<_> = judged.lanes[0].guarantees.iter().filter(|one| one.verdict != Verdict::Holds).collect();
            assert!(open.is_empty(), "the history that is judged must be a healthy one: {open:?}");
            group.throughput(Throughput::Elements(recorded.iter().map(|stream| stream.len() as u64).sum()));
            group.bench_with_input(BenchmarkId::from_parameter(events), &history, |bencher, history| {
                bencher.iter(|| judge(black_box(history)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
