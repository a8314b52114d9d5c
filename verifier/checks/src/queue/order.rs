//! Order at one consumer: first deliveries without the redelivered flag, per producer session and
//! queue; and, apart from it, where a requeued message came back.

use std::collections::{HashMap, HashSet};

use delivery_history::Event;
use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED};
use foldhash::fast::RandomState;

use crate::directory::state;
use crate::health::kind;
use crate::queue::again::{Again, Special};
use crate::queue::members::Members;
use crate::queue::{Place, place_of};
use crate::tally::{Subject, Tally};
use crate::work::LaneWork;

/// First deliveries of one producer session from one queue.
#[derive(Debug, Default)]
struct Line {
    /// Times the consumer had begun anew when the first of `latest` was delivered.
    begun: u64,
    /// (Time, sequence) of those no later delivery surpasses: times rise, sequences fall.
    latest: Vec<(u64, u32)>,
}

impl Line {
    /// Takes a first delivery; whether it came after a later message.
    fn take(&mut self, time_ns: u64, sequence: u32) -> bool {
        let late = self.latest.first().is_some_and(|(_, highest)| sequence < *highest);
        while self.latest.last().is_some_and(|(_, known)| *known <= sequence) {
            self.latest.pop();
        }
        self.latest.push((time_ns, sequence));
        late
    }

    /// Whether a later message was first delivered after `time_ns`.
    fn surpassed_since(&self, time_ns: u64, sequence: u32) -> bool {
        let from = self.latest.partition_point(|(at_ns, _)| *at_ns <= time_ns);
        self.latest.get(from).is_some_and(|(_, highest)| sequence < *highest)
    }
}

/// Marks messages first delivered after a later one of their session, and counts requeued ones
/// that a consumer got behind a later one that it was first given after the requeue.
pub(crate) fn mark_reordered(work: &mut LaneWork<'_, '_>, members: &Members, again: &Again) -> Tally {
    let mut behind = Tally::default();
    let mut counted: HashSet<usize> = HashSet::new();
    for worker in &members.workers {
        let special = again.special.get(worker).map_or(&[][..], Vec::as_slice);
        let mut consumer = Consumer::new(special);
        for (at, event) in work.context.stream(*worker).iter().enumerate() {
            match event.kind {
                kind::DELIVERED => {
                    if let Some(index) = consumer.deliver(work, at, event)
                        && counted.insert(index)
                    {
                        let subject = Subject::Message { session: event.session, sequence: event.sequence };
                        behind.add(event.time_ns, subject, event.destination);
                    }
                }
                kind::ASSIGNED => consumer.assign(event.destination),
                kind::SESSION_ENDED => consumer.end_session(),
                _ => {}
            }
        }
    }
    behind
}

/// One consumer's stream on its way.
struct Consumer<'c> {
    /// By slot of the producer session and queue.
    lines: HashMap<(usize, u16), Line, RandomState>,
    /// Times it began anew: for the broker it is another consumer then.
    begun: u64,
    /// The last of them that concerned every queue.
    begun_all: u64,
    /// The last of them by queue.
    assigned: HashMap<u16, u64, RandomState>,
    /// Deliveries that are not what they look like, by position.
    special: &'c [(usize, Special)],
}

impl<'c> Consumer<'c> {
    fn new(special: &'c [(usize, Special)]) -> Self {
        Self { lines: HashMap::default(), begun: 0, begun_all: 0, assigned: HashMap::default(), special }
    }

    fn assign(&mut self, queue: u16) {
        self.begun += 1;
        self.assigned.insert(queue, self.begun);
    }

    fn end_session(&mut self) {
        self.begun += 1;
        self.begun_all = self.begun;
    }

    /// Takes the delivery at position `at`; the message it shows if that was requeued and came behind a later one.
    fn deliver(&mut self, work: &mut LaneWork<'_, '_>, at: usize, event: &Event) -> Option<usize> {
        let special = self.special(at);
        let flagged = event.has(FLAG_REDELIVERED);
        if event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) != 0
            || special == Some(Special::NotFirst)
            || (flagged && special.is_none())
        {
            return None;
        }
        let Place::Own { slot, index } = place_of(work, event) else { return None };
        let line = self.line(slot, event.destination);
        if let Some(Special::Requeued { invoked_ns }) = special {
            return line.surpassed_since(invoked_ns, event.sequence).then_some(index);
        }
        if line.take(event.time_ns, event.sequence) {
            work.sends.messages.state[index] |= state::REORDERED;
        }
        None
    }

    fn special(&mut self, at: usize) -> Option<Special> {
        while let Some(((position, special), rest)) = self.special.split_first() {
            if *position > at {
                return None;
            }
            self.special = rest;
            if *position == at {
                return Some(*special);
            }
        }
        None
    }

    fn line(&mut self, slot: usize, queue: u16) -> &mut Line {
        let begun = self.begun_all.max(self.assigned.get(&queue).copied().unwrap_or(0));
        let line = self.lines.entry((slot, queue)).or_default();
        if line.begun != begun {
            line.begun = begun;
            line.latest.clear();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_knows_the_highest_since_any_moment() {
        let mut line = Line::default();
        let late: Vec<bool> =
            [(1, 4), (2, 9), (3, 6), (4, 7), (5, 2)].into_iter().map(|(at, number)| line.take(at, number)).collect();
        assert_eq!(late, [false, false, true, true, true]);
        assert_eq!(line.latest, [(2, 9), (4, 7), (5, 2)]);
        assert!(line.surpassed_since(1, 8) && !line.surpassed_since(2, 8));
        assert!(line.surpassed_since(3, 6) && !line.surpassed_since(4, 6) && !line.surpassed_since(5, 0));
    }
}
