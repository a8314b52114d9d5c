//! An event file as a crash, a full disk or somebody else may leave it.
#![no_main]

use std::cell::OnceCell;
use std::fs;

use delivery_checks::judge;
use delivery_history::{History, RunDir};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

thread_local! {
    static RUN: OnceCell<(TempDir, RunDir)> = const { OnceCell::new() };
}

fn run() -> (TempDir, RunDir) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let run = RunDir::create(directory.path(), "fuzz").expect("a run directory can be made");
    fs::write(run.path().join("run.json"), include_str!("../run.json")).expect("the manifest can be written");
    (directory, run)
}

fuzz_target!(|bytes: &[u8]| {
    RUN.with(|kept| {
        let (_, run) = kept.get_or_init(run);
        fs::write(run.event_path("safe-producer-1"), bytes).expect("the file can be written");
        if let Ok(history) = History::open(run) {
            let _ = judge(&history.view());
        }
    });
});
