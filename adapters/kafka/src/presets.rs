//! Named configurations.

use delivery_broker::Preset;

/// Presets, the tour's first and in its order.
pub(crate) const PRESETS: &[Preset] = &[
    Preset {
        name: "safe",
        about: "acks=all, two in-sync replicas, idempotent: gives up writes while two of three nodes are gone",
        in_tour: true,
    },
    Preset {
        name: "default",
        about: "librdkafka's defaults on the broker's: acks=all, but one in-sync replica is enough",
        in_tour: true,
    },
    Preset { name: "fast", about: "acks=1: gives up what only the leader has when another takes over", in_tour: true },
    Preset { name: "none", about: "acks=0: gives up whatever does not arrive, and never learns of it", in_tour: true },
    Preset {
        name: "java",
        about: "defaults of the Java client 4.x (acks=all, idempotent, delivery.timeout.ms=120000), run by librdkafka",
        in_tour: false,
    },
];

/// Where a lane with files and no preset starts: nothing but the client's and broker's own defaults.
pub(crate) const MINE: &str = "mine";

/// Properties whose value a lane always names, at librdkafka's default unless it has another.
pub(crate) const NAMED_DEFAULTS: &[&str] = &[
    "producer.acks",
    "producer.enable.idempotence",
    "producer.message.timeout.ms",
    "producer.linger.ms",
    "producer.retries",
    "producer.request.timeout.ms",
    "producer.compression.type",
    "consumer.session.timeout.ms",
    "consumer.heartbeat.interval.ms",
    "consumer.isolation.level",
    "consumer.partition.assignment.strategy",
    "consumer.group.protocol",
];

/// What every lane has beside the client's defaults. A group of ours starts at the start, not at
/// librdkafka's `largest`: what was sent before its position was known would be nobody's.
pub(crate) const COMMON: &[(&str, &str)] = &[
    ("consumer.commit", "after-processing"),
    ("consumer.auto.offset.reset", "earliest"),
    ("topic.partitions", "1"),
    ("topic.replication.factor", "3"),
    ("topic.min.insync.replicas", "1"),
    ("topic.unclean.leader.election.enable", "false"),
];

/// What a preset has beside that.
pub(crate) fn layer(preset: &str) -> &'static [(&'static str, &'static str)] {
    match preset {
        "safe" => {
            &[("producer.acks", "all"), ("producer.enable.idempotence", "true"), ("topic.min.insync.replicas", "2")]
        }
        "fast" => &[("producer.acks", "1")],
        "none" => &[("producer.acks", "0")],
        "java" => JAVA,
        _ => &[],
    }
}

/// Defaults of the Java client 4.x (`ProducerConfig`, `ConsumerConfig`), by librdkafka's names.
const JAVA: &[(&str, &str)] = &[
    ("producer.acks", "all"),
    ("producer.enable.idempotence", "true"),
    ("producer.max.in.flight.requests.per.connection", "5"),
    ("producer.message.timeout.ms", "120000"),
    ("producer.request.timeout.ms", "30000"),
    ("producer.linger.ms", "5"),
    ("producer.batch.size", "16384"),
    ("producer.queue.buffering.max.kbytes", "32768"),
    ("producer.message.max.bytes", "1048576"),
    ("producer.compression.type", "none"),
    ("producer.reconnect.backoff.ms", "50"),
    ("producer.reconnect.backoff.max.ms", "1000"),
    ("producer.retry.backoff.ms", "100"),
    ("producer.retry.backoff.max.ms", "1000"),
    ("producer.socket.connection.setup.timeout.ms", "10000"),
    ("consumer.session.timeout.ms", "45000"),
    ("consumer.heartbeat.interval.ms", "3000"),
    ("consumer.max.poll.interval.ms", "300000"),
    ("consumer.auto.commit.interval.ms", "5000"),
    ("consumer.isolation.level", "read_uncommitted"),
    ("consumer.partition.assignment.strategy", "range"),
    ("consumer.fetch.min.bytes", "1"),
    ("consumer.fetch.wait.max.ms", "500"),
];
