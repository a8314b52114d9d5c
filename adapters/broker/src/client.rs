//! Producers and consumers, polled from one thread by a workload.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::payload::MessageId;
use crate::reason::Reason;

/// A node and how clients on the run's network reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddress {
    /// Number the vendor knows it by.
    pub id: u32,
    /// IP address; of a cluster that somebody else runs any address, with its port (`HOST:PORT`).
    pub address: String,
}

/// A destination as a client needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationRef {
    /// Index in the run's manifest, used in events.
    pub index: u16,
    /// Topic or queue.
    pub name: String,
    /// Partition, where the product has them.
    pub partition: Option<u32>,
}

/// All a client needs to connect: plain data, sent to a worker process as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSpec {
    /// Name the client gives itself.
    pub client_name: String,
    /// Name of the place it takes: the same for whoever takes it after a crash, so what an application keeps across
    /// restarts (a `transactional.id`, a static member's name) is made from it.
    pub seat: String,
    /// In every payload of the run.
    pub run_tag: u64,
    /// The cluster.
    pub nodes: Vec<NodeAddress>,
    /// Nodes that keep the cluster's metadata and serve no client, where it has such.
    #[serde(default)]
    pub controllers: Vec<NodeAddress>,
    /// Destinations it writes to or reads from.
    pub destinations: Vec<DestinationRef>,
    /// The lane's settings by full name (`producer.acks`).
    pub config: BTreeMap<String, String>,
    /// Consumer group, for consumers.
    pub group: Option<String>,
    /// Where what it makes of what it reads goes; of an observer, all such destinations.
    #[serde(default)]
    pub outputs: Vec<DestinationRef>,
    /// Whether it asks for messages of transactions that have not committed, too; nothing where the settings say.
    #[serde(default)]
    pub read_uncommitted: Option<bool>,
    /// What it proves itself with on a cluster that somebody else runs. It travels by itself, never with the rest.
    #[serde(skip)]
    pub access: Option<Arc<Access>>,
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// Acknowledged by the broker.
    Acked {
        /// Where it landed, if the broker says.
        offset: Option<u64>,
        /// Node that acknowledged, if the client says.
        by_node: Option<u32>,
    },
    /// Taken by the client; the configuration asks for no acknowledgement.
    Sent,
    /// Not acked: whether it may be stored is [`Reason::is_certain_failure`]'s to say.
    NotAcked(Reason),
}

/// The end of one send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendReport {
    /// Which message.
    pub id: MessageId,
    /// Where it was sent.
    pub destination: u16,
    /// How it ended.
    pub outcome: SendOutcome,
}

/// Sends messages. Every accepted send ends in exactly one report, at the latest on [`Producer::purge`].
pub trait Producer {
    /// Hands a message to the client. Never blocks longer than the client's own queueing does.
    ///
    /// # Errors
    /// The reason the client refused it at once; no report follows.
    fn send(&mut self, destination: u16, id: MessageId, key: u32, payload: &[u8]) -> Result<(), Reason>;

    /// Serves the client and collects the reports that came in within `wait`; returns as soon as there is one.
    fn poll(&mut self, wait: Duration, reports: &mut Vec<SendReport>);

    /// Which of `destinations` the message of `key` belongs to, where the client has a say in it.
    fn pick(&mut self, _key: u32, _destinations: &[u16]) -> Option<u16> {
        None
    }

    /// What it knows of its destinations is out of date: there are more.
    fn look_again(&mut self) {}

    /// Sends accepted and not yet reported.
    fn in_flight(&self) -> usize;

    /// Gives up on everything in flight: each is reported as [`Reason::Purged`] (or as it really ended).
    fn purge(&mut self, reports: &mut Vec<SendReport>);

    /// The fatal error that ended this producer's session, if one did. The workload then starts
    /// a new session with a new producer.
    fn fatal(&self) -> Option<Reason>;
}

/// A message handed to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it was read.
    pub destination: u16,
    /// Its offset, or the delivery tag of a queue.
    pub offset: u64,
    /// The payload, decoded by the adapter.
    pub payload: crate::payload::Decoded,
    /// The broker's redelivered flag.
    pub redelivered: bool,
}

/// What a consumer has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerEvent {
    /// A message.
    Delivered(Delivery),
    /// Reads `destination` from `offset` from now on.
    Assigned {
        /// Where.
        destination: u16,
        /// From which offset, if known.
        offset: Option<u64>,
    },
    /// No longer reads `destination`.
    Revoked {
        /// Where.
        destination: u16,
        /// The group had gone on without this member: others may read it already. Else it was given back.
        lost: bool,
    },
    /// The position moved other than by reading (auto.offset.reset, truncation).
    PositionReset {
        /// Where.
        destination: u16,
        /// The new position, where it was inferred from what was read; nothing where the client announced the reset.
        offset: Option<u64>,
    },
    /// A settle that was not waited for ended.
    Settled {
        /// Where.
        destination: u16,
        /// Committed up to here (exclusive), or the delivery tag.
        offset: u64,
        /// Nothing when confirmed.
        failed: Option<Reason>,
    },
    /// The connection or channel it read on is gone: what it was handed and has not settled is somebody
    /// else's again, and delivery tags begin anew.
    SessionEnded {
        /// Why.
        reason: Reason,
    },
}

/// How a delivery is settled. Numbers stand in event details and never change their meaning.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settle {
    /// Processed: a queue may forget it.
    Ack = 1,
    /// Not processed: give it to somebody again.
    NackRequeue = 2,
    /// Not processed: do not give it again.
    Reject = 3,
    /// The group goes on after it.
    Commit = 4,
    /// Not processed: give it to somebody again. RabbitMQ 4.3 counts it towards the delivery limit, unlike a nack.
    RejectRequeue = 5,
    /// Not processed: do not give it again, as a nack.
    NackDrop = 6,
}

/// Reads messages.
pub trait Consumer {
    /// Serves the client for at most `wait`; returns the first event there is.
    ///
    /// # Errors
    /// When the client cannot go on. Transient broker errors are not errors: the client retries.
    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerEvent>, ClientError>;

    /// Settles a delivery (for [`Settle::Commit`]: it and all before it in its destination).
    /// With `wait` the confirmation is waited for that long, and its result returned;
    /// without, it comes as [`ConsumerEvent::Settled`].
    ///
    /// # Errors
    /// The reason a settle that was waited for is not confirmed.
    fn settle(&mut self, settle: Settle, delivery: &Delivery, wait: Option<Duration>) -> Result<(), Reason>;

    /// The application has done with a delivery and all before it in its destination. What follows of that is the
    /// client's to know: it may commit it by itself now and then, or before it gives the destination up.
    fn processed(&mut self, _delivery: &Delivery) {}
}

/// A client that cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The client library refused the configuration.
    #[error("the client refuses its configuration: {0}. Compare the lane's settings with `verify list settings`.")]
    Configuration(String),
    /// No node answered.
    #[error("could not reach {target}: {cause}. See logs/ of the run for what the node was doing.")]
    Unreachable {
        /// Whom.
        target: String,
        /// Why.
        cause: String,
    },
    /// The broker refused.
    #[error("{operation} was refused by the broker: {cause}.")]
    Refused {
        /// What was asked.
        operation: String,
        /// The broker's words.
        cause: String,
    },
    /// The client stopped with a fatal error.
    #[error("the client stopped with a fatal error: {0}.")]
    Fatal(String),
}
