//! Sends in flight and their outcomes, between the task that talks to the broker and whoever polls.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use delivery_broker::{MessageId, Reason, SendOutcome, SendReport};

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not connected yet.
    Connecting,
    /// Messages are taken.
    Open,
    /// Over; the next session needs a new producer.
    Ended(Reason),
}

#[derive(Debug)]
struct State {
    standing: Standing,
    /// Where each was sent, by (session, sequence).
    in_flight: HashMap<(u32, u32), u16>,
    reports: Vec<SendReport>,
}

/// What both sides share.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    news: Condvar,
}

impl Inbox {
    /// Nothing is in flight.
    pub(super) fn new() -> Self {
        let state = State { standing: Standing::Connecting, in_flight: HashMap::new(), reports: Vec::new() };
        Self { state: Mutex::new(state), news: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the session stands.
    pub(super) fn standing(&self) -> Standing {
        self.lock().standing
    }

    /// The session takes messages now.
    pub(super) fn open(&self) {
        self.lock().standing = Standing::Open;
        self.news.notify_all();
    }

    /// Waits until the session is connected or over, for at most `limit`.
    pub(super) fn wait_until_open(&self, limit: Duration) {
        let state = self.lock();
        drop(self.news.wait_timeout_while(state, limit, |state| state.standing == Standing::Connecting));
    }

    /// Takes note of a send.
    ///
    /// # Errors
    /// The session takes none, or as many are in flight as it may have.
    pub(super) fn insert(&self, id: MessageId, destination: u16, most: usize) -> Result<(), Reason> {
        let mut state = self.lock();
        if state.standing != Standing::Open {
            return Err(Reason::NotConnected);
        }
        if state.in_flight.len() >= most {
            return Err(Reason::QueueFull);
        }
        state.in_flight.insert((id.session, id.sequence), destination);
        Ok(())
    }

    /// The send never left: its caller tells so.
    pub(super) fn forget(&self, id: MessageId) {
        self.lock().in_flight.remove(&(id.session, id.sequence));
    }

    /// Reports an outcome; a second one for the same send is nobody's.
    pub(super) fn report(&self, id: MessageId, outcome: SendOutcome) {
        let mut state = self.lock();
        if let Some(destination) = state.in_flight.remove(&(id.session, id.sequence)) {
            state.reports.push(SendReport { id, destination, outcome });
            self.news.notify_all();
        }
    }

    /// Whether the send has no outcome yet.
    pub(super) fn is_waiting(&self, id: MessageId) -> bool {
        self.lock().in_flight.contains_key(&(id.session, id.sequence))
    }

    /// Ends the session: whatever is in flight is unknown, for this reason.
    pub(super) fn end(&self, reason: Reason) {
        let mut state = self.lock();
        if let Standing::Ended(_) = state.standing {
            return;
        }
        state.standing = Standing::Ended(reason);
        state.give_up(reason);
        self.news.notify_all();
    }

    /// Gives up on everything in flight.
    pub(super) fn give_up(&self, reason: Reason) {
        self.lock().give_up(reason);
    }

    /// Sends without an outcome.
    pub(super) fn in_flight(&self) -> usize {
        self.lock().in_flight.len()
    }

    /// Takes the reports there are; waits for the first one at most `wait`.
    pub(super) fn take(&self, wait: Duration, reports: &mut Vec<SendReport>) {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        while state.reports.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        reports.append(&mut state.reports);
    }
}

impl State {
    fn give_up(&mut self, reason: Reason) {
        let mut left: Vec<((u32, u32), u16)> = self.in_flight.drain().collect();
        left.sort_unstable();
        for ((session, sequence), destination) in left {
            let (id, outcome) = (MessageId { session, sequence }, SendOutcome::NotAcked(reason));
            self.reports.push(SendReport { id, destination, outcome });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use delivery_broker::{MessageId, Reason, SendOutcome};

    use super::{Inbox, Standing};

    fn id(sequence: u32) -> MessageId {
        MessageId { session: 1, sequence }
    }

    #[test]
    fn every_send_has_one_outcome() {
        let inbox = Inbox::new();
        assert_eq!(inbox.insert(id(0), 4, 9), Err(Reason::NotConnected));
        inbox.open();
        for sequence in 0..3 {
            inbox.insert(id(sequence), 4, 3).unwrap();
        }
        assert_eq!(inbox.insert(id(3), 4, 3), Err(Reason::QueueFull));
        inbox.report(id(1), SendOutcome::Sent);
        inbox.report(id(1), SendOutcome::NotAcked(Reason::Nack));
        inbox.end(Reason::Transport);
        inbox.report(id(0), SendOutcome::Sent);
        let mut reports = Vec::new();
        inbox.take(Duration::ZERO, &mut reports);
        let outcomes: Vec<(u32, SendOutcome)> =
            reports.iter().map(|report| (report.id.sequence, report.outcome)).collect();
        let unknown = SendOutcome::NotAcked(Reason::Transport);
        assert_eq!(outcomes, [(1, SendOutcome::Sent), (0, unknown), (2, unknown)]);
        assert_eq!((inbox.standing(), inbox.in_flight()), (Standing::Ended(Reason::Transport), 0));
    }
}
