//! A worker that reads, makes another message of each one it is given, and writes it: what it wrote and how far it read
//! become true together, in one transaction, or not at all.
//!
//! A transaction that aborts is undone: the worker reads on from where its group stands committed, and makes *new*
//! messages of the same ones. What a message was made of is recorded before it is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use delivery_broker::{
    ConsumerEvent, Decoded, Delivery, MessageId, Reason, Remedy, SendOutcome, SendReport, Settle, TransactionError,
    Transactor, encode,
};
use delivery_history::event::{FLAG_SELF, REVOKED_LOST};
use delivery_history::manifest::{first_session, worker_of_session};
use delivery_history::recorder::{RecordError, Recorder};
use delivery_history::{Event, EventKind, NO_OFFSET};

use crate::consume::delivery_event;
use crate::error::WorkloadError;
use crate::produce::outcome_event;
use crate::queue::session_ended;

/// Longest wait for one answer; what is not decided then is asked for again.
const CALL_WAIT: Duration = Duration::from_secs(1);
/// Longest time a transaction may take to end before its producer is given up.
const END_LIMIT_NS: u64 = 60_000_000_000;
/// Longest wait for the abort of what is open at the polite end.
const FINISH_WAIT: Duration = Duration::from_secs(3);

/// What a worker makes of what.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformPlan {
    /// Its worker number; its sessions count from there.
    pub worker: u16,
    /// In every payload of the run.
    pub run_tag: u64,
    /// Payload bytes a message.
    pub size_bytes: usize,
    /// Where what comes of each destination's messages goes.
    pub outputs: BTreeMap<u16, u16>,
    /// Workers whose sentinels it must have read, per destination, to be drained.
    pub sentinels: BTreeMap<u16, BTreeSet<u16>>,
    /// Share of transactions that it aborts on purpose, thousandths.
    pub abort_permille: u16,
    /// Messages of one transaction, at most.
    pub max_messages: u32,
    /// Length of one transaction, nanoseconds.
    pub max_ns: u64,
    /// Draws which transactions abort.
    pub seed: u64,
}

/// What it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Become the only producer under its name.
    Starting,
    /// Read on from where the group stands.
    Rewinding,
    /// Read and send.
    Working,
    /// Put its position into the transaction.
    AddingOffsets,
    Committing,
    Aborting,
}

/// The transaction that is open.
#[derive(Debug)]
struct Open {
    number: u32,
    began_ns: u64,
    messages: u32,
    /// By destination: where its group goes on.
    next: BTreeMap<u16, u64>,
    /// Sentinels it has read: where, and whose.
    sentinels: BTreeSet<(u16, u16)>,
    settle_asked: bool,
    /// Since when its end is being asked for.
    ending_ns: Option<u64>,
    commit_asked: bool,
    abort_asked: bool,
    /// Something in it went wrong: it cannot commit.
    spoilt: bool,
}

/// A worker's state between steps.
pub struct TransformLoop {
    plan: TransformPlan,
    stage: Stage,
    session: u32,
    next_sequence: u32,
    transactions: u32,
    open: Option<Open>,
    /// One that nobody answered for before its session ended: whether its commit had been asked for.
    unresolved: Option<(u32, u32, bool)>,
    positioned: BTreeSet<u16>,
    /// Sentinels it has committed past: where, and whose.
    sentinels: BTreeSet<(u16, u16)>,
    drained: BTreeSet<u16>,
    reports: Vec<SendReport>,
    payload: Vec<u8>,
    draws: u64,
}

impl TransformLoop {
    /// A worker that has done nothing.
    pub fn new(plan: TransformPlan) -> Self {
        Self {
            stage: Stage::Starting,
            session: first_session(plan.worker),
            next_sequence: 0,
            transactions: 0,
            open: None,
            unresolved: None,
            positioned: BTreeSet::new(),
            sentinels: BTreeSet::new(),
            drained: BTreeSet::new(),
            reports: Vec::new(),
            payload: Vec::new(),
            draws: plan.seed,
            plan,
        }
    }

    /// Destinations it reads and whose position it knows.
    pub fn positioned(&self) -> &BTreeSet<u16> {
        &self.positioned
    }

    /// Destinations it has committed past every sentinel of.
    pub fn drained(&self) -> &BTreeSet<u16> {
        &self.drained
    }

    /// Whether it is in the middle of nothing but reading.
    pub fn is_working(&self) -> bool {
        self.stage == Stage::Working
    }

    /// Does what is next, for about as long as `wait`.
    ///
    /// # Errors
    /// When the client cannot go on, or the history cannot be written.
    pub fn step(
        &mut self,
        transactor: &mut dyn Transactor,
        recorder: &mut Recorder,
        wait: Duration,
    ) -> Result<(), WorkloadError> {
        match self.stage {
            Stage::Starting => self.start(transactor, recorder),
            Stage::Rewinding => self.rewind(transactor, recorder),
            Stage::Working => self.work(transactor, recorder, wait),
            Stage::AddingOffsets => self.add_offsets(transactor, recorder),
            Stage::Committing => self.commit(transactor, recorder),
            Stage::Aborting => self.abort(transactor, recorder, CALL_WAIT),
        }
    }

    /// Aborts what is open: the polite end.
    ///
    /// # Errors
    /// When the client cannot go on, or the history cannot be written.
    pub fn finish(&mut self, transactor: &mut dyn Transactor, recorder: &mut Recorder) -> Result<(), WorkloadError> {
        if self.open.is_some() && self.stage != Stage::Committing {
            self.abort(transactor, recorder, FINISH_WAIT)?;
        }
        transactor.purge(&mut self.reports);
        Ok(self.record_reports(recorder)?)
    }

    fn start(&mut self, transactor: &mut dyn Transactor, recorder: &mut Recorder) -> Result<(), WorkloadError> {
        match transactor.start(CALL_WAIT) {
            Ok(()) => {
                if let Some((session, number, commit_asked)) = self.unresolved.take() {
                    // A producer's start ends what the one before it left open; what was asked to commit may have.
                    let outcome = if commit_asked { 2 } else { 1 };
                    recorder.record(ended(session, number, outcome))?;
                }
                self.stage = Stage::Rewinding;
                Ok(())
            }
            Err(TransactionError { remedy: Remedy::Retry, .. }) => Ok(()),
            Err(error) => self.end_session(error.reason, transactor, recorder),
        }
    }

    fn rewind(&mut self, transactor: &mut dyn Transactor, recorder: &mut Recorder) -> Result<(), WorkloadError> {
        let Ok(places) = transactor.rewind(CALL_WAIT) else {
            // An assignment that is being taken away is told by a poll.
            return match transactor.poll(Duration::ZERO)? {
                Some(ConsumerEvent::Delivered(_)) | None => Ok(()),
                Some(event) => self.take_place(event, recorder),
            };
        };
        for (destination, offset) in places {
            let moved = Event::new(EventKind::PositionReset).destination(destination).offset(offset);
            recorder.record(moved.flags(FLAG_SELF))?;
        }
        self.stage = Stage::Working;
        Ok(())
    }

    fn work(
        &mut self,
        transactor: &mut dyn Transactor,
        recorder: &mut Recorder,
        wait: Duration,
    ) -> Result<(), WorkloadError> {
        let left_ns =
            self.open.as_ref().map(|open| (open.began_ns + self.plan.max_ns).saturating_sub(recorder.now_ns()));
        let wait = left_ns.map_or(wait, |left_ns| wait.min(Duration::from_nanos(left_ns)));
        let mut next = transactor.poll(wait)?;
        while let Some(event) = next {
            self.take(event, transactor, recorder)?;
            if self.stage != Stage::Working || self.is_due(recorder.now_ns()) {
                break;
            }
            next = transactor.poll(Duration::ZERO)?;
        }
        transactor.reports(&mut self.reports);
        self.record_reports(recorder)?;
        if self.stage == Stage::Working && self.is_due(recorder.now_ns()) {
            let spoilt = self.open.as_ref().is_some_and(|open| open.spoilt);
            self.stage = if spoilt { Stage::Aborting } else { Stage::AddingOffsets };
        }
        Ok(())
    }

    fn is_due(&self, now_ns: u64) -> bool {
        self.open.as_ref().is_some_and(|open| {
            open.spoilt || open.messages >= self.plan.max_messages || now_ns >= open.began_ns + self.plan.max_ns
        })
    }

    fn take(
        &mut self,
        event: ConsumerEvent,
        transactor: &mut dyn Transactor,
        recorder: &mut Recorder,
    ) -> Result<(), WorkloadError> {
        match event {
            ConsumerEvent::Delivered(delivery) => self.transform(&delivery, transactor, recorder),
            other => self.take_place(other, recorder),
        }
    }

    /// What the group says: where this member reads.
    fn take_place(&mut self, event: ConsumerEvent, recorder: &mut Recorder) -> Result<(), WorkloadError> {
        let place = |kind: EventKind, destination: u16, offset: Option<u64>| {
            Event::new(kind).destination(destination).offset(offset.unwrap_or(NO_OFFSET))
        };
        match event {
            ConsumerEvent::Assigned { destination, offset } => {
                self.positioned.insert(destination);
                recorder.record(place(EventKind::Assigned, destination, offset))?;
            }
            ConsumerEvent::Revoked { destination, lost } => {
                self.positioned.remove(&destination);
                let revoked = place(EventKind::Revoked, destination, None);
                recorder.record(if lost { revoked.detail(REVOKED_LOST) } else { revoked })?;
                // It is somebody else's to read now, and what was made of it here must not count.
                if self.open.as_ref().is_some_and(|open| open.next.contains_key(&destination)) {
                    self.stage = Stage::Aborting;
                }
            }
            ConsumerEvent::PositionReset { destination, offset } => {
                let flags = if offset.is_none() { FLAG_SELF } else { 0 };
                recorder.record(place(EventKind::PositionReset, destination, offset).flags(flags))?;
            }
            ConsumerEvent::SessionEnded { reason } => recorder.record(session_ended(reason))?,
            // Its offsets are settled by its transactions.
            ConsumerEvent::Delivered(_) | ConsumerEvent::Settled { .. } => {}
        }
        Ok(())
    }

    fn transform(
        &mut self,
        delivery: &Delivery,
        transactor: &mut dyn Transactor,
        recorder: &mut Recorder,
    ) -> Result<(), WorkloadError> {
        recorder.record(delivery_event(EventKind::Delivered, delivery))?;
        if self.open.is_none()
            && let Err(error) = self.begin(transactor, recorder)?
        {
            return self.end_session(error.reason, transactor, recorder);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.next.insert(delivery.destination, delivery.offset + 1);
        let Decoded::Message { id, key } = delivery.payload else { return Ok(()) };
        let writer = worker_of_session(id.session);
        if self.plan.sentinels.get(&delivery.destination).is_some_and(|writers| writers.contains(&writer)) {
            open.sentinels.insert((delivery.destination, writer));
            return Ok(());
        }
        let Some(output) = self.plan.outputs.get(&delivery.destination).copied() else { return Ok(()) };
        Ok(self.send(delivery, key, output, transactor, recorder)?)
    }

    fn begin(
        &mut self,
        transactor: &mut dyn Transactor,
        recorder: &mut Recorder,
    ) -> Result<Result<(), TransactionError>, RecordError> {
        let number = self.transactions;
        self.transactions += 1;
        let event = recorded(EventKind::TransactionBegin, self.session, number);
        recorder.record(event)?;
        self.open = Some(Open {
            number,
            began_ns: recorder.now_ns(),
            messages: 0,
            next: BTreeMap::new(),
            sentinels: BTreeSet::new(),
            settle_asked: false,
            ending_ns: None,
            commit_asked: false,
            abort_asked: false,
            spoilt: false,
        });
        Ok(transactor.begin())
    }

    fn send(
        &mut self,
        delivery: &Delivery,
        key: u32,
        destination: u16,
        transactor: &mut dyn Transactor,
        recorder: &mut Recorder,
    ) -> Result<(), RecordError> {
        let id = MessageId { session: self.session, sequence: self.next_sequence };
        self.next_sequence += 1;
        encode(&mut self.payload, self.plan.run_tag, id, key, self.plan.size_bytes);
        recorder.record(delivery_event(EventKind::Transformed, delivery).detail(id.sequence))?;
        let invoked = Event::new(EventKind::SendInvoked).message(id.session, id.sequence).destination(destination);
        recorder.record(invoked.detail(key))?;
        let refused = transactor.send(destination, id, key, &self.payload).err();
        if let Some(open) = &mut self.open {
            open.messages += 1;
            open.spoilt |= refused.is_some();
        }
        match refused {
            Some(reason) => {
                let outcome = SendOutcome::NotAcked(reason);
                recorder.record(outcome_event(&SendReport { id, destination, outcome }))
            }
            None => Ok(()),
        }
    }

    fn add_offsets(&mut self, transactor: &mut dyn Transactor, recorder: &mut Recorder) -> Result<(), WorkloadError> {
        let Some(open) = &mut self.open else {
            self.stage = Stage::Working;
            return Ok(());
        };
        if !open.settle_asked {
            open.settle_asked = true;
            for (destination, offset) in &open.next {
                recorder.record(settle(EventKind::SettleInvoked, *destination, *offset, Settle::Commit as u32))?;
            }
        }
        let added = transactor.add_offsets(&open.next, CALL_WAIT);
        match added {
            Ok(()) => {
                self.stage = if self.draws_abort() { Stage::Aborting } else { Stage::Committing };
                Ok(())
            }
            Err(error) => self.not_ended(error, transactor, recorder),
        }
    }

    fn commit(&mut self, transactor: &mut dyn Transactor, recorder: &mut Recorder) -> Result<(), WorkloadError> {
        let Some(open) = &mut self.open else {
            self.stage = Stage::Working;
            return Ok(());
        };
        if !open.commit_asked {
            open.commit_asked = true;
            recorder.record(recorded(EventKind::TransactionCommit, self.session, open.number))?;
        }
        let committed = transactor.commit(CALL_WAIT);
        transactor.reports(&mut self.reports);
        self.record_reports(recorder)?;
        if let Err(error) = committed {
            return self.not_ended(error, transactor, recorder);
        }
        let Some(open) = self.open.take() else { return Ok(()) };
        recorder.record(ended(self.session, open.number, 0))?;
        for (destination, offset) in &open.next {
            recorder.record(settle(EventKind::SettleOk, *destination, *offset, Settle::Commit as u32))?;
        }
        self.sentinels.extend(&open.sentinels);
        self.stage = Stage::Working;
        Ok(self.note_drained(recorder)?)
    }

    fn note_drained(&mut self, recorder: &mut Recorder) -> Result<(), RecordError> {
        for (destination, writers) in &self.plan.sentinels {
            let all = writers.iter().all(|writer| self.sentinels.contains(&(*destination, *writer)));
            if all && self.drained.insert(*destination) {
                recorder.record(Event::new(EventKind::Drained).destination(*destination))?;
            }
        }
        Ok(())
    }

    fn abort(
        &mut self,
        transactor: &mut dyn Transactor,
        recorder: &mut Recorder,
        wait: Duration,
    ) -> Result<(), WorkloadError> {
        let Some(open) = &mut self.open else {
            self.stage = Stage::Rewinding;
            return Ok(());
        };
        if !open.abort_asked {
            open.abort_asked = true;
            recorder.record(recorded(EventKind::TransactionAbort, self.session, open.number))?;
        }
        let aborted = transactor.abort(wait);
        transactor.reports(&mut self.reports);
        self.record_reports(recorder)?;
        if let Err(error) = aborted {
            return self.not_ended(error, transactor, recorder);
        }
        let Some(open) = self.open.take() else { return Ok(()) };
        recorder.record(ended(self.session, open.number, 1))?;
        self.unsettle(&open, Reason::Aborted, recorder)?;
        self.stage = Stage::Rewinding;
        Ok(())
    }

    /// A step towards the end of the transaction did not succeed.
    fn not_ended(
        &mut self,
        error: TransactionError,
        transactor: &mut dyn Transactor,
        recorder: &mut Recorder,
    ) -> Result<(), WorkloadError> {
        let now_ns = recorder.now_ns();
        let Some(open) = &mut self.open else { return Ok(()) };
        let since_ns = *open.ending_ns.get_or_insert(now_ns);
        match error.remedy {
            Remedy::Retry if now_ns - since_ns < END_LIMIT_NS => Ok(()),
            Remedy::Abort if !open.abort_asked => {
                self.stage = Stage::Aborting;
                Ok(())
            }
            Remedy::Abort if now_ns - since_ns < END_LIMIT_NS => Ok(()),
            _ => self.end_session(error.reason, transactor, recorder),
        }
    }

    /// Goes on with a new producer under the same name. What became of the open transaction is known, if ever, once
    /// that one has started.
    fn end_session(
        &mut self,
        reason: Reason,
        transactor: &mut dyn Transactor,
        recorder: &mut Recorder,
    ) -> Result<(), WorkloadError> {
        transactor.purge(&mut self.reports);
        self.record_reports(recorder)?;
        if let Some(open) = self.open.take() {
            self.unsettle(&open, reason, recorder)?;
            self.unresolved = Some((self.session, open.number, open.commit_asked));
        }
        let session = Event::new(EventKind::SessionEnded).message(self.session, self.next_sequence);
        recorder.record(session.detail(reason as u32))?;
        // A session that sent nothing is gone on with: sessions that hold messages are numbered without gaps.
        if self.next_sequence > 0 {
            self.session += 1;
            self.next_sequence = 0;
        }
        transactor.renew()?;
        self.stage = Stage::Starting;
        Ok(())
    }

    /// The group does not go on where this transaction would have had it; its sentinels are read again.
    fn unsettle(&mut self, open: &Open, reason: Reason, recorder: &mut Recorder) -> Result<(), RecordError> {
        for (destination, offset) in open.next.iter().filter(|_| open.settle_asked) {
            recorder.record(settle(EventKind::SettleFailed, *destination, *offset, reason as u32))?;
        }
        Ok(())
    }

    fn draws_abort(&mut self) -> bool {
        // SplitMix64.
        self.draws = self.draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.draws;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (drawn ^ (drawn >> 31)) % 1_000 < u64::from(self.plan.abort_permille)
    }

    fn record_reports(&mut self, recorder: &mut Recorder) -> Result<(), RecordError> {
        for report in self.reports.drain(..) {
            recorder.record(outcome_event(&report))?;
        }
        Ok(())
    }
}

fn recorded(kind: EventKind, session: u32, number: u32) -> Event {
    Event { session, ..Event::new(kind) }.detail(number)
}

/// `outcome`: 0 committed, 1 aborted, 2 unknown.
fn ended(session: u32, number: u32, outcome: u64) -> Event {
    recorded(EventKind::TransactionOutcome, session, number).offset(outcome)
}

fn settle(kind: EventKind, destination: u16, offset: u64, detail: u32) -> Event {
    Event::new(kind).destination(destination).offset(offset).detail(detail)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use delivery_broker::ClientError;
    use delivery_history::Clock;

    use super::*;

    const SOURCE: u32 = 9 << 16;
    const SENTINEL: u16 = 12;

    /// A client that is handed out what it was given, and whose transactions end as it was told.
    #[derive(Default)]
    struct Script {
        log: Vec<ConsumerEvent>,
        at: usize,
        /// Answers to each call that ends a transaction, the next first; none is yes.
        answers: VecDeque<Result<(), TransactionError>>,
        committed: usize,
        added: usize,
        renewed: usize,
        sent: Vec<MessageId>,
    }

    impl Script {
        fn answer(&mut self) -> Result<(), TransactionError> {
            self.answers.pop_front().unwrap_or(Ok(()))
        }
    }

    impl Transactor for Script {
        fn start(&mut self, _wait: Duration) -> Result<(), TransactionError> {
            Ok(())
        }

        fn renew(&mut self) -> Result<(), ClientError> {
            self.renewed += 1;
            Ok(())
        }

        fn poll(&mut self, _wait: Duration) -> Result<Option<ConsumerEvent>, ClientError> {
            self.at += 1;
            Ok(self.log.get(self.at - 1).copied())
        }

        fn rewind(&mut self, _wait: Duration) -> Result<Vec<(u16, u64)>, Reason> {
            self.at = self.committed;
            Ok(vec![(0, self.committed as u64)])
        }

        fn begin(&mut self) -> Result<(), TransactionError> {
            Ok(())
        }

        fn send(&mut self, _destination: u16, id: MessageId, _key: u32, _payload: &[u8]) -> Result<(), Reason> {
            self.sent.push(id);
            Ok(())
        }

        fn reports(&mut self, _reports: &mut Vec<SendReport>) {}

        fn add_offsets(&mut self, next: &BTreeMap<u16, u64>, _wait: Duration) -> Result<(), TransactionError> {
            self.added = next[&0] as usize;
            Ok(())
        }

        fn commit(&mut self, _wait: Duration) -> Result<(), TransactionError> {
            self.answer().inspect(|()| self.committed = self.added)
        }

        fn abort(&mut self, _wait: Duration) -> Result<(), TransactionError> {
            self.answer()
        }

        fn purge(&mut self, _reports: &mut Vec<SendReport>) {}
    }

    fn delivered(offset: u64, session: u32) -> ConsumerEvent {
        let payload = Decoded::Message { id: MessageId { session, sequence: offset as u32 }, key: 0 };
        ConsumerEvent::Delivered(Delivery { destination: 0, offset, payload, redelivered: false })
    }

    fn plan() -> TransformPlan {
        TransformPlan {
            worker: 3,
            run_tag: 7,
            size_bytes: 64,
            outputs: BTreeMap::from([(0, 1)]),
            sentinels: BTreeMap::from([(0, BTreeSet::from([SENTINEL]))]),
            abort_permille: 0,
            max_messages: 2,
            max_ns: u64::MAX / 2,
            seed: 1,
        }
    }

    /// Kind, offset and detail of every event of so many steps.
    fn run(script: &mut Script, steps: u32) -> Vec<(EventKind, u64, u32)> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("worker.events");
        let mut recorder = Recorder::create(&path, 3, Clock::Monotonic).unwrap();
        let mut working = TransformLoop::new(plan());
        for _ in 0..steps {
            working.step(script, &mut recorder, Duration::ZERO).unwrap();
        }
        recorder.close().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let events = bytes.chunks_exact(size_of::<Event>()).skip(1).map(bytemuck::pod_read_unaligned::<Event>);
        events.map(|event| (event.kind().unwrap(), event.offset, event.detail)).collect()
    }

    fn kinds(told: &[(EventKind, u64, u32)]) -> Vec<EventKind> {
        told.iter().map(|(kind, ..)| *kind).collect()
    }

    fn outcomes(told: &[(EventKind, u64, u32)]) -> Vec<u64> {
        told.iter().filter(|(kind, ..)| *kind == EventKind::TransactionOutcome).map(|(_, offset, _)| *offset).collect()
    }

    fn refused(reason: Reason, remedy: Remedy) -> Result<(), TransactionError> {
        Err(TransactionError { reason, remedy })
    }

    #[test]
    fn what_a_message_was_made_of_is_told_before_it_is_sent_and_settled_after_the_commit() {
        use EventKind::{
            Delivered, PositionReset, SendInvoked, SettleInvoked, SettleOk, TransactionBegin, TransactionCommit,
            TransactionOutcome, Transformed,
        };
        let mut script = Script { log: vec![delivered(0, SOURCE), delivered(1, SOURCE)], ..Script::default() };
        let told = run(&mut script, 5);
        let expected = [
            PositionReset,
            Delivered,
            TransactionBegin,
            Transformed,
            SendInvoked,
            Delivered,
            Transformed,
            SendInvoked,
            SettleInvoked,
            TransactionCommit,
            TransactionOutcome,
            SettleOk,
        ];
        assert_eq!(kinds(&told), expected);
        assert_eq!((script.committed, outcomes(&told)), (2, vec![0]));
    }

    #[test]
    fn what_aborts_is_read_again_and_made_into_new_messages() {
        let mut script = Script { log: vec![delivered(0, SOURCE), delivered(1, SOURCE)], ..Script::default() };
        script.answers.push_back(refused(Reason::TimedOut, Remedy::Abort));
        let told = run(&mut script, 10);
        assert_eq!(outcomes(&told), [1, 0]);
        let made: Vec<u32> = told.iter().filter(|one| one.0 == EventKind::Transformed).map(|one| one.2).collect();
        assert_eq!(made, [0, 1, 2, 3], "an identity is sent once");
        let failed = told.iter().find(|one| one.0 == EventKind::SettleFailed).unwrap();
        assert_eq!(failed.2, Reason::Aborted as u32);
    }

    #[test]
    fn a_commit_that_is_not_answered_is_asked_for_again() {
        let mut script = Script { log: vec![delivered(0, SOURCE), delivered(1, SOURCE)], ..Script::default() };
        script.answers.extend([refused(Reason::TimedOut, Remedy::Retry), refused(Reason::TimedOut, Remedy::Retry)]);
        let told = run(&mut script, 7);
        assert_eq!(kinds(&told).iter().filter(|kind| **kind == EventKind::TransactionCommit).count(), 1);
        assert_eq!((outcomes(&told), script.renewed), (vec![0], 0));
    }

    #[test]
    fn a_fenced_producer_ends_its_session_and_nobody_knows_of_its_commit() {
        let mut script = Script { log: vec![delivered(0, SOURCE), delivered(1, SOURCE)], ..Script::default() };
        script.answers.push_back(refused(Reason::ProducerFenced, Remedy::NewSession));
        let told = run(&mut script, 10);
        let ended = told.iter().find(|one| one.0 == EventKind::SessionEnded).unwrap();
        assert_eq!((ended.2, script.renewed), (Reason::ProducerFenced as u32, 1));
        assert_eq!(outcomes(&told), [2, 0]);
        let next = script.sent.iter().find(|id| id.session == first_session(3) + 1).unwrap();
        assert_eq!(next.sequence, 0);
    }

    #[test]
    fn one_that_was_never_asked_to_commit_has_aborted_once_its_successor_starts() {
        let mut script = Script { log: vec![delivered(0, SOURCE), delivered(1, SOURCE)], ..Script::default() };
        script.log.insert(1, ConsumerEvent::Revoked { destination: 0, lost: true });
        script.answers.push_back(refused(Reason::ProducerFenced, Remedy::NewSession));
        let told = run(&mut script, 6);
        assert!(kinds(&told).contains(&EventKind::TransactionAbort));
        assert_eq!(outcomes(&told), [1]);
    }

    #[test]
    fn sentinels_are_passed_on_to_nobody_and_drain_only_what_is_committed() {
        let sentinel = delivered(0, u32::from(SENTINEL) << 16);
        let mut script =
            Script { log: vec![sentinel, delivered(1, SOURCE), delivered(2, SOURCE)], ..Script::default() };
        script.answers.push_back(refused(Reason::TimedOut, Remedy::Abort));
        let told = run(&mut script, 5);
        assert!(!kinds(&told).contains(&EventKind::Drained), "it aborted");
        script.at = 0;
        let told = run(&mut script, 5);
        assert_eq!(kinds(&told).iter().filter(|kind| **kind == EventKind::Drained).count(), 1);
        assert_eq!(kinds(&told).iter().filter(|kind| **kind == EventKind::Transformed).count(), 2);
    }
}
