//! The last message of every destination: who has read it has drained.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use delivery_broker::{MessageId, Producer, Reason, SendOutcome, SendReport, encode};
use delivery_history::manifest::first_session;
use delivery_history::recorder::{RecordError, Recorder};
use delivery_history::{Event, EventKind};

use crate::produce::outcome_event;

/// Sentinels handed back in a row after which a destination is taken to be gone.
const MAX_RETURNS: u32 = 1_000;

/// Writes sentinels until each destination has one that is acked (or sent, where nothing is acked).
///
/// Every attempt is a message of its own, so a lost attempt never looks like a duplicate.
pub struct SentinelLoop {
    run_tag: u64,
    size_bytes: usize,
    session: u32,
    next_sequence: u32,
    waiting: BTreeSet<u16>,
    in_flight: BTreeSet<u16>,
    /// Sentinels that were handed back in a row, by destination.
    returns: BTreeMap<u16, u32>,
    reports: Vec<SendReport>,
    payload: Vec<u8>,
}

impl SentinelLoop {
    /// Sentinels for `destinations`, from worker `worker`.
    pub fn new(worker: u16, run_tag: u64, size_bytes: usize, destinations: &[u16]) -> Self {
        Self {
            run_tag,
            size_bytes,
            session: first_session(worker),
            next_sequence: 0,
            waiting: destinations.iter().copied().collect(),
            in_flight: BTreeSet::new(),
            returns: BTreeMap::new(),
            reports: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Whether every destination has its sentinel; one that hands back all of them is not there any more, and its
    /// sentinel is missing from the history.
    pub fn done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Destinations that still miss theirs.
    pub fn waiting(&self) -> &BTreeSet<u16> {
        &self.waiting
    }

    /// Sends what is missing and takes what came back.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn step(
        &mut self,
        producer: &mut dyn Producer,
        recorder: &mut Recorder,
        wait: Duration,
    ) -> Result<(), RecordError> {
        let missing: Vec<u16> = self.waiting.difference(&self.in_flight).copied().collect();
        for destination in missing {
            self.send(destination, producer, recorder)?;
        }
        producer.poll(wait, &mut self.reports);
        for report in std::mem::take(&mut self.reports) {
            self.in_flight.remove(&report.destination);
            if !matches!(report.outcome, SendOutcome::NotAcked(_)) || self.is_gone(&report) {
                self.waiting.remove(&report.destination);
            }
            recorder.record(outcome_event(&report))?;
        }
        Ok(())
    }

    fn is_gone(&mut self, report: &SendReport) -> bool {
        let returns = self.returns.entry(report.destination).or_default();
        let returned = report.outcome == SendOutcome::NotAcked(Reason::Returned);
        *returns = if returned { *returns + 1 } else { 0 };
        *returns >= MAX_RETURNS
    }

    fn send(
        &mut self,
        destination: u16,
        producer: &mut dyn Producer,
        recorder: &mut Recorder,
    ) -> Result<(), RecordError> {
        let id = MessageId { session: self.session, sequence: self.next_sequence };
        self.next_sequence += 1;
        encode(&mut self.payload, self.run_tag, id, 0, self.size_bytes);
        let invoked = Event::new(EventKind::SendInvoked).message(id.session, id.sequence).destination(destination);
        recorder.record(invoked.detail(0))?;
        match producer.send(destination, id, 0, &self.payload) {
            Ok(()) => {
                self.in_flight.insert(destination);
                Ok(())
            }
            Err(reason) => {
                let outcome = SendOutcome::NotAcked(reason);
                recorder.record(outcome_event(&SendReport { id, destination, outcome }))
            }
        }
    }
}
