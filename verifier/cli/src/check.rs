//! `verify check`: judges a run again from its directory alone, or a history that others recorded.

use std::path::Path;

use delivery_checks::jepsen::{LogOptions, judge_operations};
use delivery_checks::judgement::{EventCounts, Judgement};
use delivery_checks::{Options, judge_named};
use delivery_history::RunDir;
use delivery_history::RunManifest;
use delivery_history::import::read_operations;
use delivery_history::manifest::Requirement;
use delivery_history::plain::manifest::FILE_BACKEND;
use delivery_history::plain::{manifest, read_plain};

use crate::args::{CheckArgs, ImportFormat};
use crate::exit::CliError;
use crate::outcome;
use crate::run::requirements;

/// Judges what stands there; returns the exit code.
///
/// # Errors
/// A directory without a run, a file that is no history, a damaged or foreign file, an unknown requirement.
pub fn check(args: &CheckArgs) -> Result<i32, CliError> {
    let required = requirements(&args.require);
    let (manifest, judgement) = match args.format {
        None => return outcome::judge_and_show(&RunDir::open(&args.path)?, required, &args.output),
        Some(ImportFormat::Jepsen) => operations(&args.path, args.ww_deps)?,
        Some(ImportFormat::Jsonl) if args.ww_deps => {
            return Err(CliError::Usage(String::from("--ww-deps is about --format jepsen: leave it out here")));
        }
        Some(ImportFormat::Jsonl) => plain(&args.path)?,
    };
    let of_a_run = manifest.backend != FILE_BACKEND;
    let required =
        required.unwrap_or_else(|| if of_a_run { manifest.required.clone() } else { all_judged(&judgement) });
    outcome::show_file(&args.path, manifest, &judgement, required, &args.output)
}

/// A history of operations.
fn operations(path: &Path, ww_deps: bool) -> Result<(RunManifest, Judgement), CliError> {
    let text = read(path)?;
    let history = read_operations(&text).map_err(|cause| CliError::Import { path: path.to_owned(), cause })?;
    let judged = judge_operations(&history, LogOptions { ww_deps });
    let manifest = manifest::file_manifest(&name_of(path), "jepsen", true, judged.spans_ns / 1_000_000);
    Ok((manifest, judged.into_judgement(manifest::LANE)))
}

/// A history of events.
fn plain(path: &Path) -> Result<(RunManifest, Judgement), CliError> {
    let text = read(path)?;
    let history =
        read_plain(&text, &name_of(path)).map_err(|cause| CliError::Import { path: path.to_owned(), cause })?;
    let mut judgement = judge_named(&history.view(), &Options::default(), history.names.as_ref());
    // Lines are counted, not what they imply.
    let EventCounts { judged, not_judged } = judgement.events;
    judgement.events =
        EventCounts { judged: judged.saturating_sub(history.implied), not_judged: not_judged + history.not_judged };
    Ok((history.manifest, judgement))
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|cause| CliError::Input { path: path.to_owned(), cause })
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Nobody said what matters in a history of others: everything that can be judged does.
fn all_judged(judgement: &Judgement) -> Vec<Requirement> {
    let of_lane = judgement.lanes.iter().flat_map(|lane| {
        let name = |guarantee: &str| Requirement { lane: Some(lane.lane.clone()), guarantee: guarantee.to_owned() };
        lane.guarantees.iter().map(move |judged| name(judged.name.label())).collect::<Vec<_>>()
    });
    of_lane.collect()
}
