//! One seed is one history: in one process, across processes, and only for that seed.

use std::process::Command;

use crate::harness::{Bed, Setup};

/// Where a child process is asked to leave its history.
const TRACE_FILE: &str = "VERIFY_TEST_TRACE_FILE";

fn trace(seed: u64) -> Vec<u8> {
    let setup = Setup::tour(seed);
    let mut bed = Bed::start(&setup);
    bed.load(true);
    bed.run_ms(1_000);
    bed.cut_first(setup.nodes);
    bed.run_ms(4_000);
    bed.heal();
    bed.run_ms(2_000);
    bed.finish().bytes()
}

/// Also what the child of the next test runs.
#[test]
fn the_same_seed_gives_the_same_history_again() {
    let first = trace(7);
    assert!(first.len() > 1_000_000, "{}", first.len());
    assert!(first == trace(7), "two runs of one seed differ");
    if let Some(path) = std::env::var_os(TRACE_FILE) {
        std::fs::write(path, first).unwrap();
    }
}

#[test]
fn another_process_writes_the_same_history() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "same_seed::the_same_seed_gives_the_same_history_again"])
        .env(TRACE_FILE, &path)
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert!(std::fs::read(&path).unwrap() == trace(7), "two processes with one seed differ");
}

#[test]
fn different_seeds_give_different_histories() {
    let traces = [trace(1), trace(2), trace(3)];
    assert!(traces[0] != traces[1] && traces[1] != traces[2] && traces[0] != traces[2]);
}
