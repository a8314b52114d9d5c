//! Runs on containers, from the command line; and what is left of them, which is nothing.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{count, document, guarantee, lane, one_cluster, requires, told, verify};
use serde_json::Value;

/// The vendors' images, or what is laid out like them (`verifier/docker/images/`).
const KAFKA_IMAGE: &str = "apache/kafka:4.1.1";
const RABBITMQ_IMAGE: &str = "rabbitmq:4.0.5";
/// What everything of a run is marked with.
const LABEL: &str = "delivery-verifier.run";

fn run(system: &str, arguments: &[&str], out: &Path) -> Output {
    verify().args([system, "--backend", "docker"]).args(arguments).arg("--out").arg(out).output().unwrap()
}

fn refused(arguments: &[&str], host: Option<&str>) -> (Option<i32>, String) {
    let out = tempfile::tempdir().unwrap();
    let mut command = verify();
    command.args(["kafka", "--backend", "docker"]).args(arguments).arg("--out").arg(out.path().join("runs"));
    if let Some(host) = host {
        command.env("DOCKER_HOST", host);
    }
    let output = command.output().unwrap();
    assert!(!out.path().join("runs/latest").exists(), "nothing is half made: {}", told(&output));
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_engine_that_is_not_there_is_told_with_the_setting_that_names_it() {
    let (code, said) = refused(&[], Some("unix:///nowhere/docker.sock"));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("unix:///nowhere/docker.sock") && said.contains("DOCKER_HOST"), "{said}");
}

#[test]
fn what_containers_do_not_offer_is_bad_usage() {
    let nowhere = Some("unix:///nowhere/docker.sock");
    for (arguments, named) in [
        (&["--image", "a b"][..], "--image"),
        (&["--image", ":4.1.1"], "--image"),
        (&["--faults", "bandwidth"], "bandwidth"),
        (&["--faults", "disk-full"], "disk-full"),
        (&["--keep-data"], "--keep-data"),
        (&["--install-only"], "--install-only"),
        (&["--broker-version", "4.1.1,3.9.1"], "--broker-version"),
    ] {
        let (code, said) = refused(arguments, nowhere);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
    }
    let output = verify().args(["kafka", "--image", "apache/kafka"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
}

/// Whether an engine answers and has the image, or can pull it. Where `VERIFY_REQUIRE` names `docker`, one that has not
/// fails the test.
fn can_run(image: &str) -> bool {
    let has_it = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    if has_it(&["image", "inspect", image]) || has_it(&["pull", "-q", image]) {
        return true;
    }
    assert!(!requires("docker"), "VERIFY_REQUIRE names docker, but there is no engine with the image {image}");
    println!("skipped: no engine answers, or it has no image {image}");
    false
}

/// What of all runs is there: containers, networks and volumes.
fn left() -> String {
    let list = |arguments: &[&str]| {
        let filter = format!("label={LABEL}");
        let output = Command::new("docker").args(arguments).args(["--filter", &filter]).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    [&["ps", "-aq"][..], &["network", "ls", "-q"], &["volume", "ls", "-q"]].map(list).concat()
}

#[test]
fn an_image_that_cannot_be_had_is_told_at_once() {
    if !can_run(KAFKA_IMAGE) {
        return;
    }
    let _turn = one_cluster();
    let (code, said) = refused(&["--image", "localhost:1/no/kafka:4.1.1"], None);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("localhost:1/no/kafka:4.1.1") && said.contains("--image"), "{said}");
    assert_eq!(left(), "");
}

/// The two presets whose verdicts differ, as on the local backend: `fast` loses what only the cut-off leader had.
#[test]
fn a_netsplit_gives_the_verdict_of_the_local_backend_and_leaves_nothing() {
    if !can_run(KAFKA_IMAGE) {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    // As late and at such a rate that clients of cold brokers are not saturated before the cut, which would prove nothing.
    let faults = ["--faults", "netsplit@25s+15s", "--rate", "50"];
    let arguments = [&["--preset", "safe,fast", "--require", "none", "--json", "--quiet"][..], &faults].concat();
    let output = run("kafka", &arguments, out.path());
    let document: Value = document(&output);
    assert_eq!(document["run"]["backend"], "docker", "{}", told(&output));
    assert_eq!(guarantee(lane(&document, "safe"), "durability").0, "holds", "{}", told(&output));
    assert_eq!(guarantee(lane(&document, "fast"), "durability").0, "violated", "{}", told(&output));
    let fault = &document["faults"][0];
    assert_eq!((&fault["bit"], &fault["noticed"]), (&Value::Bool(true), &Value::Bool(true)), "{fault:#}");
    assert_eq!(left(), "");
}

/// What the majority confirmed stays, and the one that was cut off comes back to it.
#[test]
fn a_netsplit_of_quorum_queues_loses_nothing_and_leaves_nothing() {
    if !can_run(RABBITMQ_IMAGE) {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let arguments = ["--preset", "quorum", "--faults", "netsplit+20s", "--timings", "short", "--rate", "50", "--json"];
    let output = run("rabbitmq", &arguments, out.path());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let document: Value = document(&output);
    assert_eq!((&document["run"]["backend"], &document["run"]["broker_version"]), (&"docker".into(), &"4.0.5".into()));
    let quorum = lane(&document, "quorum");
    assert_eq!((count(quorum, "lost"), count(quorum, "undelivered")), (0, 0), "{quorum:#}");
    assert_eq!(guarantee(quorum, "durability").0, "holds", "{quorum:#}");
    let fault = &document["faults"][0];
    assert_eq!((&fault["bit"], &fault["noticed"]), (&Value::Bool(true), &Value::Bool(true)), "{fault:#}");
    assert_eq!(left(), "");
}

#[test]
fn a_run_that_is_killed_leaves_nothing() {
    if !can_run(KAFKA_IMAGE) {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let arguments = ["--backend", "docker", "--preset", "fast", "--faults", "none", "--duration", "60s"];
    let mut running = common::running::start("kafka", &arguments, out.path());
    running.wait_for("baseline");
    assert_ne!(left(), "");
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    while !left().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let judged = verify().arg("check").arg(common::latest(out.path())).args(["--require", "none"]).output().unwrap();
    assert!(judged.status.code().is_some_and(|code| code != 2 && code != 4), "{}", told(&judged));
}

#[test]
fn a_run_that_is_interrupted_is_judged_and_leaves_nothing() {
    if !can_run(KAFKA_IMAGE) {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let arguments = ["--backend", "docker", "--preset", "safe", "--faults", "none", "--duration", "60s", "--json"];
    let mut running = common::running::start("kafka", &arguments, out.path());
    running.wait_for("baseline");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(running.child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let (stdout, code) = running.finish();
    assert!(stdout.contains("\"verdict\""), "exit {code:?}: {stdout}");
    assert_eq!(left(), "");
}
