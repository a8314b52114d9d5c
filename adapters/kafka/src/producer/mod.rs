//! A producer over librdkafka.

mod context;
pub(crate) mod outcome;
mod outstanding;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use delivery_broker::{ClientError, ClientSpec, DestinationRef, MessageId, Producer, Reason, SendOutcome, SendReport};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer};

use crate::partitioner::Partitioner;
use context::{Context, Inbox};
use outstanding::Pending;

/// Longest wait for the reports of a purge; what is missing then is reported as purged.
const PURGE_LIMIT: Duration = Duration::from_secs(5);
/// A topic's `max.message.bytes` where nothing else is set.
const DEFAULT_MAX_MESSAGE_BYTES: usize = 1_048_588;
/// Sends in flight at most, beyond any client's own queue: a caller that never polls cannot
/// fill the memory.
const MAX_IN_FLIGHT: usize = 4_000_000;
/// Longest wait for what brokers say of a topic.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// A producer session. A thread of the client's own serves the reports as they come in, so that
/// an outcome's time is not that of the next poll.
pub(crate) struct KafkaProducer {
    client: ThreadedProducer<Context>,
    inbox: Arc<Inbox>,
    destinations: Vec<DestinationRef>,
    /// Where the lane names one.
    partitioner: Option<Partitioner>,
}

impl KafkaProducer {
    /// Connects.
    ///
    /// # Errors
    /// The client library refuses the configuration.
    pub(crate) fn new(config: &ClientConfig, spec: &ClientSpec) -> Result<Self, ClientError> {
        let acknowledged = config.get("acks").is_none_or(|acks| acks != "0");
        let inbox = Arc::new(Inbox::default());
        let never_fits = never_fits_bytes(config, spec);
        let context = Context::new(spec.client_name.clone(), acknowledged, never_fits, Arc::clone(&inbox));
        let client = config.create_with_context(context);
        let client = client.map_err(|error| ClientError::Configuration(error.to_string()))?;
        let destinations = spec.destinations.iter().chain(&spec.outputs).cloned().collect();
        let partitioner = spec.config.get("producer.partitioner");
        let partitioner = partitioner.and_then(|name| Partitioner::from_name(name, spec.run_tag));
        Ok(Self { client, inbox, destinations, partitioner })
    }

    /// The client itself, for what only transactions need.
    pub(crate) fn client(&self) -> &ThreadedProducer<Context> {
        &self.client
    }

    fn destination(&self, index: u16) -> Option<&DestinationRef> {
        self.destinations.iter().find(|destination| destination.index == index)
    }
}

/// The topic's own limit, where the client does not compress: a payload beyond it cannot be stored.
fn never_fits_bytes(config: &ClientConfig, spec: &ClientSpec) -> Option<usize> {
    let compressed = config.get("compression.type").is_some_and(|codec| codec != "none");
    let limit = spec.config.get("topic.max.message.bytes").and_then(|limit| limit.parse().ok());
    if compressed { None } else { Some(limit.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES)) }
}

impl Producer for KafkaProducer {
    fn pick(&mut self, key: u32, destinations: &[u16]) -> Option<u16> {
        let place = self.partitioner.as_mut()?.pick(&key.to_be_bytes(), destinations.len());
        destinations.get(place).copied()
    }

    fn look_again(&mut self) {
        let topics: BTreeSet<&str> = self.destinations.iter().map(|destination| destination.name.as_str()).collect();
        for topic in topics {
            // One that fails is made up for by the client's own refresh; until then sends to it fail, and say so.
            let _ = self.client.client().fetch_metadata(Some(topic), LOOK_LIMIT);
        }
    }

    fn send(&mut self, destination: u16, id: MessageId, key: u32, payload: &[u8]) -> Result<(), Reason> {
        let Some(target) = self.destination(destination) else { return Err(Reason::Rejected) };
        let key = key.to_be_bytes();
        let Some(ticket) = self.inbox.insert(Pending { id, destination }, MAX_IN_FLIGHT) else {
            return Err(Reason::QueueFull);
        };
        let record = BaseRecord::with_opaque_to(&target.name, ticket).key(&key[..]).payload(payload);
        let record = match target.partition.and_then(|partition| i32::try_from(partition).ok()) {
            Some(partition) => record.partition(partition),
            None => record,
        };
        match self.client.send(record) {
            Ok(()) => Ok(()),
            Err((error, record)) => {
                self.inbox.forget(record.delivery_opaque);
                Err(outcome::refused(&error))
            }
        }
    }

    fn poll(&mut self, wait: Duration, reports: &mut Vec<SendReport>) {
        self.inbox.take(wait, reports);
    }

    fn in_flight(&self) -> usize {
        self.inbox.in_flight()
    }

    fn purge(&mut self, reports: &mut Vec<SendReport>) {
        self.client.purge(PurgeConfig::default().queue().inflight());
        self.inbox.wait_until_empty(Instant::now() + PURGE_LIMIT);
        self.inbox.take(Duration::ZERO, reports);
        for Pending { id, destination } in self.inbox.give_up() {
            reports.push(SendReport { id, destination, outcome: SendOutcome::NotAcked(Reason::Purged) });
        }
    }

    fn fatal(&self) -> Option<Reason> {
        self.client.client().fatal_error().map(|_| Reason::Fatal)
    }
}
