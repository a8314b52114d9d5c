//! A Kafka cluster whose nodes lose their power.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::running::start;
use common::{can_run, count, document, guarantee, lane, one_cluster, run, told, verify};

/// Whether this machine has disks that forget; says why not. With `VERIFY_REQUIRE=fuse` a machine without fails.
fn has_disks() -> bool {
    let doctor = verify().args(["doctor", "kafka"]).output().unwrap();
    let lacks =
        told(&doctor).lines().find(|line| line.starts_with("absent ") && line.contains("FUSE")).map(str::to_owned);
    let required = std::env::var("VERIFY_REQUIRE").is_ok_and(|required| required.contains("fuse"));
    assert!(lacks.is_none() || !required, "VERIFY_REQUIRE asks for fuse: {lacks:?}");
    if let Some(lacks) = &lacks {
        println!("skipped: {lacks}");
    }
    lacks.is_none()
}

#[test]
fn a_cluster_that_loses_its_power_loses_what_it_acked_and_did_not_flush() {
    if !can_run("kafka") || !has_disks() {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let arguments = ["kafka", "--preset", "safe", "--faults", "power-loss:all@3s+3s", "--rate", "200", "--json"];
    let output = run(&arguments, out.path());
    let document = document(&output);
    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["healed"] == true, "{fault:#}");
    assert!(fault["writes_lost"]["writes"].as_u64().unwrap() > 100, "{fault:#}");
    let safe = lane(&document, "safe");
    assert!(count(safe, "lost") > 100, "{safe:#}");
    assert_eq!(guarantee(safe, "durability").0, "violated");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
}

#[test]
fn a_sigkill_while_the_power_is_off_leaves_nothing_behind() {
    if !can_run("kafka") || !has_disks() {
        return;
    }
    let _turn = one_cluster();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let out = tempfile::tempdir().unwrap();
    let faults = ["--preset", "safe", "--faults", "power-loss:leader@1s+5s", "--rate", "200"];
    let mut running = start("kafka", &faults, out.path());
    running.wait_for("fault");
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while !running.processes(|_| true).is_empty() {
        assert!(Instant::now() < until, "processes {:?} are still there", running.processes(|_| true));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts);
}
