//! From a recorded history to what is printed: the same path for a run and for `verify check`.

use std::io::Write;
use std::path::Path;

use delivery_checks::{Judgement, judge_and_draw};
use delivery_claims::judge_claims;
use delivery_history::manifest::Requirement;
use delivery_history::{History, RunDir, RunManifest};
use delivery_report::{Exporter, Html, Json, JudgedRun, Report, Style, Terminal, append_csv, exit_line};
use delivery_runner::check_requirements;

use crate::args::OutputArgs;
use crate::exit::CliError;
use crate::terminal::{use_color, use_unicode};

/// What was found in a run, in its directory.
pub const FINDINGS: &str = "findings.json";
/// The page of a run, in its directory.
const PAGE: &str = "report.html";

/// Judges a run from its directory alone.
///
/// # Errors
/// A history that cannot be read, or an unknown requirement: `required` replaces what the run was started with.
pub fn judge_run(run_dir: &RunDir, required: Option<Vec<Requirement>>) -> Result<JudgedRun, CliError> {
    let history = History::open(run_dir)?;
    let (judgement, picture) = judge_and_draw(&history.view());
    let mut manifest = history.manifest().clone();
    if let Some(required) = required {
        check_requirements(&required, manifest.lanes.iter().map(|lane| lane.name.as_str()))?;
        manifest.required = required;
    }
    let verdict = judge_claims(&manifest, &judgement);
    Ok(JudgedRun { manifest, judgement, verdict, picture: Some(picture) })
}

/// Judges, writes `findings.json` and `report.html`, prints; returns the exit code. `required` replaces what the
/// run was started with.
///
/// # Errors
/// A history that cannot be read, an unknown requirement, or an output that cannot be written.
pub fn judge_and_show(
    run_dir: &RunDir,
    required: Option<Vec<Requirement>>,
    output: &OutputArgs,
) -> Result<i32, CliError> {
    let judged = judge_run(run_dir, required)?;
    let report = judged.report();
    let document = document(&report)?;
    run_dir.write_text(FINDINGS, &String::from_utf8_lossy(&document))?;
    let mut page = Vec::new();
    Html { picture: judged.picture.as_ref() }.export(&report, &mut page)?;
    run_dir.write_text(PAGE, &String::from_utf8_lossy(&page))?;
    show(&report, Source::Run(as_typed(run_dir)), &document, output)
}

/// Prints what was found in a file of others'; returns the exit code. Nothing is written beside the file.
///
/// # Errors
/// An unknown requirement, or an output that cannot be written.
pub fn show_file(
    path: &Path,
    mut manifest: RunManifest,
    judgement: &Judgement,
    required: Vec<Requirement>,
    output: &OutputArgs,
) -> Result<i32, CliError> {
    check_requirements(&required, manifest.lanes.iter().map(|lane| lane.name.as_str()))?;
    manifest.required = required;
    let verdict = judge_claims(&manifest, judgement);
    let report = Report { manifest: &manifest, judgement, verdict: &verdict };
    let document = document(&report)?;
    show(&report, Source::File(path.display().to_string()), &document, output)
}

fn document(report: &Report<'_>) -> Result<Vec<u8>, CliError> {
    let mut document = Vec::new();
    Json.export(report, &mut document)?;
    Ok(document)
}

/// What was judged, as the user would type it.
enum Source {
    Run(String),
    File(String),
}

fn show(report: &Report<'_>, source: Source, document: &[u8], output: &OutputArgs) -> Result<i32, CliError> {
    if let Some(path) = &output.csv {
        append_csv(path, report)?;
    }
    let (code, line) = exit_line(report);
    if output.silent {
        return Ok(code);
    }
    let mut stdout = std::io::stdout().lock();
    if output.json {
        stdout.write_all(document).map_err(CliError::Output)?;
        if !output.quiet {
            eprintln!("{line}");
        }
    } else {
        let style = Style { colour: use_color(output.color), unicode: use_unicode() };
        let (run_dir, file) = match source {
            Source::Run(run_dir) => (Some(run_dir), None),
            Source::File(file) => (None, Some(file)),
        };
        Terminal { style, run_dir, file }.export(report, &mut stdout)?;
        writeln!(stdout, "{line}").map_err(CliError::Output)?;
    }
    stdout.flush().map_err(CliError::Output)?;
    Ok(code)
}

/// The run directory as short as it can be typed here.
fn as_typed(run_dir: &RunDir) -> String {
    let here = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok());
    let short = here.and_then(|here| run_dir.path().strip_prefix(here).ok().map(std::path::Path::to_owned));
    short.unwrap_or_else(|| run_dir.path().to_owned()).display().to_string()
}
