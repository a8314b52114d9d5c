//! The columns.

use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;

/// One row an event. What an event does not say is null.
const SCHEMA: &str = "
    message event {
        required int64 time_ns;
        required binary worker (utf8);
        optional binary lane (utf8);
        optional binary consumer_group (utf8);
        required binary event (utf8);
        optional binary destination (utf8);
        optional int64 partition;
        optional int64 session;
        optional int64 sequence;
        optional int64 offset;
        optional int64 detail;
        required boolean redelivered;
        required boolean corrupt;
        required boolean foreign;
        required boolean self;
    }";

/// As the writer takes it.
pub(crate) fn schema() -> Result<Arc<Type>, ParquetError> {
    parse_message_type(SCHEMA).map(Arc::new)
}
