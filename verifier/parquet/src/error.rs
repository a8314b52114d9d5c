//! What can go wrong.

/// A history that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// The writer refused, or the file.
    #[error("the Parquet file could not be written: {0}. Is there room where it goes?")]
    Write(#[from] parquet::errors::ParquetError),
    /// The run's description.
    #[error("the run's manifest could not be written as JSON: {0}")]
    Manifest(#[from] serde_json::Error),
}
