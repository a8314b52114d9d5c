//! Whole runs of the embedded PubSub, driven as a library would drive them.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use delivery_broker::{System, Timings};
use delivery_checks::judge;
use delivery_checks::judgement::{FindingKind, Guarantee, Judgement, Verdict};
use delivery_faults::FaultRequest;
use delivery_history::{EventKind, History};
use delivery_pubsub::PubSub;
use delivery_runner::{AuditMode, Interrupts, Quiet, RunEnd, RunRequest, plan, run_simulated};

static PUBSUB: PubSub = PubSub::new();

fn request(faults: &str, out: &Path) -> RunRequest {
    RunRequest {
        lanes: Vec::new(),
        faults: FaultRequest::parse_list(faults).unwrap(),
        duration_ms: None,
        rate_per_s: 200,
        size_bytes: 64,
        producers: None,
        consumers: 1,
        seed: 11,
        timings: Timings::Vendor,
        required: None,
        audit: AuditMode::Full,
        out: out.to_owned(),
        keep_data: false,
        name_suffix: String::new(),
        outside: None,
    }
}

fn run(request: &RunRequest) -> History {
    let planned = plan(&PUBSUB, request).unwrap();
    let simulated = PUBSUB.simulated().unwrap();
    let completed = run_simulated(&planned, &request.out, simulated, &Interrupts::default(), &mut Quiet).unwrap();
    assert_eq!(completed.end, RunEnd::Finished);
    History::open(&completed.run_dir).unwrap()
}

fn verdict(judgement: &Judgement, lane: &str, guarantee: Guarantee) -> Verdict {
    let lane = judgement.lanes.iter().find(|judged| judged.lane == lane).unwrap();
    let judged = lane.verdict(guarantee).unwrap();
    println!("{lane} {guarantee:?}: {judged:?}", lane = lane.lane);
    judged.verdict
}

#[test]
fn a_netsplit_shows_what_each_preset_promises() {
    let out = tempfile::tempdir().unwrap();
    let history = run(&request("netsplit", out.path()));
    let judgement = judge(&history.view());
    assert_eq!(judgement.doubts, Vec::<String>::new());
    assert!(judgement.faults[0].bit && judgement.faults[0].noticed, "{:#?}", judgement.faults);
    assert_eq!(verdict(&judgement, "at-most-once", Guarantee::Durability), Verdict::Violated);
    assert_eq!(verdict(&judgement, "at-most-once", Guarantee::AtMostOnce), Verdict::Holds);
    assert_eq!(verdict(&judgement, "at-least-once", Guarantee::AtLeastOnce), Verdict::Holds);
    assert_eq!(verdict(&judgement, "at-least-once", Guarantee::AtMostOnce), Verdict::Violated);
    assert_eq!(verdict(&judgement, "exactly-once", Guarantee::ExactlyOnce), Verdict::Holds);
}

#[test]
fn without_a_fault_nothing_is_lost_and_nothing_comes_twice() {
    let out = tempfile::tempdir().unwrap();
    let history = run(&RunRequest { duration_ms: Some(3_000), ..request("none", out.path()) });
    let judgement = judge(&history.view());
    for lane in &judgement.lanes {
        assert_eq!(lane.findings, [], "{}", lane.lane);
        assert!(lane.count(FindingKind::Lost) == 0 && lane.stats.sent > 500, "{:?}", lane.stats);
        assert_eq!(verdict(&judgement, &lane.lane, Guarantee::AtLeastOnce), Verdict::Holds);
    }
}

#[test]
fn every_stream_begins_and_ends() {
    let out = tempfile::tempdir().unwrap();
    let history = run(&RunRequest { duration_ms: Some(2_000), ..request("none", out.path()) });
    let view = history.view();
    assert_eq!(view.damage, Vec::<String>::new());
    assert_eq!(view.streams.len(), history.manifest().workers.len());
    for stream in view.streams.iter().filter(|stream| stream.worker > 0) {
        assert_eq!(stream.events.first().unwrap().kind(), Some(EventKind::WorkerStarted));
        assert_eq!(stream.events.last().unwrap().kind(), Some(EventKind::WorkerFinished));
    }
}
