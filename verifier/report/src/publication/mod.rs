//! Published tables: the results of many runs as files for readers and programs. Everything is derived from run directories
//! (and the journals of matrices, and an earlier publication), so publishing the same again gives the same bytes.

mod actions;
mod changes;
mod columns;
mod earlier;
mod expectations;
mod files;
mod junit;
mod markdown;
mod meaning;
mod names;
mod order;
mod readme;
mod results;

use std::collections::BTreeSet;

use delivery_checks::{Judgement, Picture};
use delivery_claims::RunVerdict;
use delivery_history::RunManifest;
use delivery_journal::Matrix;
use serde::{Deserialize, Serialize};

use crate::Report;

pub use actions::{annotations, step_summary};
pub use changes::{Change, ChangeKind, Changes};
pub use earlier::{Earlier, read_earlier};
pub(crate) use expectations::status_label;
pub use expectations::{Expectation, NotRun};
pub use files::{PublicationError, read_results, write_files};
pub(crate) use meaning::meaning;
pub(crate) use readme::tally;
pub(crate) use results::faults_as_typed;
pub use results::{Outcome, Provenance, RESULTS_FILE, RESULTS_SCHEMA, ResultRow, Results};

/// A run with all that is known of it.
#[derive(Clone, Debug)]
pub struct JudgedRun {
    /// What ran.
    pub manifest: RunManifest,
    /// What was found.
    pub judgement: Judgement,
    /// What it comes to.
    pub verdict: RunVerdict,
    /// The run over time; none where its history was thrown away.
    pub picture: Option<Picture>,
}

impl JudgedRun {
    /// The run as exporters take it.
    pub fn report(&self) -> Report<'_> {
        Report { manifest: &self.manifest, judgement: &self.judgement, verdict: &self.verdict }
    }
}

/// A run directory nothing could be made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// Name of the directory.
    pub directory: String,
    /// Why.
    pub reason: String,
}

/// What is published.
#[derive(Clone, Debug, Default)]
pub struct Publication {
    /// Runs, each once.
    pub runs: Vec<JudgedRun>,
    /// Matrices some of the runs belong to.
    pub matrices: Vec<Matrix>,
    /// Directories that are left out.
    pub left_out: Vec<LeftOut>,
    /// What was published before and stays, where nothing newer is about the same.
    pub onto: Option<Earlier>,
}

impl Publication {
    /// Identities of its own runs.
    fn run_ids(&self) -> BTreeSet<&str> {
        self.runs.iter().map(|run| run.manifest.run_id.as_str()).collect()
    }

    /// The tables as data: what the other files, and later publications, are made from.
    pub fn results(&self) -> Results {
        Results::of(self)
    }

    /// Puts everything into one order, whatever order it was found in; of a run that was found twice one stays.
    pub fn sort(&mut self) {
        let when = |run: &JudgedRun| (run.manifest.started_at.clone(), run.manifest.run_id.clone());
        // A run that was copied without its history is told of by the copy that has it.
        self.runs.sort_by_key(|run| (when(run), run.picture.is_none()));
        self.runs.dedup_by(|later, first| later.manifest.run_id == first.manifest.run_id);
        self.matrices.sort_by_key(|matrix| {
            matrix.entry.as_ref().map(|entry| (entry.started_at.clone(), entry.name.clone(), entry.seed))
        });
        self.left_out.sort();
        self.left_out.dedup();
    }
}
