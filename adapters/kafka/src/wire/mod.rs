//! Asking one node at a time in Kafka's own protocol: librdkafka picks the node by itself.

mod cluster;
mod connection;
mod placing;
mod produce;
mod questions;
mod removing;
mod scram;
mod security;
mod topics;

pub(crate) use cluster::{ClusterAnswer, ask_cluster, ask_quorum_leader, ask_release};
pub(crate) use connection::{Connection, Endpoint, WireError};
pub(crate) use placing::{Election, Place, elect_leaders, reassign, unregister_broker};
pub(crate) use produce::append_time_ms;
pub(crate) use questions::{
    MetadataAnswer, PartitionAnswer, ask_controller, ask_coordinator, ask_features, ask_metadata, ask_stable,
    ask_transaction_coordinator, committed_offsets, count_members, fetch, log_end,
};
pub(crate) use removing::{delete_group, delete_topics};
pub(crate) use security::Security;
pub(crate) use topics::{NewTopic, add_partition, create_topics, rehearse_topics};

use kafka_protocol::ResponseError;

/// The name of a protocol error code, as the vendor writes it.
pub(crate) fn error_name(code: i16) -> String {
    ResponseError::try_from_code(code).map_or_else(|| String::from("no error"), |error| error.to_string())
}
