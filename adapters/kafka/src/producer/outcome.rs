//! What librdkafka's words mean for a send.
//!
//! Only errors that rule out an append for good are certain. librdkafka's own "not persisted" is
//! not one of them: it looks at the last attempt alone, and an earlier leader may have appended.

use delivery_broker::{Reason, SendOutcome};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

/// The outcome of a send that was reported without error.
pub(super) fn delivered(acknowledged: bool, offset: i64, by_node: Option<u32>) -> SendOutcome {
    if acknowledged { SendOutcome::Acked { offset: u64::try_from(offset).ok(), by_node } } else { SendOutcome::Sent }
}

/// Why a send that was reported with an error is not acked. `never_fits`: the message alone is
/// larger than the topic takes.
pub(super) fn not_delivered(error: &KafkaError, never_fits: bool) -> Reason {
    match error.rdkafka_error_code() {
        // The broker measures batches, and a retry puts messages together anew: an earlier, smaller
        // batch may have been appended.
        Some(RDKafkaErrorCode::MessageSizeTooLarge) if !never_fits => Reason::Other,
        Some(code) => reported(code),
        None => Reason::Other,
    }
}

/// Why the client refused a send at once.
pub(super) fn refused(error: &KafkaError) -> Reason {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => Reason::QueueFull,
        Some(code) => reported(code),
        None => Reason::Other,
    }
}

/// The word events have for an error of a producer.
pub(crate) fn reported(code: RDKafkaErrorCode) -> Reason {
    use RDKafkaErrorCode as Code;
    match code {
        Code::MessageSizeTooLarge => Reason::TooLarge,
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => Reason::NotAuthorised,
        // The broker validates a whole batch before it appends any of it.
        Code::InvalidRecord | Code::InvalidRequiredAcks => Reason::Rejected,
        Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut | Code::TimedOutQueue => {
            Reason::TimedOut
        }
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::NetworkException | Code::Resolve => {
            Reason::Transport
        }
        Code::NotLeaderForPartition
        | Code::LeaderNotAvailable
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::ReplicaNotAvailable => Reason::NotLeader,
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => Reason::NotEnoughReplicas,
        Code::PurgeQueue | Code::PurgeInflight => Reason::Purged,
        Code::Fatal
        | Code::OutOfOrderSequenceNumber
        | Code::UnknownProducerId
        // librdkafka ends a transaction the broker has not heard of yet: it is done with itself after that.
        | Code::InvalidTransactionalState
        | Code::InvalidProducerIdMapping
        | Code::GaplessGuarantee => Reason::Fatal,
        Code::ProducerFenced | Code::Fenced | Code::InvalidProducerEpoch => Reason::ProducerFenced,
        // The coordinator of a transaction checks that its reader still is what it was.
        Code::IllegalGeneration | Code::UnknownMemberId | Code::FencedInstanceId | Code::StaleMemberEpoch => {
            Reason::Fenced
        }
        _ => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use delivery_broker::{Reason, SendOutcome};
    use proptest::prelude::*;
    use rdkafka::error::KafkaError;
    use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

    use super::{delivered, not_delivered, refused};

    /// The whole list of what is certain; anything added here needs a reason why no attempt can
    /// have been appended.
    const CERTAIN: [RDKafkaErrorCode; 6] = [
        RDKafkaErrorCode::MessageSizeTooLarge,
        RDKafkaErrorCode::TopicAuthorizationFailed,
        RDKafkaErrorCode::ClusterAuthorizationFailed,
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed,
        RDKafkaErrorCode::InvalidRecord,
        RDKafkaErrorCode::InvalidRequiredAcks,
    ];

    #[test]
    fn timeouts_and_lost_connections_are_unknown() {
        for code in [
            RDKafkaErrorCode::MessageTimedOut,
            RDKafkaErrorCode::RequestTimedOut,
            RDKafkaErrorCode::OperationTimedOut,
            RDKafkaErrorCode::BrokerTransportFailure,
            RDKafkaErrorCode::AllBrokersDown,
            RDKafkaErrorCode::NetworkException,
            RDKafkaErrorCode::NotLeaderForPartition,
            RDKafkaErrorCode::LeaderNotAvailable,
            RDKafkaErrorCode::FencedLeaderEpoch,
            RDKafkaErrorCode::NotEnoughReplicas,
            RDKafkaErrorCode::NotEnoughReplicasAfterAppend,
            RDKafkaErrorCode::PurgeQueue,
            RDKafkaErrorCode::PurgeInflight,
            RDKafkaErrorCode::Fatal,
            RDKafkaErrorCode::OutOfOrderSequenceNumber,
            RDKafkaErrorCode::UnknownTopicOrPartition,
            RDKafkaErrorCode::KafkaStorageError,
            RDKafkaErrorCode::InvalidMessage,
        ] {
            let reason = not_delivered(&KafkaError::MessageProduction(code), true);
            assert!(!reason.is_certain_failure(), "{code:?} is {}", reason.label());
        }
    }

    #[test]
    fn a_message_that_fits_alone_may_be_stored_whatever_became_of_a_batch() {
        let too_large = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
        assert_eq!(not_delivered(&too_large, true), Reason::TooLarge);
        assert_eq!(not_delivered(&too_large, false), Reason::Other);
        assert_eq!(refused(&too_large), Reason::TooLarge, "the client's own limit: it never left");
    }

    #[test]
    fn every_code_of_the_library_is_unknown_but_the_listed_ones() {
        let mut certain = 0;
        for number in -200..=150 {
            let Some(code) = code_of(number) else { continue };
            let reason = not_delivered(&KafkaError::MessageProduction(code), true);
            assert_eq!(reason.is_certain_failure(), CERTAIN.contains(&code), "{code:?} is {}", reason.label());
            certain += usize::from(reason.is_certain_failure());
        }
        assert_eq!(certain, CERTAIN.len());
    }

    fn code_of(number: i32) -> Option<RDKafkaErrorCode> {
        let known = RDKafkaRespErr::try_from(number).ok()?;
        Some(RDKafkaErrorCode::from(known))
    }

    #[test]
    fn what_never_left_the_client_is_certain_only_where_listed() {
        let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        assert_eq!(refused(&full), Reason::QueueFull);
        assert_eq!(not_delivered(&full, true), Reason::Other, "in a report it would be something else");
        let fatal = KafkaError::MessageProduction(RDKafkaErrorCode::Fatal);
        assert!(!refused(&fatal).is_certain_failure());
        assert_eq!(not_delivered(&KafkaError::Canceled, true), Reason::Other);
    }

    proptest! {
        #[test]
        fn without_acknowledgement_nothing_is_ever_acked(offset: i64, node: Option<u32>) {
            prop_assert_eq!(delivered(false, offset, node), SendOutcome::Sent);
        }

        #[test]
        fn an_offset_the_broker_did_not_give_is_none(offset: i64, node: Option<u32>) {
            let expected = (offset >= 0).then_some(offset as u64);
            prop_assert_eq!(delivered(true, offset, node), SendOutcome::Acked { offset: expected, by_node: node });
        }
    }
}
