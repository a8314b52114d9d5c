//! Faults of the machine: what shows that a disk was full or slow, and that nodes were restarted one after the other.

mod common;

use common::*;
use delivery_checks::judgement::{Guarantee, Verdict};
use delivery_history::event::ProcessState;
use delivery_history::manifest::{BiteProof, Fault};
use delivery_history::{Event, EventKind};

/// A scene whose one fault hits the machine of these nodes, and of which nothing was seen yet.
fn hit(fault: &str, bites_by: BiteProof, targets: &[u32]) -> Scene {
    let mut scene = Scene::log();
    scene.manifest.faults[0] = Fault {
        fault: fault.to_owned(),
        shape: String::from("leader"),
        targets: targets.to_vec(),
        cut: Vec::new(),
        full_cut: false,
        sides: Vec::new(),
        bites_by,
        gray: true,
        ..cut()
    };
    scene
        .without
        .push(|event| event.kind == EventKind::FaultDropped as u8 || event.kind == EventKind::FaultCrossed as u8);
    scene
}

fn looks() -> impl Iterator<Item = u64> {
    (FAULT_MS + 100..=HEAL_MS).step_by(100)
}

fn see(scene: &mut Scene, at_ms: u64, kind: EventKind, node: u32, what: u64) {
    let seen = Event::new(kind).detail(0).offset(what).message(node, u32::MAX);
    scene.extra.push((RUNNER, at(seen, at_ms)));
}

fn durability(scene: &Scene) -> (Verdict, String) {
    let lane = scene.lane();
    (verdict(&lane, Guarantee::Durability), reason(&lane, Guarantee::Durability))
}

fn is_open(scene: &Scene, why: &str) {
    let (verdict, reason) = durability(scene);
    assert_eq!(verdict, Verdict::Inconclusive, "{reason}");
    assert!(reason.contains(why), "{reason}");
    assert!(!scene.judge().faults[0].bit);
}

/// n2's disk was full but at one of so many looks, and n2 ended after a second where it `ended`.
fn full(but_one_of: usize, ended: bool) -> Scene {
    let mut scene = hit("disk-full", BiteProof::DiskFull, &[2]);
    for (look, at_ms) in looks().enumerate() {
        let free = if look % but_one_of == 1 { 8_192 } else { 4_095 };
        see(&mut scene, at_ms, EventKind::DiskFree, 2, free);
        let gone = ended && at_ms > FAULT_MS + 1_000;
        let state = if gone { ProcessState::Gone } else { ProcessState::Running };
        see(&mut scene, at_ms, EventKind::ProcessState, 2, state as u64);
    }
    scene
}

fn alarm(scene: &mut Scene, at_ms: u64) {
    let told = Event::new(EventKind::ObservedAlarms).offset(1).message(1, u32::MAX);
    scene.extra.push((OBSERVER, at(told, at_ms)));
}

#[test]
fn a_disk_that_was_full_and_ended_its_node_bit() {
    let scene = full(20, true);
    assert_eq!(durability(&scene).0, Verdict::Holds);
    let fault = &scene.judge().faults[0];
    let looks = fault.looks.clone().unwrap();
    assert_eq!((looks.expected.as_str(), looks.as_expected, looks.of), ("full", 142, 150));
    assert!(fault.bit && fault.noticed && fault.healed);
    assert_eq!(fault.evidence[0], "n2 had ended by itself after 1.1 s");
}

#[test]
fn a_disk_that_had_space_at_more_than_one_of_ten_looks_was_not_full() {
    is_open(&full(9, true), "the disk of n2 was full at 133 of 150 looks during disk-full@4s+15s: not throughout");
    let mut scene = full(20, true);
    scene.extra.retain(|(_, event)| event.kind != EventKind::DiskFree as u8);
    is_open(&scene, "nobody looked whether the disk of n2 was full");
}

#[test]
fn a_full_disk_that_nobody_wanted_shows_nothing_unless_an_alarm_is_raised() {
    let mut scene = full(20, false);
    is_open(&scene, "n2 neither ended nor raised an alarm during disk-full@4s+15s");
    scene.noticed = false;
    alarm(&mut scene, FAULT_MS + 600);
    assert_eq!(durability(&scene).0, Verdict::Holds, "the alarm is notice, too");
    let fault = &scene.judge().faults[0];
    assert_eq!(fault.evidence[0], "n1 told of a resource alarm after 0.6 s");
    alarm(&mut scene, FAULT_MS - 1_200);
    is_open(&scene, "n2 neither ended nor raised an alarm");
}

/// n2's disk held up one write or sync more at each look before `until_ms`.
fn slow(until_ms: u64) -> Scene {
    let mut scene = hit("slow-disk", BiteProof::DiskSlow, &[2]);
    let mut held = 0;
    for at_ms in looks() {
        held += u64::from(at_ms <= until_ms);
        see(&mut scene, at_ms, EventKind::OperationsHeld, 2, held);
    }
    scene
}

#[test]
fn a_slow_disk_bit_where_it_held_something_up_throughout() {
    let scene = slow(HEAL_MS);
    assert_eq!(durability(&scene).0, Verdict::Holds);
    assert_eq!(scene.judge().faults[0].operations_held, Some([50, 50, 50]));
    is_open(&slow(FAULT_MS + 9_000), "did not hold up n2 throughout: 50, 40 and 0 writes and syncs");
    is_open(&slow(0), "slow-disk@4s+15s held up no write or sync of n2: there was nothing to bite");
}

#[test]
fn sends_that_take_longer_show_a_slow_disk_that_nothing_else_shows() {
    let mut scene = slow(HEAL_MS);
    scene.noticed = false;
    let told = |streams: &[Vec<Event>]| judge_streams(&scene.manifest, streams, &[], &[]).faults[0].evidence.clone();
    let takes_longer = |evidence: &[String]| evidence.iter().any(|line| line.starts_with("half of the sends of"));
    assert!(!takes_longer(&told(&scene.streams())));
    // Every ack of the fault's time comes 600 ms later.
    let mut streams = scene.streams();
    for stream in &mut streams[usize::from(P0)..=usize::from(P1)] {
        let late = |event: &Event| {
            let during = START_MS + FAULT_MS..START_MS + HEAL_MS;
            event.kind == EventKind::SendAcked as u8 && during.contains(&(event.time_ns / 1_000_000))
        };
        stream.iter_mut().filter(|event| late(event)).for_each(|event| event.time_ns += 600_000_000);
        stream.sort_by_key(|event| event.time_ns);
    }
    assert!(takes_longer(&told(&streams)), "{:?}", told(&streams));
}

/// Each node is gone for these looks, by number from the start of the fault.
fn restarted(gone: [std::ops::Range<usize>; 3]) -> Scene {
    let mut scene = hit("restart", BiteProof::ProcessRestarted, &[1, 2, 3]);
    for (look, at_ms) in looks().enumerate() {
        for (node, gone) in (1..).zip(&gone) {
            let state = if gone.contains(&look) { ProcessState::Gone } else { ProcessState::Running };
            see(&mut scene, at_ms, EventKind::ProcessState, node, state as u64);
        }
    }
    scene
}

#[test]
fn nodes_that_were_gone_and_came_back_one_after_the_other_were_restarted() {
    let scene = restarted([10..12, 50..51, 90..95]);
    assert_eq!(durability(&scene).0, Verdict::Holds);
    let fault = &scene.judge().faults[0];
    assert_eq!((fault.restarted, fault.looks.as_ref()), (Some(3), None));
    assert_eq!(fault.evidence[0], "n1 had ended after 1.1 s");
}

#[test]
fn a_turn_that_did_not_come_or_did_not_end_keeps_the_verdict_open() {
    is_open(&restarted([10..12, 50..51, 0..0]), "n3 was never seen gone during restart@4s+15s");
    is_open(&restarted([10..12, 50..51, 90..150]), "n3 was not seen to come back during restart@4s+15s");
    is_open(&restarted([10..60, 50..51, 90..95]), "n1 and n2 were gone at once during restart@4s+15s");
}

/// n2's clock was set an hour ahead, and is read back twice a second until `until_ms`, `off_ms` off what it was set.
fn jumped(until_ms: u64, off_ms: i64) -> Scene {
    let mut scene = hit("clock", BiteProof::ClockShifted, &[2]);
    let hour_ms = 3_600_000_i64;
    for at_ms in looks() {
        see(&mut scene, at_ms, EventKind::ClockSet, 2, hour_ms.cast_unsigned());
    }
    for at_ms in (500..until_ms).step_by(500) {
        let ahead_ms = if at_ms > FAULT_MS { hour_ms + off_ms } else { 20 };
        let told = Event::new(EventKind::ObservedClock).offset(ahead_ms.cast_unsigned()).message(2, u32::MAX);
        scene.extra.push((OBSERVER, at(told, at_ms)));
    }
    scene
}

#[test]
fn a_clock_that_was_read_back_as_it_was_set_went_wrong_and_is_notice_enough() {
    let mut scene = jumped(LOAD_MS, 400);
    scene.noticed = false;
    assert_eq!(durability(&scene).0, Verdict::Holds);
    let fault = &scene.judge().faults[0];
    assert!(fault.bit && fault.noticed, "{:?}", fault.reasons);
    assert_eq!(fault.evidence[0], "n2 went by a clock that was 3600.4 s ahead in the end");
}

#[test]
fn a_clock_that_nobody_read_back_or_that_did_not_go_as_it_was_set_shows_nothing() {
    is_open(&jumped(FAULT_MS + 6_000, 0), "the clock of n2 was not read back throughout clock@4s+15s");
    is_open(&jumped(LOAD_MS, -3_600_000), "the clock of n2 was -20 ms off and had been set 3600000 ms off");
}
