//! Real RabbitMQ clusters on the local backend: from this machine's packages, and from every root
//! file system in the cache.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use delivery_broker::{ClusterPlan, HostPlan, InstallRequest, Installation, NodeSpec, Timings, rootfs_dir};
use delivery_cluster::local::{ClusterError, LocalCluster, LocalHost, NodeEvent};
use serde_json::Value;
use support::{enclosed, processes_with, role, wait_until};

/// Number of the host that asks.
const CLIENT: u32 = 9;

fn main() {
    match support::asked_role() {
        Some(role) => print!("{}", get(&role[0], &role[1])),
        None => support::run(&[
            ("three_nodes_of_this_machines_packages_are_one_cluster", three_nodes_of_this_machine),
            ("three_nodes_of_each_root_file_system_are_one_cluster", three_nodes_of_each_root_file_system),
            ("three_nodes_of_an_archive_are_one_cluster", three_nodes_of_an_archive),
            ("a_node_with_another_cookie_is_no_member_and_says_why", a_node_with_another_cookie),
            ("definitions_of_the_users_are_loaded", definitions_are_loaded),
            ("a_configuration_the_broker_refuses_is_told_in_its_words", a_refused_configuration),
        ]),
    }
}

/// The body of an answer of the management plugin's HTTP API; nothing when there is none.
fn get(address: &str, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    let request = format!("GET {path} HTTP/1.0\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n");
    let mut answer = String::new();
    let asked = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    asked.ok().and_then(|_| Some(answer.split_once("\r\n\r\n")?.1.to_owned())).unwrap_or_default()
}

fn cache_dir() -> PathBuf {
    let base = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/delivery-verifier");
    env::var_os("VERIFY_CACHE_DIR").map_or_else(base, PathBuf::from)
}

/// Says why something is not tried; with `VERIFY_REQUIRE=rabbitmq` that is a failure.
fn skipped(reason: &str) {
    let required = env::var("VERIFY_REQUIRE").is_ok_and(|names| names.contains("rabbitmq"));
    assert!(!required, "VERIFY_REQUIRE asks for RabbitMQ: {reason}");
    println!("skipped: {reason}");
}

/// The broker of this machine's packages.
fn of_this_machine() -> Option<Installation> {
    match delivery_rabbitmq::install(&InstallRequest::default(), &mut |_| {}) {
        Ok(installation) => Some(installation),
        Err(error) => {
            skipped(&error.to_string());
            None
        }
    }
}

fn plan(directory: &Path, config: &[(&str, &str)]) -> ClusterPlan {
    let host = |id: u32| HostPlan {
        id,
        name: format!("node{id}"),
        address: format!("198.18.0.{id}"),
        data_dir: directory.join(format!("node{id}")),
    };
    ClusterPlan {
        nodes: (1..=3).map(host).collect(),
        controllers: Vec::new(),
        config: config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        timings: Timings::Short,
        run_id: String::from("test"),
    }
}

/// Three hosts for nodes and one that asks.
fn hosts(plan: &ClusterPlan) -> LocalCluster {
    let mut hosts: Vec<LocalHost> = plan
        .nodes
        .iter()
        .map(|node| LocalHost { id: node.id, name: node.name.clone(), address: node.address.clone() })
        .collect();
    hosts.push(LocalHost { id: CLIENT, name: String::from("client"), address: format!("198.18.0.{CLIENT}") });
    LocalCluster::create(&hosts, vec![5672]).unwrap()
}

/// Starts the nodes; returns once each is ready, and what they said if one is not.
fn start(cluster: &mut LocalCluster, specs: &[NodeSpec], logs: &Path) -> Result<(), String> {
    cluster.start_nodes(specs, logs, &|| false).map_err(|error: ClusterError| error.to_string())?;
    let (mut ready, mut failed) = (0, None);
    wait_until("every node is ready or one has failed", || {
        for event in cluster.poll_nodes() {
            match event {
                NodeEvent::Ready { .. } => ready += 1,
                NodeEvent::Halted { status, .. } => failed = Some(status),
                NodeEvent::Died { last_lines, .. } | NodeEvent::NotReady { last_lines, .. } => {
                    failed = Some(last_lines.join("\n"));
                }
            }
        }
        ready == specs.len() || failed.is_some()
    });
    failed.map_or(Ok(()), Err)
}

/// What a node answers to a question about the cluster.
fn ask(cluster: &LocalCluster, node: &HostPlan, path: &str) -> Option<Value> {
    let mut command: Command = role(&[&format!("{}:15672", node.address), path]);
    command.stdout(Stdio::piped());
    let answer = cluster.spawn(CLIENT, command).unwrap().wait_with_output().unwrap();
    serde_json::from_slice(&answer.stdout).ok()
}

/// Names of the running nodes, as `node` sees them.
fn running(cluster: &LocalCluster, node: &HostPlan) -> Vec<String> {
    let nodes = ask(cluster, node, "/api/nodes");
    let nodes = nodes.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let up = nodes.iter().filter(|entry| entry["running"] == true);
    let mut names: Vec<String> = up.filter_map(|entry| entry["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

fn forms_one_cluster(installation: &Installation) {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let plan = plan(directory.path(), &[("broker.cluster_partition_handling", "pause_minority")]);
        let specs = delivery_rabbitmq::nodes(&plan, installation).unwrap();
        let mut cluster = hosts(&plan);
        let started = Instant::now();
        start(&mut cluster, &specs, &directory.path().join("logs")).unwrap();
        println!("RabbitMQ {}: three nodes up after {:?}", installation.version, started.elapsed());
        for node in &plan.nodes {
            wait_until("every node sees all three", || {
                running(&cluster, node) == ["rabbit@node1", "rabbit@node2", "rabbit@node3"]
            });
            let overview = ask(&cluster, node, "/api/overview").unwrap();
            assert_eq!(overview["rabbitmq_version"].as_str(), Some(installation.version.as_str()));
        }
        println!("RabbitMQ {}: one cluster after {:?}", installation.version, started.elapsed());
        let data = directory.path().display().to_string();
        assert!(!processes_with(&data).is_empty());
        cluster.stop();
        wait_until("nothing of the nodes runs any more", || {
            processes_with(&data).is_empty() && processes_with("epmd").is_empty()
        });
    });
}

fn three_nodes_of_this_machine() {
    if let Some(installation) = of_this_machine() {
        forms_one_cluster(&installation);
    }
}

/// The vendor's archive has what the packages have, below one directory.
fn three_nodes_of_an_archive() {
    let Some(installed) = of_this_machine() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rabbitmq-server-generic-unix.tar.xz");
    let mut tar = Command::new("tar");
    tar.env("XZ_OPT", "-0").arg("-cJf").arg(&file).arg("-C").arg(installed.home.parent().unwrap());
    assert!(tar.arg(installed.home.file_name().unwrap()).status().unwrap().success());
    let request = InstallRequest {
        dist: Some(file),
        cache_dir: directory.path().join("cache"),
        version: Some(installed.version.clone()),
        ..InstallRequest::default()
    };
    let unpacked = delivery_rabbitmq::install(&request, &mut |_| {}).unwrap();
    assert!(unpacked.home.starts_with(directory.path()));
    forms_one_cluster(&unpacked);
}

fn three_nodes_of_each_root_file_system() {
    let made = rootfs_dir(&cache_dir(), "rabbitmq");
    let entries = std::fs::read_dir(&made).into_iter().flatten().flatten();
    let whole = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let trees: Vec<PathBuf> = whole.filter(|entry| entry.path().is_dir()).map(|entry| entry.path()).collect();
    if trees.is_empty() {
        let reason = format!("no root file system in {}: `verify rootfs rabbitmq --suite trixie`", made.display());
        // A plain user has no cache here: the mounts themselves are tested as one elsewhere.
        if nix::unistd::geteuid().is_root() { skipped(&reason) } else { println!("skipped: {reason}") }
    }
    for tree in trees {
        let request = InstallRequest { rootfs: Some(tree), ..InstallRequest::default() };
        forms_one_cluster(&delivery_rabbitmq::install(&request, &mut |_| {}).unwrap());
    }
}

fn a_node_with_another_cookie() {
    let Some(installation) = of_this_machine() else { return };
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let plan = plan(directory.path(), &[]);
        let mut specs = delivery_rabbitmq::nodes(&plan, &installation).unwrap();
        specs[2].files[0].text = String::from("ANOTHER");
        let mut cluster = hosts(&plan);
        let logs = directory.path().join("logs");
        start(&mut cluster, &specs, &logs).unwrap();
        wait_until("the two others are one cluster", || {
            running(&cluster, &plan.nodes[0]) == ["rabbit@node1", "rabbit@node2"]
        });
        assert_eq!(running(&cluster, &plan.nodes[2]), ["rabbit@node3"]);
        let logs = [1, 2, 3].map(|node| std::fs::read_to_string(logs.join(format!("node{node}.log"))).unwrap());
        let told = logs.iter().find_map(|log| delivery_rabbitmq::explain(log));
        assert!(told.as_ref().is_some_and(|told| told.contains("cookie")), "{told:?}\n{}", logs.join("\n"));
    });
}

fn definitions_are_loaded() {
    let Some(installation) = of_this_machine() else { return };
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("own.json");
        std::fs::write(&file, "{\"vhosts\": [{\"name\": \"own\"}]}").unwrap();
        let plan = plan(directory.path(), &[("broker.load_definitions", file.to_str().unwrap())]);
        let specs = delivery_rabbitmq::nodes(&plan, &installation).unwrap();
        let mut cluster = hosts(&plan);
        start(&mut cluster, &specs, &directory.path().join("logs")).unwrap();
        wait_until("this program's user sees its virtual host and the user's", || {
            let vhosts = ask(&cluster, &plan.nodes[0], "/api/vhosts").unwrap_or_default();
            let names: Vec<&str> =
                vhosts.as_array().into_iter().flatten().filter_map(|vhost| vhost["name"].as_str()).collect();
            names.contains(&"/") && names.contains(&"own")
        });
    });
}

fn a_refused_configuration() {
    let Some(installation) = of_this_machine() else { return };
    for (name, value, word) in
        [("broker.no_such_setting", "1", "no_such_setting"), ("broker.cluster_partition_handling", "pray", "pray")]
    {
        enclosed(|| {
            let directory = tempfile::tempdir().unwrap();
            let plan = plan(directory.path(), &[(name, value)]);
            let specs = delivery_rabbitmq::nodes(&plan, &installation).unwrap();
            let mut cluster = hosts(&plan);
            let logs = directory.path().join("logs");
            start(&mut cluster, &specs, &logs).unwrap_err();
            let log = std::fs::read_to_string(logs.join("node1.log")).unwrap();
            let explained = delivery_rabbitmq::explain(&log).unwrap_or_else(|| panic!("nothing in:\n{log}"));
            assert!(explained.contains("rabbitmq.conf") && explained.contains(word), "{explained}");
        });
    }
}
