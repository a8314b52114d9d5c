//! Settings: which names exist, what they belong to, how a user's spelling becomes a full name.

mod java;
mod names;
mod resolve;

pub(crate) use java::translate;
pub(crate) use names::client_default;
pub(crate) use resolve::{check_client, full_name};

use delivery_broker::{Scope, Setting};

macro_rules! settings {
    ($($scope:ident $name:literal, $about:literal;)+) => {
        /// Settings shown by `verify list settings`. Any other property of librdkafka, of a topic or
        /// of a broker is taken as well.
        pub(crate) const SHOWN: &[Setting] = &[$(Setting { scope: Scope::$scope, name: $name, about: $about }),+];
    };
}

settings! {
    Producer "acks", "acknowledgements a send waits for: all, 1, 0";
    Producer "enable.idempotence", "true: the broker drops the client's own repeats and keeps their order";
    Producer "message.timeout.ms", "how long a send is tried before its outcome is unknown, milliseconds";
    Producer "retries", "how often a send is tried again";
    Producer "linger.ms", "how long messages wait to be sent together, milliseconds";
    Producer "batch.size", "largest batch, bytes";
    Producer "batch.num.messages", "largest batch, messages";
    Producer "compression.type", "none, gzip, snappy, lz4 (producer.); topics have one of the same name (topic.)";
    Producer "max.in.flight.requests.per.connection", "requests sent before the first is answered";
    Producer "request.timeout.ms", "how long the broker may take to gather acknowledgements, milliseconds";
    Producer "queue.buffering.max.messages", "messages the client holds at most";
    Consumer "commit", "after-processing, before-processing or auto (the client commits by itself)";
    Consumer "auto.offset.reset", "where a group without a committed offset starts: earliest, latest, error";
    Consumer "auto.commit.interval.ms", "time between commits with commit=auto, milliseconds";
    Consumer "session.timeout.ms", "how long the group waits for a silent member, milliseconds";
    Consumer "heartbeat.interval.ms", "time between a member's heartbeats, milliseconds";
    Consumer "max.poll.interval.ms", "longest time between two polls of a member, milliseconds";
    Consumer "isolation.level", "read_committed, read_uncommitted";
    Consumer "partition.assignment.strategy", "range, roundrobin, cooperative-sticky";
    Consumer "group.protocol", "classic, consumer";
    Consumer "fetch.wait.max.ms", "how long the broker may gather messages for one answer, milliseconds";
    Topic "partitions", "number of partitions";
    Topic "replication.factor", "number of replicas, 1 to 3";
    Topic "min.insync.replicas", "in-sync replicas a write with acks=all needs";
    Topic "unclean.leader.election.enable", "true: a replica out of sync may lead, and what it lacks is lost";
    Topic "max.message.bytes", "largest batch the topic takes, bytes";
    Broker "replica.lag.time.max.ms", "how long a silent follower stays in sync, milliseconds";
    Broker "broker.session.timeout.ms", "how long the controller waits for a silent broker, milliseconds";
    Broker "broker.heartbeat.interval.ms", "time between a broker's heartbeats, milliseconds";
    Broker "controller.quorum.election.timeout.ms", "time before a controller stands for election, milliseconds";
    Broker "controller.quorum.fetch.timeout.ms", "silence of the quorum's leader before an election, milliseconds";
    Broker "log.flush.interval.messages", "messages between two flushes to disk";
    Broker "num.replica.fetchers", "threads that copy from each other broker";
}
