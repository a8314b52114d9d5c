//! Named configurations.

use delivery_broker::Preset;

macro_rules! presets {
    ($($name:literal $in_tour:literal, $about:literal;)+) => {
        /// Presets, the tour's first and in its order.
        pub(crate) const PRESETS: &[Preset] =
            &[$(Preset { name: $name, about: $about, in_tour: $in_tour }),+];
    };
}

presets! {
    "quorum" true, "quorum queue on three nodes, confirms, ack after processing: gives up writes without a majority";
    "stream" true, "stream on three nodes, confirms: a log, read by offset, confirmed by a majority but not flushed";
    "classic" true, "durable classic queue, confirms, ack after processing; mirrored to all nodes before 4.0";
    "none" true, "classic queue without confirms, settled as it is handed out: gives up whatever is on its way";
    "classic-v2" false, "classic queue of version 2 on one node, confirms, ack after processing (3.10 or later)";
    "mirrored" false, "classic queue mirrored to all nodes, confirms, ack after processing (before 4.0)";
    "classic-sac" false, "classic queue with a single active consumer, confirms, ack after processing";
    "quorum-sac" false, "quorum queue with a single active consumer, confirms, ack after processing";
    "transient" false, "classic queue on one node, transient messages, confirms: gives up what a restart finds";
    "ack-first" false, "quorum queue, acks before processing: gives up what a consumer had when it died";
    "automatic-ack" false, "quorum queue, confirms, settled as it is handed out: gives up what was on its way";
    "requeue" false, "quorum queue whose consumer requeues a tenth of the deliveries by nack";
    "requeue-reject" false, "quorum queue whose consumer requeues a tenth of the deliveries by reject";
    "poison" false, "quorum queue, message 300 hangs whoever handles it: gives up it and its neighbours at the delivery limit";
    "drop-head" false, "quorum queue of at most 100 messages: gives up the oldest, confirmed or not";
    "reject-publish" false, "quorum queue of at most 100 messages: gives up writes beyond";
    "dead-letter" false, "quorum queue, a tenth is refused and dead-lettered at most once, the broker's default";
    "dead-letter-safe" false, "quorum queue, a tenth is refused and dead-lettered at least once";
    "unroutable" false, "quorum queue, a tenth is published where no queue is bound: confirmed, and stored nowhere";
    "mandatory" false, "quorum queue, a tenth is published where no queue is bound, and returned";
}

/// Where a lane with files and no preset starts.
pub(crate) const MINE: &str = "mine";
/// Whose settings a lane with files and no preset has.
pub(crate) const MINE_FROM: &str = "quorum";

/// What every lane has beside its preset's.
pub(crate) const COMMON: &[(&str, &str)] = &[
    ("producer.confirms", "true"),
    ("producer.confirm.timeout.ms", "10000"),
    ("producer.mandatory", "false"),
    ("producer.persistent", "true"),
    ("producer.unroutable.percent", "0"),
    ("consumer.ack", "after-processing"),
    ("consumer.prefetch", "250"),
    ("consumer.processing.ms", "0"),
    ("consumer.poison", "none"),
    ("consumer.refuse", "none"),
    ("consumer.refuse.percent", "0"),
    ("queue.type", "classic"),
    ("queue.durable", "true"),
    ("queue.single.active.consumer", "false"),
    ("queue.max.length", "none"),
    ("queue.dead.letter", "none"),
];

/// What every lane with a queue of this type has beside that: settings of other types mean nothing to it.
pub(crate) fn type_layer(queue_type: &str) -> &'static [(&'static str, &'static str)] {
    match queue_type {
        "classic" => &[("queue.version", "default"), ("queue.mirrored", "false")],
        "quorum" => &[("queue.delivery.limit", "default")],
        _ => &[],
    }
}

const QUORUM: (&str, &str) = ("queue.type", "quorum");
const TENTH: (&str, &str) = ("consumer.refuse.percent", "10");

/// What a preset has beside that.
pub(crate) fn layer(preset: &str) -> &'static [(&'static str, &'static str)] {
    match preset {
        "quorum" => &[QUORUM],
        "stream" => &[("queue.type", "stream")],
        "classic" => &[("queue.mirrored", "auto")],
        "none" => &[("producer.confirms", "false"), ("consumer.ack", "automatic")],
        "classic-v2" => &[("queue.version", "2")],
        "mirrored" => &[("queue.mirrored", "true")],
        "classic-sac" => &[("queue.single.active.consumer", "true")],
        "quorum-sac" => &[QUORUM, ("queue.single.active.consumer", "true")],
        "transient" => &[("producer.persistent", "false")],
        "ack-first" => &[QUORUM, ("consumer.ack", "before-processing")],
        "automatic-ack" => &[QUORUM, ("consumer.ack", "automatic")],
        "requeue" => &[QUORUM, ("consumer.refuse", "nack-requeue"), TENTH],
        "requeue-reject" => &[QUORUM, ("consumer.refuse", "reject-requeue"), TENTH],
        "poison" => &[QUORUM, ("consumer.poison", "300"), ("consumer.prefetch", "10")],
        "drop-head" => &[QUORUM, ("queue.max.length", "100"), ("queue.overflow", "drop-head")],
        "reject-publish" => &[QUORUM, ("queue.max.length", "100"), ("queue.overflow", "reject-publish")],
        "dead-letter" => &[QUORUM, ("consumer.refuse", "reject-drop"), TENTH, ("queue.dead.letter", "classic")],
        "dead-letter-safe" => &[
            QUORUM,
            ("consumer.refuse", "reject-drop"),
            TENTH,
            ("queue.dead.letter", "classic"),
            ("queue.dead.letter.strategy", "at-least-once"),
            ("queue.overflow", "reject-publish"),
        ],
        "unroutable" => &[QUORUM, ("producer.unroutable.percent", "10")],
        "mandatory" => &[QUORUM, ("producer.unroutable.percent", "10"), ("producer.mandatory", "true")],
        _ => &[],
    }
}
