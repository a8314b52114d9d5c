//! Creating topics, and partitions of them, whose replicas sit where we say.

use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::{BrokerId, CreatePartitionsRequest, CreateTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::connection::{Connection, WireError};

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewTopic {
    /// Its name.
    pub(crate) name: String,
    /// Number of partitions.
    pub(crate) partitions: u32,
    /// Replicas of every partition; the first one leads.
    pub(crate) replicas: Vec<u32>,
    /// Settings.
    pub(crate) config: Vec<(String, String)>,
}

/// Asks a broker to create `topics`. Gives back what was refused: (topic, why); a topic that
/// exists already (an earlier attempt whose answer was lost) is no refusal.
pub(crate) fn create_topics(
    connection: &mut Connection,
    topics: &[NewTopic],
    deadline: Instant,
) -> Result<Vec<(String, String)>, WireError> {
    let mut refused = ask(connection, topics, false, deadline)?;
    refused.retain(|(_, error, _)| *error != ResponseError::TopicAlreadyExists);
    Ok(refused.into_iter().map(|(topic, _, words)| (topic, words)).collect())
}

/// Asks a broker whether it would create `topics`, and has it create none. Gives back what it would refuse.
pub(crate) fn rehearse_topics(
    connection: &mut Connection,
    topics: &[NewTopic],
    deadline: Instant,
) -> Result<Vec<(String, ResponseError, String)>, WireError> {
    ask(connection, topics, true, deadline)
}

fn ask(
    connection: &mut Connection,
    topics: &[NewTopic],
    only_validate: bool,
    deadline: Instant,
) -> Result<Vec<(String, ResponseError, String)>, WireError> {
    let limit = deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(30));
    let question = CreateTopicsRequest::default()
        .with_topics(topics.iter().map(creatable).collect())
        .with_validate_only(only_validate)
        .with_timeout_ms(i32::try_from(limit.as_millis()).unwrap_or(i32::MAX));
    let answer = connection.call(&question, deadline)?;
    let refused = answer.topics.into_iter().filter_map(|topic| {
        let error = ResponseError::try_from_code(topic.error_code)?;
        let words = topic.error_message.map_or_else(|| error.to_string(), |words| words.to_string());
        Some((topic.name.0.to_string(), error, words))
    });
    Ok(refused.collect())
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let replicas = broker_ids(&topic.replicas);
    let assignments = (0..topic.partitions)
        .map(|partition| {
            CreatableReplicaAssignment::default()
                .with_partition_index(i32::try_from(partition).unwrap_or(i32::MAX))
                .with_broker_ids(replicas.clone())
        })
        .collect();
    let configs = topic
        .config
        .iter()
        .map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_value(Some(StrBytes::from_string(value.clone())))
        })
        .collect();
    CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.name.clone())))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(assignments)
        .with_configs(configs)
}

/// Asks a broker to give `topic` one more partition, which makes `partitions`, with these replicas; the first one leads.
/// Gives back why it was refused, where it was.
pub(crate) fn add_partition(
    connection: &mut Connection,
    topic: &str,
    partitions: u32,
    replicas: &[u32],
    deadline: Instant,
) -> Result<Option<String>, WireError> {
    let limit = deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(30));
    let assignment = CreatePartitionsAssignment::default().with_broker_ids(broker_ids(replicas));
    let grown = CreatePartitionsTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_count(i32::try_from(partitions).unwrap_or(i32::MAX))
        .with_assignments(Some(vec![assignment]));
    let question = CreatePartitionsRequest::default()
        .with_topics(vec![grown])
        .with_timeout_ms(i32::try_from(limit.as_millis()).unwrap_or(i32::MAX));
    let answer = connection.call(&question, deadline)?;
    Ok(answer.results.into_iter().find_map(|result| {
        let error = ResponseError::try_from_code(result.error_code)?;
        Some(result.error_message.map_or_else(|| error.to_string(), |words| words.to_string()))
    }))
}

fn broker_ids(nodes: &[u32]) -> Vec<BrokerId> {
    nodes.iter().map(|node| BrokerId(i32::try_from(*node).unwrap_or(i32::MAX))).collect()
}
