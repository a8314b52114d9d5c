//! Correct queues: consumers compete, requeue, reconnect; the broker says when it gives something again.

use delivery_broker::{Reason, Settle};
use delivery_history::event::FLAG_REDELIVERED;
use delivery_history::manifest::{Destination, Workload, first_session};
use delivery_history::{Event, EventKind, NO_OFFSET};

use super::{Audit, C2, Dice, MS, P2, World, about, ns};
use crate::common::{C0, C1, Id, LOAD_MS, P0, P1};

/// From one send to the next, at most, nanoseconds.
const GAP_NS: u64 = 70 * MS;

impl World {
    pub(super) fn grow_queue(dice: &mut Dice) -> Self {
        let mut world = Self::bare(Workload::Queue, 2);
        let place = |name: &str, letters| Destination {
            lane: 0,
            name: name.into(),
            partition: None,
            dead_letters_of: letters,
            output_of: None,
            added: false,
        };
        world.scene.manifest.destinations = vec![place("a", None), place("b", None), place("a.dead", Some(0))];
        let lane = &mut world.scene.manifest.lanes[0];
        (lane.acknowledged, lane.automatic_ack) = (!dice.one_in(6), dice.one_in(6));
        for worker in [C0, C1, C2] {
            for queue in [0, 1] {
                let at_ns = ns(0) + u64::from(queue);
                world.done.push((worker, Event::new(EventKind::Assigned).destination(queue).at(at_ns)));
            }
        }
        world.send_to_queues(dice);
        world.write_sentinels(2);
        world.finish_consumers(&[C0, C1, C2]);
        for destination in [0, 1, 2] {
            let (entries, depths) = (Vec::new(), vec![(0, 0); 3]);
            world.audits.push(Audit { destination, replica: 1, start: 0, entries, ended: true, depths });
        }
        world
    }

    fn send_to_queues(&mut self, dice: &mut Dice) {
        let mut next = [P0, P1, P2].map(|worker| (worker, first_session(worker), 0u32));
        let mut now_ns = ns(0) + MS;
        let mut hands_ns = now_ns;
        while now_ns < ns(LOAD_MS) {
            now_ns += GAP_NS / 2 + dice.below(GAP_NS as usize / 2) as u64;
            let (worker, session, sequence) = &mut next[dice.below(3)];
            let id = (*session, *sequence);
            *sequence += 1;
            let queue = dice.below(2) as u16;
            self.sent.push((*worker, about(EventKind::SendInvoked, id, queue, now_ns).detail(0)));
            let acknowledged = self.scene.manifest.lanes[0].acknowledged;
            let taken = if acknowledged { EventKind::SendAcked } else { EventKind::SendSent };
            let (ended, stored) = match dice.below(20) {
                0 => (Some((EventKind::SendFailed, Reason::Returned as u32)), false),
                1 => (Some((EventKind::SendUnknown, Reason::Nack as u32)), dice.one_in(2)),
                2 => (None, dice.one_in(2)),
                _ => (Some((taken, 1)), true),
            };
            let end = ended.map(|(kind, detail)| about(kind, id, queue, now_ns + MS).detail(detail));
            self.sent.extend(end.map(|end| (*worker, end)));
            if dice.one_in(50) {
                let ended = Event { session: *session, ..Event::new(EventKind::SessionEnded) };
                self.sent.push((*worker, ended.detail(Reason::Transport as u32).at(now_ns + 2 * MS)));
                (*session, *sequence) = (*session + 1, 0);
            }
            if stored {
                hands_ns = hands_ns.max(now_ns + 3 * MS);
                hands_ns = self.hand_out(dice, id, queue, hands_ns);
            }
        }
        self.count_tags();
    }

    /// One consumer after the other until one has processed it; when it was settled.
    fn hand_out(&mut self, dice: &mut Dice, id: Id, queue: u16, mut now_ns: u64) -> u64 {
        let automatic = self.scene.manifest.lanes[0].automatic_ack;
        let mut flags = 0;
        loop {
            let worker = [C0, C1, C2][dice.below(3)];
            let event = |kind: EventKind, at_ns: u64| about(kind, id, queue, at_ns);
            self.done.push((worker, event(EventKind::Delivered, now_ns).flags(flags)));
            now_ns += MS;
            flags = FLAG_REDELIVERED;
            if !automatic && dice.one_in(15) {
                let settle = if dice.one_in(2) { Settle::NackRequeue } else { Settle::RejectRequeue };
                self.done.push((worker, event(EventKind::SettleInvoked, now_ns).detail(settle as u32)));
                now_ns += MS;
                continue;
            }
            if !automatic && dice.one_in(25) {
                let ended = Event::new(EventKind::SessionEnded).detail(Reason::Transport as u32);
                self.done.push((worker, ended.at(now_ns)));
                for queue in [0, 1] {
                    let again = Event::new(EventKind::Assigned).destination(queue).at(now_ns + 1 + u64::from(queue));
                    self.done.push((worker, again));
                }
                now_ns += MS;
                continue;
            }
            self.done.push((worker, event(EventKind::Processing, now_ns)));
            self.done.push((worker, event(EventKind::Processed, now_ns + MS / 2)));
            if !automatic {
                let settle = |kind, at_ns| event(kind, at_ns).detail(Settle::Ack as u32);
                self.done.push((worker, settle(EventKind::SettleInvoked, now_ns + MS)));
                self.done.push((worker, settle(EventKind::SettleOk, now_ns + 2 * MS)));
            }
            return now_ns + 3 * MS;
        }
    }

    /// Leaves tags out: what they are for is tried elsewhere.
    fn count_tags(&mut self) {
        self.done.iter_mut().for_each(|(_, event)| event.offset = NO_OFFSET);
    }
}
