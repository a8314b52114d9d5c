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

    /// Messages are sent there, too, from now on.
    pub fn add_destination(&mut self, destination: u16) {
        if !self.plan.destinations.contains(&destination) {
            self.plan.destinations.push(destination);
        }
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
        let by_client = producer.pick(key, &self.plan.destinations);
        let destination = by_client.unwrap_or(self.plan.destinations[key as usize % self.plan.destinations.len()]);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use delivery_broker::{MessageId, Producer, Reason, SendOutcome, SendReport};
    use delivery_history::{Clock, Event, EventKind, Recorder, SimulatedClock, read_events};

    use super::{ProducePlan, ProducerLoop};

    /// A client that keeps what it is sent until it is told what became of it.
    #[derive(Default)]
    struct Held {
        in_flight: Vec<(u16, MessageId)>,
        reports: Vec<SendReport>,
        sent: BTreeMap<MessageId, u32>,
    }

    impl Held {
        fn end_all(&mut self, outcome: SendOutcome) {
            let ended = self.in_flight.drain(..).map(|(destination, id)| SendReport { id, destination, outcome });
            self.reports.extend(ended);
        }
    }

    impl Producer for Held {
        fn send(&mut self, destination: u16, id: MessageId, _key: u32, _payload: &[u8]) -> Result<(), Reason> {
            *self.sent.entry(id).or_default() += 1;
            self.in_flight.push((destination, id));
            Ok(())
        }

        fn poll(&mut self, _wait: Duration, reports: &mut Vec<SendReport>) {
            reports.append(&mut self.reports);
        }

        fn in_flight(&self) -> usize {
            self.in_flight.len() + self.reports.len()
        }

        fn purge(&mut self, reports: &mut Vec<SendReport>) {
            self.end_all(SendOutcome::NotAcked(Reason::Purged));
            reports.append(&mut self.reports);
        }

        fn fatal(&self) -> Option<Reason> {
            None
        }
    }

    struct Bench {
        client: Held,
        work: ProducerLoop,
        clock: SimulatedClock,
        recorder: Recorder,
        directory: tempfile::TempDir,
    }

    impl Bench {
        fn new(resend: u32) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let clock = SimulatedClock::default();
            clock.set_ns(1);
            let path = directory.path().join("p.events");
            let recorder = Recorder::create(&path, 2, Clock::Simulated(clock.clone())).unwrap();
            let plan = ProducePlan {
                worker: 2,
                destinations: vec![0],
                rate_per_s: 100.0,
                size_bytes: 64,
                keys: 4,
                run_tag: 7,
                resend,
            };
            let mut work = ProducerLoop::new(plan);
            work.start(1);
            Self { client: Held::default(), work, clock, recorder, directory }
        }

        fn step_at(&mut self, at_ms: u64) {
            self.clock.set_ns(at_ms * 1_000_000 + 1);
            self.work.step(&mut self.client, &mut self.recorder).unwrap();
        }

        fn told(self) -> Vec<Event> {
            self.recorder.close().unwrap();
            read_events(&self.directory.path().join("p.events"), 2).unwrap()
        }
    }

    fn words(events: &[Event]) -> Vec<String> {
        events
            .iter()
            .map(|event| format!("{} {}/{}", event.kind().unwrap().label(), event.session & 0xffff, event.sequence))
            .collect()
    }

    #[test]
    fn a_fatal_error_ends_the_session_and_not_the_producer() {
        let mut bench = Bench::new(0);
        bench.step_at(10);
        bench.work.end_session(&mut bench.client, Reason::Fatal, &mut bench.recorder).unwrap();
        bench.step_at(20);
        let told = bench.told();
        let expected = [
            "send-invoked 0/0",
            "send-invoked 0/1",
            "send-unknown 0/0",
            "send-unknown 0/1",
            "session-ended 0/2",
            "send-invoked 1/0",
        ];
        assert_eq!(words(&told), expected);
        let ended = told.iter().find(|event| event.kind() == Some(EventKind::SessionEnded)).unwrap();
        assert_eq!(ended.detail, Reason::Fatal as u32);
    }

    #[test]
    fn what_came_back_unknown_is_sent_again_a_bounded_number_of_times() {
        let mut bench = Bench::new(2);
        bench.step_at(0);
        bench.work.stop();
        for at_ms in [10, 20, 30, 40] {
            bench.client.end_all(SendOutcome::NotAcked(Reason::TimedOut));
            bench.step_at(at_ms);
            bench.step_at(at_ms + 1);
        }
        assert_eq!(bench.client.sent.values().copied().collect::<Vec<u32>>(), [3], "once, and twice again");
        assert!(!bench.work.has_resends());
        let told = words(&bench.told());
        assert_eq!(told.iter().filter(|word| *word == "send-invoked 0/0").count(), 3, "under one identity: {told:?}");
    }

    #[test]
    fn a_new_session_sends_again_what_the_old_one_left_and_nothing_after_the_end() {
        let mut bench = Bench::new(1);
        bench.step_at(0);
        bench.work.end_session(&mut bench.client, Reason::Fatal, &mut bench.recorder).unwrap();
        assert!(bench.work.has_resends());
        bench.step_at(10);
        let old = MessageId { session: delivery_history::manifest::first_session(2), sequence: 0 };
        assert_eq!(bench.client.sent[&old], 2);
        bench.work.close(&mut bench.client, &mut bench.recorder).unwrap();
        assert!(!bench.work.has_resends());
    }
}
