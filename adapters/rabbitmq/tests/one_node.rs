//! Clients against one real broker. Skipped where none is installed; `VERIFY_REQUIRE=rabbitmq` forbids that.
#![allow(clippy::unwrap_used)]

mod harness;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use delivery_broker::{
    AuditItem, ClientError, Consumer, ConsumerEvent, Decoded, Delivery, DrainItem, Observation, RealSystem, Reason,
    SendOutcome, SendReport, Settle,
};
use delivery_rabbitmq::RabbitMq;
use harness::{Node, TestLane, install, poll_until, send};

/// Messages a lane is sent.
const MESSAGES: u32 = 1_000;

fn count(reports: &[SendReport], wanted: impl Fn(&SendOutcome) -> bool) -> usize {
    reports.iter().filter(|report| wanted(&report.outcome)).count()
}

fn is_acked(outcome: &SendOutcome) -> bool {
    matches!(outcome, SendOutcome::Acked { by_node: Some(1), .. })
}

fn sequences(events: &[ConsumerEvent]) -> Vec<u32> {
    events.iter().filter_map(delivery).filter_map(|delivery| sequence(&delivery.payload)).collect()
}

fn delivery(event: &ConsumerEvent) -> Option<Delivery> {
    match event {
        ConsumerEvent::Delivered(delivery) => Some(*delivery),
        _ => None,
    }
}

fn sequence(payload: &Decoded) -> Option<u32> {
    match payload {
        Decoded::Message { id, .. } => Some(id.sequence),
        _ => None,
    }
}

/// Consumes until `wanted` deliveries came, settling each as told. The consumer comes back too: a quorum queue's
/// channel may hold settles back that the broker has taken, and loses them when it is closed.
fn consume(
    node: &Node,
    lane: &TestLane,
    wanted: usize,
    settle: impl Fn(u32) -> Option<Settle>,
) -> (Vec<ConsumerEvent>, Box<dyn Consumer>) {
    let mut consumer = RabbitMq.consumer(&node.client("consumer", lane)).unwrap();
    let mut events = Vec::new();
    let mut open = BTreeSet::new();
    let mut delivered = 0;
    while delivered < wanted || !open.is_empty() {
        let seen = poll_until(consumer.as_mut(), |_| true);
        for event in &seen {
            match event {
                ConsumerEvent::Delivered(delivery) => {
                    delivered += 1;
                    if let Some(settle) = settle(sequence(&delivery.payload).unwrap()) {
                        consumer.settle(settle, delivery, None).unwrap();
                        open.insert(delivery.offset);
                    }
                }
                ConsumerEvent::Settled { offset, failed: None, .. } => drop(open.remove(offset)),
                _ => {}
            }
        }
        events.extend(seen);
    }
    (events, consumer)
}

fn drain(node: &Node, lane: &TestLane, destination: &delivery_broker::DestinationRef) -> Vec<DrainItem> {
    let mut items = Vec::new();
    let mut auditor = RabbitMq.auditor(&node.client("audit", lane)).unwrap();
    auditor.drain(destination, &mut |item| items.push(item)).unwrap();
    items
}

fn taken_out(items: &[DrainItem]) -> Vec<u32> {
    let payload = |item: &DrainItem| match item {
        DrainItem::Message { payload } => sequence(payload),
        _ => None,
    };
    items.iter().filter_map(payload).collect()
}

#[test]
fn what_is_sent_is_told_apart_and_what_is_taken_is_drained() {
    let Some(installation) = install() else { return };
    let node = Node::start(&installation, 1);
    let lanes = [
        TestLane::new(0, "quorum", "quorum", &[]),
        TestLane::new(1, "classic", "classic", &[("mirrored", "false")]),
        TestLane::new(2, "stream", "stream", &[]),
        TestLane::new(3, "mandatory", "mandatory", &[]),
        TestLane::new(4, "unroutable", "unroutable", &[]),
        TestLane::new(5, "none", "none", &[]),
        TestLane::new(6, "dead", "dead-letter", &[]),
        TestLane::new(7, "full", "reject-publish", &[]),
    ];
    let topics: Vec<_> = lanes.iter().map(|lane| lane.topic.clone()).collect();
    let prepared = RabbitMq.admin(&node.client("admin", &lanes[0])).unwrap().prepare(&topics).unwrap();
    assert_eq!((prepared.broker_version.as_str(), prepared.leader), (installation.version.as_str(), 1));
    let produced = |lane: &TestLane| {
        let mut producer = RabbitMq.producer(&node.client(&lane.topic.name, lane)).unwrap();
        let reports = send(producer.as_mut(), lane.destination.index, 0, MESSAGES);
        assert_eq!(reports.len(), MESSAGES as usize, "{}", lane.topic.name);
        reports
    };

    for lane in &lanes[..3] {
        assert_eq!(count(&produced(lane), is_acked), MESSAGES as usize, "{}", lane.topic.name);
    }
    let mandatory = produced(&lanes[3]);
    let unbound: Vec<u32> = (0..MESSAGES).filter(|sequence| sequence % 100 * 37 % 100 < 10).collect();
    let returned = |report: &&SendReport| report.outcome == SendOutcome::NotAcked(Reason::Returned);
    let mut told: Vec<u32> = mandatory.iter().filter(returned).map(|report| report.id.sequence).collect();
    told.sort_unstable();
    assert_eq!(told, unbound, "returned messages are the ones without a queue, and no others");
    assert_eq!(count(&mandatory, is_acked), MESSAGES as usize - unbound.len());
    assert_eq!(count(&produced(&lanes[4]), is_acked), MESSAGES as usize, "confirmed, and stored nowhere");
    assert_eq!(count(&produced(&lanes[5]), |outcome| *outcome == SendOutcome::Sent), MESSAGES as usize);
    let full = produced(&lanes[7]);
    let (acked, nacked) = (count(&full, is_acked), count(&full, |out| *out == SendOutcome::NotAcked(Reason::Nack)));
    assert!(acked >= 100 && nacked > 0 && acked + nacked == MESSAGES as usize, "{acked} acked, {nacked} nacked");

    // A queue that is consumed is empty; one that is not is taken out.
    let (events, _consumer) = consume(&node, &lanes[0], MESSAGES as usize, |_| Some(Settle::Ack));
    assert_eq!(sequences(&events), (0..MESSAGES).collect::<Vec<u32>>());
    assert!(matches!(events[0], ConsumerEvent::Assigned { destination: 0, offset: None }));
    let items = drain(&node, &lanes[0], &lanes[0].destination);
    let empty = DrainItem::Depth { node: 1, ready: 0, unacked: 0 };
    assert_eq!(
        (items[0], &items[items.len() - 4..]),
        (DrainItem::Start { node: 1 }, &[empty, empty, empty, DrainItem::End][..])
    );
    let left = taken_out(&drain(&node, &lanes[4], &lanes[4].destination));
    assert_eq!(left, (0..MESSAGES).filter(|sequence| !unbound.contains(sequence)).collect::<Vec<u32>>());

    // Refused messages end with the dead letters.
    produced(&lanes[6]);
    let (_, _refusing) = consume(&node, &lanes[6], MESSAGES as usize, |number| {
        Some(if number % 4 == 0 { Settle::Reject } else { Settle::Ack })
    });
    drain(&node, &lanes[6], &lanes[6].destination);
    let mut dead = taken_out(&drain(&node, &lanes[6], &lanes[6].dead_letters()));
    dead.sort_unstable();
    assert_eq!(dead, (0..MESSAGES).step_by(4).collect::<Vec<u32>>());

    // A stream is read by offset, again and again.
    let mut consumer = RabbitMq.consumer(&node.client("reader", &lanes[2])).unwrap();
    let mut read = Vec::new();
    poll_until(consumer.as_mut(), |event| {
        read.extend(delivery(event).map(|delivery| (delivery.offset, sequence(&delivery.payload).unwrap())));
        read.len() == MESSAGES as usize
    });
    let expected: Vec<(u64, u32)> = (0..MESSAGES).map(|sequence| (u64::from(sequence), sequence)).collect();
    assert_eq!(read, expected);
    let mut audited = Vec::new();
    let mut auditor = RabbitMq.auditor(&node.client("audit", &lanes[2])).unwrap();
    auditor.read(&lanes[2].destination, 1, &mut |item| audited.push(item)).unwrap();
    let offsets: Vec<u64> = audited
        .iter()
        .filter_map(|item| match item {
            AuditItem::Message { offset, .. } => Some(*offset),
            _ => None,
        })
        .collect();
    let missing: Vec<u64> = (0..u64::from(MESSAGES)).filter(|offset| !offsets.contains(offset)).collect();
    assert_eq!(missing, [] as [u64; 0]);
    assert_eq!((audited[0], audited.len()), (AuditItem::Start(0), MESSAGES as usize + 2));
    assert_eq!(audited.last(), Some(&AuditItem::End(u64::from(MESSAGES))));

    observed(&node, &lanes[0]);
    let gone = TestLane::new(9, "never-declared", "quorum", &[]);
    let mut auditor = RabbitMq.auditor(&node.client("audit", &gone)).unwrap();
    let mut items = Vec::new();
    let refused = auditor.drain(&gone.destination, &mut |item| items.push(item)).unwrap_err();
    assert!(matches!(&refused, ClientError::Refused { cause, .. } if cause.contains("NOT_FOUND")), "{refused}");
    assert_eq!(items.last(), Some(&DrainItem::End), "nothing is left in it");
}

fn observed(node: &Node, lane: &TestLane) {
    let mut observer = RabbitMq.observer(&node.client("observer", lane), &[]).unwrap();
    let mut seen = Vec::new();
    let until = Instant::now() + Duration::from_secs(10);
    // The first question, with its connection, may take longer than a round has.
    while seen.len() < 3 {
        assert!(Instant::now() < until, "{seen:?}");
        seen.clear();
        observer.observe(&mut |observation| seen.push(observation));
    }
    assert_eq!(seen[0], Observation::Members { node: 1, members_bits: 0b10 });
    assert!(
        matches!(seen[1], Observation::Leader { node: 1, destination: 0, leader: Some(1), epoch: 1.. }),
        "{seen:?}"
    );
    assert_eq!(seen[2], Observation::Isr { node: 1, destination: 0, isr_bits: 0b10 });
}

#[test]
fn a_crash_ends_sessions_and_keeps_what_was_confirmed_and_persistent() {
    let Some(installation) = install() else { return };
    let mut node = Node::start(&installation, 2);
    let lanes = [
        TestLane::new(0, "persistent", "classic", &[("mirrored", "false"), ("prefetch", "10")]),
        TestLane::new(1, "transient", "transient", &[]),
    ];
    let topics: Vec<_> = lanes.iter().map(|lane| lane.topic.clone()).collect();
    RabbitMq.admin(&node.client("admin", &lanes[0])).unwrap().prepare(&topics).unwrap();
    let mut producer = RabbitMq.producer(&node.client("producer", &lanes[0])).unwrap();
    assert_eq!(count(&send(producer.as_mut(), 0, 0, 100), is_acked), 100);
    let mut other = RabbitMq.producer(&node.client("other", &lanes[1])).unwrap();
    assert_eq!(count(&send(other.as_mut(), 1, 0, 100), is_acked), 100);
    let mut consumer = RabbitMq.consumer(&node.client("consumer", &lanes[0])).unwrap();
    let first = poll_until(consumer.as_mut(), |event| delivery(event).is_some());
    let first = delivery(first.last().unwrap()).unwrap();
    assert!(!first.redelivered);

    node.kill();
    let ended = poll_until(consumer.as_mut(), |event| matches!(event, ConsumerEvent::SessionEnded { .. }));
    assert!(ended.contains(&ConsumerEvent::Revoked { destination: 0, lost: false }), "{ended:?}");
    let until = Instant::now() + Duration::from_secs(60);
    while producer.fatal().is_none() {
        assert!(Instant::now() < until, "the producer does not notice");
        producer.poll(Duration::from_millis(20), &mut Vec::new());
    }
    let id = delivery_broker::MessageId { session: 9, sequence: 100 };
    assert_eq!(producer.send(0, id, 0, b"late"), Err(Reason::NotConnected));

    node.restart();
    // What was handed out before is handed out again, to a subscription of its own; a settle of the old one is lost.
    let again = poll_until(consumer.as_mut(), |event| delivery(event).is_some());
    let again = delivery(again.last().unwrap()).unwrap();
    assert_eq!(sequence(&again.payload), sequence(&first.payload));
    drop(consumer);
    let kept = taken_out(&drain(&node, &lanes[0], &lanes[0].destination));
    assert_eq!(kept, (0..100).collect::<Vec<u32>>(), "confirmed and persistent: kept");
    let lost = taken_out(&drain(&node, &lanes[1], &lanes[1].destination));
    assert_eq!(lost, [] as [u32; 0], "confirmed but transient: gone with the restart");
    let mut producer = RabbitMq.producer(&node.client("producer", &lanes[0])).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let mut payload = Vec::new();
    delivery_broker::encode(&mut payload, harness::RUN_TAG, id, 0, 64);
    while producer.send(0, id, 0, &payload) == Err(Reason::NotConnected) {
        assert!(Instant::now() < until, "the new session does not connect");
        std::thread::sleep(Duration::from_millis(20));
    }
}
