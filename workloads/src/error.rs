//! What ends a client for good.

use delivery_broker::ClientError;
use delivery_history::recorder::RecordError;

/// What ends a client for good. The two are never mixed up: a full disk is no crashed client.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// The history cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The client cannot go on.
    #[error(transparent)]
    Client(#[from] ClientError),
}
