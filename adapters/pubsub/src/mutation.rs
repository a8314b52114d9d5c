//! Broken buses, to see whether the checks catch them. A correct bus carries none of this.

/// A message is hit when it is the last of this many of its session.
const ONE_IN: u32 = 64;

/// One way to break the bus. The first messages of a session are always left alone, so that
/// sentinels get through and the run is judged as drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Acknowledges (or takes) a message and delivers it to nobody.
    DropAcked {
        /// Every how manieth message of a session.
        one_in: u32,
    },
    /// Hands a message to the subscribers twice.
    Duplicate,
    /// Hands a message over after the next one of its session.
    Reorder,
    /// Hands over a message that nobody sent.
    Invent,
    /// Alters a byte of a message.
    Corrupt,
    /// When a node comes back, takes everything it was owed as confirmed.
    ForgetOnHeal,
    /// Acknowledges at once and never sends again.
    AckEarly,
}

impl Mutation {
    /// Whether the message with this sequence is one that is hit.
    pub(crate) fn hits(self, sequence: u32) -> bool {
        let one_in = match self {
            Self::DropAcked { one_in } => one_in.max(1),
            _ => ONE_IN,
        };
        sequence % one_in == one_in - 1
    }
}
