//! `verify matrix`: the cells of a file, run by run, against what is expected of each.

mod machine;
mod protocol;
#[cfg(target_os = "linux")]
mod runs;
mod session;
mod watchdog;

use std::path::{Path, PathBuf};
use std::time::Duration;

use delivery_broker::{ConfigError, InstallError};
use delivery_claims::Overall;
use delivery_journal::{CellEntry, CellResult, CellStatus, JOURNAL_FORMAT, Journal, Matrix, MatrixEntry, Record};
use delivery_matrix::{
    Carries, Cell, Cells, Engine, Keep, MatrixFile, Options, Outcome, Summary, Watcher, cells, length, listing,
    matches, result_line,
};
use delivery_runner::Interrupts;

use crate::args::{ColorChoice, KeepArg, MatrixArgs, OutputArgs};
use crate::commit::plan;
use crate::exit::{self, CliError};
use crate::run::{check_lanes, new_seed};
use crate::systems;
use crate::terminal::use_unicode;
use machine::Machine;
use protocol::{Opening, Told};
#[cfg(target_os = "linux")]
pub use runs::runs;

/// Runs the matrix; returns the exit code.
///
/// # Errors
/// A mistake in the file, with its place; a directory that holds another matrix; a journal that cannot be written.
pub fn matrix(args: &MatrixArgs) -> Result<i32, CliError> {
    let text =
        std::fs::read_to_string(&args.file).map_err(|cause| CliError::Input { path: args.file.clone(), cause })?;
    let file = MatrixFile::parse(&args.file.display().to_string(), &text)?;
    let mut cells = cells(&file, systems::ALL, args.repeat)?;
    choose(&mut cells, &args.only)?;
    if args.list {
        print!("{}", listing(cells.run.iter().map(|cell| &cell.entry).chain(&cells.listed)));
        return Ok(exit::HOLDS);
    }
    let mut machine = Machine::new(args.quiet)?;
    make_ready(&mut machine, &mut cells)?;
    let (options, mut journal, known) = open(args, &file, &cells)?;
    let opening = Opening { file: args.file.display().to_string(), text, repeat: args.repeat, quiet: args.quiet };
    machine.work_in(&options.directory, opening)?;
    let mut lines = Lines { unicode: use_unicode(), json: args.json };
    let outcome = Engine::new(&cells, &options, &mut journal, known).run(&mut machine, &mut lines)?;
    let journal = Matrix::read(&options.directory)?;
    show(args, &options.directory, &outcome, &journal)
}

/// A run of a matrix prints nothing by itself.
fn silent() -> OutputArgs {
    OutputArgs { json: false, quiet: true, color: ColorChoice::Never, csv: None, silent: true }
}

/// What a run says of itself once it is judged, or why it is not.
fn told(ran: Result<i32, CliError>, interrupts: &Interrupts) -> Told {
    let stopped = interrupts.were_asked() || matches!(ran, Err(CliError::Stopped));
    Told { stopped, trouble: ran.err().map(|error| error.to_string()) }
}

/// Leaves the cells that were asked for.
fn choose(cells: &mut Cells, only: &[String]) -> Result<(), CliError> {
    if only.is_empty() {
        return Ok(());
    }
    let wanted = |entry: &CellEntry| only.iter().any(|glob| matches(glob, &entry.name) || matches(glob, &entry.row));
    cells.run.retain(|cell| wanted(&cell.entry));
    cells.listed.retain(wanted);
    if cells.run.is_empty() && cells.listed.is_empty() {
        let globs = only.join(", ");
        return Err(CliError::Usage(format!("no cell matches {globs}; `verify matrix FILE --list` shows them")));
    }
    Ok(())
}

/// Makes every version ready before the first run. What the machine or a version does not have is listed with the reason.
fn make_ready(machine: &mut Machine, cells: &mut Cells) -> Result<(), CliError> {
    let mut ready: Vec<Cell> = Vec::with_capacity(cells.run.len());
    for cell in std::mem::take(&mut cells.run) {
        match missing(machine, &cell)? {
            None => ready.push(cell),
            Some(reason) => {
                let entry = CellEntry { not_run: Some(reason), repeat: 0, ..cell.entry };
                cells.listed.push(entry);
            }
        }
    }
    cells.run = ready;
    Ok(())
}

/// What keeps a cell from being run, if anything.
fn missing(machine: &mut Machine, cell: &Cell) -> Result<Option<String>, CliError> {
    let installation = match machine.install(cell) {
        Ok(installation) => installation,
        Err(CliError::Install(error @ InstallError::Config(ConfigError::Unknown { .. }))) => return Err(error.into()),
        Err(CliError::Install(error)) => return Ok(Some(error.to_string())),
        Err(CliError::Usage(problem) | CliError::CouldNotRun(problem)) => return Ok(Some(problem)),
        Err(error) => return Err(error),
    };
    let Some(installation) = installation else { return Ok(None) };
    let planned = plan(cell.system, &cell.request)?;
    match check_lanes(cell.system, &planned, installation) {
        Ok(()) => Ok(None),
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// The journal that is begun or gone on with, and what stands in it.
fn open(args: &MatrixArgs, file: &MatrixFile, cells: &Cells) -> Result<(Options, Journal, Matrix), CliError> {
    let name = args.file.file_stem().map_or_else(|| String::from("matrix"), |stem| stem.to_string_lossy().into_owned());
    let now = jiff::Timestamp::now();
    let default = || PathBuf::from("matrices").join(format!("{name}-{}", now.strftime("%Y%m%d-%H%M%S")));
    let directory = args.out.clone().unwrap_or_else(default);
    let known = if args.resume { Matrix::read(&directory)? } else { Matrix::default() };
    check_same(&known, cells)?;
    let mut journal = if args.resume { Journal::reopen(&directory)? } else { Journal::create(&directory)? };
    let written = known.entry.as_ref().map(|entry| entry.seed);
    let seed = written.or(args.seed).unwrap_or_else(new_seed);
    journal.append(&Record::Matrix(MatrixEntry {
        format: JOURNAL_FORMAT,
        name,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now.to_string(),
        seed,
    }))?;
    for entry in cells.run.iter().map(|cell| &cell.entry).chain(&cells.listed) {
        journal.append(&Record::Cell(entry.clone()))?;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = Options {
        retries: args.retries,
        seed,
        carries: Carries { cores, lanes: file.lanes },
        budget: file.budget_ms.map(Duration::from_millis),
        keep: if args.keep == KeepArg::Failing { Keep::Failing } else { Keep::All },
        directory,
    };
    Ok((options, journal, known))
}

/// A cell that is not what it was would be compared with runs of something else.
fn check_same(known: &Matrix, cells: &Cells) -> Result<(), CliError> {
    for cell in &cells.run {
        let Some(before) = known.cell(&cell.entry.name) else { continue };
        // How often it is run may change; who could not be run may now.
        let same = CellEntry { repeat: cell.entry.repeat, not_run: None, ..before.clone() } == cell.entry;
        if !same && known.attempts_of(&cell.entry.name).next().is_some() {
            return Err(CliError::Usage(format!(
                "cell {} is another one than was run there: give the matrix a directory of its own (--out)",
                cell.entry.name
            )));
        }
    }
    Ok(())
}

/// Finished cells, one line each.
struct Lines {
    unicode: bool,
    json: bool,
}

impl Watcher for Lines {
    fn settled(&mut self, cell: &CellEntry, result: &CellResult, took: Duration) {
        if !self.json {
            print!("{}", result_line(cell, result, took, self.unicode));
        }
    }
}

fn show(args: &MatrixArgs, directory: &Path, outcome: &Outcome, journal: &Matrix) -> Result<i32, CliError> {
    let summary = Summary::of(outcome.results.iter().map(|(_, result)| result.as_ref()));
    let (code, why) = exit_code(outcome, &summary, journal);
    let took: u64 = {
        let mut runs: Vec<(&str, u64)> =
            journal.attempts.iter().filter_map(|attempt| Some((attempt.run.as_deref()?, attempt.took_ms))).collect();
        runs.sort_unstable();
        runs.dedup();
        runs.iter().map(|(_, took_ms)| took_ms).sum()
    };
    let sentence = format!("{}; runs took {}", summary.sentence(), length(Duration::from_millis(took)));
    if args.json {
        let cells: Vec<serde_json::Value> = outcome
            .results
            .iter()
            .map(|(entry, result)| serde_json::json!({ "cell": entry, "result": result }))
            .collect();
        let document = serde_json::json!({ "exit_code": code, "directory": directory, "cells": cells });
        println!("{document:#}");
    } else {
        println!("{sentence}\nEverything stands in {}", directory.display());
        println!("exit {code}: {why}");
    }
    Ok(code)
}

/// Stopped, then surprising or violated, then anything that is open.
fn exit_code(outcome: &Outcome, summary: &Summary, journal: &Matrix) -> (i32, String) {
    let judged = |wanted: Overall| {
        let results = outcome.results.iter().filter_map(|(_, result)| result.as_ref());
        let judged = results.filter(|result| result.status == CellStatus::Judged);
        judged
            .filter(|result| {
                let mut seen = journal.attempts_of(&result.cell).filter_map(|attempt| attempt.observed.as_ref());
                seen.any(|seen| seen.verdict == wanted)
            })
            .count()
    };
    let (violated, unshown) = (judged(Overall::Violated), judged(Overall::Inconclusive));
    let ran = summary.agreed + summary.surprising + summary.inconclusive + summary.judged;
    if outcome.stopped {
        (exit::STOPPED, String::from("stopped by the user; --resume goes on"))
    } else if summary.surprising > 0 {
        (exit::VIOLATED, format!("{} surprising", summary.surprising))
    } else if violated > 0 {
        (exit::VIOLATED, format!("promises are broken in {violated} that nothing was expected of"))
    } else if summary.inconclusive + summary.open + unshown > 0 {
        (exit::INCONCLUSIVE, format!("{} inconclusive", summary.inconclusive + summary.open + unshown))
    } else if ran == 0 {
        (exit::INCONCLUSIVE, String::from("nothing was run"))
    } else {
        (exit::HOLDS, format!("{} as expected", summary.agreed + summary.judged))
    }
}
