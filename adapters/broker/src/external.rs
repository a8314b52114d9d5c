//! Clusters that somebody else runs: getting in, looking around, and leaving nothing behind.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::access::{Access, Secret};
use crate::client::{ClientSpec, NodeAddress};
use crate::config::{ConfigError, LanePlan};
use crate::observe::LaneTopic;

/// First part of the name of everything that is made on such a cluster.
pub const PREFIX: &str = "verify-";
/// Largest number of a node that can be told apart: sets of nodes are bits of a word.
pub const MAX_NODE: u32 = 31;

/// How the user says where the cluster is, and who he is.
#[derive(Clone, Default)]
pub struct AccessRequest {
    /// Addresses, as typed: `HOST:PORT,...` or a URL.
    pub addresses: String,
    /// The file of client settings, with its text.
    pub file: Option<(PathBuf, String)>,
    /// From the environment.
    pub password: Option<Secret>,
}

/// Where a cluster is, and how to get in.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Addresses to begin with, each with its port.
    pub addresses: Vec<String>,
    /// What clients prove themselves with.
    pub access: Arc<Access>,
}

/// What a first look showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Identity of the cluster: the same whichever address leads there.
    pub cluster: String,
    /// Version of the product, as far as it says.
    pub version: String,
    /// Its nodes, each with the address and port it wants clients to use.
    pub nodes: Vec<NodeAddress>,
    /// Names of what earlier runs, of whomever, left there or still use.
    pub found: Vec<String>,
    /// What cannot be seen of this cluster from outside, and what that leaves open.
    pub unseen: Vec<String>,
}

/// What a run makes on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Belongings {
    /// Topics, queues and exchanges.
    pub destinations: Vec<String>,
    /// Consumer groups.
    pub groups: Vec<String>,
}

/// A cluster that cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// Bad request: exit 2.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No way in: exit 4.
    #[error("{setting}: {target} {cause}. {remedy}")]
    NoEntry {
        /// The option or setting that leads there.
        setting: String,
        /// The address.
        target: String,
        /// What happened.
        cause: String,
        /// What to do.
        remedy: String,
    },
    /// The cluster does not permit it: exit 4.
    #[error("the cluster refused {operation}: {cause}. {remedy}")]
    Forbidden {
        /// What was asked.
        operation: String,
        /// In its words.
        cause: String,
        /// What to do.
        remedy: String,
    },
}

/// A product whose running clusters can be used from outside.
pub trait ExternalSystem: Send + Sync {
    /// The option that leads to the cluster.
    fn option(&self) -> &'static str;

    /// Where the cluster is and how to get in, from what the user typed and wrote.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    fn contact(&self, request: &AccessRequest) -> Result<Contact, ConfigError>;

    /// Looks at the cluster and changes nothing. Bounded in time.
    ///
    /// # Errors
    /// See [`ExternalError`].
    fn survey(&self, contact: &Contact) -> Result<Survey, ExternalError>;

    /// Whether a lane can be had there, and what it then is.
    ///
    /// # Errors
    /// A setting that only whoever starts the nodes can give, or more replicas than there are nodes.
    fn fit(&self, lane: &mut LanePlan, nodes: u32) -> Result<(), ConfigError>;

    /// Asks whether the destinations could be made, and makes none.
    ///
    /// # Errors
    /// See [`ExternalError`].
    fn rehearse(&self, spec: &ClientSpec, topics: &[LaneTopic]) -> Result<(), ExternalError>;

    /// Takes away what a run made. Gives back what is left, each with the reason; what is not there is not left.
    fn tidy(&self, spec: &ClientSpec, belongings: &Belongings) -> Vec<(String, String)>;
}

impl NodeAddress {
    /// Host and port: the address may name a port of its own.
    pub fn host_and_port(&self, default: u16) -> (&str, u16) {
        split_port(&self.address).map_or((self.address.as_str(), default), |(host, port)| (host, port))
    }
}

/// `HOST:PORT`, `[IPv6]:PORT`; nothing where there is no port.
pub fn split_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').map_or(Some(host), |inner| inner.strip_suffix(']'))?;
    let is_bare_v6 = host.contains(':') && !address.starts_with('[');
    if host.is_empty() || is_bare_v6 {
        return None;
    }
    Some((host, port.parse().ok().filter(|port| *port != 0)?))
}

#[cfg(test)]
mod tests {
    use super::split_port;
    use crate::client::NodeAddress;

    #[test]
    fn ports_are_told_from_addresses() {
        for (text, expected) in [
            ("kafka-1.example.org:9093", Some(("kafka-1.example.org", 9093))),
            ("10.0.0.1:9092", Some(("10.0.0.1", 9092))),
            ("[::1]:9092", Some(("::1", 9092))),
            ("::1", None),
            ("localhost", None),
            ("localhost:0", None),
            ("localhost:99999", None),
            (":9092", None),
        ] {
            assert_eq!(split_port(text), expected, "{text}");
        }
        let node = |address: &str| NodeAddress { id: 1, address: address.to_owned() };
        assert_eq!(node("198.18.0.1").host_and_port(9092), ("198.18.0.1", 9092));
        assert_eq!(node("198.18.0.1:7").host_and_port(9092), ("198.18.0.1", 7));
    }
}
