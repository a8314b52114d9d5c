//! What is recorded is read back, whatever became of the recorder.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use delivery_history::manifest::{Role, RunManifest, Worker};
use delivery_history::{Clock, Event, EventKind, History, Recorder, RunDir, SimulatedClock};
use proptest::prelude::*;

fn manifest(workers: &[&str]) -> RunManifest {
    let worker = |name: &&str| Worker {
        name: (*name).to_owned(),
        role: Role::Producer,
        lane: None,
        group: None,
        host: 101,
        succeeds: None,
    };
    RunManifest {
        tool_version: String::from("0"),
        features: std::collections::BTreeMap::new(),
        backend: String::from("simulated"),
        simulated: true,
        rate_per_s: 1,
        size_bytes: 64,
        load_ms: 1,
        workers: workers.iter().map(worker).collect(),
        ..RunManifest::blank("test", "pubsub")
    }
}

fn run_dir(directory: &Path, workers: &[&str]) -> RunDir {
    let run_dir = RunDir::create(directory, "r1").unwrap();
    run_dir.write_manifest(&manifest(workers)).unwrap();
    run_dir
}

fn event(sequence: u32) -> Event {
    Event::new(EventKind::SendInvoked).message(1, sequence).detail(!sequence)
}

fn record(path: &Path, worker: u16, count: u32) {
    let mut recorder = Recorder::create(path, worker, Clock::Monotonic).unwrap();
    for sequence in 0..count {
        recorder.record(event(sequence)).unwrap();
    }
    recorder.close().unwrap();
}

/// Every event is whole, numbered without a gap, and in order of time.
fn assert_whole(events: &[Event]) {
    for (number, read) in (0u32..).zip(events) {
        assert_eq!(Event { time_ns: 0, ..*read }, event(number));
    }
    assert!(events.windows(2).all(|pair| pair[0].time_ns <= pair[1].time_ns));
}

#[test]
fn events_come_back_across_segments_and_files_are_trimmed() {
    let directory = tempfile::tempdir().unwrap();
    let run = run_dir(directory.path(), &["a", "b"]);
    record(&run.event_path("a"), 0, 100_000);
    record(&run.event_path("b"), 1, 0);
    assert_eq!(fs::metadata(run.event_path("a")).unwrap().len(), 32 + 32 * 100_000);
    assert_eq!(fs::metadata(run.event_path("b")).unwrap().len(), 32);
    let history = History::open(&run).unwrap();
    let view = history.view();
    assert_eq!(view.damage, Vec::<String>::new());
    assert_eq!(view.streams[0].events.len(), 100_000);
    assert_whole(view.streams[0].events);
    assert!(view.streams[1].events.is_empty());
}

#[test]
fn a_simulated_clock_is_the_only_time_there_is() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SimulatedClock::default();
    let record = |name: &str| {
        let path = directory.path().join(name);
        let mut recorder = Recorder::create(&path, 0, Clock::Simulated(clock.clone())).unwrap();
        for sequence in 0..10 {
            clock.set_ns(1_000 + u64::from(sequence));
            recorder.record(event(sequence)).unwrap();
        }
        recorder.close().unwrap();
        fs::read(path).unwrap()
    };
    assert_eq!(record("one"), record("two"));
}

#[test]
fn what_was_recorded_before_a_sigkill_survives_it() {
    let directory = tempfile::tempdir().unwrap();
    let run = run_dir(directory.path(), &["w0", "w1", "w2", "w3", "w4", "w5", "w6", "killed"]);
    let path = run.event_path("killed");
    let mut recorder = Command::new(example()).arg(&path).stdout(Stdio::piped()).spawn().unwrap();
    let printed = BufReader::new(recorder.stdout.take().unwrap()).lines().nth(3).unwrap().unwrap();
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    let history = History::open(&run).unwrap();
    let view = history.view();
    assert_eq!(view.damage.len(), 7, "seven workers left no file, and nothing else is wrong: {:?}", view.damage);
    let events = view.streams[0].events;
    assert!(events.len() > printed.parse::<usize>().unwrap());
    assert_whole(events);
}

#[test]
fn a_full_disk_is_an_error_that_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=2m tmpfs \"$1\" && exec \"$2\" \"$1/full.events\"";
    let unshared = Command::new("unshare")
        .args(["-Urm", "sh", "-c", script, "sh"])
        .arg(directory.path())
        .arg(example())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&unshared.stdout);
    if unshared.status.code() == Some(1) && output.is_empty() {
        let required = std::env::var("VERIFY_REQUIRE").is_ok_and(|required| !required.is_empty());
        assert!(!required, "VERIFY_REQUIRE is set, but this machine does not permit user namespaces");
        println!("skipped: user namespaces are not permitted here, so there is no small file system to fill");
        return;
    }
    assert_eq!(unshared.status.code(), Some(3), "{output}");
    assert!(output.contains("the disk is full") && output.contains("--out"), "{output}");
}

#[test]
fn damage_is_told_and_what_stands_before_it_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let run = run_dir(directory.path(), &["hole", "back", "kind", "stranger"]);
    for (worker, name) in (0..).zip(["hole", "back", "kind"]) {
        record(&run.event_path(name), worker, 10);
    }
    record(&run.event_path("stranger"), 9, 10);
    overwrite(&run.event_path("hole"), 32 + 5 * 32, &[0; 8]);
    overwrite(&run.event_path("back"), 32 + 5 * 32, &1u64.to_le_bytes());
    overwrite(&run.event_path("kind"), 32 + 5 * 32 + 30, &[250]);
    let history = History::open(&run).unwrap();
    let view = history.view();
    assert_eq!(view.streams.iter().map(|stream| stream.events.len()).collect::<Vec<_>>(), [5, 10, 10]);
    let told = view.damage.join("\n");
    assert!(told.contains("the event at byte 192 is missing, but one stands at byte 224"), "{told}");
    assert!(told.contains("time goes back at byte 192"), "{told}");
    assert!(told.contains("the event at byte 192 has unknown kind 250"), "{told}");
    assert!(told.contains("was recorded by worker 9, not 3"), "{told}");
}

#[test]
fn another_format_version_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let run = run_dir(directory.path(), &["a"]);
    record(&run.event_path("a"), 0, 3);
    overwrite(&run.event_path("a"), 8, &2u32.to_le_bytes());
    let error = History::open(&run).err().unwrap().to_string();
    assert!(error.contains("format version 2, this program reads version 1"), "{error}");
    let text = fs::read_to_string(run.path().join("run.json")).unwrap();
    fs::write(run.path().join("run.json"), text.replacen("\"format\": 1", "\"format\": 3", 1)).unwrap();
    let error = History::open(&run).err().unwrap().to_string();
    assert!(error.contains("format version 3, this program reads version 1"), "{error}");
}

#[test]
fn a_directory_without_a_run_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = RunDir::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("is no run directory"), "{error}");
}

#[test]
fn latest_points_to_the_newest_run() {
    let directory = tempfile::tempdir().unwrap();
    for run_id in ["r1", "r2"] {
        RunDir::create(directory.path(), run_id).unwrap().write_text("which", run_id).unwrap();
    }
    assert_eq!(fs::read_to_string(directory.path().join("latest/which")).unwrap(), "r2");
    assert!(RunDir::create(directory.path(), "r1").is_err(), "a run never writes into another one's directory");
}

proptest! {
    #[test]
    fn arbitrary_files_are_read_or_refused_and_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        with_header: bool,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let run = run_dir(directory.path(), &["a"]);
        let path = run.event_path("a");
        if with_header {
            record(&path, 0, 0);
            fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&bytes).unwrap();
        } else {
            fs::write(&path, &bytes).unwrap();
        }
        if let Ok(history) = History::open(&run) {
            let events: usize = history.view().streams.iter().map(|stream| stream.events.len()).sum();
            prop_assert!(events <= bytes.len() / 32);
        }
    }
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

/// The example program. Cargo builds it with all tests, but not with this one alone.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let program = profile.join("examples").join("record_until_killed");
    if !program.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "delivery-history", "--example", "record_until_killed"])
            .arg("--target-dir")
            .arg(profile.parent().unwrap())
            .status()
            .unwrap();
        assert!(built.success());
    }
    program
}

#[test]
fn events_kept_in_memory_are_those_a_file_would_hold() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.events");
    let clock = SimulatedClock::default();
    let mut file = Recorder::create(&path, 3, Clock::Simulated(clock.clone())).unwrap();
    let mut memory = Recorder::in_memory(Clock::Simulated(clock.clone()));
    for now_ns in [5, 9, 7, 12] {
        clock.set_ns(now_ns);
        let event = Event::new(EventKind::SendInvoked).message(1, now_ns as u32);
        file.record(event).unwrap();
        memory.record(event).unwrap();
    }
    file.close().unwrap();
    let events = memory.into_events();
    assert_eq!(events.iter().map(|event| event.time_ns).collect::<Vec<_>>(), [5, 9, 9, 12], "time never goes back");
    assert_eq!(events, delivery_history::read_events(&path, 3).unwrap());
}
