//! How a machine reaches the run that it is to join.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::handshake::{Errands, HandshakeError, Joining, join};
use super::token::Token;
use crate::machine_facts::machine_facts;

/// How often a runner that does not answer yet is dialled.
const DIAL_EVERY: Duration = Duration::from_millis(500);
/// How long one call may take.
const DIAL_LIMIT: Duration = Duration::from_secs(5);

/// Which run to join, and as whom.
#[derive(Debug)]
pub struct WorkerRequest {
    /// `HOST:PORT` of the runner.
    pub runner: String,
    /// What it and this machine know.
    pub token: Token,
    /// What this machine is called in the run.
    pub name: String,
    /// How long the runner is waited for.
    pub limit: Duration,
    /// Where workers record until it is handed over; the system's place for such where nobody says.
    pub directory: Option<PathBuf>,
}

/// Why a machine did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It was sent away, or has no business there: bad usage.
    #[error("{runner} sent this machine away: {reason}")]
    SentAway {
        /// Where.
        runner: String,
        /// Why.
        reason: String,
    },
    /// Nobody there knows the token.
    #[error("{runner} does not know the token of this machine: give both the same --token-file or VERIFY_WORKER_TOKEN")]
    Token {
        /// Where.
        runner: String,
    },
    /// Nobody answered.
    #[error(
        "no run answered at {runner} within {limit_s} s: {cause}. Start the run there with --machines, and check the address."
    )]
    NoRunner {
        /// Where.
        runner: String,
        /// How long it was dialled, seconds.
        limit_s: u64,
        /// The last failure.
        cause: String,
    },
    /// What clients need to get in.
    #[error("{0}")]
    Access(String),
    /// The connection broke in the middle, and with it the run.
    #[error("the run at {runner} is gone: {cause}")]
    RunnerGone {
        /// Where.
        runner: String,
        /// How that showed.
        cause: String,
    },
    /// A folder that cannot be made.
    #[error("cannot make a folder to record in: {0}. Give another with --dir.")]
    Directory(io::Error),
}

/// Calls until somebody answers.
///
/// # Errors
/// See [`AgentError`].
pub(super) fn dial(request: &WorkerRequest, directory: &Path) -> Result<(TcpStream, Errands), AgentError> {
    let until = Instant::now() + request.limit;
    let joining = Joining {
        name: request.name.clone(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        facts: machine_facts(),
        directory: directory.to_owned(),
    };
    loop {
        let runner = request.runner.clone();
        let cause = match try_once(request, joining.clone()) {
            Ok(joined) => return Ok(joined),
            Err(HandshakeError::Token) => return Err(AgentError::Token { runner }),
            Err(HandshakeError::Refused(reason)) => return Err(AgentError::SentAway { runner, reason }),
            Err(HandshakeError::Io(cause)) => cause.to_string(),
        };
        if Instant::now() + DIAL_EVERY >= until {
            return Err(AgentError::NoRunner { runner, limit_s: request.limit.as_secs(), cause });
        }
        std::thread::sleep(DIAL_EVERY);
    }
}

fn try_once(request: &WorkerRequest, joining: Joining) -> Result<(TcpStream, Errands), HandshakeError> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in request.runner.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, DIAL_LIMIT) {
            Ok(mut stream) => {
                let errands = join(&mut stream, &request.token, joining)?;
                return Ok((stream, errands));
            }
            Err(error) => last = error,
        }
    }
    Err(last.into())
}
