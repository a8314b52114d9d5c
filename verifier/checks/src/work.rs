//! One lane while it is being checked.

use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN};
use delivery_history::manifest::{Role, Workload, worker_of_session};
use delivery_history::{Event, NO_OFFSET};

use crate::context::Context;
use crate::directory::{Directory, Session, state};
use crate::health::Health;
use crate::judge::Scope;
use crate::sends::Sends;
use crate::tally::{OnceTally, Subject};

/// One lane while it is being checked.
pub(crate) struct LaneWork<'a, 'b> {
    pub(crate) context: &'b Context<'a>,
    pub(crate) lane: u16,
    pub(crate) workload: Workload,
    pub(crate) scope: Scope,
    /// The configuration asks for acknowledgements.
    pub(crate) acknowledged: bool,
    pub(crate) destinations: Vec<u16>,
    pub(crate) directory: &'b Directory,
    pub(crate) sends: Sends,
    pub(crate) phantom: OnceTally,
    pub(crate) corrupt: OnceTally,
    pub(crate) disagreement: OnceTally,
    pub(crate) processed_at_once: OnceTally,
    pub(crate) aborted_read: OnceTally,
    pub(crate) uncommitted_read: OnceTally,
    pub(crate) dirty_read: OnceTally,
    /// Messages that would be phantoms, if the stream of their producer were not damaged.
    pub(crate) unattributed: u64,
    /// Some audit read a message where it was not sent.
    pub(crate) misplaced: bool,
}

/// What an event's identity stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Message `index` of the lane, by the session in `slot`.
    Judged { slot: usize, index: usize },
    /// The same, in a destination it was not sent to.
    Misplaced { index: usize },
    /// Known, and counts for nothing.
    Sentinel,
    /// Never sent in this lane.
    Phantom,
}

impl LaneWork<'_, '_> {
    /// The lane's messages stand in logs.
    pub(crate) fn is_log(&self) -> bool {
        matches!(self.workload, Workload::Log | Workload::Transactions)
    }

    /// What the event's identity stands for.
    #[inline(always)]
    pub(crate) fn resolve(&self, event: &Event) -> Found {
        let Some((slot, entry)) = self.directory.find(event.session, event.sequence) else { return Found::Phantom };
        if !entry.judged {
            return Found::Sentinel;
        }
        if entry.lane != self.lane {
            return Found::Phantom;
        }
        let index = entry.base as usize + event.sequence as usize;
        let sent_to = if entry.mixed { self.invoked(entry, index).destination } else { entry.destination };
        if sent_to == event.destination { Found::Judged { slot, index } } else { Found::Misplaced { index } }
    }

    /// The event that sent message `index` of session `entry`.
    #[inline]
    pub(crate) fn invoked(&self, entry: &Session, index: usize) -> &Event {
        let at = self.sends.messages.invoked_at[index] as usize;
        &self.context.stream(worker_of_session(entry.session))[at]
    }

    /// The event that sent message `index`.
    pub(crate) fn invoked_of(&self, index: usize) -> &Event {
        let sessions = self.directory.sessions(self.sends.slots.clone());
        let after = sessions.partition_point(|entry| entry.base as usize <= index);
        self.invoked(&sessions[after - 1], index)
    }

    /// Whether the message is owed to readers: acked, or sent where no ack was asked for.
    #[inline]
    pub(crate) fn is_owed(&self, message: u16) -> bool {
        is_owed(message, self.acknowledged)
    }

    /// Deals with a payload that carries no identity; false when it carries one.
    #[inline]
    pub(crate) fn take_unreadable(&mut self, worker: u16, event: &Event) -> bool {
        if event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) == 0 {
            return false;
        }
        self.unreadable(worker, event);
        true
    }

    #[cold]
    fn unreadable(&mut self, worker: u16, event: &Event) {
        // A queue has no offsets: what stands there are delivery tags of one session.
        let subject = if event.offset == NO_OFFSET || self.workload == Workload::Queue {
            Subject::Moment { worker, time_ns: event.time_ns, destination: event.destination }
        } else {
            Subject::Place { destination: event.destination, offset: event.offset }
        };
        let tally = if event.has(FLAG_CORRUPT) { &mut self.corrupt } else { &mut self.phantom };
        tally.add(event.time_ns, subject, event.destination);
    }

    /// Counts a message that was never sent here, unless its producer's stream may lack the send.
    #[cold]
    pub(crate) fn take_phantom(&mut self, event: &Event, health: &Health) {
        let worker = worker_of_session(event.session);
        let role = self.context.manifest.workers.get(usize::from(worker)).map(|worker| worker.role);
        let can_send = matches!(role, Some(Role::Producer | Role::Sentinel));
        if can_send && !health.is_sound(worker) {
            self.unattributed += 1;
            return;
        }
        let subject = Subject::Message { session: event.session, sequence: event.sequence };
        self.phantom.add(event.time_ns, subject, event.destination);
    }
}

/// See [`LaneWork::is_owed`].
#[inline]
pub(crate) const fn is_owed(message: u16, acknowledged: bool) -> bool {
    match message & (state::OUTCOMES | state::WITHDRAWN) {
        state::ACKED => true,
        state::SENT => !acknowledged,
        _ => false,
    }
}
