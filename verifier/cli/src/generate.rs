//! Completion scripts and the manual page, generated from the arguments themselves.

use std::io::Write;

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::CliError;

/// Prints a completion script.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<i32, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "verify", &mut script);
    print(&script)
}

/// Prints the manual page.
///
/// # Errors
/// When standard output cannot be written.
pub fn man() -> Result<i32, CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(CliError::Output)?;
    print(&page)
}

fn print(bytes: &[u8]) -> Result<i32, CliError> {
    std::io::stdout().write_all(bytes).map_err(CliError::Output)?;
    Ok(0)
}
