//! The last line of a run: the exit code and why.

use crate::Report;
use crate::terminal::MAX_COLUMNS;
use crate::words::{clean, shorten};

/// The exit code and the line that says it and why, on one line of at most [`MAX_COLUMNS`] columns.
pub fn exit_line(report: &Report<'_>) -> (i32, String) {
    let code = report.verdict.overall.exit_code();
    let reasons = &report.verdict.reasons;
    let first = reasons.first().map_or("", String::as_str);
    let more = if reasons.len() > 1 { format!(" (and {} more)", reasons.len() - 1) } else { String::new() };
    let start = format!("exit {code}: ");
    let room = MAX_COLUMNS.saturating_sub(start.len() + more.len());
    (code, format!("{start}{}{more}", shorten(&clean(first, false), room)))
}
