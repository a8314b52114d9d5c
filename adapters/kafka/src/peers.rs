//! The nodes of a cluster, each with a connection of its own.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use delivery_broker::{ClientError, ClientSpec};

use crate::client_config::CLIENT_PORT;
use crate::wire::{Connection, WireError};

/// TCP port the controllers of the quorum serve each other on.
pub(crate) const CONTROLLER_PORT: u16 = 9093;

/// One node, as broker and as controller.
pub(crate) struct Peer {
    /// Its number.
    pub(crate) id: u32,
    /// To its client listener.
    pub(crate) broker: Connection,
    /// To its controller listener.
    pub(crate) controller: Connection,
}

/// Connections to every node of `spec`, made when they are needed.
///
/// # Errors
/// A node's address is not an IP address.
pub(crate) fn peers(spec: &ClientSpec) -> Result<Vec<Peer>, ClientError> {
    spec.nodes
        .iter()
        .map(|node| {
            let address: IpAddr = node.address.parse().map_err(|_| {
                ClientError::Configuration(format!("`{}` of node {} is not an IP address", node.address, node.id))
            })?;
            let broker = Connection::new(address, CLIENT_PORT);
            Ok(Peer { id: node.id, broker, controller: Connection::new(address, CONTROLLER_PORT) })
        })
        .collect()
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
    for peer in peers {
        match ask(peer, Instant::now() + limit) {
            Ok(answer) => return Ok(answer),
            Err(error) => last = error.into_client_error(&format!("node {}", peer.id)),
        }
    }
    Err(last)
}
