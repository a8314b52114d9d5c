//! Where machines join a run.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use delivery_history::machine::MAX_CLOCK_ERROR_NS;

use super::handshake::{Errands, Joining, receive};
use super::link::Link;
use super::machine::Joined;
use super::token::Token;
use crate::request::JoinedMachine;

/// How long a look for somebody who knocks is put off.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest name of a machine.
const MAX_NAME: usize = 63;

/// Why a run has not got its machines.
#[derive(Debug, thiserror::Error)]
pub enum ReceptionError {
    /// Nobody can join there.
    #[error("cannot listen on {address}: {cause}. Give --listen an address of this machine and a free port.")]
    Listen {
        /// As given.
        address: String,
        /// The system's error.
        cause: io::Error,
    },
    /// Too few came.
    #[error(
        "{came} of {wanted} machines joined within {limit_s} s{last}. Start `verify worker {address}` on each, with the same token, or give --machines-limit more."
    )]
    TooFew {
        /// Where they were to come to.
        address: String,
        /// How many came.
        came: usize,
        /// How many were to.
        wanted: u16,
        /// How long they were waited for, seconds.
        limit_s: u64,
        /// What was wrong with the last one that was sent away.
        last: String,
    },
    /// A clock that leaves too much open.
    #[error(
        "the clock of {name} can be compared with this machine's only to within {error_ms} ms, and {limit_ms} ms is the most that is of use. Choose machines that are nearer to each other."
    )]
    Clock {
        /// Whose.
        name: String,
        /// How well, milliseconds.
        error_ms: u64,
        /// The most that is of use, milliseconds.
        limit_ms: u64,
    },
    /// The user did not want to wait any longer.
    #[error("stopped while machines were waited for")]
    Stopped,
}

/// Where machines join.
#[derive(Debug)]
pub struct Reception {
    listener: TcpListener,
    address: String,
}

/// Who is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// How many machines.
    pub machines: u16,
    /// How long they are waited for.
    pub limit: Duration,
    /// What they know.
    pub token: &'a Token,
    /// What they are told.
    pub errands: &'a Errands,
}

impl Reception {
    /// Listens on `HOST:PORT`.
    ///
    /// # Errors
    /// [`ReceptionError::Listen`].
    pub fn open(address: &str) -> Result<Self, ReceptionError> {
        let failed = |cause| ReceptionError::Listen { address: address.to_owned(), cause };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_or_else(|_| address.to_owned(), |known| known.to_string());
        Ok(Self { listener, address })
    }

    /// Where that is, with the port that was chosen.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until all have joined, and every clock was compared.
    ///
    /// # Errors
    /// See [`ReceptionError`].
    pub fn wait(
        self,
        expected: &Expected<'_>,
        tell: &mut dyn FnMut(&str),
        should_stop: &dyn Fn() -> bool,
    ) -> Result<Joined, ReceptionError> {
        let until = Instant::now() + expected.limit;
        let mut machines: Vec<(JoinedMachine, Arc<Link>)> = Vec::new();
        let mut last = String::new();
        while machines.len() < usize::from(expected.machines) {
            if should_stop() {
                return Err(ReceptionError::Stopped);
            }
            machines.retain(|(_, link)| match link.gone() {
                None => true,
                Some(reason) => {
                    tell(&format!("{} left again: {reason}", link.name()));
                    false
                }
            });
            match self.listener.accept() {
                Ok((stream, peer)) => match self.admit(stream, expected, &machines) {
                    Ok((joining, link)) => {
                        let Joining { name, facts, .. } = joining;
                        tell(&format!("{name} joined from {} ({facts})", peer.ip()));
                        machines.push((JoinedMachine { name, address: peer.ip().to_string(), facts }, link));
                    }
                    Err(reason) => {
                        tell(&format!("{} was sent away: {reason}", peer.ip()));
                        last = format!(" ({} was sent away: {reason})", peer.ip());
                    }
                },
                Err(_) if Instant::now() >= until => {
                    return Err(ReceptionError::TooFew {
                        address: self.address,
                        came: machines.len(),
                        wanted: expected.machines,
                        limit_s: expected.limit.as_secs(),
                        last,
                    });
                }
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
        machines.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        machines.iter().try_for_each(|(_, link)| check_clock(link))?;
        Ok(Joined::new(machines))
    }

    fn admit(
        &self,
        mut stream: TcpStream,
        expected: &Expected<'_>,
        machines: &[(JoinedMachine, Arc<Link>)],
    ) -> Result<(Joining, Arc<Link>), String> {
        stream.set_nonblocking(false).map_err(|error| error.to_string())?;
        let joining = receive(&mut stream, expected.token, expected.errands, |joining| why_not(joining, machines))
            .map_err(|error| error.to_string())?;
        let link = Link::open(stream, &joining).map_err(|error| error.to_string())?;
        Ok((joining, link))
    }
}

fn why_not(joining: &Joining, machines: &[(JoinedMachine, Arc<Link>)]) -> Option<String> {
    let mine = env!("CARGO_PKG_VERSION");
    if joining.tool_version != mine {
        return Some(format!("it is verify {}, and the run is by verify {mine}; use the same", joining.tool_version));
    }
    if !is_name(&joining.name) {
        return Some(format!("`{}` is no name for a machine: letters, digits, `-`, `_` and `.`", joining.name));
    }
    let taken = machines.iter().any(|(machine, _)| machine.name == joining.name);
    taken.then(|| format!("a machine called {} has joined already; give another --name", joining.name))
}

/// It becomes a part of names of files.
pub(crate) fn is_name(text: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(letters) && !text.starts_with('.')
}

fn check_clock(link: &Link) -> Result<(), ReceptionError> {
    let error_ns = link.first_comparison().map_or(u64::MAX, |told| told.error_ns);
    if error_ns <= MAX_CLOCK_ERROR_NS {
        return Ok(());
    }
    Err(ReceptionError::Clock {
        name: link.name().to_owned(),
        error_ms: error_ns / 1_000_000,
        limit_ms: MAX_CLOCK_ERROR_NS / 1_000_000,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(reception: Reception, token: &Token, should_stop: &dyn Fn() -> bool) -> Result<Joined, ReceptionError> {
        let errands = Errands { system: String::from("kafka"), addresses: String::new() };
        let expected = Expected { machines: 1, limit: Duration::ZERO, token, errands: &errands };
        reception.wait(&expected, &mut |_| (), should_stop)
    }

    #[test]
    fn a_port_that_is_taken_is_named_with_the_option() {
        let first = Reception::open("127.0.0.1:0").unwrap();
        let told = Reception::open(first.address()).unwrap_err().to_string();
        assert!(told.contains(first.address()) && told.contains("--listen"), "{told}");
    }

    #[test]
    fn whoever_waits_in_vain_is_told_for_whom_and_may_stop() {
        let token = Token::new("0123456789abcdef").unwrap();
        let late = wait(Reception::open("127.0.0.1:0").unwrap(), &token, &|| false).unwrap_err();
        assert!(late.to_string().starts_with("0 of 1 machines joined within 0 s"), "{late}");
        let stopped = wait(Reception::open("127.0.0.1:0").unwrap(), &token, &|| true);
        assert!(matches!(stopped, Err(ReceptionError::Stopped)));
    }

    #[test]
    fn names_are_parts_of_names_of_files() {
        assert!(is_name("verify-workers-0") && is_name("m1.example"));
        assert!(!is_name("") && !is_name("..") && !is_name("a/b") && !is_name(".hidden") && !is_name(&"m".repeat(64)));
    }
}
