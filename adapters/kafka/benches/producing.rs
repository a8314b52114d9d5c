//! Messages a second through `verify` (paced loop, adapter, recorder), beside a bare rdkafka loop with the same settings, on the
//! same three real brokers. Run with `cargo bench -p delivery-kafka`.
#![allow(clippy::unwrap_used)]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use delivery_broker::{ClientSpec, DestinationRef, LaneRequest, LaneTopic, MessageId, RealSystem, System, encode};
use delivery_history::{Clock, Recorder};
use delivery_kafka::Kafka;
use delivery_workloads::{ProducePlan, ProducerLoop};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

const MESSAGES: u32 = 1_000_000;
const SIZE_BYTES: usize = 100;
const ROUNDS: usize = 7;
/// Below librdkafka's own limit of 100,000: a full queue is a failure, not a speed.
const MAX_IN_FLIGHT: usize = 50_000;

struct Count;

impl ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
    }
}

fn main() {
    let Some(installation) = harness::install() else { return };
    let cluster = harness::Cluster::start(&installation, 2);
    let request = LaneRequest { preset: Some(String::from("fast")), ..LaneRequest::default() };
    let config = Kafka.lane(&request).unwrap().lane.config;
    let topic =
        |name: &str| LaneTopic { name: name.to_owned(), partitions: 1, dead_letters: None, config: config.clone() };
    let mut admin = Kafka.admin(&cluster.client("admin", BTreeMap::new(), &[], None)).unwrap();
    admin.prepare(&[topic("bench")]).unwrap();
    let destination = DestinationRef { index: 0, name: String::from("bench"), partition: Some(0) };
    let spec = cluster.client("bench", config, &[destination], None);
    let mut rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (bare(&spec), through_verify(&spec))).collect();
    rounds.sort_by(|left, right| (left.1 / left.0).total_cmp(&(right.1 / right.0)));
    for (bare, ours) in &rounds {
        println!("bare rdkafka {bare:.0} messages/s, through verify {ours:.0}: {:.1} %", 100.0 * ours / bare);
    }
    let (bare, ours) = rounds[ROUNDS / 2];
    println!("share of the bare loop: median {:.1} % of {ROUNDS} rounds", 100.0 * ours / bare);
}

fn bare(spec: &ClientSpec) -> f64 {
    let mut config = ClientConfig::new();
    let servers: Vec<String> = spec.nodes.iter().map(|node| format!("{}:9092", node.address)).collect();
    config.set("bootstrap.servers", servers.join(","));
    for (name, value) in &spec.config {
        if let Some(name) = name.strip_prefix("producer.") {
            config.set(name, value);
        }
    }
    let producer: BaseProducer<Count> = config.create_with_context(Count).unwrap();
    let mut payload = Vec::new();
    let started = Instant::now();
    for sequence in 0..MESSAGES {
        encode(&mut payload, 1, MessageId { session: 0, sequence }, 0, SIZE_BYTES);
        let key = 0u32.to_be_bytes();
        while producer.send(BaseRecord::to("bench").partition(0).key(&key[..]).payload(&payload)).is_err() {
            producer.poll(Duration::from_millis(1));
        }
        if sequence % 256 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    f64::from(MESSAGES) / started.elapsed().as_secs_f64()
}

/// What a worker of a run does: paced loop, encoded identity, two recorded events a message.
fn through_verify(spec: &ClientSpec) -> f64 {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(&directory.path().join("bench.events"), 0, Clock::Monotonic).unwrap();
    let mut producer = Kafka.producer(spec).unwrap();
    let plan = ProducePlan {
        resend: 0,
        worker: 0,
        destinations: vec![0],
        // Always behind: what is due is never what limits it.
        rate_per_s: 1e8,
        size_bytes: SIZE_BYTES,
        keys: 1,
        run_tag: 1,
    };
    let mut sending = ProducerLoop::new(plan);
    let started = Instant::now();
    while sending.sent() < MESSAGES {
        if producer.in_flight() < MAX_IN_FLIGHT {
            sending.start(recorder.now_ns());
        } else {
            sending.stop();
        }
        sending.step(producer.as_mut(), &mut recorder).unwrap();
    }
    let sent = sending.sent();
    sending.stop();
    while producer.in_flight() > 0 {
        sending.step(producer.as_mut(), &mut recorder).unwrap();
    }
    let rate = f64::from(sent) / started.elapsed().as_secs_f64();
    recorder.close().unwrap();
    rate
}
