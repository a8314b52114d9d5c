//! A member of a consumer group, or a subscriber: delivered, processing, processed, settled.

mod plan;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use delivery_broker::{CommitMode, Consumer, ConsumerEvent, Decoded, Delivery, MessageId, Settle};
use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED, FLAG_SELF, REVOKED_LOST};
use delivery_history::manifest::worker_of_session;
use delivery_history::recorder::{RecordError, Recorder};
use delivery_history::{Event, EventKind, NO_OFFSET};

use crate::error::WorkloadError;
use crate::queue::session_ended;

pub use plan::ConsumePlan;

/// Commits after processing are not asked for more often.
const COMMIT_INTERVAL_NS: u64 = 100_000_000;
/// Longest wait for the confirmation of one commit before processing.
const COMMIT_WAIT: Duration = Duration::from_secs(10);
/// Commits before processing are tried again this often; then the batch is left unprocessed.
const COMMIT_ATTEMPTS: u32 = 3;

/// A consumer's state between steps.
pub struct ConsumerLoop {
    plan: ConsumePlan,
    /// Handed to the application, and not begun with.
    in_hand: VecDeque<Delivery>,
    /// What it works on, and until when.
    working: Option<(Delivery, u64)>,
    /// The last of each destination that was processed and not committed.
    uncommitted: BTreeMap<u16, Delivery>,
    /// The last of each destination that was asked to be committed: asked again where that fails.
    asked: BTreeMap<u16, Delivery>,
    /// The last of each destination of what was handed over at once.
    batch: BTreeMap<u16, Delivery>,
    last_commit_ns: u64,
    positioned: BTreeSet<u16>,
    drained: BTreeSet<u16>,
}

impl ConsumerLoop {
    /// A consumer that has read nothing.
    pub fn new(plan: ConsumePlan) -> Self {
        Self {
            plan,
            in_hand: VecDeque::new(),
            working: None,
            uncommitted: BTreeMap::new(),
            asked: BTreeMap::new(),
            batch: BTreeMap::new(),
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

    /// How long it still works on one message, at `now_ns`: nothing is to be done before, and nobody polls.
    pub fn busy_for(&self, now_ns: u64) -> Duration {
        self.working.map_or(Duration::ZERO, |(_, until_ns)| Duration::from_nanos(until_ns.saturating_sub(now_ns)))
    }

    /// Goes on with what it was handed; once that is done, takes, processes and settles what there is. An application
    /// that processes in its poll loop does not poll meanwhile: neither does this one.
    ///
    /// # Errors
    /// When the client cannot go on, or the history cannot be written.
    pub fn step(
        &mut self,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
        wait: Duration,
    ) -> Result<(), WorkloadError> {
        if self.working.is_none() && self.in_hand.is_empty() {
            self.poll(consumer, recorder, wait)?;
        }
        self.work(consumer, recorder)?;
        self.commit_if_due(consumer, recorder)
    }

    /// Commits what is processed and waits for the confirmation: the polite end.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn finish(&mut self, consumer: &mut dyn Consumer, recorder: &mut Recorder) -> Result<(), RecordError> {
        self.commit_processed(consumer, recorder, Some(COMMIT_WAIT))
    }

    /// Takes what there is, up to what is taken at once.
    fn poll(
        &mut self,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
        wait: Duration,
    ) -> Result<(), WorkloadError> {
        let mut taken = 0;
        let mut next = consumer.poll(wait)?;
        while let Some(event) = next {
            taken += 1;
            self.take(event, consumer, recorder)?;
            if taken >= self.plan.poll_records {
                break;
            }
            next = consumer.poll(Duration::ZERO)?;
        }
        if self.plan.commit == CommitMode::BeforeProcessing {
            self.commit_in_hand(consumer, recorder)?;
        }
        Ok(())
    }

    /// Works off what is in hand, as far as time allows.
    fn work(&mut self, consumer: &mut dyn Consumer, recorder: &mut Recorder) -> Result<(), WorkloadError> {
        loop {
            if let Some((delivery, until_ns)) = self.working {
                if recorder.now_ns() < until_ns {
                    return Ok(());
                }
                self.working = None;
                self.end_processing(&delivery, consumer, recorder)?;
                self.commit_if_due(consumer, recorder)?;
            }
            let Some(delivery) = self.in_hand.pop_front() else { break };
            recorder.record(delivery_event(EventKind::Processing, &delivery))?;
            let processing_ns = u64::try_from(self.plan.processing.as_nanos()).unwrap_or(u64::MAX);
            self.working = Some((delivery, recorder.now_ns().saturating_add(processing_ns)));
        }
        for delivery in std::mem::take(&mut self.batch).into_values() {
            consumer.processed(&delivery);
        }
        Ok(())
    }

    fn take(
        &mut self,
        event: ConsumerEvent,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
    ) -> Result<(), RecordError> {
        match event {
            ConsumerEvent::Delivered(delivery) => self.deliver(delivery, consumer, recorder),
            ConsumerEvent::Assigned { destination, offset } => {
                self.positioned.insert(destination);
                record_place(recorder, EventKind::Assigned, destination, offset)?;
                if self.plan.subscriber {
                    record_place(recorder, EventKind::Subscribed, destination, offset)?;
                }
                Ok(())
            }
            ConsumerEvent::Revoked { destination, lost } => {
                self.give_up(destination);
                let revoked = Event::new(EventKind::Revoked).destination(destination).offset(NO_OFFSET);
                recorder.record(if lost { revoked.detail(REVOKED_LOST) } else { revoked })
            }
            ConsumerEvent::PositionReset { destination, offset } => {
                // A client that announces a reset does not know yet where it will read on; a jump is only inferred.
                let flags = if offset.is_none() { FLAG_SELF } else { 0 };
                let moved = Event::new(EventKind::PositionReset).destination(destination);
                recorder.record(moved.offset(offset.unwrap_or(NO_OFFSET)).flags(flags))
            }
            ConsumerEvent::Settled { destination, offset, failed } => {
                if failed.is_some() {
                    self.commit_again(destination, offset);
                }
                let kind = if failed.is_some() { EventKind::SettleFailed } else { EventKind::SettleOk };
                let detail = failed.map_or(Settle::Commit as u32, |reason| reason as u32);
                recorder.record(Event::new(kind).destination(destination).offset(offset).detail(detail))
            }
            ConsumerEvent::SessionEnded { reason } => {
                self.uncommitted.clear();
                self.asked.clear();
                recorder.record(session_ended(reason))
            }
        }
    }

    /// A commit that was not confirmed is asked for again, unless more was processed since.
    fn commit_again(&mut self, destination: u16, offset: u64) {
        let asked = self.asked.get(&destination).filter(|asked| asked.offset + 1 == offset);
        if let Some(asked) = asked.copied() {
            self.uncommitted.entry(destination).or_insert(asked);
        }
    }

    /// The destination is somebody else's: what was handed over and not begun with is done by its next owner, unless the
    /// group counts it as done already.
    fn give_up(&mut self, destination: u16) {
        self.positioned.remove(&destination);
        self.uncommitted.remove(&destination);
        self.asked.remove(&destination);
        self.batch.remove(&destination);
        if self.plan.commit != CommitMode::Auto {
            self.in_hand.retain(|delivery| delivery.destination != destination);
        }
    }

    fn deliver(
        &mut self,
        delivery: Delivery,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
    ) -> Result<(), RecordError> {
        recorder.record(delivery_event(EventKind::Delivered, &delivery))?;
        if !self.plan.processing.is_zero() || self.plan.commit == CommitMode::BeforeProcessing {
            self.in_hand.push_back(delivery);
            return Ok(());
        }
        recorder.record(delivery_event(EventKind::Processing, &delivery))?;
        self.end_processing(&delivery, consumer, recorder)
    }

    fn end_processing(
        &mut self,
        delivery: &Delivery,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
    ) -> Result<(), RecordError> {
        recorder.record(delivery_event(EventKind::Processed, delivery))?;
        match self.plan.commit {
            CommitMode::AfterProcessing => {
                consumer.processed(delivery);
                self.uncommitted.insert(delivery.destination, *delivery);
            }
            CommitMode::AutoManualStore => consumer.processed(delivery),
            CommitMode::AutoBatchStore => drop(self.batch.insert(delivery.destination, *delivery)),
            CommitMode::BeforeProcessing | CommitMode::Auto | CommitMode::None => {}
        }
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

    /// Commits what is in hand; what of it is not confirmed is left unprocessed.
    fn commit_in_hand(&mut self, consumer: &mut dyn Consumer, recorder: &mut Recorder) -> Result<(), WorkloadError> {
        let last: BTreeMap<u16, Delivery> =
            self.in_hand.iter().map(|delivery| (delivery.destination, *delivery)).collect();
        let mut committed = BTreeSet::new();
        for (destination, delivery) in &last {
            for _ in 0..COMMIT_ATTEMPTS {
                if commit(consumer, recorder, delivery, Some(COMMIT_WAIT))? {
                    committed.insert(*destination);
                    break;
                }
            }
        }
        self.in_hand.retain(|delivery| committed.contains(&delivery.destination));
        Ok(())
    }

    fn commit_if_due(&mut self, consumer: &mut dyn Consumer, recorder: &mut Recorder) -> Result<(), WorkloadError> {
        if recorder.now_ns().saturating_sub(self.last_commit_ns) >= COMMIT_INTERVAL_NS {
            self.commit_processed(consumer, recorder, None)?;
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
            self.asked.insert(delivery.destination, delivery);
            if !commit(consumer, recorder, &delivery, wait)? {
                self.commit_again(delivery.destination, delivery.offset + 1);
            }
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
