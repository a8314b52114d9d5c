//! Schedules in files, and runs that are played again.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{document, latest, run, told, verify};

pub(crate) fn histories(run_dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(run_dir.join("history")).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn a_run_is_played_again_byte_for_byte() {
    let out = tempfile::tempdir().unwrap();
    let args =
        ["pubsub", "--faults", "netsplit:flap@2s+4s,netsplit:minority", "--preset", "at-least-once", "--seed", "5"];
    let first = run(&[&args[..], &["--require", "none", "--rate", "100"]].concat(), &out.path().join("first"));
    let recorded = latest(&out.path().join("first"));
    let again = verify().arg("replay").arg(&recorded).arg("--out").arg(out.path().join("again")).output().unwrap();
    assert_eq!(first.status.code(), again.status.code(), "{}", told(&again));
    assert!(
        String::from_utf8_lossy(&again.stderr).contains("the history is the recorded one, byte for byte"),
        "{}",
        told(&again)
    );
    let replayed = latest(&out.path().join("again"));
    assert!(histories(&recorded) == histories(&replayed));
    let manifest = |run_dir: &Path| -> serde_json::Value {
        serde_json::from_slice(&fs::read(run_dir.join("run.json")).unwrap()).unwrap()
    };
    assert_eq!(manifest(&recorded)["faults"], manifest(&replayed)["faults"]);
    assert_ne!(manifest(&recorded)["run_id"], manifest(&replayed)["run_id"]);
}

#[test]
fn a_replay_hits_whom_the_run_hit_and_not_who_holds_the_role() {
    let out = tempfile::tempdir().unwrap();
    run(&["pubsub", "--faults", "netsplit@2s+4s", "--duration", "8s", "--seed", "5", "--rate", "50"], out.path());
    let recorded = latest(out.path());
    // As if n3 had been the one that led when the fault began.
    let text = fs::read_to_string(recorded.join("run.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    manifest["faults"][0]["targets"] = serde_json::json!([3]);
    manifest["faults"][0]["cut"] = serde_json::json!([[3, 1], [1, 3], [3, 2], [2, 3], [3, 4], [4, 3], [3, 5], [5, 3]]);
    manifest["faults"][0]["sides"] = serde_json::json!([[3], [1, 2, 4, 5]]);
    fs::write(recorded.join("run.json"), manifest.to_string()).unwrap();
    let again = verify().arg("replay").arg(&recorded).args(["--json", "--out"]).arg(out.path()).output().unwrap();
    let document = document(&again);
    assert_eq!(document["faults"][0]["target"], serde_json::json!(["n3"]), "{}", told(&again));
    assert_eq!((&document["faults"][0]["bit"], &document["faults"][0]["noticed"]), (&true.into(), &true.into()));
}

#[test]
fn the_schedule_a_run_leaves_makes_the_same_run() {
    let out = tempfile::tempdir().unwrap();
    let common = ["pubsub", "--seed", "9", "--rate", "50", "--duration", "9s"];
    let typed = run(&[&common[..], &["--faults", "netsplit@2s+4s"]].concat(), &out.path().join("typed"));
    let file = latest(&out.path().join("typed")).join("schedule.toml");
    insta::assert_snapshot!("schedule-of-a-run", fs::read_to_string(&file).unwrap());
    let read =
        run(&["pubsub", "--seed", "9", "--rate", "50", "--schedule", file.to_str().unwrap()], &out.path().join("read"));
    assert_eq!(typed.status.code(), read.status.code(), "{}", told(&read));
    assert!(histories(&latest(&out.path().join("typed"))) == histories(&latest(&out.path().join("read"))));
}

#[test]
fn a_mistake_in_a_schedule_is_refused_with_its_place() {
    let out = tempfile::tempdir().unwrap();
    let refused = |text: &str| {
        fs::write(out.path().join("cuts.toml"), text).unwrap();
        let output =
            verify().current_dir(&out).args(["pubsub", "--schedule", "cuts.toml", "--out", "runs"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(!out.path().join("runs").exists());
        String::from_utf8(output.stderr).unwrap()
    };
    insta::assert_snapshot!(refused("[[fault]]\nkind = \"netsplit\"\nshape = \"leeder\"\n"));
    insta::assert_snapshot!(refused("[[fault]]\nkind = \"netsplit\"\nstrat = \"5s\"\n"));
    insta::assert_snapshot!(refused("[[fault]]\nkind = \"netsplit\"\nstart = \"5 parsecs\"\n"));
    insta::assert_snapshot!(refused("[[fault]\n"));
}
