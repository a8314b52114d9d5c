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
    if is_json(text) { read_operations_json(text) } else { read_operations_edn(text) }
}

/// Reads operations from EDN.
///
/// # Errors
/// See [`read_operations`].
pub fn read_operations_edn(text: &[u8]) -> Result<OperationHistory, ImportError> {
    pairing::pair(edn::read(text, text_begins(text))?)
}

/// Reads operations from JSON lines, or from one JSON array.
///
/// # Errors
/// See [`read_operations`].
pub fn read_operations_json(text: &[u8]) -> Result<OperationHistory, ImportError> {
    let begins = text_begins(text);
    let is_array = text[begins..].trim_ascii_start().starts_with(b"[");
    pairing::pair(if is_array { json::read_array(text, begins)? } else { json::read(text, begins)? })
}

/// Behind the byte order mark that some editors set.
fn text_begins(text: &[u8]) -> usize {
    if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

/// JSON writes a name in quotes where EDN writes a keyword; a record or a comment is EDN's alone.
fn is_json(text: &[u8]) -> bool {
    let begins = text_begins(text);
    let mut bytes = text[begins..].iter().filter(|byte| !byte.is_ascii_whitespace());
    let mut first = bytes.next();
    if first == Some(&b'[') {
        first = bytes.next().filter(|byte| **byte == b'{');
    }
    match first {
        Some(b'{') => matches!(bytes.next(), Some(b'"' | b'}') | None),
        Some(b'#' | b'[' | b'(' | b';') | None => false,
        Some(_) => true,
    }
}
