//! The nodes of a cluster, each with a connection of its own and the questions it has been put.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use delivery_broker::{Access, ClientError, ClientSpec};

use super::connection::{Connection, ErlangError};
use super::look::{Look, parse_look};
use super::question::Question;
use crate::external::look::{Numbers, look};
use crate::external::management::Management;
use crate::external::names::MANAGEMENT;
use crate::node::{DISTRIBUTION_PORT, SECRET};

/// Longest time for all plug-ins to say whose they are.
const NAME_LIMIT: Duration = Duration::from_secs(5);

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
    way: Way,
}

/// How a node is asked.
enum Way {
    /// In its own language.
    Erlang {
        /// To the node.
        connection: Connection,
        /// What it believes.
        look: Question,
    },
    /// Through its management plug-in: somebody else runs it.
    Plugin {
        /// The plug-in.
        plugin: Management,
        /// The node's name.
        name: String,
        /// All nodes by name.
        numbers: Arc<Numbers>,
    },
    /// Not at all.
    Blind,
}

impl Peer {
    /// What it believes of itself and of `queues`.
    ///
    /// # Errors
    /// It did not answer until `deadline`.
    pub(crate) fn look(&mut self, queues: &[&str], deadline: Instant) -> Result<Look, ErlangError> {
        match &mut self.way {
            Way::Erlang { connection, look } => {
                let answer = look.ask(connection, queues, deadline)?;
                let other = || ErlangError::Failed(format!("{answer:?}, which was not asked"));
                parse_look(&answer, queues.len()).ok_or_else(other)
            }
            Way::Plugin { plugin, name, numbers } => {
                let nodes = plugin.nodes(deadline)?;
                let told = queues.iter().map(|queue| plugin.queue(queue, deadline));
                Ok(look(name, &nodes, &told.collect::<Result<Vec<_>, _>>()?, numbers))
            }
            Way::Blind => Err(unseen()),
        }
    }

    /// Its answer to one question.
    ///
    /// # Errors
    /// It did not answer until `deadline`, or the question failed there.
    pub(crate) fn ask(&mut self, ask: Ask, names: &[&str], deadline: Instant) -> Result<String, ErlangError> {
        match &mut self.way {
            Way::Erlang { connection, .. } => Question::new(ask.source()).ask(connection, names, deadline),
            Way::Plugin { plugin, .. } => ask_plugin(plugin, ask, names, deadline),
            Way::Blind => Err(unseen()),
        }
    }

    /// Whether it can be asked at all.
    pub(crate) fn is_blind(&self) -> bool {
        matches!(self.way, Way::Blind)
    }

    /// For messages.
    pub(crate) fn unreachable(&self, error: &ErlangError) -> ClientError {
        ClientError::Unreachable { target: format!("node {}", self.id), cause: error.to_string() }
    }
}

fn unseen() -> ErlangError {
    ErlangError::Failed(String::from("nothing: no management plug-in answers"))
}

/// What can be asked of a node of somebody else's, answered as the node itself would.
fn ask_plugin(plugin: &Management, ask: Ask, names: &[&str], deadline: Instant) -> Result<String, ErlangError> {
    match ask {
        Ask::Version => Ok(plugin.overview(deadline)?["rabbitmq_version"].as_str().unwrap_or("unknown").to_owned()),
        Ask::Depth => {
            let queue = plugin.queue(names.first().copied().unwrap_or_default(), deadline)?;
            let Some(queue) = queue else { return Ok(String::from("gone")) };
            let number = |name: &str| queue[name].as_u64();
            let depth = number("messages_ready").zip(number("messages_unacknowledged"));
            let (ready, unsettled) =
                depth.ok_or_else(|| ErlangError::Failed(String::from("not yet how deep it is")))?;
            Ok(format!("depth {ready} {unsettled}"))
        }
        _ => Err(ErlangError::Failed(String::from("nothing of that to somebody else"))),
    }
}

/// Connections to every node of `spec`, made when they are needed.
///
/// # Errors
/// A node's address is not an IP address, or the secret the nodes share was not given.
pub(crate) fn peers(spec: &ClientSpec) -> Result<Vec<Peer>, ClientError> {
    if let Some(access) = &spec.access {
        return plugins(spec, access);
    }
    let secret = spec.config.get(SECRET);
    let cookie = secret.ok_or_else(|| ClientError::Configuration(format!("`{SECRET}` is missing")))?;
    spec.nodes
        .iter()
        .map(|node| {
            let address: IpAddr = node.address.parse().map_err(|_| {
                ClientError::Configuration(format!("`{}` of node {} is not an IP address", node.address, node.id))
            })?;
            let connection = Connection::new(address, DISTRIBUTION_PORT, cookie);
            let look = Question::new(include_str!("look.erl"));
            Ok(Peer { id: node.id, way: Way::Erlang { connection, look } })
        })
        .collect()
}

/// The management plug-ins of nodes that somebody else runs. Where one does not tell whose it is, or nothing of nodes, nobody is asked: what
/// it says of others by name could not be understood.
fn plugins(spec: &ClientSpec, access: &Access) -> Result<Vec<Peer>, ClientError> {
    let urls = access.get(MANAGEMENT).unwrap_or_default().split(',').filter(|url| !url.is_empty());
    let made = urls.map(|url| Management::new(url, access)).collect::<Result<Vec<_>, _>>();
    let made = made.map_err(ClientError::Configuration)?;
    let mut nodes: Vec<u32> = spec.nodes.iter().map(|node| node.id).collect();
    nodes.sort_unstable();
    let deadline = Instant::now() + NAME_LIMIT;
    let name = |plugin: &Management| Some(plugin.lets_in(deadline).ok()?["node"].as_str()?.to_owned());
    let names: Option<Vec<String>> = made.iter().map(name).collect();
    let Some(names) = names.filter(|names| names.len() == nodes.len()) else {
        return Ok(nodes.into_iter().map(|id| Peer { id, way: Way::Blind }).collect());
    };
    let numbers: Arc<Numbers> = Arc::new(names.iter().cloned().zip(nodes.iter().copied()).collect());
    let peers = nodes.into_iter().zip(made.into_iter().zip(names));
    Ok(peers
        .map(|(id, (plugin, name))| Peer { id, way: Way::Plugin { plugin, name, numbers: numbers.clone() } })
        .collect())
}
