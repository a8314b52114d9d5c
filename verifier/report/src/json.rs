//! JSON: one document, for `--json` and `findings.json`.

use std::io::Write;

use crate::{Exporter, Report, ReportError, document};

/// Writes the document, indented, with a line break at its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Exporter for Json {
    fn name(&self) -> &'static str {
        "JSON"
    }

    fn export(&self, report: &Report<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
        let mut text = serde_json::to_string_pretty(&document(report))?;
        text.push('\n');
        out.write_all(text.as_bytes()).map_err(|cause| ReportError::Write { format: self.name(), cause })
    }
}
