//! Histories that others recorded, judged from the command line; runs, written for others.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use common::{count, document, guarantee, lane, latest, run, told, verify};
use serde_json::Value;

/// The data files are given as they would be typed beside them, so that no path of this machine is printed.
fn check(arguments: &[&str]) -> Output {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    verify().current_dir(data).arg("check").args(arguments).output().unwrap()
}

fn printed(arguments: &[&str], code: i32) -> String {
    let output = check(arguments);
    assert_eq!(output.status.code(), Some(code), "{}", told(&output));
    // The version is none of what is tested here.
    let version = format!("\"tool_version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    String::from_utf8(output.stdout).unwrap().replace(&version, "\"tool_version\": \"VERSION\"")
}

fn refused(arguments: &[&str]) -> String {
    let output = check(arguments);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(output.stdout.is_empty(), "{}", told(&output));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_history_of_operations_is_judged_in_its_own_names() {
    insta::assert_snapshot!("operations", printed(&["--format", "jepsen", "operations.jsonl", "--ww-deps"], 1));
    insta::assert_snapshot!("operations-json", printed(&["--format", "jepsen", "operations.jsonl", "--json"], 1));
}

#[test]
fn both_formats_of_operations_are_judged_alike() {
    let document = |file: &str, more: &[&str]| {
        let arguments = [&["--format", "jepsen", file, "--json", "--quiet"], more].concat();
        let mut document: Value = serde_json::from_str(&printed(&arguments, 1)).unwrap();
        document["run"]["id"].take();
        document
    };
    for more in [&[][..], &["--ww-deps"]] {
        assert_eq!(document("operations.edn", more), document("operations.jsonl", more));
    }
}

#[test]
fn a_log_written_by_hand_is_judged() {
    insta::assert_snapshot!("plain", printed(&["--format", "jsonl", "orders.jsonl"], 1));
    insta::assert_snapshot!("plain-json", printed(&["--format", "jsonl", "orders.jsonl", "--json"], 1));
}

#[test]
fn what_is_required_of_a_history_decides_the_exit_code() {
    let code = |arguments: &[&str]| check(arguments).status.code().unwrap();
    assert_eq!(code(&["--format", "jepsen", "operations.edn", "--require", "none"]), 0);
    assert_eq!(code(&["--format", "jepsen", "operations.edn", "--require", "agreement"]), 0);
    assert_eq!(code(&["--format", "jepsen", "operations.edn", "--require", "history:integrity"]), 1);
    assert_eq!(
        code(&["--format", "jepsen", "operations.edn", "--require", "liveness"]),
        3,
        "it says nothing about that"
    );
    assert_eq!(code(&["--format", "jsonl", "orders.jsonl", "--require", "durability"]), 3);
    assert_eq!(code(&["--format", "jsonl", "orders.jsonl", "--require", "at-most-once"]), 1);
    assert_eq!(code(&["--format", "jsonl", "orders.jsonl", "--require", "none"]), 0);
}

#[test]
fn what_is_no_history_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [
        ("jepsen", "cut.edn", "#jepsen.history.Op{:index 0, :type :invoke, :process 0, :f"),
        ("jepsen", "open.jsonl", "{\"index\":0,\"type\":\"ok\",\"process\":0,\"f\":\"send\",\"value\":[]}\n"),
        ("jepsen", "far.jsonl", "{\"index\":99999999999999999999}\n"),
        ("jsonl", "typo.jsonl", "{\"time_ms\": 1, \"worker\": \"p\", \"event\": \"sent\", \"message\": 1}\n"),
        ("jsonl", "cut.jsonl", "{\"time_ms\": 1, \"worker\": \"p\", \"event\": \"send-inv"),
        ("jsonl", "binary.jsonl", "\0\u{1}\u{2}"),
    ];
    let mut all = String::new();
    for (format, name, text) in cases {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        let stderr = refused(&["--format", format, path.to_str().unwrap()]);
        all.push_str(&stderr.replace(directory.path().to_str().unwrap(), "DIR"));
    }
    all.push_str(&refused(&["--format", "jsonl", "nowhere.jsonl"]));
    all.push_str(&refused(&["--format", "jsonl", "orders.jsonl", "--ww-deps"]));
    all.push_str(&refused(&["--format", "jsonl", "orders.jsonl", "--require", "durabilty"]));
    insta::assert_snapshot!("refused", all);
}

/// One run of the PubSub for all that is asked of one.
fn pubsub() -> &'static Path {
    static RUN: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
        let out = tempfile::tempdir().unwrap();
        let arguments = ["pubsub", "--faults", "netsplit", "--seed", "7", "--rate", "20", "--require", "none"];
        let output = run(&arguments, out.path());
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", told(&output));
        let run_dir = latest(out.path());
        (out, run_dir)
    });
    &RUN.1
}

fn exported(run_dir: &Path, format: &str) -> String {
    let output = verify().arg("export").arg(run_dir).args(["--format", format]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_exported_run_is_judged_as_the_run_itself() {
    let (out, run_dir) = (tempfile::tempdir().unwrap(), pubsub());
    let file = out.path().join("run.jsonl");
    let output = verify().arg("export").arg(run_dir).args(["--format", "jsonl", "--out"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(output.stdout.is_empty());
    assert_eq!(fs::read_to_string(&file).unwrap(), exported(run_dir, "jsonl"));
    let judged = |arguments: &[&str], path: &Path| {
        let output = verify().arg("check").args(arguments).arg(path).arg("--json").output().unwrap();
        (document(&output), output.status.code())
    };
    let (itself, again) = (judged(&[], run_dir), judged(&["--format", "jsonl"], &file));
    assert_eq!(itself, again);
    let run = &itself.0["run"];
    assert!(run["events_judged"].as_u64().unwrap() > 1_000 && run["events_not_judged"] == 0);
}

#[test]
fn an_exported_run_has_a_row_an_event() {
    let run_dir = pubsub();
    let (rows, lines) = (exported(run_dir, "csv"), exported(run_dir, "jsonl"));
    assert!(rows.starts_with("time_ns,worker,event,message,destination,offset,"), "{}", rows.lines().next().unwrap());
    assert_eq!(rows.lines().count(), lines.lines().count());
}

#[test]
fn an_exported_run_is_judged_in_terms_of_operations() {
    let (out, run_dir) = (tempfile::tempdir().unwrap(), pubsub());
    let file = out.path().join("run.operations.jsonl");
    let output = verify().arg("export").arg(run_dir).args(["--format", "jepsen", "--out"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("have no words in this format"), "{}", told(&output));
    let output =
        verify().args(["check", "--format", "jepsen", "--json", "--require", "none"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let judged = document(&output);
    let history = lane(&judged, "history");
    let stats = &history["stats"];
    assert!(stats["acked"].as_u64().unwrap() > 100 && stats["delivered"].as_u64().unwrap() > 100, "{stats:#}");
    assert_eq!(count(history, "phantom"), 0);
    assert_eq!(guarantee(history, "integrity").0, "holds");
    assert_eq!(
        judged["run"]["events_judged"].as_u64().unwrap() as usize,
        fs::read_to_string(&file).unwrap().lines().count()
    );
}

#[test]
fn a_run_says_how_much_of_it_was_judged() {
    let run_dir = pubsub();
    let output = verify().arg("check").arg(run_dir).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Events judged: ") && text.contains("; none was left out."), "{text}");
}
