//! The two calls of librdkafka that rdkafka has no safe way to: which node acknowledged a
//! message, and a commit whose result comes back (rdkafka's own asynchronous commit drops it,
//! and its synchronous one waits without limit).
#![allow(unsafe_code)]

use rdkafka::TopicPartitionList;
use rdkafka::bindings::{
    rd_kafka_commit_queue, rd_kafka_message_broker_id, rd_kafka_queue_destroy, rd_kafka_queue_get_consumer,
};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

/// The node whose answer made this delivery report; nothing when no node answered.
pub(crate) fn broker_id(message: &BorrowedMessage<'_>) -> Option<u32> {
    // SAFETY: the borrow keeps the message alive, its pointer is the library's own, and the call
    // only reads from it.
    let id = unsafe { rd_kafka_message_broker_id(message.ptr()) };
    u32::try_from(id).ok()
}

/// Asks for a commit. Its result comes by the consumer's queue to
/// [`ConsumerContext::commit_callback`], from a later poll.
///
/// # Errors
/// The client does not even ask: it is in no group, or closing.
pub(crate) fn commit<C: ConsumerContext>(consumer: &BaseConsumer<C>, offsets: &TopicPartitionList) -> KafkaResult<()> {
    // SAFETY: the client lives as long as `consumer`; the queue is a reference of our own to one
    // the client keeps alive, given back once and not used after; the offsets are only read (the
    // library copies them); no callback and no opaque pointer are handed over.
    let code = unsafe {
        let queue = rd_kafka_queue_get_consumer(consumer.client().native_ptr());
        if queue.is_null() {
            return Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::UnknownGroup));
        }
        let code =
            rd_kafka_commit_queue(consumer.client().native_ptr(), offsets.ptr(), queue, None, std::ptr::null_mut());
        rd_kafka_queue_destroy(queue);
        code
    };
    match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(KafkaError::ConsumerCommit(code.into())),
    }
}
