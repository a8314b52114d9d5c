//! Connecting to a node over AMQP 0-9-1. lapin's own recovery stays off: a reconnect that nobody sees would join two
//! sessions into one.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use delivery_broker::{ClientError, ClientSpec, NodeAddress, Reason, Secret};
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties, ErrorKind};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::external::{names, tls};
use crate::node::CLIENT_PORT;
use crate::timings::heartbeat_s;

/// Exchange no queue is bound to.
pub(crate) const NOWHERE: &str = "verify.nowhere";
/// Longest wait for a connection, a channel or an answer on one.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Wait before the second attempt to connect; doubled for each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Longest wait between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// The one runtime of this process.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn runtime() -> Result<&'static Runtime, ClientError> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("amqp").build();
    let made = made.map_err(|error| ClientError::Configuration(format!("cannot start its runtime: {error}")))?;
    Ok(RUNTIME.get_or_init(|| made))
}

/// Connects to one node.
///
/// # Errors
/// lapin's or the broker's.
pub(crate) async fn connect(spec: &ClientSpec, node: &NodeAddress) -> Result<Connection, AmqpError> {
    let (host, port) = node.host_and_port(CLIENT_PORT);
    let (scheme, user, password, vhost, tls) = match spec.access.as_deref() {
        None => (AMQPScheme::AMQP, "guest", "guest", "/", OwnedTLSConfig::default()),
        Some(access) => (
            if access.get(names::SCHEME) == Some("amqps") { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
            access.get(names::USER).unwrap_or_default(),
            access.secret(names::PASSWORD).map_or("", Secret::expose),
            access.get(names::VHOST).unwrap_or("/"),
            tls::config(access)?,
        ),
    };
    let userinfo = AMQPUserInfo { username: user.to_owned(), password: password.to_owned() };
    let query = AMQPQueryString { heartbeat: Some(heartbeat_s(&spec.config)), ..AMQPQueryString::default() };
    let authority = AMQPAuthority { userinfo, host: host.to_owned(), port };
    let uri = AMQPUri { scheme, authority, vhost: vhost.to_owned(), query };
    let properties = ConnectionProperties::default().with_connection_name(spec.client_name.clone().into());
    answer(Connection::connect_uri_with_config(uri, properties, tls, lapin::runtime::default_runtime()?)).await
}

/// An answer of the broker's, with a time limit.
///
/// # Errors
/// lapin's, the broker's, or none in time.
pub(crate) async fn answer<T>(asked: impl Future<Output = lapin::Result<T>>) -> Result<T, AmqpError> {
    match timeout(ANSWER_LIMIT, asked).await {
        Ok(answered) => answered.map_err(AmqpError::from),
        Err(_) => Err(AmqpError { reason: Reason::TimedOut, words: String::from("no answer in time") }),
    }
}

/// What lapin or the broker says, and the word events have for it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{words}")]
pub(crate) struct AmqpError {
    /// For events.
    pub(crate) reason: Reason,
    /// For people.
    pub(crate) words: String,
}

impl From<lapin::Error> for AmqpError {
    fn from(error: lapin::Error) -> Self {
        Self { reason: reason_of(&error), words: error.to_string() }
    }
}

impl From<openssl::error::ErrorStack> for AmqpError {
    fn from(error: openssl::error::ErrorStack) -> Self {
        Self { reason: Reason::Other, words: format!("TLS cannot be had: {error}") }
    }
}

/// Reply codes of AMQP 0-9-1 that have a word of their own in events.
fn reason_of(error: &lapin::Error) -> Reason {
    match error.kind() {
        ErrorKind::ProtocolError(told) => match told.get_id() {
            311 => Reason::TooLarge,
            403 | 405 => Reason::NotAuthorised,
            404 => Reason::NotFound,
            // The broker closes a connection or an internal error ends it.
            320 | 501 | 541 => Reason::Transport,
            _ => Reason::Other,
        },
        ErrorKind::MissingHeartbeatError => Reason::TimedOut,
        _ => Reason::Transport,
    }
}

/// Writes what a client has to say to standard error. A closed standard error is no reason to stop:
/// the history is elsewhere.
pub(crate) fn log(client: &str, words: &str) {
    let _ = writeln!(std::io::stderr(), "{client}: {words}");
}

/// Which node a client tries next, and how long it waits before: from node to node in the order of
/// its specification, across its sessions.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    made: usize,
    failed_in_a_row: u32,
}

impl Attempts {
    /// The node to try now, and the wait before.
    pub(crate) fn next<'a>(&mut self, nodes: &'a [NodeAddress]) -> Option<(&'a NodeAddress, Duration)> {
        let node = nodes.get(self.made.checked_rem(nodes.len())?)?;
        self.made += 1;
        let wait = match self.failed_in_a_row {
            0 => Duration::ZERO,
            failed => (FIRST_BACKOFF * 2u32.saturating_pow(failed.min(10) - 1)).min(MAX_BACKOFF),
        };
        self.failed_in_a_row += 1;
        Some((node, wait))
    }

    /// The last attempt led to something that worked.
    pub(crate) fn succeeded(&mut self) {
        self.failed_in_a_row = 0;
    }

    /// What worked has ended: the next attempt is with another node, after a short wait.
    pub(crate) fn ended(&mut self) {
        self.failed_in_a_row = self.failed_in_a_row.max(1);
    }

    /// How often anything was tried.
    pub(crate) fn made(&self) -> usize {
        self.made
    }
}

/// The attempts of the clients of this process, by their names: a new session goes on where the last ended.
pub(crate) fn with_attempts<T>(client: &str, act: impl FnOnce(&mut Attempts) -> T) -> T {
    static ATTEMPTS: Mutex<BTreeMap<String, Attempts>> = Mutex::new(BTreeMap::new());
    let mut all = ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner);
    act(all.entry(client.to_owned()).or_default())
}

/// Connects to the next node that takes the client, however long it takes.
pub(crate) async fn connect_to_next(spec: &ClientSpec) -> Option<(Connection, NodeAddress)> {
    loop {
        let (node, wait) =
            with_attempts(&spec.client_name, |all| all.next(&spec.nodes).map(|(node, wait)| (node.clone(), wait)))?;
        tokio::time::sleep(wait).await;
        match connect(spec, &node).await {
            Ok(connection) => return Some((connection, node)),
            Err(error) => log(&spec.client_name, &format!("cannot connect to node {}: {error}", node.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use delivery_broker::NodeAddress;

    use super::Attempts;

    #[test]
    fn attempts_go_from_node_to_node_and_slow_down() {
        let nodes: Vec<NodeAddress> = (1..=3).map(|id| NodeAddress { id, address: format!("198.18.0.{id}") }).collect();
        let mut attempts = Attempts::default();
        let mut next = || attempts.next(&nodes).map(|(node, wait)| (node.id, wait.as_millis())).unwrap();
        assert_eq!([next(), next(), next(), next()], [(1, 0), (2, 100), (3, 200), (1, 400)]);
        for _ in 0..40 {
            assert!(next().1 <= 2_000);
        }
        attempts.succeeded();
        attempts.ended();
        assert_eq!(attempts.next(&nodes).unwrap().1, Duration::from_millis(100));
        assert!(Attempts::default().next(&[]).is_none());
    }
}
