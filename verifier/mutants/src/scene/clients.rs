//! What producers and consumers did: sends as every workload has them, and the recording of both.

use std::collections::BTreeMap;

use delivery_broker::Reason;
use delivery_history::manifest::{Workload, first_session, worker_of_session};
use delivery_history::{Event, EventKind, NO_OFFSET};

use super::manifest::SENTINEL;
use super::{DRAIN_MS, Delivery, Ended, Entry, Id, KEYS, LOAD_MS, P0, P1, Scene, Send, about, at, of};

/// Every producer sends so often, milliseconds.
const EVERY_MS: u64 = 40;
/// From a send to its outcome, milliseconds.
const OUTCOME_MS: u64 = 2;

impl Scene {
    /// Both producers send throughout the load, to one destination each or to the same.
    pub(super) fn send_throughout(&mut self, places: [u16; 2], ended: impl Fn(u64) -> Ended) {
        for number in 0..LOAD_MS / EVERY_MS {
            for (worker, destination, after_ms) in [(P0, places[0], 10), (P1, places[1], 30)] {
                let at_ms = number * EVERY_MS + after_ms;
                let id = (first_session(worker), number as u32);
                self.sends.push(Send { id, key: number as u32 % KEYS, destination, at_ms, ended: ended(at_ms) });
            }
        }
    }

    /// The send of `id`.
    ///
    /// # Panics
    /// When nobody sent it: the row that asks for it is wrong.
    pub(crate) fn sent(&mut self, id: Id) -> &mut Send {
        self.sends.iter_mut().find(|send| send.id == id).expect("a message the scene sends")
    }

    /// The first delivery of `id`.
    ///
    /// # Panics
    /// When nobody was given it: the row that asks for it is wrong.
    pub(crate) fn given(&mut self, id: Id) -> &mut Delivery {
        self.deliveries.iter_mut().find(|one| one.id == id).expect("a message somebody was given")
    }

    /// Lets `worker` go on in a new session, where it sends one message every millisecond of the time.
    pub(crate) fn new_session(&mut self, worker: u16, destination: u16, from_ms: u64, to_ms: u64) {
        let last =
            self.sends.iter().map(|send| send.id.0).filter(|session| worker_of_session(*session) == worker).max();
        let session = last.map_or(first_session(worker), |last| last + 1);
        self.sends.retain(|send| worker_of_session(send.id.0) != worker || send.at_ms < from_ms);
        self.note(
            worker,
            from_ms,
            Event { session: session - 1, ..Event::new(EventKind::SessionEnded) }.detail(Reason::Fatal as u32),
        );
        for (number, at_ms) in (from_ms + 1..to_ms).enumerate() {
            let number = number as u32;
            let ended = Ended::Acked(1);
            self.sends.push(Send { id: (session, number), key: number % KEYS, destination, at_ms, ended });
        }
    }

    /// Sends that a log or queue took.
    pub(super) fn taken(&self, destination: u16) -> Vec<Send> {
        let is_taken = |send: &&Send| matches!(send.ended, Ended::Acked(_) | Ended::Sent | Ended::Contradictory);
        let mut taken: Vec<Send> =
            self.sends.iter().filter(|send| send.destination == destination).filter(is_taken).copied().collect();
        taken.sort_by_key(|send| send.at_ms);
        taken
    }

    pub(super) fn record_sends(&self, streams: &mut [Vec<Event>]) {
        let offsets = self.offsets();
        for send in &self.sends {
            let stream = &mut streams[usize::from(worker_of_session(send.id.0))];
            let event = |kind: EventKind| about(kind, send.id, send.destination);
            stream.push(at(event(EventKind::SendInvoked).detail(send.key), send.at_ms));
            let offset = offsets.get(&send.id).copied().unwrap_or(NO_OFFSET);
            let acked = |node: u32| event(EventKind::SendAcked).detail(node).offset(offset);
            let failed = |reason: Reason| event(EventKind::SendFailed).detail(reason as u32);
            let ends = match send.ended {
                Ended::Acked(node) => vec![acked(node)],
                Ended::Sent => vec![event(EventKind::SendSent)],
                Ended::Failed(reason) => vec![failed(reason)],
                Ended::Unknown(reason) => vec![event(EventKind::SendUnknown).detail(reason as u32)],
                Ended::Never => vec![],
                Ended::Contradictory => vec![acked(1), failed(Reason::Rejected)],
            };
            stream.extend(ends.into_iter().map(|end| at(end, send.at_ms + OUTCOME_MS)));
        }
        self.record_transactions(streams);
        for destination in self.places() {
            let stream = &mut streams[usize::from(SENTINEL)];
            let event = |kind: EventKind| about(kind, sentinel(destination), destination);
            stream.push(at(event(EventKind::SendInvoked), DRAIN_MS));
            if self.sentinels.contains(&destination) {
                stream.push(at(event(EventKind::SendAcked).detail(1), DRAIN_MS + 10));
            }
        }
    }

    /// Destinations that are sent to.
    pub(super) fn places(&self) -> Vec<u16> {
        let places = (0u16..).zip(&self.manifest.destinations);
        places.filter(|(_, place)| place.dead_letters_of.is_none()).map(|(number, _)| number).collect()
    }

    /// Where each message landed first, in the log of the first replica.
    fn offsets(&self) -> BTreeMap<Id, u64> {
        let mut offsets = BTreeMap::new();
        for ((destination, _), log) in self.logs.iter().rev() {
            for (index, entry) in log.iter().enumerate().rev() {
                let Entry::Message(id) = entry else { continue };
                if self.sends.iter().any(|send| send.id == *id && send.destination == *destination) {
                    offsets.insert(*id, self.log_start + index as u64);
                }
            }
        }
        offsets
    }

    pub(super) fn record_deliveries(&self, streams: &mut [Vec<Event>]) {
        let mut deliveries: Vec<Delivery> = self.deliveries.clone();
        deliveries.sort_by_key(|one| one.at_ms);
        if self.manifest.lanes[0].workload == Workload::Queue {
            self.count_tags(&mut deliveries);
        }
        for one in deliveries {
            one.record(&mut streams[usize::from(one.by)]);
        }
        for (worker, destination) in &self.drained {
            let stream = &mut streams[usize::from(*worker)];
            stream.push(at(about(EventKind::Delivered, sentinel(*destination), *destination), DRAIN_MS + 100));
            stream.push(at(of(EventKind::Drained, *destination), DRAIN_MS + 101));
        }
    }
}

impl Delivery {
    fn record(&self, stream: &mut Vec<Event>) {
        let event = |kind: EventKind| about(kind, self.id, self.destination).offset(self.offset);
        stream.push(at(event(EventKind::Delivered).flags(self.flags), self.at_ms));
        stream.extend((0..self.began).map(|_| at(event(EventKind::Processing), self.at_ms)));
        if self.processed {
            stream.push(at(event(EventKind::Processed), self.at_ms + 1));
        }
        if let Some((settle, confirmed)) = self.settle {
            let detail = settle as u32;
            stream.push(at(event(EventKind::SettleInvoked).detail(detail), self.at_ms + 1));
            if confirmed {
                stream.push(at(event(EventKind::SettleOk).detail(detail), self.at_ms + 2));
            }
        }
    }
}

/// The sentinel of a destination.
pub(super) fn sentinel(destination: u16) -> Id {
    (first_session(SENTINEL), u32::from(destination))
}
