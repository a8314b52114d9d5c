//! `verify worker`: this machine joins a run that is started elsewhere, and runs clients of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use delivery_broker::Access;
use delivery_runner::{AgentError, Errands, TOKEN_VARIABLE, Token, WorkerRequest, serve};

use crate::args::WorkerArgs;
use crate::exit::{self, CliError};
use crate::external::way_in;
use crate::systems;

/// How long a run is waited for where nobody says.
pub(crate) const JOIN_LIMIT: Duration = Duration::from_secs(300);

/// Joins a run; returns the exit code once that is over.
///
/// # Errors
/// What keeps it from doing its part.
pub fn worker(args: &WorkerArgs) -> Result<i32, CliError> {
    let request = WorkerRequest {
        runner: args.runner.clone(),
        token: token(args.token_file.as_ref())?,
        name: args.name.clone().unwrap_or_else(host_name),
        limit: args.join_limit.unwrap_or(JOIN_LIMIT),
        directory: args.dir.clone(),
    };
    let mut tell = |line: &str| {
        if !args.quiet {
            eprintln!("{line}");
        }
    };
    serve(&request, |errands| access(args, errands), &mut tell).map_err(told)?;
    tell("the run is over, and everything was handed over");
    Ok(exit::HOLDS)
}

/// From the file, or from the environment.
///
/// # Errors
/// When there is none, or it is short.
pub(crate) fn token(file: Option<&PathBuf>) -> Result<Token, CliError> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path).map_err(|cause| CliError::Input { path: path.clone(), cause })?,
        None => std::env::var(TOKEN_VARIABLE).unwrap_or_default(),
    };
    if text.trim().is_empty() {
        return Err(CliError::Usage(format!(
            "a run and the machines that join it must know the same token: give each the same --token-file FILE or {TOKEN_VARIABLE}"
        )));
    }
    Token::new(&text).map_err(|error| CliError::Usage(error.to_string()))
}

/// What clients of this machine prove themselves with: of its own file and environment.
fn access(args: &WorkerArgs, errands: &Errands) -> Result<Arc<Access>, String> {
    let system = systems::find(&errands.system).map_err(|error| error.to_string())?;
    let external = system.real().and_then(|real| real.external());
    let external = external.ok_or_else(|| format!("{} has no clients of its own", system.info().title))?;
    let contact = way_in(external, errands.addresses.clone(), args.client_config.clone());
    Ok(contact.map_err(|error| error.to_string())?.access)
}

fn told(error: AgentError) -> CliError {
    match error {
        AgentError::SentAway { .. } | AgentError::Token { .. } | AgentError::Access(_) => {
            CliError::Usage(error.to_string())
        }
        _ => CliError::CouldNotRun(error.to_string()),
    }
}

/// What this machine calls itself, up to the first dot.
fn host_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let first = name.split('.').next().unwrap_or_default();
    if first.is_empty() { String::from("machine") } else { first.to_owned() }
}
