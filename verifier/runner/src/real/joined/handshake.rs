//! How a machine and a runner learn that the other knows the token, and fits.

use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::frame::{Frame, read_frame, write_words};
use super::token::Token;
use super::words::PROTOCOL;

/// How long either side waits for the other's next word.
const LIMIT: Duration = Duration::from_secs(5);

/// The machine's first word.
#[derive(Serialize, Deserialize)]
struct Hello {
    protocol: u32,
    nonce: String,
}

/// The runner's.
#[derive(Serialize, Deserialize)]
struct Challenge {
    protocol: u32,
    nonce: String,
    proof: Vec<u8>,
}

/// Who joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Joining {
    /// What it wants to be called.
    pub(crate) name: String,
    /// Version of its program.
    pub(crate) tool_version: String,
    /// Cores, memory, kernel.
    pub(crate) facts: String,
    /// Where its workers record.
    pub(crate) directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Join {
    proof: Vec<u8>,
    joining: Joining,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errands {
    /// The system.
    pub system: String,
    /// Where its cluster is, as typed for the runner.
    pub addresses: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
enum Answer {
    Welcome { errands: Errands },
    Refused { reason: String },
}

/// Why nobody was joined.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It does not know the token.
    #[error("it does not know the token")]
    Token,
    /// It does not fit.
    #[error("{0}")]
    Refused(String),
}

/// The machine's side.
///
/// # Errors
/// See [`HandshakeError`].
pub(crate) fn join(stream: &mut TcpStream, token: &Token, joining: Joining) -> Result<Errands, HandshakeError> {
    limit(stream)?;
    let mine = nonce();
    write_words(stream, &Hello { protocol: PROTOCOL, nonce: mine.clone() })?;
    let challenge: Challenge = words(stream)?;
    check_protocol(challenge.protocol)?;
    if !token.is_proved(&["runner", &mine, &challenge.nonce], &challenge.proof) {
        return Err(HandshakeError::Token);
    }
    let proof = token.prove(&["machine", &challenge.nonce, &mine]);
    write_words(stream, &Join { proof, joining })?;
    match words(stream)? {
        Answer::Welcome { errands } => Ok(errands),
        Answer::Refused { reason } => Err(HandshakeError::Refused(reason)),
    }
}

/// The runner's side. `why_not` says why who knows the token cannot join all the same.
///
/// # Errors
/// See [`HandshakeError`].
pub(crate) fn receive(
    stream: &mut TcpStream,
    token: &Token,
    errands: &Errands,
    why_not: impl FnOnce(&Joining) -> Option<String>,
) -> Result<Joining, HandshakeError> {
    limit(stream)?;
    let hello: Hello = words(stream)?;
    let mine = nonce();
    let proof = token.prove(&["runner", &hello.nonce, &mine]);
    write_words(stream, &Challenge { protocol: PROTOCOL, nonce: mine.clone(), proof })?;
    check_protocol(hello.protocol)?;
    let join: Join = words(stream)?;
    if !token.is_proved(&["machine", &mine, &hello.nonce], &join.proof) {
        let reason = String::from("it does not know the token");
        write_words(stream, &Answer::Refused { reason })?;
        return Err(HandshakeError::Token);
    }
    if let Some(reason) = why_not(&join.joining) {
        write_words(stream, &Answer::Refused { reason: reason.clone() })?;
        return Err(HandshakeError::Refused(reason));
    }
    write_words(stream, &Answer::Welcome { errands: errands.clone() })?;
    Ok(join.joining)
}

fn limit(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))
}

fn nonce() -> String {
    Uuid::new_v4().simple().to_string()
}

fn check_protocol(theirs: u32) -> Result<(), HandshakeError> {
    let told = || {
        format!("it speaks version {theirs} of the protocol, this program version {PROTOCOL}; use the same `verify`")
    };
    if theirs == PROTOCOL { Ok(()) } else { Err(HandshakeError::Refused(told())) }
}

fn words<W: DeserializeOwned>(stream: &mut TcpStream) -> Result<W, HandshakeError> {
    match read_frame(stream)? {
        Frame::Words(words) => Ok(words),
        Frame::Events { .. } => Err(HandshakeError::Refused(String::from("it sent events before it had joined"))),
    }
}
