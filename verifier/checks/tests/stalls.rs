//! Stalls that show a fault, and stalls of another one that must not.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use delivery_checks::judgement::FaultJudgement;
use delivery_history::manifest::Fault;

/// A gray fault of the leader from one moment to another, which bites.
fn gray(name: &str, from_ms: u64, to_ms: u64) -> Fault {
    Fault {
        fault: name.to_owned(),
        start_ms: from_ms,
        duration_ms: to_ms - from_ms,
        sides: Vec::new(),
        full_cut: false,
        gray: true,
        ..cut()
    }
}

/// A run in which nobody tells of anything, with these faults, and no ack in these stretches.
fn scene(faults: Vec<Fault>, silent_ms: &[(u64, u64)]) -> Scene {
    let mut scene = Scene::log();
    scene.noticed = false;
    scene.dropped_until_ms = LOAD_MS;
    scene.manifest.faults = faults;
    for message in &mut scene.messages {
        let is_silent = silent_ms.iter().any(|(from_ms, to_ms)| (*from_ms..*to_ms).contains(&message.sent_ms));
        message.ended = if is_silent { Ended::Unknown } else { Ended::Acked(2) };
    }
    scene.store_what_was_taken();
    scene
}

/// What is said of the last fault.
fn last(faults: Vec<Fault>, silent_ms: &[(u64, u64)]) -> FaultJudgement {
    scene(faults, silent_ms).judge().faults.pop().unwrap()
}

#[test]
fn a_stall_of_its_own_shows_a_fault_whatever_an_earlier_one_did() {
    let earlier = || gray("netsplit", 4_000, 8_000);
    let told = last(vec![earlier(), gray("slow-disk", 14_000, 22_000)], &[(4_100, 8_100), (15_000, 19_500)]);
    assert!(told.bit && told.noticed, "{:?}", told.reasons);
    assert_eq!(told.evidence, ["safe got no ack for 4.5 s"]);
    // Four and a half seconds are no three times four: with the earlier stall, nothing would stand out.
    let alone = last(vec![gray("slow-disk", 14_000, 22_000)], &[(4_100, 8_100), (15_000, 19_500)]);
    assert!(alone.bit && !alone.noticed, "a lane that waits so long by itself shows nothing: {:?}", alone.evidence);
}

#[test]
fn what_an_earlier_fault_left_shows_no_later_one() {
    let faults = || vec![gray("netsplit", 4_000, 10_000), gray("slow-disk", 12_000, 18_000)];
    // Acks come again after the heal, and then not for as long as they were away: what comes of an end may come late.
    let told = last(faults(), &[(4_100, 10_100), (12_100, 16_000)]);
    assert!(told.bit && !told.noticed, "{:?}", told.evidence);
    // The cut itself lasts into the other's time.
    let overlapping = vec![gray("netsplit", 4_000, 14_000), gray("slow-disk", 5_000, 13_000)];
    let told = last(overlapping, &[(5_100, 12_500)]);
    assert!(told.bit && !told.noticed, "{:?}", told.evidence);
}

#[test]
fn a_stall_counts_that_begins_before_another_fault_does() {
    let faults = vec![gray("netsplit", 14_000, 16_000), gray("slow-disk", 6_000, 18_000)];
    let told = last(faults, &[(7_000, 11_000)]);
    assert!(told.bit && told.noticed, "{:?}", told.reasons);
    assert_eq!(told.evidence, ["safe got no ack for 4.0 s"]);
}

#[test]
fn what_a_lane_waited_for_during_a_fault_that_did_not_bite_it_waits_for_by_itself() {
    let mut scene = scene(
        vec![gray("slow-disk", 14_000, 22_000), gray("netsplit", 4_000, 8_000)],
        &[(4_100, 8_100), (15_000, 19_500)],
    );
    scene.without.push(|event| event.kind == delivery_history::EventKind::FaultDropped as u8 && event.detail == 1);
    let faults = scene.judge().faults;
    assert!(faults[0].bit && !faults[0].noticed, "{:?}", faults[0].evidence);
    assert!(!faults[1].bit && !faults[1].noticed, "{:?}", faults[1].evidence);
}

#[test]
fn a_fault_that_did_not_bite_was_noticed_by_nobody() {
    // The leader moves and acks stay away while it is on; but it dropped nothing.
    let mut scene = scene(vec![gray("loss", FAULT_MS, HEAL_MS)], &[(5_000, 9_000)]);
    scene.noticed = true;
    assert!(scene.judge().faults[0].noticed, "it is noticed where it bites");
    scene.dropped_until_ms = 0;
    let told = scene.judge().faults.pop().unwrap();
    assert!(!told.bit && !told.noticed, "{:?}", told.evidence);
    assert!(!told.evidence.iter().any(|line| line.contains("no ack")), "{:?}", told.evidence);
}
