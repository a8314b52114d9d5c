//! Runs written as operations of Jepsen's Kafka workload.
#![allow(clippy::unwrap_used)]

use delivery_history::export::{Exported, write_operations};
use delivery_history::import::{OperationHistory, read_operations};
use delivery_history::manifest::{Destination, Role, Worker, Workload, first_session};
use delivery_history::plain::manifest::file_manifest;
use delivery_history::{Event, EventKind, HistoryView, RunManifest, StreamView};

const PRODUCER: u16 = 0;
const CONSUMER: u16 = 1;

fn manifest(workload: Workload) -> RunManifest {
    let mut manifest = file_manifest("run", "history", true, 0);
    manifest.lanes[0].workload = workload;
    let place = |partition: u32| Destination {
        lane: 0,
        name: "orders".into(),
        partition: Some(partition),
        dead_letters_of: None,
        output_of: None,
        added: false,
    };
    manifest.destinations = vec![place(0), place(1)];
    let worker = |name: &str, role: Role| Worker {
        name: name.into(),
        role,
        lane: Some(0),
        group: None,
        host: 101,
        succeeds: None,
    };
    manifest.workers = vec![worker("p0", Role::Producer), worker("c0", Role::Consumer)];
    manifest
}

fn sent(kind: EventKind, sequence: u32) -> Event {
    Event::new(kind).message(first_session(PRODUCER), sequence).destination(0)
}

fn write(workload: Workload, producer: &[Event], consumer: &[Event]) -> (Exported, String) {
    let manifest = manifest(workload);
    let mut time_ns = 0;
    let mut timed = |events: &[Event]| -> Vec<Event> {
        let mut next = |event: &Event| {
            time_ns += 1_000;
            event.at(time_ns)
        };
        events.iter().map(&mut next).collect()
    };
    let (producer, consumer) = (timed(producer), timed(consumer));
    let streams =
        vec![StreamView { worker: PRODUCER, events: &producer }, StreamView { worker: CONSUMER, events: &consumer }];
    let mut text = Vec::new();
    let exported =
        write_operations(&HistoryView { manifest: &manifest, streams, damage: Vec::new() }, &mut text).unwrap();
    (exported, String::from_utf8(text).unwrap())
}

/// Function, kind, process, and what was sent, read or listed.
fn told(history: &OperationHistory) -> Vec<String> {
    let tell = |operation: &delivery_history::import::Operation| {
        let micro = history.micro_operations(operation).iter().map(|micro| {
            let offset = micro.offset.map_or(String::from("?"), |offset| offset.to_string());
            format!("{}@{offset}={}", history.key(micro.key), history.text(micro.value))
        });
        let keys = history.keys_of(operation).iter().map(|key| history.key(*key));
        let what = micro.chain(keys).collect::<Vec<_>>().join(" ");
        let (function, kind, process) = (operation.function.label(), operation.kind, operation.process);
        format!("{function} {kind:?} {process} {what}").trim_end().to_owned()
    };
    history.operations().iter().map(tell).collect()
}

#[test]
fn sends_polls_and_assignments_become_operations() {
    let producer = [
        sent(EventKind::SendInvoked, 0),
        sent(EventKind::SendInvoked, 1),
        sent(EventKind::SendAcked, 0).offset(7),
        sent(EventKind::SendUnknown, 1),
        sent(EventKind::SendInvoked, 2),
        sent(EventKind::SendFailed, 2),
    ];
    let consumer = [
        Event::new(EventKind::WorkerStarted),
        Event::new(EventKind::Assigned).destination(0),
        sent(EventKind::Delivered, 0).offset(7),
        sent(EventKind::Processing, 0),
        Event::new(EventKind::Assigned).destination(1),
        Event::new(EventKind::Revoked).destination(0),
    ];
    let (exported, text) = write(Workload::Log, &producer, &consumer);
    let history = read_operations(text.as_bytes()).unwrap();
    let wanted = [
        "send Invoke 0 orders-0@?=p0/0",
        "send Invoke 1 orders-0@?=p0/1",
        "send Ok 0 orders-0@7=p0/0",
        "send Info 1 orders-0@?=p0/1",
        "send Invoke 0 orders-0@?=p0/2",
        "send Fail 0 orders-0@?=p0/2",
        "assign Invoke 2 orders-0",
        "assign Ok 2 orders-0",
        "poll Invoke 2",
        "poll Ok 2 orders-0@7=p0/0",
        "assign Invoke 2 orders-0 orders-1",
        "assign Ok 2 orders-0 orders-1",
        "assign Invoke 2 orders-1",
        "assign Ok 2 orders-1",
    ];
    assert_eq!(told(&history), wanted);
    assert_eq!(exported, Exported { operations: 14, left_out: 2 }, "a start and a handler have no words there");
}

#[test]
fn a_process_does_one_thing_at_a_time_and_nothing_after_an_unknown_end() {
    let mut producer = Vec::new();
    for sequence in 0..10 {
        producer.push(sent(EventKind::SendInvoked, sequence));
        producer.push(sent(EventKind::SendUnknown, sequence));
    }
    let (_, text) = write(Workload::Log, &producer, &[]);
    let history = read_operations(text.as_bytes()).unwrap();
    let processes: Vec<i64> = history.operations().iter().step_by(2).map(|operation| operation.process).collect();
    assert_eq!(processes, (0..10).collect::<Vec<_>>());
}

#[test]
fn delivery_tags_of_a_queue_are_no_offsets() {
    let (_, text) = write(
        Workload::Queue,
        &[sent(EventKind::SendInvoked, 0), sent(EventKind::SendAcked, 0).offset(3)],
        &[sent(EventKind::Delivered, 0).offset(1)],
    );
    let history = read_operations(text.as_bytes()).unwrap();
    assert_eq!(told(&history)[1..], ["send Ok 0 orders-0@?=p0/0", "poll Invoke 1", "poll Ok 1 orders-0@?=p0/0"]);
}

#[test]
fn a_position_that_moved_is_given_up_and_taken_again() {
    let consumer = [
        Event::new(EventKind::Assigned).destination(0),
        Event::new(EventKind::PositionReset).destination(0).offset(5),
        Event::new(EventKind::Delivered).destination(0).flags(delivery_history::event::FLAG_CORRUPT),
    ];
    let (exported, text) = write(Workload::Log, &[], &consumer);
    let history = read_operations(text.as_bytes()).unwrap();
    let ok: Vec<String> = told(&history).into_iter().filter(|line| line.contains("Ok")).collect();
    assert_eq!(ok, ["assign Ok 0 orders-0", "assign Ok 0", "assign Ok 0 orders-0"]);
    assert_eq!(exported.left_out, 1, "what arrived altered has no identity");
}
