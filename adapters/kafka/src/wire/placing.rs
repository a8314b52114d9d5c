//! Who leads a partition, which nodes hold it, and who is a broker at all: what only an administrator changes.

use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ApiKey, BrokerId, ElectLeadersRequest,
    ElectLeadersResponse, TopicName, UnregisterBrokerRequest, UnregisterBrokerResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::connection::{Call, Connection, WireError};

impl Call for ElectLeadersRequest {
    const KEY: ApiKey = ApiKey::ElectLeaders;
    const VERSION: i16 = 2;
    type Answer = ElectLeadersResponse;
}

impl Call for AlterPartitionReassignmentsRequest {
    const KEY: ApiKey = ApiKey::AlterPartitionReassignments;
    const VERSION: i16 = 0;
    type Answer = AlterPartitionReassignmentsResponse;
}

impl Call for UnregisterBrokerRequest {
    const KEY: ApiKey = ApiKey::UnregisterBroker;
    const VERSION: i16 = 0;
    type Answer = UnregisterBrokerResponse;
}

/// A partition: topic and number.
pub(crate) type Place = (String, u32);

/// What an election may choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Election {
    /// The first of the replicas, if it is in sync.
    Preferred = 0,
    /// Any replica that lives, where none in sync does.
    Unclean = 1,
}

/// Asks for an election in each of `places`. Gives back what was said of each that was not held.
pub(crate) fn elect_leaders(
    connection: &mut Connection,
    election: Election,
    places: &[Place],
    deadline: Instant,
) -> Result<Vec<(Place, ResponseError, String)>, WireError> {
    let wanted = places.iter().map(|(topic, partition)| {
        TopicPartitions::default().with_topic(topic_name(topic)).with_partitions(vec![number(*partition)])
    });
    let question = ElectLeadersRequest::default()
        .with_election_type(election as i8)
        .with_topic_partitions(Some(wanted.collect()))
        .with_timeout_ms(limit_ms(deadline));
    let answer = connection.call(&question, deadline)?;
    whole(answer.error_code, None)?;
    let mut refused = Vec::new();
    for topic in answer.replica_election_results {
        for one in topic.partition_result {
            let place = (topic.topic.0.to_string(), u32::try_from(one.partition_id).unwrap_or(u32::MAX));
            refused.extend(refusal(one.error_code, one.error_message).map(|(error, words)| (place, error, words)));
        }
    }
    Ok(refused)
}

/// Asks that each of these partitions be held by these nodes, the first of which is to lead. Gives back what was refused.
pub(crate) fn reassign(
    connection: &mut Connection,
    wanted: &[(Place, Vec<u32>)],
    deadline: Instant,
) -> Result<Vec<(Place, String)>, WireError> {
    let topics = wanted.iter().map(|((topic, partition), replicas)| {
        let replicas = replicas.iter().map(|node| broker_id(*node)).collect();
        let partition =
            ReassignablePartition::default().with_partition_index(number(*partition)).with_replicas(Some(replicas));
        ReassignableTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition])
    });
    let question =
        AlterPartitionReassignmentsRequest::default().with_topics(topics.collect()).with_timeout_ms(limit_ms(deadline));
    let answer = connection.call(&question, deadline)?;
    whole(answer.error_code, answer.error_message)?;
    let mut refused = Vec::new();
    for topic in answer.responses {
        for one in topic.partitions {
            let place = (topic.name.0.to_string(), u32::try_from(one.partition_index).unwrap_or(u32::MAX));
            refused.extend(refusal(one.error_code, one.error_message).map(|(_, words)| (place, words)));
        }
    }
    Ok(refused)
}

/// Asks that `node`, which must not run, be a broker of the cluster no more. One that is none already is no refusal.
pub(crate) fn unregister_broker(
    connection: &mut Connection,
    node: u32,
    deadline: Instant,
) -> Result<Option<String>, WireError> {
    let answer = connection.call(&UnregisterBrokerRequest::default().with_broker_id(broker_id(node)), deadline)?;
    let refused = refusal(answer.error_code, answer.error_message);
    Ok(refused.filter(|(error, _)| *error != ResponseError::BrokerIdNotRegistered).map(|(_, words)| words))
}

/// An answer that is one error for all.
fn whole(code: i16, message: Option<StrBytes>) -> Result<(), WireError> {
    refusal(code, message).map_or(Ok(()), |(_, words)| Err(WireError::Malformed(words)))
}

fn refusal(code: i16, message: Option<StrBytes>) -> Option<(ResponseError, String)> {
    let error = ResponseError::try_from_code(code)?;
    let words = message.map_or_else(|| error.to_string(), |words| words.to_string());
    Some((error, words))
}

fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn broker_id(node: u32) -> BrokerId {
    BrokerId(i32::try_from(node).unwrap_or(i32::MAX))
}

fn number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// The broker answers before we stop listening.
fn limit_ms(deadline: Instant) -> i32 {
    let left = deadline.saturating_duration_since(Instant::now()).mul_f64(0.8).min(Duration::from_secs(30));
    i32::try_from(left.as_millis()).unwrap_or(i32::MAX)
}
