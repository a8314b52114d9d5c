//! Why a send, a settle or a question did not end well.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $label:literal;)+) => {
        /// Why a send, a settle or a question did not end well. Numbers stand in event details
        /// and never change their meaning.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name = $number,)+ }

        impl Reason {
            /// Every reason, in the order of its number.
            pub const ALL: &[Reason] = &[$(Reason::$name),+];

            /// The reason with this number, if there is one.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)+ _ => None }
            }

            /// Words for a witness's story.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }
        }
    };
}

reasons! {
    /// The client's own queue was full; the message never left it.
    QueueFull = 1, "the client's queue was full";
    /// Larger than the client or the broker takes.
    TooLarge = 2, "message too large";
    /// Not allowed to write there.
    NotAuthorised = 3, "not authorised";
    /// The broker handed it back as unroutable.
    Returned = 4, "returned by the broker";
    /// Refused for good by the broker before it was appended.
    Rejected = 5, "rejected for good";
    /// The client had no connection; the message never left it.
    NotConnected = 6, "not connected";
    /// No answer within the client's limit.
    TimedOut = 20, "timed out";
    /// The connection broke or could not be made.
    Transport = 21, "transport error";
    /// The node says it is not the leader (KAFKA-13574: the message may still appear).
    NotLeader = 22, "not the leader";
    /// Negative acknowledgement.
    Nack = 23, "nack";
    /// Purged from the client after the flush's limit.
    Purged = 24, "purged by the client";
    /// The client ended its session with a fatal error.
    Fatal = 25, "fatal client error";
    /// Too few in-sync replicas.
    NotEnoughReplicas = 26, "not enough replicas";
    /// The group moved on without this member.
    Fenced = 27, "fenced by the group";
    /// An error this program has no word for.
    Other = 28, "other error";
    /// The broker ended the subscription.
    Cancelled = 29, "cancelled by the broker";
    /// What was asked for is not there.
    NotFound = 30, "not found";
    /// The group does not know this member (any more).
    UnknownMember = 40, "unknown to the group";
    /// The group has begun another generation without this member.
    IllegalGeneration = 41, "of an earlier generation of the group";
    /// Another client has taken over this member's static identity.
    FencedInstance = 42, "fenced: another client has its group.instance.id";
    /// The member's epoch is not the one the group has for it (KIP-848).
    StaleEpoch = 43, "of an earlier epoch of the member";
    /// The group is handing out its destinations anew.
    Rebalancing = 44, "the group was rebalancing";
    /// The client itself knows that its destinations are somebody else's.
    AssignmentLost = 45, "its assignment was lost";
    /// The application did not poll in time, and the client left the group for it.
    PollExceeded = 46, "did not poll within max.poll.interval.ms";
    /// The producer's transactions are another's now, or its last one took too long.
    ProducerFenced = 60, "fenced: its transactional id was taken over, or its transaction timed out";
    /// The transaction it was a part of aborted.
    Aborted = 61, "aborted with its transaction";
}

impl Reason {
    /// Whether a send that ended so cannot have been stored. A short list on purpose:
    /// everything else is unknown.
    pub const fn is_certain_failure(self) -> bool {
        matches!(
            self,
            Self::QueueFull
                | Self::TooLarge
                | Self::NotAuthorised
                | Self::Returned
                | Self::Rejected
                | Self::NotConnected
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn numbers_lead_back_to_their_reason() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_number(*reason as u32), Some(*reason));
        }
        assert_eq!(Reason::from_number(0), None);
    }

    #[test]
    fn no_timeout_or_transport_error_counts_as_certain() {
        for reason in
            [Reason::TimedOut, Reason::Transport, Reason::NotLeader, Reason::Nack, Reason::Purged, Reason::Fatal]
        {
            assert!(!reason.is_certain_failure(), "{}", reason.label());
        }
    }
}
