//! Settings: which there are, what values they take, how a user's spelling becomes a full name.

mod conf;
mod definitions;
mod resolve;
mod values;

pub(crate) use conf::read_conf;
pub(crate) use definitions::read_definitions;
pub(crate) use resolve::full_name;
pub(crate) use values::check_value;

use delivery_broker::{Scope, Setting};

macro_rules! settings {
    ($($scope:ident $name:literal, $about:literal;)+) => {
        /// Every setting of clients and queues, and those broker settings that bear on delivery. Any
        /// other key of `rabbitmq.conf` that has a dot in it is taken as well (`broker.`).
        pub(crate) const SHOWN: &[Setting] = &[$(Setting { scope: Scope::$scope, name: $name, about: $about }),+];
    };
}

settings! {
    Producer "confirms", "publisher confirms: true, false";
    Producer "confirm.timeout.ms", "how long a confirm is waited for before the outcome is unknown, milliseconds";
    Producer "mandatory", "true: a message that no queue takes is returned";
    Producer "persistent", "true: delivery mode 2; false: transient, gone with a restart of a classic queue";
    Producer "unroutable.percent", "share of messages published where no queue is bound, 0 to 100";
    Consumer "ack", "after-processing, before-processing, or automatic (settled as it is handed out)";
    Consumer "prefetch", "messages handed to a consumer that it has not settled, 0 for no limit";
    Consumer "processing.ms", "how long the handler takes over a message, milliseconds";
    Consumer "poison", "number of the message of each producer whose handler hangs until its process dies, or none";
    Consumer "refuse", "how deliveries are refused: none, nack-requeue, reject-requeue, nack-drop, reject-drop";
    Consumer "refuse.percent", "share of deliveries that are refused, 0 to 100";
    Queue "type", "classic, quorum, stream";
    Queue "version", "of a classic queue: 1, 2, or default (the broker's own)";
    Queue "mirrored", "classic queues before 4.0: true, false, or auto (where the version has it)";
    Queue "promote.on.failure", "mirrored: may an unsynchronised mirror lead: always, when-synced";
    Queue "sync.mode", "mirrored: a mirror that joins: manual, automatic";
    Queue "durable", "true: the queue survives a restart";
    Queue "single.active.consumer", "true: one consumer at a time, the next when it is gone";
    Queue "delivery.limit", "of a quorum queue: redeliveries before a message is dropped, or default";
    Queue "max.length", "most messages kept, or none";
    Queue "overflow", "beyond max.length: drop-head, reject-publish, reject-publish-dlx";
    Queue "dead.letter", "where refused and dropped messages end: none, or a queue of this type: classic, quorum";
    Queue "dead.letter.strategy", "of a quorum queue: at-most-once, at-least-once";
    Broker "cluster_partition_handling", "before 4.3: ignore, pause_minority, autoheal";
    Broker "net_ticktime", "how long a silent node is waited for, seconds";
    Broker "heartbeat", "how long a silent connection is waited for, seconds";
    Broker "collect_statistics_interval", "time between a queue's statistics, milliseconds";
    Broker "consumer_timeout", "longest time a delivery may be unsettled, milliseconds";
    Broker "vm_memory_high_watermark.relative", "share of memory above which publishing stops";
    Broker "disk_free_limit.absolute", "free disk space below which publishing stops, bytes";
    Broker "quorum_commands_soft_limit", "unconfirmed commands a channel may have with a quorum queue";
}
