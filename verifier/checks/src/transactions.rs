//! The transactions of a lane: which messages each holds, and how it ended.

use std::ops::Range;

use delivery_history::Event;

use crate::directory::{Messages, state};
use crate::health::kind;
use crate::judgement::TransactionCounts;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Committed,
    Aborted,
    /// The client died or never learned: all of it or none.
    Unknown,
}

/// One transaction of one producer session.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    /// Its messages, by dense number: a session has one transaction open at a time.
    pub(crate) messages: Range<u32>,
    number: u32,
    session: u32,
    /// When its commit was asked for; nothing where it never was.
    pub(crate) commit_asked_ns: Option<u64>,
    pub(crate) ending: Ending,
    /// When its outcome was recorded; 0 where none was.
    pub(crate) ended_ns: u64,
    ended: bool,
}

/// The transactions of a lane, in the order of their messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions {
    all: Vec<Transaction>,
    /// First of the stream that is being read.
    first: usize,
}

impl Transactions {
    /// Another stream begins.
    pub(crate) fn begin_stream(&mut self) {
        self.first = self.all.len();
    }

    /// Takes an event of a producer; `next` is the dense number of the next message. False when the
    /// event cannot be: an end without a beginning, a beginning inside a transaction.
    pub(crate) fn take(&mut self, event: &Event, next: u32) -> bool {
        match event.kind {
            kind::TRANSACTION_BEGIN => self.begin(event, next),
            kind::TRANSACTION_COMMIT => {
                let open = self.open(event);
                open.map(|open| open.commit_asked_ns = Some(event.time_ns)).is_some()
            }
            kind::TRANSACTION_ABORT => self.open(event).is_some(),
            _ => self.end(event, next),
        }
    }

    fn begin(&mut self, event: &Event, next: u32) -> bool {
        let inside = self.close_open(next, event.session);
        self.all.push(Transaction {
            messages: next..u32::MAX,
            number: event.detail,
            session: event.session,
            commit_asked_ns: None,
            ending: Ending::Unknown,
            ended_ns: 0,
            ended: false,
        });
        !inside
    }

    /// Closes what the stream left open; whether it was of the same session.
    fn close_open(&mut self, next: u32, session: u32) -> bool {
        match self.all[self.first..].last_mut() {
            Some(open) if !open.ended => {
                open.messages.end = next;
                open.ended = true;
                open.session == session
            }
            _ => false,
        }
    }

    fn open(&mut self, event: &Event) -> Option<&mut Transaction> {
        let last = self.all[self.first..].last_mut();
        last.filter(|open| !open.ended && open.number == event.detail && open.session == event.session)
    }

    fn end(&mut self, event: &Event, next: u32) -> bool {
        let Some(open) = self.open(event) else { return false };
        open.messages.end = next;
        open.ended = true;
        open.ended_ns = event.time_ns;
        open.ending = match event.offset {
            0 => Ending::Committed,
            1 => Ending::Aborted,
            _ => Ending::Unknown,
        };
        true
    }

    /// The stream ended before `next`.
    pub(crate) fn end_stream(&mut self, next: u32) {
        self.close_open(next, u32::MAX);
    }

    /// Takes back what is owed to readers of transactions that did not commit for certain.
    pub(crate) fn withdraw(&self, messages: &mut Messages) {
        for transaction in self.all.iter().filter(|one| one.ending != Ending::Committed) {
            for index in transaction.messages.start as usize..transaction.messages.end as usize {
                messages.state[index] |= state::WITHDRAWN;
            }
        }
    }

    /// Every transaction.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transaction> {
        self.all.iter()
    }

    /// The transaction message `index` belongs to.
    pub(crate) fn of(&self, index: usize) -> Option<&Transaction> {
        let index = u32::try_from(index).ok()?;
        let after = self.all.partition_point(|one| one.messages.start <= index);
        // Those that hold no message begin where the next one begins.
        self.all[..after].iter().rev().find(|one| !one.messages.is_empty()).filter(|one| one.messages.contains(&index))
    }

    /// How many ended how; nothing where there are none.
    pub(crate) fn counts(&self) -> Option<TransactionCounts> {
        let count = |ending: Ending| self.all.iter().filter(|one| one.ending == ending).count() as u64;
        (!self.all.is_empty()).then(|| TransactionCounts {
            committed: count(Ending::Committed),
            aborted: count(Ending::Aborted),
            unknown: count(Ending::Unknown),
        })
    }

    /// Whether some transaction holds two messages: one alone cannot be torn.
    pub(crate) fn can_be_torn(&self) -> bool {
        self.all.iter().any(|one| one.messages.len() > 1)
    }
}

#[cfg(test)]
mod tests {
    use delivery_history::{Event, EventKind};

    use super::{Ending, Transactions};

    fn event(kind: EventKind, number: u32, ending: u64) -> Event {
        Event { session: 7, ..Event::new(kind) }.detail(number).offset(ending)
    }

    #[test]
    fn messages_belong_to_the_transaction_that_was_open() {
        let mut transactions = Transactions::default();
        transactions.begin_stream();
        assert!(transactions.take(&event(EventKind::TransactionBegin, 1, 0), 0));
        assert!(transactions.take(&event(EventKind::TransactionCommit, 1, 0), 3));
        assert!(transactions.take(&event(EventKind::TransactionOutcome, 1, 0), 3));
        assert!(transactions.take(&event(EventKind::TransactionBegin, 2, 0), 3));
        assert!(transactions.take(&event(EventKind::TransactionOutcome, 2, 1), 3));
        assert!(transactions.take(&event(EventKind::TransactionBegin, 3, 0), 5));
        transactions.end_stream(9);
        let endings: Vec<Ending> = transactions.iter().map(|one| one.ending).collect();
        assert_eq!(endings, [Ending::Committed, Ending::Aborted, Ending::Unknown]);
        let of = |index: usize| transactions.of(index).map(|one| one.ending);
        assert_eq!(of(2), Some(Ending::Committed));
        assert_eq!((of(3), of(4)), (None, None), "sent outside of any");
        assert_eq!((of(5), of(8), of(9)), (Some(Ending::Unknown), Some(Ending::Unknown), None));
    }

    #[test]
    fn what_cannot_be_is_told() {
        let mut transactions = Transactions::default();
        transactions.begin_stream();
        assert!(!transactions.take(&event(EventKind::TransactionOutcome, 1, 0), 0), "never began");
        assert!(transactions.take(&event(EventKind::TransactionBegin, 1, 0), 0));
        assert!(!transactions.take(&event(EventKind::TransactionCommit, 2, 0), 0), "another number");
        assert!(!transactions.take(&event(EventKind::TransactionBegin, 2, 0), 0), "inside another");
        transactions.begin_stream();
        assert!(!transactions.take(&event(EventKind::TransactionAbort, 2, 0), 0), "another worker's");
    }
}
