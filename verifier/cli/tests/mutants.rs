//! `verify mutants` from the command line.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{document, told, verify};
use delivery_checks::{FindingKind, Options};
use delivery_mutants::{Nature, Outcome, Totals};
use delivery_verifier::mutants::{document as json, outcomes, text};
use delivery_verifier::systems;

fn outcomes_without(kinds: &[FindingKind]) -> Vec<Outcome> {
    outcomes(&Options { without: kinds.to_vec(), ..Options::default() }).unwrap()
}

#[test]
fn every_row_agrees_and_the_table_says_so() {
    let output = verify().arg("mutants").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    // Other adapters bring rows of their own.
    if cfg!(feature = "kafka") {
        insta::assert_snapshot!("mutants", table);
    }
}

#[test]
fn the_document_counts_what_the_table_counts() {
    let output = verify().args(["mutants", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let document = document(&output);
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(document["agreed"], true);
    assert_eq!(document["totals"]["rows"], rows.len());
    assert!(document["totals"]["caught"].as_u64().unwrap() >= 25, "{}", document["totals"]);
    let lost = rows.iter().find(|row| row["row"] == "log/lost").unwrap();
    insta::assert_snapshot!("mutants-row", format!("{lost:#}"));
}

#[test]
fn there_is_a_correct_row_for_each_preset_of_each_system_and_no_name_twice() {
    let rows = delivery_mutants::rows(systems::ALL).unwrap();
    let correct: BTreeSet<&str> =
        rows.iter().filter(|row| row.nature == Nature::Correct).map(|row| row.name.as_str()).collect();
    for info in systems::ALL.iter().map(|system| system.info()) {
        for preset in info.presets {
            let name = format!("{}/{}", info.name, preset.name);
            assert!(correct.contains(name.as_str()), "no correct row for {name}");
        }
    }
    assert_eq!(rows.iter().map(|row| &row.name).collect::<BTreeSet<_>>().len(), rows.len());
    assert!(rows.iter().filter(|row| row.nature == Nature::Broken).count() >= 25);
}

#[test]
fn a_check_that_misses_something_is_told_by_row() {
    let outcomes = outcomes_without(&[FindingKind::Disagreement]);
    let totals = Totals::of(&outcomes);
    assert!(!totals.all_agreed() && totals.missed == 4 && totals.false_alarms == 0, "{totals:?}");
    let table = text(&outcomes, &totals);
    let told: Vec<&str> = table.lines().skip_while(|line| !line.contains("does not agree")).collect();
    insta::assert_snapshot!("mutants-missed", told.join("\n"));
    let document = json(&outcomes, &totals);
    assert_eq!((&document["agreed"], &document["totals"]["missed"]), (&false.into(), &4.into()));
}
