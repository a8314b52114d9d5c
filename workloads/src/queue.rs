//! A consumer that competes with others for the messages of a queue: delivered, processing, processed, settled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use delivery_broker::{Consumer, ConsumerEvent, Decoded, Delivery, Reason, Settle};
use delivery_history::recorder::{RecordError, Recorder};
use delivery_history::{Event, EventKind, NO_OFFSET, NO_SESSION};

use crate::consume::delivery_event;
use crate::error::WorkloadError;
use crate::handler::Handler;

/// Events handled between two looks at commands.
const MAX_BATCH: usize = 500;
/// Longest wait for settles to be confirmed at the polite end.
const FINISH_WAIT_NS: u64 = 2_000_000_000;
/// Longest wait for one event then.
const FINISH_POLL: Duration = Duration::from_millis(50);

/// When a consumer settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckMode {
    /// Process, then ack: at-least-once.
    AfterProcessing,
    /// Ack, then process: at-most-once.
    BeforeProcessing,
    /// The broker settles as it hands out.
    Automatic,
}

/// What a consumer does with what it is handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePlan {
    /// When it settles.
    pub ack: AckMode,
    /// How it refuses, where it does.
    pub refuse: Option<Settle>,
    /// Share of deliveries it refuses, 0 to 100.
    pub refuse_percent: u32,
    /// Draws which ones.
    pub seed: u64,
    /// What it does with the others.
    pub handler: Handler,
}

impl QueuePlan {
    /// As a lane's settings say (`consumer.ack`, `consumer.refuse`, `consumer.refuse.percent`).
    pub fn of(config: &BTreeMap<String, String>, seed: u64) -> Self {
        let value = |name: &str| config.get(name).map(String::as_str);
        Self {
            ack: match value("consumer.ack") {
                Some("before-processing") => AckMode::BeforeProcessing,
                Some("automatic") => AckMode::Automatic,
                _ => AckMode::AfterProcessing,
            },
            refuse: match value("consumer.refuse") {
                Some("nack-requeue") => Some(Settle::NackRequeue),
                Some("reject-requeue") => Some(Settle::RejectRequeue),
                Some("nack-drop") => Some(Settle::NackDrop),
                Some("reject-drop") => Some(Settle::Reject),
                _ => None,
            },
            refuse_percent: value("consumer.refuse.percent").and_then(|percent| percent.parse().ok()).unwrap_or(0),
            seed,
            handler: Handler::of(config),
        }
    }
}

/// A consumer's state between steps.
pub struct QueueLoop {
    plan: QueuePlan,
    draws: u64,
    positioned: BTreeSet<u16>,
    /// Asked for and not confirmed, by (destination, delivery tag).
    unconfirmed: BTreeMap<(u16, u64), (Settle, Delivery)>,
    /// Its handler got stuck: nothing comes of this consumer any more.
    hangs: bool,
}

impl QueueLoop {
    /// A consumer that has been handed nothing.
    pub fn new(plan: QueuePlan) -> Self {
        Self { plan, draws: plan.seed, positioned: BTreeSet::new(), unconfirmed: BTreeMap::new(), hangs: false }
    }

    /// Queues the broker has confirmed it consumes from.
    pub fn positioned(&self) -> &BTreeSet<u16> {
        &self.positioned
    }

    /// Takes, processes and settles what there is.
    ///
    /// # Errors
    /// When the client cannot go on, or the history cannot be written.
    pub fn step(
        &mut self,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
        wait: Duration,
    ) -> Result<(), WorkloadError> {
        if self.hangs {
            std::thread::sleep(wait);
            return Ok(());
        }
        let mut next = consumer.poll(wait)?;
        let batch = if self.plan.handler.is_slow() { 0 } else { MAX_BATCH };
        for _ in 0..batch {
            let Some(event) = next else { break };
            self.take(event, consumer, recorder)?;
            next = consumer.poll(Duration::ZERO)?;
        }
        match next {
            Some(event) => Ok(self.take(event, consumer, recorder)?),
            None => Ok(()),
        }
    }

    /// Waits a little until what was settled is confirmed: the polite end.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn finish(&mut self, consumer: &mut dyn Consumer, recorder: &mut Recorder) -> Result<(), RecordError> {
        let until_ns = recorder.now_ns() + FINISH_WAIT_NS;
        while !self.unconfirmed.is_empty() && recorder.now_ns() < until_ns {
            match consumer.poll(FINISH_POLL) {
                Ok(Some(event)) => self.take(event, consumer, recorder)?,
                Ok(None) => {}
                Err(_) => break,
            }
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
            ConsumerEvent::Assigned { destination, .. } => {
                self.positioned.insert(destination);
                recorder.record(Event::new(EventKind::Assigned).destination(destination).offset(NO_OFFSET))
            }
            ConsumerEvent::Revoked { destination, .. } => {
                self.positioned.remove(&destination);
                recorder.record(Event::new(EventKind::Revoked).destination(destination).offset(NO_OFFSET))
            }
            ConsumerEvent::PositionReset { destination, offset } => recorder.record(
                Event::new(EventKind::PositionReset).destination(destination).offset(offset.unwrap_or(NO_OFFSET)),
            ),
            ConsumerEvent::Settled { destination, offset, failed } => {
                // One that was given up with its session may still be told of.
                let Some((settle, delivery)) = self.unconfirmed.remove(&(destination, offset)) else { return Ok(()) };
                recorder.record(settled(settle, &delivery, failed))
            }
            ConsumerEvent::SessionEnded { reason } => self.end_session(reason, recorder),
        }
    }

    fn deliver(
        &mut self,
        delivery: Delivery,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
    ) -> Result<(), RecordError> {
        recorder.record(delivery_event(EventKind::Delivered, &delivery))?;
        if let Some(refusal) = self.refusal() {
            return self.settle(refusal, delivery, consumer, recorder);
        }
        if self.plan.ack == AckMode::BeforeProcessing {
            self.settle(Settle::Ack, delivery, consumer, recorder)?;
        }
        recorder.record(delivery_event(EventKind::Processing, &delivery))?;
        if !self.plan.handler.handle(&delivery) {
            self.hangs = true;
            return Ok(());
        }
        recorder.record(delivery_event(EventKind::Processed, &delivery))?;
        if self.plan.ack == AckMode::AfterProcessing {
            self.settle(Settle::Ack, delivery, consumer, recorder)?;
        }
        Ok(())
    }

    /// How the next delivery is refused, if it is.
    fn refusal(&mut self) -> Option<Settle> {
        let refusal = self.plan.refuse?;
        // SplitMix64: a plain counter would refuse the same messages at every redelivery.
        self.draws = self.draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.draws;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((drawn ^ (drawn >> 31)) % 100 < u64::from(self.plan.refuse_percent)).then_some(refusal)
    }

    fn settle(
        &mut self,
        settle: Settle,
        delivery: Delivery,
        consumer: &mut dyn Consumer,
        recorder: &mut Recorder,
    ) -> Result<(), RecordError> {
        recorder.record(settle_event(EventKind::SettleInvoked, &delivery).detail(settle as u32))?;
        match consumer.settle(settle, &delivery, None) {
            Ok(()) => {
                self.unconfirmed.insert((delivery.destination, delivery.offset), (settle, delivery));
                Ok(())
            }
            Err(reason) => recorder.record(settled(settle, &delivery, Some(reason))),
        }
    }

    /// Whether what was not confirmed arrived is unknown, and nobody will tell any more.
    fn end_session(&mut self, reason: Reason, recorder: &mut Recorder) -> Result<(), RecordError> {
        for (settle, delivery) in std::mem::take(&mut self.unconfirmed).into_values() {
            recorder.record(settled(settle, &delivery, Some(reason)))?;
        }
        recorder.record(session_ended(reason))
    }
}

/// The event the end of a consumer's session becomes.
pub(crate) fn session_ended(reason: Reason) -> Event {
    let mut ended = Event::new(EventKind::SessionEnded).detail(reason as u32);
    ended.session = NO_SESSION;
    ended
}

fn settled(settle: Settle, delivery: &Delivery, failed: Option<Reason>) -> Event {
    match failed {
        None => settle_event(EventKind::SettleOk, delivery).detail(settle as u32),
        Some(reason) => settle_event(EventKind::SettleFailed, delivery).detail(reason as u32),
    }
}

fn settle_event(kind: EventKind, delivery: &Delivery) -> Event {
    let event = Event::new(kind).destination(delivery.destination).offset(delivery.offset);
    match delivery.payload {
        Decoded::Message { id, .. } => event.message(id.session, id.sequence),
        Decoded::Corrupt | Decoded::Foreign => event,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use delivery_broker::{ClientError, MessageId};
    use delivery_history::Clock;

    use super::*;

    /// Hands out what it was given; confirms nothing by itself.
    struct Script {
        events: VecDeque<ConsumerEvent>,
        settles: Vec<(Settle, u64)>,
    }

    impl Consumer for Script {
        fn poll(&mut self, _wait: Duration) -> Result<Option<ConsumerEvent>, ClientError> {
            Ok(self.events.pop_front())
        }

        fn settle(&mut self, settle: Settle, delivery: &Delivery, _wait: Option<Duration>) -> Result<(), Reason> {
            self.settles.push((settle, delivery.offset));
            Ok(())
        }
    }

    fn delivered(tag: u64) -> ConsumerEvent {
        let payload = Decoded::Message { id: MessageId { session: 5, sequence: tag as u32 }, key: 0 };
        ConsumerEvent::Delivered(Delivery { destination: 0, offset: tag, payload, redelivered: false })
    }

    /// Kind, offset and detail of an event.
    type Told = (EventKind, u64, u32);

    fn run(plan: QueuePlan, events: Vec<ConsumerEvent>) -> (Vec<Told>, Vec<(Settle, u64)>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("worker.events");
        let mut recorder = Recorder::create(&path, 0, Clock::Monotonic).unwrap();
        let mut script = Script { events: events.into(), settles: Vec::new() };
        let mut working = QueueLoop::new(plan);
        working.step(&mut script, &mut recorder, Duration::ZERO).unwrap();
        recorder.close().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        // A header as long as an event, then events.
        let events = bytes.chunks_exact(size_of::<Event>()).skip(1).map(bytemuck::pod_read_unaligned::<Event>);
        let told = events.map(|event| (event.kind().unwrap(), event.offset, event.detail)).collect();
        (told, script.settles)
    }

    const PLAN: QueuePlan = QueuePlan {
        ack: AckMode::AfterProcessing,
        refuse: None,
        refuse_percent: 0,
        seed: 1,
        handler: Handler { processing: Duration::ZERO, poison: None },
    };

    #[test]
    fn an_ack_follows_processing_and_is_ok_only_once_confirmed() {
        let confirmed = ConsumerEvent::Settled { destination: 0, offset: 1, failed: None };
        let (told, settles) = run(PLAN, vec![delivered(1), delivered(2), confirmed]);
        let kinds: Vec<(EventKind, u64)> = told.iter().map(|(kind, offset, _)| (*kind, *offset)).collect();
        use EventKind::{Delivered, Processed, Processing, SettleInvoked, SettleOk};
        let each = |tag| [(Delivered, tag), (Processing, tag), (Processed, tag), (SettleInvoked, tag)];
        assert_eq!(kinds, [&each(1)[..], &each(2), &[(SettleOk, 1)]].concat());
        assert_eq!(settles, [(Settle::Ack, 1), (Settle::Ack, 2)]);
    }

    #[test]
    fn an_ack_before_processing_is_asked_for_first() {
        let (told, _) = run(QueuePlan { ack: AckMode::BeforeProcessing, ..PLAN }, vec![delivered(1)]);
        let kinds: Vec<EventKind> = told.iter().map(|(kind, ..)| *kind).collect();
        use EventKind::{Delivered, Processed, Processing, SettleInvoked};
        assert_eq!(kinds, [Delivered, SettleInvoked, Processing, Processed]);
    }

    #[test]
    fn automatic_acks_are_nobodys_to_settle() {
        let (told, settles) = run(QueuePlan { ack: AckMode::Automatic, ..PLAN }, vec![delivered(1)]);
        assert_eq!((told.len(), settles.len()), (3, 0));
    }

    #[test]
    fn what_is_not_confirmed_when_its_session_ends_has_failed() {
        let ended = ConsumerEvent::SessionEnded { reason: Reason::Transport };
        let late = ConsumerEvent::Settled { destination: 0, offset: 1, failed: None };
        let (told, _) = run(PLAN, vec![delivered(1), ended, late]);
        let transport = Reason::Transport as u32;
        let last: Vec<Told> = told[4..].to_vec();
        assert_eq!(last, [(EventKind::SettleFailed, 1, transport), (EventKind::SessionEnded, NO_OFFSET, transport)]);
    }

    #[test]
    fn about_as_many_as_asked_for_are_refused_and_none_of_those_processed() {
        let plan = QueuePlan { refuse: Some(Settle::NackRequeue), refuse_percent: 10, ..PLAN };
        let (told, settles) = run(plan, (1..=400).map(delivered).collect());
        let refused = settles.iter().filter(|(settle, _)| *settle == Settle::NackRequeue).count();
        assert!((20..=70).contains(&refused), "{refused} of 400");
        let processed = told.iter().filter(|(kind, ..)| *kind == EventKind::Processed).count();
        assert_eq!(processed, 400 - refused);
    }
}
