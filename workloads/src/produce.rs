//! A producer at a fixed rate: open loop, so a slow broker shows as a backlog and not as a
//! slower test.

use std::time::Duration;

use delivery_broker::{MessageId, Producer, Reason, SendOutcome, SendReport, encode};
use delivery_history::manifest::first_session;
use delivery_history::recorder::{RecordError, Recorder};
use delivery_history::{Event, EventKind, NO_NODE, NO_OFFSET};

use crate::resend::{Again, Resends};

/// Longest backlog that is caught up; what is behind that is not sent, and the rate says so.
const MAX_BACKLOG_NS: u64 = 1_000_000_000;
/// Sends between two looks at the outcomes.
const MAX_BURST: u64 = 256;
/// Longest wait for outcomes in one step.
const MAX_WAIT_NS: u64 = 5_000_000;

/// What a producer sends.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducePlan {
    /// Its worker number; its sessions count from there.
    pub worker: u16,
    /// Where it sends: the key of a message picks one of them.
    pub destinations: Vec<u16>,
    /// Messages a second.
    pub rate_per_s: f64,
    /// Payload bytes a message.
    pub size_bytes: usize,
    /// Number of keys.
    pub keys: u32,
    /// How often a message is sent again, under the same identity, when its outcome is unknown.
    pub resend: u32,
    /// In every payload of the run.
    pub run_tag: u64,
}

/// A producer's state between steps.
pub struct ProducerLoop {
    plan: ProducePlan,
    session: u32,
    next_sequence: u32,
    next_due_ns: Option<u64>,
    reports: Vec<SendReport>,
    payload: Vec<u8>,
    resends: Resends,
}

impl ProducerLoop {
    /// A producer that has not started to send.
    pub fn new(plan: ProducePlan) -> Self {
        let session = first_session(plan.worker);
        let resends = Resends::new(plan.resend);
        Self { plan, session, next_sequence: 0, next_due_ns: None, reports: Vec::new(), payload: Vec::new(), resends }
    }

    /// What a predecessor sent and learned nothing of is sent again, if this application sends anything again.
    pub fn take_over(&mut self, left: Vec<Again>) {
        self.resends.take_over(left);
    }

    /// Whether messages wait to be sent again.
    pub fn has_resends(&self) -> bool {
        !self.resends.is_empty()
    }

    /// Sends are due from `now_ns` on.
    pub fn start(&mut self, now_ns: u64) {
        self.next_due_ns = Some(now_ns);
    }

    /// Messages sent in this session.
    pub fn sent(&self) -> u32 {
        self.next_sequence
    }

    /// Nothing more is due; outcomes still come in.
    pub fn stop(&mut self) {
        self.next_due_ns = None;
    }

    /// Sends what is due and records the outcomes that came in.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn step(&mut self, producer: &mut dyn Producer, recorder: &mut Recorder) -> Result<(), RecordError> {
        let now_ns = recorder.now_ns();
        self.skip_what_is_too_late(now_ns);
        let mut burst = 0;
        while let Some(again) = self.resends.next() {
            self.send(again, producer, recorder)?;
            burst += 1;
            if burst == MAX_BURST {
                break;
            }
        }
        while self.next_due_ns.is_some_and(|due_ns| due_ns <= now_ns) && burst < MAX_BURST {
            self.send_next(producer, recorder)?;
            burst += 1;
        }
        let wait_ns = match self.next_due_ns {
            Some(due_ns) => due_ns.saturating_sub(recorder.now_ns()).min(MAX_WAIT_NS),
            None => MAX_WAIT_NS,
        };
        producer.poll(Duration::from_nanos(wait_ns), &mut self.reports);
        self.record_reports(recorder)
    }

    /// Gives up on everything in flight and records what became of it: the end, after which nothing is sent again.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn close(&mut self, producer: &mut dyn Producer, recorder: &mut Recorder) -> Result<(), RecordError> {
        self.resends.give_up();
        self.purge(producer, recorder)
    }

    /// Gives up on everything in flight and records what became of it.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn purge(&mut self, producer: &mut dyn Producer, recorder: &mut Recorder) -> Result<(), RecordError> {
        producer.purge(&mut self.reports);
        self.record_reports(recorder)
    }

    /// Ends the session after a fatal error; the caller goes on with a new producer.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn end_session(
        &mut self,
        producer: &mut dyn Producer,
        reason: Reason,
        recorder: &mut Recorder,
    ) -> Result<(), RecordError> {
        self.purge(producer, recorder)?;
        let ended = Event::new(EventKind::SessionEnded).message(self.session, self.next_sequence);
        recorder.record(ended.detail(reason as u32))?;
        self.session += 1;
        self.next_sequence = 0;
        Ok(())
    }

    fn period_ns(&self) -> u64 {
        (1e9 / self.plan.rate_per_s.max(0.001)) as u64
    }

    fn skip_what_is_too_late(&mut self, now_ns: u64) {
        if let Some(due_ns) = &mut self.next_due_ns {
            *due_ns = (*due_ns).max(now_ns.saturating_sub(MAX_BACKLOG_NS));
        }
    }

    fn send_next(&mut self, producer: &mut dyn Producer, recorder: &mut Recorder) -> Result<(), RecordError> {
        let id = MessageId { session: self.session, sequence: self.next_sequence };
        let key = self.key_of(id);
        let destination = self.plan.destinations[key as usize % self.plan.destinations.len()];
        self.next_sequence += 1;
        self.next_due_ns = self.next_due_ns.map(|due_ns| due_ns + self.period_ns());
        self.send(Again { id, destination, key }, producer, recorder)
    }

    fn key_of(&self, id: MessageId) -> u32 {
        id.sequence % self.plan.keys.max(1)
    }

    fn send(
        &mut self,
        Again { id, destination, key }: Again,
        producer: &mut dyn Producer,
        recorder: &mut Recorder,
    ) -> Result<(), RecordError> {
        encode(&mut self.payload, self.plan.run_tag, id, key, self.plan.size_bytes);
        let invoked = Event::new(EventKind::SendInvoked).message(id.session, id.sequence).destination(destination);
        recorder.record(invoked.detail(key))?;
        if let Err(reason) = producer.send(destination, id, key, &self.payload) {
            let outcome = SendOutcome::NotAcked(reason);
            self.reports.push(SendReport { id, destination, outcome });
        }
        Ok(())
    }

    fn record_reports(&mut self, recorder: &mut Recorder) -> Result<(), RecordError> {
        let keys = self.plan.keys.max(1);
        for report in self.reports.drain(..) {
            recorder.record(outcome_event(&report))?;
            self.resends.take(&report, report.id.sequence % keys);
        }
        Ok(())
    }
}

/// The event a report becomes.
pub fn outcome_event(report: &SendReport) -> Event {
    let (kind, offset, detail) = match report.outcome {
        SendOutcome::Acked { offset, by_node } => {
            (EventKind::SendAcked, offset.unwrap_or(NO_OFFSET), by_node.unwrap_or(NO_NODE))
        }
        SendOutcome::Sent => (EventKind::SendSent, NO_OFFSET, NO_NODE),
        SendOutcome::NotAcked(reason) if reason.is_certain_failure() => {
            (EventKind::SendFailed, NO_OFFSET, reason as u32)
        }
        SendOutcome::NotAcked(reason) => (EventKind::SendUnknown, NO_OFFSET, reason as u32),
    };
    Event::new(kind)
        .message(report.id.session, report.id.sequence)
        .destination(report.destination)
        .offset(offset)
        .detail(detail)
}
