//! What a broker says of the cluster it belongs to, for who knows nothing of it yet.

use std::time::Instant;

use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, DescribeQuorumRequest, DescribeQuorumResponse, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::connection::{Call, Connection, WireError};
use super::error_name;
use super::questions::ControllerAnswer;

impl Call for DescribeQuorumRequest {
    const KEY: ApiKey = ApiKey::DescribeQuorum;
    const VERSION: i16 = 0;
    type Answer = DescribeQuorumResponse;
}

/// Requests that older brokers do not know in the version spoken here.
const NEEDED: [(ApiKey, i16); 3] = [(ApiKey::Fetch, 13), (ApiKey::OffsetFetch, 8), (ApiKey::DescribeQuorum, 0)];
/// The feature whose highest level tells the release.
const METADATA_FEATURE: &str = "metadata.version";
/// Highest level of that feature by release (`MetadataVersion.java`).
const LEVELS: &[(i16, &str)] = &[
    (7, "3.3"),
    (8, "3.4"),
    (11, "3.5"),
    (14, "3.6"),
    (19, "3.7"),
    (20, "3.8"),
    (21, "3.9"),
    (25, "4.0"),
    (27, "4.1"),
];

/// A broker as others are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokerAnswer {
    /// Its number.
    pub(crate) id: i32,
    /// Where it wants clients to come.
    pub(crate) host: String,
    /// TCP port there.
    pub(crate) port: i32,
}

/// What a broker says of its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClusterAnswer {
    /// Identity.
    pub(crate) cluster: String,
    /// Brokers that are alive.
    pub(crate) brokers: Vec<BrokerAnswer>,
    /// Topics that we may see.
    pub(crate) topics: Vec<String>,
}

/// Asks a broker for all it knows.
pub(crate) fn ask_cluster(connection: &mut Connection, deadline: Instant) -> Result<ClusterAnswer, WireError> {
    let question = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
    let answer = connection.call(&question, deadline)?;
    let brokers = answer.brokers.iter().map(|broker| BrokerAnswer {
        id: broker.node_id.0,
        host: broker.host.to_string(),
        port: broker.port,
    });
    let topics = answer.topics.iter().filter_map(|topic| Some(topic.name.as_ref()?.0.to_string()));
    Ok(ClusterAnswer {
        cluster: answer.cluster_id.map(|id| id.to_string()).unwrap_or_default(),
        brokers: brokers.collect(),
        topics: topics.collect(),
    })
}

/// The release a broker is of, as far as what it can do tells.
///
/// # Errors
/// It is too old to be asked what has to be asked.
pub(crate) fn ask_release(connection: &mut Connection, deadline: Instant) -> Result<String, WireError> {
    let name = || StrBytes::from_static_str(env!("CARGO_PKG_NAME"));
    let version = StrBytes::from_static_str(env!("CARGO_PKG_VERSION"));
    let question =
        ApiVersionsRequest::default().with_client_software_name(name()).with_client_software_version(version);
    let answer = connection.call(&question, deadline)?;
    for (key, needed) in NEEDED {
        let known = answer.api_keys.iter().find(|known| known.api_key == key as i16);
        if known.is_none_or(|known| known.max_version < needed) {
            return Err(WireError::Malformed(format!(
                "it has no {key:?} of version {needed}: Kafka 3.3.1 or later is needed"
            )));
        }
    }
    let level = answer.supported_features.iter().find(|feature| feature.name.as_str() == METADATA_FEATURE);
    Ok(release(level.map_or(0, |feature| feature.max_version)))
}

fn release(level: i16) -> String {
    let known = LEVELS.iter().find(|(highest, _)| level <= *highest).filter(|_| level > 0);
    known.map_or_else(|| String::from("unknown"), |(_, release)| (*release).to_owned())
}

/// Asks a broker, which passes it on, who leads the quorum of controllers.
pub(crate) fn ask_quorum_leader(connection: &mut Connection, deadline: Instant) -> Result<ControllerAnswer, WireError> {
    let partition = PartitionData::default().with_partition_index(0);
    let topic = TopicData::default()
        .with_topic_name(TopicName(StrBytes::from_static_str("__cluster_metadata")))
        .with_partitions(vec![partition]);
    let answer = connection.call(&DescribeQuorumRequest::default().with_topics(vec![topic]), deadline)?;
    let known = answer.topics.first().and_then(|topic| topic.partitions.first());
    match known {
        Some(known) if known.error_code == 0 && answer.error_code == 0 => Ok(ControllerAnswer {
            leader: u32::try_from(known.leader_id.0).ok(),
            epoch: u32::try_from(known.leader_epoch).unwrap_or_default(),
        }),
        _ => Err(WireError::Malformed(error_name(answer.error_code))),
    }
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn levels_tell_the_release() {
        for (level, expected) in [(0, "unknown"), (7, "3.3"), (12, "3.6"), (21, "3.9"), (27, "4.1"), (99, "unknown")] {
            assert_eq!(release(level), expected);
        }
    }
}
