//! Verdicts for people and for programs: one exporter a format behind one trait.
//!
//! Every exporter is given the same three things: what ran, what was found, what it comes to.

mod csv_rows;
mod document;
mod error;
mod exit;
mod html;
mod json;
mod publication;
mod terminal;
mod words;

use std::io::Write;

use delivery_checks::judgement::{Judgement, LaneJudgement};
use delivery_claims::{LaneVerdict, RunVerdict};
use delivery_history::RunManifest;
use delivery_history::manifest::Lane;

pub use csv_rows::{Csv, append_csv};
pub use document::{Document, FaultEntry, LabelEntry, LaneEntry, RunEntry, SCHEMA, document};
pub use error::ReportError;
pub use exit::exit_line;
pub use html::Html;
pub use json::Json;
pub use publication::{
    Change, ChangeKind, Changes, Earlier, Expectation, JudgedRun, LeftOut, NotRun, Outcome, Provenance, Publication,
    PublicationError, RESULTS_FILE, RESULTS_SCHEMA, ResultRow, Results, annotations, read_earlier, read_results,
    step_summary, write_files,
};
pub use terminal::{MAX_COLUMNS, Style, Terminal, versions_table};

/// A judged run.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What ran.
    pub manifest: &'a RunManifest,
    /// What was found.
    pub judgement: &'a Judgement,
    /// What it comes to.
    pub verdict: &'a RunVerdict,
}

/// One output format.
pub trait Exporter {
    /// Name of the format.
    fn name(&self) -> &'static str;

    /// Writes the report.
    ///
    /// # Errors
    /// When `out` takes no more, or the report cannot be expressed in this format.
    fn export(&self, report: &Report<'_>, out: &mut dyn Write) -> Result<(), ReportError>;
}

/// One lane of a report; what was found is missing where nothing was judged.
#[derive(Clone, Copy)]
pub(crate) struct LaneView<'a> {
    pub(crate) lane: &'a Lane,
    pub(crate) judged: Option<&'a LaneJudgement>,
    pub(crate) verdict: Option<&'a LaneVerdict>,
}

impl<'a> Report<'a> {
    /// Lanes in the order of the manifest.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = LaneView<'a>> + use<'a> {
        let Self { manifest, judgement, verdict } = *self;
        manifest.lanes.iter().map(move |lane| LaneView {
            lane,
            judged: judgement.lanes.iter().find(|judged| judged.lane == lane.name),
            verdict: verdict.lane(&lane.name),
        })
    }
}
