//! server.properties of a broker, a controller, or a node that is both.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use delivery_broker::{ClusterPlan, ConfigError, HostPlan, Scope};

use crate::client_config::CLIENT_PORT;
use crate::peers::CONTROLLER_PORT;
use crate::settings::full_name;
use crate::timings::broker_settings;

/// What a node stores, in its data directory.
pub(super) const LOG_DIR: &str = "log";

/// The cluster's identity: 16 bytes in Kafka's spelling, the same for the same run.
pub(super) fn cluster_id(run_id: &str) -> String {
    let mut bytes = [0; 16];
    for (word, seed) in bytes.chunks_exact_mut(4).zip(1u32..) {
        word.copy_from_slice(&crc32c::crc32c_append(seed, run_id.as_bytes()).to_le_bytes());
    }
    // A leading letter: the storage tool takes one that starts with `-` for an option.
    bytes[0] &= 0x3f;
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The file's text.
///
/// # Errors
/// A broker setting of the plan that nobody knows, that is this program's to set, or that would
/// not stand on one line.
pub(super) fn server_properties(plan: &ClusterPlan, host: &HostPlan) -> Result<String, ConfigError> {
    let mut settings: BTreeMap<String, String> = ours(plan, host);
    let timings = broker_settings(plan.timings);
    settings.extend(timings.into_iter().map(|(name, value)| (name.to_owned(), value)));
    for (full, value) in plan.config.iter().filter(|(full, _)| full.starts_with("broker.")) {
        let (scope, name) = full_name(full)?;
        if scope != Scope::Broker {
            return Err(ConfigError::unknown("setting", full, []));
        }
        if value.contains(['\n', '\r', '\\']) {
            let reason = String::from("one line without backslashes is needed");
            return Err(ConfigError::Invalid { setting: full.clone(), value: value.clone(), reason });
        }
        settings.insert(name, value.clone());
    }
    Ok(settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect())
}

/// What makes the nodes one cluster. Beside that: the topics of offsets and of transactions have one partition each,
/// so their leaders are known, and a group starts without waiting for more members to come.
fn ours(plan: &ClusterPlan, host: &HostPlan) -> BTreeMap<String, String> {
    let quorum = if plan.controllers.is_empty() { &plan.nodes } else { &plan.controllers };
    let voters: Vec<String> =
        quorum.iter().map(|node| format!("{}@{}:{CONTROLLER_PORT}", node.id, node.address)).collect();
    let replicas = plan.nodes.len().min(3);
    [
        ("node.id", host.id.to_string()),
        ("controller.quorum.voters", voters.join(",")),
        ("listener.security.protocol.map", String::from("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT")),
        ("controller.listener.names", String::from("CONTROLLER")),
        ("log.dirs", host.data_dir.join(LOG_DIR).display().to_string()),
        ("auto.create.topics.enable", String::from("false")),
        ("offsets.topic.num.partitions", String::from("1")),
        ("offsets.topic.replication.factor", replicas.to_string()),
        ("transaction.state.log.num.partitions", String::from("1")),
        ("transaction.state.log.replication.factor", replicas.to_string()),
        ("transaction.state.log.min.isr", replicas.saturating_sub(1).max(1).to_string()),
        ("group.initial.rebalance.delay.ms", String::from("0")),
    ]
    .into_iter()
    .chain(roles(plan, host))
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// What the node does, and where it listens for that.
fn roles(plan: &ClusterPlan, host: &HostPlan) -> Vec<(&'static str, String)> {
    let serves = plan.nodes.iter().any(|node| node.id == host.id);
    let votes = plan.controllers.is_empty() || !serves;
    let address = &host.address;
    let (mut names, mut listeners) = (Vec::new(), Vec::new());
    if serves {
        names.push("broker");
        listeners.push(format!("PLAINTEXT://{address}:{CLIENT_PORT}"));
    }
    if votes {
        names.push("controller");
        listeners.push(format!("CONTROLLER://{address}:{CONTROLLER_PORT}"));
    }
    let mut roles = vec![("process.roles", names.join(",")), ("listeners", listeners.join(","))];
    if serves {
        roles.push(("advertised.listeners", format!("PLAINTEXT://{address}:{CLIENT_PORT}")));
        roles.push(("inter.broker.listener.name", String::from("PLAINTEXT")));
    }
    roles
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::cluster_id;

    proptest! {
        #[test]
        fn cluster_ids_are_what_the_storage_tool_takes(run_id in "[a-z0-9-]{1,40}") {
            let id = cluster_id(&run_id);
            prop_assert_eq!(id.len(), 22);
            prop_assert!(id.starts_with(|first: char| first.is_ascii_alphabetic()));
            prop_assert_eq!(cluster_id(&run_id), id);
        }
    }

    #[test]
    fn runs_have_clusters_of_their_own() {
        assert_ne!(cluster_id("a"), cluster_id("b"));
    }
}
