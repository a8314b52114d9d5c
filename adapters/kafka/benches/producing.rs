//! Messages a second through the adapter, beside a bare rdkafka loop with the same settings, on the
//! same three real brokers. Run with `cargo bench -p delivery-kafka`.
#![allow(clippy::unwrap_used)]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use delivery_broker::{
    ClientSpec, DestinationRef, LaneRequest, LaneTopic, MessageId, RealSystem, Reason, SendOutcome, System, encode,
};
use delivery_kafka::Kafka;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

const MESSAGES: u32 = 1_000_000;
const SIZE_BYTES: usize = 100;
const ROUNDS: usize = 5;

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
    let topic = |name: &str| LaneTopic { name: name.to_owned(), partitions: 1, config: config.clone() };
    let mut admin = Kafka.admin(&cluster.client("admin", BTreeMap::new(), &[], None)).unwrap();
    admin.prepare(&[topic("bench")]).unwrap();
    let destination = DestinationRef { index: 0, name: String::from("bench"), partition: Some(0) };
    let spec = cluster.client("bench", config, &[destination], None);
    let (mut bare_best, mut adapter_best) = (0.0f64, 0.0f64);
    for _ in 0..ROUNDS {
        bare_best = bare_best.max(bare(&spec));
        adapter_best = adapter_best.max(adapter(&spec));
    }
    println!("bare rdkafka: {bare_best:.0} messages/s; adapter: {adapter_best:.0} messages/s");
    println!("share of the bare loop: {:.1} % (best of {ROUNDS} each)", 100.0 * adapter_best / bare_best);
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

fn adapter(spec: &ClientSpec) -> f64 {
    let mut producer = Kafka.producer(spec).unwrap();
    let (mut payload, mut reports, mut acked) = (Vec::new(), Vec::new(), 0u32);
    let mut take = |producer: &mut dyn delivery_broker::Producer, wait| {
        producer.poll(wait, &mut reports);
        for report in reports.drain(..) {
            assert!(matches!(report.outcome, SendOutcome::Acked { .. }));
            acked += 1;
        }
        acked
    };
    let started = Instant::now();
    for sequence in 0..MESSAGES {
        let id = MessageId { session: 0, sequence };
        encode(&mut payload, 1, id, 0, SIZE_BYTES);
        while let Err(reason) = producer.send(0, id, 0, &payload) {
            assert_eq!(reason, Reason::QueueFull);
            take(producer.as_mut(), Duration::from_millis(1));
        }
        if sequence % 256 == 0 {
            take(producer.as_mut(), Duration::ZERO);
        }
    }
    while take(producer.as_mut(), Duration::from_millis(10)) < MESSAGES {}
    f64::from(MESSAGES) / started.elapsed().as_secs_f64()
}
