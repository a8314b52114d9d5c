//! A run directory as large as asked for, with losses and duplicates sown in it:
//! `cargo run --release -p delivery-parquet --example large_run -- RUNS_DIR EVENTS`.
//!
//! It prints how many messages it lost and how many it processed twice, for whoever counts them afterwards.

mod run;

use std::error::Error;
use std::path::Path;

use delivery_history::clock::Clock;
use delivery_history::event::FLAG_REDELIVERED;
use delivery_history::manifest::{Phase, first_session};
use delivery_history::{Event, EventKind, Recorder, RunDir};

/// Invoked, acked, delivered, processing, processed, and read from three replicas.
const EVENTS_A_MESSAGE: u64 = 8;
/// One message in so many is acknowledged and then gone.
const LOST_EVERY: u64 = 1_000_003;
/// One message in so many is processed twice.
const TWICE_EVERY: u64 = 500_009;
const RUNNER: u16 = 0;
const SENTINEL: u16 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [runs, events] = &arguments[..] else { return Err("say RUNS_DIR EVENTS".into()) };
    let messages = events.parse::<u64>()? / EVENTS_A_MESSAGE;
    let run_id = format!("large-{events}");
    let run_dir = RunDir::create(Path::new(runs), &run_id)?;
    let manifest = run::manifest(&run_id, 1_000);
    run_dir.write_manifest(&manifest)?;
    let record = |worker: u16| {
        let path = run_dir.event_path(&manifest.workers[usize::from(worker)].name);
        Recorder::create(&path, worker, Clock::Monotonic)
    };
    let [mut runner, mut producer, mut consumer] = [record(RUNNER)?, record(run::PRODUCER)?, record(run::CONSUMER)?];
    let [mut audit, mut sentinel] = [record(run::AUDIT)?, record(SENTINEL)?];
    for kind in [EventKind::Subscribed, EventKind::Assigned] {
        consumer.record(Event::new(kind).destination(0))?;
    }
    let enter = |phase: Phase| Event::new(EventKind::PhaseEntered).detail(phase as u32);
    runner.record(enter(Phase::Baseline))?;
    let (mut lost, mut twice, mut offset) = (0, 0, 0);
    for number in 0..messages {
        let is_lost = number % LOST_EVERY == LOST_EVERY - 1;
        let times = 1 + u64::from(number % TWICE_EVERY == TWICE_EVERY - 1 && !is_lost);
        (lost, twice) = (lost + u64::from(is_lost), twice + times - 1);
        let named = |kind: EventKind| {
            Event::new(kind).message(first_session(run::PRODUCER), number as u32).destination(0).offset(offset)
        };
        producer.record(named(EventKind::SendInvoked).detail(0))?;
        producer.record(named(EventKind::SendAcked).detail(1))?;
        if is_lost {
            continue;
        }
        for time in 0..times {
            let flags = if time == 0 { 0 } else { FLAG_REDELIVERED };
            consumer.record(named(EventKind::Delivered).flags(flags))?;
            consumer.record(named(EventKind::Processing))?;
            consumer.record(named(EventKind::Processed))?;
        }
        offset += 1;
    }
    let last = |kind: EventKind| Event::new(kind).message(first_session(SENTINEL), 0).destination(0).offset(offset);
    for phase in [Phase::Recover, Phase::Drain] {
        runner.record(enter(phase))?;
    }
    sentinel.record(last(EventKind::SendInvoked))?;
    sentinel.record(last(EventKind::SendAcked))?;
    consumer.record(Event::new(EventKind::Drained).destination(0))?;
    runner.record(enter(Phase::Audit))?;
    for replica in 1..=3 {
        let event = |kind: EventKind| Event::new(kind).destination(0).detail(replica);
        audit.record(event(EventKind::AuditStart).offset(0))?;
        let stored = (0..messages).filter(|number| number % LOST_EVERY != LOST_EVERY - 1);
        for (at, number) in (0..).zip(stored) {
            let read = event(EventKind::AuditRead).message(first_session(run::PRODUCER), number as u32);
            audit.record(read.offset(at))?;
        }
        audit.record(event(EventKind::AuditRead).message(first_session(SENTINEL), 0).offset(offset))?;
        audit.record(event(EventKind::AuditEnd).offset(offset + 1))?;
    }
    for recorder in [runner, producer, consumer, audit, sentinel] {
        recorder.close()?;
    }
    println!("{}: {messages} messages acked, {lost} lost, {twice} processed twice", run_dir.path().display());
    Ok(())
}
