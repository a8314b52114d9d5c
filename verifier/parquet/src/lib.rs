//! Histories as Parquet: one row an event, in the order each worker recorded it, worker by worker.
//!
//! `docs/scale.md` says what the columns mean and counts lost messages with them.

mod columns;
mod error;
mod schema;
mod write;

pub use error::ParquetError;
pub use write::{MANIFEST_KEY, write_parquet};
