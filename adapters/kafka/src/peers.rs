//! The nodes of a cluster, each with a connection of its own.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use delivery_broker::{ClientError, ClientSpec, NodeAddress};

use crate::client_config::CLIENT_PORT;
use crate::wire::{Connection, WireError};

/// TCP port the controllers of the quorum serve each other on.
pub(crate) const CONTROLLER_PORT: u16 = 9093;

/// One node, as broker, as controller, or as both.
pub(crate) struct Peer {
    /// Its number.
    pub(crate) id: u32,
    /// To its client listener.
    pub(crate) broker: Connection,
    /// To its controller listener.
    pub(crate) controller: Connection,
    /// It serves clients.
    pub(crate) is_broker: bool,
    /// It takes part in the quorum of controllers.
    pub(crate) is_controller: bool,
}

/// Connections to every node of `spec`, made when they are needed.
///
/// # Errors
/// A node's address is not an IP address.
pub(crate) fn peers(spec: &ClientSpec) -> Result<Vec<Peer>, ClientError> {
    let combined = spec.controllers.is_empty();
    let brokers = spec.nodes.iter().map(|node| peer(node, true, combined));
    let mut peers = brokers.collect::<Result<Vec<_>, _>>()?;
    // Clients may come to the nodes in any order; questions are put in the vendor's.
    peers.sort_by_key(|peer| peer.id);
    for node in &spec.controllers {
        peers.push(peer(node, false, true)?);
    }
    Ok(peers)
}

fn peer(node: &NodeAddress, is_broker: bool, is_controller: bool) -> Result<Peer, ClientError> {
    let address: IpAddr = node.address.parse().map_err(|_| {
        ClientError::Configuration(format!("`{}` of node {} is not an IP address", node.address, node.id))
    })?;
    let broker = Connection::new(address, CLIENT_PORT);
    let controller = Connection::new(address, CONTROLLER_PORT);
    Ok(Peer { id: node.id, broker, controller, is_broker, is_controller })
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
