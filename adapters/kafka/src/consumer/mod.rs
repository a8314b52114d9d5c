//! A group member over librdkafka.

mod context;
mod position;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use delivery_broker::{
    ClientError, ClientSpec, CommitMode, Consumer, ConsumerEvent, Delivery, DestinationRef, Reason, Settle, decode,
};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::{client_config, native};
use context::{Context, Events};

/// A member of a group.
pub(crate) struct KafkaConsumer {
    client: BaseConsumer<Context>,
    events: Arc<Events>,
    destinations: Vec<DestinationRef>,
    run_tag: u64,
    commit: CommitMode,
    name: String,
    /// Another client has this member's static identity: it never reads again.
    fenced: Cell<bool>,
}

impl KafkaConsumer {
    /// Joins the group of `spec` for the topics of its destinations.
    ///
    /// # Errors
    /// The client library refuses the configuration.
    pub(crate) fn new(config: &ClientConfig, spec: &ClientSpec) -> Result<Self, ClientError> {
        let reset = config.get("auto.offset.reset").unwrap_or_default().to_owned();
        let events = Arc::new(Events::new(&spec.destinations));
        let context = Context::new(spec.client_name.clone(), &reset, Arc::clone(&events));
        let refused = |error: KafkaError| ClientError::Configuration(error.to_string());
        let client: BaseConsumer<Context> = config.create_with_context(context).map_err(refused)?;
        let mut topics: Vec<&str> = spec.destinations.iter().map(|destination| destination.name.as_str()).collect();
        topics.sort_unstable();
        topics.dedup();
        client.subscribe(&topics).map_err(refused)?;
        let (destinations, run_tag) = (spec.destinations.clone(), spec.run_tag);
        let (commit, name) = (CommitMode::of(&spec.config), spec.client_name.clone());
        Ok(Self { client, events, destinations, run_tag, commit, name, fenced: Cell::new(false) })
    }

    /// Serves the client once; everything that came of it stands in the list of events.
    fn serve(&self, wait: Duration) -> Result<(), ClientError> {
        if self.fenced.get() {
            std::thread::sleep(wait);
            return Ok(());
        }
        match self.client.poll(wait) {
            Some(Ok(message)) => self.deliver(&message),
            Some(Err(error)) => return self.note_error(&error),
            None => {}
        }
        Ok(())
    }

    fn deliver(&self, message: &BorrowedMessage<'_>) {
        let Ok(offset) = u64::try_from(message.offset()) else { return };
        let Some(destination) = self.events.index_of(message.topic(), message.partition()) else { return };
        let payload = decode(message.payload().unwrap_or_default(), self.run_tag);
        self.events.deliver(Delivery { destination, offset, payload, redelivered: false });
    }

    /// Most errors are the client's own business: it goes on trying.
    fn note_error(&self, error: &KafkaError) -> Result<(), ClientError> {
        match error {
            // Its successor goes on; it is told once, and an application would end here.
            KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::FencedInstanceId) => {
                self.fenced.set(true);
                self.events.end_session(Reason::FencedInstance);
            }
            KafkaError::MessageConsumptionFatal(code) => return Err(ClientError::Fatal(code.to_string())),
            KafkaError::MessageConsumption(
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed),
            ) => {
                let operation = String::from("reading");
                return Err(ClientError::Refused { operation, cause: code.to_string() });
            }
            // The client has left the group by itself; the next poll joins it anew.
            KafkaError::MessageConsumption(RDKafkaErrorCode::PollExceeded) => {
                self.events.end_session(Reason::PollExceeded);
            }
            // `auto.offset.reset=error` ends here, with no position left.
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => self.events.lost_position(),
            _ => {}
        }
        Ok(())
    }

    /// What the coordinator of a transaction checks of its reader; nothing before it is in the group.
    pub(crate) fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.client.group_metadata()
    }

    /// Reads on from where the group stands committed, or from the start of the log where it does not; returns each
    /// destination with its next offset.
    ///
    /// # Errors
    /// Why that is not known, or cannot be done yet.
    pub(crate) fn rewind(&self, wait: Duration) -> Result<Vec<(u16, u64)>, Reason> {
        let word = |error: KafkaError| context::commit_reason(&error);
        let assigned = self.client.assignment().map_err(word)?;
        if assigned.count() == 0 {
            return Ok(Vec::new());
        }
        let committed = self.client.committed_offsets(assigned, wait).map_err(word)?;
        let mut target = TopicPartitionList::with_capacity(committed.count());
        let mut moved = Vec::new();
        for partition in committed.elements() {
            partition.error().map_err(word)?;
            let (topic, number) = (partition.topic(), partition.partition());
            let next = match partition.offset() {
                Offset::Offset(next) => next,
                _ => self.client.fetch_watermarks(topic, number, wait).map_err(word)?.0,
            };
            target.add_partition_offset(topic, number, Offset::Offset(next)).map_err(word)?;
            if let (Some(destination), Ok(next)) = (self.events.index_of(topic, number), u64::try_from(next)) {
                moved.push((destination, next));
            }
        }
        let sought = self.client.seek_partitions(target, wait).map_err(word)?;
        for partition in sought.elements() {
            partition.error().map_err(word)?;
        }
        moved.iter().for_each(|(destination, next)| self.events.rewind(*destination, *next));
        Ok(moved)
    }

    /// The offset `next` of `destination`, added to `offsets`.
    ///
    /// # Errors
    /// It is none of this consumer's.
    pub(crate) fn add_to(&self, offsets: &mut TopicPartitionList, destination: u16, next: u64) -> Result<(), Reason> {
        let (topic, partition) = self.place(destination).ok_or(Reason::Rejected)?;
        let next = i64::try_from(next).map_err(|_| Reason::Rejected)?;
        offsets.add_partition_offset(topic, partition, Offset::Offset(next)).map_err(|_| Reason::Other)
    }

    /// Topic and partition of a destination.
    fn place(&self, destination: u16) -> Option<(&str, i32)> {
        let target = self.destinations.iter().find(|known| known.index == destination)?;
        Some((&target.name, target.partition.and_then(|partition| i32::try_from(partition).ok()).unwrap_or(0)))
    }

    fn commit(&self, delivery: &Delivery) -> Result<(), Reason> {
        let mut offsets = TopicPartitionList::with_capacity(1);
        self.add_to(&mut offsets, delivery.destination, delivery.offset + 1)?;
        native::commit(&self.client, &offsets).map_err(|error| context::commit_reason(&error))
    }

    /// Tells the client up to where it may commit. It refuses where it reads no longer: the next owner then begins
    /// before that.
    fn store(&self, delivery: &Delivery) {
        let Some((topic, partition)) = self.place(delivery.destination) else { return };
        let Ok(offset) = i64::try_from(delivery.offset) else { return };
        if let Err(error) = self.client.store_offset(topic, partition, offset) {
            let words = format!("offset {offset} of {topic} [{partition}] was not stored: {error}");
            client_config::log(&self.name, RDKafkaLogLevel::Warning, "STORE", &words);
        }
    }

    /// Serves the client until the commit is confirmed; messages that come meanwhile stay in line.
    fn await_commit(&self, delivery: &Delivery, wait: Duration) -> Result<(), Reason> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(failed) = self.events.take_settled(delivery.destination, delivery.offset + 1) {
                return failed.map_or(Ok(()), Err);
            }
            if self.fenced.get() {
                return Err(Reason::FencedInstance);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Reason::TimedOut);
            }
            if self.events.is_full() {
                return Err(Reason::TimedOut);
            }
            self.serve(left.min(Duration::from_millis(100))).map_err(|_| Reason::Fatal)?;
        }
    }
}

impl Consumer for KafkaConsumer {
    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerEvent>, ClientError> {
        if let Some(event) = self.events.next() {
            return Ok(Some(event));
        }
        self.serve(wait)?;
        Ok(self.events.next())
    }

    fn settle(&mut self, settle: Settle, delivery: &Delivery, wait: Option<Duration>) -> Result<(), Reason> {
        if settle != Settle::Commit {
            return Err(Reason::Rejected);
        }
        self.commit(delivery)?;
        match wait {
            Some(wait) => self.await_commit(delivery, wait),
            None => Ok(()),
        }
    }

    fn processed(&mut self, delivery: &Delivery) {
        match self.commit {
            CommitMode::AfterProcessing => self.events.processed(delivery.destination, delivery.offset + 1),
            CommitMode::AutoManualStore | CommitMode::AutoBatchStore => self.store(delivery),
            CommitMode::BeforeProcessing | CommitMode::Auto | CommitMode::None => {}
        }
    }
}
