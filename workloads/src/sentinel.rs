//! The last message of every destination: who has read it has drained.

use std::collections::BTreeSet;
use std::time::Duration;

use delivery_broker::{MessageId, Producer, SendOutcome, SendReport, encode};
use delivery_history::manifest::first_session;
use delivery_history::recorder::{RecordError, Recorder};
use delivery_history::{Event, EventKind};

use crate::produce::outcome_event;

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
            reports: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Whether every destination has its sentinel.
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
            if !matches!(report.outcome, SendOutcome::NotAcked(_)) {
                self.waiting.remove(&report.destination);
            }
            recorder.record(outcome_event(&report))?;
        }
        Ok(())
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
