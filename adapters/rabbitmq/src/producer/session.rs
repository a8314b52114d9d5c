//! The task of one producer session.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use delivery_broker::{ClientSpec, MessageId, Reason, SendOutcome};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Connection, Event, PublisherConfirm};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::inbox::Inbox;
use super::outcome::{Confirmed, Returned, take_ready};
use crate::amqp::{NOWHERE, answer, connect_to_next, log, with_attempts};

/// Between two looks for confirms that ran out of time.
const TICK: Duration = Duration::from_millis(100);
/// How long one attempt of a sentinel may take; the workload tries again.
const SENTINEL_LIMIT: Duration = Duration::from_secs(10);
/// How long a polite goodbye may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How a session publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionPlan {
    confirms: bool,
    mandatory: bool,
    persistent: bool,
    confirm_limit: Duration,
    /// It writes sentinels.
    pub(super) sentinel: bool,
}

impl SessionPlan {
    /// As the lane's settings say.
    pub(crate) fn of(config: &BTreeMap<String, String>) -> Self {
        let is = |name: &str, value: &str| config.get(name).is_some_and(|set| set == value);
        let limit_ms = config.get("producer.confirm.timeout.ms").and_then(|value| value.parse().ok());
        Self {
            confirms: !is("producer.confirms", "false"),
            mandatory: is("producer.mandatory", "true"),
            persistent: !is("producer.persistent", "false"),
            confirm_limit: Duration::from_millis(limit_ms.unwrap_or(10_000)),
            sentinel: false,
        }
    }

    /// Confirmed, persistent, and returned where there is no queue.
    pub(crate) fn sentinel() -> Self {
        Self { confirms: true, mandatory: true, persistent: true, confirm_limit: SENTINEL_LIMIT, sentinel: true }
    }
}

/// A message on its way to the session's task.
pub(super) struct Publish {
    pub(super) id: MessageId,
    pub(super) queue: ShortString,
    pub(super) routable: bool,
    pub(super) payload: Vec<u8>,
}

/// A session that is connected.
pub(super) struct Session {
    client: String,
    run_tag: u64,
    node: u32,
    plan: SessionPlan,
    inbox: Arc<Inbox>,
    channel: Channel,
    confirms: FuturesUnordered<BoxFuture<'static, Confirmed>>,
    /// When each message was published, the oldest first.
    published: VecDeque<(Instant, MessageId)>,
    last_confirm: Instant,
    returned: Returned,
}

impl Session {
    /// Connects, publishes what comes, and ends with its connection or with whoever sends.
    pub(super) async fn run(
        spec: ClientSpec,
        plan: SessionPlan,
        inbox: Arc<Inbox>,
        mut publishes: mpsc::Receiver<Publish>,
    ) {
        let Some((connection, mut session)) = Self::connect(&spec, plan, &inbox, &publishes).await else {
            return inbox.end(Reason::NotConnected);
        };
        inbox.open();
        let ended = session.serve(&connection, &mut publishes).await;
        with_attempts(&spec.client_name, super::super::amqp::Attempts::ended);
        // What never left is no unknown.
        publishes.close();
        while let Ok(publish) = publishes.try_recv() {
            inbox.report(publish.id, SendOutcome::NotAcked(Reason::NotConnected));
        }
        inbox.end(ended);
        let _ = timeout(CLOSE_LIMIT, connection.close(200, "bye".into())).await;
    }

    async fn connect(
        spec: &ClientSpec,
        plan: SessionPlan,
        inbox: &Arc<Inbox>,
        publishes: &mpsc::Receiver<Publish>,
    ) -> Option<(Connection, Self)> {
        loop {
            if publishes.is_closed() {
                return None;
            }
            let (connection, node) = connect_to_next(spec).await?;
            let opened = async {
                let channel = answer(connection.create_channel()).await?;
                if plan.confirms {
                    answer(channel.confirm_select(ConfirmSelectOptions::default())).await?;
                }
                Ok::<Channel, crate::amqp::AmqpError>(channel)
            };
            match opened.await {
                Ok(channel) => {
                    with_attempts(&spec.client_name, super::super::amqp::Attempts::succeeded);
                    log(&spec.client_name, &format!("publishes to node {}", node.id));
                    let session = Self {
                        client: spec.client_name.clone(),
                        run_tag: spec.run_tag,
                        node: node.id,
                        plan,
                        inbox: Arc::clone(inbox),
                        channel,
                        confirms: FuturesUnordered::new(),
                        published: VecDeque::new(),
                        last_confirm: Instant::now(),
                        returned: Returned::default(),
                    };
                    return Some((connection, session));
                }
                Err(error) => log(&spec.client_name, &format!("no channel on node {}: {error}", node.id)),
            }
        }
    }

    /// Publishes and settles until the session is over; returns why it is.
    async fn serve(&mut self, connection: &Connection, publishes: &mut mpsc::Receiver<Publish>) -> Reason {
        let mut events = Box::pin(connection.events_listener());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                biased;
                Some(confirmed) = self.confirms.next(), if !self.confirms.is_empty() => self.settle(confirmed),
                event = events.next() => self.hear(event),
                _ = ticks.tick() => self.check_limits(),
                publish = publishes.recv() => match publish {
                    Some(publish) => self.publish(publish).await,
                    None => Err(Reason::Purged),
                },
            };
            if let Err(reason) = step {
                return reason;
            }
        }
    }

    async fn publish(&mut self, publish: Publish) -> Result<(), Reason> {
        let exchange = if publish.routable { ShortString::default() } else { NOWHERE.into() };
        let options = BasicPublishOptions { mandatory: self.plan.mandatory, ..BasicPublishOptions::default() };
        let delivery_mode = if self.plan.persistent { 2 } else { 1 };
        let properties = BasicProperties::default().with_delivery_mode(delivery_mode);
        let id = publish.id;
        let handed = self.channel.basic_publish(exchange, publish.queue, options, &publish.payload, properties);
        // A connection that takes nothing for so long is not one any more.
        match timeout(self.plan.confirm_limit, handed).await {
            Ok(Ok(confirm)) => self.await_confirm(id, confirm),
            Ok(Err(error)) => return Err(self.lose(&error)),
            Err(_) => {
                log(&self.client, &format!("node {} takes no messages any more", self.node));
                return Err(Reason::TimedOut);
            }
        }
        Ok(())
    }

    fn await_confirm(&mut self, id: MessageId, confirm: PublisherConfirm) {
        if !self.plan.confirms {
            self.inbox.report(id, SendOutcome::Sent);
            return;
        }
        if self.confirms.is_empty() {
            self.last_confirm = Instant::now();
        }
        self.published.push_back((Instant::now(), id));
        self.confirms.push(async move { (id, confirm.await) }.boxed());
    }

    /// Takes in a confirm and all that came with it.
    fn settle(&mut self, first: Confirmed) -> Result<(), Reason> {
        let mut done = vec![first];
        if self.plan.mandatory {
            // One frame may settle many confirms, one by one under lapin's lock, and a returned message is with any
            // one of them. Asking for that lock waits until all are settled.
            let _ = self.channel.wait_for_confirms().now_or_never();
        }
        take_ready(&mut self.confirms, &mut done);
        for confirmed in &done {
            self.returned.note(confirmed, self.run_tag);
        }
        self.last_confirm = Instant::now();
        let mut lost = Ok(());
        for confirmed in &done {
            if let Err(error) = &confirmed.1 {
                lost = Err(self.lose(error));
                continue;
            }
            self.inbox.report(confirmed.0, self.returned.outcome(confirmed, self.node));
        }
        lost
    }

    fn hear(&self, event: Option<Event>) -> Result<(), Reason> {
        match event {
            Some(Event::Error(error)) => Err(self.lose(&error)),
            Some(Event::ConnectionBlocked(why)) => {
                log(&self.client, &format!("node {} blocks publishers: {why}", self.node));
                Ok(())
            }
            Some(_) => Ok(()),
            None => Err(Reason::Transport),
        }
    }

    fn lose(&self, error: &lapin::Error) -> Reason {
        log(&self.client, &format!("lost node {}: {error}", self.node));
        crate::amqp::AmqpError::from(error.clone()).reason
    }

    /// A confirm that does not come in time makes its send unknown. Where none came at all for as long as one may
    /// take, the connection is given up: with the vendor's heartbeat a cut would go unnoticed for two minutes.
    fn check_limits(&mut self) -> Result<(), Reason> {
        let now = Instant::now();
        while let Some((at, id)) = self.published.front().copied() {
            if self.inbox.is_waiting(id) {
                if now.duration_since(at) < self.plan.confirm_limit {
                    break;
                }
                self.inbox.report(id, SendOutcome::NotAcked(Reason::TimedOut));
            }
            self.published.pop_front();
        }
        let silent = !self.confirms.is_empty() && now.duration_since(self.last_confirm) >= self.plan.confirm_limit;
        if silent {
            log(&self.client, &format!("node {} confirms nothing any more", self.node));
            return Err(Reason::TimedOut);
        }
        Ok(())
    }
}
