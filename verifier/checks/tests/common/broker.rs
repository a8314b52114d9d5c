//! A queue that keeps every promise, with consumers that requeue, reject, reconnect and die.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "every test file uses its own part")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use delivery_broker::Settle;
use delivery_history::event::FLAG_REDELIVERED;
use delivery_history::{Event, EventKind};

use crate::common::{C0, C1, Ended, Id, LOAD_MS, at};
use crate::queue::{Audit, DEAD, ORDERS, Queue};

const STEP_MS: u64 = 5;
const PREFETCH: usize = 4;

/// Numbers that are the same for the same seed.
pub struct Dice(pub u64);

impl Dice {
    /// True once in `sides` throws.
    fn one_in(&mut self, sides: u64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).is_multiple_of(sides)
    }
}

struct Consumer {
    worker: u16,
    alive: bool,
    tag: u64,
    /// Handed out and not settled, with the tag of each.
    held: VecDeque<(Id, u64)>,
}

/// What a correct queue did.
#[derive(Clone, Debug)]
pub struct Life {
    pub queue: Queue,
    /// Delivered again, or with the flag.
    pub again: BTreeSet<Id>,
    pub dead_lettered: Vec<Id>,
}

struct Broker {
    dice: Dice,
    waiting: VecDeque<(Id, bool)>,
    consumers: Vec<Consumer>,
    events: Vec<(u16, Event)>,
    life: Life,
}

/// Lets a correct queue live through the load.
pub fn live(seed: u64) -> Life {
    let life = Life { queue: Queue::new(), again: BTreeSet::new(), dead_lettered: vec![] };
    let consumer = |worker| Consumer { worker, alive: true, tag: 0, held: VecDeque::new() };
    let mut broker = Broker {
        dice: Dice(seed | 1),
        waiting: VecDeque::new(),
        consumers: vec![consumer(C0), consumer(C1)],
        events: vec![],
        life,
    };
    broker.draw_outcomes();
    let crash_ms = seed.is_multiple_of(3).then_some(seed / 3 % LOAD_MS / STEP_MS * STEP_MS);
    for consumer in [C0, C1] {
        broker.events.push((consumer, at(Event::new(EventKind::Assigned).destination(ORDERS), 0)));
    }
    let sent = broker.sent_by_step();
    let mut now_ms = STEP_MS;
    while now_ms <= LOAD_MS || !broker.is_empty() {
        broker.waiting.extend(sent.get(&(now_ms / STEP_MS)).into_iter().flatten().map(|id| (*id, false)));
        if crash_ms.is_some_and(|crash_ms| crash_ms.max(STEP_MS) == now_ms) {
            broker.crash(now_ms);
        }
        broker.step(now_ms);
        now_ms += STEP_MS;
        assert!(now_ms < LOAD_MS + 1_900, "a queue that is served empties");
    }
    broker.end()
}

impl Broker {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.consumers.iter().all(|consumer| consumer.held.is_empty())
    }

    fn draw_outcomes(&mut self) {
        for message in &mut self.life.queue.scene.messages {
            message.ended = match (self.dice.one_in(20), self.dice.one_in(2)) {
                (true, true) => Ended::Unknown,
                (true, false) => Ended::Never,
                _ => Ended::Acked(1),
            };
        }
    }

    /// What reaches the queue, by the step it does: all that was acked, some of the rest.
    fn sent_by_step(&mut self) -> BTreeMap<u64, Vec<Id>> {
        let mut sent: BTreeMap<u64, Vec<Id>> = BTreeMap::new();
        for message in &self.life.queue.scene.messages {
            if matches!(message.ended, Ended::Acked(_)) || self.dice.one_in(2) {
                sent.entry(message.sent_ms / STEP_MS + 1).or_default().push(message.id);
            }
        }
        sent
    }

    fn record(&mut self, worker: u16, kind: EventKind, id: Id, tag: u64, settle: Option<Settle>, at_ms: u64) {
        let event = Event::new(kind).message(id.0, id.1).destination(ORDERS).offset(tag);
        let event = settle.map_or(event, |settle| event.detail(settle as u32));
        self.events.push((worker, at(event, at_ms)));
    }

    fn step(&mut self, now_ms: u64) {
        let alive: Vec<usize> = (0..self.consumers.len()).filter(|number| self.consumers[*number].alive).collect();
        for number in alive.iter().copied() {
            if self.dice.one_in(800) {
                self.reconnect(number, now_ms);
            }
            while self.consumers[number].held.len() < PREFETCH && !self.dice.one_in(3) {
                let Some((id, flagged)) = self.waiting.pop_front() else { break };
                self.deliver(number, id, flagged, now_ms);
            }
        }
        // A millisecond later: what is requeued now is given to somebody in the next step.
        for number in alive {
            if !self.dice.one_in(8) {
                self.handle(number, now_ms);
                self.handle(number, now_ms);
            }
        }
    }

    fn deliver(&mut self, number: usize, id: Id, flagged: bool, now_ms: u64) {
        let consumer = &mut self.consumers[number];
        consumer.tag += 1;
        consumer.held.push_back((id, consumer.tag));
        let flags = if flagged { FLAG_REDELIVERED } else { 0 };
        let event = Event::new(EventKind::Delivered).message(id.0, id.1).destination(ORDERS).offset(consumer.tag);
        self.events.push((consumer.worker, at(event.flags(flags), now_ms)));
        if flagged {
            self.life.again.insert(id);
        }
    }

    fn handle(&mut self, number: usize, now_ms: u64) {
        let worker = self.consumers[number].worker;
        let Some((id, tag)) = self.consumers[number].held.pop_front() else { return };
        if self.dice.one_in(30) {
            let settle = if self.dice.one_in(2) { Settle::NackRequeue } else { Settle::RejectRequeue };
            self.record(worker, EventKind::SettleInvoked, id, tag, Some(settle), now_ms + 1);
            self.record(worker, EventKind::SettleOk, id, tag, Some(settle), now_ms + 1);
            self.waiting.push_front((id, true));
            return;
        }
        self.record(worker, EventKind::Processing, id, tag, None, now_ms + 1);
        self.record(worker, EventKind::Processed, id, tag, None, now_ms + 1);
        let settle = if self.dice.one_in(50) { Settle::Reject } else { Settle::Ack };
        if settle == Settle::Reject {
            self.life.dead_lettered.push(id);
        }
        self.record(worker, EventKind::SettleInvoked, id, tag, Some(settle), now_ms + 1);
        if !self.dice.one_in(4) {
            self.record(worker, EventKind::SettleOk, id, tag, Some(settle), now_ms + 2);
        }
    }

    /// What a consumer held goes back to the head of the queue, flagged.
    fn give_back(&mut self, number: usize) {
        while let Some((id, _)) = self.consumers[number].held.pop_back() {
            self.waiting.push_front((id, true));
        }
    }

    fn reconnect(&mut self, number: usize, now_ms: u64) {
        self.give_back(number);
        let consumer = &mut self.consumers[number];
        consumer.tag = 0;
        self.events.push((consumer.worker, at(Event::new(EventKind::SessionEnded).detail(20), now_ms)));
        self.events.push((consumer.worker, at(Event::new(EventKind::Assigned).destination(ORDERS), now_ms)));
    }

    /// The second consumer dies; what it was given last it may not have recorded.
    fn crash(&mut self, now_ms: u64) {
        let unrecorded = self.consumers[1].held.back().copied().filter(|_| self.dice.one_in(2));
        if let Some((id, tag)) = unrecorded {
            let is_it = |event: &Event| event.message_is(id) && event.offset == tag;
            self.events.retain(|(worker, event)| *worker != C1 || !is_it(event));
        }
        self.give_back(1);
        self.consumers[1].alive = false;
        self.life.queue.scene.crashes.push((C1, now_ms));
    }

    fn end(mut self) -> Life {
        self.life.queue.recorded = Some(self.events);
        let dead = self.life.dead_lettered.clone();
        self.life.queue.audits = vec![Audit::of(ORDERS, vec![]), Audit::of(DEAD, dead)];
        self.life
    }
}

/// Whether an event is about a message.
pub trait About {
    /// Whether it is about this one.
    fn message_is(&self, id: Id) -> bool;
}

impl About for Event {
    fn message_is(&self, id: Id) -> bool {
        (self.session, self.sequence) == id
    }
}

impl Life {
    pub fn events(&mut self) -> &mut Vec<(u16, Event)> {
        self.queue.recorded.as_mut().unwrap()
    }

    /// Messages whose producer saw them acked.
    pub fn acked(&self) -> Vec<Id> {
        let messages = self.queue.scene.messages.iter();
        messages.filter(|one| matches!(one.ended, Ended::Acked(_))).map(|one| one.id).collect()
    }

    /// Gives `id` to nobody, dead letters included.
    pub fn forget(&mut self, id: Id) {
        self.events().retain(|(_, event)| !event.message_is(id));
        self.again.remove(&id);
        self.dead_lettered.retain(|dead| *dead != id);
        self.queue.leave(DEAD, self.dead_lettered.clone());
    }

    /// Gives `id` to the first consumer when all is over, once more or for the first time.
    pub fn deliver_last(&mut self, id: Id, flags: u8, processed: bool) {
        let tag = 1 << 30;
        let event = |kind: EventKind| Event::new(kind).message(id.0, id.1).destination(ORDERS).offset(tag);
        let kinds = [EventKind::Processing, EventKind::Processed].into_iter().filter(|_| processed);
        let mut all = vec![event(EventKind::Delivered).flags(flags)];
        all.extend(kinds.map(event));
        self.events().extend(all.into_iter().map(|event| (C0, at(event, LOAD_MS + 1_950))));
    }
}
