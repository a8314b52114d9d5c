//! What is told of a node that does not run.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use delivery_broker::RealSystem;

/// Bytes at the end of a log that are read: more than a node says while it starts.
const LOG_BYTES: u64 = 1 << 20;

/// What happened to a node, the reason its log gives, where the system can read one out of it, and
/// its last lines.
pub(super) fn node_trouble(real: Option<&dyn RealSystem>, log: &Path, what: &str, last_lines: &[String]) -> String {
    let reason = real.and_then(|real| real.explain(&end_of(log).ok()?));
    let what = reason.map_or_else(|| what.to_owned(), |reason| format!("{what}: {reason}"));
    if last_lines.is_empty() {
        return format!("{what}; it said nothing");
    }
    format!("{what}; the last lines of its log:\n  {}", last_lines.join("\n  "))
}

fn end_of(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let start = file.metadata()?.len().saturating_sub(LOG_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
