//! One message to a broker that stamps it.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};

use super::connection::{Connection, WireError};
use super::error_name;

/// Appends an empty message to the first partition of `topic`, which this broker leads, and gives back the time it was
/// stamped with (Unix time, milliseconds).
///
/// # Errors
/// It was not taken, or is not stamped by the broker.
pub(crate) fn append_time_ms(connection: &mut Connection, topic: &str, deadline: Instant) -> Result<i64, WireError> {
    let data = PartitionProduceData::default().with_records(Some(empty_message()?));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_data(vec![data]);
    let limit = deadline.saturating_duration_since(Instant::now());
    let question = ProduceRequest::default()
        .with_acks(1)
        .with_timeout_ms(i32::try_from(limit.as_millis()).unwrap_or(i32::MAX))
        .with_topic_data(vec![topic]);
    let answer = connection.call(&question, deadline)?;
    let given = answer.responses.into_iter().next().and_then(|topic| topic.partition_responses.into_iter().next());
    let given = given.ok_or_else(|| WireError::Malformed(String::from("no partition in the answer")))?;
    if ResponseError::try_from_code(given.error_code).is_some() {
        return Err(WireError::Malformed(error_name(given.error_code)));
    }
    if given.log_append_time_ms < 0 {
        return Err(WireError::Malformed(String::from("no time of the broker's in the answer")));
    }
    Ok(given.log_append_time_ms)
}

fn empty_message() -> Result<Bytes, WireError> {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp: 0,
        key: None,
        value: None,
        headers: Default::default(),
    };
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, [&record], &options)
        .map_err(|error| WireError::Malformed(error.to_string()))?;
    Ok(bytes.freeze())
}
