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

#[test]
fn a_delay_and_a_hold_show_that_they_bit_and_were_noticed() {
    let out = tempfile::tempdir().unwrap();
    let history = run(&request("delay:leader=500ms~50ms@4s+6s,hold:leader@16s+8s", out.path()));
    let judgement = judge(&history.view());
    let [delay, hold] = &judgement.faults[..] else { panic!("{:#?}", judgement.faults) };
    for fault in [delay, hold] {
        assert!(fault.bit && fault.noticed && fault.healed, "{fault:#?}");
        assert!(fault.packets_hit.as_ref().unwrap().by_third.iter().all(|third| *third > 50), "{fault:#?}");
    }
    assert!(delay.evidence.iter().any(|line| line.contains("half of the sends of exactly-once took")), "{delay:#?}");
    assert_eq!((hold.packets_dropped, hold.packets_crossed), (0, 0));
    assert!(hold.evidence.iter().any(|line| line.contains("said members")), "{hold:#?}");
    assert_eq!(verdict(&judgement, "at-least-once", Guarantee::AtLeastOnce), Verdict::Holds);
    assert_eq!(verdict(&judgement, "exactly-once", Guarantee::ExactlyOnce), Verdict::Holds);
}

#[test]
fn links_are_as_before_however_a_delay_or_a_hold_ends() {
    let out = tempfile::tempdir().unwrap();
    for faults in
        ["delay:follower=1s@4s+3s", "hold:one-way-in@4s+14s", "hold:one-way-out@4s+9s,kill:leader@7500ms+1500ms"]
    {
        let history = run(&RunRequest { duration_ms: Some(20_000), ..request(faults, out.path()) });
        let judgement = judge(&history.view());
        assert!(judgement.faults.iter().all(|fault| fault.bit && fault.healed), "{:#?}", judgement.faults);
        assert!(judgement.lanes.iter().all(|lane| lane.count(FindingKind::NotRecovered) == 0));
    }
}
