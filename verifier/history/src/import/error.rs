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
    #[error("the file ends inside an operation or event: it was cut off")]
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
    /// More of something than can be numbered.
    #[error("more {0} than one history can have")]
    TooMany(&'static str),
    /// A line no event needs.
    #[error("a line of more than {0} bytes: no event is that long")]
    LineTooLong(usize),
    /// A field every event (of its kind) has.
    #[error("an event without `{0}`, which it needs")]
    Absent(&'static str),
    /// A field that says nothing in an event of this kind.
    #[error("`{0}` says nothing in an event of this kind: leave it out, or correct the `event`")]
    NotHere(&'static str),
    /// A name that nothing has.
    #[error("there is no {what} {name} in this history")]
    Unknown {
        /// A worker, for one.
        what: &'static str,
        /// As it stands there.
        name: String,
    },
    /// A time no clock shows.
    #[error("a time that is out of range: give `time_ns` (above 0 in an exported run) or `time_ms`")]
    Time,
    /// A worker that cannot be two things.
    #[error("{0}")]
    Contradiction(String),
    /// Written by another version.
    #[error(
        "its header has format version {found}, this program reads version {known}; use the `verify` that wrote it"
    )]
    Version {
        /// Version it has.
        found: u32,
        /// Version this program reads.
        known: u32,
    },
}
