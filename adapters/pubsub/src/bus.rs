//! One node of the bus, without the network: what it does with messages, frames and time.

use std::collections::BTreeMap;

use bytes::Bytes;
use delivery_broker::{MessageId, Reason, SendOutcome, SendReport, SimulatedPlan};
use tokio::sync::broadcast::Receiver;

use crate::confirms::Confirms;
use crate::frame::{self, Body, Frame, MAX_PAYLOAD_BYTES, Malformed, Record, Sender};
use crate::mailbox::{BusMessage, Mailbox};
use crate::members::{Members, bit};
use crate::mutation::Mutation;
use crate::outbox::Outbox;
use crate::retry::{Reports, RetryBuffer};
use crate::seen::Seen;
use crate::settings::{DEFAULT_HEARTBEAT_MS, DeliveryMode, MISSED_HEARTBEATS, TopicSettings};

/// Confirms are collected this long and sent together.
const CONFIRM_NS: u64 = 40_000_000;
/// Time between two looks for messages to send again.
const RETRY_SCAN_NS: u64 = 50_000_000;
/// Payload bytes sent again in one turn at most, so that a heal is no flood.
const RETRY_BYTES_PER_TURN: usize = 256 * 1_024;

/// A topic on this node.
#[derive(Debug)]
struct Topic {
    settings: TopicSettings,
    mailbox: Mailbox,
    unconfirmed: RetryBuffer,
    seen: Seen,
}

impl Topic {
    /// Keeps a message of this node until it is confirmed; nothing when the buffer is full.
    fn keep(&mut self, record: &Record, owed_bits: u32, now_ns: u64, reports: &Reports) -> Option<u64> {
        self.unconfirmed.push(record.id, record.payload.clone(), owed_bits, now_ns, reports)
    }

    /// Hands a message of this node to its own subscribers, now or at a later retry.
    fn deliver_own(&mut self, record: &Record, me: u32) {
        if self.mailbox.has_room() {
            self.mailbox.deliver(record.id, BusMessage { payload: record.payload.clone(), redelivered: false });
            self.unconfirmed.confirm(record.tag, bit(me));
        }
    }

    /// Takes a message from a peer; true when every subscriber here has it for sure.
    fn accept(&mut self, record: Record) -> bool {
        let message = BusMessage { payload: record.payload, redelivered: record.retry };
        match self.settings.delivery {
            DeliveryMode::AtMostOnce => {
                self.mailbox.deliver(record.id, message);
                return false;
            }
            DeliveryMode::ExactlyOnce if self.seen.contains(record.id) => return true,
            DeliveryMode::ExactlyOnce | DeliveryMode::AtLeastOnce if !self.mailbox.has_room() => return false,
            DeliveryMode::ExactlyOnce => self.seen.insert(record.id),
            DeliveryMode::AtLeastOnce => {}
        }
        self.mailbox.deliver(record.id, message);
        true
    }

    /// Messages to send again, oldest first, at most `left_bytes` of payload over all their
    /// targets; what they cost is taken off it, and 0 is left when there are more.
    fn overdue(&mut self, destination: u16, now_ns: u64, up_bits: u32, left_bytes: &mut usize) -> Vec<(u32, Record)> {
        let mut again = Vec::new();
        let Some(sent_before_ns) = now_ns.checked_sub(self.settings.retry_ns) else { return again };
        for (tag, message) in self.unconfirmed.overdue(sent_before_ns) {
            let targets_bits = message.missing_bits & up_bits;
            if targets_bits == 0 {
                continue;
            }
            if *left_bytes < message.payload.len() {
                *left_bytes = 0;
                break;
            }
            *left_bytes = left_bytes.saturating_sub(message.payload.len() * targets_bits.count_ones() as usize);
            message.sent_ns = now_ns;
            let (id, payload) = (message.id, message.payload.clone());
            again.push((targets_bits, Record { destination, retry: true, tag, id, payload }));
        }
        again
    }
}

/// One node.
#[derive(Debug)]
pub(crate) struct Bus {
    me: u32,
    now_ns: u64,
    topics: BTreeMap<u16, Topic>,
    members: Members,
    confirms: Confirms,
    pub(crate) outbox: Outbox,
    mutation: Option<Mutation>,
    heartbeat_ns: u64,
    next_heartbeat_ns: u64,
    next_confirm_ns: u64,
    next_retry_ns: u64,
    random: fastrand::Rng,
}

impl Bus {
    /// Node `me` of the plan, with the settings of each lane.
    pub(crate) fn new(
        plan: &SimulatedPlan,
        me: u32,
        settings: &[(u16, TopicSettings)],
        mutation: Option<Mutation>,
    ) -> Self {
        let heartbeat_ns = settings.iter().map(|(_, topic)| topic.heartbeat_ns).min();
        let heartbeat_ns = heartbeat_ns.unwrap_or(DEFAULT_HEARTBEAT_MS * 1_000_000);
        let peers = plan.nodes.iter().map(|node| node.id).filter(|id| *id != me);
        let topic = |destination: u16, settings: TopicSettings| Topic {
            settings,
            mailbox: Mailbox::new(plan.run_tag, mutation),
            unconfirmed: RetryBuffer::new(destination, me, settings.buffer_messages),
            seen: Seen::default(),
        };
        Self {
            me,
            now_ns: 0,
            topics: settings.iter().map(|(destination, read)| (*destination, topic(*destination, *read))).collect(),
            members: Members::new(me, peers, heartbeat_ns * MISSED_HEARTBEATS),
            confirms: Confirms::default(),
            outbox: Outbox::new(Sender { node: me, incarnation: 0 }),
            mutation,
            heartbeat_ns,
            next_heartbeat_ns: 0,
            next_confirm_ns: 0,
            next_retry_ns: 0,
            random: fastrand::Rng::with_seed(plan.seed ^ (u64::from(me) << 48)),
        }
    }

    /// Its host started: this is a new life. Nodes keep their rhythms apart by drawn phases.
    pub(crate) fn start(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        self.outbox.from.incarnation = now_ns;
        self.next_heartbeat_ns = now_ns + self.random.u64(0..self.heartbeat_ns);
        self.next_confirm_ns = now_ns + self.random.u64(0..CONFIRM_NS);
        self.next_retry_ns = now_ns + self.random.u64(0..RETRY_SCAN_NS);
    }

    /// Live members as this node hears them.
    pub(crate) fn members_bits(&self) -> u32 {
        self.members.bits(self.now_ns)
    }

    /// Whether every peer is up and hears this node.
    pub(crate) fn is_linked(&self) -> bool {
        self.members.all_linked(self.now_ns)
    }

    /// A subscription from now on, where the topic exists.
    pub(crate) fn subscribe(&self, destination: u16) -> Option<Receiver<BusMessage>> {
        self.topics.get(&destination).map(|topic| topic.mailbox.subscribe())
    }

    /// Takes a message from a producer on this node.
    pub(crate) fn publish(
        &mut self,
        destination: u16,
        id: MessageId,
        payload: &[u8],
        reports: &Reports,
    ) -> Result<(), Reason> {
        let topic = self.topics.get_mut(&destination).ok_or(Reason::Rejected)?;
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(Reason::TooLarge);
        }
        if self.outbox.is_full() {
            return Err(Reason::QueueFull);
        }
        let confirmed = topic.settings.delivery != DeliveryMode::AtMostOnce;
        let at_once = match confirmed {
            true => SendOutcome::Acked { offset: None, by_node: Some(self.me) },
            false => SendOutcome::Sent,
        };
        let at_once = SendReport { id, destination, outcome: at_once };
        if matches!(self.mutation, Some(mutation @ Mutation::DropAcked { .. }) if mutation.hits(id.sequence)) {
            reports.borrow_mut().push(at_once);
            return Ok(());
        }
        let payload = Bytes::copy_from_slice(payload);
        let mut record = Record { destination, retry: false, tag: 0, id, payload };
        if confirmed && self.mutation != Some(Mutation::AckEarly) {
            let owed_bits = self.members.peers().fold(bit(self.me), |bits, peer| bits | bit(peer));
            record.tag = topic.keep(&record, owed_bits, self.now_ns, reports).ok_or(Reason::QueueFull)?;
            topic.deliver_own(&record, self.me);
        } else {
            topic.mailbox.deliver(id, BusMessage { payload: record.payload.clone(), redelivered: false });
            reports.borrow_mut().push(at_once);
        }
        self.outbox.publish(&record);
        Ok(())
    }

    /// Gives up on what a producer has in flight.
    pub(crate) fn purge(&mut self, reports: &Reports) {
        for topic in self.topics.values_mut() {
            topic.unconfirmed.purge(reports);
        }
    }

    /// Takes a frame from a peer.
    pub(crate) fn receive(&mut self, frame: Frame) -> Result<(), Malformed> {
        let came_back = self.members.heard(frame.from, self.now_ns);
        if came_back && self.mutation == Some(Mutation::ForgetOnHeal) {
            self.topics.values_mut().for_each(|topic| topic.unconfirmed.confirm_all(bit(frame.from.node)));
        }
        match frame.body {
            Body::Heartbeat { heard_bits } => self.members.heartbeat(frame.from, heard_bits),
            Body::Publish(mut records) => {
                while let Some(record) = frame::next_record(&mut records)? {
                    let Some(topic) = self.topics.get_mut(&record.destination) else { continue };
                    let (destination, tag) = (record.destination, record.tag);
                    if topic.accept(record) {
                        self.confirms.add(frame.from, destination, tag);
                    }
                }
            }
            Body::Confirm { incarnation, ranges } if incarnation == self.outbox.from.incarnation => {
                for range in ranges {
                    let Some(topic) = self.topics.get_mut(&range.destination) else { continue };
                    for tag in range.first..=range.last {
                        topic.unconfirmed.confirm(tag, bit(frame.from.node));
                    }
                }
            }
            // Meant for an earlier life of this node.
            Body::Confirm { .. } => {}
        }
        Ok(())
    }

    /// Does what is due at `now_ns`.
    pub(crate) fn advance(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        if now_ns >= self.next_heartbeat_ns {
            self.next_heartbeat_ns += self.heartbeat_ns;
            self.beat();
        }
        if now_ns >= self.next_confirm_ns {
            self.next_confirm_ns += CONFIRM_NS;
            self.confirms.send(&mut self.outbox);
        }
        if now_ns >= self.next_retry_ns && self.retry() {
            self.next_retry_ns += RETRY_SCAN_NS;
        }
    }

    /// Heartbeats go to every peer, up or down: that is how one comes back.
    fn beat(&mut self) {
        let heartbeat = frame::heartbeat(self.outbox.from, self.members.bits(self.now_ns));
        for peer in self.members.peers() {
            self.outbox.frame(peer, heartbeat.clone());
        }
        self.topics.values_mut().for_each(|topic| topic.mailbox.release_held());
    }

    /// Sends again what is unconfirmed for too long, to the nodes that are up: what is owed to
    /// a node that is down waits for its return. False when this turn's share is used up.
    fn retry(&mut self) -> bool {
        let up_bits = self.members.bits(self.now_ns);
        let mut left_bytes = RETRY_BYTES_PER_TURN;
        for (destination, topic) in &mut self.topics {
            for (targets_bits, record) in topic.overdue(*destination, self.now_ns, up_bits, &mut left_bytes) {
                for peer in self.members.peers().filter(|peer| targets_bits & bit(*peer) != 0) {
                    self.outbox.retry(peer, &record);
                }
                if targets_bits & bit(self.me) != 0 {
                    topic.deliver_own(&record, self.me);
                }
            }
            if left_bytes == 0 {
                return false;
            }
        }
        true
    }
}
