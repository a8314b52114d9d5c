//! What GitHub Actions is told: a summary, annotations, and outputs for later steps
//! (<https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>).

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use delivery_report::{ChangeKind, Changes, Results, annotations, step_summary};

use crate::exit::CliError;

/// Tells what there is to tell, where this runs in a workflow.
///
/// # Errors
/// A file of the workflow, or standard output, that cannot be written.
pub(super) fn tell(results: &Results, changes: Option<&Changes>) -> Result<(), CliError> {
    if let Some(path) = set("GITHUB_STEP_SUMMARY") {
        append(path, &step_summary(results, changes))?;
    }
    if let Some((path, changes)) = set("GITHUB_OUTPUT").zip(changes) {
        let newly = changes.count(ChangeKind::NewlyViolated);
        append(path, &format!("changed={}\nnewly-violated={newly}\n", !changes.is_empty()))?;
    }
    if set("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        let mut stdout = std::io::stdout().lock();
        for annotation in annotations(results, changes) {
            writeln!(stdout, "{annotation}").map_err(CliError::Output)?;
        }
    }
    Ok(())
}

fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn append(path: OsString, text: &str) -> Result<(), CliError> {
    let path = PathBuf::from(path);
    let appended =
        OpenOptions::new().append(true).create(true).open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    appended.map_err(|cause| CliError::Create { path, cause })
}
