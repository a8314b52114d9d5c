//! The same log, written in transactions of four messages each; a control record ends each of them.

use delivery_broker::Reason;
use delivery_history::manifest::{Lane, worker_of_session};
use delivery_history::{Event, EventKind};

use super::{C0, C1, Ended, FAULT_MS, Id, P0, P1, Scene, TAKEOVER_MS, at, of};

/// Messages of one transaction.
const MESSAGES: u32 = 4;
/// From its last send to the question for the commit, and from there to the answer, milliseconds.
const COMMIT_MS: u64 = 4;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Committed,
    Aborted,
    /// The commit was asked for, and nobody knows.
    Unknown,
    /// Its client never got to asking.
    Unfinished,
}

/// One transaction of one producer's first session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transaction {
    pub(crate) session: u32,
    pub(crate) number: u32,
    pub(crate) ending: Ending,
}

impl Transaction {
    fn first(&self) -> Id {
        (self.session, self.number * MESSAGES)
    }

    /// Its last message.
    pub(super) fn last(&self) -> Id {
        (self.session, self.number * MESSAGES + MESSAGES - 1)
    }

    /// Readers of committed messages see it.
    pub(super) fn is_visible(&self) -> bool {
        self.ending == Ending::Committed
    }
}

impl Scene {
    /// Transactions of which none is torn. Those of the time without a leader are unknown and not stored.
    pub(super) fn transactions(lane: Lane) -> Self {
        let mut scene = Self::empty(lane);
        scene.send_throughout([0, 1], |at_ms| match at_ms {
            0..FAULT_MS => Ended::Acked(2),
            FAULT_MS..TAKEOVER_MS => Ended::Unknown(Reason::TimedOut),
            _ => Ended::Acked(1),
        });
        let (sessions, each) = ([P0, P1].map(delivery_history::manifest::first_session), scene.sends.len() as u32 / 2);
        for session in sessions {
            for number in 0..each / MESSAGES {
                let ids = number * MESSAGES..(number + 1) * MESSAGES;
                let unknown = scene.sends.iter().any(|send| {
                    send.id.0 == session && ids.contains(&send.id.1) && !matches!(send.ended, Ended::Acked(_))
                });
                let ending = if unknown { Ending::Unknown } else { Ending::Committed };
                scene.transactions.push(Transaction { session, number, ending });
            }
        }
        scene.sentinels = vec![0, 1];
        scene.drained = vec![(C0, 0), (C1, 1)];
        scene.store();
        for (worker, destination) in [(C0, 0), (C1, 1)] {
            scene.note(worker, 0, of(EventKind::Assigned, destination).offset(0));
        }
        scene
    }

    /// The transaction a message belongs to.
    pub(super) fn transaction_of(&self, id: Id) -> Option<&Transaction> {
        self.transactions.iter().find(|open| open.session == id.0 && open.number == id.1 / MESSAGES)
    }

    /// How the transaction of a message ended.
    ///
    /// # Panics
    /// When it belongs to none: the row that asks for it is wrong.
    pub(crate) fn end_transaction(&mut self, id: Id, ending: Ending) {
        let mine = |open: &&mut Transaction| open.session == id.0 && open.number == id.1 / MESSAGES;
        self.transactions.iter_mut().find(mine).expect("a message of a transaction").ending = ending;
    }

    /// When its commit (or abort) is asked for.
    pub(super) fn commit_ms(&self, transaction: &Transaction) -> u64 {
        let last = transaction.last();
        self.sends.iter().find(|send| send.id == last).map_or(0, |send| send.at_ms) + COMMIT_MS
    }

    pub(super) fn record_transactions(&self, streams: &mut [Vec<Event>]) {
        for transaction in &self.transactions {
            let stream = &mut streams[usize::from(worker_of_session(transaction.session))];
            let event =
                |kind: EventKind| Event { session: transaction.session, ..Event::new(kind) }.detail(transaction.number);
            let first = transaction.first();
            let began_ms = self.sends.iter().find(|send| send.id == first).map_or(0, |send| send.at_ms - 1);
            let asked_ms = self.commit_ms(transaction);
            stream.push(at(event(EventKind::TransactionBegin), began_ms));
            let (asked, outcome) = match transaction.ending {
                Ending::Committed => (EventKind::TransactionCommit, 0),
                Ending::Aborted => (EventKind::TransactionAbort, 1),
                Ending::Unknown => (EventKind::TransactionCommit, 2),
                Ending::Unfinished => continue,
            };
            stream.push(at(event(asked), asked_ms));
            stream.push(at(event(EventKind::TransactionOutcome).offset(outcome), asked_ms + COMMIT_MS));
        }
    }
}
