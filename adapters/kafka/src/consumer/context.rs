//! What the client calls back: rebalances, commits, resets. All of it becomes events in one list.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use delivery_broker::{ConsumerEvent, Delivery, DestinationRef, Reason};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use super::position::Positions;
use crate::{client_config, native};

/// Longest wait for the committed offsets, and for the ends of one log, of a new assignment. The
/// group goes on meanwhile: heartbeats have a thread of their own.
const POSITION_LIMIT: Duration = Duration::from_secs(5);

/// Messages that may wait behind the result of a commit; results go ahead of messages, so a line
/// this long means that none is coming.
const MAX_WAITING: usize = 100_000;

/// Longest wait for the commit of what is processed before a destination is given up.
const LAST_COMMIT_LIMIT: Duration = Duration::from_secs(5);

#[derive(Default)]
struct State {
    waiting: VecDeque<ConsumerEvent>,
    positions: Positions,
    /// Up to where the application has processed each destination, and has not committed it.
    processed: BTreeMap<u16, u64>,
}

/// Events that wait to be handed out, in the order they happened.
pub(super) struct Events {
    destinations: Vec<DestinationRef>,
    state: Mutex<State>,
}

impl Events {
    /// No events yet.
    pub(super) fn new(destinations: &[DestinationRef]) -> Self {
        Self { destinations: destinations.to_vec(), state: Mutex::default() }
    }

    /// The index of a partition.
    pub(super) fn index_of(&self, topic: &str, partition: i32) -> Option<u16> {
        let partition = u32::try_from(partition).ok()?;
        let found =
            self.destinations.iter().find(|known| known.partition.unwrap_or(0) == partition && known.name == topic);
        found.map(|known| known.index)
    }

    /// The next event.
    pub(super) fn next(&self) -> Option<ConsumerEvent> {
        self.lock().waiting.pop_front()
    }

    /// Whether no more may be read before some of it is handed out.
    pub(super) fn is_full(&self) -> bool {
        self.lock().waiting.len() >= MAX_WAITING
    }

    /// A message was read; a jump to it is told first.
    pub(super) fn deliver(&self, delivery: Delivery) {
        let mut state = self.lock();
        let Delivery { destination, offset, .. } = delivery;
        if state.positions.read(destination, offset) {
            state.waiting.push_back(ConsumerEvent::PositionReset { destination, offset: Some(offset) });
        }
        state.waiting.push_back(ConsumerEvent::Delivered(delivery));
    }

    /// No destination of this consumer has a position any more.
    pub(super) fn lost_position(&self) {
        for destination in &self.destinations {
            self.reset(destination.index);
        }
    }

    /// Takes the result of a commit out of the line: the outer nothing when it is not there yet.
    pub(super) fn take_settled(&self, wanted: u16, wanted_offset: u64) -> Option<Option<Reason>> {
        let mut state = self.lock();
        let matches = |event: &ConsumerEvent| {
            matches!(event, ConsumerEvent::Settled { destination, offset, .. }
                if *destination == wanted && *offset == wanted_offset)
        };
        let at = state.waiting.iter().position(matches)?;
        match state.waiting.remove(at) {
            Some(ConsumerEvent::Settled { failed, .. }) => Some(failed),
            _ => None,
        }
    }

    fn assign(&self, destination: u16, offset: Option<u64>) {
        let mut state = self.lock();
        state.positions.assign(destination, offset);
        state.waiting.push_back(ConsumerEvent::Assigned { destination, offset });
    }

    /// Reads on from `offset`; what was read before and not handed out is read again.
    pub(super) fn rewind(&self, destination: u16, offset: u64) {
        let mut state = self.lock();
        state.positions.assign(destination, Some(offset));
        state.waiting.retain(|event| match event {
            ConsumerEvent::Delivered(delivery) => delivery.destination != destination,
            ConsumerEvent::PositionReset { destination: moved, .. } => *moved != destination,
            _ => true,
        });
    }

    /// The application has processed all before `offset`, and commits that itself in time.
    pub(super) fn processed(&self, destination: u16, offset: u64) {
        self.lock().processed.insert(destination, offset);
    }

    /// Up to where a destination is processed and not committed; it is then for the caller to commit.
    fn take_processed(&self, destination: u16) -> Option<u64> {
        self.lock().processed.remove(&destination)
    }

    /// The client has left its group.
    pub(super) fn end_session(&self, reason: Reason) {
        let mut state = self.lock();
        state.processed.clear();
        state.waiting.push_back(ConsumerEvent::SessionEnded { reason });
    }

    /// What was read and not handed out yet never is: it belongs to the destination's next owner.
    fn revoke(&self, gone: u16, lost: bool) {
        let mut state = self.lock();
        state.positions.forget(gone);
        state.processed.remove(&gone);
        state.waiting.retain(|event| match event {
            ConsumerEvent::Delivered(delivery) => delivery.destination != gone,
            ConsumerEvent::PositionReset { destination, .. } => *destination != gone,
            _ => true,
        });
        let destination = gone;
        state.waiting.push_back(ConsumerEvent::Revoked { destination, lost });
    }

    fn reset(&self, destination: u16) {
        self.lock().waiting.push_back(ConsumerEvent::PositionReset { destination, offset: None });
    }

    fn settled(&self, destination: u16, offset: u64, failed: Option<Reason>) {
        let mut state = self.lock();
        let committed = |processed: &u64| failed.is_none() && *processed <= offset;
        if state.processed.get(&destination).is_some_and(committed) {
            state.processed.remove(&destination);
        }
        state.waiting.push_back(ConsumerEvent::Settled { destination, offset, failed });
    }

    /// A panic elsewhere leaves the list as it was: every change is one step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client calls back.
pub(super) struct Context {
    name: String,
    /// Start of a group that has committed nothing; nothing where that is an error.
    from_start: Option<bool>,
    events: Arc<Events>,
}

impl Context {
    /// For a consumer with this `auto.offset.reset`.
    pub(super) fn new(name: String, reset: &str, events: Arc<Events>) -> Self {
        let from_start = match reset {
            "earliest" | "smallest" | "beginning" => Some(true),
            "error" => None,
            _ => Some(false),
        };
        Self { name, from_start, events }
    }

    fn assign(&self, client: &BaseConsumer<Self>, partitions: &TopicPartitionList) -> KafkaResult<()> {
        let start = self.start_of(client, partitions);
        match client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => client.incremental_assign(&start)?,
            _ => client.assign(&start)?,
        }
        for partition in start.elements() {
            let Some(destination) = self.events.index_of(partition.topic(), partition.partition()) else { continue };
            let offset = partition.offset().to_raw().and_then(|offset| u64::try_from(offset).ok());
            self.events.assign(destination, offset);
        }
        Ok(())
    }

    /// Where the group stands: its committed offset, else the end of the log that
    /// `auto.offset.reset` says, found out now and not at the first fetch, when messages may
    /// already have been sent. Unknown where nobody answers in time: the client then finds out
    /// by itself.
    fn start_of(&self, client: &BaseConsumer<Self>, partitions: &TopicPartitionList) -> TopicPartitionList {
        let Ok(start) = client.committed_offsets(partitions.clone(), POSITION_LIMIT) else {
            return partitions.clone();
        };
        let Some(from_start) = self.from_start else { return start };
        let open: Vec<(String, i32)> = start
            .elements()
            .iter()
            // One that nobody could answer for is not one without a commit.
            .filter(|partition| partition.error().is_ok() && !matches!(partition.offset(), Offset::Offset(_)))
            .map(|partition| (partition.topic().to_owned(), partition.partition()))
            .collect();
        for (topic, partition) in open {
            let Ok((low, high)) = client.fetch_watermarks(&topic, partition, POSITION_LIMIT) else { continue };
            let offset = Offset::Offset(if from_start { low } else { high });
            if let Some(mut found) = start.find_partition(&topic, partition) {
                let _ = found.set_offset(offset);
            }
        }
        start
    }

    fn revoke(&self, client: &BaseConsumer<Self>, partitions: &TopicPartitionList) -> KafkaResult<()> {
        let lost = client.assignment_lost();
        if !lost {
            self.commit_processed(client, partitions);
        }
        for partition in partitions.elements() {
            if let Some(destination) = self.events.index_of(partition.topic(), partition.partition()) {
                self.events.revoke(destination, lost);
            }
        }
        match client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => client.incremental_unassign(partitions),
            _ => client.unassign(),
        }
    }

    /// As an application does that commits by itself: what it has processed is committed before somebody else reads on.
    fn commit_processed(&self, client: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let mut offsets = TopicPartitionList::new();
        let mut committed = Vec::new();
        for partition in partitions.elements() {
            let destination = self.events.index_of(partition.topic(), partition.partition());
            let processed =
                destination.and_then(|destination| Some((destination, self.events.take_processed(destination)?)));
            let Some((destination, offset)) = processed else { continue };
            let next = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
            if offsets.add_partition_offset(partition.topic(), partition.partition(), next).is_ok() {
                committed.push((destination, offset));
            }
        }
        if committed.is_empty() {
            return;
        }
        let failed = native::commit_within(client, &offsets, LAST_COMMIT_LIMIT).err();
        let failed = failed.map(|error| commit_reason(&error));
        committed.into_iter().for_each(|(destination, offset)| self.events.settled(destination, offset, failed));
    }

    /// `TOPIC [PARTITION]: offset reset (at ...) to ...`: the client's only word on it.
    fn note_reset(&self, facility: &str, message: &str) {
        if facility != "OFFSET" || !message.contains("offset reset (") {
            return;
        }
        if let Some(destination) = partition_of(message).and_then(|(topic, number)| self.events.index_of(topic, number))
        {
            self.events.reset(destination);
        }
    }
}

/// Topic and partition of a line of the client's log: `[thrd:main]: TOPIC [0]: ...`.
fn partition_of(message: &str) -> Option<(&str, i32)> {
    let before = message.split("]: offset reset (").next()?;
    let (topic, partition) = before.rsplit_once(" [")?;
    let topic = topic.rsplit(' ').next()?;
    Some((topic, partition.parse().ok()?))
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.note_reset(facility, message);
        client_config::log(&self.name, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client_config::log(&self.name, RDKafkaLogLevel::Warning, "ERROR", &format!("{error}: {reason}"));
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, client: &BaseConsumer<Self>, code: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let done = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(client, partitions),
            _ => self.revoke(client, partitions),
        };
        if let Err(error) = done {
            client_config::log(&self.name, RDKafkaLogLevel::Error, "REBALANCE", &error.to_string());
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let overall = result.err().map(|error| commit_reason(&error));
        for partition in offsets.elements() {
            let Some(destination) = self.events.index_of(partition.topic(), partition.partition()) else { continue };
            let Some(offset) = partition.offset().to_raw().and_then(|raw| u64::try_from(raw).ok()) else { continue };
            let failed = partition.error().err().map(|error| commit_reason(&error)).or(overall);
            self.events.settled(destination, offset, failed);
        }
    }
}

/// The word events have for a commit that is not confirmed.
pub(super) fn commit_reason(error: &KafkaError) -> Reason {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::RequestTimedOut | Code::OperationTimedOut | Code::MessageTimedOut | Code::TimedOutQueue) => {
            Reason::TimedOut
        }
        Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::NetworkException) => Reason::Transport,
        Some(Code::NotCoordinator | Code::CoordinatorNotAvailable | Code::CoordinatorLoadInProgress) => {
            Reason::NotLeader
        }
        Some(Code::IllegalGeneration) => Reason::IllegalGeneration,
        Some(Code::UnknownMemberId) => Reason::UnknownMember,
        Some(Code::FencedInstanceId) => Reason::FencedInstance,
        Some(Code::FencedMemberEpoch) => Reason::Fenced,
        Some(Code::StaleMemberEpoch) => Reason::StaleEpoch,
        Some(Code::RebalanceInProgress) => Reason::Rebalancing,
        Some(Code::AssignmentLost) => Reason::AssignmentLost,
        Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed) => Reason::NotAuthorised,
        Some(Code::Fatal) => Reason::Fatal,
        _ => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use delivery_broker::{ConsumerEvent, Decoded, Delivery, DestinationRef, Reason};

    use super::{Events, partition_of};

    fn events() -> Events {
        let destination = |index, partition| DestinationRef { index, name: String::from("t"), partition };
        Events::new(&[destination(4, Some(0)), destination(5, Some(1))])
    }

    fn delivery(destination: u16, offset: u64) -> Delivery {
        Delivery { destination, offset, payload: Decoded::Foreign, redelivered: false }
    }

    #[test]
    fn the_clients_word_on_a_reset_is_read() {
        let line = "[thrd:main]: lane-safe [12]: offset reset (at offset 93 (leader epoch 4), broker 2) to offset END: \
                    fetch failed due to requested offset not available on the broker: Broker: Offset out of range";
        assert_eq!(partition_of(line), Some(("lane-safe", 12)));
        assert_eq!(partition_of("something [else]"), None);
    }

    #[test]
    fn a_jump_is_told_before_the_message() {
        let events = events();
        events.assign(4, Some(10));
        events.deliver(delivery(4, 12));
        assert_eq!(events.next(), Some(ConsumerEvent::Assigned { destination: 4, offset: Some(10) }));
        assert_eq!(events.next(), Some(ConsumerEvent::PositionReset { destination: 4, offset: Some(12) }));
        assert_eq!(events.next(), Some(ConsumerEvent::Delivered(delivery(4, 12))));
        assert_eq!(events.next(), None);
    }

    #[test]
    fn what_was_not_handed_out_is_gone_with_the_destination() {
        let events = events();
        events.deliver(delivery(4, 1));
        events.deliver(delivery(5, 1));
        events.processed(4, 1);
        events.revoke(4, true);
        assert_eq!(events.take_processed(4), None, "others read on where the group had committed");
        assert_eq!(events.next(), Some(ConsumerEvent::Delivered(delivery(5, 1))));
        assert_eq!(events.next(), Some(ConsumerEvent::Revoked { destination: 4, lost: true }));
        assert_eq!(events.next(), None);
    }

    #[test]
    fn what_is_committed_already_is_not_committed_again() {
        let events = events();
        events.processed(4, 10);
        events.settled(4, 9, None);
        assert_eq!(events.take_processed(4), Some(10), "one message more was processed since");
        events.processed(4, 11);
        events.settled(4, 11, Some(Reason::Rebalancing));
        assert_eq!(events.take_processed(4), Some(11), "it was not confirmed");
        events.processed(4, 11);
        events.settled(4, 11, None);
        assert_eq!(events.take_processed(4), None);
    }

    #[test]
    fn refused_commits_have_a_reason_of_their_own() {
        use rdkafka::error::KafkaError;
        use rdkafka::types::RDKafkaErrorCode as Code;
        for (code, reason) in [
            (Code::UnknownMemberId, Reason::UnknownMember),
            (Code::IllegalGeneration, Reason::IllegalGeneration),
            (Code::FencedInstanceId, Reason::FencedInstance),
            (Code::StaleMemberEpoch, Reason::StaleEpoch),
            (Code::RebalanceInProgress, Reason::Rebalancing),
            (Code::AssignmentLost, Reason::AssignmentLost),
        ] {
            assert_eq!(super::commit_reason(&KafkaError::ConsumerCommit(code)), reason);
        }
    }

    #[test]
    fn only_the_awaited_commit_leaves_the_line() {
        let events = events();
        events.settled(4, 7, None);
        events.deliver(delivery(5, 1));
        events.settled(5, 9, Some(Reason::Fenced));
        assert_eq!(events.take_settled(5, 8), None);
        assert_eq!(events.take_settled(5, 9), Some(Some(Reason::Fenced)));
        assert_eq!(events.take_settled(4, 7), Some(None));
        assert_eq!(events.next(), Some(ConsumerEvent::Delivered(delivery(5, 1))));
    }
}
