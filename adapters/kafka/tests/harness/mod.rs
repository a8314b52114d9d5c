//! A real cluster on loopback addresses, without namespaces: the adapter's own node descriptions,
//! run as plain processes that are killed when the test ends.
// Test and benchmark need a part of it each.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use delivery_broker::{
    ClientSpec, ClusterPlan, DestinationRef, HostPlan, InstallRequest, Installation, NodeAddress, NodeCommand,
    NodeSpec, RealSystem, Timings,
};
use delivery_kafka::Kafka;

/// Installs the default version, or says why the test is skipped. With `VERIFY_REQUIRE=kafka` a
/// skipped test is a failed one.
pub(crate) fn install() -> Option<Installation> {
    let cache_dir = std::env::var_os("VERIFY_CACHE_DIR").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/delivery-verifier"),
        PathBuf::from,
    );
    let request =
        InstallRequest { version: std::env::var("VERIFY_TEST_KAFKA").ok(), cache_dir, ..InstallRequest::default() };
    match Kafka.install(&request, &mut |line| println!("{line}")) {
        Ok(installation) => Some(installation),
        Err(error) => {
            let required = std::env::var("VERIFY_REQUIRE").is_ok_and(|names| names.contains("kafka"));
            assert!(!required, "VERIFY_REQUIRE asks for Kafka: {error}");
            println!("skipped: {error}");
            None
        }
    }
}

/// Three nodes that run.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<NodeSpec>,
    children: Vec<(u32, Child)>,
    directory: tempfile::TempDir,
}

impl Cluster {
    /// Formats and starts the nodes, and waits until each says that it is ready.
    pub(crate) fn start(installation: &Installation, subnet: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let host = |id: u32| HostPlan {
            id,
            name: format!("node{id}"),
            address: format!("127.77.{subnet}.{id}"),
            data_dir: directory.path().join(format!("node{id}")),
        };
        let plan = ClusterPlan {
            nodes: (1..=3).map(host).collect(),
            controllers: Vec::new(),
            config: Default::default(),
            timings: Timings::Short,
            run_id: format!("test-{}", std::process::id()),
        };
        let nodes = Kafka.nodes(&plan, installation).unwrap();
        let started = Instant::now();
        prepare(&nodes);
        println!("formatted after {:?}", started.elapsed());
        let mut cluster = Self { nodes, children: Vec::new(), directory };
        let waiting: Vec<(NodeSpec, Receiver<()>)> =
            cluster.nodes.clone().into_iter().map(|node| (node.clone(), cluster.run(&node))).collect();
        for (node, ready) in waiting {
            let limit = Duration::from_millis(node.ready_limit_ms);
            let waited = ready.recv_timeout(limit);
            assert!(waited.is_ok(), "node {} is not ready:\n{}", node.host.id, cluster.log(node.host.id));
            println!("node {} ready after {:?}", node.host.id, started.elapsed());
        }
        cluster
    }

    fn run(&mut self, node: &NodeSpec) -> Receiver<()> {
        let mut child = command(&node.command).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, ready) = channel();
        let (line_text, log) = (node.ready_line.clone(), self.log_path(node.host.id));
        self.children.push((node.host.id, child));
        std::thread::spawn(move || {
            use std::io::Write;
            let mut file = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.contains(&line_text) {
                    let _ = sender.send(());
                }
                if writeln!(file, "{line}").is_err() {
                    break;
                }
            }
        });
        ready
    }

    fn log_path(&self, node: u32) -> PathBuf {
        self.directory.path().join(format!("node{node}.log"))
    }

    fn log(&self, node: u32) -> String {
        let text = fs::read_to_string(self.log_path(node)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Ends a node as a crash does.
    pub(crate) fn kill(&mut self, node: u32) {
        for (id, child) in &mut self.children {
            if *id == node {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }

    /// Starts a node again with what it had stored.
    pub(crate) fn restart(&mut self, node: u32) {
        let spec = self.nodes.iter().find(|spec| spec.host.id == node).unwrap().clone();
        let ready = self.run(&spec);
        let limit = Duration::from_millis(spec.ready_limit_ms);
        assert!(ready.recv_timeout(limit).is_ok(), "node {node} is not ready again:\n{}", self.log(node));
    }

    /// What a client of this cluster needs.
    pub(crate) fn client(
        &self,
        name: &str,
        config: std::collections::BTreeMap<String, String>,
        destinations: &[DestinationRef],
        group: Option<&str>,
    ) -> ClientSpec {
        let node = |spec: &NodeSpec| NodeAddress { id: spec.host.id, address: spec.host.address.clone() };
        ClientSpec {
            seat: String::from("seat"),
            controllers: Vec::new(),
            client_name: name.to_owned(),
            run_tag: 77,
            nodes: self.nodes.iter().map(node).collect(),
            destinations: destinations.to_vec(),
            config,
            group: group.map(str::to_owned),
            outputs: Vec::new(),
            read_uncommitted: None,
            access: None,
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn prepare(nodes: &[NodeSpec]) {
    let mut formatting = Vec::new();
    for node in nodes {
        fs::create_dir_all(&node.host.data_dir).unwrap();
        for file in &node.files {
            assert!(file.path.starts_with(&node.host.data_dir) && is_plain(&file.path), "{}", file.path.display());
            fs::write(&file.path, &file.text).unwrap();
        }
        for step in &node.prepare {
            formatting.push(command(step).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        }
    }
    for child in formatting {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn is_plain(path: &Path) -> bool {
    path.components().all(|part| !matches!(part, std::path::Component::ParentDir))
}

fn command(described: &NodeCommand) -> Command {
    let mut command = Command::new(&described.program);
    command.args(&described.arguments).env_clear().envs(&described.environment).stdin(Stdio::null());
    command
}
