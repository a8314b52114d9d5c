//! Producers and subscribers inside a node's own process.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use delivery_broker::{
    ClientError, ClientSpec, Consumer, ConsumerEvent, Delivery, DestinationRef, MessageId, Producer, Reason,
    SendReport, Settle, decode,
};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::bus::Bus;
use crate::mailbox::BusMessage;
use crate::retry::Reports;
use crate::settings::subscriptions;

/// Publishes through its node.
pub(crate) struct BusProducer {
    bus: Rc<RefCell<Bus>>,
    reports: Reports,
    in_flight: usize,
}

impl BusProducer {
    pub(crate) fn new(bus: Rc<RefCell<Bus>>) -> Self {
        Self { bus, reports: Reports::default(), in_flight: 0 }
    }
}

impl Producer for BusProducer {
    fn send(&mut self, destination: u16, id: MessageId, _key: u32, payload: &[u8]) -> Result<(), Reason> {
        self.bus.borrow_mut().publish(destination, id, payload, &self.reports)?;
        self.in_flight += 1;
        Ok(())
    }

    fn poll(&mut self, _wait: Duration, reports: &mut Vec<SendReport>) {
        let mut ended = self.reports.borrow_mut();
        self.in_flight -= ended.len();
        reports.append(&mut ended);
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn purge(&mut self, reports: &mut Vec<SendReport>) {
        self.bus.borrow_mut().purge(&self.reports);
        self.poll(Duration::ZERO, reports);
    }

    fn fatal(&self) -> Option<Reason> {
        None
    }
}

/// Subscribes to topics on its node.
pub(crate) struct BusConsumer {
    bus: Rc<RefCell<Bus>>,
    run_tag: u64,
    subscriptions: Vec<Subscription>,
    /// Whose turn it is: a busy topic does not starve the others.
    turn: usize,
}

struct Subscription {
    destination: DestinationRef,
    /// How often the topic is subscribed to: every one is given all that is published.
    copies: usize,
    /// None until the node is linked to every peer.
    receivers: VecDeque<Receiver<BusMessage>>,
    next_offset: u64,
}

impl BusConsumer {
    pub(crate) fn new(bus: Rc<RefCell<Bus>>, spec: &ClientSpec) -> Self {
        let copies = subscriptions(&spec.config);
        let subscription = |destination: &DestinationRef| Subscription {
            destination: destination.clone(),
            copies,
            receivers: VecDeque::new(),
            next_offset: 0,
        };
        let subscriptions = spec.destinations.iter().map(subscription).collect();
        Self { bus, run_tag: spec.run_tag, subscriptions, turn: 0 }
    }
}

impl Consumer for BusConsumer {
    fn poll(&mut self, _wait: Duration) -> Result<Option<ConsumerEvent>, ClientError> {
        for _ in 0..self.subscriptions.len() {
            let at = self.turn;
            self.turn = (at + 1) % self.subscriptions.len();
            let event = self.subscriptions[at].next(&self.bus, self.run_tag)?;
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    fn settle(&mut self, _settle: Settle, _delivery: &Delivery, _wait: Option<Duration>) -> Result<(), Reason> {
        // The bus keeps nothing that could be settled.
        Err(Reason::Rejected)
    }
}

impl Subscription {
    fn next(&mut self, bus: &RefCell<Bus>, run_tag: u64) -> Result<Option<ConsumerEvent>, ClientError> {
        if self.receivers.is_empty() {
            return self.subscribe(&bus.borrow());
        }
        for _ in 0..self.copies {
            let event = self.take(run_tag)?;
            // Each in its turn, so that none is left behind.
            self.receivers.rotate_left(1);
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    /// What the subscription whose turn it is has been given.
    fn take(&mut self, run_tag: u64) -> Result<Option<ConsumerEvent>, ClientError> {
        let Some(receiver) = self.receivers.front_mut() else { return Ok(None) };
        let destination = self.destination.index;
        match receiver.try_recv() {
            Ok(message) => {
                let offset = self.next_offset;
                self.next_offset += 1;
                let payload = decode(&message.payload, run_tag);
                let delivery = Delivery { destination, offset, payload, redelivered: message.redelivered };
                Ok(Some(ConsumerEvent::Delivered(delivery)))
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Lagged(lost)) => {
                self.next_offset += lost;
                Ok(Some(ConsumerEvent::PositionReset { destination, offset: Some(self.next_offset) }))
            }
            Err(TryRecvError::Closed) => Err(ClientError::Fatal(String::from("its node ended"))),
        }
    }

    /// Only a node that every peer hears, and that hears every peer, gets all that is published.
    fn subscribe(&mut self, bus: &Bus) -> Result<Option<ConsumerEvent>, ClientError> {
        if !bus.is_linked() {
            return Ok(None);
        }
        let destination = self.destination.index;
        self.receivers = (0..self.copies).filter_map(|_| bus.subscribe(destination)).collect();
        if self.receivers.is_empty() {
            return Err(ClientError::Refused {
                operation: format!("subscribing to {}", self.destination.name),
                cause: String::from("no lane of this run has such a topic"),
            });
        }
        Ok(Some(ConsumerEvent::Assigned { destination, offset: Some(0) }))
    }
}
