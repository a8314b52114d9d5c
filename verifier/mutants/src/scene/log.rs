//! A log of two partitions: each producer writes one, each member of the group reads one.

use delivery_broker::{Reason, Settle};
use delivery_history::manifest::Lane;
use delivery_history::{Event, EventKind, NO_OFFSET};

use super::manifest::NODES;
use super::{AUDIT, AUDIT_MS, C0, C1, Delivery, Ended, Entry, FAULT_MS, Id, Scene, TAKEOVER_MS, about, of};

/// From a send to its delivery, milliseconds.
pub(super) const DELIVERY_MS: u64 = 5;
/// A member commits after so many messages.
const COMMIT_EVERY: usize = 50;

impl Scene {
    /// A log that lost nothing. n2 leads until it is cut off, n1 from the takeover on; what was sent in between is
    /// unknown and was not stored. Where no ack is asked for, all of it was stored.
    pub(super) fn log(lane: Lane) -> Self {
        let acknowledged = lane.acknowledged;
        let mut scene = Self::empty(lane);
        scene.send_throughout([0, 1], |at_ms| match at_ms {
            _ if !acknowledged => Ended::Sent,
            0..FAULT_MS => Ended::Acked(2),
            FAULT_MS..TAKEOVER_MS => Ended::Unknown(Reason::TimedOut),
            _ => Ended::Acked(1),
        });
        scene.sentinels = vec![0, 1];
        scene.drained = vec![(C0, 0), (C1, 1)];
        scene.store();
        for (worker, destination) in [(C0, 0), (C1, 1)] {
            scene.note(worker, 0, of(EventKind::Assigned, destination).offset(0));
        }
        scene.commit();
        scene
    }

    /// Every replica holds what was taken, in the order in which it was sent; the group reads it.
    pub(crate) fn store(&mut self) {
        for destination in self.places() {
            let mut log: Vec<Entry> = Vec::new();
            for send in self.taken(destination) {
                // Offsets of an aborted transaction hold nothing for a reader of committed messages.
                let visible = self.transaction_of(send.id).is_none_or(|open| open.is_visible());
                log.push(if visible { Entry::Message(send.id) } else { Entry::Control });
                if self.transaction_of(send.id).is_some_and(|open| open.last() == send.id) {
                    log.push(Entry::Control);
                }
            }
            for replica in NODES {
                self.logs.insert((destination, replica), log.clone());
            }
        }
        self.reread();
    }

    /// The group reads anew what the first replica holds: each partition by its member, every message once.
    pub(crate) fn reread(&mut self) {
        self.deliveries.clear();
        // Of a log that is transformed both read what comes of it.
        let has_outputs = self.manifest.destinations.iter().any(|place| place.output_of.is_some());
        for (by, destination) in [(C0, u16::from(has_outputs)), (C1, 1)] {
            let Some(log) = self.logs.get(&(destination, NODES[0])).cloned() else { continue };
            let mut earliest_ms = 0;
            for (offset, entry) in log.into_iter().enumerate() {
                let Entry::Message(id) = entry else { continue };
                let at_ms = self.readable_ms(id).max(earliest_ms);
                earliest_ms = at_ms;
                self.deliveries.push(read(by, id, destination, self.log_start + offset as u64, at_ms));
            }
        }
    }

    /// When a reader can be given a message at the earliest; what nobody sent comes with what is before it.
    fn readable_ms(&self, id: Id) -> u64 {
        let sent_ms = self.sends.iter().find(|send| send.id == id).map_or(0, |send| send.at_ms);
        self.transaction_of(id).map_or(sent_ms, |open| self.commit_ms(open)) + DELIVERY_MS
    }

    fn commit(&mut self) {
        for (worker, destination) in [(C0, 0), (C1, 1)] {
            let read: Vec<Delivery> = self.deliveries.iter().filter(|one| one.by == worker).copied().collect();
            for last in read.chunks(COMMIT_EVERY).filter_map(|chunk| chunk.last()) {
                self.commit_at(worker, destination, last.offset + 1, last.at_ms + 2);
            }
        }
    }

    /// `worker` commits `offset`: asked for now, confirmed 2 ms later.
    pub(crate) fn commit_at(&mut self, worker: u16, destination: u16, offset: u64, at_ms: u64) {
        let event = |kind: EventKind| of(kind, destination).offset(offset).detail(Settle::Commit as u32);
        self.note(worker, at_ms, event(EventKind::SettleInvoked));
        self.note(worker, at_ms + 2, event(EventKind::SettleOk));
    }

    /// The application of `by` sends `id` again under the same identity, and that is acked and stored at the end.
    pub(crate) fn resend(&mut self, by: u16, destination: u16, id: Id, at_ms: u64) {
        self.lane().resends = true;
        self.note(by, at_ms, about(EventKind::SendInvoked, id, destination).detail(0));
        self.note(by, at_ms + 2, about(EventKind::SendAcked, id, destination).detail(1));
        self.append(destination, Entry::Message(id));
    }

    /// The group's coordinator is asked what it has committed.
    pub(crate) fn read_back(&mut self, destination: u16, offset: u64) {
        let told = of(EventKind::ObservedCommit, destination).offset(offset).detail(0);
        self.note(AUDIT, AUDIT_MS + 500, Event { session: 1, ..told });
    }

    /// The last offset a destination's member committed.
    pub(crate) fn last_commit(&self, destination: u16) -> u64 {
        let confirmed = self.notes.iter().map(|(_, _, event)| event).filter(|event| event.destination == destination);
        let confirmed = confirmed.filter(|event| event.kind() == Some(EventKind::SettleOk));
        confirmed.map(|event| event.offset).max().unwrap_or(0)
    }

    /// Changes the log of every replica of a destination, and has it read anew.
    pub(crate) fn every_log(&mut self, destination: u16, change: impl Fn(&mut Vec<Entry>)) {
        let mine = self.logs.iter_mut().filter(|((place, _), _)| *place == destination);
        mine.for_each(|(_, log)| change(log));
        self.reread();
    }

    /// No replica holds `id` any more, and nobody reads it.
    pub(crate) fn lose(&mut self, id: Id) {
        for destination in self.places() {
            self.every_log(destination, |log| log.retain(|entry| *entry != Entry::Message(id)));
        }
    }

    /// The group processed `id`, and no replica holds it any more.
    pub(crate) fn lose_processed(&mut self, id: Id) {
        let processed = *self.given(id);
        self.lose(id);
        self.deliveries.push(Delivery { offset: NO_OFFSET, ..processed });
    }

    /// Every replica holds `entry` at its end, too.
    pub(crate) fn append(&mut self, destination: u16, entry: Entry) {
        self.every_log(destination, |log| log.push(entry));
    }

    /// Moves `id` right behind `other` in every replica.
    pub(crate) fn store_behind(&mut self, destination: u16, id: Id, other: Id) {
        self.every_log(destination, |log| {
            log.retain(|entry| *entry != Entry::Message(id));
            let behind = log.iter().position(|entry| *entry == Entry::Message(other)).map_or(log.len(), |at| at + 1);
            log.insert(behind, Entry::Message(id));
        });
    }

    /// `reader` is given `id` again from its offset on, without processing it.
    pub(crate) fn give_again(&mut self, id: Id, by: u16, at_ms: u64) {
        let first = *self.given(id);
        self.deliveries.push(Delivery { by, at_ms, began: 0, processed: false, settle: None, ..first });
    }

    /// The client of `worker` says that it goes on from `offset`.
    pub(crate) fn announce_reset(&mut self, worker: u16, destination: u16, offset: u64, at_ms: u64) {
        let reset = of(EventKind::PositionReset, destination).offset(offset);
        self.note(worker, at_ms, reset.flags(delivery_history::event::FLAG_SELF));
    }

    /// A destination goes from one member to the other, which reads on from `offset`.
    pub(crate) fn rebalance(&mut self, destination: u16, from: u16, to: u16, offset: u64, at_ms: u64) {
        self.note(from, at_ms, of(EventKind::Revoked, destination));
        self.note(to, at_ms, of(EventKind::Assigned, destination).offset(offset));
        for one in self.deliveries.iter_mut().filter(|one| one.destination == destination && one.at_ms >= at_ms) {
            one.by = to;
        }
        self.drained.iter_mut().filter(|(_, place)| *place == destination).for_each(|(worker, _)| *worker = to);
        let is_commit = |event: &Event| {
            event.kind().is_some_and(|kind| matches!(kind, EventKind::SettleInvoked | EventKind::SettleOk))
        };
        for (worker, note_ms, event) in &mut self.notes {
            if is_commit(event) && event.destination == destination && *note_ms >= at_ms {
                *worker = to;
            }
        }
    }
}

fn read(by: u16, id: Id, destination: u16, offset: u64, at_ms: u64) -> Delivery {
    Delivery { by, id, destination, offset, at_ms, flags: 0, began: 1, processed: true, settle: None }
}
