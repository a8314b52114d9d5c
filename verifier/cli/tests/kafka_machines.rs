//! Kafka clusters whose machines fail: power, disks, clocks, and restarts one after the other.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::running::start;
use common::{
    CLOCKS, can_have, can_run, clocks_went_wrong, count, document, guarantee, lane, latest, one_cluster, run, told,
    verify,
};

#[test]
fn a_cluster_that_loses_its_power_loses_what_it_acked_and_did_not_flush() {
    if !can_run("kafka") || !can_have("power-loss", "fuse") {
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
fn a_sigkill_while_disks_fail_leaves_nothing_behind() {
    if !can_run("kafka") || !can_have("power-loss", "fuse") {
        return;
    }
    let _turn = one_cluster();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let out = tempfile::tempdir().unwrap();
    // Every disk there is, and what each can do, is in force when it happens.
    let faults = "power-loss:leader@1s+9s,slow-disk:follower@1s+9s,disk-full:follower@2s+8s";
    let faults = ["--preset", "safe", "--faults", faults, "--rate", "200"];
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

#[test]
fn slow_and_full_disks_and_a_rolling_restart_are_shown_noticed_and_healed() {
    if !can_run("kafka") || !can_have("power-loss", "fuse") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let faults = "slow-disk:leader=3s~0ms@5s+12s,disk-full:leader@21s+6s,restart:rolling@39s+75s";
    let arguments = ["kafka", "--preset", "safe", "--faults", faults, "--timings", "short", "--rate", "100", "--json"];
    let output = run(&arguments, out.path());
    let document = document(&output);
    let by_hand = document["run"]["by_hand"].to_string();
    let [slow, full, rolling] = &document["faults"].as_array().unwrap()[..] else { panic!("{document:#}") };
    for fault in [slow, full, rolling] {
        assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");
    }
    let held = slow["operations_held"].as_array().unwrap();
    assert!(held.iter().all(|third| third.as_u64().unwrap() > 0), "{slow:#}");
    assert_eq!(full["looks"]["expected"], "full", "{full:#}");
    assert!(by_hand.contains("again, which had ended") && by_hand.contains("disk was full"), "{by_hand}");
    assert_eq!(rolling["restarted"], 3, "{rolling:#}");
    let safe = lane(&document, "safe");
    assert_eq!(count(safe, "lost"), 0);
    assert_eq!(guarantee(safe, "durability").0, "holds", "{safe:#}");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let again = verify().arg("check").arg(latest(out.path())).arg("--json").output().unwrap();
    assert_eq!(common::document(&again), document);
}

/// What the leader stamps messages with is off as its clock was set, in every shape; nothing else need change.
#[test]
fn a_clock_that_goes_wrong_in_any_shape_is_read_back_and_set_right() {
    if !can_run("kafka") || !can_have("clock", "clock") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let output = run(&["kafka", "--preset=safe", CLOCKS, "--rate=100", "--timings=short", "--json"], out.path());
    let document = document(&output);
    clocks_went_wrong(&document);
    let safe = lane(&document, "safe");
    assert_eq!((count(safe, "lost"), count(safe, "undelivered")), (0, 0), "{safe:#}");
    assert_eq!(guarantee(safe, "durability").0, "holds", "{safe:#}");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}
