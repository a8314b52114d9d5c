//! Nodes as data.

mod command;
mod conf;
mod definitions;
mod explain;

use delivery_broker::{ClusterPlan, ConfigError, HostPlan, Installation, NodeCommand, NodeFile, NodeSpec};

pub use explain::explain;

use crate::install::Version;
pub(crate) use crate::rabbitmq::CLIENT_PORT;

/// TCP port of the management plugin's HTTP API.
pub(crate) const MANAGEMENT_PORT: u16 = 15672;
/// TCP port nodes connect to each other on.
pub(crate) const DISTRIBUTION_PORT: u16 = 25672;
/// TCP port of Erlang's port mapper, which nodes ask for the other's port.
const EPMD_PORT: u16 = 4369;
/// Text of the line a broker logs when it serves clients.
const READY_LINE: &str = "Server startup complete";
/// Longest time from start to that line, milliseconds: ten times what two cores need.
const READY_LIMIT_MS: u64 = 120_000;

/// Name of a node in its cluster.
pub(crate) fn node_name(host: &HostPlan) -> String {
    format!("rabbit@{}", host.name)
}

/// Setting with the run's secret, which its nodes and its observers share.
pub(crate) const SECRET: &str = "cluster.secret";

/// Describes every node of a cluster. All have one cookie: the run's secret, or one drawn for this call.
///
/// # Errors
/// A broker setting that cannot be written into `rabbitmq.conf`, or that is this program's to set.
pub fn nodes(plan: &ClusterPlan, installation: &Installation) -> Result<Vec<NodeSpec>, ConfigError> {
    // 122 random bits: nobody else is to join this cluster, nor its nodes any other.
    let drawn = || uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    let cookie = plan.config.get(SECRET).cloned().unwrap_or_else(drawn);
    plan.nodes.iter().map(|host| node(plan, host, installation, &cookie)).collect()
}

fn node(
    plan: &ClusterPlan,
    host: &HostPlan,
    installation: &Installation,
    cookie: &str,
) -> Result<NodeSpec, ConfigError> {
    let version = Version::parse(&installation.version)?;
    let file = |name: &str, text: String| NodeFile { path: host.data_dir.join(name), text };
    let definitions = definitions::file(plan, host)?;
    let loaded = definitions.as_ref().map(|file| file.path.as_path());
    let mut files = vec![
        file(command::COOKIE_FILE, cookie.to_owned()),
        file(command::CONF_FILE, conf::rabbitmq_conf(plan, host, version, loaded)?),
        file(command::PLUGINS_FILE, String::from("[rabbitmq_management].\n")),
    ];
    files.extend(definitions);
    Ok(NodeSpec {
        host: host.clone(),
        rootfs: installation.rootfs.clone(),
        files,
        storage: None,
        prepare: prepare(plan, host, installation, version),
        command: command::run_broker(host, installation),
        ready_line: String::from(READY_LINE),
        ready_limit_ms: READY_LIMIT_MS,
        ports: vec![CLIENT_PORT, DISTRIBUTION_PORT, EPMD_PORT],
        image: Some(installation.image.clone().unwrap_or_else(|| format!("rabbitmq:{version}"))),
    })
}

/// What a node does before it starts for the first time. Releases without a lock are let in one after the other: one
/// that joins while the first node turns its feature flags on finds tables of another shape and gives up
/// (`schema_integrity_check_failed`).
fn prepare(plan: &ClusterPlan, host: &HostPlan, installation: &Installation, version: Version) -> Vec<NodeCommand> {
    if version >= conf::FIRST_WITH_A_LOCK {
        return Vec::new();
    }
    let first = plan.nodes.first().filter(|first| first.id != host.id);
    first.map(|first| command::wait_for(first, host, installation)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use delivery_broker::{ClusterPlan, ConfigError, HostPlan, Installation, Timings};

    use super::nodes;

    fn plan(config: &[(&str, &str)], timings: Timings) -> ClusterPlan {
        let host = |id: u32| HostPlan {
            id,
            name: format!("node{id}"),
            address: format!("198.18.0.{id}"),
            data_dir: PathBuf::from(format!("/runs/1/data/node{id}")),
        };
        ClusterPlan {
            nodes: (1..=3).map(host).collect(),
            controllers: Vec::new(),
            config: config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            timings,
            run_id: String::from("run-1"),
        }
    }

    fn installation(version: &str) -> Installation {
        Installation {
            rootfs: Some(PathBuf::from("/cache/trixie")),
            home: PathBuf::from(format!("/usr/lib/rabbitmq/lib/rabbitmq_server-{version}")),
            version: version.to_owned(),
            runtime: PathBuf::from("/usr/lib/erlang/bin/erl"),
            image: None,
        }
    }

    fn conf(config: &[(&str, &str)], timings: Timings) -> Result<String, ConfigError> {
        Ok(nodes(&plan(config, timings), &installation("4.0.5"))?[0].files[1].text.clone())
    }

    #[test]
    fn a_node_as_it_is_described() {
        let mut described = nodes(&plan(&[], Timings::Vendor), &installation("4.0.5")).unwrap();
        assert_eq!(described.len(), 3);
        assert_eq!(described[0].files[0].text.len(), 32);
        described[1].files[0].text = String::from("COOKIE");
        insta::assert_json_snapshot!(described[1]);
    }

    #[test]
    fn every_run_has_a_cookie_of_its_own_and_all_its_nodes_that_one() {
        let cookies = || {
            let described = nodes(&plan(&[], Timings::Vendor), &installation("4.0.5")).unwrap();
            described.into_iter().map(|node| node.files[0].text.clone()).collect::<Vec<_>>()
        };
        let (first, second) = (cookies(), cookies());
        assert!(first.iter().all(|cookie| *cookie == first[0]));
        assert_ne!(first[0], second[0]);
        let given = nodes(&plan(&[("cluster.secret", "SECRET")], Timings::Vendor), &installation("4.0.5")).unwrap();
        assert_eq!(given[2].files[0].text, "SECRET");
    }

    #[test]
    fn nodes_of_releases_without_a_lock_wait_for_the_first() {
        let prepared = |version: &str| {
            let described = nodes(&plan(&[], Timings::Vendor), &installation(version)).unwrap();
            described.into_iter().map(|node| node.prepare).collect::<Vec<_>>()
        };
        let old = prepared("3.8.9");
        assert_eq!(old.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 1]);
        insta::assert_json_snapshot!("waits_for_the_first", old[1][0]);
        assert!(prepared("3.8.18").iter().all(Vec::is_empty));
    }

    #[test]
    fn settings_of_the_run_and_short_timings_are_written() {
        let text = conf(&[("broker.cluster_partition_handling", "autoheal")], Timings::Short).unwrap();
        assert!(text.contains("cluster_partition_handling = autoheal\n"), "{text}");
        assert!(text.contains("net_ticktime = 5\n"), "{text}");
        let text = conf(&[("broker.net_ticktime", "8"), ("queue.x-max-length", "5")], Timings::Short).unwrap();
        assert!(text.contains("net_ticktime = 8\n"), "the user's wins: {text}");
        assert_eq!(text.matches("net_ticktime").count(), 1);
        assert!(!text.contains("x-max-length"), "settings of other scopes are not the brokers': {text}");
        let text = conf(&[], Timings::Vendor).unwrap();
        assert!(!text.contains("net_ticktime"), "the vendor's own: {text}");
    }

    #[test]
    fn bad_broker_settings_are_refused() {
        let refused = |name: &str, value: &str| conf(&[(name, value)], Timings::Vendor).unwrap_err();
        for name in
            ["broker.listeners.tcp.default", "broker.cluster_formation.classic_config.nodes.1", "broker.loopback_users"]
        {
            let error = refused(name, "x");
            assert!(matches!(error, ConfigError::Contradiction(_)), "{error}");
        }
        assert!(matches!(refused("broker.heartbeat", "5\nlisteners.tcp = none"), ConfigError::Invalid { .. }));
        assert!(matches!(refused("broker.heart beat", "5"), ConfigError::Invalid { .. }));
    }

    #[test]
    fn the_users_definitions_are_copied_for_the_node() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("definitions.json");
        let described = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let config = [("broker.load_definitions", path.to_str().unwrap())];
            nodes(&plan(&config, Timings::Vendor), &installation("4.0.5"))
        };
        let node = described("{\"vhosts\": [{\"name\": \"/\"}, {\"name\": \"own\"}]}").unwrap().remove(1);
        assert!(node.files[1].text.contains("load_definitions = /runs/1/data/node2/definitions.json\n"));
        insta::assert_snapshot!("definitions", node.files[3].text);
        let error = described("vhosts: /").unwrap_err().to_string();
        assert!(error.contains("definitions.json") && error.contains("JSON"), "{error}");
        let missing = [("broker.load_definitions", "/no/such/file.json")];
        let error = nodes(&plan(&missing, Timings::Vendor), &installation("4.0.5")).unwrap_err().to_string();
        assert!(error.contains("/no/such/file.json"), "{error}");
    }

    #[test]
    fn how_nodes_find_each_other_depends_on_the_release() {
        let formation = |version: &str| {
            let described = nodes(&plan(&[], Timings::Vendor), &installation(version)).unwrap();
            let of = |text: &str| text.lines().filter(|line| line.contains("formation")).collect::<Vec<_>>().join("\n");
            described.iter().map(|node| of(&node.files[1].text)).collect::<Vec<_>>().join("\n\n")
        };
        insta::assert_snapshot!("formation_3_8_9", formation("3.8.9"));
        insta::assert_snapshot!("formation_3_10_8", formation("3.10.8"));
        insta::assert_snapshot!("formation_4_0_5", formation("4.0.5"));
    }
}
