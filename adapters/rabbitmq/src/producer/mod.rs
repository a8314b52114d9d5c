//! A producer over lapin: one session is one connection with one channel.

mod inbox;
mod outcome;
mod session;

use std::sync::Arc;
use std::time::Duration;

use delivery_broker::{ClientError, ClientSpec, DestinationRef, MessageId, Producer, Reason, SendReport};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::amqp::{runtime, with_attempts};
use inbox::{Inbox, Standing};
use session::{Publish, Session, SessionPlan};

/// Sends in flight at most: a caller that never polls cannot fill the memory.
const MAX_IN_FLIGHT: usize = 200_000;
/// Messages that wait for the session's task.
const MAX_QUEUED: usize = 10_000;
/// How long the first session may take to connect before the load begins without it.
const FIRST_CONNECTION_LIMIT: Duration = Duration::from_secs(15);

/// A producer session. It connects by itself, to the next node of those it knows; until it has, and after its
/// connection is gone, every send fails at once.
pub(crate) struct RabbitProducer {
    inbox: Arc<Inbox>,
    to_session: mpsc::Sender<Publish>,
    destinations: Vec<DestinationRef>,
    unroutable_percent: u32,
}

impl RabbitProducer {
    /// Begins a session.
    ///
    /// # Errors
    /// No runtime could be started.
    pub(crate) fn new(spec: &ClientSpec, plan: SessionPlan) -> Result<Self, ClientError> {
        let runtime = runtime()?;
        let inbox = Arc::new(Inbox::new());
        let (to_session, publishes) = mpsc::channel(MAX_QUEUED);
        let first = with_attempts(&spec.client_name, |attempts| attempts.made() == 0);
        runtime.spawn(Session::run(spec.clone(), plan, Arc::clone(&inbox), publishes));
        if first {
            inbox.wait_until_open(FIRST_CONNECTION_LIMIT);
        }
        let percent = spec.config.get("producer.unroutable.percent").and_then(|value| value.parse().ok());
        Ok(Self {
            inbox,
            to_session,
            destinations: spec.destinations.clone(),
            unroutable_percent: if plan.sentinel { 0 } else { percent.unwrap_or(0) },
        })
    }

    /// A producer of the lane of `spec`.
    ///
    /// # Errors
    /// No runtime could be started.
    pub(crate) fn of_lane(spec: &ClientSpec) -> Result<Self, ClientError> {
        Self::new(spec, SessionPlan::of(&spec.config))
    }

    /// The strongest acknowledgement there is, whatever the lane asks for.
    ///
    /// # Errors
    /// No runtime could be started.
    pub(crate) fn sentinel(spec: &ClientSpec) -> Result<Self, ClientError> {
        Self::new(spec, SessionPlan::sentinel())
    }
}

impl Producer for RabbitProducer {
    fn send(&mut self, destination: u16, id: MessageId, _key: u32, payload: &[u8]) -> Result<(), Reason> {
        let target = self.destinations.iter().find(|known| known.index == destination).ok_or(Reason::Rejected)?;
        self.inbox.insert(id, destination, MAX_IN_FLIGHT)?;
        let publish = Publish {
            id,
            queue: target.name.as_str().into(),
            // A stride without a common divisor with 100 spreads them evenly.
            routable: (id.sequence % 100) * 37 % 100 >= self.unroutable_percent,
            payload: payload.to_vec(),
        };
        self.to_session.try_send(publish).map_err(|refused| {
            self.inbox.forget(id);
            match refused {
                TrySendError::Full(_) => Reason::QueueFull,
                TrySendError::Closed(_) => Reason::NotConnected,
            }
        })
    }

    fn poll(&mut self, wait: Duration, reports: &mut Vec<SendReport>) {
        self.inbox.take(wait, reports);
    }

    fn in_flight(&self) -> usize {
        self.inbox.in_flight()
    }

    fn purge(&mut self, reports: &mut Vec<SendReport>) {
        self.inbox.give_up(Reason::Purged);
        self.inbox.take(Duration::ZERO, reports);
    }

    fn fatal(&self) -> Option<Reason> {
        match self.inbox.standing() {
            Standing::Ended(reason) => Some(reason),
            _ => None,
        }
    }
}
