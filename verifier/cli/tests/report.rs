//! Published tables from the command line.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{latest, run, told, verify};

/// A short simulated run that loses messages, as documented; returns its directory.
fn lossy(runs: &Path, extra: &[&str]) -> PathBuf {
    let cut = ["pubsub", "--faults", "netsplit@1s+5s", "--duration", "8s", "--seed", "7", "--rate", "50", "--quiet"];
    let lane = ["--preset", "at-most-once", "--set", "cluster.nodes=3"];
    let output = run(&[&cut[..], &lane, extra].concat(), runs);
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", told(&output));
    latest(runs)
}

fn report(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = verify();
    command.args(["report", "--quiet"]);
    for name in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"] {
        command.env_remove(name);
    }
    command.args(arguments.iter().map(|argument| argument.as_ref())).output().unwrap()
}

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn a_run_leaves_its_page_and_judging_it_again_leaves_the_same() {
    let out = tempfile::tempdir().unwrap();
    let run_dir = lossy(out.path(), &["--require", "none"]);
    let page = fs::read_to_string(run_dir.join("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("at-most-once") && page.contains("acked-line"));
    fs::remove_file(run_dir.join("report.html")).unwrap();
    let again = verify().arg("check").arg(&run_dir).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", told(&again));
    assert_eq!(fs::read_to_string(run_dir.join("report.html")).unwrap(), page);
}

#[test]
fn publishing_again_gives_the_same_bytes_and_what_changed_is_told() {
    let out = tempfile::tempdir().unwrap();
    let (runs, results, other) = (out.path().join("runs"), out.path().join("results"), out.path().join("other"));
    let first = lossy(&runs, &["--require", "none"]);
    let output = report(&[&runs, &"--out", &results]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let published = files(&results);
    // The run by itself, and named twice: `latest` is one of the runs, and no run counts twice.
    report(&[&first, &runs, &"--out", &other]);
    assert_eq!(files(&other), published);
    for (name, bytes) in &published {
        let machine = out.path().to_string_lossy();
        assert!(!String::from_utf8_lossy(bytes).contains(&*machine), "{name} says where the runs stood");
    }

    // What was published before may be where the new tables go.
    let unchanged = report(&[&runs, &"--out", &results, &"--since", &results]);
    let text = String::from_utf8(unchanged.stdout.clone()).unwrap();
    assert!(unchanged.status.code() == Some(0) && text.contains("Nothing changed."), "{}", told(&unchanged));
    lossy(&runs, &["--require", "durability"]);
    let worse = report(&[&runs, &"--out", &other, &"--since", &results]);
    let text = String::from_utf8(worse.stdout.clone()).unwrap();
    assert_eq!(worse.status.code(), Some(1), "{}", told(&worse));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("required:durability was not there, is violated"), "{text}");
    assert!(text.ends_with("exit 1: 1 newly violated"), "{text}");
}

#[test]
fn new_runs_go_onto_tables_whose_runs_are_gone() {
    let out = tempfile::tempdir().unwrap();
    let (runs, results, all) = (out.path().join("runs"), out.path().join("results"), out.path().join("all"));
    let first = lossy(&runs, &["--require", "none"]);
    report(&[&runs, &"--out", &results]);
    let new = out.path().join("new");
    lossy(&new, &["--require", "none", "--set", "cluster.nodes=5"]);
    report(&[&runs, &new, &"--out", &all]);
    fs::remove_dir_all(&first).unwrap();
    let output = report(&[&new, &"--onto", &results, &"--out", &results, &"--since", &results]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(files(&results), files(&all));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.starts_with("2 results of 2 runs: 0 violated, 0 inconclusive, 2 as advertised"), "{text}");
    assert!(text.contains("Kept as published before: 1 result.\nNew results (1):"), "{text}");
    // Tables can be written anew without any run.
    report(&[&"--onto", &results, &"--out", &results]);
    assert_eq!(files(&results), files(&all));
    let refused = report(&[&new, &"--onto", &new, &"--out", &results]);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert_eq!(files(&results), files(&all), "nothing is written");
}

#[test]
fn a_run_whose_history_was_thrown_away_is_told_as_it_was_found() {
    let out = tempfile::tempdir().unwrap();
    let (runs, results) = (out.path().join("runs"), out.path().join("results"));
    let run_dir = lossy(&runs, &["--require", "none"]);
    report(&[&runs, &"--out", &results]);
    let whole = files(&results);
    for name in ["history", "logs"] {
        fs::remove_dir_all(run_dir.join(name)).unwrap();
    }
    let output = report(&[&runs, &"--out", &results]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let pruned = files(&results);
    assert_eq!(pruned["pubsub.csv"], whole["pubsub.csv"]);
    assert_eq!(pruned["README.md"], whole["README.md"]);
    assert!(String::from_utf8_lossy(&pruned["index.html"]).contains("The history of this run is not kept"));
    fs::write(run_dir.join("findings.json"), "{").unwrap();
    let output = report(&[&runs, &"--out", &results]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.code() == Some(0) && text.contains("Left out: "), "{}", told(&output));
    assert!(!text.contains(&*out.path().join("runs").to_string_lossy()), "{text}");
}

#[test]
fn github_is_given_a_summary_outputs_and_annotations() {
    let out = tempfile::tempdir().unwrap();
    let (runs, results) = (out.path().join("runs"), out.path().join("results"));
    let (summary, outputs) = (out.path().join("summary.md"), out.path().join("outputs"));
    lossy(&runs, &["--require", "none"]);
    report(&[&runs, &"--out", &results]);
    lossy(&runs, &["--require", "durability"]);
    let mut command = verify();
    command.args(["report", "--quiet"]).arg(&runs).arg("--out").arg(&results).arg("--since").arg(&results);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_OUTPUT", &outputs);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let annotations: Vec<&str> = text.lines().filter(|line| line.starts_with("::error ")).collect();
    assert!(annotations.len() == 1 && annotations[0].contains("required:durability"), "{text}");
    let told = fs::read_to_string(&summary).unwrap();
    assert!(told.contains("### Newly violated (1)") && told.contains("| **at-most-once"), "{told}");
    assert_eq!(fs::read_to_string(&outputs).unwrap(), "changed=true\nnewly-violated=1\n");
}

#[test]
fn directories_without_a_run_and_foreign_places_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&dyn AsRef<std::ffi::OsStr>], problem: &str| {
        let output = report(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(problem), "{}", told(&output));
    };
    let (empty, results) = (out.path().join("empty"), out.path().join("results"));
    fs::create_dir(&empty).unwrap();
    refused(&[&empty, &"--out", &results], "holds no run directory and no matrix");
    refused(&[&out.path().join("missing"), &"--out", &results], "missing");
    assert!(!results.exists(), "nothing is written");
    let runs = out.path().join("runs");
    lossy(&runs, &["--require", "none"]);
    refused(&[&runs, &"--out", &results, &"--since", &empty], "results.json");
    fs::write(empty.join("README.md"), "mine").unwrap();
    refused(&[&runs, &"--out", &empty], "was not written by `verify report`");
}
