//! From directories to judged runs: the same path as `verify check`, run by run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use delivery_history::RunDir;
use delivery_journal::{JOURNAL_FILE, Matrix};
use delivery_report::{Document, JudgedRun, LeftOut, Publication};

use crate::exit::CliError;
use crate::outcome::{FINDINGS, judge_run};

/// Directories within directories that are looked into.
const MAX_DEPTH: usize = 4;

/// Judges every run in the directories, and reads the journals of matrices among them.
///
/// # Errors
/// A directory that is not there, or that holds no run and no matrix.
pub(super) fn collect(directories: &[PathBuf], quiet: bool) -> Result<Publication, CliError> {
    let (mut runs, mut matrices) = (BTreeSet::new(), BTreeSet::new());
    for directory in directories {
        let found = runs.len() + matrices.len();
        let canonical = directory.canonicalize().map_err(|cause| CliError::Input { path: directory.clone(), cause })?;
        look_into(&canonical, MAX_DEPTH, &mut runs, &mut matrices)
            .map_err(|cause| CliError::Input { path: directory.clone(), cause })?;
        if runs.len() + matrices.len() == found && !is_within(&canonical, &runs) {
            let message =
                format!("{} holds no run directory and no matrix; give runs, or where they are", directory.display());
            return Err(CliError::Usage(message));
        }
    }
    let mut publication = Publication::default();
    for directory in &matrices {
        publication.matrices.push(Matrix::read(directory)?);
    }
    for (number, directory) in runs.iter().enumerate() {
        if !quiet {
            eprintln!("judging {} ({} of {})", name_of(directory), number + 1, runs.len());
        }
        match read(directory) {
            Ok(run) => publication.runs.push(run),
            Err(error) => publication.left_out.push(left_out(directory, &error)),
        }
    }
    publication.sort();
    Ok(publication)
}

/// A directory that was named twice, or together with one around it, adds nothing the second time.
fn is_within(directory: &Path, runs: &BTreeSet<PathBuf>) -> bool {
    runs.iter().any(|run| run.starts_with(directory))
}

/// Finds runs and journals. Links are not followed: `latest` is one of the others.
fn look_into(
    directory: &Path,
    depth: usize,
    runs: &mut BTreeSet<PathBuf>,
    matrices: &mut BTreeSet<PathBuf>,
) -> std::io::Result<()> {
    if directory.join("run.json").is_file() {
        runs.insert(directory.to_owned());
        return Ok(());
    }
    if directory.join(JOURNAL_FILE).is_file() {
        matrices.insert(directory.to_owned());
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            look_into(&entry.path(), depth - 1, runs, matrices)?;
        }
    }
    Ok(())
}

/// A run; where its history was thrown away, what it had been found to show.
fn read(directory: &Path) -> Result<JudgedRun, CliError> {
    let run_dir = RunDir::open(directory)?;
    if directory.join("history").is_dir() {
        return judge_run(&run_dir, None);
    }
    let manifest = run_dir.read_manifest()?;
    let path = directory.join(FINDINGS);
    let text = fs::read(&path).map_err(|cause| CliError::Input { path: path.clone(), cause })?;
    let document: Document = serde_json::from_slice(&text)
        .map_err(|error| CliError::Usage(format!("cannot read {}: {error}", path.display())))?;
    let (judgement, verdict) = document.read_back();
    Ok(JudgedRun { manifest, judgement, verdict, picture: None })
}

/// Told by name: where a run stood on some machine is nobody's business.
fn left_out(directory: &Path, error: &CliError) -> LeftOut {
    let name = name_of(directory);
    let reason = error.to_string().replace(&directory.display().to_string(), &name);
    LeftOut { directory: name, reason }
}

fn name_of(directory: &Path) -> String {
    directory.file_name().unwrap_or(directory.as_os_str()).to_string_lossy().into_owned()
}
