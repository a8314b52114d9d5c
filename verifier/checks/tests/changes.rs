//! Changes of the product itself: what it answered and what its nodes told of must agree before either counts.

mod common;

use common::*;
use delivery_broker::ChangeOutcome;
use delivery_checks::judgement::{Confirmed, Guarantee, Verdict};
use delivery_history::event::FLAG_SELF;
use delivery_history::manifest::{BiteProof, Fault};
use delivery_history::{Event, EventKind};

/// A scene whose one fault asked the product, which answered so; n1 takes over from n2 at 9 s, unless nobody notices.
fn asked(fault: &str, bites_by: BiteProof, answer: Option<ChangeOutcome>) -> Scene {
    let mut scene = Scene::log();
    scene.manifest.faults[0] = Fault {
        fault: fault.to_owned(),
        shape: String::new(),
        targets: vec![2],
        cut: Vec::new(),
        full_cut: false,
        sides: Vec::new(),
        bites_by,
        ..cut()
    };
    scene
        .without
        .push(|event| event.kind == EventKind::FaultDropped as u8 || event.kind == EventKind::FaultCrossed as u8);
    if let Some(outcome) = answer {
        let answered = Event::new(EventKind::ChangeAnswered).detail(0).destination(0).offset(outcome as u64);
        scene.extra.push((RUNNER, at(answered, FAULT_MS + 600)));
    }
    scene
}

/// Every node says who is in sync at this moment, as bits.
fn in_sync(scene: &mut Scene, at_ms: u64, bits: u32) {
    for node in [1, 2, 3] {
        let said = Event::new(EventKind::ObservedIsr).destination(0).detail(bits).flags(FLAG_SELF);
        scene.extra.push((OBSERVER, at(Event { session: node, ..said }, at_ms)));
    }
}

fn wiped(scene: &mut Scene, bytes: u64) {
    let gone = Event::new(EventKind::DataWiped).detail(0).offset(bytes).message(2, u32::MAX);
    scene.extra.push((RUNNER, at(gone, FAULT_MS + 900)));
}

fn durability(scene: &Scene) -> (Verdict, String) {
    let lane = scene.lane();
    (verdict(&lane, Guarantee::Durability), reason(&lane, Guarantee::Durability))
}

#[test]
fn leaders_that_were_moved_and_seen_to_move_bit() {
    let scene = asked("leader-transfer", BiteProof::LeaderMoved, Some(ChangeOutcome::Done));
    assert_eq!(durability(&scene).0, Verdict::Holds);
    let judged = scene.judge();
    assert_eq!(judged.faults[0].confirmed, Some(Confirmed { done: 1, of: 1, wiped_kib: None }));
    assert!(judged.faults[0].bit && judged.faults[0].noticed && judged.faults[0].healed, "{:?}", judged.faults[0]);
    assert_eq!(judged.faults[0].looks, None);
}

#[test]
fn what_the_product_did_not_do_proves_nothing() {
    for (answer, expected) in [
        (None, "was never answered by the product while it was on"),
        (Some(ChangeOutcome::NotNeeded), "found nothing to change, by the product's own word"),
        (Some(ChangeOutcome::Refused), "was refused by the product"),
        (Some(ChangeOutcome::NoMeaning), "has no meaning for what the lanes send to"),
    ] {
        let scene = asked("leader-transfer", BiteProof::LeaderMoved, answer);
        let (verdict, reason) = durability(&scene);
        assert_eq!(verdict, Verdict::Inconclusive, "{answer:?}");
        assert!(reason.contains(expected), "{reason}");
        assert!(!scene.judge().faults[0].bit, "{answer:?}");
    }
}

#[test]
fn what_no_node_told_of_proves_nothing() {
    let mut scene = asked("leader-transfer", BiteProof::LeaderMoved, Some(ChangeOutcome::Done));
    scene.noticed = false;
    let (verdict, reason) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("was confirmed, but no node told of another leader"), "{reason}");
    assert!(!scene.judge().faults[0].noticed);
}

#[test]
fn an_election_is_unclean_only_where_the_new_leader_was_out_of_sync() {
    let scene = asked("unclean-election", BiteProof::UncleanElected, Some(ChangeOutcome::Done));
    let (verdict, reason) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive, "n1 had been in sync");
    assert!(reason.contains("no node told of a leader that had not been in sync"), "{reason}");
    let mut scene = scene;
    in_sync(&mut scene, FAULT_MS - 100, 0b100);
    assert_eq!(durability(&scene).0, Verdict::Holds);
}

#[test]
fn replicas_moved_where_one_in_sync_had_not_been() {
    let scene = asked("reassign", BiteProof::ReplicasMoved, Some(ChangeOutcome::Done));
    let (verdict, reason) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive, "nobody came in");
    assert!(reason.contains("no node told of a replica in sync that had not been"), "{reason}");
    let mut scene = scene;
    in_sync(&mut scene, TAKEOVER_MS + 100, 0b1_1010);
    assert_eq!(durability(&scene).0, Verdict::Holds);
}

#[test]
fn a_node_left_where_its_data_was_gone_and_it_came_back_into_sync() {
    let mut scene = asked("leave", BiteProof::MemberLeft, Some(ChangeOutcome::Done));
    let (verdict, reason) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("what the node stored was not seen to be gone"), "{reason}");
    wiped(&mut scene, 4_097);
    let (verdict, reason) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("n2 was not seen in sync again"), "{reason}");
    assert!(!scene.judge().faults[0].healed);
    in_sync(&mut scene, HEAL_MS + 2_000, 0b1110);
    assert_eq!(durability(&scene).0, Verdict::Holds);
    let judged = scene.judge();
    assert_eq!(judged.faults[0].confirmed, Some(Confirmed { done: 1, of: 1, wiped_kib: Some(5) }));
    assert!(judged.faults[0].bit && judged.faults[0].noticed && judged.faults[0].healed);
}
