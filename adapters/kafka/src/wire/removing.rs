//! Taking topics and groups away by name, and finding out whether topics could be made.

use std::time::Instant;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    ApiKey, DeleteGroupsRequest, DeleteGroupsResponse, DeleteTopicsRequest, DeleteTopicsResponse, GroupId, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::connection::{Call, Connection, WireError};

impl Call for DeleteTopicsRequest {
    const KEY: ApiKey = ApiKey::DeleteTopics;
    const VERSION: i16 = 5;
    type Answer = DeleteTopicsResponse;
}

impl Call for DeleteGroupsRequest {
    const KEY: ApiKey = ApiKey::DeleteGroups;
    const VERSION: i16 = 2;
    type Answer = DeleteGroupsResponse;
}

/// Asks for `topics` to be deleted. Gives back what was refused: (topic, why); one that is not there is no refusal.
pub(crate) fn delete_topics(
    connection: &mut Connection,
    topics: &[String],
    deadline: Instant,
) -> Result<Vec<(String, String)>, WireError> {
    let limit = deadline.saturating_duration_since(Instant::now()).mul_f64(0.8);
    let names = topics.iter().map(|topic| TopicName(StrBytes::from_string(topic.clone())));
    let question = DeleteTopicsRequest::default()
        .with_topic_names(names.collect())
        .with_timeout_ms(i32::try_from(limit.as_millis()).unwrap_or(i32::MAX));
    let answer = connection.call(&question, deadline)?;
    let refused = answer.responses.into_iter().filter_map(|topic| {
        let error = ResponseError::try_from_code(topic.error_code)?;
        let words = topic.error_message.map_or_else(|| error.to_string(), |words| words.to_string());
        let name = topic.name.map(|name| name.0.to_string()).unwrap_or_default();
        (error != ResponseError::UnknownTopicOrPartition).then_some((name, words))
    });
    Ok(refused.collect())
}

/// Asks the coordinator of `group` to forget it. Gives back why it does not, where it does not.
pub(crate) fn delete_group(
    connection: &mut Connection,
    group: &str,
    deadline: Instant,
) -> Result<Option<ResponseError>, WireError> {
    let name = GroupId(StrBytes::from_string(group.to_owned()));
    let answer = connection.call(&DeleteGroupsRequest::default().with_groups_names(vec![name]), deadline)?;
    let error = answer.results.first().and_then(|result| ResponseError::try_from_code(result.error_code));
    Ok(error.filter(|error| *error != ResponseError::GroupIdNotFound))
}
