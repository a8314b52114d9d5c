//! `verify report`: the results of many runs as published tables, and what changed against earlier ones.

mod collect;
mod github;

use std::io::Write as _;

use delivery_report::{
    ChangeKind, Changes, Outcome, Publication, ResultRow, Results, Style, read_earlier, read_results, write_files,
};

use crate::args::ReportArgs;
use crate::exit::{self, CliError};
use crate::terminal::use_unicode;

/// Judges the runs and writes the tables; returns the exit code.
///
/// # Errors
/// Directories without a run, earlier tables that cannot be read, a place that cannot be written.
pub fn report(args: &ReportArgs) -> Result<i32, CliError> {
    // Read first: the new tables may take the place of the earlier ones.
    let earlier = args.since.as_deref().map(read_results).transpose()?;
    let onto = args.onto.as_deref().map(read_earlier).transpose()?;
    let publication = Publication { onto, ..collect::collect(&args.directories, args.quiet)? };
    let results = write_files(&publication, &args.out)?;
    let changes = earlier.map(|earlier| Changes::between(&earlier, &results));
    github::tell(&results, changes.as_ref())?;
    show(args, &publication, &results, changes.as_ref())
}

fn show(
    args: &ReportArgs,
    publication: &Publication,
    results: &Results,
    changes: Option<&Changes>,
) -> Result<i32, CliError> {
    let mut text = String::new();
    let all = [Outcome::Violated, Outcome::Inconclusive, Outcome::AsAdvertised, Outcome::Holds];
    let counts: Vec<String> = all.map(|outcome| format!("{} {}", results.count(outcome), outcome.label())).to_vec();
    text.push_str(&format!(
        "{} results of {} runs: {}.\nWritten to {}: {}, {}.\n",
        results.results.len(),
        results.runs,
        counts.join(", "),
        args.out.display(),
        results.files.join(", "),
        delivery_report::RESULTS_FILE
    ));
    if args.onto.is_some() {
        let own = |row: &&ResultRow| !publication.runs.iter().any(|run| run.manifest.run_id == row.run.id);
        let kept = results.results.iter().filter(own).count();
        let results = if kept == 1 { "result" } else { "results" };
        text.push_str(&format!("Kept as published before: {kept} {results}.\n"));
    }
    for left in &results.left_out {
        text.push_str(&format!("Left out: {}: {}\n", left.directory, left.reason));
    }
    if let Some(changes) = changes {
        text.push_str(&changes.to_text(Style { colour: false, unicode: use_unicode() }));
    }
    let newly = changes.map_or(0, |changes| changes.count(ChangeKind::NewlyViolated));
    let (code, why) = match (changes, newly) {
        (Some(_), 0) => (exit::HOLDS, String::from("nothing is newly violated")),
        (Some(_), newly) => (exit::VIOLATED, format!("{newly} newly violated")),
        (None, _) => (exit::HOLDS, String::from("the tables are written")),
    };
    text.push_str(&format!("exit {code}: {why}\n"));
    std::io::stdout().write_all(text.as_bytes()).map_err(CliError::Output)?;
    Ok(code)
}
