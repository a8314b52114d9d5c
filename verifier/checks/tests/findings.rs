//! Each anomaly is found exactly, and nothing else with it.

mod common;

use common::*;
use delivery_checks::judgement::{FindingKind, Guarantee, Verdict};
use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED};
use delivery_history::{Event, EventKind};

#[test]
fn a_healthy_log_under_a_cut_that_bit_holds_everything() {
    let judged = Scene::log().judge();
    let lane = &judged.lanes[0];
    assert_eq!(judged.doubts, Vec::<String>::new());
    assert_eq!(lane.doubts, Vec::<String>::new());
    assert_eq!(found(lane), []);
    assert_eq!(with(lane, Verdict::Holds).len(), ALL_OF_A_LOG);
    let fault = &judged.faults[0];
    assert!(fault.bit && fault.noticed && fault.healed, "{fault:?}");
    assert_eq!((fault.packets_dropped, fault.packets_crossed, fault.lasted_ms), (1_500, 0, 15_000));
    assert_eq!(fault.dropped_by_third, [500, 500, 500]);
    assert!(fault.evidence[0].contains("leader of orders-0 n2 -> n1 after 5.1 s"), "{:?}", fault.evidence);
    assert_eq!((lane.stats.sent, lane.stats.acked, lane.stats.unknown), (2_400, 1_900, 500));
    assert_eq!((lane.stats.stored, lane.stats.delivered, lane.stats.processed), (1_900, 1_900, 1_900));
    assert_eq!((lane.stats.windows, lane.stats.bound), (1, Some(0.95)));
    // 1 s before the cut, acked by the target; and nothing it acked after.
    assert_eq!(lane.stats.exposed, 100);
    assert_eq!(lane.label.observed, "CP", "{}", lane.label.reason);
}

#[test]
fn lost_is_found_with_its_whole_story() {
    let mut scene = Scene::log();
    scene.lose(p0(190));
    scene.lose(p1(30));
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 2)]);
    assert_eq!(with(&lane, Verdict::Violated), ["durability", "at-least-once", "exactly-once"]);
    assert_eq!(reason(&lane, Guarantee::Durability), "2 acked messages lost");
    assert_eq!(lane.stats.bound, None);
    let (message, story) = story(&lane, FindingKind::Lost);
    assert_eq!(message, "p1/30");
    assert_eq!(
        story,
        [
            "603 sent by p1 on h2 to orders-0",
            "603 leader of orders-0 then: n2 according to n1, n2, n3",
            "605 acked by n2",
            "4000 netsplit:leader on n2 started",
            "19000 netsplit:leader on n2 healed",
            "26003 audit: absent from n1, n2, n3",
        ]
    );
}

#[test]
fn lost_stays_lost_when_a_consumer_had_processed_it() {
    let mut scene = Scene::log();
    scene.every_log(|log| log.retain(|entry| *entry != Some(p0(190))));
    scene.handled.iter_mut().find(|one| one.id == p0(190)).unwrap().offset = u64::MAX;
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 1)]);
}

#[test]
fn an_unknown_message_may_be_there_or_not() {
    let mut scene = Scene::log();
    scene.every_log(|log| log.push(Some(p1(220))));
    scene.handled.push(handled(C0, p1(220), 0, LOAD_MS));
    scene.renumber();
    let lane = scene.lane();
    // It appears late: out of order within its session, and nothing worse.
    assert_eq!(found(&lane), [(FindingKind::Reordered, 1), (FindingKind::ReorderedKey, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["ordering"]);
}

#[test]
fn a_send_without_any_outcome_is_unknown() {
    let mut scene = Scene::log();
    scene.message(p0(10)).ended = Ended::Never;
    scene.lose(p0(10));
    let lane = scene.lane();
    assert_eq!(found(&lane), []);
    assert_eq!(lane.stats.unknown, 501);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
}

#[test]
fn undelivered_is_not_lost() {
    let mut scene = Scene::log();
    scene.handled.iter_mut().find(|one| one.id == p0(7)).unwrap().processed = false;
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Undelivered, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["at-least-once", "exactly-once"]);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
    let (message, story) = story(&lane, FindingKind::Undelivered);
    assert_eq!(message, "p0/7");
    assert!(story.iter().any(|step| step.contains("never processed by group readers, which drained")), "{story:?}");
}

#[test]
fn stored_twice() {
    let mut scene = Scene::log();
    scene.every_log(|log| log.push(Some(p0(3))));
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::StoredTwice, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["at-most-once"]);
}

#[test]
fn stored_twice_on_one_replica_only() {
    let mut scene = Scene::log();
    for (replica, log) in &mut scene.logs {
        log.push(if *replica == 3 { Some(p0(3)) } else { None });
    }
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::StoredTwice, 1), (FindingKind::Disagreement, 1)]);
}

#[test]
fn processed_twice_by_two_members() {
    let mut scene = Scene::log();
    let one = *scene.handled.iter().find(|one| one.id == p0(8)).unwrap();
    scene.handled.push(Handled { worker: if one.worker == C0 { C1 } else { C0 }, at_ms: one.at_ms + 9, ..one });
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::ProcessedTwice, 1), (FindingKind::OffsetBack, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["at-most-once", "exactly-once"]);
}

#[test]
fn delivered_again_is_no_duplicate_until_it_is_processed_again() {
    let mut scene = Scene::log();
    let one = *scene.handled.iter().find(|one| one.id == p0(8)).unwrap();
    scene.handled.push(Handled { at_ms: one.at_ms + 9, processing: 0, processed: false, ..one });
    let flagged = Event::new(EventKind::Delivered).message(p0(9).0, 9).destination(0).flags(FLAG_REDELIVERED);
    scene.extra.push((C0, at(flagged, 9_000)));
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Redelivered, 2), (FindingKind::OffsetBack, 1)]);
    assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_LOG);
}

#[test]
fn reordered_counts_what_came_after_a_later_one() {
    let mut scene = Scene::log();
    scene.every_log(|log| log.swap(20, 24));
    let lane = scene.lane();
    // p0/10 now stands where p0/12 stood: p0/11 and p0/10 come after a later one, all of one key. p0/10 had been acked
    // before p0/11, p1/11 and p0/12 were sent, which stand before it; p1/10 was sent before that ack.
    let kinds = [(FindingKind::Reordered, 2), (FindingKind::ReorderedKey, 2), (FindingKind::ReorderedTotal, 3)];
    assert_eq!(found(&lane), kinds);
    assert_eq!(with(&lane, Verdict::Violated), ["ordering"]);
}

#[test]
fn replicas_that_differ_disagree() {
    let mut scene = Scene::log();
    let log = scene.logs.get_mut(&3).unwrap();
    log[5] = None;
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Disagreement, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["agreement"]);
    let (place, story) = story(&lane, FindingKind::Disagreement);
    assert_eq!(place, "offset 5 of orders-0");
    assert!(story.iter().any(|step| step.ends_with("audit: n1 holds p1/2")), "{story:?}");
    assert!(story.iter().any(|step| step.ends_with("audit: n3 holds a control record")), "{story:?}");
}

#[test]
fn a_reader_that_was_given_something_else_disagrees() {
    let mut scene = Scene::log();
    scene.handled[40].offset = 39;
    scene.handled.last_mut().unwrap().offset = 9_999_999;
    assert_eq!(found(&scene.lane()), [(FindingKind::Disagreement, 2)]);
}

#[test]
fn phantoms_in_the_log_and_at_a_reader() {
    let mut scene = Scene::log();
    scene.every_log(|log| log.push(Some(p0(50_000))));
    let invented = Event::new(EventKind::Delivered).message(p1(7_000_000).0, 7_000_000).destination(0);
    scene.extra.push((C0, at(invented, 9_000)));
    let foreign = Event::new(EventKind::Delivered).destination(0).flags(FLAG_FOREIGN);
    scene.extra.push((C0, at(foreign, 9_001)));
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Phantom, 3)]);
    assert_eq!(with(&lane, Verdict::Violated), ["integrity"]);
}

#[test]
fn corrupt_counts_once_a_place() {
    let mut scene = Scene::log();
    let corrupt = |at_ms| at(Event::new(EventKind::Delivered).destination(0).offset(3).flags(FLAG_CORRUPT), at_ms);
    scene.extra.extend([(C0, corrupt(9_000)), (C1, corrupt(9_001))]);
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::OffsetBack, 2), (FindingKind::Corrupt, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["integrity"]);
}

#[test]
fn failed_for_certain_and_stored_all_the_same() {
    let mut scene = Scene::log();
    scene.message(p0(10)).ended = Ended::Failed;
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::FailedButStored, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["integrity"]);
    assert_eq!(lane.stats.failed, 1);
}

#[test]
fn without_acks_durability_is_judged_over_sent() {
    let mut scene = Scene::log();
    scene.manifest.lanes[0].acknowledged = false;
    for message in &mut scene.messages {
        message.ended = Ended::Sent;
    }
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 500)]);
    assert_eq!(reason(&lane, Guarantee::Durability), "500 sent (no ack is asked for) messages lost");
    assert_eq!((lane.stats.acked, lane.stats.sent_unacknowledged), (0, 2_400));
    assert_eq!(lane.label.observed, "not shown");
    assert_eq!(lane.available_during_fault, None);
}

#[test]
fn a_healthy_fanout_holds_everything_but_agreement_which_does_not_apply() {
    let lane = Scene::fanout().lane();
    assert_eq!(lane.doubts, Vec::<String>::new());
    assert_eq!(found(&lane), []);
    assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_LOG - 1);
    assert!(lane.verdict(Guarantee::Agreement).is_none());
}

#[test]
fn a_fanout_loses_what_a_drained_subscriber_never_got() {
    let mut scene = Scene::fanout();
    scene.handled.retain(|one| one.worker != C1 || one.id != p0(99));
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["durability", "at-least-once", "exactly-once"]);
    let (_, story) = story(&lane, FindingKind::Lost);
    assert!(story.iter().any(|step| step.contains("never delivered to s1, which drained")), "{story:?}");
    assert!(!story.iter().any(|step| step.contains("never delivered to s0")), "{story:?}");
}

#[test]
fn a_subscriber_is_owed_nothing_from_outside_of_its_subscription() {
    let mut scene = Scene::fanout();
    scene.extra.push((C1, at(Event::new(EventKind::Unsubscribed).destination(0), 20_000)));
    scene.handled.retain(|one| one.worker != C1 || one.at_ms < 20_000);
    let lane = scene.lane();
    assert_eq!(found(&lane), []);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
}

#[test]
fn a_fanout_is_ordered_by_first_deliveries() {
    let mut scene = Scene::fanout();
    let late = scene.handled.iter_mut().find(|one| one.worker == C0 && one.id == p0(50)).unwrap();
    late.at_ms += 30;
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Reordered, 1), (FindingKind::ReorderedKey, 1)]);
}

#[test]
fn a_late_first_delivery_is_out_of_order_though_it_is_flagged() {
    let mut scene = Scene::fanout();
    scene.handled.retain(|one| one.worker != C0 || one.id != p0(50));
    let event = |kind: EventKind| Event::new(kind).message(p0(50).0, 50).destination(0);
    scene.extra.push((C0, at(event(EventKind::Delivered).flags(FLAG_REDELIVERED), 9_000)));
    scene.extra.push((C0, at(event(EventKind::Processing), 9_000)));
    scene.extra.push((C0, at(event(EventKind::Processed), 9_000)));
    let kinds = [(FindingKind::Redelivered, 1), (FindingKind::Reordered, 1), (FindingKind::ReorderedKey, 1)];
    assert_eq!(found(&scene.lane()), kinds);
}

#[test]
fn a_crashed_subscriber_is_undelivered_and_not_lost() {
    let mut scene = Scene::fanout();
    scene.crashes.push((C1, 20_000));
    scene.drained = vec![C0];
    scene.handled.retain(|one| one.worker != C1 || one.at_ms < 20_000);
    let lane = scene.lane();
    assert_eq!(found(&lane)[0].0, FindingKind::Undelivered);
    assert_eq!(lane.count(FindingKind::Lost), 0);
    assert_eq!(verdict(&lane, Guarantee::AtLeastOnce), Verdict::Inconclusive);
}

#[test]
fn sessions_after_the_first_are_known() {
    let mut scene = Scene::log();
    let again: Vec<Message> = (0..40)
        .map(|number| Message {
            worker: P0,
            id: (p0(0).0 + 1, number),
            sent_ms: LOAD_MS - 60 + u64::from(number),
            ended: Ended::Acked(1),
        })
        .collect();
    scene.messages.extend(again);
    scene.store_what_was_taken();
    scene.lose((p0(0).0 + 1, 4));
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 1)]);
    assert_eq!(story(&lane, FindingKind::Lost).0, "p0#1/4");
}
