//! Bad usage, and everything that is printed without a run.
#![allow(clippy::unwrap_used)]

mod common;

use common::{run, told, verify};

/// Standard error of a refused command; nothing may have been started.
fn refused(arguments: &[&str]) -> String {
    let out = tempfile::tempdir().unwrap();
    let output = run(arguments, &out.path().join("runs"));
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(!out.path().join("runs").exists(), "a refused run leaves no directory");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn mistakes_are_refused_with_the_nearest_valid_names() {
    insta::assert_snapshot!(refused(&["pubsub", "--preset", "exactly-onec"]));
    insta::assert_snapshot!(refused(&["pubsub", "--faults", "netsplot"]));
    insta::assert_snapshot!(refused(&["pubsub", "--faults", "netsplit:leeder"]));
    insta::assert_snapshot!(refused(&["pubsub", "--require", "durabilty"]));
    insta::assert_snapshot!(refused(&["pubsub", "--require", "fats:durability"]));
    insta::assert_snapshot!(refused(&["pubsub", "--faults", "netsplit@9s", "--duration", "5s"]));
    insta::assert_snapshot!(refused(&["pubsub", "--rate", "0"]));
    insta::assert_snapshot!(refused(&["pubsub", "--broker-version", "1.2.3"]));
    insta::assert_snapshot!(refused(&["pubsub", "--backend", "local"]));
    insta::assert_snapshot!(refused(&["pubsub", "--set", "bus.retyr.ms=5"]));
}

#[cfg(feature = "kafka")]
#[test]
fn mistakes_with_kafka_are_refused_before_anything_is_looked_for() {
    insta::assert_snapshot!(refused(&["kafka", "--preset", "saef"]));
    insta::assert_snapshot!(refused(&["kafka", "--set", "min.insync.replica=2"]));
    insta::assert_snapshot!(refused(&["kafka", "--set", "producer.enable.idempotence=true", "--set", "acks=1"]));
    insta::assert_snapshot!(refused(&["kafka", "--broker-version", "2.8.0"]));
    insta::assert_snapshot!(refused(&["kafka", "--backend", "simulated"]));
    insta::assert_snapshot!(refused(&["kafka", "--preset", "safe,safe"]));
}

#[test]
fn a_directory_without_a_run_is_refused() {
    let empty = tempfile::tempdir().unwrap();
    let output = verify().arg("check").arg(empty.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no run directory"));
}

#[test]
fn what_there_is_is_listed() {
    for topic in ["presets", "faults", "settings", "guarantees"] {
        let output = verify().args(["list", topic, "pubsub"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        insta::assert_snapshot!(format!("list-{topic}"), String::from_utf8(output.stdout).unwrap());
    }
}

#[cfg(feature = "kafka")]
#[test]
fn what_there_is_for_kafka_is_listed() {
    let output = verify().args(["list", "presets", "kafka"]).output().unwrap();
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn completions_and_the_manual_page_come_from_the_arguments_themselves() {
    let printed = |arguments: &[&str]| String::from_utf8(verify().args(arguments).output().unwrap().stdout).unwrap();
    assert!(printed(&["completions", "bash"]).contains("pubsub"));
    assert!(printed(&["man"]).contains(".TH verify 1"));
}
