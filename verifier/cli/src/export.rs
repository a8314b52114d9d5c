//! `verify export`: a run's history in formats of other programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use delivery_history::export::write_operations;
use delivery_history::plain::{ExportError, write_csv, write_jsonl};
use delivery_history::{History, HistoryView, RunDir};

use crate::args::{ExportArgs, ExportFormat};
use crate::exit::CliError;

/// Writes the history; returns the exit code.
///
/// # Errors
/// A directory without a run, a damaged history, a file that cannot be written.
pub fn export(args: &ExportArgs) -> Result<i32, CliError> {
    let write = match args.format {
        ExportFormat::Jsonl => jsonl,
        ExportFormat::Csv => csv,
        ExportFormat::Jepsen => jepsen,
        ExportFormat::Parquet => return columns(args),
    };
    let history = History::open(&RunDir::open(&args.run_dir)?)?;
    let view = history.view();
    let written = match &args.out {
        Some(path) => {
            let file = File::create(path).map_err(|cause| CliError::Create { path: path.clone(), cause })?;
            write(&view, &mut BufWriter::new(file))
        }
        None => write(&view, &mut BufWriter::new(io::stdout().lock())),
    };
    match written {
        // Whoever reads has seen enough.
        Err(error) if error.is_broken_pipe() => Ok(0),
        written => written.map(|()| 0).map_err(CliError::Export),
    }
}

/// Writes columns, which go into a file: their index stands at its end.
#[cfg(feature = "parquet")]
fn columns(args: &ExportArgs) -> Result<i32, CliError> {
    let path = args.out.as_ref().ok_or_else(|| CliError::Usage(String::from("say where to: --out FILE.parquet")))?;
    let history = History::open(&RunDir::open(&args.run_dir)?)?;
    let file = File::create(path).map_err(|cause| CliError::Create { path: path.clone(), cause })?;
    let written = delivery_parquet::write_parquet(&history.view(), BufWriter::new(file))?;
    eprintln!("{written} events written to {}", path.display());
    Ok(0)
}

#[cfg(not(feature = "parquet"))]
fn columns(_args: &ExportArgs) -> Result<i32, CliError> {
    Err(CliError::Usage(String::from("this verify was built without Parquet; build it with `--features parquet`")))
}

fn jsonl(view: &HistoryView<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    write_jsonl(view, out)
}

fn csv(view: &HistoryView<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    write_csv(view, out)
}

fn jepsen(view: &HistoryView<'_>, out: &mut dyn Write) -> Result<(), ExportError> {
    let exported = write_operations(view, out)?;
    eprintln!(
        "{} operations written; {} events have no words in this format and are left out",
        exported.operations, exported.left_out
    );
    Ok(())
}
