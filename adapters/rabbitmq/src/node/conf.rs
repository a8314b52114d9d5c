//! rabbitmq.conf of a node.

use std::collections::BTreeMap;
use std::path::Path;

use delivery_broker::{ClusterPlan, ConfigError, HostPlan};

use super::{CLIENT_PORT, MANAGEMENT_PORT, node_name};
use crate::install::Version;
use crate::timings::broker_settings;

/// Memory of a node, above which it blocks publishers.
const MEMORY_LIMIT: &str = "512MB";
/// Statistics of queues and connections, which the HTTP API shows, are as old as this, milliseconds (the vendor: 5,000).
const STATISTICS_EVERY_MS: &str = "1000";

/// The first release whose nodes take a lock before they form a cluster:
/// <https://github.com/rabbitmq/rabbitmq-server/releases/tag/v3.8.18>.
pub(super) const FIRST_WITH_A_LOCK: Version = Version { major: 3, minor: 8, patch: 18 };
/// Before it: no delay, and patience with the first node, 60 s.
const FOLLOW: [(&str, &str); 4] = [
    ("randomized_startup_delay_range.min", "0"),
    ("randomized_startup_delay_range.max", "1"),
    ("discovery_retry_limit", "120"),
    ("discovery_retry_interval", "500"),
];
/// From it on until 4.0: whoever takes the lock first asks its peers to let it in, which none can yet,
/// and holds up the others meanwhile, 10 times 500 ms by default. The lock keeps two from being first.
const LOCK: [(&str, &str); 2] = [("discovery_retry_limit", "2"), ("discovery_retry_interval", "200")];

/// Settings that belong to this program: the nodes would not find each other, or not be found.
const OURS: [&str; 7] =
    ["listeners.", "loopback_users", "cluster_formation.", "management.tcp.", "log.", "default_user", "default_pass"];

/// The file's text; `definitions` is where the node finds those it is to load.
///
/// # Errors
/// A broker setting of the plan that would not stand on one line, or that is this program's to set.
pub(super) fn rabbitmq_conf(
    plan: &ClusterPlan,
    host: &HostPlan,
    version: Version,
    definitions: Option<&Path>,
) -> Result<String, ConfigError> {
    let mut settings = ours(plan, host, version);
    settings.extend(broker_settings(plan.timings).into_iter().map(|(name, value)| (name.to_owned(), value)));
    for (full, value) in &plan.config {
        let Some(name) = full.strip_prefix("broker.") else { continue };
        check(full, name, value)?;
        settings.insert(name.to_owned(), value.clone());
    }
    settings.extend(definitions.map(|path| (String::from("load_definitions"), path.display().to_string())));
    Ok(settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect())
}

fn check(full: &str, name: &str, value: &str) -> Result<(), ConfigError> {
    let invalid = |reason: &str| ConfigError::Invalid {
        setting: full.to_owned(),
        value: value.to_owned(),
        reason: reason.to_owned(),
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-$".contains(letter);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(invalid("a name in rabbitmq.conf has letters, digits, dots, underscores and hyphens"));
    }
    if value.contains(['\n', '\r']) {
        return Err(invalid("one line is needed"));
    }
    if OURS.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(ConfigError::Contradiction(format!(
            "`{full}` cannot be set: the addresses, users, logs and peers of the nodes are this program's to choose"
        )));
    }
    Ok(())
}

/// What makes three nodes one cluster that clients of other hosts may use.
fn ours(plan: &ClusterPlan, host: &HostPlan, version: Version) -> BTreeMap<String, String> {
    let address = &host.address;
    let mut settings: BTreeMap<String, String> = [
        ("listeners.tcp.default", format!("{address}:{CLIENT_PORT}")),
        ("loopback_users", String::from("none")),
        ("management.tcp.ip", address.clone()),
        ("management.tcp.port", MANAGEMENT_PORT.to_string()),
        ("collect_statistics_interval", String::from(STATISTICS_EVERY_MS)),
        ("vm_memory_high_watermark.absolute", String::from(MEMORY_LIMIT)),
        ("log.console", String::from("true")),
        ("log.console.level", String::from("info")),
        ("log.file", String::from("false")),
        ("cluster_formation.peer_discovery_backend", String::from("classic_config")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let formation = formation(plan, host, version).into_iter();
    settings.extend(formation.map(|(name, value)| (format!("cluster_formation.{name}"), value)));
    settings
}

/// How the nodes find each other.
fn formation(plan: &ClusterPlan, host: &HostPlan, version: Version) -> Vec<(String, String)> {
    let first = plan.nodes.first().map(|node| node.id);
    let (peers, settings): (Vec<&HostPlan>, &[(&str, &str)]) = if version < FIRST_WITH_A_LOCK {
        // Nothing but a random delay of up to a minute keeps two nodes from being first, so the first
        // is chosen: it knows no peer to wait for, and the others know only it.
        (plan.nodes.iter().filter(|node| Some(node.id) == first || node.id == host.id).collect(), &FOLLOW)
    } else if version.major < 4 {
        (plan.nodes.iter().collect(), &LOCK)
    } else {
        (plan.nodes.iter().collect(), &[])
    };
    let nodes = (1..).zip(peers).map(|(index, peer)| (format!("classic_config.nodes.{index}"), node_name(peer)));
    nodes.chain(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
}
