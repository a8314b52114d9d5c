//! What is wrong with a file, and where.

/// A file that cannot be read as operations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, byte {byte}: {problem}")]
pub struct ImportError {
    /// Line, from 1.
    pub line: u64,
    /// Byte of the file, from 0: where it went wrong, or where the operation begins.
    pub byte: u64,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not the format it seems to be.
    #[error("{0}")]
    Syntax(String),
    /// The file ends inside an operation.
    #[error("the file ends inside an operation: it was cut off")]
    CutOff,
    /// Deeper than any operation goes.
    #[error("nested more than {0} deep: no operation is")]
    TooDeep(usize),
    /// A field every operation has.
    #[error("an operation without `{0}`")]
    Missing(&'static str),
    /// A field that is not what it must be.
    #[error("`{field}` is {found}; it must be {wanted}")]
    Field {
        /// Which.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        wanted: &'static str,
    },
    /// Operations have to stand in the order of their indexes.
    #[error("operation {index} stands after operation {after}: an index is there twice, or the file is out of order")]
    OutOfOrder {
        /// Index of the operation.
        index: u64,
        /// Index of the one before it.
        after: u64,
    },
    /// A process does one thing at a time.
    #[error("process {process} invokes operation {index} while its operation {pending} is still open")]
    Busy {
        /// Which process.
        process: i64,
        /// Index of the second invocation.
        index: u64,
        /// Index of the first.
        pending: u64,
    },
    /// A completion of nothing: its invocation is missing, or it was completed before.
    #[error("process {process} completes operation {index}, but has invoked none: it is missing, or ended before")]
    NotInvoked {
        /// Which process.
        process: i64,
        /// Index of the completion.
        index: u64,
    },
    /// An invocation and its completion differ in what they do.
    #[error("operation {index} of process {process} ends as `{ended}` what began as `{began}`")]
    OtherFunction {
        /// Which process.
        process: i64,
        /// Index of the completion.
        index: u64,
        /// What the completion says.
        ended: &'static str,
        /// What the invocation said.
        began: &'static str,
    },
    /// More than 2^32 - 1 micro-operations, keys or names.
    #[error("more than 4,294,967,295 {0} in one history")]
    TooMany(&'static str),
}
