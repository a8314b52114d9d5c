//! A Kafka cluster that somebody else runs.

mod client_file;
pub(crate) mod names;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use delivery_broker::external::{MAX_NODE, PREFIX, split_port};
use delivery_broker::{
    AccessRequest, Belongings, ClientError, ClientSpec, ConfigError, Contact, ExternalError, ExternalSystem, LanePlan,
    LaneTopic, NodeAddress, Survey,
};
use kafka_protocol::ResponseError;

use crate::admin::new_topic;
use crate::kafka::Kafka;
use crate::peers::{Peer, first_answer, peers};
use crate::wire::{
    Connection, Endpoint, NewTopic, Security, WireError, ask_cluster, ask_coordinator, ask_release, delete_group,
    delete_topics, rehearse_topics,
};
use client_file::OPTION;

/// Longest time for one address to answer.
const ADDRESS_LIMIT: Duration = Duration::from_secs(5);
/// Longest time for the cluster to take something away.
const TIDY_LIMIT: Duration = Duration::from_secs(20);
/// Longest time for groups to be taken away: a member that was killed is one until its session has timed out.
const GROUP_LIMIT: Duration = Duration::from_secs(60);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);
/// Where a setting is to be looked for.
const FILE: &str = "--client-config";

impl ExternalSystem for Kafka {
    fn option(&self) -> &'static str {
        OPTION
    }

    fn contact(&self, request: &AccessRequest) -> Result<Contact, ConfigError> {
        client_file::contact(request)
    }

    fn survey(&self, contact: &Contact) -> Result<Survey, ExternalError> {
        let security = Security::new(&contact.access).map_err(|error| unusable(&error))?;
        let first = look(contact, &security)?;
        let mut brokers = first.brokers.clone();
        brokers.sort_by_key(|broker| broker.id);
        let mut nodes = Vec::new();
        let mut releases = BTreeSet::new();
        for broker in &brokers {
            let id = u32::try_from(broker.id).ok().filter(|id| *id <= MAX_NODE);
            let id = id.ok_or_else(|| ExternalError::Forbidden {
                operation: format!("nothing, but broker number {} is one this program cannot tell apart", broker.id),
                cause: format!("it keeps sets of nodes as bits 0 to {MAX_NODE}"),
                remedy: String::from("Give brokers lower numbers (node.id)."),
            })?;
            let address = address(&broker.host, u16::try_from(broker.port).unwrap_or_default());
            let mut connection = connection(&address, &security);
            let asked = ask_release(&mut connection, Instant::now() + ADDRESS_LIMIT);
            releases.insert(asked.map_err(|error| advertised(broker.id, &address, error))?);
            nodes.push(NodeAddress { id, address });
        }
        let found = first.topics.into_iter().filter(|topic| topic.starts_with(PREFIX)).collect();
        let version = releases.into_iter().next().unwrap_or_else(|| String::from("unknown"));
        Ok(Survey { cluster: first.cluster, version, nodes, found, unseen: Vec::new() })
    }

    fn fit(&self, lane: &mut LanePlan, nodes: u32) -> Result<(), ConfigError> {
        let config = &mut lane.lane.config;
        if let Some(name) = config.keys().find(|name| name.starts_with("broker.")) {
            return Err(ConfigError::Contradiction(format!(
                "`{name}` is for whoever starts the nodes: with --backend external they are somebody else's"
            )));
        }
        let replicas =
            config.get("topic.replication.factor").and_then(|factor| factor.parse::<u32>().ok()).unwrap_or(0);
        if replicas > nodes {
            return Err(ConfigError::Invalid {
                setting: String::from("topic.replication.factor"),
                value: replicas.to_string(),
                reason: format!(
                    "the cluster has {nodes} brokers; ask for fewer replicas (--set topic.replication.factor={nodes}, and \
                     topic.min.insync.replicas no higher)"
                ),
            });
        }
        config.insert(String::from("cluster.nodes"), nodes.to_string());
        config.insert(String::from("cluster.controllers"), String::from("0"));
        Ok(())
    }

    fn rehearse(&self, spec: &ClientSpec, topics: &[LaneTopic]) -> Result<(), ExternalError> {
        let mut peers = peers(spec).map_err(|error| unusable(&error))?;
        let nodes: Vec<u32> = peers.iter().map(|peer| peer.id).collect();
        let leader = nodes.first().copied().unwrap_or_default();
        let wanted: Vec<NewTopic> = topics.iter().map(|topic| new_topic(topic, leader, &nodes)).collect();
        let refused = first_answer(&mut peers, ADDRESS_LIMIT, |peer, deadline| {
            rehearse_topics(&mut peer.broker, &wanted, deadline)
        });
        let refused = refused.map_err(|error| unusable(&error))?;
        match refused.into_iter().next() {
            None => Ok(()),
            Some((topic, error, words)) => Err(forbidden(&topic, error, words)),
        }
    }

    fn tidy(&self, spec: &ClientSpec, belongings: &Belongings) -> Vec<(String, String)> {
        let everything = || belongings.destinations.iter().chain(&belongings.groups);
        let mut peers = match peers(spec) {
            Ok(peers) => peers,
            Err(error) => return everything().map(|name| (name.clone(), error.to_string())).collect(),
        };
        let deadline = Instant::now() + TIDY_LIMIT;
        let topics: Vec<String> = ours(&belongings.destinations);
        let mut left = insist(deadline, || remove_topics(&mut peers, &topics));
        let groups: Vec<String> = ours(&belongings.groups);
        left.extend(insist(Instant::now() + GROUP_LIMIT, || remove_groups(&mut peers, &groups)));
        left
    }
}

/// Nothing without the prefix is ever taken away, whatever a list says.
fn ours(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| name.starts_with(PREFIX)).cloned().collect()
}

/// Until nothing is left or the time is over.
fn insist(deadline: Instant, mut attempt: impl FnMut() -> Vec<(String, String)>) -> Vec<(String, String)> {
    loop {
        let left = attempt();
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        sleep(PAUSE);
    }
}

fn remove_topics(peers: &mut [Peer], topics: &[String]) -> Vec<(String, String)> {
    if topics.is_empty() {
        return Vec::new();
    }
    let refused =
        first_answer(peers, ADDRESS_LIMIT, |peer, deadline| delete_topics(&mut peer.broker, topics, deadline));
    refused.unwrap_or_else(|error| topics.iter().map(|topic| (topic.clone(), error.to_string())).collect())
}

fn remove_groups(peers: &mut [Peer], groups: &[String]) -> Vec<(String, String)> {
    groups.iter().filter_map(|group| Some((group.clone(), remove_group(peers, group)?))).collect()
}

/// Why a group is still there, where it is.
fn remove_group(peers: &mut [Peer], group: &str) -> Option<String> {
    let found = first_answer(peers, ADDRESS_LIMIT, |peer, deadline| ask_coordinator(&mut peer.broker, group, deadline));
    let coordinator = match found {
        Ok(Some(coordinator)) => coordinator,
        Ok(None) => return Some(String::from("nobody coordinates it")),
        Err(error) => return Some(error.to_string()),
    };
    let peer = peers.iter_mut().find(|peer| peer.id == coordinator)?;
    match delete_group(&mut peer.broker, group, Instant::now() + ADDRESS_LIMIT) {
        Ok(refused) => refused.map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// What the first address says that answers.
fn look(contact: &Contact, security: &Arc<Security>) -> Result<crate::wire::ClusterAnswer, ExternalError> {
    let mut last = None;
    for address in &contact.addresses {
        let mut connection = connection(address, security);
        // Before anything else: what is too old does not understand the next question.
        let asked = ask_release(&mut connection, Instant::now() + ADDRESS_LIMIT)
            .and_then(|_| ask_cluster(&mut connection, Instant::now() + ADDRESS_LIMIT));
        match asked {
            Ok(answer) if !answer.brokers.is_empty() => return Ok(answer),
            Ok(_) => last = Some((address, WireError::Malformed(String::from("it names no broker")))),
            // It was reached, and others would say the same.
            Err(error @ (WireError::Login(_) | WireError::Certificate(_))) => return Err(no_entry(address, error)),
            Err(error) => last = Some((address, error)),
        }
    }
    Err(match last {
        Some((address, error)) => no_entry(address, error),
        None => unusable(&ClientError::Configuration(String::from("there is no address"))),
    })
}

fn connection(address: &str, security: &Arc<Security>) -> Connection {
    let (host, port) = split_port(address).unwrap_or((address, 0));
    Connection::new(Endpoint { host: host.to_owned(), port, security: Some(Arc::clone(security)) })
}

fn address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn unusable(error: &ClientError) -> ExternalError {
    ExternalError::NoEntry {
        setting: String::from(FILE),
        target: String::from("the cluster"),
        cause: format!("cannot be talked to: {error}"),
        remedy: String::from("Compare the file with what the brokers want."),
    }
}

fn no_entry(address: &str, error: WireError) -> ExternalError {
    let (setting, cause, remedy) = match &error {
        WireError::Login(_) => (
            format!("{FILE}, {} and {}", names::USER, names::PASSWORD),
            format!("does not let us in: {error}"),
            "Check the user, the password (or VERIFY_PASSWORD) and sasl.mechanism.",
        ),
        WireError::Certificate(_) => (
            format!("{FILE}, {}", names::CA),
            format!("has a certificate that does not fit: {error}"),
            "Name the authority that signed it by ssl.ca.location, and the host as the certificate does.",
        ),
        WireError::Malformed(_) => (
            OPTION.to_owned(),
            format!("answers otherwise than a broker with a plain listener would: {error}"),
            "Check the port, and security.protocol in --client-config.",
        ),
        WireError::Transport(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => (
            OPTION.to_owned(),
            String::from("takes the connection and closes it"),
            "Check the port, and security.protocol in --client-config: its listener may want TLS or a login.",
        ),
        _ => (
            OPTION.to_owned(),
            format!("cannot be reached: {error}"),
            "Check the address and port, that a broker listens there, and security.protocol in --client-config.",
        ),
    };
    ExternalError::NoEntry { setting, target: address.to_owned(), cause, remedy: remedy.to_owned() }
}

/// The cluster names an address of its own for each broker, which must lead there from here, too.
fn advertised(broker: i32, address: &str, error: WireError) -> ExternalError {
    match no_entry(address, error) {
        ExternalError::NoEntry { setting, target, cause, remedy } if setting == OPTION => ExternalError::NoEntry {
            setting: format!("advertised.listeners of broker {broker}"),
            target,
            cause,
            remedy: format!("Clients use the address a broker advertises; it must lead there from here. {remedy}"),
        },
        other => other,
    }
}

fn forbidden(topic: &str, error: ResponseError, words: String) -> ExternalError {
    let remedy = match error {
        ResponseError::TopicAuthorizationFailed | ResponseError::ClusterAuthorizationFailed => format!(
            "Give the user the right to create, alter, describe, read, write and delete topics whose name begins with `{PREFIX}` \
             (kafka-acls --resource-pattern-type prefixed)."
        ),
        ResponseError::InvalidReplicationFactor | ResponseError::InvalidReplicaAssignment => {
            String::from("Ask for fewer replicas: --set topic.replication.factor=N.")
        }
        ResponseError::PolicyViolation => String::from("The cluster's create.topic.policy.class.name forbids it."),
        _ => String::from("Compare the lane's topic settings with `verify list settings kafka`."),
    };
    ExternalError::Forbidden { operation: format!("to create topic `{topic}`"), cause: words, remedy }
}
