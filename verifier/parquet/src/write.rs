//! A history as a file.

use std::io::Write;
use std::sync::Arc;

use delivery_history::HistoryView;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use crate::columns::Rows;
use crate::error::ParquetError;
use crate::schema::schema;

/// Name of the file's metadata that holds the whole `run.json`.
pub const MANIFEST_KEY: &str = "delivery-verifier.manifest";
/// Events of a row group: what is held in memory at a time, some 100 MB of columns.
const GROUP_ROWS: usize = 1 << 20;

/// Writes every event; how many those were.
///
/// # Errors
/// What the file or the format refuses.
pub fn write_parquet(view: &HistoryView<'_>, out: impl Write + Send) -> Result<u64, ParquetError> {
    let manifest = serde_json::to_string(view.manifest)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![KeyValue::new(String::from(MANIFEST_KEY), manifest)]))
        .build();
    let mut writer = SerializedFileWriter::new(out, schema()?, Arc::new(properties))?;
    let mut written = 0;
    for stream in &view.streams {
        for events in stream.events.chunks(GROUP_ROWS) {
            let mut group = writer.next_row_group()?;
            Rows { manifest: view.manifest, worker: stream.worker, events }.write(&mut group)?;
            group.close()?;
            written += events.len() as u64;
        }
    }
    writer.close()?;
    Ok(written)
}
