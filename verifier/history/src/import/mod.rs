//! Histories that others recorded: operations of Jepsen's Kafka workload, as JSON lines or as EDN.

mod draft;
mod edn;
mod error;
mod json;
pub mod operation;
mod pairing;
mod scanner;

pub use error::{ImportError, Problem};
pub use operation::{Action, Function, KeyId, MicroOperation, Operation, OperationHistory, OperationKind, Scalar};

/// Reads operations, whichever of the two formats they are in.
///
/// # Errors
/// The first thing that is no operation, or contradicts what came before it, with its line and byte.
pub fn read_operations(text: &[u8]) -> Result<OperationHistory, ImportError> {
    let history = if is_json(text) { json::read(text)? } else { edn::read(text)? };
    pairing::pair(history)
}

/// JSON writes a name in quotes where EDN writes a keyword; a record or a comment is EDN's alone.
fn is_json(text: &[u8]) -> bool {
    let mut bytes = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    match bytes.next() {
        Some(b'{') => matches!(bytes.next(), Some(b'"' | b'}') | None),
        Some(b'#' | b'[' | b'(' | b';') | None => false,
        Some(_) => true,
    }
}
