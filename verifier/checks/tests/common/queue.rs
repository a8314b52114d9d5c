//! A queue by hand: what the log's scene sends, delivered by competing consumers that ack each
//! message, with a dead-letter queue beside it. Both are audited at the end.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "every test file uses its own part")]

use std::collections::BTreeMap;

use delivery_broker::Settle;
use delivery_checks::judgement::{Judgement, LaneJudgement};
use delivery_history::event::FLAG_REDELIVERED;
use delivery_history::manifest::{Destination, Workload, first_session};
use delivery_history::{Event, EventKind};

use crate::common::{AUDIT, C0, C1, Ended, Id, LOAD_MS, SENTINEL, Scene, at, judge_streams, manifest};

pub const ORDERS: u16 = 0;
pub const DEAD: u16 = 1;

/// Guarantees that apply to a queue: all but those about logs and transactions.
pub const ALL_OF_A_QUEUE: usize = crate::common::ALL_OF_A_LOG - 1;

/// One delivery and what its consumer did with it.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    pub worker: u16,
    pub id: Id,
    pub at_ms: u64,
    pub flagged: bool,
    pub processing: bool,
    pub processed: bool,
    /// Asked for 1 ms after the delivery.
    pub settle: Option<Settle>,
    /// 2 ms after the delivery.
    pub confirmed: bool,
}

/// One reading of one queue.
#[derive(Clone, Debug)]
pub struct Audit {
    pub queue: u16,
    /// (Ready, unacked), as often as it was asked.
    pub depths: Vec<(u64, u32)>,
    pub read: Vec<Id>,
    /// It recorded its end.
    pub ended: bool,
}

impl Audit {
    pub fn of(queue: u16, read: Vec<Id>) -> Self {
        Self { queue, depths: vec![(read.len() as u64, 0); 3], read, ended: true }
    }
}

#[derive(Clone, Debug)]
pub struct Queue {
    pub scene: Scene,
    pub deliveries: Vec<Delivery>,
    /// (Consumer, when its connection ended); it consumes again 1 ms later.
    pub ended: Vec<(u16, u64)>,
    pub audits: Vec<Audit>,
    /// What consumers recorded, where it is not made up from deliveries.
    pub recorded: Option<Vec<(u16, Event)>>,
}

pub fn delivery(worker: u16, id: Id, at_ms: u64) -> Delivery {
    let settle = Some(Settle::Ack);
    Delivery { worker, id, at_ms, flagged: false, processing: true, processed: true, settle, confirmed: true }
}

impl Queue {
    /// A healthy one.
    pub fn new() -> Self {
        let mut scene = Scene::log();
        scene.manifest = manifest(Workload::Queue);
        let place = |name: &str, dead_letters_of| Destination {
            lane: 0,
            name: name.into(),
            partition: None,
            dead_letters_of,
            output_of: None,
            added: false,
        };
        scene.manifest.destinations = vec![place("orders", None), place("orders.dead", Some(ORDERS))];
        scene.logs.clear();
        scene.drained.clear();
        let deliveries = scene.handled.drain(..).map(|one| delivery(one.worker, one.id, one.at_ms)).collect();
        let audits = vec![Audit::of(ORDERS, vec![]), Audit::of(DEAD, vec![])];
        Self { scene, deliveries, ended: vec![], audits, recorded: None }
    }

    pub fn first(&mut self, id: Id) -> &mut Delivery {
        self.deliveries.iter_mut().find(|one| one.id == id).unwrap()
    }

    /// Gives `id` to nobody.
    pub fn withhold(&mut self, id: Id) {
        self.deliveries.retain(|one| one.id != id);
    }

    /// Lets the audit of `queue` find these.
    pub fn leave(&mut self, queue: u16, read: Vec<Id>) {
        *self.audits.iter_mut().find(|audit| audit.queue == queue).unwrap() = Audit::of(queue, read);
    }

    pub fn automatic_ack(&mut self) {
        self.scene.manifest.lanes[0].automatic_ack = true;
        for one in &mut self.deliveries {
            (one.settle, one.confirmed) = (None, false);
        }
    }

    pub fn streams(&self) -> Vec<Vec<Event>> {
        let mut scene = self.scene.clone();
        scene.extra.extend(self.consumers());
        for worker in [C0, C1].into_iter().filter(|worker| !scene.crashes.iter().any(|(crashed, _)| crashed == worker))
        {
            scene.extra.push((worker, at(Event::new(EventKind::WorkerFinished), LOAD_MS + 10_000)));
        }
        scene.extra.extend(self.audit_events().into_iter().map(|event| (AUDIT, event)));
        scene.streams()
    }

    fn consumers(&self) -> Vec<(u16, Event)> {
        if let Some(recorded) = &self.recorded {
            return recorded.clone();
        }
        let mut events: Vec<(u16, Event)> = Vec::new();
        let assigned = Event::new(EventKind::Assigned).destination(ORDERS);
        events.extend([C0, C1].map(|worker| (worker, at(assigned, 0))));
        for (worker, at_ms) in &self.ended {
            events.push((*worker, at(Event::new(EventKind::SessionEnded).detail(20), *at_ms)));
            events.push((*worker, at(assigned, at_ms + 1)));
        }
        let mut sentinel = delivery(C0, (first_session(SENTINEL), 0), LOAD_MS + 1_100);
        (sentinel.processing, sentinel.processed) = (false, false);
        let mut deliveries: Vec<Delivery> = self.deliveries.iter().copied().chain([sentinel]).collect();
        deliveries.sort_by_key(|one| one.at_ms);
        let mut tags: BTreeMap<(u16, usize), u64> = BTreeMap::new();
        for one in deliveries {
            let before = self.ended.iter().filter(|(worker, at_ms)| *worker == one.worker && *at_ms <= one.at_ms);
            let tag = tags.entry((one.worker, before.count())).or_default();
            *tag += 1;
            one.record(*tag, &mut events);
        }
        events
    }

    fn audit_events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (number, audit) in self.audits.iter().enumerate() {
            let event = |kind: EventKind| Event::new(kind).destination(audit.queue).detail(1);
            let at_ms = LOAD_MS + 2_000 + number as u64 * 10;
            events.push(at(event(EventKind::AuditStart).offset(0), at_ms));
            for (ready, unacked) in &audit.depths {
                let depth = event(EventKind::ObservedDepth).offset(*ready).detail(*unacked);
                events.push(at(Event { session: 1, ..depth }, at_ms + 1));
            }
            for (offset, id) in audit.read.iter().enumerate() {
                let read = event(EventKind::AuditRead).message(id.0, id.1).offset(offset as u64);
                events.push(at(read, at_ms + 2));
            }
            if audit.ended {
                events.push(at(event(EventKind::AuditEnd).offset(audit.read.len() as u64), at_ms + 3));
            }
        }
        events
    }

    pub fn judge(&self) -> Judgement {
        judge_streams(&self.scene.manifest, &self.streams(), &self.scene.damage, &self.scene.missing_streams)
    }

    pub fn lane(&self) -> LaneJudgement {
        self.judge().lanes.remove(0)
    }

    /// How `id` ended for its producer.
    pub fn end(&mut self, id: Id, ended: Ended) {
        self.scene.message(id).ended = ended;
    }
}

impl Delivery {
    fn record(&self, tag: u64, events: &mut Vec<(u16, Event)>) {
        let event = |kind: EventKind| Event::new(kind).message(self.id.0, self.id.1).destination(ORDERS).offset(tag);
        let mut push = |event: Event, at_ms: u64| events.push((self.worker, at(event, at_ms)));
        let flags = if self.flagged { FLAG_REDELIVERED } else { 0 };
        push(event(EventKind::Delivered).flags(flags), self.at_ms);
        if self.processing {
            push(event(EventKind::Processing), self.at_ms);
        }
        if self.processed {
            push(event(EventKind::Processed), self.at_ms + 1);
        }
        if let Some(settle) = self.settle {
            push(event(EventKind::SettleInvoked).detail(settle as u32), self.at_ms + 1);
            if self.confirmed {
                push(event(EventKind::SettleOk).detail(settle as u32), self.at_ms + 2);
            }
        }
    }
}
