//! Many simulated runs at once, faults drawn from seeds, and failing schedules made smaller.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{document, latest, run, told, verify};
use serde_json::Value;

/// Standard output without what differs from run to run.
fn printed(output: &std::process::Output, out: &Path) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap().replace(&out.display().to_string(), "OUT");
    let steady = |line: &str| match (line.split_once(" · took "), line.find("OUT/")) {
        (Some((before, _)), _) => format!("{before} · took TIME"),
        (None, Some(at)) => format!("{}OUT/RUN", &line[..at]),
        (None, None) => line.to_owned(),
    };
    text.lines().map(|line| steady(line) + "\n").collect()
}

fn directories(out: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(out).map_or_else(|_| Vec::new(), |entries| entries.map(Result::unwrap).collect());
    entries.into_iter().map(|entry| entry.path()).filter(|path| !path.is_symlink()).collect()
}

#[test]
fn every_preset_keeps_its_promises_in_every_seed_and_leaves_no_file() {
    let out = tempfile::tempdir().unwrap();
    let runs = out.path().join("runs");
    let output = run(&["pubsub", "--seeds", "0..6", "--faults", "netsplit", "--rate", "40"], &runs);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    insta::assert_snapshot!("promises-in-every-seed", printed(&output, &runs));
    assert!(directories(&runs).is_empty(), "{:?}", directories(&runs));
}

#[test]
fn a_seed_that_fails_is_told_left_and_reproduced_by_the_command_it_names() {
    let out = tempfile::tempdir().unwrap();
    let args = ["pubsub", "--seeds", "3..5", "--faults", "kill", "--preset", "exactly-once", "--rate", "40"];
    let explored = run(&[&args[..], &["--require", "durability", "--json"]].concat(), out.path());
    assert_eq!(explored.status.code(), Some(1), "{}", told(&explored));
    let document = document(&explored);
    let failing = document["failing"].as_array().unwrap();
    assert_eq!(failing.len(), 2, "{document:#}");
    assert_eq!(directories(out.path()).len(), 2);
    let command = failing[0]["command"].as_str().unwrap().strip_prefix("verify ").unwrap().to_owned();
    let words: Vec<&str> = command.split(' ').collect();
    let again = run(&words, &out.path().join("again"));
    assert_eq!(again.status.code(), Some(1), "{}", told(&again));
    let history = |run_dir: &Path| fs::read(run_dir.join("history/runner.events")).unwrap();
    let left = Path::new(failing[0]["run_dir"].as_str().unwrap());
    assert!(history(left) == history(&latest(&out.path().join("again"))), "the command runs the very seed again");
}

#[test]
fn the_same_seed_draws_the_same_faults_and_says_which() {
    let out = tempfile::tempdir().unwrap();
    let args = ["pubsub", "--faults", "random", "--seed", "12", "--rate", "20", "--preset", "at-most-once"];
    let drawn = |runs: &str| {
        let output = run(&[&args[..], &["--require", "none"]].concat(), &out.path().join(runs));
        let stderr = String::from_utf8(output.stderr).unwrap();
        let schedule: String = stderr
            .lines()
            .take_while(|line| !line.starts_with('[') || *line == "[[fault]]")
            .map(|line| line.to_owned() + "\n")
            .collect();
        schedule
    };
    let first = drawn("first");
    assert_eq!(first, drawn("second"));
    insta::assert_snapshot!("drawn-from-a-seed", first);
}

#[test]
fn a_failing_schedule_shrinks_to_what_breaks_the_promise() {
    let out = tempfile::tempdir().unwrap();
    let faults = "netsplit:minority@2s+4s,kill:leader@7s+4s,loss:nodes=60@12s+2s";
    let args = ["pubsub", "--faults", faults, "--duration", "15s", "--rate", "20", "--seed", "4", "--set", "nodes=3"];
    let failed = run(&[&args[..], &["--preset", "exactly-once"]].concat(), out.path());
    assert_eq!(failed.status.code(), Some(1), "{}", told(&failed));
    let shrunk = verify().args(["shrink"]).arg(latest(out.path())).arg("--out").arg(out.path()).output().unwrap();
    assert_eq!(shrunk.status.code(), Some(0), "{}", told(&shrunk));
    insta::assert_snapshot!("shrunk", printed(&shrunk, out.path()));
    let manifest: Value = serde_json::from_slice(&fs::read(latest(out.path()).join("run.json")).unwrap()).unwrap();
    let left: Vec<&Value> = manifest["faults"].as_array().unwrap().iter().map(|fault| &fault["fault"]).collect();
    assert_eq!(left, ["kill"]);
    let check = verify().arg("check").arg(latest(out.path())).output().unwrap();
    assert_eq!(check.status.code(), Some(1), "the smallest run still fails: {}", told(&check));
}

#[test]
fn what_cannot_be_explored_or_shrunk_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let refused = |args: &[&str]| {
        let output = verify().args(args).arg("--out").arg(out.path().join("none")).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        String::from_utf8(output.stderr).unwrap()
    };
    insta::assert_snapshot!(refused(&["pubsub", "--seeds", "9..3"]));
    insta::assert_snapshot!(refused(&["pubsub", "--faults", "stop:leader"]));
    insta::assert_snapshot!(refused(&["pubsub", "--faults", "kill:consumer"]));
    insta::assert_snapshot!(refused(&["pubsub", "--faults", "netsplit:controller"]));
    insta::assert_snapshot!(refused(&["pubsub", "--faults", "netsplit:ring", "--set", "cluster.nodes=3"]));
    run(&["pubsub", "--duration", "2s", "--rate", "20"], &out.path().join("calm"));
    let calm = latest(&out.path().join("calm"));
    insta::assert_snapshot!(refused(&["shrink", calm.to_str().unwrap()]));
}
