//! Nodes as data.

mod command;
mod logging;
mod properties;

use delivery_broker::{ClusterPlan, ConfigError, HostPlan, Installation, NodeFile, NodeSpec};

use crate::client_config::CLIENT_PORT;
use crate::peers::CONTROLLER_PORT;

/// Text of the line a broker logs when it serves clients.
const READY_LINE: &str = "Kafka Server started";
/// Longest time from start to that line, milliseconds: ten times what two cores need.
const READY_LIMIT_MS: u64 = 90_000;

/// Describes every node of a cluster.
///
/// # Errors
/// A broker setting that nobody knows, or that is this program's to set.
pub(crate) fn nodes(plan: &ClusterPlan, installation: &Installation) -> Result<Vec<NodeSpec>, ConfigError> {
    let cluster_id = properties::cluster_id(&plan.run_id);
    let hosts = plan.nodes.iter().chain(&plan.controllers);
    hosts.map(|host| node(plan, host, installation, &cluster_id)).collect()
}

fn node(
    plan: &ClusterPlan,
    host: &HostPlan,
    installation: &Installation,
    cluster_id: &str,
) -> Result<NodeSpec, ConfigError> {
    let text = properties::server_properties(plan, host)?;
    let server = NodeFile { path: host.data_dir.join("server.properties"), text };
    let calls = command::calls(installation, &host.data_dir);
    let prepare = vec![calls.format_storage(&server.path, cluster_id)];
    let command = calls.run_broker(&server.path);
    let mut files = vec![server];
    files.extend(logging::files(&host.data_dir));
    Ok(NodeSpec {
        host: host.clone(),
        rootfs: installation.rootfs.clone(),
        files,
        storage: Some(host.data_dir.join(properties::LOG_DIR)),
        prepare,
        command,
        ready_line: String::from(READY_LINE),
        ready_limit_ms: READY_LIMIT_MS,
        ports: vec![CLIENT_PORT, CONTROLLER_PORT],
        image: Some(installation.image.clone().unwrap_or_else(|| format!("apache/kafka:{}", installation.version))),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use delivery_broker::{ClusterPlan, ConfigError, HostPlan, Installation, Timings};

    use super::nodes;

    fn plan(config: &[(&str, &str)], timings: Timings) -> ClusterPlan {
        let host = |id: u32| HostPlan {
            id,
            name: format!("node{id}"),
            address: format!("198.18.0.{id}"),
            data_dir: PathBuf::from(format!("/run/data/{id}")),
        };
        ClusterPlan {
            nodes: (1..=3).map(host).collect(),
            controllers: Vec::new(),
            config: config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            timings,
            run_id: String::from("2026-11-24-a"),
        }
    }

    fn installation() -> Installation {
        Installation {
            rootfs: None,
            home: PathBuf::from("/opt/kafka"),
            version: String::from("4.1.1"),
            runtime: PathBuf::from("/usr/bin/java"),
            image: None,
        }
    }

    #[test]
    fn a_node_in_an_image_is_started_by_the_images_own_scripts() {
        let image = Some(String::from("apache/kafka:4.1.1"));
        let installation = Installation { image: image.clone(), runtime: PathBuf::new(), ..installation() };
        let described = nodes(&plan(&[], Timings::Vendor), &installation).unwrap();
        assert_eq!(described[1].image, image);
        insta::assert_json_snapshot!((&described[1].prepare, &described[1].command));
    }

    #[test]
    fn a_node_as_it_is_described() {
        let described = nodes(&plan(&[], Timings::Vendor), &installation()).unwrap();
        assert_eq!(described.len(), 3);
        insta::assert_json_snapshot!(described[1]);
    }

    #[test]
    fn settings_of_the_run_and_short_timings_are_written() {
        let config = [("broker.min.insync.replicas", "2"), ("broker.replica.lag.time.max.ms", "7000")];
        let described = nodes(&plan(&config, Timings::Short), &installation()).unwrap();
        let text = &described[0].files[0].text;
        assert!(text.contains("min.insync.replicas=2\n"), "{text}");
        assert!(text.contains("broker.session.timeout.ms=3000\n"), "{text}");
        assert!(text.contains("replica.lag.time.max.ms=7000\n"), "the user's wins: {text}");
        assert_eq!(text.matches("replica.lag.time.max.ms").count(), 1);
    }

    #[test]
    fn bad_broker_settings_are_refused() {
        let refused = nodes(&plan(&[("broker.min.insync.replica", "2")], Timings::Vendor), &installation());
        assert!(matches!(refused, Err(ConfigError::Unknown { .. })), "{refused:?}");
        let refused = nodes(&plan(&[("broker.node.id", "2")], Timings::Vendor), &installation());
        assert!(matches!(refused, Err(ConfigError::Contradiction(_))), "{refused:?}");
        let refused = nodes(&plan(&[("broker.num.io.threads", "2\nnode.id=9")], Timings::Vendor), &installation());
        assert!(matches!(refused, Err(ConfigError::Invalid { .. })), "{refused:?}");
        let other: BTreeMap<String, String> = BTreeMap::from([(String::from("topic.x"), String::from("1"))]);
        let mut unscoped = plan(&[], Timings::Vendor);
        unscoped.config = other;
        assert!(nodes(&unscoped, &installation()).is_ok(), "settings of other scopes are not the brokers'");
    }
}
