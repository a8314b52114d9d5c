//! Reads a log to its end on one replica after the other, in Kafka's own protocol: no group, no
//! reset, no choice of replica by a client library.

use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use delivery_broker::{AuditItem, Auditor, ClientError, ClientSpec, CommittedOffsets, DestinationRef};
use kafka_protocol::records::RecordBatchDecoder;

use crate::fates::Fates;
use crate::observer::topics_of;
use crate::peers::{Peer, first_answer, peers};
use crate::wire::{
    Connection, PartitionAnswer, ask_coordinator, ask_metadata, ask_stable, committed_offsets, fetch, log_end,
};

/// Longest time without progress: the replica catches up, or gives the next bytes.
const PROGRESS_LIMIT: Duration = Duration::from_secs(20);
/// Longest wait for transactions to end.
const STABLE_LIMIT: Duration = Duration::from_secs(30);
/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Between two questions while waiting.
const PAUSE: Duration = Duration::from_millis(20);
/// Bytes asked for at once; a single larger batch comes whole all the same.
const FETCH_BYTES: u32 = 4 << 20;
/// Bytes of a batch before its length is known, and what the length does not count.
const BATCH_PREFIX_BYTES: usize = 12;

/// Reads replicas.
pub(crate) struct KafkaAuditor {
    peers: Vec<Peer>,
    run_tag: u64,
}

/// A replica whose copy is being read.
struct Replica<'a> {
    node: u32,
    name: &'a str,
    partition: &'a PartitionAnswer,
    connection: &'a mut Connection,
    run_tag: u64,
    fates: Fates,
}

impl KafkaAuditor {
    /// An audit reader.
    ///
    /// # Errors
    /// A node's address cannot be used.
    pub(crate) fn new(spec: &ClientSpec) -> Result<Self, ClientError> {
        Ok(Self { peers: peers(spec)?, run_tag: spec.run_tag })
    }

    fn look_up(&mut self, topic: &str, partition: u32) -> Result<PartitionAnswer, ClientError> {
        let deadline = Instant::now() + PROGRESS_LIMIT;
        loop {
            let found = first_answer(&mut self.peers, ANSWER_LIMIT, |peer, deadline| {
                ask_metadata(&mut peer.broker, &[topic], deadline)
            });
            match found.map(|answer| answer.partition(topic, partition).cloned()) {
                Ok(Some(known)) if known.leader.is_some() => return Ok(known),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Ok(_) if Instant::now() >= deadline => {
                    return Err(incomplete(topic, partition, String::from("nobody knows its leader")));
                }
                _ => sleep(PAUSE),
            }
        }
    }

    fn end_at(&mut self, node: u32, partition: &PartitionAnswer) -> Result<u64, ClientError> {
        let connection = &mut self.peer(node, partition)?.broker;
        log_end(connection, &partition.topic, partition.partition, Instant::now() + ANSWER_LIMIT)
            .map_err(|error| error.into_client_error(&format!("node {node}")))
    }

    fn peer(&mut self, node: u32, partition: &PartitionAnswer) -> Result<&mut Peer, ClientError> {
        let missing =
            || incomplete(&partition.topic, partition.partition, format!("node {node} is none of the cluster's"));
        self.peers.iter_mut().find(|peer| peer.id == node).ok_or_else(missing)
    }

    /// Waits until every transaction has ended, as far as the leader says; what has not by then is read as it is.
    fn await_stable(&mut self, partition: &PartitionAnswer) -> Result<(), ClientError> {
        let deadline = Instant::now() + STABLE_LIMIT;
        let leader = partition.leader.unwrap_or_default();
        loop {
            let connection = &mut self.peer(leader, partition)?.broker;
            let place = [(partition.topic.as_str(), partition.partition)];
            let said = ask_stable(connection, &place, Instant::now() + ANSWER_LIMIT).unwrap_or_default();
            let stable = said.first().is_some_and(|(_, answer)| answer.stable >= answer.replicated);
            if stable || Instant::now() >= deadline {
                return Ok(());
            }
            sleep(PAUSE);
        }
    }

    fn committed_once(
        &mut self,
        group: &str,
        destinations: &[DestinationRef],
    ) -> Result<CommittedOffsets, ClientError> {
        let unsettled = |cause: String| {
            let operation = format!("asking what group {group} has committed");
            ClientError::Refused { operation, cause }
        };
        let coordinator = first_answer(&mut self.peers, ANSWER_LIMIT, |peer, deadline| {
            ask_coordinator(&mut peer.broker, group, deadline)
        })?;
        let node = coordinator.ok_or_else(|| unsettled(String::from("nobody coordinates it")))?;
        let peer = self.peers.iter_mut().find(|peer| peer.id == node);
        let peer = peer.ok_or_else(|| unsettled(format!("node {node} is none of the cluster's")))?;
        let mut offsets = Vec::new();
        for topic in topics_of(destinations) {
            let of_topic = || destinations.iter().filter(|destination| destination.name == topic);
            let partitions: Vec<u32> = of_topic().map(|destination| destination.partition.unwrap_or(0)).collect();
            let deadline = Instant::now() + ANSWER_LIMIT;
            let committed = committed_offsets(&mut peer.broker, group, topic, &partitions, deadline)
                .map_err(|error| error.into_client_error(&format!("node {node}")))?;
            for destination in of_topic() {
                let answer = committed.iter().find(|(index, _)| *index == destination.partition.unwrap_or(0));
                offsets.extend(answer.map(|(_, offset)| (destination.index, *offset)));
            }
        }
        Ok(CommittedOffsets { node, offsets })
    }

    /// The end of the log, once this replica's copy ends where the leader's does.
    fn common_end(&mut self, replica: u32, partition: &PartitionAnswer) -> Result<u64, ClientError> {
        let deadline = Instant::now() + PROGRESS_LIMIT;
        let leader = partition.leader.unwrap_or(replica);
        loop {
            let (at_leader, here) = (self.end_at(leader, partition), self.end_at(replica, partition));
            match (at_leader, here) {
                (Ok(at_leader), Ok(here)) if at_leader == here => return Ok(here),
                (Err(error), _) | (_, Err(error)) if Instant::now() >= deadline => return Err(error),
                (Ok(at_leader), Ok(here)) if Instant::now() >= deadline => {
                    let cause = format!("replica {replica} ends at {here}, its leader {leader} at {at_leader}");
                    return Err(incomplete(&partition.topic, partition.partition, cause));
                }
                _ => sleep(PAUSE),
            }
        }
    }
}

impl Auditor for KafkaAuditor {
    fn read(
        &mut self,
        destination: &DestinationRef,
        replica: u32,
        sink: &mut dyn FnMut(AuditItem),
    ) -> Result<(), ClientError> {
        let partition = self.look_up(&destination.name, destination.partition.unwrap_or(0))?;
        if !partition.replicas.contains(&replica) {
            let cause = format!("node {replica} holds no replica of it");
            return Err(incomplete(&destination.name, partition.partition, cause));
        }
        self.await_stable(&partition)?;
        let end = self.common_end(replica, &partition)?;
        let run_tag = self.run_tag;
        let connection = &mut self.peer(replica, &partition)?.broker;
        let (node, name, fates) = (replica, destination.name.as_str(), Fates::default());
        let mut reader = Replica { node, name, partition: &partition, connection, run_tag, fates };
        let start = reader.start()?;
        sink(AuditItem::Start(start));
        reader.read(start, end, sink)?;
        reader.fates.end(sink);
        let after = self.common_end(replica, &partition)?;
        if after != end {
            let cause = format!("the log grew from {end} to {after} while it was read");
            return Err(incomplete(&destination.name, partition.partition, cause));
        }
        sink(AuditItem::End(end));
        Ok(())
    }

    fn committed(
        &mut self,
        group: &str,
        destinations: &[DestinationRef],
    ) -> Result<Option<CommittedOffsets>, ClientError> {
        let deadline = Instant::now() + PROGRESS_LIMIT;
        loop {
            match self.committed_once(group, destinations) {
                Ok(committed) => return Ok(Some(committed)),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => sleep(PAUSE),
            }
        }
    }
}

impl Replica<'_> {
    /// The first offset this copy has.
    fn start(&mut self) -> Result<u64, ClientError> {
        let answer = fetch(self.connection, self.partition, 0, 1, Instant::now() + ANSWER_LIMIT);
        let answer = answer.map_err(|error| error.into_client_error(&format!("node {}", self.node)))?;
        Ok(answer.log_start)
    }

    fn read(&mut self, start: u64, end: u64, sink: &mut dyn FnMut(AuditItem)) -> Result<(), ClientError> {
        let mut next = start;
        let mut deadline = Instant::now() + PROGRESS_LIMIT;
        while next < end {
            let before = next;
            let trouble = self.read_some(&mut next, end, sink)?;
            if next > before {
                deadline = Instant::now() + PROGRESS_LIMIT;
            } else if Instant::now() >= deadline {
                return Err(self.incomplete(format!("no progress at offset {next} of {end}: {trouble}")));
            } else {
                sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// One fetch. Says why nothing came, if nothing did.
    fn read_some(&mut self, next: &mut u64, end: u64, sink: &mut dyn FnMut(AuditItem)) -> Result<String, ClientError> {
        let answer = match fetch(self.connection, self.partition, *next, FETCH_BYTES, Instant::now() + ANSWER_LIMIT) {
            Ok(answer) => answer,
            Err(error) => return Ok(error.to_string()),
        };
        if let Some(node) = answer.elsewhere {
            return Err(self.incomplete(format!("replica {} sends readers to node {node}", self.node)));
        }
        match answer.error {
            Some(error) if error.is_retriable() => return Ok(error.to_string()),
            Some(error) => return Err(self.incomplete(format!("offset {next}: {error}"))),
            None => {}
        }
        let records = whole_batches(&answer.records);
        self.take(records, next, end, sink)?;
        Ok(format!("replicated up to {} as far as this replica knows", answer.high_watermark))
    }

    fn take(
        &mut self,
        mut records: Bytes,
        next: &mut u64,
        end: u64,
        sink: &mut dyn FnMut(AuditItem),
    ) -> Result<(), ClientError> {
        let batches = RecordBatchDecoder::decode_all(&mut records)
            .map_err(|error| self.incomplete(format!("a batch after offset {next} cannot be read: {error}")))?;
        for record in batches.iter().flat_map(|batch| &batch.records) {
            let offset = u64::try_from(record.offset).unwrap_or_default();
            if offset < *next || offset >= end {
                continue;
            }
            if offset > *next {
                return Err(self.incomplete(format!("offsets {next} to {} are not there", offset - 1)));
            }
            self.fates.take(record, offset, self.run_tag, sink);
            *next += 1;
        }
        Ok(())
    }

    fn incomplete(&self, cause: String) -> ClientError {
        incomplete(self.name, self.partition.partition, cause)
    }
}

fn incomplete(topic: &str, partition: u32, cause: String) -> ClientError {
    ClientError::Refused { operation: format!("the audit of {topic}/{partition}"), cause }
}

/// Brokers cut an answer where the limit falls, in the middle of a batch if need be.
fn whole_batches(records: &Bytes) -> Bytes {
    let mut whole = 0;
    loop {
        let mut rest = &records[whole..];
        if rest.len() < BATCH_PREFIX_BYTES {
            break;
        }
        rest.advance(8);
        let length = usize::try_from(rest.get_i32()).unwrap_or(usize::MAX);
        if length > rest.len() {
            break;
        }
        whole += BATCH_PREFIX_BYTES + length;
    }
    records.slice(..whole)
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::records::{
        Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record, RecordBatchDecoder,
        RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    };
    use proptest::prelude::*;

    use super::whole_batches;

    fn batches(count: i64, compression: Compression) -> Bytes {
        let mut buffer = BytesMut::new();
        for batch in 0..count {
            let record = |offset| Record {
                transactional: false,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
                producer_id: NO_PRODUCER_ID,
                producer_epoch: NO_PRODUCER_EPOCH,
                sequence: 0,
                timestamp_type: TimestampType::Creation,
                offset,
                timestamp: 1,
                key: None,
                value: Some(Bytes::from(vec![7; 30])),
                headers: Default::default(),
            };
            let records: Vec<Record> = (batch * 3..batch * 3 + 3).map(record).collect();
            RecordBatchEncoder::encode(&mut buffer, &records, &RecordEncodeOptions { version: 2, compression })
                .unwrap();
        }
        buffer.freeze()
    }

    proptest! {
        #[test]
        fn a_cut_answer_gives_its_whole_batches(cut in 0usize..2_000, count in 1i64..5) {
            for compression in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
                let all = batches(count, compression);
                let cut = all.slice(..cut.min(all.len()));
                let mut whole = whole_batches(&cut);
                prop_assert!(whole.len() <= cut.len());
                let decoded = RecordBatchDecoder::decode_all(&mut whole).unwrap();
                let offsets: Vec<i64> =
                    decoded.iter().flat_map(|batch| batch.records.iter().map(|record| record.offset)).collect();
                let expected: Vec<i64> = (0..offsets.len() as i64).collect();
                prop_assert_eq!(&offsets, &expected);
                prop_assert!(cut.len() < all.len() || offsets.len() == count as usize * 3);
            }
        }
    }

    #[test]
    fn an_altered_batch_is_refused() {
        let mut bytes = batches(1, Compression::None).to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let mut whole = whole_batches(&Bytes::from(bytes));
        assert!(RecordBatchDecoder::decode_all(&mut whole).is_err());
    }
}
