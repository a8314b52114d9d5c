//! `verify prune`: takes away run directories that are not worth their space.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use delivery_claims::Overall;
use delivery_history::RunDir;
use delivery_history::manifest::RunStatus;
use delivery_journal::{CellStatus, JOURNAL_FILE, Journal, Matrix, Record};
use delivery_matrix::{cut_down, remove, size_bytes};
use delivery_report::Document;

use crate::args::PruneArgs;
use crate::exit::{self, CliError};

/// Takes them away, or says what would go; returns the exit code.
///
/// # Errors
/// A directory that cannot be read, or a run that cannot be removed.
pub fn prune(args: &PruneArgs) -> Result<i32, CliError> {
    if args.dir.join(JOURNAL_FILE).is_file() { of_matrix(args) } else { of_runs(args) }
}

/// Runs by themselves go whole. The newest stays: `latest` leads to it.
fn of_runs(args: &PruneArgs) -> Result<i32, CliError> {
    let newest = fs::canonicalize(args.dir.join("latest")).ok();
    let mut told = Told::default();
    for run in run_dirs(&args.dir)? {
        let is_newest = newest.is_some() && fs::canonicalize(&run).ok() == newest;
        let worth = is_newest || !is_over(&run) || !is_older(&run, args.older_than) || (!args.all && is_failing(&run));
        told.take(&run, worth, args.dry_run, remove)?;
    }
    told.show(args.dry_run, "removed");
    Ok(exit::HOLDS)
}

/// Runs of a matrix keep their documents: its tables are made of them.
fn of_matrix(args: &PruneArgs) -> Result<i32, CliError> {
    let matrix = Matrix::read(&args.dir)?;
    let failing: Vec<&String> = matrix
        .results
        .iter()
        .filter(|result| matches!(result.status, CellStatus::Surprising | CellStatus::Inconclusive))
        .flat_map(|result| matrix.attempts_of(&result.cell).filter_map(|attempt| attempt.run.as_ref()))
        .collect();
    let mut told = Told::default();
    let mut runs = Vec::new();
    for run in run_dirs(&args.dir.join("runs"))? {
        let name = format!("runs/{}", run.file_name().unwrap_or_default().to_string_lossy());
        if matrix.pruned.contains(&name) {
            continue;
        }
        // A run the journal says nothing of is that of a matrix which is on, or was stopped in it.
        let settled = matrix.attempts.iter().any(|attempt| attempt.run.as_ref() == Some(&name));
        let failing = failing.contains(&&name) || is_failing(&run) && !agreed(&matrix, &name);
        let worth = !settled || !is_over(&run) || !is_older(&run, args.older_than) || (!args.all && failing);
        if told.take(&run, worth, args.dry_run, cut_down)? {
            runs.push(name);
        }
    }
    if !runs.is_empty() && !args.dry_run {
        Journal::reopen(&args.dir)?.append(&Record::Pruned { runs })?;
    }
    told.show(args.dry_run, "cut down to their documents");
    Ok(exit::HOLDS)
}

/// Every cell the run was made for came out as expected: what its verdict is matters no more.
fn agreed(matrix: &Matrix, run: &str) -> bool {
    let mut cells = matrix.attempts.iter().filter(|attempt| attempt.run.as_deref() == Some(run));
    cells.all(|attempt| matrix.result(&attempt.cell).is_some_and(|result| result.status == CellStatus::Agreed))
}

/// The directories of runs below, by name. Links are none.
fn run_dirs(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let unreadable = |cause| CliError::Input { path: directory.to_owned(), cause };
    let mut runs = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_directory = entry.file_type().map_err(unreadable)?.is_dir();
        if is_directory && entry.path().join("run.json").is_file() {
            runs.push(entry.path());
        }
    }
    runs.sort();
    Ok(runs)
}

/// A run that says it is running may be on, or may have been killed: it stays.
fn is_over(run: &Path) -> bool {
    let manifest = RunDir::open(run).and_then(|run_dir| run_dir.read_manifest());
    manifest.is_ok_and(|manifest| manifest.status != RunStatus::Running)
}

fn is_older(run: &Path, than: Option<Duration>) -> bool {
    let Some(than) = than else { return true };
    let written = fs::metadata(run.join("run.json")).and_then(|metadata| metadata.modified());
    let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
    age.is_some_and(|age| age > than)
}

/// Violated, inconclusive or never judged.
fn is_failing(run: &Path) -> bool {
    let text = fs::read(run.join("findings.json")).ok();
    let document = text.and_then(|text| serde_json::from_slice::<Document>(&text).ok());
    document.is_none_or(|document| matches!(document.verdict, Overall::Violated | Overall::Inconclusive))
}

#[derive(Default)]
struct Told {
    taken: usize,
    kept: usize,
    bytes: u64,
}

impl Told {
    /// Takes a run away unless it is worth keeping; says whether it went (or would go).
    fn take(
        &mut self,
        run: &Path,
        worth: bool,
        dry_run: bool,
        away: impl Fn(&Path) -> std::io::Result<()>,
    ) -> Result<bool, CliError> {
        if worth {
            self.kept += 1;
            return Ok(false);
        }
        let before = size_bytes(run);
        if !dry_run {
            away(run).map_err(|cause| CliError::Create { path: run.to_owned(), cause })?;
            self.bytes += before.saturating_sub(size_bytes(run));
        } else {
            println!("{}", run.display());
            self.bytes += before;
        }
        self.taken += 1;
        Ok(true)
    }

    fn show(&self, dry_run: bool, how: &str) {
        let megabytes = self.bytes as f64 / 1e6;
        let would = if dry_run { "would be " } else { "" };
        println!("{} runs {would}{how}, {megabytes:.1} MB; {} kept", self.taken, self.kept);
    }
}
