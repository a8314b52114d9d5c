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
    assert!(!requires(system), "VERIFY_REQUIRE names {system}, but this machine cannot run it: {}", told(&doctor));
    println!("skipped: this machine cannot run {system}: {}", told(&doctor));
    false
}

/// Whether this machine can be given a fault that needs something of it; says why not. Where `VERIFY_REQUIRE` has
/// `word` (`fuse`, `clock`, `links`), a machine that cannot fails the test instead.
pub(crate) fn can_have(fault: &str, word: &str) -> bool {
    let doctor = told(&verify().arg("doctor").output().unwrap());
    let is_about = |line: &&str| {
        let faults = line.split_once("for `").and_then(|(_, rest)| rest.split_once("` only"));
        faults.is_some_and(|(faults, _)| faults.split(", ").any(|name| name == fault))
    };
    let line = doctor.lines().find(is_about).unwrap_or_else(|| panic!("doctor says nothing of {fault}: {doctor}"));
    let can = line.starts_with("ok ");
    assert!(can || line.starts_with("absent "), "{line}");
    assert!(can || !requires(word), "VERIFY_REQUIRE names {word}, but this machine cannot give {fault}: {line}");
    if !can {
        println!("skipped: {line}");
    }
    can
}

/// Whether `VERIFY_REQUIRE` has this word.
pub(crate) fn requires(word: &str) -> bool {
    std::env::var("VERIFY_REQUIRE").is_ok_and(|required| required.split(',').any(|name| name == word))
}

/// That a fault of the links bit in every third of its time, was noticed and healed, and did to packets what it says.
pub(crate) fn bit_and_hit(fault: &Value, how: &str) {
    assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");
    assert_eq!(fault["packets_hit"]["how"], how, "{fault:#}");
    let thirds = fault["packets_hit"]["by_third"].as_array().unwrap();
    assert!(thirds.iter().all(|third| third.as_u64().unwrap() > 0), "{fault:#}");
}

/// A clock that goes wrong in every shape, one after the other.
pub(crate) const CLOCKS: &str = "--faults=clock:jump@3s+6s,clock:back@12s+6s,clock:drift@21s+15s,clock:stop@39s+6s";

/// That each of [`CLOCKS`] was read back as it was set, and that the clock went right again: the next one begins there.
pub(crate) fn clocks_went_wrong(document: &Value) {
    let off = [("ahead", 3_598.0..3_602.0), ("behind", 3_598.0..3_602.0), ("ahead", 2.0..5.0), ("behind", 4.0..8.0)];
    let faults = document["faults"].as_array().unwrap();
    assert_eq!(faults.len(), off.len());
    for (fault, (where_to, off_s)) in faults.iter().zip(off) {
        assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");
        assert!(fault["clock_readings"].as_u64().unwrap() >= 6, "{fault:#}");
        let words: Vec<&str> = fault["evidence"][0].as_str().unwrap().split(' ').collect();
        let [.., by_s, _, told, _, _, _] = words[..] else { panic!("{words:?}") };
        assert!(told == where_to && off_s.contains(&by_s.parse::<f64>().unwrap()), "{words:?}");
    }
}
