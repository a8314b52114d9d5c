//! Members of a group that come, share what they read, and are fenced.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use delivery_broker::{
    ClientSpec, Consumer, ConsumerEvent, Delivery, DestinationRef, LaneRequest, LaneTopic, MessageId, RealSystem,
    Reason, SendOutcome, Settle, System, encode,
};
use delivery_kafka::Kafka;

use crate::harness::Cluster;
use crate::{LIMIT, RUN_TAG};

const PARTITIONS: u16 = 4;
/// Messages in each partition.
const MESSAGES: u32 = 10;

/// One topic and its group.
struct Topic<'a> {
    cluster: &'a Cluster,
    name: &'static str,
    config: BTreeMap<String, String>,
    destinations: Vec<DestinationRef>,
}

impl<'a> Topic<'a> {
    /// The topic, with messages in all of its partitions.
    fn filled(cluster: &'a Cluster, name: &'static str, overrides: &[(&str, &str)]) -> Self {
        let overrides = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = LaneRequest { preset: Some(String::from("safe")), overrides, files: Vec::new() };
        let config = Kafka.lane(&request).unwrap().lane.config;
        let destination =
            |index: u16| DestinationRef { index, name: name.to_owned(), partition: Some(u32::from(index)) };
        let topic = Self { cluster, name, config, destinations: (0..PARTITIONS).map(destination).collect() };
        let made = LaneTopic {
            name: name.to_owned(),
            partitions: u32::from(PARTITIONS),
            dead_letters: None,
            config: topic.config.clone(),
        };
        let admin_config = BTreeMap::from([(String::from("cluster.version"), String::from("4.1.1"))]);
        Kafka.admin(&cluster.client("admin", admin_config, &[], None)).unwrap().prepare(&[made]).unwrap();
        topic.fill();
        topic
    }

    fn fill(&self) {
        let mut producer = Kafka.producer(&self.spec("producer", "p")).unwrap();
        for sequence in 0..MESSAGES * u32::from(PARTITIONS) {
            let id = MessageId { session: 1, sequence };
            let mut payload = Vec::new();
            encode(&mut payload, RUN_TAG, id, sequence, 100);
            producer.send((sequence % u32::from(PARTITIONS)) as u16, id, sequence, &payload).unwrap();
        }
        let mut reports = Vec::new();
        let deadline = Instant::now() + LIMIT;
        while producer.in_flight() > 0 {
            producer.poll(Duration::from_millis(100), &mut reports);
            assert!(Instant::now() < deadline, "{} reports", reports.len());
        }
        assert!(reports.iter().all(|report| matches!(report.outcome, SendOutcome::Acked { .. })), "{reports:?}");
    }

    fn spec(&self, client: &str, seat: &str) -> ClientSpec {
        let spec = self.cluster.client(client, self.config.clone(), &self.destinations, Some(self.name));
        ClientSpec { seat: seat.to_owned(), ..spec }
    }

    fn join(&self, client: &str, seat: &str) -> Member {
        let client = Kafka.consumer(&self.spec(client, seat)).unwrap();
        Member { client, told: Vec::new(), held: BTreeSet::new(), read: Vec::new() }
    }
}

/// A member, and what it was told.
struct Member {
    client: Box<dyn Consumer>,
    told: Vec<ConsumerEvent>,
    held: BTreeSet<u16>,
    read: Vec<Delivery>,
}

impl Member {
    /// Takes one event, if there is one; what is read is processed at once.
    fn step(&mut self) {
        let Some(event) = self.client.poll(Duration::from_millis(20)).unwrap() else { return };
        self.told.push(event);
        match event {
            ConsumerEvent::Assigned { destination, .. } => drop(self.held.insert(destination)),
            ConsumerEvent::Revoked { destination, .. } => drop(self.held.remove(&destination)),
            ConsumerEvent::Delivered(delivery) => {
                self.client.processed(&delivery);
                self.read.push(delivery);
            }
            _ => {}
        }
    }

    /// Where the members reads from in a destination, as it was told last.
    fn began(&self, wanted: u16) -> Option<u64> {
        self.told.iter().rev().find_map(|event| match event {
            ConsumerEvent::Assigned { destination, offset } if *destination == wanted => *offset,
            _ => None,
        })
    }

    fn place(&self, wanted: impl Fn(&ConsumerEvent) -> bool) -> Option<usize> {
        self.told.iter().position(wanted)
    }
}

fn step_until(members: &mut [&mut Member], what: &str, done: impl Fn(&[&mut Member]) -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done(members) {
        members.iter_mut().for_each(|member| member.step());
        assert!(Instant::now() < deadline, "{what}: {:?}", members.iter().map(|one| &one.held).collect::<Vec<_>>());
    }
}

/// Under each protocol: the second member takes over where the first had processed, for that commits before it gives
/// anything up.
pub(crate) fn members_share_what_they_read(cluster: &Cluster) {
    for (name, setting, keeps) in [
        ("group-roundrobin", ("partition.assignment.strategy", "roundrobin"), false),
        ("group-cooperative", ("partition.assignment.strategy", "cooperative-sticky"), true),
        ("group-new", ("group.protocol", "consumer"), true),
    ] {
        let topic = Topic::filled(cluster, name, &[setting]);
        let mut first = topic.join("first", "1");
        let all = (MESSAGES * u32::from(PARTITIONS)) as usize;
        step_until(&mut [&mut first], name, |members| members[0].read.len() == all);
        let mut second = topic.join("second", "2");
        step_until(&mut [&mut first, &mut second], name, |members| {
            let held = members.iter().map(|one| one.held.len());
            held.clone().sum::<usize>() == usize::from(PARTITIONS)
                && held.clone().all(|count| count > 0)
                && members[0].held.is_disjoint(&members[1].held)
        });
        let mut given_up = BTreeSet::new();
        for destination in 0..PARTITIONS {
            let revoked = ConsumerEvent::Revoked { destination, lost: false };
            let Some(at) = first.place(|event| *event == revoked) else { continue };
            let settled = ConsumerEvent::Settled { destination, offset: u64::from(MESSAGES), failed: None };
            assert!(
                first.place(|event| *event == settled).is_some_and(|before| before < at),
                "{name}: {:?}",
                first.told
            );
            given_up.insert(destination);
        }
        assert!(given_up.is_superset(&second.held), "{name}: {given_up:?}");
        assert_eq!(given_up.len() < usize::from(PARTITIONS), keeps, "{name}: {given_up:?}");
        for destination in &second.held {
            assert_eq!(second.began(*destination), Some(u64::from(MESSAGES)), "{name}");
        }
        assert!(second.read.is_empty(), "{name}: read again");
        let mut auditor = Kafka.auditor(&cluster.client("audit", BTreeMap::new(), &[], None)).unwrap();
        let committed = auditor.committed(topic.name, &topic.destinations).unwrap().unwrap();
        for (destination, offset) in committed.offsets {
            let expected = given_up.contains(&destination).then_some(u64::from(MESSAGES));
            assert_eq!(offset, expected, "{name}: partition {destination}");
        }
    }
}

/// Another client takes over the seat of a static member that still lives: what that one commits then is refused.
pub(crate) fn a_static_member_that_was_succeeded_is_fenced(cluster: &Cluster) {
    let topic = Topic::filled(cluster, "group-static", &[("static.membership", "true")]);
    let mut zombie = topic.join("first", "seat");
    step_until(&mut [&mut zombie], "static", |members| !members[0].read.is_empty());
    let mut successor = topic.join("second", "seat");
    step_until(&mut [&mut successor], "static", |members| members[0].held.len() == usize::from(PARTITIONS));
    let delivery = zombie.read[0];
    let refused = zombie.client.settle(Settle::Commit, &delivery, Some(LIMIT));
    assert!(matches!(refused, Err(Reason::FencedInstance | Reason::Fatal)), "{refused:?}");
    let fenced = |event: &ConsumerEvent| *event == ConsumerEvent::SessionEnded { reason: Reason::FencedInstance };
    step_until(&mut [&mut zombie], "fenced", |members| members[0].told.iter().any(fenced));
    assert_eq!(successor.began(delivery.destination), Some(0), "nothing had been committed");
}

/// The client commits by itself, and only what it was told is processed.
pub(crate) fn only_what_was_processed_is_stored(cluster: &Cluster) {
    let topic = Topic::filled(cluster, "group-store", &[("commit", "auto-manual-store")]);
    let mut first = topic.join("first", "1");
    let deadline = Instant::now() + LIMIT;
    let mut read = 0;
    while read < MESSAGES * u32::from(PARTITIONS) {
        if let Some(ConsumerEvent::Delivered(delivery)) = first.client.poll(Duration::from_millis(20)).unwrap() {
            read += 1;
            if delivery.offset < 3 {
                first.client.processed(&delivery);
            }
        }
        assert!(Instant::now() < deadline, "{read} read");
    }
    // It leaves politely: what is stored is committed.
    drop(first);
    let mut auditor = Kafka.auditor(&cluster.client("audit", BTreeMap::new(), &[], None)).unwrap();
    let committed = auditor.committed(topic.name, &topic.destinations).unwrap().unwrap();
    assert_eq!(committed.offsets, (0..PARTITIONS).map(|destination| (destination, Some(3))).collect::<Vec<_>>());
}
