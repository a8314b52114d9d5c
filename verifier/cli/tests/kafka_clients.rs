//! What Kafka's clients do to messages, from the command line, against real clusters.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{can_run, count, document, guarantee, one_cluster, run, told};
use serde_json::Value;

/// The first lane whose name begins so: settings follow in it.
fn lane<'a>(document: &'a Value, preset: &str) -> &'a Value {
    let lanes = document["lanes"].as_array().unwrap();
    lanes.iter().find(|lane| lane["lane"].as_str().unwrap().split('+').next() == Some(preset)).unwrap()
}

#[test]
fn what_a_killed_consumer_leaves_depends_on_when_it_commits() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    // Each of two members is given more than it can do, so it always holds something when it is killed; its successor
    // takes over its seat at once.
    let output = run(
        &[
            "kafka",
            "--preset=safe,commit-first,auto-commit",
            "--set=static.membership=true",
            "--set=processing.ms=20",
            "--set=auto.commit.interval.ms=100",
            "--set=partitions=2",
            "--consumers=2",
            "--rate=140",
            "--duration=15s",
            "--faults=kill:consumer@8s+1s*2",
            "--json",
        ],
        out.path(),
    );
    assert_eq!(output.status.code(), Some(0), "nobody promises more: {}", told(&output));
    let document = document(&output);
    for preset in ["safe", "commit-first", "auto-commit"] {
        let lane = lane(&document, preset);
        assert_eq!(count(lane, "lost"), 0, "{lane:#}");
        assert_eq!(count(lane, "commit-lost"), 0, "{lane:#}");
        assert_eq!(guarantee(lane, "durability").0, "holds", "{lane:#}");
        assert!(lane["stats"]["rebalances"]["assigned"].as_u64().unwrap() >= 4, "two successors took over: {lane:#}");
    }
    let safe = lane(&document, "safe");
    assert!(count(safe, "processed-twice") > 0, "{safe:#}");
    assert_eq!((count(safe, "undelivered"), count(safe, "committed-unprocessed")), (0, 0), "{safe:#}");
    assert_eq!(guarantee(safe, "at-least-once").0, "holds");
    assert_eq!(guarantee(safe, "exactly-once").0, "violated");
    let first = lane(&document, "commit-first");
    assert!(count(first, "undelivered") > 0, "{first:#}");
    assert_eq!(count(first, "undelivered"), count(first, "committed-unprocessed"), "{first:#}");
    assert_eq!(count(first, "processed-twice"), 0, "{first:#}");
    assert_eq!(guarantee(first, "at-least-once").0, "violated");
    assert_eq!(guarantee(first, "at-most-once").0, "holds");
    let auto = lane(&document, "auto-commit");
    assert!(count(auto, "undelivered") > 0, "stored when it was handed out: {auto:#}");
    assert_eq!(guarantee(auto, "at-least-once").0, "violated");
}

#[test]
fn what_an_application_sends_again_is_stored_twice_and_is_nobody_elses_fault() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let faults = "--faults=kill:producer@3s+1s*3";
    let arguments = ["kafka", "--preset=resend", faults, "--duration=14s", "--rate=6000", "--json"];
    let output = run(&arguments, out.path());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let document = document(&output);
    let lane = lane(&document, "resend");
    assert!(count(lane, "stored-twice") > 0, "{lane:#}");
    assert_eq!(count(lane, "lost"), 0);
    assert_eq!(lane["stats"]["unknown"], 0, "a successor asked again for what its predecessor never learned: {lane:#}");
    assert_eq!(guarantee(lane, "durability").0, "holds", "{lane:#}");
    assert_eq!(guarantee(lane, "exactly-once").0, "violated");
}

#[test]
fn what_contradicts_itself_starts_nothing() {
    let mut refusals = String::new();
    for arguments in [
        &["--set=group.protocol=share"][..],
        &["--preset=new-groups", "--set=session.timeout.ms=9000"],
        &["--set=partitioner=best"],
        &["--set=resend=2", "--preset=none"],
        &["--set=enable.idempotence=true", "--set=acks=1"],
        &["--set=commit=sometimes"],
    ] {
        let out = tempfile::tempdir().unwrap();
        let output = run(&[&["kafka"][..], arguments].concat(), out.path());
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0, "nothing was started");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        refusals.push_str(&format!("{}\n{}\n", arguments.join(" "), stderr.trim_end()));
    }
    insta::assert_snapshot!(refusals);
}

#[test]
fn a_version_is_refused_what_it_does_not_have() {
    if !can_run("kafka") {
        return;
    }
    // Only a version that is here already can be asked for without a download.
    let known = delivery_verifier::run::cache_dir().join("kafka").join("3.9.1");
    if !known.exists() {
        println!("skipped: Apache Kafka 3.9.1 is not in the cache");
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let output = run(&["kafka", "--preset=new-groups", "--broker-version=3.9.1"], out.path());
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("KIP-848"), "{}", told(&output));
}
