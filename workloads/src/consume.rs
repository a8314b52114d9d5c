//! A member of a consumer group, or a subscriber: delivered, processing, processed, settled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use delivery_broker::{Consumer, ConsumerEvent, Decoded, Delivery, MessageId, Settle};
use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED, FLAG_SELF};
use delivery_history::manifest::worker_of_session;
use delivery_history::recorder::{RecordError, Recorder};
use delivery_history::{Event, EventKind, NO_OFFSET};

use crate::error::WorkloadError;
use crate::queue::session_ended;

/// Deliveries handled between two looks at commands.
const MAX_BATCH: usize = 500;
/// Commits after processing are not asked for more often.
const COMMIT_INTERVAL_NS: u64 = 100_000_000;
/// Longest wait for the confirmation of one commit before processing.
const COMMIT_WAIT: Duration = Duration::from_secs(10);
/// Commits before processing are tried again this often; then the batch is left unprocessed.
const COMMIT_ATTEMPTS: u32 = 3;

/// When a consumer tells the broker that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// Process, then commit: at-least-once.
    AfterProcessing,
    /// Commit, then process: at-most-once.
    BeforeProcessing,
    /// The client commits by itself.
    Auto,
    /// Nobody commits (a fan-out subscriber).
    None,
}

impl CommitMode {
    /// The mode a lane's configuration asks for (`consumer.commit`).
    pub fn of(config: &BTreeMap<String, String>) -> Self {
        match config.get("consumer.commit").map(String::as_str) {
            Some("after-processing" | "commit-after-processing") => Self::AfterProcessing,
            Some("before-processing" | "commit-before-processing") => Self::BeforeProcessing,
            Some("auto") => Self::Auto,
            _ => Self::None,
        }
    }
}

/// What a consumer reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumePlan {
    /// When it settles.
    pub commit: CommitMode,
    /// It is a subscriber of its own: owed everything from its subscription on.
    pub subscriber: bool,
    /// Workers whose sentinels it must have read, per destination, to be drained.
    pub sentinels: BTreeMap<u16, BTreeSet<u16>>,
}

/// A consumer's state between steps.
pub struct ConsumerLoop {
    plan: ConsumePlan,
    batch: Vec<Delivery>,
    uncommitted: BTreeMap<u16, Delivery>,
    last_commit_ns: u64,
    positioned: BTreeSet<u16>,
    drained: BTreeSet<u16>,
}

impl ConsumerLoop {
    /// A consumer that has read nothing.
    pub fn new(plan: ConsumePlan) -> Self {
        Self {
            plan,
            batch: Vec::new(),
            uncommitted: BTreeMap::new(),
            last_commit_ns: 0,
            positioned: BTreeSet::new(),
            drained: BTreeSet::new(),
        }
    }

    /// Destinations it reads and whose position it knows.
    pub fn positioned(&self) -> &BTreeSet<u16> {
        &self.positioned
    }

    /// Destinations it has read past every sentinel.
    pub fn drained(&self) -> &BTreeSet<u16> {
        &self.drained
    }

    /// Reads, processes and settles what there is.
    ///
    /// # Errors
    /// When the client cannot go on, or the history cannot be written.
    pub fn step(
        &mut self,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
        wait: Duration,
    ) -> Result<(), WorkloadError> {
        let mut next = consumer.poll(wait)?;
        while let Some(event) = next {
            self.take(event, recorder)?;
            if self.batch.len() >= MAX_BATCH {
                break;
            }
            next = consumer.poll(Duration::ZERO)?;
        }
        if self.plan.commit == CommitMode::BeforeProcessing {
            self.commit_then_process(consumer, recorder)?;
        }
        if recorder.now_ns().saturating_sub(self.last_commit_ns) >= COMMIT_INTERVAL_NS {
            self.commit_processed(consumer, recorder, None)?;
        }
        Ok(())
    }

    /// Commits what is processed and waits for the confirmation: the polite end.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn finish(&mut self, consumer: &mut dyn Consumer, recorder: &mut Recorder) -> Result<(), RecordError> {
        self.commit_processed(consumer, recorder, Some(COMMIT_WAIT))
    }

    fn take(&mut self, event: ConsumerEvent, recorder: &mut Recorder) -> Result<(), RecordError> {
        match event {
            ConsumerEvent::Delivered(delivery) => self.deliver(delivery, recorder),
            ConsumerEvent::Assigned { destination, offset } => {
                self.positioned.insert(destination);
                record_place(recorder, EventKind::Assigned, destination, offset)?;
                if self.plan.subscriber {
                    record_place(recorder, EventKind::Subscribed, destination, offset)?;
                }
                Ok(())
            }
            ConsumerEvent::Revoked { destination } => {
                self.positioned.remove(&destination);
                self.uncommitted.remove(&destination);
                record_place(recorder, EventKind::Revoked, destination, None)
            }
            ConsumerEvent::PositionReset { destination, offset } => {
                // A client that announces a reset does not know yet where it will read on; a jump is only inferred.
                let flags = if offset.is_none() { FLAG_SELF } else { 0 };
                let moved = Event::new(EventKind::PositionReset).destination(destination);
                recorder.record(moved.offset(offset.unwrap_or(NO_OFFSET)).flags(flags))
            }
            ConsumerEvent::Settled { destination, offset, failed } => {
                let kind = if failed.is_some() { EventKind::SettleFailed } else { EventKind::SettleOk };
                let detail = failed.map_or(Settle::Commit as u32, |reason| reason as u32);
                recorder.record(Event::new(kind).destination(destination).offset(offset).detail(detail))
            }
            ConsumerEvent::SessionEnded { reason } => {
                self.uncommitted.clear();
                recorder.record(session_ended(reason))
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery, recorder: &mut Recorder) -> Result<(), RecordError> {
        recorder.record(delivery_event(EventKind::Delivered, &delivery))?;
        if self.plan.commit == CommitMode::BeforeProcessing {
            self.batch.push(delivery);
            return Ok(());
        }
        self.process(&delivery, recorder)?;
        if self.plan.commit == CommitMode::AfterProcessing {
            self.uncommitted.insert(delivery.destination, delivery);
        }
        Ok(())
    }

    fn process(&mut self, delivery: &Delivery, recorder: &mut Recorder) -> Result<(), RecordError> {
        recorder.record(delivery_event(EventKind::Processing, delivery))?;
        recorder.record(delivery_event(EventKind::Processed, delivery))?;
        let Decoded::Message { id, .. } = delivery.payload else { return Ok(()) };
        self.note_sentinel(delivery.destination, id, recorder)
    }

    fn note_sentinel(&mut self, destination: u16, id: MessageId, recorder: &mut Recorder) -> Result<(), RecordError> {
        let Some(missing) = self.plan.sentinels.get_mut(&destination) else { return Ok(()) };
        if !missing.remove(&worker_of_session(id.session)) || !missing.is_empty() {
            return Ok(());
        }
        self.drained.insert(destination);
        recorder.record(Event::new(EventKind::Drained).destination(destination))
    }

    fn commit_then_process(
        &mut self,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
    ) -> Result<(), WorkloadError> {
        let batch = std::mem::take(&mut self.batch);
        let last: BTreeMap<u16, Delivery> = batch.iter().map(|delivery| (delivery.destination, *delivery)).collect();
        let mut committed = BTreeSet::new();
        for (destination, delivery) in &last {
            for _ in 0..COMMIT_ATTEMPTS {
                if commit(consumer, recorder, delivery, Some(COMMIT_WAIT))? {
                    committed.insert(*destination);
                    break;
                }
            }
        }
        for delivery in batch.iter().filter(|delivery| committed.contains(&delivery.destination)) {
            self.process(delivery, recorder)?;
        }
        Ok(())
    }

    fn commit_processed(
        &mut self,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
        wait: Option<Duration>,
    ) -> Result<(), RecordError> {
        self.last_commit_ns = recorder.now_ns();
        for delivery in std::mem::take(&mut self.uncommitted).into_values() {
            commit(consumer, recorder, &delivery, wait)?;
        }
        Ok(())
    }
}

/// Asks for one commit; true when it is confirmed, or will be reported later.
fn commit(
    consumer: &mut dyn Consumer,
    recorder: &mut Recorder,
    delivery: &Delivery,
    wait: Option<Duration>,
) -> Result<bool, RecordError> {
    let committed = |kind| Event::new(kind).destination(delivery.destination).offset(delivery.offset + 1);
    recorder.record(committed(EventKind::SettleInvoked).detail(Settle::Commit as u32))?;
    match consumer.settle(Settle::Commit, delivery, wait) {
        Ok(()) if wait.is_some() => {
            recorder.record(committed(EventKind::SettleOk).detail(Settle::Commit as u32))?;
            Ok(true)
        }
        Ok(()) => Ok(true),
        Err(reason) => {
            recorder.record(committed(EventKind::SettleFailed).detail(reason as u32))?;
            Ok(false)
        }
    }
}

fn record_place(
    recorder: &mut Recorder,
    kind: EventKind,
    destination: u16,
    offset: Option<u64>,
) -> Result<(), RecordError> {
    recorder.record(Event::new(kind).destination(destination).offset(offset.unwrap_or(NO_OFFSET)))
}

/// The event a delivery becomes.
pub fn delivery_event(kind: EventKind, delivery: &Delivery) -> Event {
    let event = Event::new(kind).destination(delivery.destination).offset(delivery.offset);
    let event = if delivery.redelivered { event.flags(FLAG_REDELIVERED) } else { event };
    match delivery.payload {
        Decoded::Message { id, .. } => event.message(id.session, id.sequence),
        Decoded::Corrupt => event.flags(FLAG_CORRUPT),
        Decoded::Foreign => event.flags(FLAG_FOREIGN),
    }
}
