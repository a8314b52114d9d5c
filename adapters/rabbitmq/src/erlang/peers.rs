//! The nodes of a cluster, each with a connection of its own and the questions it has been put.

use std::net::IpAddr;
use std::time::Instant;

use delivery_broker::{ClientError, ClientSpec};

use super::connection::{Connection, ErlangError};
use super::look::{Look, parse_look};
use super::question::Question;
use crate::node::{DISTRIBUTION_PORT, SECRET};

/// What a node can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Ready and unsettled messages of a queue.
    Depth,
    /// First and next offset of a stream, on this node.
    EndOfStream,
    /// Version of the broker.
    Version,
    /// What it does about a partition.
    Handling,
    /// Mirror a queue to all nodes.
    Mirror,
    /// Write to disk what was declared.
    Flush,
    /// Give up its connections to other nodes; they are made again by themselves.
    Reconnect,
    /// Stop and start the broker application.
    Restart,
    /// Move the leaders of queues to a node.
    Transfer,
    /// Spread the leaders of queues.
    Rebalance,
    /// Take a node out of queues.
    Shrink,
    /// Leave the cluster and forget what it stores.
    Leave,
    /// Bytes it stores.
    Stored,
    /// Whether a node is a member.
    IsMember,
    /// Whether it can serve streams.
    StreamsServed,
    /// Join the cluster of a node, and start.
    Join,
    /// Give a node a copy of queues.
    Grow,
}

impl Ask {
    fn source(self) -> &'static str {
        match self {
            Self::Depth => include_str!("depth.erl"),
            Self::EndOfStream => include_str!("end_of_stream.erl"),
            Self::Version => include_str!("version.erl"),
            Self::Handling => include_str!("handling.erl"),
            Self::Mirror => include_str!("mirror.erl"),
            Self::Flush => include_str!("flush.erl"),
            Self::Reconnect => include_str!("reconnect.erl"),
            Self::Restart => include_str!("restart.erl"),
            Self::Transfer => include_str!("transfer.erl"),
            Self::Rebalance => include_str!("rebalance.erl"),
            Self::Shrink => include_str!("shrink.erl"),
            Self::Leave => include_str!("leave.erl"),
            Self::Stored => include_str!("stored.erl"),
            Self::IsMember => include_str!("is_member.erl"),
            Self::StreamsServed => include_str!("streams_served.erl"),
            Self::Join => include_str!("join.erl"),
            Self::Grow => include_str!("grow.erl"),
        }
    }
}

/// One node.
pub(crate) struct Peer {
    /// Its number.
    pub(crate) id: u32,
    connection: Connection,
    look: Question,
}

impl Peer {
    /// What it believes of itself and of `queues`.
    ///
    /// # Errors
    /// It did not answer until `deadline`.
    pub(crate) fn look(&mut self, queues: &[&str], deadline: Instant) -> Result<Look, ErlangError> {
        let answer = self.look.ask(&mut self.connection, queues, deadline)?;
        parse_look(&answer, queues.len()).ok_or_else(|| ErlangError::Failed(format!("{answer:?}, which was not asked")))
    }

    /// Its answer to one question.
    ///
    /// # Errors
    /// It did not answer until `deadline`, or the question failed there.
    pub(crate) fn ask(&mut self, ask: Ask, names: &[&str], deadline: Instant) -> Result<String, ErlangError> {
        Question::new(ask.source()).ask(&mut self.connection, names, deadline)
    }

    /// For messages.
    pub(crate) fn unreachable(&self, error: &ErlangError) -> ClientError {
        ClientError::Unreachable { target: format!("node {}", self.id), cause: error.to_string() }
    }
}

/// Connections to every node of `spec`, made when they are needed.
///
/// # Errors
/// A node's address is not an IP address, or the secret the nodes share was not given.
pub(crate) fn peers(spec: &ClientSpec) -> Result<Vec<Peer>, ClientError> {
    let secret = spec.config.get(SECRET);
    let cookie = secret.ok_or_else(|| ClientError::Configuration(format!("`{SECRET}` is missing")))?;
    spec.nodes
        .iter()
        .map(|node| {
            let address: IpAddr = node.address.parse().map_err(|_| {
                ClientError::Configuration(format!("`{}` of node {} is not an IP address", node.address, node.id))
            })?;
            let connection = Connection::new(address, DISTRIBUTION_PORT, cookie);
            Ok(Peer { id: node.id, connection, look: Question::new(include_str!("look.erl")) })
        })
        .collect()
}
