//! A client that reads as a member of a group and writes what comes of it, both in one transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::client::{ClientError, ConsumerEvent, SendReport};
use crate::payload::MessageId;
use crate::reason::Reason;

/// What an application does about a step of a transaction that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same call again: nothing is decided yet.
    Retry,
    /// Abort the transaction, and do its work again.
    Abort,
    /// This producer is done: a new one under the same name.
    NewSession,
}

/// A step of a transaction that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transaction did not go on: {}", reason.label())]
pub struct TransactionError {
    /// Why.
    pub reason: Reason,
    /// What to do.
    pub remedy: Remedy,
}

/// Reads, and sends what comes of it in transactions that carry the positions it read up to. One is open at a time.
pub trait Transactor {
    /// Makes this the only producer under its name, and has what the one before it left open ended.
    ///
    /// # Errors
    /// It is not, yet or at all.
    fn start(&mut self, wait: Duration) -> Result<(), TransactionError>;

    /// A new producer under the same name, that is to be started. Its group goes on.
    ///
    /// # Errors
    /// When the client refuses the configuration.
    fn renew(&mut self) -> Result<(), ClientError>;

    /// Reads: serves the member of the group for at most `wait`; returns the first event there is.
    ///
    /// # Errors
    /// When the client cannot go on.
    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerEvent>, ClientError>;

    /// Reads on from where the group stands committed; returns each destination with its next offset.
    ///
    /// # Errors
    /// Why the group's position is not known yet: to be tried again.
    fn rewind(&mut self, wait: Duration) -> Result<Vec<(u16, u64)>, Reason>;

    /// Opens a transaction, for what is read from now on.
    ///
    /// # Errors
    /// There is none.
    fn begin(&mut self) -> Result<(), TransactionError>;

    /// Sends in the open transaction.
    ///
    /// # Errors
    /// The reason the client refused it at once; no report follows.
    fn send(&mut self, destination: u16, id: MessageId, key: u32, payload: &[u8]) -> Result<(), Reason>;

    /// Collects the reports of sends that came in.
    fn reports(&mut self, reports: &mut Vec<SendReport>);

    /// Puts into the transaction that the group goes on at these offsets.
    ///
    /// # Errors
    /// They are not in it, or that is not known.
    fn add_offsets(&mut self, next: &BTreeMap<u16, u64>, wait: Duration) -> Result<(), TransactionError>;

    /// Commits: waits for every send first.
    ///
    /// # Errors
    /// It is not known to be committed.
    fn commit(&mut self, wait: Duration) -> Result<(), TransactionError>;

    /// Aborts.
    ///
    /// # Errors
    /// It is not known to be aborted.
    fn abort(&mut self, wait: Duration) -> Result<(), TransactionError>;

    /// Gives up on every send in flight: each is reported.
    fn purge(&mut self, reports: &mut Vec<SendReport>);
}
