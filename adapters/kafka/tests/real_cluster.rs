//! The adapter against three real brokers. One start serves the whole story: prepare, produce,
//! consume, observe, audit, crash of the leader, recovery, audit again.
#![allow(clippy::unwrap_used)]

mod groups;
mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use delivery_broker::{
    AuditItem, Auditor, Consumer, ConsumerEvent, Decoded, Delivery, DestinationRef, LaneRequest, LaneTopic, MessageId,
    Observation, Observer, Prepared, Producer, RealSystem, Reason, SendOutcome, SendReport, Settle, System, encode,
};
use delivery_kafka::Kafka;
use harness::Cluster;

/// Longest wait for anything; generous, since nothing is measured here.
const LIMIT: Duration = Duration::from_secs(60);
const MESSAGES: u32 = 500;
const RUN_TAG: u64 = 77;

/// One lane of the test.
struct TestLane {
    destination: DestinationRef,
    config: BTreeMap<String, String>,
}

fn lanes() -> Vec<TestLane> {
    vec![
        lane(0, "lane-safe", "safe", &[]),
        lane(1, "lane-fast", "fast", &[("max.message.bytes", "3000"), ("batch.num.messages", "10")]),
        lane(2, "lane-none", "none", &[]),
        lane(
            3,
            "lane-auto",
            "default",
            &[("commit", "auto"), ("auto.commit.interval.ms", "100"), ("producer.compression.type", "zstd")],
        ),
    ]
}

fn lane(index: u16, name: &str, preset: &str, overrides: &[(&str, &str)]) -> TestLane {
    let overrides = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let request = LaneRequest { preset: Some(preset.to_owned()), overrides, files: Vec::new() };
    let config = Kafka.lane(&request).unwrap().lane.config;
    TestLane { destination: DestinationRef { index, name: name.to_owned(), partition: Some(0) }, config }
}

#[test]
fn three_real_brokers() {
    let Some(installation) = harness::install() else { return };
    let mut cluster = Cluster::start(&installation, 1);
    let lanes = lanes();
    let prepared = prepare(&cluster, &lanes);

    let mut consumer = join(&cluster, &lanes[0]);
    let mut producers: Vec<Box<dyn Producer>> = lanes.iter().map(|lane| producer(&cluster, lane)).collect();
    for (lane, producer) in lanes.iter().zip(&mut producers) {
        let reports = send_all(producer.as_mut(), lane, 0..MESSAGES);
        check_reports(lane, &reports, &prepared);
    }
    oversize_is_a_certain_failure(&lanes, &mut producers);

    let deliveries = read(consumer.as_mut(), &lanes[0], MESSAGES);
    commits_are_confirmed(consumer.as_mut(), &deliveries);
    observed_as_it_is(&cluster, &lanes, &prepared);
    drop(consumer);
    the_group_goes_on_where_it_had_committed(&cluster, &lanes[0], &deliveries);
    auto_commits_are_the_clients(&cluster, &lanes[3]);
    groups::members_share_what_they_read(&cluster);
    groups::a_static_member_that_was_succeeded_is_fenced(&cluster);
    groups::only_what_was_processed_is_stored(&cluster);
    let before = every_replica_reads_the_same(&cluster, &lanes);
    assert_eq!(before[&0].len(), MESSAGES as usize, "safe: all of it is there");
    assert_eq!(before[&2].len(), MESSAGES as usize, "none: nothing failed here");

    drop(producers.split_off(1));
    let acked = crash_of_the_leader(&mut cluster, &lanes[0], producers[0].as_mut(), &prepared);
    wait_until_whole(&cluster, &lanes);
    let after = every_replica_reads_the_same(&cluster, &lanes);
    let stored: BTreeSet<u32> = after[&0].iter().map(|id| id.sequence).collect();
    assert!(acked.is_subset(&stored), "acked with min.insync.replicas=2 and gone: {:?}", acked.difference(&stored));
}

fn prepare(cluster: &Cluster, lanes: &[TestLane]) -> Prepared {
    let config = BTreeMap::from([(String::from("cluster.version"), String::from("4.1.1"))]);
    let mut admin = Kafka.admin(&cluster.client("admin", config, &[], None)).unwrap();
    let topic = |lane: &TestLane| LaneTopic {
        name: lane.destination.name.clone(),
        partitions: 1,
        dead_letters: None,
        config: lane.config.clone(),
    };
    let topics: Vec<LaneTopic> = lanes.iter().map(topic).collect();
    let prepared = admin.prepare(&topics).unwrap();
    assert_eq!(prepared.broker_version, "4.1.1");
    assert_ne!(Some(prepared.leader), prepared.controller);
    assert_ne!(Some(prepared.leader), prepared.coordinator);
    let recovery = admin.recovered(&[lanes[0].destination.clone()]);
    assert!(recovery.whole, "{}", recovery.waiting_for);
    let again = admin.prepare(&topics).unwrap();
    assert_eq!(again.leader, prepared.leader, "topics that exist are as they were");
    let mut bad = topics[0].clone();
    bad.name = String::from("lane-bad");
    bad.config.insert(String::from("topic.min.insync.replicas"), String::from("many"));
    let refused = admin.prepare(&[bad]).unwrap_err().to_string();
    assert!(refused.contains("lane-bad") && refused.contains("min.insync.replicas"), "{refused}");
    prepared
}

fn producer(cluster: &Cluster, lane: &TestLane) -> Box<dyn Producer> {
    let spec = cluster.client("producer", lane.config.clone(), std::slice::from_ref(&lane.destination), None);
    Kafka.producer(&spec).unwrap()
}

/// A member of the group whose position is known, before anything was sent.
fn join(cluster: &Cluster, lane: &TestLane) -> Box<dyn Consumer> {
    let spec = cluster.client("consumer", lane.config.clone(), std::slice::from_ref(&lane.destination), Some("group"));
    let mut consumer = Kafka.consumer(&spec).unwrap();
    let assigned = next_event(consumer.as_mut());
    assert_eq!(assigned, ConsumerEvent::Assigned { destination: lane.destination.index, offset: Some(0) });
    consumer
}

fn next_event(consumer: &mut dyn Consumer) -> ConsumerEvent {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(event) = consumer.poll(Duration::from_millis(100)).unwrap() {
            return event;
        }
        assert!(Instant::now() < deadline, "no event from the consumer");
    }
}

fn send(producer: &mut dyn Producer, lane: &TestLane, sequence: u32, size: usize) -> Result<(), Reason> {
    let id = MessageId { session: u32::from(lane.destination.index), sequence };
    let mut payload = Vec::new();
    encode(&mut payload, RUN_TAG, id, 1, size);
    producer.send(lane.destination.index, id, 1, &payload)
}

fn send_all(producer: &mut dyn Producer, lane: &TestLane, sequences: std::ops::Range<u32>) -> Vec<SendReport> {
    for sequence in sequences.clone() {
        assert_eq!(send(producer, lane, sequence, 120), Ok(()));
    }
    let mut reports = Vec::new();
    await_reports(producer, sequences.len(), &mut reports);
    assert_eq!(producer.in_flight(), 0);
    reports
}

fn await_reports(producer: &mut dyn Producer, count: usize, reports: &mut Vec<SendReport>) {
    let deadline = Instant::now() + LIMIT;
    while reports.len() < count {
        producer.poll(Duration::from_millis(100), reports);
        assert!(Instant::now() < deadline, "{} of {count} reports", reports.len());
    }
}

fn check_reports(lane: &TestLane, reports: &[SendReport], prepared: &Prepared) {
    let sequences: BTreeSet<u32> = reports.iter().map(|report| report.id.sequence).collect();
    assert_eq!(sequences.len(), reports.len(), "each send has one report");
    for report in reports {
        assert_eq!(report.destination, lane.destination.index);
        match report.outcome {
            SendOutcome::Sent => assert_eq!(lane.config["producer.acks"], "0"),
            SendOutcome::Acked { offset, by_node } => {
                assert_ne!(lane.config["producer.acks"], "0");
                assert_eq!(offset, Some(u64::from(report.id.sequence)), "one session, one partition");
                assert_eq!(by_node, Some(prepared.leader));
            }
            SendOutcome::NotAcked(reason) => panic!("{report:?}: {}", reason.label()),
        }
    }
}

fn oversize_is_a_certain_failure(lanes: &[TestLane], producers: &mut [Box<dyn Producer>]) {
    let refused = send(producers[0].as_mut(), &lanes[0], MESSAGES, 2_000_000);
    assert_eq!(refused, Err(Reason::TooLarge), "beyond the client's own limit");
    let (fast, producer) = (&lanes[1], producers[1].as_mut());
    // Too large for the topic, not for the client.
    assert_eq!(send(producer, fast, MESSAGES, 9_000), Ok(()));
    let mut reports = Vec::new();
    await_reports(producer, 1, &mut reports);
    assert_eq!(reports[0].outcome, SendOutcome::NotAcked(Reason::TooLarge));
}

fn read(consumer: &mut dyn Consumer, lane: &TestLane, count: u32) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for expected in 0..count {
        let ConsumerEvent::Delivered(delivery) = next_event(consumer) else { panic!("something else than a message") };
        let id = MessageId { session: u32::from(lane.destination.index), sequence: expected };
        assert_eq!(delivery.offset, u64::from(expected));
        assert_eq!(delivery.payload, Decoded::Message { id, key: 1 });
        deliveries.push(delivery);
    }
    deliveries
}

fn commits_are_confirmed(consumer: &mut dyn Consumer, deliveries: &[Delivery]) {
    assert_eq!(consumer.settle(Settle::Commit, &deliveries[99], Some(LIMIT)), Ok(()));
    assert_eq!(consumer.settle(Settle::Commit, &deliveries[199], None), Ok(()));
    let destination = deliveries[0].destination;
    assert_eq!(next_event(consumer), ConsumerEvent::Settled { destination, offset: 200, failed: None });
    assert_eq!(consumer.settle(Settle::Ack, &deliveries[0], None), Err(Reason::Rejected), "a log has no acks");
}

fn the_group_goes_on_where_it_had_committed(cluster: &Cluster, lane: &TestLane, deliveries: &[Delivery]) {
    let spec = cluster.client("second", lane.config.clone(), std::slice::from_ref(&lane.destination), Some("group"));
    let mut consumer = Kafka.consumer(&spec).unwrap();
    let destination = lane.destination.index;
    assert_eq!(next_event(consumer.as_mut()), ConsumerEvent::Assigned { destination, offset: Some(200) });
    assert_eq!(next_event(consumer.as_mut()), ConsumerEvent::Delivered(deliveries[200]));
    // The result of a commit is found among the messages that wait behind it.
    assert_eq!(consumer.settle(Settle::Commit, &deliveries[200], Some(LIMIT)), Ok(()));
    assert_eq!(next_event(consumer.as_mut()), ConsumerEvent::Delivered(deliveries[201]));
}

/// The client commits what it handed out, by itself and at the latest when it leaves.
fn auto_commits_are_the_clients(cluster: &Cluster, lane: &TestLane) {
    let spec = cluster.client("auto", lane.config.clone(), std::slice::from_ref(&lane.destination), Some("auto"));
    let destination = lane.destination.index;
    let mut consumer = Kafka.consumer(&spec).unwrap();
    assert_eq!(next_event(consumer.as_mut()), ConsumerEvent::Assigned { destination, offset: Some(0) });
    read(consumer.as_mut(), lane, MESSAGES);
    drop(consumer);
    let mut next = Kafka.consumer(&spec).unwrap();
    let offset = Some(u64::from(MESSAGES));
    assert_eq!(next_event(next.as_mut()), ConsumerEvent::Assigned { destination, offset });
}

fn observed_as_it_is(cluster: &Cluster, lanes: &[TestLane], prepared: &Prepared) {
    let mut observer = observer(cluster, lanes);
    let mut seen = Vec::new();
    observer.observe(&mut |observation| seen.push(observation));
    for node in 1..=3 {
        let leader = |observation: &Observation| {
            matches!(observation, Observation::Leader { node: of, destination: 0, leader, .. }
                if *of == node && *leader == Some(prepared.leader))
        };
        assert!(seen.iter().any(leader), "node {node}: {seen:?}");
        let isr = Observation::Isr { node, destination: 0, isr_bits: 0b1110 };
        assert!(seen.contains(&isr), "node {node}: {seen:?}");
        assert!(seen.contains(&Observation::Members { node, members_bits: 0b1110 }), "node {node}: {seen:?}");
        let controller = |observation: &Observation| {
            matches!(observation, Observation::Controller { node: of, controller, epoch }
                if *of == node && *controller == prepared.controller && *epoch > 0)
        };
        assert!(seen.iter().any(controller), "node {node}: {seen:?}");
        let coordinator = Observation::Coordinator { node, group: 0, coordinator: prepared.coordinator };
        assert!(seen.contains(&coordinator), "node {node}: {seen:?}");
    }
    let members: Vec<&Observation> =
        seen.iter().filter(|observation| matches!(observation, Observation::Group { .. })).collect();
    let expected = Observation::Group { node: prepared.coordinator.unwrap(), group: 0, members: 1 };
    assert_eq!(members, [&expected], "only the coordinator speaks for the group");
}

fn observer(cluster: &Cluster, lanes: &[TestLane]) -> Box<dyn Observer> {
    let destinations: Vec<DestinationRef> = lanes.iter().map(|lane| lane.destination.clone()).collect();
    let spec = cluster.client("observer", BTreeMap::new(), &destinations, None);
    Kafka.observer(&spec, &[(0, String::from("group"))]).unwrap()
}

/// Reads every lane on every replica; gives the messages of each lane in their order.
fn every_replica_reads_the_same(cluster: &Cluster, lanes: &[TestLane]) -> BTreeMap<u16, Vec<MessageId>> {
    let mut auditor = Kafka.auditor(&cluster.client("audit", BTreeMap::new(), &[], None)).unwrap();
    let mut read = BTreeMap::new();
    for lane in lanes {
        let logs: Vec<Vec<AuditItem>> =
            (1..=3).map(|replica| audit(auditor.as_mut(), &lane.destination, replica)).collect();
        assert_eq!(logs[0], logs[1]);
        assert_eq!(logs[1], logs[2]);
        assert_eq!(logs[0].first(), Some(&AuditItem::Start(0)));
        assert_eq!(logs[0].last(), Some(&AuditItem::End(logs[0].len() as u64 - 2)));
        read.insert(lane.destination.index, logs[0].iter().filter_map(message).collect());
    }
    let beyond = auditor.read(&lanes[0].destination, 9, &mut |_| {}).unwrap_err().to_string();
    assert!(beyond.contains("node 9 holds no replica"), "{beyond}");
    read
}

fn audit(auditor: &mut dyn Auditor, destination: &DestinationRef, replica: u32) -> Vec<AuditItem> {
    let mut items = Vec::new();
    auditor.read(destination, replica, &mut |item| items.push(item)).unwrap();
    items
}

fn message(item: &AuditItem) -> Option<MessageId> {
    match item {
        AuditItem::Message { payload: Decoded::Message { id, .. }, .. } => Some(*id),
        AuditItem::Message { payload, .. } => panic!("stored otherwise than sent: {payload:?}"),
        _ => None,
    }
}

/// Kills the leader while messages are on their way. Gives the sequences that were acked.
fn crash_of_the_leader(
    cluster: &mut Cluster,
    lane: &TestLane,
    producer: &mut dyn Producer,
    prepared: &Prepared,
) -> BTreeSet<u32> {
    let mut observer = observer(cluster, std::slice::from_ref(lane));
    let mut reports = Vec::new();
    let mut next = MESSAGES;
    let mut accepted = 0;
    cluster.kill(prepared.leader);
    let deadline = Instant::now() + LIMIT;
    let mut changed = false;
    let mut silent = false;
    let is_acked_by_another = |report: &SendReport| matches!(report.outcome, SendOutcome::Acked { by_node: Some(node), .. } if node != prepared.leader);
    while !(changed && silent && reports.iter().any(is_acked_by_another)) {
        assert!(Instant::now() < deadline, "no new leader: changed {changed}, silent {silent}");
        for _ in 0..20 {
            accepted += usize::from(send(producer, lane, next, 120).is_ok());
            next += 1;
        }
        producer.poll(Duration::from_millis(20), &mut reports);
        observer.observe(&mut |observation| match observation {
            Observation::Silence { node, reason } => {
                assert_eq!(node, prepared.leader);
                assert_eq!(Reason::from_number(reason), Some(Reason::Transport));
                silent = true;
            }
            Observation::Leader { node, leader: Some(leader), .. } => {
                assert_ne!(node, prepared.leader, "the dead do not speak");
                changed |= leader != prepared.leader;
            }
            _ => {}
        });
    }
    cluster.restart(prepared.leader);
    producer.purge(&mut reports);
    assert_eq!(producer.in_flight(), 0);
    assert_eq!(reports.len(), accepted, "every accepted send ends in exactly one report");
    let ids: BTreeSet<u32> = reports.iter().map(|report| report.id.sequence).collect();
    assert_eq!(ids.len(), accepted);
    for report in &reports {
        if let SendOutcome::NotAcked(reason) = report.outcome {
            assert!(!reason.is_certain_failure(), "{}", reason.label());
        }
    }
    let acked = reports.iter().filter(|report| matches!(report.outcome, SendOutcome::Acked { .. }));
    acked.map(|report| report.id.sequence).collect()
}

fn wait_until_whole(cluster: &Cluster, lanes: &[TestLane]) {
    let destinations: Vec<DestinationRef> = lanes.iter().map(|lane| lane.destination.clone()).collect();
    let mut admin = Kafka.admin(&cluster.client("admin", BTreeMap::new(), &[], None)).unwrap();
    let deadline = Instant::now() + LIMIT;
    loop {
        let recovery = admin.recovered(&destinations);
        if recovery.whole {
            return;
        }
        assert!(Instant::now() < deadline, "still waiting for {}", recovery.waiting_for);
        std::thread::sleep(Duration::from_millis(100));
    }
}
