//! A member of a group and a transactional producer that act together, over librdkafka.

use std::collections::BTreeMap;
use std::time::Duration;

use delivery_broker::{
    ClientError, ClientSpec, Consumer, ConsumerEvent, MessageId, Producer, Reason, Remedy, SendReport,
    TransactionError, Transactor,
};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::Producer as _;

use crate::client_config;
use crate::consumer::KafkaConsumer;
use crate::producer::KafkaProducer;
use crate::producer::outcome::reported;

/// Reads and writes in transactions.
pub(crate) struct KafkaTransactor {
    spec: ClientSpec,
    consumer: KafkaConsumer,
    producer: KafkaProducer,
    /// The group as it was when the transaction was opened: offsets that were read before a rebalance must not be taken
    /// for those of a member that came through it.
    group: Option<ConsumerGroupMetadata>,
}

impl KafkaTransactor {
    /// Joins the group and makes a producer under the name of the seat; it is not started yet.
    ///
    /// # Errors
    /// The client library refuses the configuration.
    pub(crate) fn new(spec: &ClientSpec) -> Result<Self, ClientError> {
        let consumer = KafkaConsumer::new(&client_config::transactional_consumer(spec)?, spec)?;
        let producer = KafkaProducer::new(&client_config::transactional_producer(spec), spec)?;
        Ok(Self { spec: spec.clone(), consumer, producer, group: None })
    }

    fn checked(&self, result: KafkaResult<()>) -> Result<(), TransactionError> {
        let Err(error) = result else { return Ok(()) };
        let fatal = self.producer.client().client().fatal_error().map(|(code, _)| reported(code));
        Err(not_done(&error, fatal))
    }
}

/// What an error of a transactional call means for the application.
fn not_done(error: &KafkaError, fatal: Option<Reason>) -> TransactionError {
    let reason = error.rdkafka_error_code().map_or(Reason::Other, reported);
    if let Some(reason) = fatal {
        return TransactionError { reason, remedy: Remedy::NewSession };
    }
    let remedy = match error {
        KafkaError::Transaction(error) if error.is_fatal() => Remedy::NewSession,
        KafkaError::Transaction(error) if error.txn_requires_abort() => Remedy::Abort,
        KafkaError::Transaction(error) if error.is_retriable() => Remedy::Retry,
        // Sends are still on their way: the commit has not been asked for yet.
        KafkaError::Flush(_) => Remedy::Retry,
        // A call in a state that does not know it: whatever became of the transaction, this producer is lost.
        _ => Remedy::NewSession,
    };
    TransactionError { reason, remedy }
}

impl Transactor for KafkaTransactor {
    fn start(&mut self, wait: Duration) -> Result<(), TransactionError> {
        self.checked(self.producer.client().init_transactions(wait))
    }

    fn renew(&mut self) -> Result<(), ClientError> {
        self.producer = KafkaProducer::new(&client_config::transactional_producer(&self.spec), &self.spec)?;
        self.group = None;
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerEvent>, ClientError> {
        self.consumer.poll(wait)
    }

    fn rewind(&mut self, wait: Duration) -> Result<Vec<(u16, u64)>, Reason> {
        self.consumer.rewind(wait)
    }

    fn begin(&mut self) -> Result<(), TransactionError> {
        self.group = self.consumer.group_metadata();
        self.checked(self.producer.client().begin_transaction())
    }

    fn send(&mut self, destination: u16, id: MessageId, key: u32, payload: &[u8]) -> Result<(), Reason> {
        self.producer.send(destination, id, key, payload)
    }

    fn reports(&mut self, reports: &mut Vec<SendReport>) {
        self.producer.poll(Duration::ZERO, reports);
    }

    fn add_offsets(&mut self, next: &BTreeMap<u16, u64>, wait: Duration) -> Result<(), TransactionError> {
        let abort = |reason| TransactionError { reason, remedy: Remedy::Abort };
        let Some(group) = &self.group else { return Err(abort(Reason::Fenced)) };
        let mut offsets = TopicPartitionList::with_capacity(next.len());
        for (destination, offset) in next {
            self.consumer.add_to(&mut offsets, *destination, *offset).map_err(abort)?;
        }
        self.checked(self.producer.client().send_offsets_to_transaction(&offsets, group, wait))
    }

    fn commit(&mut self, wait: Duration) -> Result<(), TransactionError> {
        self.checked(self.producer.client().commit_transaction(wait))
    }

    fn abort(&mut self, wait: Duration) -> Result<(), TransactionError> {
        self.checked(self.producer.client().abort_transaction(wait))
    }

    fn purge(&mut self, reports: &mut Vec<SendReport>) {
        self.producer.purge(reports);
    }
}

#[cfg(test)]
mod tests {
    use delivery_broker::{Reason, Remedy};
    use rdkafka::error::KafkaError;
    use rdkafka::types::RDKafkaErrorCode;

    use super::not_done;

    #[test]
    fn a_fatal_client_is_done_and_one_that_still_sends_is_not() {
        let error = KafkaError::ClientCreation(String::new());
        let done = not_done(&error, Some(Reason::ProducerFenced));
        assert_eq!((done.reason, done.remedy), (Reason::ProducerFenced, Remedy::NewSession));
        let done = not_done(&KafkaError::MessageProduction(RDKafkaErrorCode::OperationTimedOut), None);
        assert_eq!((done.reason, done.remedy), (Reason::TimedOut, Remedy::NewSession));
        let done = not_done(&KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut), None);
        assert_eq!((done.reason, done.remedy), (Reason::TimedOut, Remedy::Retry));
    }
}
