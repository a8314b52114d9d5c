//! A queue that two consumers compete for, acking each message; dead letters end in another.

use std::collections::BTreeMap;

use delivery_broker::{Reason, Settle};
use delivery_history::event::FLAG_REDELIVERED;
use delivery_history::manifest::Lane;
use delivery_history::{Event, EventKind, NO_OFFSET};

use super::audit::QueueAudit;
use super::log::DELIVERY_MS;
use super::{C0, C1, Delivery, Ended, FAULT_MS, Id, Scene, TAKEOVER_MS, of};

/// The queue that is sent to.
pub(crate) const ORDERS: u16 = 0;
/// Where its dead letters end.
pub(crate) const DEAD: u16 = 1;

impl Scene {
    /// Each message was given to one consumer, processed and acked; nothing is left.
    pub(super) fn queue(lane: Lane) -> Self {
        let (acknowledged, automatic_ack) = (lane.acknowledged, lane.automatic_ack);
        let mut scene = Self::empty(lane);
        scene.send_throughout([ORDERS, ORDERS], |at_ms| match at_ms {
            _ if !acknowledged => Ended::Sent,
            0..FAULT_MS => Ended::Acked(2),
            FAULT_MS..TAKEOVER_MS => Ended::Unknown(Reason::TimedOut),
            _ => Ended::Acked(1),
        });
        for (number, send) in scene.taken(ORDERS).into_iter().enumerate() {
            let by = if number.is_multiple_of(2) { C0 } else { C1 };
            let one = handed_out(by, send.id, send.at_ms + DELIVERY_MS);
            scene.deliveries.push(Delivery { settle: one.settle.filter(|_| !automatic_ack), ..one });
        }
        scene.queue_audits = vec![QueueAudit::of(ORDERS, &[]), QueueAudit::of(DEAD, &[])];
        scene.sentinels = vec![ORDERS];
        for worker in [C0, C1] {
            scene.note(worker, 0, of(EventKind::Assigned, ORDERS));
        }
        scene
    }

    /// Nobody is given `id`.
    pub(crate) fn withhold(&mut self, id: Id) {
        self.deliveries.retain(|one| one.id != id);
    }

    /// The audit finds these in `queue`.
    pub(crate) fn leave(&mut self, queue: u16, ids: &[Id]) {
        self.queue_audits.retain(|audit| audit.queue != queue);
        self.queue_audits.push(QueueAudit::of(queue, ids));
    }

    /// The consumer of the first delivery of `id` did nothing with it, or settled it so without processing it.
    pub(crate) fn refuse(&mut self, id: Id, settle: Option<Settle>) {
        let first = self.given(id);
        (first.began, first.processed) = (0, false);
        first.settle = settle.map(|settle| (settle, true));
    }

    /// `by` is given `id`, flagged as delivered before, and processes and acks it.
    pub(crate) fn redeliver(&mut self, id: Id, by: u16, at_ms: u64) {
        self.deliveries.push(Delivery { flags: FLAG_REDELIVERED, ..handed_out(by, id, at_ms) });
    }

    /// The connection of `worker` ends; it consumes again 1 ms later.
    pub(crate) fn reconnect(&mut self, worker: u16, at_ms: u64) {
        self.reconnects.push((worker, at_ms));
        self.note(worker, at_ms, Event::new(EventKind::SessionEnded).detail(Reason::Transport as u32));
        self.note(worker, at_ms + 1, of(EventKind::Assigned, ORDERS));
    }

    /// Numbers deliveries (in the order of time) as the broker does: from 1 on each connection.
    pub(super) fn count_tags(&self, deliveries: &mut [Delivery]) {
        let mut tags: BTreeMap<(u16, usize), u64> = BTreeMap::new();
        for one in deliveries.iter_mut().filter(|one| one.offset == NO_OFFSET) {
            let before = self.reconnects.iter().filter(|(by, at_ms)| *by == one.by && *at_ms <= one.at_ms);
            let tag = tags.entry((one.by, before.count())).or_default();
            *tag += 1;
            one.offset = *tag;
        }
    }
}

/// A first delivery that is processed and acked.
pub(crate) fn handed_out(by: u16, id: Id, at_ms: u64) -> Delivery {
    let settle = Some((Settle::Ack, true));
    Delivery { by, id, destination: ORDERS, offset: NO_OFFSET, at_ms, flags: 0, began: 1, processed: true, settle }
}
