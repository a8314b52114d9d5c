//! What can go wrong while a report is written.

use std::io;
use std::path::PathBuf;

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The output takes no more.
    #[error("cannot write the {format} report: {cause}. Check the disk, or where the output goes.")]
    Write {
        /// Name of the format.
        format: &'static str,
        /// What the system says.
        cause: io::Error,
    },
    /// The report has no form in JSON.
    #[error("cannot express the report as JSON: {0}. Please report this as a bug, with the run directory.")]
    Json(#[from] serde_json::Error),
    /// The CSV file cannot be opened, read or written.
    #[error("cannot append to {path}: {cause}. Give another file, or correct its permissions.")]
    CsvFile {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The CSV file has other columns: rows appended to it would mean something else.
    #[error(
        "{path} has other columns than this version writes ({difference}). Nothing was appended: give another file."
    )]
    CsvHeader {
        /// Which file.
        path: PathBuf,
        /// The first difference.
        difference: String,
    },
}
