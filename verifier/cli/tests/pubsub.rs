//! The embedded PubSub from the command line.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{count, document, guarantee, lane, latest, run, told, verify};

fn histories(run_dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(run_dir.join("history")).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn one_seed_is_one_history_in_two_processes_and_another_seed_is_another() {
    let out = tempfile::tempdir().unwrap();
    let recorded = ["7", "7", "8"].map(|seed| {
        let runs = out.path().join(format!("{seed}-{}", fs::read_dir(out.path()).unwrap().count()));
        let output = run(&["pubsub", "--faults", "netsplit", "--seed", seed], &runs);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        histories(&latest(&runs))
    });
    assert!(recorded[0].len() > 20 && recorded[0].values().all(|bytes| bytes.len() > 32));
    assert_eq!(recorded[0].keys().collect::<Vec<_>>(), recorded[1].keys().collect::<Vec<_>>());
    for (name, bytes) in &recorded[0] {
        assert!(recorded[1][name] == *bytes, "{name} differs between two runs of one seed");
    }
    assert!(recorded[0] != recorded[2]);
}

#[test]
fn each_preset_keeps_what_it_promises_under_a_netsplit_and_nothing_more() {
    let out = tempfile::tempdir().unwrap();
    let output = run(&["pubsub", "--faults", "netsplit", "--seed", "7", "--json"], out.path());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let document = document(&output);
    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");

    let at_most_once = lane(&document, "at-most-once");
    assert!(count(at_most_once, "lost") > 100, "{at_most_once:#}");
    assert_eq!(count(at_most_once, "processed-twice"), 0);
    assert_eq!(guarantee(at_most_once, "at-most-once").0, "holds");
    assert_eq!(guarantee(at_most_once, "durability").0, "violated");

    let at_least_once = lane(&document, "at-least-once");
    assert_eq!(count(at_least_once, "lost"), 0);
    assert!(count(at_least_once, "processed-twice") > 0, "{at_least_once:#}");
    assert_eq!(guarantee(at_least_once, "at-least-once").0, "holds");
    assert_eq!(guarantee(at_least_once, "at-most-once").0, "violated");

    let exactly_once = lane(&document, "exactly-once");
    assert_eq!(count(exactly_once, "lost") + count(exactly_once, "processed-twice"), 0);
    assert_eq!(guarantee(exactly_once, "exactly-once").0, "holds");
}

#[test]
fn a_cut_that_nobody_noticed_proves_nothing() {
    let out = tempfile::tempdir().unwrap();
    let output = run(&["pubsub", "--faults", "netsplit@2s+100ms", "--duration", "6s", "--json"], out.path());
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let document = document(&output);
    assert_eq!(document["verdict"], "inconclusive");
    let (verdict, reason) = guarantee(lane(&document, "exactly-once"), "exactly-once");
    assert_eq!(verdict, "inconclusive");
    assert!(!reason.is_empty());
}

#[test]
fn judging_again_gives_the_same_answer() {
    let out = tempfile::tempdir().unwrap();
    let first = run(&["pubsub", "--faults", "netsplit", "--seed", "3", "--json"], out.path());
    let again = verify().arg("check").arg(latest(out.path())).arg("--json").output().unwrap();
    assert_eq!(document(&first), document(&again));
    assert_eq!(first.status.code(), again.status.code());
    let findings = fs::read(latest(out.path()).join("findings.json")).unwrap();
    assert_eq!(findings, first.stdout);
}

#[test]
fn what_is_required_decides_the_exit_code() {
    let out = tempfile::tempdir().unwrap();
    let cut = ["pubsub", "--faults", "netsplit", "--seed", "7", "--preset", "at-most-once"];
    let with = |extra: &[&str]| {
        let output = run(&[&cut[..], extra].concat(), out.path());
        let last = String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned();
        (output.status.code(), last)
    };
    let (code, last) = with(&[]);
    assert_eq!(code, Some(1), "durability is required of a configuration the user chose: {last}");
    assert!(last.starts_with("exit 1: "), "{last}");
    let (code, last) = with(&["--require", "none"]);
    assert_eq!(code, Some(0), "{last}");
    let (code, last) = with(&["--require", "at-most-once:at-most-once"]);
    assert_eq!(code, Some(0), "{last}");
    let check = verify().arg("check").arg(latest(out.path())).args(["--require", "durability"]).output().unwrap();
    assert_eq!(check.status.code(), Some(1));
}

#[test]
fn rows_are_appended_to_a_csv_file() {
    let out = tempfile::tempdir().unwrap();
    let csv = out.path().join("rows.csv");
    for _ in 0..2 {
        let path = csv.to_str().unwrap();
        run(&["pubsub", "--faults", "none", "--duration", "2s", "--csv", path], out.path());
    }
    let text = fs::read_to_string(&csv).unwrap();
    assert_eq!(text.lines().count(), 1 + 2 * 3, "{text}");
}
