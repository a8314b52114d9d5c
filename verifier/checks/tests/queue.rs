//! Each anomaly of a queue is found exactly, and nothing else with it.

mod common;
#[path = "common/queue.rs"]
mod queue;

use common::*;
use delivery_broker::Settle;
use delivery_checks::judgement::{FindingKind, Guarantee, Verdict};
use delivery_checks::{Options, judge_with};
use delivery_history::event::{FLAG_CORRUPT, FLAG_REDELIVERED};
use delivery_history::manifest::{Destination, RunStatus, first_session};
use delivery_history::{Event, EventKind, HistoryView, StreamView};
use queue::*;

#[test]
fn a_healthy_queue_under_a_cut_that_bit_holds_everything() {
    let judged = Queue::new().judge();
    let lane = &judged.lanes[0];
    assert_eq!(judged.doubts, Vec::<String>::new());
    assert_eq!(lane.doubts, Vec::<String>::new());
    assert_eq!(found(lane), []);
    assert_eq!(with(lane, Verdict::Holds).len(), ALL_OF_A_QUEUE);
    assert!(lane.verdict(Guarantee::Agreement).is_none() && lane.verdict(Guarantee::Atomicity).is_none());
    assert_eq!((lane.stats.sent, lane.stats.acked, lane.stats.unknown), (2_400, 1_900, 500));
    assert_eq!((lane.stats.stored, lane.stats.delivered, lane.stats.processed), (0, 1_900, 1_900));
    assert_eq!((lane.stats.windows, lane.stats.bound), (1, Some(0.95)));
    assert_eq!(lane.label.observed, "CP", "{}", lane.label.reason);
    assert!(lane.stats.latency_ms.contains_key("end-to-end-during"), "{:?}", lane.stats.latency_ms);
    assert!(lane.recovery[0].first_ack_ms.is_some() && lane.recovery[0].caught_up_ms.is_some(), "{:?}", lane.recovery);
}

#[test]
fn lost_is_found_with_its_whole_story() {
    let mut queue = Queue::new();
    queue.withhold(p0(190));
    queue.withhold(p1(30));
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 2)]);
    assert_eq!(with(&lane, Verdict::Violated), ["durability", "at-least-once", "exactly-once"]);
    assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_QUEUE - 3);
    assert_eq!(reason(&lane, Guarantee::Durability), "2 acked messages lost");
    assert_eq!(lane.stats.bound, None);
    let (message, story) = story(&lane, FindingKind::Lost);
    assert_eq!(message, "p1/30");
    assert_eq!(
        story,
        [
            "603 sent by p1 on h2 to orders",
            "603 leader of orders then: n2 according to n1, n2, n3",
            "605 acked by n2",
            "4000 netsplit:leader on n2 started",
            "19000 netsplit:leader on n2 healed",
            "26000 never delivered to anybody",
            "26003 audit: not in queue orders",
            "26013 audit: not in dead-letter queue orders.dead",
        ]
    );
}

#[test]
fn an_unknown_message_may_be_there_or_not() {
    let mut queue = Queue::new();
    queue.deliveries.push(delivery(C0, p1(220), 4_500));
    queue.end(p0(10), Ended::Never);
    queue.withhold(p0(10));
    let lane = queue.lane();
    assert_eq!(found(&lane), []);
    assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_QUEUE);
}

#[test]
fn without_confirms_durability_is_judged_over_sent() {
    let mut queue = Queue::new();
    queue.scene.manifest.lanes[0].acknowledged = false;
    queue.scene.messages.iter_mut().for_each(|message| message.ended = Ended::Sent);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 500)]);
    assert_eq!(reason(&lane, Guarantee::Durability), "500 sent (no ack is asked for) messages lost");
}

/// Nothing is violated, and durability and at-least-once are open for this reason.
fn expect_open(queue: &Queue, doubt: &str) {
    let lane = queue.lane();
    assert_eq!(lane.count(FindingKind::Lost), 0);
    assert_eq!(with(&lane, Verdict::Violated), Vec::<&str>::new());
    for guarantee in [Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        assert_eq!(verdict(&lane, guarantee), Verdict::Inconclusive);
    }
    assert!(lane.doubts.iter().any(|known| known == doubt), "{:?}", lane.doubts);
}

#[test]
fn without_a_complete_audit_nothing_is_lost_and_nothing_holds() {
    let mut queue = Queue::new();
    queue.withhold(p0(190));
    let spoilt = |change: &dyn Fn(&mut Queue)| {
        let mut spoilt = queue.clone();
        change(&mut spoilt);
        spoilt
    };
    let depths = |depths: &[(u64, u32)]| spoilt(&|queue| queue.audits[0].depths = depths.to_vec());
    let unsteady = "queue orders was not seen empty three times in a row:";
    expect_open(&depths(&[(0, 0), (2, 1), (0, 0), (0, 0)]), &format!("{unsteady} 2 ready, 1 unacked"));
    expect_open(&depths(&[(0, 3); 9]), &format!("{unsteady} 0 ready, 3 unacked"));
    expect_open(&depths(&[(0, 0); 2]), &format!("{unsteady} 0 ready, 0 unacked"));
    expect_open(&depths(&[]), &format!("{unsteady} nobody asked for its depth"));
    expect_open(&depths(&[(1, 0); 3]), "1 message lay ready in queue orders, but its audit took 0 out");
    let broken = spoilt(&|queue| queue.audits[0].ended = false);
    expect_open(&broken, "the audit of queue orders on n1 broke off before the end of the log");
    expect_open(&spoilt(&|queue| drop(queue.audits.remove(0))), "queue orders was not audited");
    // Where the dead letters end is not known either.
    expect_open(&spoilt(&|queue| drop(queue.audits.remove(1))), "queue orders.dead was not audited");
    let words = "1 message neither delivered nor found in a queue, which proves no loss here";
    expect_open(&spoilt(&|queue| drop(queue.audits.remove(1))), words);
    let is_end = |event: &Event| event.kind == EventKind::WorkerFinished as u8;
    let unfinished = spoilt(&|queue| queue.scene.without.push(is_end));
    let words = "c0, c1 never seen to end as told: what it had at hand then may not be recorded";
    expect_open(&unfinished, words);
    let expect_damage = |queue: Queue| assert_eq!(with(&queue.lane(), Verdict::Violated), Vec::<&str>::new());
    expect_damage(spoilt(&|queue| queue.scene.missing_streams.push(C1)));
    expect_damage(spoilt(&|queue| queue.scene.phases.retain(|(_, at_ms)| *at_ms < LOAD_MS + 1_000)));
}

#[test]
fn an_unsteady_queue_may_settle_before_it_is_read() {
    let mut queue = Queue::new();
    queue.audits[0].depths = vec![(9, 4), (3, 0), (0, 0), (0, 0), (0, 0)];
    assert_eq!(with(&queue.lane(), Verdict::Holds).len(), ALL_OF_A_QUEUE);
    // One that was given up before it took anything out is made up for by the next.
    let mut given_up = Audit::of(ORDERS, vec![]);
    (given_up.depths, given_up.ended) = (vec![(5, 2); 7], false);
    queue.audits.insert(0, given_up.clone());
    assert_eq!(with(&queue.lane(), Verdict::Holds).len(), ALL_OF_A_QUEUE);
    // One that broke off while it took messages out is not, but what it found it found.
    queue.withhold(p0(3));
    queue.withhold(p0(4));
    queue.audits[0] = Audit { depths: vec![(2, 0); 3], read: vec![p0(3)], ..given_up };
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::LeftInQueue, 1)]);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Inconclusive);
}

#[test]
fn delivered_and_gone_is_undelivered_and_not_lost() {
    let mut queue = Queue::new();
    // Settled before it was processed; then its consumer died.
    queue.scene.crashes.push((C1, 23_000));
    for one in queue.deliveries.iter_mut().filter(|one| one.worker == C1 && one.at_ms >= 22_990) {
        one.worker = C0;
    }
    let last = queue.deliveries.iter_mut().rev().find(|one| one.worker == C1).unwrap();
    (last.processing, last.processed) = (false, false);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Undelivered, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["at-least-once", "exactly-once"]);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
    let (_, story) = story(&lane, FindingKind::Undelivered);
    let has = |words: &str| assert!(story.iter().any(|step| step.contains(words)), "{words}: {story:?}");
    has("delivered to c1 (group readers) with tag ");
    has("asked for by c1 (group readers)");
    has("confirmed to c1 (group readers)");
    has("26000 never processed by anybody");
    has("26003 audit: not in queue orders");
}

#[test]
fn a_consumer_that_dies_with_unacked_messages_breaks_nothing() {
    let mut queue = Queue::new();
    queue.scene.crashes.push((C1, 10_000));
    let mut again = Vec::new();
    for one in queue.deliveries.iter_mut().filter(|one| one.worker == C1) {
        if one.at_ms >= 10_000 {
            one.worker = C0;
        } else if one.at_ms >= 9_970 {
            // Handed out, its handler may have started, nothing was settled.
            (one.processing, one.processed, one.settle) = (false, false, None);
            again.push(Delivery { flagged: true, at_ms: 10_030, ..delivery(C0, one.id, 0) });
        }
    }
    let count = again.len() as u64;
    queue.deliveries.extend(again);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Redelivered, count)]);
    assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_QUEUE);
}

#[test]
fn processing_that_began_twice_breaks_at_most_once() {
    let mut queue = Queue::new();
    (queue.first(p0(20)).settle, queue.first(p0(20)).confirmed) = (None, false);
    queue.deliveries.push(Delivery { flagged: true, ..delivery(C0, p0(20), 12_000) });
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::ProcessedTwice, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["at-most-once", "exactly-once"]);
}

#[test]
fn redelivered_without_the_flag() {
    for worker in [C0, C1] {
        let mut queue = Queue::new();
        let first = queue.first(p0(20));
        (first.processing, first.processed, first.settle) = (false, false, None);
        queue.deliveries.push(delivery(worker, p0(20), 10_000));
        let lane = queue.lane();
        // It is no first delivery, so it is not out of order either.
        assert_eq!(found(&lane), [(FindingKind::Redelivered, 1), (FindingKind::RedeliveredUnflagged, 1)]);
        assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_QUEUE);
        assert_eq!(story(&lane, FindingKind::RedeliveredUnflagged).0, "p0/20");
    }
}

#[test]
fn a_first_delivery_nobody_recorded_explains_a_flag_and_nothing_more() {
    let mut queue = Queue::new();
    queue.first(p0(20)).flagged = true;
    assert_eq!(found(&queue.lane()), [(FindingKind::Redelivered, 1)]);
    // Without the flag it is taken for the first.
    queue.first(p0(20)).at_ms = 10_000;
    queue.first(p0(20)).flagged = false;
    assert_eq!(found(&queue.lane()), [(FindingKind::Reordered, 1)]);
}

#[test]
fn redelivered_after_a_confirmed_settle_whoever_got_it() {
    for settle in [Settle::Ack, Settle::Reject, Settle::NackDrop] {
        for worker in [C0, C1] {
            let mut queue = Queue::new();
            queue.first(p0(20)).settle = Some(settle);
            let again = Delivery { flagged: true, processing: false, processed: false, ..delivery(worker, p0(20), 0) };
            queue.deliveries.push(Delivery { at_ms: 10_000, ..again });
            let lane = queue.lane();
            assert_eq!(found(&lane), [(FindingKind::Redelivered, 1), (FindingKind::RedeliveredSettled, 1)]);
            assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_QUEUE);
            let (_, story) = story(&lane, FindingKind::RedeliveredSettled);
            assert!(story.iter().any(|step| step.contains("confirmed to c0")), "{story:?}");
            assert!(story.iter().any(|step| step.contains("flagged as redelivered")), "{story:?}");
        }
    }
}

#[test]
fn a_settle_that_was_not_confirmed_or_came_later_explains_a_redelivery() {
    let mut queue = Queue::new();
    let first = *queue.first(p0(20));
    let again = Delivery { flagged: true, processing: false, processed: false, ..delivery(C1, p0(20), 10_000) };
    queue.first(p0(20)).confirmed = false;
    queue.deliveries.push(again);
    assert_eq!(found(&queue.lane()), [(FindingKind::Redelivered, 1)]);
    // Given to both, settled by the first only after that.
    *queue.first(p0(20)) = first;
    queue.deliveries.last_mut().unwrap().at_ms = first.at_ms + 1;
    assert_eq!(found(&queue.lane()), [(FindingKind::Redelivered, 1)]);
    // A requeue is no settle for good.
    queue.first(p0(20)).settle = Some(Settle::NackRequeue);
    queue.deliveries.last_mut().unwrap().at_ms = first.at_ms + 50;
    queue.first(p0(20)).processed = false;
    queue.first(p0(20)).processing = false;
    let last = queue.deliveries.last_mut().unwrap();
    (last.processing, last.processed) = (true, true);
    assert_eq!(found(&queue.lane()), [(FindingKind::Redelivered, 1)]);
}

#[test]
fn reordered_counts_first_deliveries_at_one_consumer() {
    let mut queue = Queue::new();
    let late = queue.first(p0(50));
    (late.worker, late.at_ms) = (C0, 20_000);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Reordered, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["ordering"]);
    let words = "1 message first delivered after a later one of the same session";
    assert_eq!(reason(&lane, Guarantee::Ordering), words);
    // With the flag it is no first delivery as far as the broker can tell.
    queue.first(p0(50)).flagged = true;
    assert_eq!(found(&queue.lane()), [(FindingKind::Redelivered, 1)]);
    queue.first(p0(50)).flagged = false;
    // Another session of the same consumer is another consumer for the broker.
    queue.ended.push((C0, 19_990));
    let deliveries = queue.deliveries.iter_mut();
    deliveries.filter(|one| (19_980..20_010).contains(&one.at_ms) && one.id != p0(50)).for_each(|one| one.worker = C1);
    assert_eq!(found(&queue.lane()), []);
}

/// `p0(20)` is requeued by one consumer and comes back to `to`; `p0(22)` is first given to it at `later_ms`.
fn requeued(by: u16, to: u16, settle: Settle, later_ms: u64) -> Queue {
    let mut queue = Queue::new();
    let ids = [p0(20), p0(22)];
    queue.deliveries.retain(|one| one.worker != to || one.at_ms < 400 || one.at_ms > 480);
    for id in ids {
        queue.withhold(id);
    }
    let refused = Delivery { processing: false, processed: false, settle: Some(settle), ..delivery(by, ids[0], 410) };
    queue.deliveries.push(refused);
    queue.deliveries.push(delivery(to, ids[1], later_ms));
    queue.deliveries.push(Delivery { flagged: true, ..delivery(to, ids[0], 470) });
    // What was taken out to make room goes through its own hands.
    let known: Vec<Id> = queue.deliveries.iter().map(|one| one.id).collect();
    let missing: Vec<Message> = queue.scene.messages.clone();
    for message in missing {
        if matches!(message.ended, Ended::Acked(_)) && !known.contains(&message.id) {
            queue.end(message.id, Ended::Unknown);
        }
    }
    queue
}

#[test]
fn a_requeued_message_behind_a_later_one_is_told_apart() {
    for settle in [Settle::NackRequeue, Settle::RejectRequeue] {
        for by in [C0, C1] {
            let lane = requeued(by, C0, settle, 450).lane();
            let expected = [(FindingKind::Redelivered, 1), (FindingKind::ReorderedRequeued, 1)];
            assert_eq!(found(&lane), expected);
            assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_QUEUE);
            let (message, story) = story(&lane, FindingKind::ReorderedRequeued);
            assert_eq!(message, "p0/20");
            assert!(story.iter().any(|step| step.starts_with("411 requeue (")), "{story:?}");
            // What was already at the consumer when the message was requeued cannot stand behind it.
            assert_eq!(found(&requeued(by, C0, settle, 411).lane()), [(FindingKind::Redelivered, 1)]);
        }
    }
}

#[test]
fn a_requeue_stands_behind_the_next_delivery_only() {
    let mut queue = requeued(C1, C0, Settle::NackRequeue, 450);
    // Given to the first who asks, whose connection then ends: that nobody asked to be put anywhere.
    let taken =
        Delivery { flagged: true, processing: false, processed: false, settle: None, ..delivery(C1, p0(20), 0) };
    queue.deliveries.push(Delivery { at_ms: 430, ..taken });
    queue.ended.push((C1, 440));
    assert_eq!(found(&queue.lane()), [(FindingKind::Redelivered, 1)]);
}

#[test]
fn phantoms_at_a_consumer_and_in_a_queue() {
    let mut queue = Queue::new();
    queue.deliveries.push(delivery(C0, p0(50_000), 10_000));
    queue.leave(ORDERS, vec![p1(7_000_000)]);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Phantom, 2)]);
    assert_eq!(with(&lane, Verdict::Violated), ["integrity"]);
    // A phantom that is settled by who was given it is a phantom, and no damage.
    let doubt = "queue orders still held 1 message when it was audited";
    assert_eq!(lane.doubts, [doubt]);
}

#[test]
fn a_message_in_a_queue_nobody_sent_it_to_is_a_phantom_there() {
    let mut queue = Queue::new();
    let other = Destination {
        lane: 0,
        name: "payments".into(),
        partition: None,
        dead_letters_of: None,
        output_of: None,
        added: false,
    };
    queue.scene.manifest.destinations.push(other);
    queue.withhold(p0(7));
    queue.audits.push(Audit::of(2, vec![p0(7)]));
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Undelivered, 1), (FindingKind::Phantom, 1)]);
    let (_, story) = story(&lane, FindingKind::Phantom);
    assert!(story.iter().any(|step| step.ends_with("audit: in queue payments, to which it was not sent")), "{story:?}");
}

#[test]
fn corrupt_counts_each_delivery_though_their_tags_are_the_same() {
    let mut queue = Queue::new();
    let corrupt = Event::new(EventKind::Delivered).destination(ORDERS).offset(5_000).flags(FLAG_CORRUPT);
    queue.scene.extra.extend([(C0, at(corrupt, 30_000)), (C1, at(corrupt, 30_001))]);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Corrupt, 2)]);
    assert_eq!(with(&lane, Verdict::Violated), ["integrity"]);
}

#[test]
fn failed_for_certain_and_there_all_the_same() {
    let mut queue = Queue::new();
    queue.end(p0(10), Ended::Failed);
    queue.end(p0(11), Ended::Failed);
    queue.withhold(p0(11));
    queue.leave(DEAD, vec![p0(11)]);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::FailedButStored, 2), (FindingKind::DeadLettered, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["integrity"]);
}

#[test]
fn dead_lettered_tells_where_it_ended() {
    let mut queue = Queue::new();
    queue.first(p0(33)).settle = Some(Settle::Reject);
    queue.leave(DEAD, vec![p0(33)]);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::DeadLettered, 1)]);
    assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_QUEUE);
    assert_eq!(lane.stats.stored, 1);
    let (message, steps) = story(&lane, FindingKind::DeadLettered);
    assert_eq!(message, "p0/33");
    assert!(steps.contains(&String::from("26012 audit: ended in dead-letter queue orders.dead")), "{steps:?}");
    // Never processed, it is undelivered too.
    let first = queue.first(p0(33));
    (first.processing, first.processed) = (false, false);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Undelivered, 1), (FindingKind::DeadLettered, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["at-least-once", "exactly-once"]);
}

#[test]
fn dead_lettered_without_ever_being_delivered_is_undelivered() {
    let mut queue = Queue::new();
    queue.withhold(p0(33));
    queue.leave(DEAD, vec![p0(33)]);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Undelivered, 1), (FindingKind::DeadLettered, 1)]);
    let (_, steps) = story(&lane, FindingKind::Undelivered);
    assert!(steps.contains(&String::from("26000 never delivered to anybody")), "{steps:?}");
    assert!(steps.contains(&String::from("26012 audit: ended in dead-letter queue orders.dead")), "{steps:?}");
}

#[test]
fn left_in_its_queue_though_consumers_live() {
    let mut queue = Queue::new();
    queue.withhold(p0(1_150));
    queue.leave(ORDERS, vec![p0(1_150)]);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Undelivered, 1), (FindingKind::LeftInQueue, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["at-least-once", "exactly-once"]);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
    assert_eq!(verdict(&lane, Guarantee::Liveness), Verdict::Inconclusive);
    assert_eq!(lane.doubts, ["queue orders still held 1 message when it was audited"]);
    let (_, steps) = story(&lane, FindingKind::LeftInQueue);
    assert!(steps.contains(&String::from("26002 audit: still in queue orders")), "{steps:?}");
    // The runner gave it the time it had.
    let reason = String::from("not drained: orders held 1 message after 30 s");
    queue.scene.manifest.status = RunStatus::CutShort { reason, took_ms: 60_000 };
    let lane = queue.lane();
    assert_eq!(with(&lane, Verdict::Violated), ["at-least-once", "exactly-once", "liveness"]);
    assert_eq!(lane.count(FindingKind::NotRecovered), 1);
}

#[test]
fn the_same_message_twice_in_a_queue_is_stored_twice() {
    let mut queue = Queue::new();
    queue.leave(DEAD, vec![p0(33), p0(40), p0(33)]);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::StoredTwice, 1), (FindingKind::DeadLettered, 2)]);
    assert_eq!(with(&lane, Verdict::Violated), ["at-most-once"]);
}

#[test]
fn an_automatic_ack_lane_holds_at_least_once_while_nobody_dies() {
    let mut queue = Queue::new();
    queue.automatic_ack();
    assert_eq!(with(&queue.lane(), Verdict::Holds).len(), ALL_OF_A_QUEUE);
    queue.withhold(p0(60));
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 1)]);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Violated);
}

#[test]
fn what_an_automatic_ack_queue_handed_to_a_dead_connection_is_not_lost() {
    let mut queue = Queue::new();
    queue.automatic_ack();
    queue.withhold(p0(60));
    let mut crashed = queue.clone();
    crashed.scene.crashes.push((C1, LOAD_MS));
    queue.ended.push((C0, 5_000));
    for (queue, name) in [(queue, "c0"), (crashed, "c1")] {
        let lane = queue.lane();
        assert_eq!(found(&lane), [(FindingKind::Undelivered, 1)]);
        assert_eq!(with(&lane, Verdict::Violated), Vec::<&str>::new());
        let doubt = format!(
            "1 message gone without a trace: the broker counts as settled what it hands out, and the connection of \
             {name} ended, so this is no proof of loss"
        );
        assert_eq!(lane.doubts.join("|"), doubt);
        // Nothing that is gone was processed twice, or came late.
        assert_eq!(with(&lane, Verdict::Holds), ["at-most-once", "ordering", "integrity", "liveness"]);
        for guarantee in [Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
            assert_eq!((verdict(&lane, guarantee), reason(&lane, guarantee)), (Verdict::Inconclusive, doubt.clone()));
        }
    }
}

#[test]
fn nothing_missing_leaves_an_automatic_ack_lane_durable_whoever_died() {
    let mut queue = Queue::new();
    queue.automatic_ack();
    queue.ended.push((C0, 5_000));
    assert_eq!(with(&queue.lane(), Verdict::Holds).len(), ALL_OF_A_QUEUE);
    // Delivered, then gone with the connection.
    let first = queue.first(p0(60));
    (first.processing, first.processed) = (false, false);
    let lane = queue.lane();
    assert_eq!(found(&lane), [(FindingKind::Undelivered, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["at-least-once", "exactly-once"]);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
}

#[test]
fn a_group_without_a_live_member_is_the_tests_own_doing() {
    let mut queue = Queue::new();
    queue.scene.crashes.extend([(C0, 20_000), (C1, 20_000)]);
    let late: Vec<Id> = queue.deliveries.iter().filter(|one| one.at_ms >= 20_000).map(|one| one.id).collect();
    queue.deliveries.retain(|one| one.at_ms < 20_000);
    queue.leave(ORDERS, late.clone());
    let sentinel = |event: &Event| event.session == first_session(SENTINEL) && event.kind == EventKind::Delivered as u8;
    queue.scene.without.push(sentinel);
    let lane = queue.lane();
    let count = late.len() as u64;
    assert_eq!(found(&lane), [(FindingKind::Undelivered, count), (FindingKind::LeftInQueue, count)]);
    assert_eq!(with(&lane, Verdict::Violated), Vec::<&str>::new());
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
    let doubt = format!("no consumer was alive at the drain: {count} messages undelivered");
    assert!(lane.doubts.contains(&doubt), "{:?}", lane.doubts);
}

#[test]
fn contradictions_are_doubts() {
    let settle = |id: Id, tag: u64| {
        let event = Event::new(EventKind::SettleInvoked).message(id.0, id.1).destination(ORDERS).offset(tag);
        (C0, at(event.detail(Settle::Ack as u32), 10_000))
    };
    let tag = |tag: u64| {
        let event = Event::new(EventKind::Delivered).message(p0(0).0, 0).destination(ORDERS).offset(tag);
        (C0, at(event.flags(FLAG_REDELIVERED), 10_000))
    };
    let astray = "c0 recorded 1 settles of messages it had not been given";
    let again = "c0 recorded 1 deliveries under a tag that its session had passed";
    let cases = [
        (settle(p0(77_777), 1), astray),
        (settle(p0(250), 1), astray),
        (settle(p0(0), 1 << 40), astray),
        (tag(3), again),
    ];
    for (extra, words) in cases {
        let mut queue = Queue::new();
        queue.end(p0(250), Ended::Unknown);
        queue.withhold(p0(250));
        queue.withhold(p0(60));
        queue.scene.extra.push(extra);
        let lane = queue.lane();
        assert_eq!(lane.count(FindingKind::Lost), 0, "{words}");
        assert_eq!(with(&lane, Verdict::Holds), Vec::<&str>::new());
        assert!(lane.doubts.iter().any(|doubt| doubt == words), "{words}: {:?}", lane.doubts);
    }
}

#[test]
fn a_settle_may_come_after_its_session_ended() {
    let mut queue = Queue::new();
    let slow = queue.first(p0(180));
    (slow.worker, slow.settle) = (C0, None);
    let at_ms = slow.at_ms;
    queue.ended.push((C0, at_ms + 1));
    let delivered = |event: &&Event| event.kind == EventKind::Delivered as u8 && event.sequence == 180;
    let tag = queue.streams()[usize::from(C0)].iter().find(delivered).unwrap().offset;
    assert!(tag > 100);
    let event = Event::new(EventKind::SettleInvoked).message(p0(180).0, 180).destination(ORDERS).offset(tag);
    queue.scene.extra.push((C0, at(event.detail(Settle::Ack as u32), at_ms + 3)));
    assert_eq!(queue.lane().doubts, Vec::<String>::new());
}

#[test]
fn groups_compete_for_a_queue() {
    let mut queue = Queue::new();
    let second = queue.scene.manifest.groups[0].clone();
    queue.scene.manifest.groups.push(second);
    queue.scene.manifest.workers[usize::from(C1)].group = Some(1);
    assert_eq!(with(&queue.lane(), Verdict::Holds).len(), ALL_OF_A_QUEUE);
    queue.deliveries.push(Delivery { flagged: true, ..delivery(C0, p1(20), 12_000) });
    queue.first(p1(20)).confirmed = false;
    assert_eq!(found(&queue.lane()), [(FindingKind::ProcessedTwice, 1)]);
}

#[test]
fn a_kind_that_is_switched_off_is_not_reported() {
    let mut queue = Queue::new();
    queue.withhold(p0(33));
    queue.leave(DEAD, vec![p0(33)]);
    let streams = queue.streams();
    let views = streams.iter().enumerate().map(|(worker, events)| StreamView { worker: worker as u16, events });
    let history = HistoryView { manifest: &queue.scene.manifest, streams: views.collect(), damage: vec![] };
    let without = vec![FindingKind::DeadLettered, FindingKind::Undelivered];
    let lane = judge_with(&history, &Options { without, ..Options::default() }).lanes.remove(0);
    assert_eq!((found(&lane), with(&lane, Verdict::Holds).len()), (vec![], ALL_OF_A_QUEUE));
}
