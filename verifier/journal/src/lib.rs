//! The journal of a matrix: `matrix.jsonl` in its directory, one record a line, appended and synced as things happen.
//!
//! ```text
//! DIR/matrix.jsonl      this
//! DIR/runs/<run id>/    ordinary run directories, each judged again by `verify check`
//! ```
//!
//! A matrix that was killed leaves a journal that ends anywhere, within a line too; what stands before that counts.

mod file;
mod read;
mod record;

pub use file::{JOURNAL_FILE, Journal, JournalError};
pub use read::Matrix;
pub use record::{
    Attempt, Cause, CellEntry, CellResult, CellStatus, Comparison, JOURNAL_FORMAT, MatrixEntry, Observed, Record,
    Window,
};
