//! What is wrong with the recording itself: damaged, missing or contradictory streams.
//!
//! Two consequences: nothing is judged to hold on a damaged recording, and what is proved by
//! the absence of an event is not proved where events may be missing.

use std::collections::BTreeSet;

use delivery_history::machine::MAX_CLOCK_ERROR_NS;
use delivery_history::manifest::{Role, RunManifest};
use delivery_history::{Event, HistoryView};

/// Doubts of one kind that are told in full.
const MAX_DAMAGE: usize = 20;

/// What is wrong with the recording.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// In words, for the whole run.
    damage: Vec<String>,
    left_out: u64,
    /// Workers whose streams may lack events, or hold ones that cannot be right.
    unsound: BTreeSet<u16>,
    /// The reader could not read some stream whole: any may lack events.
    torn: bool,
    /// In words, by worker.
    of_worker: Vec<(u16, String)>,
    /// Events no check could do anything with.
    not_judged: u64,
}

impl Health {
    /// Takes over what the reader of the history found.
    pub(crate) fn new(history: &HistoryView<'_>) -> Self {
        let mut health = Self { torn: !history.damage.is_empty(), ..Self::default() };
        for words in &history.damage {
            health.damage(words.clone());
        }
        health
    }

    /// Takes over what others noted.
    pub(crate) fn absorb(&mut self, others: Self) {
        others.damage.into_iter().for_each(|words| self.damage(words));
        self.left_out += others.left_out;
        self.not_judged += others.not_judged;
        self.unsound.extend(others.unsound);
        self.torn |= others.torn;
        self.of_worker.extend(others.of_worker);
    }

    /// What was noted after `base`, which this began as a copy of.
    pub(crate) fn beyond(mut self, base: &Self) -> Self {
        self.damage.drain(..base.damage.len());
        self.of_worker.drain(..base.of_worker.len());
        self.left_out -= base.left_out;
        self.not_judged -= base.not_judged;
        self
    }

    /// Notes damage that concerns the whole run.
    pub(crate) fn damage(&mut self, words: String) {
        if self.damage.len() < MAX_DAMAGE {
            self.damage.push(words);
        } else {
            self.left_out += 1;
        }
    }

    /// Notes damage in the stream of one worker.
    pub(crate) fn worker_damage(&mut self, worker: u16, words: String) {
        self.unsound.insert(worker);
        self.of_worker.push((worker, words));
    }

    /// Notes workers that should have recorded something and did not.
    pub(crate) fn note_missing(&mut self, manifest: &RunManifest, streams: &[Option<&[Event]>]) {
        for (number, worker) in manifest.workers.iter().enumerate() {
            let recorded = streams.get(number).copied().flatten().is_some_and(|events| !events.is_empty());
            // Audit and sentinel workers only exist once the run gets that far: what they lack is said there.
            let expected = matches!(worker.role, Role::Producer | Role::Consumer | Role::Observer | Role::Runner);
            if let (false, true, Ok(number)) = (recorded, expected, u16::try_from(number)) {
                self.worker_damage(number, format!("{} recorded nothing", worker.name));
            }
        }
    }

    /// Notes machines that did not hand over everything, or whose times say too little.
    pub(crate) fn note_machines(&mut self, manifest: &RunManifest) {
        for machine in &manifest.machines {
            let limit_ms = MAX_CLOCK_ERROR_NS / 1_000_000;
            let why = match machine.clock {
                _ if !machine.complete => String::from("was not taken over whole"),
                Some(clock) if clock.error_ns > MAX_CLOCK_ERROR_NS => {
                    format!("has times that may be off by {} ms, more than {limit_ms}", clock.error_ns / 1_000_000)
                }
                _ => continue,
            };
            for (number, worker) in manifest.workers.iter().enumerate().filter(|(_, one)| one.host == machine.host) {
                if let Ok(number) = u16::try_from(number) {
                    self.worker_damage(number, format!("what {} recorded on {} {why}", worker.name, machine.name));
                }
            }
        }
    }

    /// Notes what a pass over the stream of `worker` met.
    pub(crate) fn note_watch(&mut self, worker: u16, name: &str, watch: &Watch) {
        self.not_judged += watch.unknown_kinds;
        if watch.unknown_kinds > 0 {
            self.worker_damage(worker, format!("{} events of {name} are of an unknown kind", watch.unknown_kinds));
        }
        if watch.backwards > 0 {
            self.worker_damage(worker, format!("time goes back {} times in the stream of {name}", watch.backwards));
        }
    }

    /// Counts events that are not judged.
    pub(crate) fn pass_over(&mut self, events: u64) {
        self.not_judged += events;
    }

    /// Events that were not judged.
    pub(crate) fn not_judged(&self) -> u64 {
        self.not_judged
    }

    /// Whether the absence of an event in the stream of `worker` means that it did not happen.
    pub(crate) fn is_sound(&self, worker: u16) -> bool {
        !self.torn && !self.unsound.contains(&worker)
    }

    /// Damage that concerns the whole run.
    pub(crate) fn of_run(&self, manifest: &RunManifest) -> Vec<String> {
        let mut all = self.damage.clone();
        if self.left_out > 0 {
            all.push(format!("{} more streams or events are damaged", self.left_out));
        }
        let of_nobody = self.of_worker.iter().filter(|(worker, _)| lane_of(manifest, *worker).is_none());
        all.extend(of_nobody.map(|(_, words)| words.clone()));
        all
    }

    /// Damage that concerns one lane only.
    pub(crate) fn of_lane(&self, manifest: &RunManifest, lane: u16) -> Vec<String> {
        let mine = self.of_worker.iter().filter(|(worker, _)| lane_of(manifest, *worker) == Some(lane));
        mine.map(|(_, words)| words.clone()).collect()
    }
}

fn lane_of(manifest: &RunManifest, worker: u16) -> Option<u16> {
    manifest.workers.get(usize::from(worker)).and_then(|worker| worker.lane)
}

/// Watches one stream go by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    last_ns: u64,
    backwards: u64,
    /// Events of a kind this version does not know.
    pub(crate) unknown_kinds: u64,
}

impl Watch {
    /// Whether time does not go back at an event of that time.
    #[inline]
    pub(crate) fn is_at_or_before(&self, time_ns: u64) -> bool {
        self.last_ns <= time_ns
    }

    /// Looks at the time of the next event.
    #[inline]
    pub(crate) fn see(&mut self, event: &Event) {
        self.backwards += u64::from(event.time_ns < self.last_ns);
        self.last_ns = event.time_ns;
    }

    /// Looks at an event the pass has no use for.
    #[cold]
    pub(crate) fn pass_over(&mut self, event: &Event) {
        self.unknown_kinds += u64::from(event.kind().is_none());
    }
}

/// Kinds the passes over millions of events tell apart, as numbers: one comparison each.
pub(crate) mod kind {
    use delivery_history::EventKind;

    pub(crate) const SEND_INVOKED: u8 = EventKind::SendInvoked as u8;
    pub(crate) const SEND_ACKED: u8 = EventKind::SendAcked as u8;
    pub(crate) const SEND_SENT: u8 = EventKind::SendSent as u8;
    pub(crate) const SEND_FAILED: u8 = EventKind::SendFailed as u8;
    pub(crate) const SEND_UNKNOWN: u8 = EventKind::SendUnknown as u8;
    pub(crate) const DELIVERED: u8 = EventKind::Delivered as u8;
    pub(crate) const PROCESSING: u8 = EventKind::Processing as u8;
    pub(crate) const PROCESSED: u8 = EventKind::Processed as u8;
    pub(crate) const SETTLE_INVOKED: u8 = EventKind::SettleInvoked as u8;
    pub(crate) const SETTLE_OK: u8 = EventKind::SettleOk as u8;
    pub(crate) const SETTLE_FAILED: u8 = EventKind::SettleFailed as u8;
    pub(crate) const ASSIGNED: u8 = EventKind::Assigned as u8;
    pub(crate) const OBSERVED_DEPTH: u8 = EventKind::ObservedDepth as u8;
    pub(crate) const OBSERVED_COMMIT: u8 = EventKind::ObservedCommit as u8;
    pub(crate) const REVOKED: u8 = EventKind::Revoked as u8;
    pub(crate) const POSITION_RESET: u8 = EventKind::PositionReset as u8;
    pub(crate) const TRANSFORMED: u8 = EventKind::Transformed as u8;
    pub(crate) const OBSERVED_STABLE: u8 = EventKind::ObservedStable as u8;
    pub(crate) const TRANSACTION_BEGIN: u8 = EventKind::TransactionBegin as u8;
    pub(crate) const TRANSACTION_COMMIT: u8 = EventKind::TransactionCommit as u8;
    pub(crate) const TRANSACTION_ABORT: u8 = EventKind::TransactionAbort as u8;
    pub(crate) const TRANSACTION_OUTCOME: u8 = EventKind::TransactionOutcome as u8;
    pub(crate) const WORKER_FINISHED: u8 = EventKind::WorkerFinished as u8;
    pub(crate) const SESSION_ENDED: u8 = EventKind::SessionEnded as u8;
    pub(crate) const SUBSCRIBED: u8 = EventKind::Subscribed as u8;
    pub(crate) const UNSUBSCRIBED: u8 = EventKind::Unsubscribed as u8;
    pub(crate) const DRAINED: u8 = EventKind::Drained as u8;
    pub(crate) const AUDIT_READ: u8 = EventKind::AuditRead as u8;
    pub(crate) const AUDIT_CONTROL: u8 = EventKind::AuditControl as u8;
    pub(crate) const AUDIT_ABORTED: u8 = EventKind::AuditAborted as u8;
    pub(crate) const AUDIT_OPEN: u8 = EventKind::AuditOpen as u8;
    pub(crate) const AUDIT_START: u8 = EventKind::AuditStart as u8;
    pub(crate) const AUDIT_END: u8 = EventKind::AuditEnd as u8;
}
