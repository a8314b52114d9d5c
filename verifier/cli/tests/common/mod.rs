//! What the command-line tests share.
#![allow(dead_code)]

pub(crate) mod running;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

/// One cluster at a time: the machine may be small.
static ONE_CLUSTER: Mutex<()> = Mutex::new(());

/// Waits for the machine's turn.
pub(crate) fn one_cluster() -> MutexGuard<'static, ()> {
    ONE_CLUSTER.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The program, with nothing of the caller's terminal.
pub(crate) fn verify() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str], out: &Path) -> Output {
    verify().args(arguments).arg("--out").arg(out).output().unwrap()
}

/// Exit code, standard output and standard error in one text, for messages.
pub(crate) fn told(output: &Output) -> String {
    format!(
        "exit {:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The JSON document a run printed.
pub(crate) fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(output)))
}

/// A lane of the document.
pub(crate) fn lane<'a>(document: &'a Value, name: &str) -> &'a Value {
    let lanes = document["lanes"].as_array().unwrap();
    lanes.iter().find(|lane| lane["lane"] == name).unwrap_or_else(|| panic!("no lane {name} in {document:#}"))
}

/// How many findings of a kind a lane has.
pub(crate) fn count(lane: &Value, kind: &str) -> u64 {
    let findings = lane["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["kind"] == kind).map_or(0, |finding| finding["count"].as_u64().unwrap())
}

/// A lane's verdict on a guarantee, and its reason.
pub(crate) fn guarantee<'a>(lane: &'a Value, name: &str) -> (&'a str, &'a str) {
    let guarantees = lane["guarantees"].as_array().unwrap();
    let judged = guarantees.iter().find(|judged| judged["name"] == name);
    let judged = judged.unwrap_or_else(|| panic!("{name} is not judged in {lane:#}"));
    (judged["verdict"].as_str().unwrap(), judged["reason"].as_str().unwrap_or_default())
}

/// The newest run under `out`.
pub(crate) fn latest(out: &Path) -> PathBuf {
    out.join("latest").canonicalize().unwrap()
}

/// Whether this machine can run a system; says why not. Where `VERIFY_REQUIRE` names it (`kafka,rabbitmq`), a machine
/// that cannot fails the test instead.
pub(crate) fn can_run(system: &str) -> bool {
    let doctor = verify().args(["doctor", system]).output().unwrap();
    if doctor.status.success() {
        return true;
    }
    let required = std::env::var("VERIFY_REQUIRE").is_ok_and(|required| required.split(',').any(|name| name == system));
    assert!(!required, "VERIFY_REQUIRE names {system}, but this machine cannot run it: {}", told(&doctor));
    println!("skipped: this machine cannot run {system}: {}", told(&doctor));
    false
}
