//! Faults of the network that do more, or other, than drop packets: what shows that they bit.

mod common;

use common::*;
use delivery_checks::judgement::{Guarantee, Verdict};
use delivery_history::manifest::{BiteProof, Fault};
use delivery_history::{Event, EventKind};

/// Number of the runner's stream.
const RUNNER: u16 = 0;
/// Every proof by a count of packets but the plain one, with the event that counts and how it is told.
const PROOFS: [(BiteProof, EventKind, &str); 3] = [
    (BiteProof::PacketsReset, EventKind::FaultReset, "answered with a reset"),
    (BiteProof::PacketsHeldBack, EventKind::FaultHeldBack, "held back"),
    (BiteProof::PacketsDelayed, EventKind::FaultDelayed, "delayed"),
];

/// A scene whose one fault is shown by these counts, one for each third of its time.
fn counted(bites_by: BiteProof, kind: EventKind, by_third: [u64; 3]) -> Scene {
    let mut scene = Scene::log();
    let full_cut = bites_by == BiteProof::PacketsReset;
    scene.manifest.faults[0] = Fault { sides: Vec::new(), full_cut, bites_by, ..cut() };
    scene.without.push(|event| event.kind == EventKind::FaultDropped as u8);
    let third_ms = (HEAL_MS - FAULT_MS) / 3;
    let mut total = 0;
    for (third, count) in (1..).zip(by_third) {
        total += count;
        let event = Event::new(kind).detail(0).offset(total);
        scene.extra.push((RUNNER, at(event, FAULT_MS + third * third_ms - 100)));
    }
    scene
}

fn durability(scene: &Scene) -> (Verdict, String) {
    let lane = scene.lane();
    (verdict(&lane, Guarantee::Durability), reason(&lane, Guarantee::Durability))
}

#[test]
fn what_was_counted_in_every_third_bit() {
    for (proof, kind, how) in PROOFS {
        let scene = counted(proof, kind, [40, 20, 30]);
        assert_eq!(durability(&scene).0, Verdict::Holds, "{how}");
        let judged = scene.judge();
        let fault = &judged.faults[0];
        let hit = fault.packets_hit.clone().unwrap();
        assert_eq!((hit.how.as_str(), hit.count, hit.by_third), (how, 90, [40, 20, 30]));
        assert!(fault.bit && fault.noticed && fault.looks.is_none());
        assert_eq!((fault.packets_dropped, fault.dropped_by_third), (0, [0; 3]));
    }
}

#[test]
fn a_third_without_a_count_keeps_the_verdict_open() {
    for (proof, kind, _) in PROOFS {
        let (verdict, why) = durability(&counted(proof, kind, [40, 0, 30]));
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(why.contains("throughout: 40, 0 and 30 in the thirds of its time"), "{why}");
        let (verdict, why) = durability(&counted(proof, kind, [0; 3]));
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(why.contains("there was nothing to bite"), "{why}");
    }
}

#[test]
fn counts_of_another_kind_show_nothing() {
    for (proof, kind, _) in PROOFS {
        for (_, other, _) in PROOFS.into_iter().filter(|(_, other, _)| *other != kind) {
            assert_eq!(durability(&counted(proof, other, [40, 20, 30])).0, Verdict::Inconclusive);
        }
        assert_eq!(durability(&counted(proof, EventKind::FaultDropped, [40, 20, 30])).0, Verdict::Inconclusive);
    }
}

#[test]
fn a_packet_that_got_past_a_reset_is_told() {
    let (proof, kind, _) = PROOFS[0];
    let mut scene = counted(proof, kind, [40, 20, 30]);
    scene.extra.push((RUNNER, at(Event::new(EventKind::FaultCrossed).detail(0).offset(3), FAULT_MS + 100)));
    let (verdict, why) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why.contains("3 packets crossed the full cut"), "{why}");
}

/// A cut with a reset inside of its time, which counted this much.
fn overlapping(reset: u64) -> Scene {
    let (start_ms, end_ms) = (FAULT_MS + 3_000, HEAL_MS - 3_000);
    let mut scene = Scene::log();
    let bites_by = BiteProof::PacketsReset;
    let fault = String::from("reset");
    let duration_ms = end_ms - start_ms;
    scene.manifest.faults.push(Fault { fault, start_ms, duration_ms, sides: Vec::new(), bites_by, ..cut() });
    let of_second = |kind: EventKind| Event::new(kind).detail(1);
    let mut tell = |event: Event, at_ms: u64| scene.extra.push((RUNNER, at(event, at_ms)));
    tell(of_second(EventKind::FaultStarted), start_ms);
    for (third, by) in (1..=3).zip([1, 2, 3]) {
        let by_ms = start_ms + third * duration_ms / 3 - 100;
        tell(of_second(EventKind::FaultReset).offset(reset * by), by_ms);
        tell(of_second(EventKind::FaultCrossed).offset(0), by_ms);
    }
    tell(of_second(EventKind::FaultHealed), end_ms);
    scene
}

#[test]
fn faults_that_overlap_are_each_shown_by_their_own_evidence() {
    let scene = overlapping(10);
    assert_eq!(durability(&scene).0, Verdict::Holds, "{}", durability(&scene).1);
    let judged = scene.judge();
    assert!(judged.faults.iter().all(|fault| fault.bit && fault.noticed && fault.healed), "{:#?}", judged.faults);
    assert_eq!(judged.faults[0].packets_dropped, 1_500);
    assert_eq!(judged.faults[1].packets_hit.as_ref().map(|hit| hit.count), Some(30));
    let doubts = &judged.lanes[0].doubts;
    assert!(!doubts.iter().any(|doubt| doubt.contains("sent nothing")), "{doubts:?}");

    let scene = overlapping(0);
    let judged = scene.judge();
    assert!(judged.faults[0].bit && !judged.faults[1].bit, "the one that bit does not vouch for the other");
}
