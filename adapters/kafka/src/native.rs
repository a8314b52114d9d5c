//! The calls of librdkafka that rdkafka has no safe way to: which node acknowledged a message,
//! and commits whose result comes back, later or within a limit (rdkafka's own asynchronous commit
//! drops it, and its synchronous one waits without limit).
#![allow(unsafe_code)]

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings::{
    rd_kafka_commit_queue, rd_kafka_event_destroy, rd_kafka_event_error, rd_kafka_event_topic_partition_list,
    rd_kafka_message_broker_id, rd_kafka_queue_destroy, rd_kafka_queue_get_consumer, rd_kafka_queue_new,
    rd_kafka_queue_poll,
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

/// Commits, and waits for the result without serving anything else: for a rebalance, which goes on only
/// when its callback is done.
///
/// # Errors
/// Why the commit is not confirmed; [`RDKafkaErrorCode::OperationTimedOut`] where nothing came in `wait`.
pub(crate) fn commit_within<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    offsets: &TopicPartitionList,
    wait: Duration,
) -> KafkaResult<()> {
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client lives as long as `consumer`; the queue is our own, used by this thread alone, and destroyed
    // once, after the event that came through it; the list belongs to the event and is only read before that (the
    // library copies the offsets it commits); no callback and no opaque pointer are handed over.
    let code = unsafe {
        let client = consumer.client().native_ptr();
        let queue = rd_kafka_queue_new(client);
        let mut code = rd_kafka_commit_queue(client, offsets.ptr(), queue, None, std::ptr::null_mut());
        if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            let event = rd_kafka_queue_poll(queue, wait_ms);
            if event.is_null() {
                code = RDKafkaRespErr::RD_KAFKA_RESP_ERR__TIMED_OUT;
            } else {
                code = rd_kafka_event_error(event);
                let list = rd_kafka_event_topic_partition_list(event);
                if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && !list.is_null() {
                    let count = usize::try_from((*list).cnt).unwrap_or(0);
                    let mut results = (0..count).map(|at| (*(*list).elems.add(at)).err);
                    code = results.find(|result| *result != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap_or(code);
                }
                rd_kafka_event_destroy(event);
            }
        }
        rd_kafka_queue_destroy(queue);
        code
    };
    match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(KafkaError::ConsumerCommit(code.into())),
    }
}
