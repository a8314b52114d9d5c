//! Asking the management plug-in of a node, over HTTP: all that can be known of a cluster of somebody else's beyond AMQP.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use delivery_broker::external::split_port;
use delivery_broker::{Access, Secret};
use openssl::ssl::SslConnector;
use serde_json::Value;

use super::{names, tls};
use crate::erlang::ErlangError;

/// Longest answer that is read.
const MAX_BYTES: u64 = 16 << 20;

/// The plug-in of one node.
pub(crate) struct Management {
    host: String,
    port: u16,
    tls: Option<SslConnector>,
    credentials: Secret,
    /// As part of a path.
    vhost: String,
}

impl Management {
    /// Of the node at `url`.
    ///
    /// # Errors
    /// A URL or certificate that is none.
    pub(crate) fn new(url: &str, access: &Access) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("{}: no URL", names::MANAGEMENT))?;
        let rest = rest.trim_end_matches('/');
        let default = if scheme == "https" { 15671 } else { 15672 };
        let (host, port) = split_port(rest).unwrap_or((rest, default));
        let tls = (scheme == "https").then(|| tls::connector(access)).transpose();
        let tls = tls.map_err(|error| format!("TLS cannot be had: {error}"))?;
        let user = access.get(names::USER).unwrap_or_default();
        let password = access.secret(names::PASSWORD).map_or("", Secret::expose);
        let credentials = Secret::new(STANDARD.encode(format!("{user}:{password}")));
        let vhost = escaped(access.get(names::VHOST).unwrap_or("/"));
        Ok(Self { host: host.to_owned(), port, tls, credentials, vhost })
    }

    /// What it says of itself and the cluster.
    pub(crate) fn overview(&self, deadline: Instant) -> Result<Value, ErlangError> {
        self.get("/api/overview?disable_stats=true", deadline)
    }

    /// What it says of itself and the cluster, to whom it says more: users may see that and not the nodes.
    pub(crate) fn lets_in(&self, deadline: Instant) -> Result<Value, ErlangError> {
        let told = self.overview(deadline)?;
        self.nodes(deadline).map(|_| told)
    }

    /// What it says of all nodes.
    pub(crate) fn nodes(&self, deadline: Instant) -> Result<Value, ErlangError> {
        self.get("/api/nodes?columns=name,running,partitions,mem_alarm,disk_free_alarm", deadline)
    }

    /// What it says of a queue; nothing where there is none.
    pub(crate) fn queue(&self, name: &str, deadline: Instant) -> Result<Option<Value>, ErlangError> {
        match self.get(&format!("/api/queues/{}/{}", self.vhost, escaped(name)), deadline) {
            Ok(queue) => Ok(Some(queue)),
            Err(ErlangError::Failed(words)) if words.starts_with("404") => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn get(&self, path: &str, deadline: Instant) -> Result<Value, ErlangError> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}:{}\r\nAuthorization: Basic {}\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
            self.host,
            self.port,
            self.credentials.expose()
        );
        let socket = self.connect(deadline)?;
        let answer = match &self.tls {
            None => exchange(socket, request.as_bytes())?,
            Some(connector) => {
                let stream = connector.connect(&self.host, socket);
                exchange(
                    stream.map_err(|error| ErlangError::Transport(format!("TLS failed: {error}")))?,
                    request.as_bytes(),
                )?
            }
        };
        let (status, body) = parse(&answer).ok_or_else(|| ErlangError::Failed(String::from("no HTTP")))?;
        if status != 200 {
            let told: Value = serde_json::from_slice(&body).unwrap_or_default();
            return Err(ErlangError::Failed(format!("{status} {}", told["reason"].as_str().unwrap_or_default())));
        }
        serde_json::from_slice(&body).map_err(|error| ErlangError::Failed(format!("no JSON: {error}")))
    }

    fn connect(&self, deadline: Instant) -> Result<TcpStream, ErlangError> {
        let mut last = ErlangError::Transport(format!("{} has no address", self.host));
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErlangError::TimedOut);
            }
            match TcpStream::connect_timeout(&address, left) {
                Ok(socket) => {
                    let left = Some(deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
                    socket.set_read_timeout(left)?;
                    socket.set_write_timeout(left)?;
                    return Ok(socket);
                }
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut answer = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

/// Status and body.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?.to_ascii_lowercase();
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let body = &answer[end + 4..];
    let is_chunked = head.lines().any(|line| line.starts_with("transfer-encoding:") && line.contains("chunked"));
    Some((status, if is_chunked { joined(body)? } else { body.to_vec() }))
}

/// The body that came in chunks.
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|bytes| bytes == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

/// As a part of a path.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::{escaped, parse};

    #[test]
    fn answers_are_read_whole_or_in_chunks() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(parse(whole), Some((200, b"{}".to_vec())));
        let chunks = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
        assert_eq!(parse(chunks), Some((404, b"abcde".to_vec())));
        for broken in [&b""[..], b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc"] {
            assert_eq!(parse(broken), None);
        }
        assert_eq!((escaped("/").as_str(), escaped("a b-1").as_str()), ("%2F", "a%20b-1"));
    }
}
