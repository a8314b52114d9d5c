//! What a consumer does, on a clock the test moves, with a client that gives what it is told to.
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use delivery_broker::{ClientError, CommitMode, Consumer, ConsumerEvent, Decoded, Delivery, MessageId, Reason, Settle};
use delivery_history::{Clock, Event, Recorder, SimulatedClock, read_events};

use super::{ConsumePlan, ConsumerLoop};

/// A client that gives what it is told to, and notes what is asked of it.
#[derive(Default)]
struct Scripted {
    events: VecDeque<ConsumerEvent>,
    polls: u32,
    committed: Vec<u64>,
    processed: Vec<u64>,
    refuse: Option<Reason>,
}

impl Consumer for Scripted {
    fn poll(&mut self, _wait: Duration) -> Result<Option<ConsumerEvent>, ClientError> {
        self.polls += 1;
        Ok(self.events.pop_front())
    }

    fn settle(&mut self, _settle: Settle, delivery: &Delivery, _wait: Option<Duration>) -> Result<(), Reason> {
        self.committed.push(delivery.offset + 1);
        self.refuse.map_or(Ok(()), Err)
    }

    fn processed(&mut self, delivery: &Delivery) {
        self.processed.push(delivery.offset);
    }
}

/// A consumer on a clock of its own.
struct Bench {
    client: Scripted,
    work: ConsumerLoop,
    clock: SimulatedClock,
    recorder: Recorder,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new(commit: CommitMode, processing_ms: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = SimulatedClock::default();
        clock.set_ns(1);
        let recorder = Recorder::create(&path(&directory), 4, Clock::Simulated(clock.clone())).unwrap();
        let plan = ConsumePlan {
            commit,
            processing: Duration::from_millis(processing_ms),
            ..ConsumePlan::of(&BTreeMap::new(), false, BTreeMap::new())
        };
        Self { client: Scripted::default(), work: ConsumerLoop::new(plan), clock, recorder, directory }
    }

    fn give(&mut self, offsets: std::ops::Range<u64>) {
        self.client.events.extend(offsets.map(|offset| ConsumerEvent::Delivered(delivery(offset))));
    }

    fn step_at(&mut self, at_ms: u64) {
        self.clock.set_ns(at_ms * 1_000_000 + 1);
        self.work.step(&mut self.client, &mut self.recorder, Duration::ZERO).unwrap();
    }

    /// What was recorded: kinds and offsets.
    fn told(self) -> Vec<String> {
        self.recorder.close().unwrap();
        let events = read_events(&path(&self.directory), 4).unwrap();
        events.iter().filter_map(word).collect()
    }
}

fn path(directory: &tempfile::TempDir) -> std::path::PathBuf {
    directory.path().join("c.events")
}

fn delivery(offset: u64) -> Delivery {
    let payload = Decoded::Message { id: MessageId { session: 1, sequence: offset as u32 }, key: 0 };
    Delivery { destination: 0, offset, payload, redelivered: false }
}

fn word(event: &Event) -> Option<String> {
    event.kind().map(|kind| format!("{} {}", kind.label(), event.offset))
}

#[test]
fn nobody_polls_while_a_message_is_worked_on() {
    let mut bench = Bench::new(CommitMode::AfterProcessing, 30);
    bench.give(0..2);
    bench.step_at(0);
    let polls = bench.client.polls;
    assert_eq!(bench.work.busy_for(bench.recorder.now_ns()), Duration::from_millis(30));
    bench.step_at(10);
    bench.step_at(29);
    assert_eq!((bench.client.polls, bench.client.processed.len()), (polls, 0), "it is busy");
    bench.step_at(30);
    assert_eq!((bench.client.polls, &bench.client.processed[..]), (polls, &[0][..]), "the next one is in hand");
    bench.step_at(60);
    bench.step_at(61);
    assert!(bench.client.polls > polls, "all it was handed is done");
    let told = bench.told();
    let expected = ["delivered 0", "delivered 1", "processing 0", "processed 0", "processing 1", "processed 1"];
    let handled: Vec<&String> = told.iter().filter(|word| !word.starts_with("settle")).collect();
    assert_eq!(handled, expected);
}

#[test]
fn an_application_that_commits_first_has_committed_all_it_holds() {
    let mut bench = Bench::new(CommitMode::BeforeProcessing, 30);
    bench.give(0..3);
    bench.step_at(0);
    assert_eq!(bench.client.committed, [3], "before anything is processed");
    let told = bench.told();
    assert_eq!(told[3..], ["settle-invoked 3", "settle-ok 3", "processing 0"]);
}

#[test]
fn what_is_not_committed_first_is_left() {
    let mut bench = Bench::new(CommitMode::BeforeProcessing, 0);
    bench.client.refuse = Some(Reason::UnknownMember);
    bench.give(0..2);
    bench.step_at(0);
    assert_eq!(bench.client.committed.len(), 3, "it is tried again");
    assert!(bench.told().iter().all(|word| !word.starts_with("process")));
}

#[test]
fn offsets_are_stored_message_by_message_or_once_all_in_hand_is_done() {
    for (mode, after_one) in [(CommitMode::AutoManualStore, vec![0]), (CommitMode::AutoBatchStore, vec![])] {
        let mut bench = Bench::new(mode, 10);
        bench.give(0..2);
        bench.step_at(0);
        bench.step_at(10);
        assert_eq!(bench.client.processed, after_one, "{mode:?}");
        bench.step_at(20);
        assert_eq!(bench.client.processed.last(), Some(&1), "{mode:?}");
        assert!(bench.client.committed.is_empty(), "the client commits by itself");
    }
}

#[test]
fn what_is_somebody_elses_now_is_not_processed_unless_it_counts_as_done() {
    for (mode, processed) in [(CommitMode::AfterProcessing, 0), (CommitMode::Auto, 2)] {
        let mut bench = Bench::new(mode, 10);
        bench.give(0..2);
        bench.client.events.push_back(ConsumerEvent::Revoked { destination: 0, lost: true });
        for at_ms in [0, 10, 20, 30] {
            bench.step_at(at_ms);
        }
        let told = bench.told();
        let done = told.iter().filter(|word| word.starts_with("processed")).count();
        assert_eq!(done, processed, "{mode:?}: {told:?}");
    }
}

#[test]
fn a_commit_that_was_not_confirmed_is_asked_for_again() {
    let mut bench = Bench::new(CommitMode::AfterProcessing, 0);
    bench.give(0..1);
    bench.step_at(200);
    assert_eq!(bench.client.committed, [1]);
    let failed = Some(Reason::Rebalancing);
    bench.client.events.push_back(ConsumerEvent::Settled { destination: 0, offset: 1, failed });
    bench.step_at(400);
    assert_eq!(bench.client.committed, [1, 1]);
    bench.client.events.push_back(ConsumerEvent::Settled { destination: 0, offset: 1, failed: None });
    bench.step_at(600);
    bench.step_at(800);
    assert_eq!(bench.client.committed, [1, 1], "it is confirmed");
    let told = bench.told();
    assert!(told.contains(&String::from("settle-failed 1")) && told.contains(&String::from("settle-ok 1")), "{told:?}");
}

#[test]
fn a_consumer_that_is_busy_can_be_told_to_finish() {
    let mut bench = Bench::new(CommitMode::AfterProcessing, 60_000);
    bench.give(0..1);
    bench.step_at(0);
    bench.work.finish(&mut bench.client, &mut bench.recorder).unwrap();
    let told = bench.told();
    assert_eq!(told, ["delivered 0", "processing 0"], "what it was at is never done");
}
