//! The nodes of a cluster, each with a connection of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use delivery_broker::{ClientError, ClientSpec, NodeAddress};

use crate::client_config::CLIENT_PORT;
use crate::wire::{Connection, Endpoint, Security, WireError};

/// TCP port the controllers of the quorum serve each other on.
pub(crate) const CONTROLLER_PORT: u16 = 9093;

/// One node, as broker, as controller, or as both.
pub(crate) struct Peer {
    /// Its number.
    pub(crate) id: u32,
    /// To its client listener.
    pub(crate) broker: Connection,
    /// To its controller listener; of a cluster that somebody else runs a second one to its client listener: nobody
    /// outside reaches the other.
    pub(crate) controller: Connection,
    /// It serves clients.
    pub(crate) is_broker: bool,
    /// It takes part in the quorum of controllers.
    pub(crate) is_controller: bool,
    /// Somebody else runs it.
    pub(crate) is_outside: bool,
}

/// Connections to every node of `spec`, made when they are needed.
///
/// # Errors
/// A certificate or key that is none.
pub(crate) fn peers(spec: &ClientSpec) -> Result<Vec<Peer>, ClientError> {
    let security = spec.access.as_deref().map(Security::new).transpose()?;
    let combined = spec.controllers.is_empty();
    let mut peers: Vec<Peer> = spec.nodes.iter().map(|node| peer(node, security.as_ref(), true, combined)).collect();
    // Clients may come to the nodes in any order; questions are put in the vendor's.
    peers.sort_by_key(|peer| peer.id);
    peers.extend(spec.controllers.iter().map(|node| peer(node, security.as_ref(), false, true)));
    Ok(peers)
}

fn peer(node: &NodeAddress, security: Option<&Arc<Security>>, is_broker: bool, is_controller: bool) -> Peer {
    let is_outside = security.is_some();
    let endpoint = |default: u16| {
        let (host, port) = node.host_and_port(default);
        Endpoint { host: host.to_owned(), port, security: security.cloned() }
    };
    let broker = Connection::new(endpoint(CLIENT_PORT));
    let controller = Connection::new(endpoint(CONTROLLER_PORT));
    Peer { id: node.id, broker, controller, is_broker, is_controller, is_outside }
}

/// Asks node after node until one answers.
///
/// # Errors
/// None did: the last one's reason.
pub(crate) fn first_answer<T>(
    peers: &mut [Peer],
    limit: Duration,
    mut ask: impl FnMut(&mut Peer, Instant) -> Result<T, WireError>,
) -> Result<T, ClientError> {
    let mut last = ClientError::Unreachable { target: String::from("any node"), cause: String::from("there is none") };
    for peer in peers.iter_mut().filter(|peer| peer.is_broker) {
        match ask(peer, Instant::now() + limit) {
            Ok(answer) => return Ok(answer),
            Err(error) => last = error.into_client_error(&format!("node {}", peer.id)),
        }
    }
    Err(last)
}
