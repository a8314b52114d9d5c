//! Settings: which names exist, what they belong to, how a user's spelling becomes a full name.

mod java;
mod names;
mod resolve;
mod versions;

pub(crate) use java::translate;
pub(crate) use names::{client_default, is_own};
pub(crate) use resolve::{check_client, full_name};
pub(crate) use versions::not_known_to;

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
    Producer "compression.type", "none, gzip, snappy, lz4, zstd (producer.); topics have one of the same name (topic.)";
    Producer "max.in.flight.requests.per.connection", "requests sent before the first is answered";
    Producer "request.timeout.ms", "how long the broker may take to gather acknowledgements, milliseconds";
    Producer "queue.buffering.max.messages", "messages the client holds at most";
    Producer "partitioner", "which partition a key belongs to: consistent, murmur2, fnv1a, ..._random, random; without it the keys in turn";
    Producer "resend", "how often the application sends a message again whose outcome is unknown (ours): 0 to 100";
    Producer "abort.rate", "share of its transactions a worker aborts on purpose (ours, of lanes in transactions): 0 to 0.9";
    Producer "transaction.messages", "messages of one transaction, at most (ours)";
    Producer "transaction.ms", "length of one transaction, at most, milliseconds (ours)";
    Producer "transaction.workers", "workers that transform, each with a transactional.id of its own (ours)";
    Producer "transaction.timeout.ms", "how long a transaction may be open before the broker aborts it, milliseconds";
    Consumer "commit", "after-processing, before-processing, auto (librdkafka commits what it handed out), auto-manual-store (what was processed), auto-batch-store (once all that was handed out at once is processed), none";
    Consumer "processing.ms", "how long a consumer works on each message (ours), milliseconds; it does not poll meanwhile";
    Consumer "max.poll.records", "messages a consumer is handed at once, and works off before it polls again (ours)";
    Consumer "static.membership", "true: each member has a group.instance.id, which a successor of it takes over (ours)";
    Consumer "auto.offset.reset", "where a group without a committed offset starts: earliest, latest, error";
    Consumer "auto.commit.interval.ms", "time between commits with commit=auto, auto-..., milliseconds";
    Consumer "session.timeout.ms", "how long the group waits for a silent member, milliseconds";
    Consumer "heartbeat.interval.ms", "time between a member's heartbeats, milliseconds";
    Consumer "max.poll.interval.ms", "longest time between two polls of a member, milliseconds";
    Consumer "isolation.level", "read_committed, read_uncommitted";
    Consumer "partition.assignment.strategy", "range, roundrobin, cooperative-sticky";
    Consumer "group.protocol", "classic, consumer (KIP-848: Apache Kafka 4.0 and later)";
    Consumer "group.remote.assignor", "group.protocol=consumer: the broker's assignor, uniform or range";
    Consumer "fetch.wait.max.ms", "how long the broker may gather messages for one answer, milliseconds";
    Topic "partitions", "number of partitions";
    Topic "replication.factor", "number of replicas, 1 to the number of brokers";
    Topic "min.insync.replicas", "in-sync replicas a write with acks=all needs";
    Topic "unclean.leader.election.enable", "true: a replica out of sync may lead, and what it lacks is lost";
    Topic "max.message.bytes", "largest batch the topic takes, bytes";
    Cluster "nodes", "brokers, 1 to 9 (ours)";
    Cluster "controllers", "nodes that are controllers and nothing else: 0 (every broker is one, too), 1, 3 or 5 (ours)";
    Broker "replica.lag.time.max.ms", "how long a silent follower stays in sync, milliseconds";
    Broker "broker.session.timeout.ms", "how long the controller waits for a silent broker, milliseconds";
    Broker "broker.heartbeat.interval.ms", "time between a broker's heartbeats, milliseconds";
    Broker "controller.quorum.election.timeout.ms", "time before a controller stands for election, milliseconds";
    Broker "controller.quorum.fetch.timeout.ms", "silence of the quorum's leader before an election, milliseconds";
    Broker "log.flush.interval.messages", "messages between two flushes to disk";
    Broker "num.replica.fetchers", "threads that copy from each other broker";
}
