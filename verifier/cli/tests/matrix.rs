//! Matrices from the command line, on the embedded PubSub.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{told, verify};
use delivery_journal::{CellStatus, Matrix};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const HEAD: &str = "[defaults]\nrate = 50\nduration = \"10s\"\n\n";

fn cell(id: &str, preset: &str, more: &str) -> String {
    format!(
        "[[cell]]\nid = \"{id}\"\nsystem = \"pubsub\"\npreset = {preset}\nset = {{ \"cluster.nodes\" = 3 }}\nfaults = \"netsplit@2s+5s\"\n{more}\n\n"
    )
}

fn file(directory: &Path, rows: &[String]) -> PathBuf {
    let path = directory.join("small.toml");
    fs::write(&path, format!("{HEAD}{}", rows.concat())).unwrap();
    path
}

fn matrix(file: &Path, arguments: &[&str]) -> Output {
    verify().arg("matrix").arg(file).args(["--seed", "3"]).args(arguments).output().unwrap()
}

fn out(directory: &Path) -> PathBuf {
    directory.join("out")
}

/// Names of runs, lengths and directories are other ones each time.
fn without_times(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = match line.rfind("  [") {
            Some(at) if line.ends_with(" s]") => line[..at].to_owned(),
            _ => line.to_owned(),
        };
        let line = match line.split_once("runs took") {
            Some((before, _)) => format!("{before}runs took ..."),
            None => line,
        };
        let line =
            if line.starts_with("Everything stands in") { String::from("Everything stands in ...") } else { line };
        let line = if line.trim_start().starts_with("see runs/") { String::from("    see runs/...") } else { line };
        lines.push(line);
    }
    lines.join("\n")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn every_cell_has_a_line_and_a_surprise_decides_the_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let rows = [
        cell("keeps", "[\"exactly-once\", \"at-least-once\"]", "repeat = 2\nexpect = { durability = \"holds\" }"),
        cell("loses", "\"at-most-once\"", "expect = { durability = \"violated\", standing = \"as-advertised\" }"),
        cell("wrong", "\"at-least-once\"", "expect = { at-most-once = \"holds\" }"),
        cell("open", "\"at-least-once\"", "alone = true"),
        String::from("[[cell]]\nid = \"other\"\nsystem = \"nats\"\nnot-run = \"there is no adapter for it\"\n"),
    ];
    let file = file(directory.path(), &rows);
    let output = matrix(&file, &["--out", out(directory.path()).to_str().unwrap(), "--keep", "failing", "--quiet"]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    insta::assert_snapshot!("lines", without_times(&stdout(&output)));

    let journal = Matrix::read(&out(directory.path())).unwrap();
    assert!(journal.ended);
    for attempt in &journal.attempts {
        let run = out(directory.path()).join(attempt.run.as_ref().unwrap());
        assert!(run.join("run.json").is_file() && run.join("findings.json").is_file());
        let whole = run.join("history").is_dir();
        assert_eq!(whole, !journal.pruned.contains(attempt.run.as_ref().unwrap()));
        if whole {
            let again = verify().arg("check").arg(&run).args(["--quiet", "--json"]).output().unwrap();
            assert!(again.status.code().is_some_and(|code| code != 2 && code != 4), "{}", told(&again));
        }
    }
    let failing = journal.results.iter().find(|result| result.status == CellStatus::Surprising).unwrap();
    assert!(out(directory.path()).join(&failing.runs[0]).join("history").is_dir());
    assert!(!journal.pruned.is_empty());
}

#[test]
fn cells_are_listed_and_chosen() {
    let directory = tempfile::tempdir().unwrap();
    let rows = [
        cell("K1", "[\"exactly-once\", \"at-least-once\"]", "expect = { durability = \"holds\" }"),
        cell("K2", "\"at-most-once\"", "expect = { durability = \"violated\" }"),
    ];
    let file = file(directory.path(), &rows);
    insta::assert_snapshot!("list", stdout(&matrix(&file, &["--list"])));
    let chosen = matrix(&file, &["--only", "K2", "--only", "*/at-least-once*", "--list"]);
    assert_eq!(stdout(&chosen).lines().last(), Some("2 cells in 2 rows"));
    let none = matrix(&file, &["--only", "R*"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(told(&none).contains("no cell matches R*"), "{}", told(&none));
    assert!(!Path::new("matrices").exists(), "nothing is made for it");
}

#[cfg(all(feature = "kafka", feature = "rabbitmq"))]
#[test]
fn the_matrices_of_this_program_mean_something() {
    for name in ["quick", "nightly", "truth"] {
        let path = format!("{}/../../workloads/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let output = matrix(Path::new(&path), &["--list"]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    }
}

#[test]
fn results_are_one_document_where_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path(), &[cell("a", "\"exactly-once\"", "expect = { durability = \"holds\" }")]);
    let output = matrix(&file, &["--json", "--quiet", "--out", out(directory.path()).to_str().unwrap()]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["exit_code"], 0);
    assert_eq!(document["cells"][0]["result"]["status"], "agreed");
    assert_eq!(document["cells"][0]["result"]["windows"][0]["of"], 1);
}

#[test]
fn a_mistake_is_told_with_its_place_and_nothing_is_started() {
    let directory = tempfile::tempdir().unwrap();
    let rows =
        [cell("good", "\"exactly-once\"", ""), cell("bad", "\"exactly-once\"", "expect = { order = \"holds\" }")];
    let file = file(directory.path(), &rows);
    let output = matrix(&file, &["--out", out(directory.path()).to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let place = format!("{}:19:20: no check gives a verdict on `order`", file.display());
    assert!(told(&output).contains(&place), "{}", told(&output));
    assert!(!out(directory.path()).exists());
}

/// Starts a matrix and waits for the run after so many results.
fn started(file: &Path, out: &Path, results: usize) -> std::process::Child {
    // A test that was started in the background ignores Ctrl-C, and so would the matrix.
    let mut child = Command::new("env")
        .arg("--default-signal=INT")
        .arg(env!("CARGO_BIN_EXE_verify"))
        .arg("matrix")
        .arg(file)
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begins = format!("[{results} of ");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let found = lines.by_ref().any(|line| line.unwrap().starts_with(&begins));
    assert!(found, "it ended before");
    // What it says after that must find a reader.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

fn slow_rows() -> Vec<String> {
    let more = "alone = true\nrate = 200\nexpect = { durability = \"holds\" }";
    vec![cell("a", "\"exactly-once\"", more), cell("b", "\"at-least-once\"", &format!("duration = \"30s\"\n{more}"))]
}

#[test]
fn a_matrix_that_was_killed_or_stopped_goes_on_where_it_was() {
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let directory = tempfile::tempdir().unwrap();
        let (file, out) = (file(directory.path(), &slow_rows()), out(directory.path()));
        let mut child = started(&file, &out, 1);
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), (signal == Signal::SIGINT).then_some(130));
        let before = Matrix::read(&out).unwrap();
        assert_eq!((before.results.len(), before.ended), (1, false));

        let again = matrix(&file, &["--out", out.to_str().unwrap()]);
        assert_eq!(again.status.code(), Some(2), "{}", told(&again));
        assert!(told(&again).contains("go on with it (--resume)"), "{}", told(&again));

        let resumed = matrix(&file, &["--out", out.to_str().unwrap(), "--resume", "--quiet"]);
        assert_eq!(resumed.status.code(), Some(0), "{}", told(&resumed));
        let after = Matrix::read(&out).unwrap();
        assert!(after.ended);
        assert_eq!(after.attempts.len(), 2);
        assert_eq!(after.attempts[0], before.attempts[0], "what was recorded is not lost");
        assert_eq!(stdout(&resumed).lines().filter(|line| line.contains("agreed  ")).count(), 1, "{}", told(&resumed));
    }
}

#[test]
fn another_cell_of_the_same_name_is_not_mixed_with_what_was_run() {
    let directory = tempfile::tempdir().unwrap();
    let out = out(directory.path());
    let file_of = |more: &str| file(directory.path(), &[cell("a", "\"exactly-once\"", more)]);
    let first = matrix(&file_of("expect = { durability = \"holds\" }"), &["--out", out.to_str().unwrap(), "--quiet"]);
    assert_eq!(first.status.code(), Some(0), "{}", told(&first));
    let changed = matrix(
        &file_of("expect = { durability = \"violated\" }"),
        &["--out", out.to_str().unwrap(), "--resume", "--quiet"],
    );
    assert_eq!(changed.status.code(), Some(2));
    assert!(told(&changed).contains("is another one than was run there"), "{}", told(&changed));
}

#[test]
fn a_cell_over_its_limit_is_inconclusive_and_the_matrix_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let rows = [
        cell(
            "slow",
            "\"exactly-once\"",
            "duration = \"60000s\"\nlimit = \"300ms\"\nexpect = { durability = \"holds\" }",
        ),
        cell("next", "\"exactly-once\"", "expect = { durability = \"holds\" }"),
    ];
    let file = file(directory.path(), &rows);
    let output = matrix(&file, &["--out", out(directory.path()).to_str().unwrap(), "--quiet", "--retries", "0"]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let journal = Matrix::read(&out(directory.path())).unwrap();
    let statuses: Vec<CellStatus> = journal.results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [CellStatus::Inconclusive, CellStatus::Agreed]);
    assert!(journal.results[0].reasons[0].contains("the limit of its cell"), "{:?}", journal.results[0]);
}

#[test]
fn pruning_keeps_what_is_worth_its_space() {
    let directory = tempfile::tempdir().unwrap();
    let runs = directory.path().join("runs");
    let run = |arguments: &[&str]| {
        let output = verify()
            .args(["pubsub", "--seed", "7", "--quiet", "--rate", "50", "--set", "cluster.nodes=3"])
            .args(arguments)
            .arg("--out")
            .arg(&runs)
            .output()
            .unwrap();
        (fs::canonicalize(runs.join("latest")).unwrap(), output.status.code())
    };
    let prune = |arguments: &[&str]| {
        let output = verify().arg("prune").arg(&runs).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        stdout(&output)
    };
    let (violated, code) = run(&["--preset", "at-most-once", "--faults", "netsplit@2s+5s", "--require", "durability"]);
    assert_eq!(code, Some(1));
    let (held, code) = run(&["--preset", "exactly-once", "--faults", "netsplit@2s+5s"]);
    assert_eq!(code, Some(0));
    let (newest, _) = run(&["--preset", "exactly-once", "--faults", "netsplit@2s+5s"]);
    assert!(prune(&["--dry-run"]).starts_with(held.to_str().unwrap()));
    assert!(held.exists());
    assert!(prune(&["--older-than", "1h"]).starts_with("0 runs"));
    assert!(prune(&[]).starts_with("1 runs removed"));
    assert!(!held.exists() && violated.exists() && newest.exists());
    assert!(prune(&["--all"]).starts_with("1 runs removed"));
    assert!(!violated.exists() && newest.exists(), "latest leads somewhere");
}

/// Three cells that want the same cluster, each a run of its own.
#[cfg(feature = "kafka")]
const OF_KAFKA: &str = "[defaults]\ntimings = \"short\"\nrate = 100\n\n[[cell]]\nid = \"a\"\nsystem = \"kafka\"\npreset = [\"safe\", \"fast\", \"default\"]\nfaults = \"kill:leader@2s+4s\"\nalone = true\nexpect = { integrity = \"holds\" }\n";

#[cfg(feature = "kafka")]
#[test]
fn a_cluster_serves_several_cells_and_goes_with_a_matrix_that_is_killed() {
    if !common::can_run("kafka") {
        return;
    }
    let _turn = common::one_cluster();
    let directory = tempfile::tempdir().unwrap();
    let (file, out) = (directory.path().join("kafka.toml"), out(directory.path()));
    fs::write(&file, OF_KAFKA).unwrap();
    let mut running = common::running::start("matrix", &[file.to_str().unwrap()], &out);
    running.wait_for_line("[2 of 3");
    let before = Matrix::read(&out).unwrap();
    let manifest = |attempt: usize| -> serde_json::Value {
        let run = out.join(before.attempts[attempt].run.as_ref().unwrap());
        serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap()
    };
    assert_eq!(manifest(1)["cluster_of"], manifest(0)["run_id"], "the second run had the cluster of the first");
    assert!(!running.processes(|_| true).is_empty());
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    // What was in it ends with it; the kernel takes its time.
    while !running.processes(|_| true).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let resumed = matrix(&file, &["--out", out.to_str().unwrap(), "--resume", "--quiet"]);
    let after = Matrix::read(&out).unwrap();
    assert!(
        after.ended && after.results.iter().all(|result| result.status == CellStatus::Agreed),
        "{}",
        told(&resumed)
    );
    assert_eq!(resumed.status.code(), Some(0));
    assert_eq!(after.attempts[..2], before.attempts[..]);
    let left = fs::read_dir(out.join("runs")).unwrap().flatten();
    let clusters = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(".cluster-")).count();
    assert_eq!(clusters, 0, "that of the matrix that was killed is gone, too");
}

/// The disk of the runs is a small one of its own; the mount is of another mount namespace, which ends with the command.
#[test]
fn a_full_disk_is_that_cells_trouble_and_nothing_recorded_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let rows = [
        cell("small", "\"exactly-once\"", "expect = { durability = \"holds\" }"),
        cell("big", "\"exactly-once\"", "rate = 2000\nduration = \"120s\"\nexpect = { durability = \"holds\" }"),
    ];
    let (file, out) = (file(directory.path(), &rows), out(directory.path()));
    fs::create_dir_all(out.join("runs")).unwrap();
    let script = "mount -t tmpfs -o size=24m tmpfs \"$1/runs\" && exec \"$3\" matrix \"$2\" --out \"$1\" --retries 0";
    let output = std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", script, "sh"])
        .args([&out, &file])
        .arg(env!("CARGO_BIN_EXE_verify"))
        .output()
        .unwrap();
    if output.status.code() == Some(1) {
        let required = std::env::var("VERIFY_REQUIRE").is_ok_and(|required| !required.is_empty());
        assert!(!required, "VERIFY_REQUIRE is set, but there is no small file system to fill: {}", told(&output));
        println!("skipped: user namespaces are not permitted here, so there is no small file system to fill");
        return;
    }
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let journal = Matrix::read(&out).unwrap();
    let statuses: Vec<CellStatus> = journal.results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [CellStatus::Agreed, CellStatus::Inconclusive]);
    assert!(journal.ended && journal.results[1].reasons[0].contains("the disk is full"), "{:?}", journal.results[1]);
}
