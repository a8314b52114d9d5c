//! One TCP connection to one node, with a time limit on everything.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use delivery_broker::{ClientError, Reason};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use super::security::{Security, Stream, Talk};

/// Largest answer that is read; a fetch asks for far less.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Name this program gives itself in the brokers' logs.
const CLIENT_ID: &str = "delivery-verifier";

/// Why a node gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// No answer in time.
    #[error("no answer within the time limit")]
    TimedOut,
    /// The connection could not be made, or broke.
    #[error("connection failed: {0}")]
    Transport(io::Error),
    /// The node proves to be another, or takes nobody with our certificate.
    #[error("TLS failed: {0}")]
    Certificate(String),
    /// The node does not let us in.
    #[error("login failed: {0}")]
    Login(String),
    /// The answer is not what the protocol says.
    #[error("answer could not be read: {0}")]
    Malformed(String),
}

impl WireError {
    /// The word events have for it.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::TimedOut => Reason::TimedOut,
            Self::Transport(_) | Self::Certificate(_) => Reason::Transport,
            Self::Login(_) => Reason::NotAuthorised,
            Self::Malformed(_) => Reason::Other,
        }
    }

    /// The error a caller of `target` sees.
    pub(crate) fn into_client_error(self, target: &str) -> ClientError {
        ClientError::Unreachable { target: target.to_owned(), cause: self.to_string() }
    }
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::TimedOut,
            _ => Self::Transport(error),
        }
    }
}

/// A request, as this program speaks it: one version that every broker from 3.3.1 on knows.
pub(crate) trait Call: Encodable + HeaderVersion {
    /// Its number.
    const KEY: ApiKey;
    /// The version that is spoken.
    const VERSION: i16;
    /// What is answered.
    type Answer: Decodable + HeaderVersion;
}

/// Where a node is, and how it is talked to.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// Name or IP address.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// TLS and login; nothing for a plain connection.
    pub(crate) security: Option<Arc<Security>>,
}

/// A connection that is made when it is needed and dropped at the first failure, so that an
/// answer that comes too late is never taken for the answer to a later question.
pub(crate) struct Connection {
    endpoint: Endpoint,
    stream: Option<Stream>,
    correlation_id: i32,
}

impl Connection {
    /// A connection to be made.
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, stream: None, correlation_id: 0 }
    }

    /// Asks and waits for the answer until `deadline`.
    pub(crate) fn call<Q: Call>(&mut self, question: &Q, deadline: Instant) -> Result<Q::Answer, WireError> {
        let answered = self.exchange(question, deadline);
        if answered.is_err() {
            self.stream = None;
        }
        answered
    }

    fn exchange<Q: Call>(&mut self, question: &Q, deadline: Instant) -> Result<Q::Answer, WireError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(open(&self.endpoint, deadline)?),
        };
        self.correlation_id = self.correlation_id.wrapping_add(1);
        exchange(stream, question, self.correlation_id, deadline)
    }
}

fn exchange<Q: Call>(
    stream: &mut Stream,
    question: &Q,
    correlation_id: i32,
    deadline: Instant,
) -> Result<Q::Answer, WireError> {
    let request = encode(question, correlation_id)?;
    stream.socket().set_write_timeout(Some(remaining(deadline)?))?;
    stream.write_all(&request)?;
    let mut answer = read_frame(stream, deadline)?;
    decode::<Q>(&mut answer, correlation_id)
}

fn remaining(deadline: Instant) -> Result<Duration, WireError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(WireError::TimedOut) } else { Ok(left) }
}

/// A connection that is being made, for the questions of the login.
struct Beginning<'a>(&'a mut Stream);

impl Talk for Beginning<'_> {
    fn ask<Q: Call>(&mut self, question: &Q, deadline: Instant) -> Result<Q::Answer, WireError> {
        exchange(self.0, question, 0, deadline)
    }
}

fn open(endpoint: &Endpoint, deadline: Instant) -> Result<Stream, WireError> {
    let socket = connect(endpoint, deadline)?;
    let Some(security) = &endpoint.security else { return Ok(Stream::Plain(socket)) };
    socket.set_read_timeout(Some(remaining(deadline)?))?;
    socket.set_write_timeout(Some(remaining(deadline)?))?;
    let mut stream = security.wrap(socket, &endpoint.host)?;
    security.log_in(&mut Beginning(&mut stream), deadline)?;
    Ok(stream)
}

/// A name may have several addresses: the first that answers.
fn connect(endpoint: &Endpoint, deadline: Instant) -> Result<TcpStream, WireError> {
    let mut last = WireError::Transport(io::Error::new(io::ErrorKind::NotFound, "its name has no address"));
    let addresses: Vec<SocketAddr> = (endpoint.host.as_str(), endpoint.port).to_socket_addrs()?.collect();
    for address in addresses {
        match TcpStream::connect_timeout(&address, remaining(deadline)?) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn encode<Q: Call>(question: &Q, correlation_id: i32) -> Result<Bytes, WireError> {
    let malformed = |error: &dyn std::fmt::Display| WireError::Malformed(format!("request not encoded: {error}"));
    let header = RequestHeader::default()
        .with_request_api_key(Q::KEY as i16)
        .with_request_api_version(Q::VERSION)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
    let mut body = BytesMut::new();
    header.encode(&mut body, Q::header_version(Q::VERSION)).map_err(|error| malformed(&error))?;
    question.encode(&mut body, Q::VERSION).map_err(|error| malformed(&error))?;
    let length = i32::try_from(body.len()).map_err(|error| malformed(&error))?;
    let mut frame = BytesMut::with_capacity(body.len() + 4);
    frame.put_i32(length);
    frame.extend_from_slice(&body);
    Ok(frame.freeze())
}

fn read_frame(stream: &mut Stream, deadline: Instant) -> Result<Bytes, WireError> {
    let mut length = [0; 4];
    read_exact(stream, &mut length, deadline)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_ANSWER_BYTES {
        return Err(WireError::Malformed(format!("it claims to be {length} bytes long")));
    }
    let mut frame = vec![0; length];
    read_exact(stream, &mut frame, deadline)?;
    Ok(Bytes::from(frame))
}

/// `read_exact` under one deadline, not one time limit per read.
fn read_exact(stream: &mut Stream, mut buffer: &mut [u8], deadline: Instant) -> Result<(), WireError> {
    while !buffer.is_empty() {
        stream.socket().set_read_timeout(Some(remaining(deadline)?))?;
        match stream.read(buffer) {
            Ok(0) => return Err(WireError::Transport(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => buffer = &mut buffer[read..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn decode<Q: Call>(answer: &mut Bytes, correlation_id: i32) -> Result<Q::Answer, WireError> {
    let malformed = |error: &dyn std::fmt::Display| WireError::Malformed(error.to_string());
    let header = ResponseHeader::decode(answer, Q::Answer::header_version(Q::VERSION)).map_err(|e| malformed(&e))?;
    if header.correlation_id != correlation_id {
        return Err(WireError::Malformed(String::from("it answers another question")));
    }
    let decoded = Q::Answer::decode(answer, Q::VERSION).map_err(|error| malformed(&error))?;
    if answer.has_remaining() {
        return Err(WireError::Malformed(format!("{} bytes are left over", answer.remaining())));
    }
    Ok(decoded)
}
