//! What every fuzz target does with its input. The main workspace replays `regressions/` through these, so that what
//! fuzzing once found is tried again by `cargo test`.

use std::cell::OnceCell;
use std::fs;
use std::sync::OnceLock;

use delivery_broker::{Decoded, decode, encode};
use delivery_checks::jepsen::{LogOptions, judge_operations};
use delivery_checks::{Judgement, Options, judge_named};
use delivery_claims::Registry;
use delivery_faults::schedule::Defaults;
use delivery_faults::{FaultRequest, Schedule, plan_load};
use delivery_history::export::write_operations;
use delivery_history::import::{OperationHistory, read_operations, read_operations_edn, read_operations_json};
use delivery_history::plain::{MessageNames, read_plain, write_csv, write_jsonl};
use delivery_history::{Event, History, HistoryView, RunDir, RunManifest, StreamView};
use tempfile::TempDir;

/// What a target does with its input.
pub type Body = fn(&[u8]);

/// Every target: its name, and what it does.
#[allow(dead_code, reason = "a fuzz target uses one of them")]
pub const ALL: &[(&str, Body)] = &[
    ("claims_toml", claims_toml),
    ("event_file", event_file),
    ("events", events),
    ("fault_list", fault_list),
    ("jsonl", jsonl),
    ("manifest", manifest),
    ("operations_edn", operations_edn),
    ("operations_json", operations_json),
    ("payload", payload),
    ("schedule_file", schedule_file),
];

/// A registry of claims.
pub fn claims_toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = Registry::parse(&[("claims.toml", text)]) {
        assert!(error.to_string().contains("claims.toml"), "an error names its file: {error}");
    }
}

/// An event file as a crash, a full disk or somebody else may leave it.
pub fn event_file(bytes: &[u8]) {
    thread_local! {
        static RUN: OnceCell<(TempDir, RunDir)> = const { OnceCell::new() };
    }
    RUN.with(|kept| {
        let (_, run) = kept.get_or_init(|| {
            let directory = tempfile::tempdir().expect("a temporary directory can be made");
            let run = RunDir::create(directory.path(), "fuzz").expect("a run directory can be made");
            fs::write(run.path().join("run.json"), RUN_JSON).expect("the manifest can be written");
            (directory, run)
        });
        fs::write(run.event_path("safe-producer-1"), bytes).expect("the file can be written");
        if let Ok(history) = History::open(run) {
            let judgement = judge(&history.view(), None);
            let events = judgement.events;
            assert_eq!(events.judged + events.not_judged, history.event_count(), "every event is counted");
        }
    });
}

/// Any events at all, spread over the workers of a real run: judged without a panic and without taking memory for what
/// is only claimed. What is written in the plain format reads back as the same events.
pub fn events(bytes: &[u8]) {
    let manifest = run_manifest();
    let workers = manifest.workers.len();
    let mut streams: Vec<Vec<Event>> = vec![Vec::new(); workers];
    for chunk in bytes.chunks_exact(1 + size_of::<Event>()) {
        let mut event: Event = bytemuck::pod_read_unaligned(&chunk[1..]);
        event.time_ns = event.time_ns.max(1);
        streams[usize::from(chunk[0]) % workers].push(event);
    }
    let views = (0u16..).zip(&streams).map(|(worker, events)| StreamView { worker, events }).collect();
    let history = HistoryView { manifest, streams: views, damage: Vec::new() };
    let _ = judge(&history, None);
    reads_back(&history, &streams);
}

/// What somebody types behind `--faults`.
pub fn fault_list(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(requests) = FaultRequest::parse_list(text) else { return };
    let defaults =
        Defaults { baseline_ms: 8_000, after_heal_ms: 5_000, detection_ms: 11_000, session_timeout_ms: 45_000 };
    if let Ok(planned) = plan_load(&requests, None, defaults) {
        assert!(planned.faults.iter().all(|fault| fault.start_ms + fault.duration_ms <= planned.load_ms));
    }
}

/// A history in the plain format, judged. What is written of it reads back as the same events.
pub fn jsonl(bytes: &[u8]) {
    let Ok(history) = read_plain(bytes, "log.jsonl") else { return };
    let view = history.view();
    let judgement = judge(&view, history.names.as_ref());
    assert_eq!(judgement.lanes.len(), history.manifest.lanes.len());
    reads_back(&view, &history.streams);
}

/// A `run.json` of anybody's making, with no events at all.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = serde_json::from_slice::<RunManifest>(bytes) else { return };
    let judgement = judge(&HistoryView { manifest: &manifest, streams: Vec::new(), damage: Vec::new() }, None);
    assert_eq!(judgement.lanes.len(), manifest.lanes.len());
}

/// Operations as EDN.
pub fn operations_edn(bytes: &[u8]) {
    if let Ok(history) = read_operations_edn(bytes) {
        judge_both_ways(&history);
    }
}

/// Operations as JSON.
pub fn operations_json(bytes: &[u8]) {
    if let Ok(history) = read_operations_json(bytes) {
        judge_both_ways(&history);
    }
}

/// Payloads as a broker might hand them out.
pub fn payload(bytes: &[u8]) {
    if let Decoded::Message { id, key } = decode(bytes, 7) {
        let mut again = Vec::new();
        encode(&mut again, 7, id, key, bytes.len());
        assert_eq!(decode(&again, 7), Decoded::Message { id, key });
    }
}

/// A schedule file: read, or refused with a place that is in it; what was read is written and reads back the same.
pub fn schedule_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Schedule::parse("cuts.toml", text) {
        Ok(schedule) => {
            let again = Schedule::parse("again.toml", &schedule.to_toml());
            assert_eq!(again.as_ref(), Ok(&schedule), "what was written reads back");
        }
        Err(error) => {
            assert!(
                (1..=text.matches('\n').count() + 1).contains(&error.line),
                "a mistake stands in the file: {error}"
            );
            assert!(error.column >= 1 && !error.problem.is_empty(), "a mistake is named: {error}");
        }
    }
}

/// The manifest of a real run.
const RUN_JSON: &str = include_str!("run.json");

fn run_manifest() -> &'static RunManifest {
    static MANIFEST: OnceLock<RunManifest> = OnceLock::new();
    MANIFEST.get_or_init(|| serde_json::from_str(RUN_JSON).expect("the manifest is one of ours"))
}

/// On one thread: a fuzzer that looks for leaks takes a thread on its way out for one.
fn judge(history: &HistoryView<'_>, names: Option<&MessageNames>) -> Judgement {
    judge_named(history, &Options { threads: 1, ..Options::default() }, names)
}

fn judge_both_ways(history: &OperationHistory) {
    let judged =
        [false, true].map(|ww_deps| judge_operations(history, LogOptions { ww_deps }).into_judgement("history"));
    let [without, with] = judged;
    assert_eq!(without.events, with.events);
    assert_eq!(without.lanes[0].stats, with.lanes[0].stats, "counts do not depend on what may be concluded");
}

/// Every format takes the history; the plain one gives it back, and operations can be judged.
fn reads_back(history: &HistoryView<'_>, streams: &[Vec<Event>]) {
    let mut text = Vec::new();
    write_jsonl(history, &mut text).expect("memory takes it");
    let again = read_plain(&text, "again.jsonl").expect("what was written can be read");
    assert_eq!(again.manifest, *history.manifest);
    assert_eq!(again.streams, streams);
    write_csv(history, std::io::sink()).expect("nothing refuses it");
    text.clear();
    let exported = write_operations(history, &mut text).expect("memory takes it");
    let operations = read_operations(&text).expect("what was written can be read");
    assert_eq!(operations.operations().len() as u64, exported.operations);
}
