//! Anomalies of logs beside loss and copies: readers that jump, commits that move back, members that work on one message
//! at once, order by key and in total, transactions.

#![allow(clippy::unwrap_used, reason = "a scene that lacks what a test changes is a broken test")]

mod common;

use common::*;
use delivery_checks::judgement::{FindingKind, Guarantee, Verdict};
use delivery_history::event::FLAG_SELF;
use delivery_history::manifest::Workload;
use delivery_history::{Event, EventKind};

/// A log that one assigned member reads from its start to its end.
fn read_by_one() -> Scene {
    let mut scene = Scene::log();
    scene.handled.iter_mut().for_each(|one| one.worker = C0);
    scene.handled.sort_by_key(|one| one.offset);
    scene.extra.push((C0, at(place(EventKind::Assigned, 0), 0)));
    scene
}

fn place(kind: EventKind, offset: u64) -> Event {
    Event::new(kind).destination(0).offset(offset)
}

fn kinds(scene: &Scene) -> Vec<(FindingKind, u64)> {
    found(&scene.lane())
}

#[test]
fn a_reader_that_passes_over_messages_is_found() {
    let mut scene = read_by_one();
    scene.handled.retain(|one| !(100..=102).contains(&one.offset));
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Undelivered, 3), (FindingKind::OffsetSkipped, 1)]);
    let (witness, _) = story(&lane, FindingKind::OffsetSkipped);
    assert_eq!(witness, "offset 103 of orders-0");
    assert_eq!(with(&lane, Verdict::Violated), ["at-least-once", "exactly-once"]);
}

#[test]
fn a_reset_or_an_assignment_explains_a_jump() {
    for event in [
        place(EventKind::PositionReset, 103).flags(FLAG_SELF),
        place(EventKind::PositionReset, u64::MAX),
        place(EventKind::Assigned, 103),
    ] {
        let mut scene = read_by_one();
        let next_ms = scene.handled[103].at_ms;
        scene.handled.retain(|one| !(100..=102).contains(&one.offset));
        scene.extra.push((C0, at(event, next_ms - 1)));
        assert_eq!(kinds(&scene), [(FindingKind::Undelivered, 3)], "{event:?}");
    }
    let mut scene = read_by_one();
    let next_ms = scene.handled[103].at_ms;
    scene.handled.retain(|one| !(100..=102).contains(&one.offset));
    scene.extra.push((C0, at(place(EventKind::PositionReset, 103), next_ms - 1)));
    let inferred = kinds(&scene);
    assert_eq!(
        inferred,
        [(FindingKind::Undelivered, 3), (FindingKind::OffsetSkipped, 1)],
        "only inferred from the jump"
    );
}

#[test]
fn offsets_that_hold_no_message_are_not_skipped() {
    let mut scene = read_by_one();
    scene.every_log(|log| {
        log.insert(100, None);
        log.insert(100, None);
    });
    assert_eq!(kinds(&scene), []);
}

#[test]
fn members_without_assignments_may_share_a_log() {
    // The two members of the plain scene read every other offset: nobody says what each was to read.
    assert_eq!(kinds(&Scene::log()), []);
}

#[test]
fn a_reader_that_goes_back_is_found() {
    let mut scene = read_by_one();
    let again = scene.handled[50];
    scene.handled.push(Handled { at_ms: again.at_ms + 40, processing: 0, processed: false, ..again });
    let lane = scene.lane();
    assert_eq!(lane.count(FindingKind::OffsetBack), 1);
    assert_eq!(story(&lane, FindingKind::OffsetBack).0, "offset 50 of orders-0");
}

/// p0/8 is in processing in C0 for 30 ms and begins in C1 `after_ms` later.
fn processed_again(after_ms: u64) -> Scene {
    let mut scene = Scene::log();
    let one = scene.handled.iter_mut().find(|one| one.id == p0(8)).unwrap();
    one.processed = false;
    let (worker, offset, at_ms) = (one.worker, one.offset, one.at_ms);
    let other = if worker == C0 { C1 } else { C0 };
    let event = |kind: EventKind| place(kind, offset).message(p0(8).0, 8);
    scene.extra.push((worker, at(event(EventKind::Processed), at_ms + 30)));
    for kind in [EventKind::Delivered, EventKind::Processing, EventKind::Processed] {
        scene.extra.push((other, at(event(kind), at_ms + after_ms)));
    }
    scene
}

#[test]
fn one_message_in_two_members_at_once_is_found() {
    let lane = processed_again(29).lane();
    assert_eq!((lane.count(FindingKind::ProcessedTwice), lane.count(FindingKind::ProcessedAtOnce)), (1, 1));
    assert_eq!(story(&lane, FindingKind::ProcessedAtOnce).0, "p0/8");
    let later = processed_again(30).lane();
    assert_eq!((later.count(FindingKind::ProcessedTwice), later.count(FindingKind::ProcessedAtOnce)), (1, 0));
}

fn commits(commits: &[(u16, EventKind, u64, u64)]) -> Scene {
    let mut scene = Scene::log();
    for (worker, kind, offset, at_ms) in commits {
        scene.extra.push((*worker, at(place(*kind, *offset).detail(4), *at_ms)));
    }
    scene
}

#[test]
fn a_commit_that_moves_back_is_found() {
    use EventKind::{SettleFailed, SettleInvoked, SettleOk};
    let forth = [(C0, SettleInvoked, 10, 500), (C0, SettleOk, 10, 510)];
    let back = [(C1, SettleInvoked, 7, 600), (C1, SettleOk, 7, 610)];
    let scene = commits(&[forth, back].concat());
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::CommitBack, 1)]);
    let (witness, story) = story(&lane, FindingKind::CommitBack);
    assert_eq!(witness, "the commit of offset 7 of orders-0");
    assert!(story.contains(&String::from("610 c1 committed offset 7; its group had committed 10")), "{story:?}");
    assert_eq!(with(&lane, Verdict::Violated), [""; 0], "its damage is what comes twice");

    let at_once = [(C1, SettleInvoked, 7, 505), (C1, SettleOk, 7, 610)];
    assert_eq!(kinds(&commits(&[forth, at_once].concat())), [], "asked for before the other was confirmed");
    let refused = [(C1, SettleInvoked, 7, 600), (C1, SettleFailed, 7, 610)];
    assert_eq!(kinds(&commits(&[forth, refused].concat())), []);
    let mut reset = commits(&[forth, back].concat());
    reset.extra.push((C1, at(place(EventKind::PositionReset, 3).flags(FLAG_SELF), 550)));
    assert_eq!(kinds(&reset), [], "a reset was announced");
    assert_eq!(
        kinds(&commits(&[(C0, SettleOk, 10, 500), (C1, SettleOk, 7, 610)])),
        [],
        "nobody knows when it was asked"
    );
    assert_eq!(kinds(&commits(&[(C0, SettleOk, 10, 500), (C0, SettleOk, 7, 610)])), [(FindingKind::CommitBack, 1)]);
}

#[test]
fn order_by_key_is_told_from_order_by_session() {
    let mut scene = Scene::log();
    scene.every_log(|log| log.swap(20, 24));
    // Every message of p0 with a key of its own.
    let mut keyed = scene.streams();
    for event in keyed.iter_mut().flatten().filter(|event| event.kind == EventKind::SendInvoked as u8) {
        event.detail = event.sequence;
    }
    let lane = judge_streams(&scene.manifest, &keyed, &[], &[]).lanes.remove(0);
    assert_eq!((lane.count(FindingKind::Reordered), lane.count(FindingKind::ReorderedKey)), (2, 0));
}

#[test]
fn a_lost_message_has_no_place_in_the_total_order() {
    let mut scene = Scene::log();
    let mut streams = scene.streams();
    // The ack of a message that was then lost named an offset far ahead.
    let ack = |event: &&mut Event| event.kind == EventKind::SendAcked as u8 && event.sequence == 5;
    streams[usize::from(P0)].iter_mut().find(ack).unwrap().offset = 700;
    scene.lose(p0(5));
    let lane = judge_streams(&scene.manifest, &streams, &[], &[]).lanes.remove(0);
    assert_eq!(lane.count(FindingKind::ReorderedTotal), 0);
}

/// A log of p0's transactions of four messages each; the one with this number ends so (`None`: as it began).
fn transactional(number: u32, ending: Option<u64>) -> Scene {
    let mut scene = Scene::log();
    scene.manifest.lanes[0].workload = Workload::Transactions;
    scene.messages.iter_mut().for_each(|message| message.ended = Ended::Acked(1));
    scene.store_what_was_taken();
    let event = |kind: EventKind, number: u32| Event { session: p0(0).0, ..Event::new(kind) }.detail(number);
    for transaction in 0..100 {
        let first_ms = u64::from(transaction) * 80 + u64::from(P0);
        let outcome = if transaction == number { ending } else { Some(0) };
        scene.extra.push((P0, at(event(EventKind::TransactionBegin, transaction), first_ms - 1)));
        if transaction != number || ending == Some(0) || ending == Some(2) {
            scene.extra.push((P0, at(event(EventKind::TransactionCommit, transaction), first_ms + 64)));
        }
        if let Some(outcome) = outcome {
            scene
                .extra
                .push((P0, at(event(EventKind::TransactionOutcome, transaction).offset(outcome), first_ms + 65)));
        }
    }
    // Readers of committed messages are given none before its commit.
    scene.handled.iter_mut().for_each(|one| one.at_ms += 80);
    scene
}

#[test]
fn healthy_transactions_hold_everything() {
    let lane = transactional(0, Some(0)).lane();
    assert_eq!(found(&lane), []);
    assert_eq!(with(&lane, Verdict::Holds).len(), Guarantee::ALL.len(), "{:?}", lane.doubts);
}

#[test]
fn an_aborted_transaction_is_owed_to_nobody() {
    let mut scene = transactional(3, Some(1));
    (12..16).for_each(|sequence| scene.lose(p0(sequence)));
    let lane = scene.lane();
    assert_eq!(found(&lane), []);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
}

#[test]
fn what_an_aborted_transaction_sent_must_not_be_seen() {
    let mut scene = transactional(3, Some(1));
    [13, 14, 15].into_iter().for_each(|sequence| scene.lose(p0(sequence)));
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::AbortedRead, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["atomicity"]);
    let (message, story) = story(&lane, FindingKind::AbortedRead);
    assert_eq!(message, "p0/12");
    assert!(story.iter().any(|step| step.ends_with("its transaction aborted")), "{story:?}");
}

#[test]
fn who_is_given_aborted_messages_breaks_atomicity_unless_it_reads_beside() {
    let mut scene = transactional(3, Some(1));
    (12..16).for_each(|sequence| scene.lose(p0(sequence)));
    scene.handled.push(handled(C0, p0(12), u64::MAX, 1_100));
    assert_eq!(kinds(&scene), [(FindingKind::AbortedRead, 1)]);
    scene.manifest.groups[0].read_uncommitted = true;
    assert_eq!(kinds(&scene), [(FindingKind::AbortedRead, 1)], "it is the configuration that is judged");
    assert_eq!(with(&scene.lane(), Verdict::Violated), ["atomicity"]);
    scene.manifest.groups[0].beside = true;
    assert_eq!(kinds(&scene), [(FindingKind::DirtyRead, 1)]);
    assert_eq!(with(&scene.lane(), Verdict::Violated), Vec::<&str>::new());
}

#[test]
fn a_message_that_is_delivered_before_its_commit_was_asked_for() {
    let mut scene = transactional(0, Some(0));
    let early = scene.handled.iter_mut().find(|one| one.id == p0(40)).unwrap();
    early.at_ms -= 80;
    early.offset = u64::MAX;
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::UncommittedRead, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["atomicity"]);
}

#[test]
fn a_commit_that_shows_a_part_is_torn() {
    let mut scene = transactional(3, Some(0));
    scene.lose(p0(14));
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 1), (FindingKind::TornTransaction, 1)]);
    assert_eq!(story(&lane, FindingKind::TornTransaction).0, "p0/14");
    assert!(with(&lane, Verdict::Violated).contains(&"atomicity"));
}

#[test]
fn an_unknown_commit_shows_all_or_nothing() {
    for ending in [Some(2), None] {
        assert_eq!(kinds(&unread(transactional(3, ending), 0)), [], "all of it");
        assert_eq!(kinds(&unread(transactional(3, ending), 4)), [], "nothing");
        assert_eq!(kinds(&unread(transactional(3, ending), 2)), [(FindingKind::TornTransaction, 1)], "a part");
    }
}

/// The last `gone` of the fourth transaction's messages are not stored, and nobody was given any of the rest.
fn unread(mut scene: Scene, gone: u32) -> Scene {
    (16 - gone..16).for_each(|sequence| scene.lose(p0(sequence)));
    scene.handled.retain(|one| one.id.0 != p0(0).0 || !(12..16).contains(&one.id.1));
    scene
}

#[test]
fn what_could_not_have_been_seen_to_break_is_not_shown_to_hold() {
    let lane = transactional_singles().lane();
    assert_eq!(verdict(&lane, Guarantee::Atomicity), Verdict::Inconclusive);
    assert!(reason(&lane, Guarantee::Atomicity).contains("none could have been seen to be torn"));

    let mut calm = Scene::log();
    calm.manifest.faults.clear();
    calm.messages.iter_mut().for_each(|message| message.ended = Ended::Acked(2));
    calm.store_what_was_taken();
    let lane = calm.lane();
    for guarantee in [Guarantee::AtMostOnce, Guarantee::ExactlyOnce] {
        assert_eq!(verdict(&lane, guarantee), Verdict::Inconclusive);
        assert!(reason(&lane, guarantee).contains("nothing here could have made a message come twice"));
    }
    assert_eq!(verdict(&lane, Guarantee::AtLeastOnce), Verdict::Holds);
    calm.message(p0(4)).ended = Ended::Unknown;
    assert_eq!(verdict(&calm.lane(), Guarantee::AtMostOnce), Verdict::Holds, "a send may have been tried again");
}

fn transactional_singles() -> Scene {
    let mut scene = transactional(0, Some(0));
    scene.without.push(|event| {
        matches!(event.kind(), Some(EventKind::TransactionBegin | EventKind::TransactionCommit))
            || event.kind() == Some(EventKind::TransactionOutcome)
    });
    scene
}

#[test]
fn one_message_a_place_shows_no_order() {
    let mut scene = Scene::log();
    let first = [p0(0), p1(0)];
    scene.messages.retain(|message| first.contains(&message.id));
    scene.store_what_was_taken();
    let lane = scene.lane();
    assert_eq!(verdict(&lane, Guarantee::Ordering), Verdict::Inconclusive);
    assert!(reason(&lane, Guarantee::Ordering).contains("no order could have been seen to break"));
}

#[test]
fn coming_back_is_measured_from_the_heal() {
    let mut scene = Scene::log();
    // Nothing was acked from the cut until 300 ms after the heal; the last of what was sent before it came 700 ms after.
    for message in scene.messages.iter_mut().filter(|message| message.sent_ms >= FAULT_MS) {
        message.ended = if message.sent_ms < HEAL_MS + 298 { Ended::Unknown } else { Ended::Acked(1) };
    }
    scene.store_what_was_taken();
    let late = scene.handled.iter_mut().rfind(|one| one.at_ms < FAULT_MS).unwrap();
    late.at_ms = HEAL_MS + 700;
    late.offset = u64::MAX;
    let lane = scene.lane();
    let recovery = &lane.recovery[0];
    assert_eq!((recovery.first_ack_ms, recovery.caught_up_ms), (Some(304), Some(700)), "{recovery:?}");
    assert_eq!(recovery.fault, "netsplit@4s+15s");
}

#[test]
fn each_side_of_a_cut_is_measured() {
    let lane = Scene::log().lane();
    let sides: Vec<(&str, Option<f64>, u64)> =
        lane.label.sides.iter().map(|side| (side.side.as_str(), side.available, side.longest_stall_ms)).collect();
    let (cut_off, majority) = (sides[0], sides[1]);
    assert_eq!((cut_off.1, cut_off.2), (Some(0.0), 15_000), "{sides:?}");
    assert!((majority.1.unwrap() - 2.0 / 3.0).abs() < 0.01, "{sides:?}");
    assert!((5_000..5_050).contains(&majority.2), "{sides:?}");
}
