//! Every message that was sent, under a dense number: identities index arrays and are never hashed.
//!
//! The tables grow with the sends that were really recorded, never with the numbers an event claims.

use std::ops::Range;

use delivery_history::Event;
use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN};
use delivery_history::manifest::worker_of_session;

/// Bits of a message's state.
pub(crate) mod state {
    /// The broker acknowledged it.
    pub(crate) const ACKED: u16 = 1;
    /// The client took it, no acknowledgement was asked for.
    pub(crate) const SENT: u16 = 1 << 1;
    /// Certainly not stored.
    pub(crate) const FAILED: u16 = 1 << 2;
    /// May be stored.
    pub(crate) const UNKNOWN: u16 = 1 << 3;
    /// Read by some audit of its destination.
    pub(crate) const STORED: u16 = 1 << 4;
    /// Read already in the audit run that is being gone through.
    pub(crate) const SEEN_IN_RUN: u16 = 1 << 5;
    /// At two offsets of one replica, or in two destinations.
    pub(crate) const STORED_TWICE: u16 = 1 << 6;
    /// Stored (or first delivered) after a later message of its session.
    pub(crate) const REORDERED: u16 = 1 << 7;
    /// Read in a destination it was not sent to.
    pub(crate) const MISPLACED: u16 = 1 << 8;
    /// Its transaction aborted, or is not known to have committed: nobody is owed it.
    pub(crate) const WITHDRAWN: u16 = 1 << 9;
    /// Proved lost.
    pub(crate) const LOST: u16 = 1 << 10;
    /// Reached some reader.
    pub(crate) const DELIVERED: u16 = 1 << 11;
    /// There, but never processed by some group.
    pub(crate) const UNDELIVERED: u16 = 1 << 12;
    /// Entered processing more than once in some group.
    pub(crate) const PROCESSED_TWICE: u16 = 1 << 13;
    /// Delivered again to some group that did not process it again.
    pub(crate) const REDELIVERED: u16 = 1 << 14;
    /// Stored (or first delivered) after a later message of its session and key.
    pub(crate) const REORDERED_KEY: u16 = 1 << 15;
    /// All outcomes of a send.
    pub(crate) const OUTCOMES: u16 = ACKED | SENT | FAILED | UNKNOWN;
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Acked,
    Sent,
    Failed,
    Unknown,
}

/// The outcome a state says. No outcome at all is a client that died first; two that
/// contradict each other leave nothing certain either.
#[inline]
pub(crate) const fn outcome_of(message: u16) -> Outcome {
    match message & state::OUTCOMES {
        state::ACKED => Outcome::Acked,
        state::SENT => Outcome::Sent,
        state::FAILED => Outcome::Failed,
        _ => Outcome::Unknown,
    }
}

/// A producer session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) session: u32,
    /// Index of its lane; meaningless unless `judged`.
    pub(crate) lane: u16,
    /// Where all of its messages go, unless `mixed`.
    pub(crate) destination: u16,
    /// First message in the lane's tables.
    pub(crate) base: u32,
    /// Messages.
    pub(crate) len: u32,
    /// Its messages go to several destinations.
    pub(crate) mixed: bool,
    /// A producer's; a sentinel's messages are known, but count for nothing.
    pub(crate) judged: bool,
}

/// Tables of the messages of one lane, by dense number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Messages {
    /// [`state`] bits.
    pub(crate) state: Vec<u16>,
    /// Index of the send's first event in its worker's stream.
    pub(crate) invoked_at: Vec<u32>,
}

impl Messages {
    /// Makes room for `count` more, without touching memory that is not needed.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.state.reserve_exact(count);
        self.invoked_at.reserve_exact(count);
    }

    /// Gives back what was reserved in vain, where that is worth a copy.
    pub(crate) fn shrink(&mut self) {
        if self.state.capacity() / 8 * 7 > self.state.len() {
            self.state.shrink_to_fit();
            self.invoked_at.shrink_to_fit();
        }
    }
}

/// Every producer session, by worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    /// By worker: first slot and number of slots.
    of_worker: Vec<(u32, u32)>,
    sessions: Vec<Session>,
}

impl Directory {
    /// A directory for this many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self { of_worker: vec![(0, 0); workers], sessions: Vec::new() }
    }

    /// Enters the sessions of a worker: dense, from its first one.
    pub(crate) fn add(&mut self, worker: u16, sessions: Vec<Session>) {
        let first = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        if let Some(place) = self.of_worker.get_mut(usize::from(worker)) {
            *place = (first, u32::try_from(sessions.len()).unwrap_or(u32::MAX));
            self.sessions.extend(sessions);
        }
    }

    /// Number of sessions.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// The session a message belongs to, with its slot; nothing for a message that was never sent.
    #[inline(always)]
    pub(crate) fn find(&self, session: u32, sequence: u32) -> Option<(usize, &Session)> {
        let (first, count) = *self.of_worker.get(usize::from(worker_of_session(session)))?;
        let inside = session & 0xffff;
        if inside >= count {
            return None;
        }
        let slot = first as usize + inside as usize;
        let entry = self.sessions.get(slot)?;
        (sequence < entry.len).then_some((slot, entry))
    }

    /// Whether the event names a sentinel that was sent.
    pub(crate) fn is_sentinel(&self, event: &Event) -> bool {
        event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) == 0
            && self.find(event.session, event.sequence).is_some_and(|(_, entry)| !entry.judged)
    }

    /// The sessions in these slots.
    pub(crate) fn sessions(&self, slots: Range<usize>) -> &[Session] {
        self.sessions.get(slots).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, outcome_of, state};

    #[test]
    fn contradictory_outcomes_leave_nothing_certain() {
        assert_eq!(outcome_of(state::ACKED), Outcome::Acked);
        assert_eq!(outcome_of(state::ACKED | state::FAILED), Outcome::Unknown);
        assert_eq!(outcome_of(0), Outcome::Unknown);
        assert_eq!(outcome_of(state::ACKED | state::STORED | state::LOST), Outcome::Acked);
    }
}
