//! The terminal table: the sentence a person needs, what ran, the evidence, a row a lane, one witness, where to look.

mod evidence;
mod findings;
mod groups;
mod header;
mod headline;
mod lanes;
mod notes;
mod page;
mod queues;
mod transactions;
mod versions;
mod witness;

use std::io::Write;

use delivery_checks::judgement::EventCounts;

use crate::{Exporter, Report, ReportError};
use page::{Page, Tone};

pub(crate) use evidence::fault_line;
pub(crate) use header::what_ran;
pub(crate) use headline::{loss_base, lost_count, why_unshown};
pub use versions::versions_table;

/// No line is wider.
pub const MAX_COLUMNS: usize = 100;

/// How the table may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Colours, which say nothing that the marks do not say.
    pub colour: bool,
    /// Characters beyond ASCII.
    pub unicode: bool,
}

/// The sentences a person needs, without their colours.
pub(crate) fn headline_sentences(report: &Report<'_>) -> Vec<String> {
    headline::sentences(report).into_iter().map(|(sentence, _)| sentence).collect()
}

/// A paragraph whose further lines are indented by `indent` columns.
pub(crate) fn wrapped(text: &str, indent: usize, style: Style) -> String {
    let mut page = Page::new(style);
    page.paragraph(text, indent, Tone::Plain);
    page.finish()
}

/// Prints the table.
#[derive(Clone, Debug, Default)]
pub struct Terminal {
    /// How it may look.
    pub style: Style,
    /// Run directory, as the user would type it; `runs/<id>` where none is given.
    pub run_dir: Option<String>,
    /// The file a history of others' was read from, as the user typed it: there is no run directory then.
    pub file: Option<String>,
}

impl Exporter for Terminal {
    fn name(&self) -> &'static str {
        "terminal"
    }

    fn export(&self, report: &Report<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
        let mut page = Page::new(self.style);
        headline::write(report, &mut page);
        page.gap();
        header::write(report, &mut page);
        evidence::write_faults(report, &mut page);
        page.gap();
        lanes::write(report, &mut page);
        page.gap();
        queues::write(report, &mut page);
        groups::write(report, &mut page);
        transactions::write(report, &mut page);
        findings::write(report, &mut page);
        evidence::write_sides(report, &mut page);
        evidence::write_strength(report, &mut page);
        evidence::write_availability(report, &mut page);
        notes::write_label(report, &mut page);
        notes::write_claims(report, &mut page);
        notes::write_settings(report, &mut page);
        notes::write_doubts(report, &mut page);
        witness::write(report, &mut page);
        if self.file.is_some() || report.judgement.events != EventCounts::default() {
            notes::write_events(report, &mut page);
        }
        match &self.file {
            Some(file) => notes::write_where_else(file, &mut page),
            None => notes::write_where_to_look(report, self.run_dir.as_deref(), &mut page),
        }
        out.write_all(page.finish().as_bytes()).map_err(|cause| ReportError::Write { format: self.name(), cause })
    }
}
