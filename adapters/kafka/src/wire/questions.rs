//! The questions this program asks, one function each, answers as plain data.

use std::time::Instant;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, CreatePartitionsRequest, CreatePartitionsResponse,
    CreateTopicsRequest, CreateTopicsResponse, DescribeGroupsRequest, DescribeGroupsResponse, FetchRequest,
    FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse, GroupId, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, OffsetFetchRequest, OffsetFetchResponse, ProduceRequest, ProduceResponse,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::connection::{Call, Connection, WireError};
use super::error_name;

macro_rules! calls {
    ($($question:ident => $answer:ident, $key:ident, version $version:literal;)+) => {
        $(impl Call for $question {
            const KEY: ApiKey = ApiKey::$key;
            const VERSION: i16 = $version;
            type Answer = $answer;
        })+
    };
}

calls! {
    ApiVersionsRequest => ApiVersionsResponse, ApiVersions, version 3;
    MetadataRequest => MetadataResponse, Metadata, version 12;
    FindCoordinatorRequest => FindCoordinatorResponse, FindCoordinator, version 4;
    DescribeGroupsRequest => DescribeGroupsResponse, DescribeGroups, version 5;
    CreateTopicsRequest => CreateTopicsResponse, CreateTopics, version 6;
    CreatePartitionsRequest => CreatePartitionsResponse, CreatePartitions, version 3;
    ListOffsetsRequest => ListOffsetsResponse, ListOffsets, version 7;
    FetchRequest => FetchResponse, Fetch, version 13;
    OffsetFetchRequest => OffsetFetchResponse, OffsetFetch, version 8;
    ProduceRequest => ProduceResponse, Produce, version 9;
}

/// Topic identity of the controllers' own log (`Uuid.METADATA_TOPIC_ID`).
const METADATA_TOPIC: Uuid = Uuid::from_u128(1);
/// Key type of a consumer group in FindCoordinator.
const GROUP_KEY: i8 = 0;
/// Key type of a transactional id in FindCoordinator.
const TRANSACTION_KEY: i8 = 1;
/// `replica_id` of whoever is no replica.
const CONSUMER: BrokerId = BrokerId(-1);
/// `isolation_level` of ListOffsets: the high watermark, or the last stable offset.
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;
/// The ListOffsets timestamp that stands for the end of the log.
const LATEST: i64 = -1;
/// The replica number that lets any replica answer for its own copy (`DEBUGGING_REPLICA_ID`).
const DEBUGGING_REPLICA: BrokerId = BrokerId(-2);

/// What a node says of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionAnswer {
    /// Topic.
    pub(crate) topic: String,
    /// Its identity, for fetching.
    pub(crate) topic_id: Uuid,
    /// Partition.
    pub(crate) partition: u32,
    /// Leader, or none.
    pub(crate) leader: Option<u32>,
    /// Leader epoch.
    pub(crate) epoch: u32,
    /// All replicas.
    pub(crate) replicas: Vec<u32>,
    /// Those in sync.
    pub(crate) isr: Vec<u32>,
}

/// What a node says of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MetadataAnswer {
    /// Brokers that are alive and not fenced, in its view.
    pub(crate) brokers: Vec<u32>,
    /// Partitions of the topics asked for; a topic it does not know is left out.
    pub(crate) partitions: Vec<PartitionAnswer>,
}

impl MetadataAnswer {
    /// What it says of one partition.
    pub(crate) fn partition(&self, topic: &str, partition: u32) -> Option<&PartitionAnswer> {
        self.partitions.iter().find(|known| known.topic == topic && known.partition == partition)
    }
}

/// Asks a broker which features the cluster has agreed on (KIP-584), each with its level: `metadata.version`,
/// `transaction.version` (the transaction protocol, KIP-890), `eligible.leader.replicas.version` (ELR, KIP-966) and others.
pub(crate) fn ask_features(connection: &mut Connection, deadline: Instant) -> Result<Vec<(String, i16)>, WireError> {
    let name = || StrBytes::from_static_str(env!("CARGO_PKG_NAME"));
    let version = StrBytes::from_static_str(env!("CARGO_PKG_VERSION"));
    let question =
        ApiVersionsRequest::default().with_client_software_name(name()).with_client_software_version(version);
    let answer = connection.call(&question, deadline)?;
    let features = answer.finalized_features.into_iter();
    Ok(features.map(|feature| (feature.name.to_string(), feature.max_version_level)).collect())
}

/// Asks a broker what it knows of the cluster and of `topics`.
pub(crate) fn ask_metadata(
    connection: &mut Connection,
    topics: &[&str],
    deadline: Instant,
) -> Result<MetadataAnswer, WireError> {
    let name = |topic: &&str| {
        MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_string((*topic).to_owned()))))
    };
    let question = MetadataRequest::default()
        .with_topics(Some(topics.iter().map(name).collect()))
        .with_allow_auto_topic_creation(false);
    let answer = connection.call(&question, deadline)?;
    let brokers = answer.brokers.iter().filter_map(|broker| node_of(broker.node_id)).collect();
    let mut partitions = Vec::new();
    for topic in answer.topics.iter().filter(|topic| topic.error_code == 0) {
        let name = topic.name.as_ref().map(|name| name.0.as_str().to_owned()).unwrap_or_default();
        for known in &topic.partitions {
            partitions.push(PartitionAnswer {
                topic: name.clone(),
                topic_id: topic.topic_id,
                partition: u32::try_from(known.partition_index).unwrap_or_default(),
                leader: node_of(known.leader_id),
                epoch: u32::try_from(known.leader_epoch).unwrap_or_default(),
                replicas: known.replica_nodes.iter().filter_map(|node| node_of(*node)).collect(),
                isr: known.isr_nodes.iter().filter_map(|node| node_of(*node)).collect(),
            });
        }
    }
    Ok(MetadataAnswer { brokers, partitions })
}

/// What a controller believes about the quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControllerAnswer {
    /// Leader of the quorum, or none.
    pub(crate) leader: Option<u32>,
    /// Epoch of the quorum.
    pub(crate) epoch: u32,
}

/// Asks a controller (on its own listener) who leads the quorum. A broker would pass the question
/// on to the leader; a fetch from the controllers' log is answered by the node itself, leader
/// and epoch with it, whether it leads or not.
pub(crate) fn ask_controller(connection: &mut Connection, deadline: Instant) -> Result<ControllerAnswer, WireError> {
    let question = fetch_question(METADATA_TOPIC, 0, 0, 1);
    let answer = connection.call(&question, deadline)?;
    let known = answer.responses.first().and_then(|topic| topic.partitions.first());
    let Some(known) = known else {
        return Err(WireError::Malformed(format!("no quorum in the answer ({})", error_name(answer.error_code))));
    };
    let epoch = u32::try_from(known.current_leader.leader_epoch);
    let epoch = epoch.map_err(|_| WireError::Malformed(String::from("no quorum epoch in the answer")))?;
    Ok(ControllerAnswer { leader: node_of(known.current_leader.leader_id), epoch })
}

/// Asks a broker who coordinates `group`; the first such question makes it create the
/// offsets topic.
pub(crate) fn ask_coordinator(
    connection: &mut Connection,
    group: &str,
    deadline: Instant,
) -> Result<Option<u32>, WireError> {
    find_coordinator(connection, GROUP_KEY, group, deadline)
}

/// Asks a broker who coordinates the transactions of `id`; the first such question makes it create the topic of
/// transactions.
pub(crate) fn ask_transaction_coordinator(
    connection: &mut Connection,
    id: &str,
    deadline: Instant,
) -> Result<Option<u32>, WireError> {
    find_coordinator(connection, TRANSACTION_KEY, id, deadline)
}

fn find_coordinator(
    connection: &mut Connection,
    key_type: i8,
    key: &str,
    deadline: Instant,
) -> Result<Option<u32>, WireError> {
    let question = FindCoordinatorRequest::default()
        .with_key_type(key_type)
        .with_coordinator_keys(vec![StrBytes::from_string(key.to_owned())]);
    let answer = connection.call(&question, deadline)?;
    Ok(answer.coordinators.first().filter(|found| found.error_code == 0).and_then(|found| node_of(found.node_id)))
}

/// Asks a coordinator how many members `group` has; nothing when it says it is not the coordinator, or knows no such group
/// of the classic protocol.
pub(crate) fn count_members(
    connection: &mut Connection,
    group: &str,
    deadline: Instant,
) -> Result<Option<u32>, WireError> {
    let question = DescribeGroupsRequest::default().with_groups(vec![GroupId(StrBytes::from_string(group.to_owned()))]);
    let answer = connection.call(&question, deadline)?;
    // A group of the new protocol is none that this question is about: it is told to be dead.
    let is_told = |group: &&DescribedGroup| group.error_code == 0 && group.group_state.as_str() != "Dead";
    let described = answer.groups.first().filter(is_told);
    Ok(described.map(|group| u32::try_from(group.members.len()).unwrap_or(u32::MAX)))
}

/// Asks a coordinator what `group` has committed in partitions of one topic: (partition, offset, or nothing). Offsets
/// of a transaction that has not ended are waited for by the broker, with an error meanwhile.
pub(crate) fn committed_offsets(
    connection: &mut Connection,
    group: &str,
    topic: &str,
    partitions: &[u32],
    deadline: Instant,
) -> Result<Vec<(u32, Option<u64>)>, WireError> {
    let indexes = partitions.iter().filter_map(|partition| i32::try_from(*partition).ok()).collect();
    let topics = OffsetFetchRequestTopics::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_indexes(indexes);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
        .with_topics(Some(vec![topics]));
    let question = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true);
    let answer = connection.call(&question, deadline)?;
    let Some(group) = answer.groups.into_iter().next() else {
        return Err(WireError::Malformed(String::from("no group in the answer")));
    };
    if group.error_code != 0 {
        return Err(WireError::Malformed(error_name(group.error_code)));
    }
    let mut committed = Vec::new();
    for partition in group.topics.into_iter().flat_map(|topic| topic.partitions) {
        if partition.error_code != 0 {
            return Err(WireError::Malformed(error_name(partition.error_code)));
        }
        let index = u32::try_from(partition.partition_index).unwrap_or(u32::MAX);
        committed.push((index, u64::try_from(partition.committed_offset).ok()));
    }
    Ok(committed)
}

/// Asks a replica where its own copy of a log ends: the next offset it would write, beyond the
/// high watermark if that is behind. Followers answer too.
pub(crate) fn log_end(
    connection: &mut Connection,
    topic: &str,
    partition: u32,
    deadline: Instant,
) -> Result<u64, WireError> {
    let wanted = ListOffsetsPartition::default()
        .with_partition_index(i32::try_from(partition).unwrap_or(i32::MAX))
        .with_timestamp(LATEST);
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partitions(vec![wanted]);
    let question = ListOffsetsRequest::default().with_replica_id(DEBUGGING_REPLICA).with_topics(vec![topic]);
    let answer = connection.call(&question, deadline)?;
    let found = answer.topics.first().and_then(|topic| topic.partitions.first());
    match found {
        Some(found) if found.error_code == 0 => u64::try_from(found.offset)
            .map_err(|_| WireError::Malformed(format!("{} as the end of a log", found.offset))),
        Some(found) => Err(WireError::Malformed(error_name(found.error_code))),
        None => Err(WireError::Malformed(String::from("it names no offset"))),
    }
}

/// How far a partition is stable and replicated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StableAnswer {
    /// Every transaction before it has ended.
    pub(crate) stable: u64,
    /// High watermark.
    pub(crate) replicated: u64,
}

/// A partition by its topic and number, and what was said of it.
type Said<T> = ((String, u32), T);

/// Asks the leader of partitions of topics (by name and number) for their last stable offsets and high watermarks, in
/// this order: what is stable was replicated before. Partitions it does not lead are left out.
pub(crate) fn ask_stable(
    connection: &mut Connection,
    partitions: &[(&str, u32)],
    deadline: Instant,
) -> Result<Vec<Said<StableAnswer>>, WireError> {
    let stable = latest(connection, partitions, READ_COMMITTED, deadline)?;
    let replicated = latest(connection, partitions, READ_UNCOMMITTED, deadline)?;
    let both = stable.into_iter().filter_map(|(place, stable)| {
        let (_, replicated) = replicated.iter().find(|(known, _)| *known == place)?;
        Some((place, StableAnswer { stable, replicated: *replicated }))
    });
    Ok(both.collect())
}

fn latest(
    connection: &mut Connection,
    partitions: &[(&str, u32)],
    isolation: i8,
    deadline: Instant,
) -> Result<Vec<Said<u64>>, WireError> {
    let topics = partitions.iter().map(|(topic, partition)| {
        let wanted = ListOffsetsPartition::default()
            .with_partition_index(i32::try_from(*partition).unwrap_or(i32::MAX))
            .with_timestamp(LATEST);
        ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string((*topic).to_owned())))
            .with_partitions(vec![wanted])
    });
    let question = ListOffsetsRequest::default()
        .with_replica_id(CONSUMER)
        .with_isolation_level(isolation)
        .with_topics(topics.collect());
    let answer = connection.call(&question, deadline)?;
    let found = answer.topics.iter().flat_map(|topic| {
        topic.partitions.iter().filter(|partition| partition.error_code == 0).filter_map(|partition| {
            let place = (topic.name.0.as_str().to_owned(), u32::try_from(partition.partition_index).ok()?);
            Some((place, u64::try_from(partition.offset).ok()?))
        })
    });
    Ok(found.collect())
}

/// What a replica gave from its log.
pub(crate) struct FetchAnswer {
    /// Protocol error, if any.
    pub(crate) error: Option<ResponseError>,
    /// Where its log starts.
    pub(crate) log_start: u64,
    /// Up to where it knows the log to be replicated.
    pub(crate) high_watermark: u64,
    /// Another replica it would rather have serve this; nothing is in `records` then.
    pub(crate) elsewhere: Option<u32>,
    /// Record batches, the last one maybe cut off.
    pub(crate) records: Bytes,
}

/// Reads from the very replica the connection leads to (KIP-392: followers serve consumers up to
/// their own high watermark).
pub(crate) fn fetch(
    connection: &mut Connection,
    partition: &PartitionAnswer,
    offset: u64,
    max_bytes: u32,
    deadline: Instant,
) -> Result<FetchAnswer, WireError> {
    let question = fetch_question(partition.topic_id, partition.partition, offset, max_bytes);
    let answer = connection.call(&question, deadline)?;
    if answer.error_code != 0 {
        return Err(WireError::Malformed(error_name(answer.error_code)));
    }
    let given = answer.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let Some(given) = given else { return Err(WireError::Malformed(String::from("no partition in the answer"))) };
    Ok(FetchAnswer {
        error: ResponseError::try_from_code(given.error_code),
        log_start: u64::try_from(given.log_start_offset).unwrap_or_default(),
        high_watermark: u64::try_from(given.high_watermark).unwrap_or_default(),
        elsewhere: node_of(given.preferred_read_replica),
        records: given.records.unwrap_or_default(),
    })
}

fn fetch_question(topic_id: Uuid, partition: u32, offset: u64, max_bytes: u32) -> FetchRequest {
    let max_bytes = i32::try_from(max_bytes).unwrap_or(i32::MAX);
    let wanted = FetchPartition::default()
        .with_partition(i32::try_from(partition).unwrap_or(i32::MAX))
        .with_fetch_offset(i64::try_from(offset).unwrap_or(i64::MAX))
        .with_partition_max_bytes(max_bytes);
    FetchRequest::default()
        .with_max_bytes(max_bytes)
        .with_topics(vec![FetchTopic::default().with_topic_id(topic_id).with_partitions(vec![wanted])])
}

/// Node numbers below zero mean that there is none.
fn node_of(id: BrokerId) -> Option<u32> {
    u32::try_from(id.0).ok()
}
