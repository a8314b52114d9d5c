//! Named configurations.

use delivery_broker::Preset;

use crate::transactions;

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
    Preset {
        name: "resend",
        about: "safe, and the application sends again what came back unknown: gives up that nothing is stored twice",
        in_tour: false,
    },
    Preset {
        name: "commit-first",
        about: "safe, committed before it is processed: gives up what a consumer that dies had committed and not done",
        in_tour: false,
    },
    Preset {
        name: "auto-commit",
        about: "safe, librdkafka's automatic commit and store: gives up what was handed out to a consumer that dies",
        in_tour: false,
    },
    Preset {
        name: "java-auto-commit",
        about: "java, committing by itself what earlier polls gave: gives up that nothing is done twice after a crash; \
                librdkafka commits on a timer of its own, not inside the next poll as the Java client does",
        in_tour: false,
    },
    Preset {
        name: "latest",
        about: "safe, a group without a committed offset starts at the end: gives up what was sent before it came",
        in_tour: false,
    },
    Preset {
        name: "static",
        about: "safe, members with a group.instance.id: gives up a quick takeover, a dead member's session must time out",
        in_tour: false,
    },
    Preset {
        name: "cooperative",
        about: "safe, cooperative-sticky assignor: gives up a rebalance in one round, members keep what they read meanwhile",
        in_tour: false,
    },
    Preset {
        name: "new-groups",
        about: "safe, the consumer protocol of KIP-848 (4.0 and later): gives up the client's own session and assignor",
        in_tour: false,
    },
    Preset {
        name: "transactions",
        about: "safe, and workers read, transform and write in transactions: gives up latency, nobody reads on past an \
                open transaction, and throughput to what aborts",
        in_tour: false,
    },
    Preset {
        name: "transactions-uncommitted",
        about: "transactions, read by readers with isolation.level=read_uncommitted: gives up atomicity, they are given \
                what then aborts",
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
    ("consumer.max.poll.records", "500"),
    ("consumer.processing.ms", "0"),
    ("consumer.static.membership", "false"),
    ("producer.resend", "0"),
    ("cluster.nodes", "3"),
    ("cluster.controllers", "0"),
    ("topic.partitions", "1"),
    ("topic.replication.factor", "3"),
    ("topic.min.insync.replicas", "1"),
    ("topic.unclean.leader.election.enable", "false"),
];

/// What a preset has beside that, the later winning.
pub(crate) fn layers(preset: &str) -> Vec<&'static [(&'static str, &'static str)]> {
    match preset {
        "safe" => vec![SAFE],
        "fast" => vec![&[("producer.acks", "1")]],
        "none" => vec![&[("producer.acks", "0")]],
        "java" => vec![JAVA],
        "resend" => vec![SAFE, &[("producer.resend", "3")]],
        "commit-first" => vec![SAFE, &[("consumer.commit", "before-processing")]],
        "auto-commit" => vec![SAFE, &[("consumer.commit", "auto")]],
        "java-auto-commit" => vec![JAVA, &[("consumer.commit", "auto-batch-store")]],
        "latest" => vec![SAFE, &[("consumer.auto.offset.reset", "latest")]],
        "static" => vec![SAFE, &[("consumer.static.membership", "true")]],
        "cooperative" => vec![SAFE, &[("consumer.partition.assignment.strategy", "cooperative-sticky")]],
        "new-groups" => vec![SAFE, &[("consumer.group.protocol", "consumer")]],
        "transactions" => vec![SAFE, transactions::COMMON],
        "transactions-uncommitted" => {
            vec![SAFE, transactions::COMMON, &[("consumer.isolation.level", "read_uncommitted")]]
        }
        _ => Vec::new(),
    }
}

/// Whether the preset starts from the Java client's defaults.
pub(crate) fn is_java(preset: &str) -> bool {
    preset.starts_with("java")
}

const SAFE: &[(&str, &str)] =
    &[("producer.acks", "all"), ("producer.enable.idempotence", "true"), ("topic.min.insync.replicas", "2")];

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
