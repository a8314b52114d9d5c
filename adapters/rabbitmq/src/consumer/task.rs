//! The task that consumes: connect, subscribe, hand on, settle; and again with the next node.

use std::time::Duration;

use delivery_broker::{ClientSpec, ConsumerEvent, Delivery, Reason, Settle, decode};
use futures::stream::StreamExt;
use lapin::message::Delivery as Delivered;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::amqp::{AmqpError, Attempts, answer, connect_to_next, log, with_attempts};

/// Between two synchronous calls that prove that settles before them arrived.
const PROOF_INTERVAL: Duration = Duration::from_millis(100);
/// How long a polite goodbye may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// A settle on its way to the task.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToSettle {
    pub(super) subscription: u32,
    pub(super) settle: Settle,
    pub(super) tag: u64,
}

/// What is subscribed to, and how.
#[derive(Clone, Debug)]
pub(super) struct SubscriptionPlan {
    queue: String,
    destination: u16,
    stream: bool,
    automatic: bool,
    prefetch: u16,
}

impl SubscriptionPlan {
    /// As the lane's settings say; nothing without a destination.
    pub(super) fn of(spec: &ClientSpec) -> Option<Self> {
        let destination = spec.destinations.first()?;
        let is = |name: &str, value: &str| spec.config.get(name).is_some_and(|set| set == value);
        let prefetch = spec.config.get("consumer.prefetch").and_then(|value| value.parse().ok());
        Some(Self {
            queue: destination.name.clone(),
            destination: destination.index,
            stream: is("queue.type", "stream"),
            automatic: is("consumer.ack", "automatic"),
            prefetch: prefetch.unwrap_or(250),
        })
    }
}

/// One subscription after the other.
pub(super) struct Subscription {
    spec: ClientSpec,
    plan: SubscriptionPlan,
    events: mpsc::Sender<(u32, ConsumerEvent)>,
    settles: mpsc::UnboundedReceiver<ToSettle>,
    number: u32,
    /// Settled on this subscription's channel since the last proof that such settles arrived.
    unproved: Vec<u64>,
    /// Where a stream is read on: the group's offset store is this consumer itself.
    next_offset: u64,
}

/// Whoever polls is gone.
struct Dismissed;

impl Subscription {
    /// Consumes until whoever polls is gone.
    pub(super) async fn run(
        spec: ClientSpec,
        plan: SubscriptionPlan,
        events: mpsc::Sender<(u32, ConsumerEvent)>,
        settles: mpsc::UnboundedReceiver<ToSettle>,
    ) {
        let mut consuming = Self { spec, plan, events, settles, number: 0, unproved: Vec::new(), next_offset: 0 };
        while let Some((connection, node)) = connect_to_next(&consuming.spec).await {
            consuming.number += 1;
            let ended = consuming.consume(&connection, node.id).await;
            // Nothing that is already waiting to be settled belongs to the next subscription.
            let goodbye = timeout(CLOSE_LIMIT, connection.close(200, "bye".into()));
            if ended.is_err() || consuming.events.is_closed() {
                let _ = goodbye.await;
                return;
            }
            let _ = goodbye.await;
        }
    }

    async fn tell(&self, event: ConsumerEvent) -> Result<(), Dismissed> {
        self.events.send((self.number, event)).await.map_err(|_| Dismissed)
    }

    /// One subscription, from its beginning to its end.
    async fn consume(&mut self, connection: &Connection, node: u32) -> Result<(), Dismissed> {
        let (channel, consumer) = match self.subscribe(connection).await {
            Ok(subscribed) => subscribed,
            Err(error) => {
                log(&self.spec.client_name, &format!("cannot consume on node {node}: {error}"));
                return Ok(());
            }
        };
        with_attempts(&self.spec.client_name, Attempts::succeeded);
        log(&self.spec.client_name, &format!("consumes on node {node}"));
        let (destination, offset) = (self.plan.destination, self.plan.stream.then_some(self.next_offset));
        self.tell(ConsumerEvent::Assigned { destination, offset }).await?;
        let ended = self.serve(connection, &channel, consumer).await?;
        with_attempts(&self.spec.client_name, Attempts::ended);
        log(&self.spec.client_name, &format!("no longer consumes on node {node}: {ended}"));
        for tag in std::mem::take(&mut self.unproved) {
            let failed = Some(ended.reason);
            self.tell(ConsumerEvent::Settled { destination, offset: tag, failed }).await?;
        }
        self.tell(ConsumerEvent::Revoked { destination, lost: false }).await?;
        self.tell(ConsumerEvent::SessionEnded { reason: ended.reason }).await
    }

    async fn subscribe(&self, connection: &Connection) -> Result<(Channel, lapin::Consumer), AmqpError> {
        let channel = answer(connection.create_channel()).await?;
        if self.plan.prefetch > 0 {
            answer(channel.basic_qos(self.plan.prefetch, BasicQosOptions::default())).await?;
        }
        let mut arguments = FieldTable::default();
        if self.plan.stream {
            arguments.insert("x-stream-offset".into(), AMQPValue::LongLongInt(self.next_offset.cast_signed()));
        }
        let options = BasicConsumeOptions { no_ack: self.plan.automatic, ..BasicConsumeOptions::default() };
        let (queue, tag) = (self.plan.queue.as_str().into(), self.spec.client_name.as_str().into());
        let consumer = answer(channel.basic_consume(queue, tag, options, arguments)).await?;
        Ok((channel, consumer))
    }

    /// Hands on and settles until the subscription is over; tells why it is.
    async fn serve(
        &mut self,
        connection: &Connection,
        channel: &Channel,
        mut consumer: lapin::Consumer,
    ) -> Result<AmqpError, Dismissed> {
        let mut failures = Box::pin(connection.events_listener());
        let mut proofs = interval(PROOF_INTERVAL);
        proofs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                asked = self.settles.recv() => {
                    let Some(asked) = asked else { return Err(Dismissed) };
                    if let Err(ended) = self.settle(channel, asked).await {
                        return Ok(ended);
                    }
                }
                _ = proofs.tick() => {
                    if let Err(ended) = self.prove(channel).await? {
                        return Ok(ended);
                    }
                }
                event = failures.next() => {
                    if let Some(lapin::Event::Error(error)) = event {
                        return Ok(error.into());
                    }
                }
                delivered = consumer.next() => match delivered {
                    Some(Ok(delivered)) => {
                        if let Err(ended) = self.hand_on(channel, delivered).await? {
                            return Ok(ended);
                        }
                    }
                    Some(Err(error)) => return Ok(error.into()),
                    // lapin ends the stream of a consumer the broker cancelled.
                    None => {
                        let words = String::from("the broker cancelled the consumer");
                        return Ok(AmqpError { reason: Reason::Cancelled, words });
                    }
                },
            }
        }
    }

    async fn hand_on(&mut self, channel: &Channel, delivered: Delivered) -> Result<Result<(), AmqpError>, Dismissed> {
        let offset = if self.plan.stream {
            match stream_offset(&delivered) {
                // A stream hands out whole chunks: what lies before the offset asked for was read before.
                Some(offset) if offset < self.next_offset => return Ok(self.give_credit(channel, &delivered).await),
                Some(offset) => offset,
                None => {
                    let words = String::from("a delivery from a stream says no offset");
                    return Ok(Err(AmqpError { reason: Reason::Other, words }));
                }
            }
        } else {
            delivered.delivery_tag
        };
        let payload = decode(&delivered.data, self.spec.run_tag);
        let redelivered = delivered.redelivered && !self.plan.stream;
        let delivery = Delivery { destination: self.plan.destination, offset, payload, redelivered };
        if self.plan.stream && offset > self.next_offset {
            let (destination, offset) = (self.plan.destination, Some(offset));
            self.tell(ConsumerEvent::PositionReset { destination, offset }).await?;
        }
        self.tell(ConsumerEvent::Delivered(delivery)).await?;
        if self.plan.stream {
            self.next_offset = offset + 1;
            return Ok(self.give_credit(channel, &delivered).await);
        }
        Ok(Ok(()))
    }

    /// An ack to a stream removes nothing: it lets the broker hand out more.
    async fn give_credit(&self, channel: &Channel, delivered: &Delivered) -> Result<(), AmqpError> {
        answer(channel.basic_ack(delivered.delivery_tag, BasicAckOptions::default())).await
    }

    async fn settle(&mut self, channel: &Channel, asked: ToSettle) -> Result<(), AmqpError> {
        if asked.subscription != self.number {
            // Its connection is gone, which was told: the message is somebody else's by now.
            return Ok(());
        }
        let nack = |requeue| BasicNackOptions { multiple: false, requeue };
        let done = match asked.settle {
            Settle::NackRequeue => answer(channel.basic_nack(asked.tag, nack(true))).await,
            Settle::NackDrop => answer(channel.basic_nack(asked.tag, nack(false))).await,
            Settle::Reject => answer(channel.basic_reject(asked.tag, BasicRejectOptions { requeue: false })).await,
            Settle::RejectRequeue => {
                answer(channel.basic_reject(asked.tag, BasicRejectOptions { requeue: true })).await
            }
            Settle::Ack | Settle::Commit => answer(channel.basic_ack(asked.tag, BasicAckOptions::default())).await,
        };
        self.unproved.push(asked.tag);
        done
    }

    /// AMQP 0-9-1 confirms no settle; an answer to a later call on the same channel says that it arrived.
    async fn prove(&mut self, channel: &Channel) -> Result<Result<(), AmqpError>, Dismissed> {
        if self.unproved.is_empty() {
            return Ok(Ok(()));
        }
        if let Err(error) = answer(channel.basic_qos(self.plan.prefetch, BasicQosOptions::default())).await {
            return Ok(Err(error));
        }
        let destination = self.plan.destination;
        for tag in std::mem::take(&mut self.unproved) {
            self.tell(ConsumerEvent::Settled { destination, offset: tag, failed: None }).await?;
        }
        Ok(Ok(()))
    }
}

/// Where in its stream a delivery stands.
pub(crate) fn stream_offset(delivered: &Delivered) -> Option<u64> {
    let headers = delivered.properties.headers().as_ref()?;
    match headers.inner().get("x-stream-offset")? {
        AMQPValue::LongLongInt(offset) => u64::try_from(*offset).ok(),
        AMQPValue::LongInt(offset) => u64::try_from(*offset).ok(),
        AMQPValue::LongUInt(offset) => Some(u64::from(*offset)),
        AMQPValue::Timestamp(_) => None,
        _ => None,
    }
}
