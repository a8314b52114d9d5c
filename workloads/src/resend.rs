//! An application that sends a message again, under the same identity, when nobody can tell what became of it.

use std::collections::{BTreeMap, VecDeque};

use delivery_broker::{MessageId, SendOutcome, SendReport};
use delivery_history::{Event, EventKind};

/// A message that is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Which.
    pub id: MessageId,
    /// Where to.
    pub destination: u16,
    /// With which key.
    pub key: u32,
}

/// Messages to be sent again, each a bounded number of times.
#[derive(Debug, Default)]
pub(crate) struct Resends {
    /// How often one message is sent again; never where it is 0.
    limit: u32,
    waiting: VecDeque<Again>,
    /// How often each was sent again already, until its outcome is known.
    tries: BTreeMap<(u32, u32), u32>,
}

impl Resends {
    /// Up to `limit` times a message.
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What a predecessor left without an outcome is this application's to send again.
    pub(crate) fn take_over(&mut self, left: Vec<Again>) {
        if self.limit > 0 {
            left.into_iter().for_each(|again| self.queue(again));
        }
    }

    /// Takes note of an outcome; `key` is the message's.
    pub(crate) fn take(&mut self, report: &SendReport, key: u32) {
        if self.limit == 0 {
            return;
        }
        match report.outcome {
            SendOutcome::NotAcked(reason) if !reason.is_certain_failure() => {
                self.queue(Again { id: report.id, destination: report.destination, key });
            }
            _ => drop(self.tries.remove(&(report.id.session, report.id.sequence))),
        }
    }

    fn queue(&mut self, again: Again) {
        let tries = self.tries.entry((again.id.session, again.id.sequence)).or_default();
        if *tries < self.limit {
            *tries += 1;
            self.waiting.push_back(again);
        }
    }

    /// The next one to send.
    pub(crate) fn next(&mut self) -> Option<Again> {
        self.waiting.pop_front()
    }

    /// Nothing is sent again any more.
    pub(crate) fn give_up(&mut self) {
        self.waiting.clear();
        self.limit = 0;
    }
}

/// What a producer that ended had sent without learning that it was stored, in the order in which it was sent.
pub fn left_without_outcome(events: &[Event]) -> Vec<Again> {
    let mut open: BTreeMap<(u32, u32), (usize, Again)> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        let named = (event.session, event.sequence);
        match event.kind() {
            Some(EventKind::SendInvoked) => {
                let id = MessageId { session: event.session, sequence: event.sequence };
                let again = Again { id, destination: event.destination, key: event.detail };
                open.entry(named).or_insert((at, again));
            }
            Some(EventKind::SendAcked | EventKind::SendSent | EventKind::SendFailed) => drop(open.remove(&named)),
            _ => {}
        }
    }
    let mut left: Vec<(usize, Again)> = open.into_values().collect();
    left.sort_unstable_by_key(|(at, _)| *at);
    left.into_iter().map(|(_, again)| again).collect()
}

#[cfg(test)]
mod tests {
    use delivery_broker::{MessageId, Reason, SendOutcome, SendReport};
    use delivery_history::{Event, EventKind};

    use super::{Again, Resends, left_without_outcome};

    fn report(outcome: SendOutcome) -> SendReport {
        SendReport { id: MessageId { session: 9, sequence: 3 }, destination: 1, outcome }
    }

    #[test]
    fn a_message_is_sent_again_as_often_as_it_may() {
        let mut resends = Resends::new(2);
        let unknown = report(SendOutcome::NotAcked(Reason::TimedOut));
        let again = Again { id: unknown.id, destination: 1, key: 7 };
        for expected in [Some(again), Some(again), None] {
            resends.take(&unknown, 7);
            assert_eq!(resends.next(), expected);
        }
        resends.take(&report(SendOutcome::NotAcked(Reason::TooLarge)), 7);
        assert!(resends.is_empty(), "what certainly failed is not sent again");
        resends.take(&unknown, 7);
        resends.give_up();
        assert_eq!(resends.next(), None);
    }

    #[test]
    fn nobody_resends_unless_asked_to() {
        let mut resends = Resends::new(0);
        resends.take(&report(SendOutcome::NotAcked(Reason::TimedOut)), 7);
        resends.take_over(vec![Again { id: MessageId { session: 1, sequence: 1 }, destination: 0, key: 1 }]);
        assert!(resends.is_empty());
    }

    #[test]
    fn what_a_predecessor_left_is_what_nobody_acked() {
        let event =
            |kind: EventKind, sequence: u32| Event::new(kind).message(5, sequence).destination(2).detail(sequence);
        let events = [
            event(EventKind::SendInvoked, 0),
            event(EventKind::SendInvoked, 1),
            event(EventKind::SendInvoked, 2),
            event(EventKind::SendInvoked, 3),
            event(EventKind::SendFailed, 2),
            event(EventKind::SendAcked, 0),
            event(EventKind::SendUnknown, 3),
        ];
        let left: Vec<(u32, u32)> =
            left_without_outcome(&events).iter().map(|again| (again.id.sequence, again.key)).collect();
        assert_eq!(left, [(1, 1), (3, 3)]);
    }
}
