//! A consumer over lapin. A task connects, subscribes and, when its connection or subscription is gone, begins anew with
//! the next node; this side hands on what it tells.

mod task;

pub(crate) use task::stream_offset;

use std::time::{Duration, Instant};

use delivery_broker::{ClientError, ClientSpec, Consumer, ConsumerEvent, Delivery, Reason, Settle};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::amqp::runtime;
use task::{Subscription, SubscriptionPlan, ToSettle};

/// Events that wait to be polled. Prefetch bounds deliveries; with automatic acks this does.
const MAX_QUEUED: usize = 10_000;

/// A consumer of one queue or stream.
pub(crate) struct RabbitConsumer {
    events: mpsc::Receiver<(u32, ConsumerEvent)>,
    settles: mpsc::UnboundedSender<ToSettle>,
    /// Which subscription the last event came from: delivery tags mean nothing to another.
    subscription: u32,
    /// Came in while a settle was waited for.
    held: Vec<(u32, ConsumerEvent)>,
}

impl RabbitConsumer {
    /// Subscribes to the destination of `spec`, as soon as a node takes it.
    ///
    /// # Errors
    /// The specification names no destination, or no runtime could be started.
    pub(crate) fn new(spec: &ClientSpec) -> Result<Self, ClientError> {
        let plan = SubscriptionPlan::of(spec)
            .ok_or_else(|| ClientError::Configuration(String::from("a consumer needs a queue")))?;
        let (to_events, events) = mpsc::channel(MAX_QUEUED);
        let (settles, to_settle) = mpsc::unbounded_channel();
        runtime()?.spawn(Subscription::run(spec.clone(), plan, to_events, to_settle));
        Ok(Self { events, settles, subscription: 0, held: Vec::new() })
    }

    fn next(&mut self, wait: Duration) -> Result<Option<(u32, ConsumerEvent)>, ClientError> {
        match self.events.try_recv() {
            Ok(event) => return Ok(Some(event)),
            Err(mpsc::error::TryRecvError::Empty) if wait.is_zero() => return Ok(None),
            Err(mpsc::error::TryRecvError::Empty) => {}
            Err(mpsc::error::TryRecvError::Disconnected) => return Err(gone()),
        }
        match runtime()?.block_on(async { timeout(wait, self.events.recv()).await }) {
            Ok(Some(event)) => Ok(Some(event)),
            Ok(None) => Err(gone()),
            Err(_) => Ok(None),
        }
    }
}

fn gone() -> ClientError {
    ClientError::Fatal(String::from("the task that consumes has ended"))
}

impl Consumer for RabbitConsumer {
    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerEvent>, ClientError> {
        let next = if self.held.is_empty() { self.next(wait)? } else { Some(self.held.remove(0)) };
        Ok(next.map(|(subscription, event)| {
            self.subscription = subscription;
            event
        }))
    }

    fn settle(&mut self, settle: Settle, delivery: &Delivery, wait: Option<Duration>) -> Result<(), Reason> {
        if settle == Settle::Commit {
            return Err(Reason::Rejected);
        }
        let asked = ToSettle { subscription: self.subscription, settle, tag: delivery.offset };
        self.settles.send(asked).map_err(|_| Reason::Fatal)?;
        let Some(wait) = wait else { return Ok(()) };
        let deadline = Instant::now() + wait;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next(left).map_err(|_| Reason::Fatal)? {
                Some((_, ConsumerEvent::Settled { offset, failed, .. })) if offset == delivery.offset => {
                    return failed.map_or(Ok(()), Err);
                }
                Some(other) => self.held.push(other),
                None => return Err(Reason::TimedOut),
            }
        }
    }
}
