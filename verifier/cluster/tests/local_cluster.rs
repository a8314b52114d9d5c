//! Hosts, cuts and nodes of the local backend, with real TCP and real processes.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

#[path = "conformance/mod.rs"]
mod conformance;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use conformance::{BROKER_PORT, Bench, CASES, Talker, processes_with, wait_until};
use delivery_broker::{HostPlan, NodeCommand, NodeSpec};
use delivery_cluster::cluster::{Cluster, ClusterHost, Errand};
use delivery_cluster::local::{ClusterError, LocalCluster, LocalHost, NodeEvent};
use delivery_cluster::network::{Counters, Impairment, Network};
use support::enclosed;

fn main() {
    if let Some(role) = conformance::asked_role() {
        return conformance::play(&role);
    }
    let own: [(&'static str, fn()); 9] = [
        ("clusters_follow_each_other_in_one_enclosure", clusters_follow_each_other),
        ("bandwidth_holds_back_what_a_host_says_and_hears", bandwidth_holds_back),
        ("a_delay_delays_or_is_refused_with_nothing_left", a_delay_delays_or_is_refused),
        ("bad_hosts_are_refused", bad_hosts_are_refused),
        ("a_node_killed_by_itself_is_told_with_the_signal", a_node_killed_by_itself),
        ("a_node_that_ends_ends_the_wait_of_those_prepared_meanwhile", a_node_ends_while_another_is_prepared),
        ("a_preparing_program_that_is_missing_is_named", a_missing_program_is_named),
        ("a_node_sees_its_root_file_system_and_cannot_change_it", a_node_sees_its_root_file_system),
        ("a_root_file_system_that_cannot_be_laid_out_is_named", a_bad_root_file_system_is_named),
    ];
    let own = own.into_iter().map(|(name, case)| (name, Box::new(case) as Box<dyn Fn()>));
    let common = CASES.iter().map(|(name, case)| (*name, Box::new(|| enclosed(|| case(&LocalBench::new()))) as _));
    support::run_boxed(&common.chain(own).collect::<Vec<_>>());
}

/// Clusters of namespaces.
struct LocalBench {
    directory: tempfile::TempDir,
}

impl LocalBench {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }
}

impl Bench for LocalBench {
    fn address(&self, host: u32) -> String {
        address(host)
    }

    fn cluster(&self, hosts: &[ClusterHost], ports: Vec<u16>) -> Box<dyn Cluster> {
        Box::new(LocalCluster::create(hosts, ports).unwrap())
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn fit(&self, _spec: &mut NodeSpec) {}
}

fn address(host: u32) -> String {
    format!("198.18.0.{host}")
}

/// Hosts 1, 2 and 3.
fn three_hosts() -> LocalCluster {
    let host = |id: u32| LocalHost { id, name: format!("host-{id}"), address: address(id) };
    LocalCluster::create(&[host(1), host(2), host(3)], vec![BROKER_PORT]).unwrap()
}

/// A client on one host and an echo server on another.
struct Pair {
    client: Talker,
    _server: Talker,
}

fn pair(cluster: &LocalCluster, client: u32, server: u32, port: u16) -> Pair {
    let place = format!("{}:{port}", address(server));
    let talk = |host: u32, role: &str| {
        let arguments = ["--role", role, &place].map(str::to_owned).to_vec();
        Talker::new(
            cluster.run(host, &Errand { arguments, log: "/dev/null".into(), not_inherited: Vec::new() }).unwrap(),
        )
    };
    let mut server = talk(server, "echo");
    assert_eq!(server.hear(), "listening");
    let mut client = talk(client, "client");
    assert_eq!(client.ask("connect"), "connected");
    Pair { client, _server: server }
}

fn clusters_follow_each_other() {
    enclosed(|| {
        for _ in 0..3 {
            let cluster = three_hosts();
            assert_eq!(pair(&cluster, 1, 2, BROKER_PORT).client.ask("ping"), "echoed");
            assert!(fs::read_to_string("/etc/hosts").unwrap().contains("198.18.0.3 host-3"));
        }
    });
    assert!(!fs::read_to_string("/etc/hosts").unwrap().contains("host-3"));
}

fn bandwidth_holds_back() {
    enclosed(|| {
        let cluster = three_hosts();
        let mut network = cluster.network();
        let mut slow = pair(&cluster, 1, 2, BROKER_PORT);
        let limit = Impairment::Bandwidth { hosts: vec![2], kbit_per_s: 8 };
        let bandwidth = network.impair(&limit).unwrap();
        assert!(network.impair(&limit).is_err(), "a link has one queue");
        // A byte passes with what may go at once; more than that waits.
        assert_eq!(slow.client.ask("ping"), "echoed");
        assert_eq!(network.counters(bandwidth).unwrap().held_back, 0);
        wait_until("packets are held back", || {
            slow.client.ask("ping");
            network.counters(bandwidth).unwrap().held_back > 0
        });
        network.heal(bandwidth).unwrap();
        assert!(network.counters(bandwidth).unwrap().held_back > 0);
        wait_until("it is as fast as before", || slow.client.ask("wait") == "echoed");
        let again = network.impair(&limit).unwrap();
        assert_eq!(network.counters(again).unwrap(), Counters::default());
    });
}

/// The delay is as much as the client waits for, and more.
fn a_delay_delays_or_is_refused() {
    enclosed(|| {
        let cluster = three_hosts();
        let mut network = cluster.network();
        let mut slow = pair(&cluster, 1, 2, BROKER_PORT);
        match network.impair(&Impairment::Delay { hosts: vec![2], delay_ms: 300, jitter_ms: 10 }) {
            Ok(delay) => {
                assert_eq!(slow.client.ask("ping"), "silent");
                wait_until("it comes after all", || slow.client.ask("wait") == "echoed");
                assert!(network.counters(delay).unwrap().delayed_packets > 0);
                network.heal(delay).unwrap();
            }
            Err(refusal) => assert!(refusal.to_string().contains("qdisc"), "{refusal}"),
        }
        assert_eq!(slow.client.ask("ping"), "echoed");
        network.impair(&Impairment::Bandwidth { hosts: vec![2], kbit_per_s: 8 }).unwrap();
    });
}

fn bad_hosts_are_refused() {
    enclosed(|| {
        let host = |id: u32, name: &str, address: &str| LocalHost { id, name: name.into(), address: address.into() };
        let good = host(1, "one", "198.18.0.1");
        for bad in [
            host(2, "two", "10.0.0.1"),
            host(2, "t wo", "198.18.0.2"),
            host(1, "two", "198.18.0.2"),
            host(2, "one", "198.18.0.2"),
            host(2, "two", "198.18.0.1"),
        ] {
            let made = LocalCluster::create(&[good.clone(), bad.clone()], vec![]);
            assert!(matches!(made, Err(ClusterError::BadHost { .. })), "{bad:?}");
        }
        let cluster = LocalCluster::create(&[good], vec![]).unwrap();
        let nowhere = cluster.spawn(7, std::process::Command::new("true"));
        assert!(matches!(nowhere, Err(ClusterError::UnknownHost { host: 7 })));
    });
}

fn shell(script: &str) -> NodeCommand {
    let environment = BTreeMap::from([(String::from("PATH"), String::from("/usr/bin:/bin"))]);
    NodeCommand { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()], environment }
}

/// A node on host 1 that runs a shell script.
fn node(directory: &Path, prepare: &[&str], script: &str) -> NodeSpec {
    NodeSpec {
        rootfs: None,
        host: HostPlan { id: 1, name: "host-1".into(), address: address(1), data_dir: directory.join("data") },
        files: Vec::new(),
        storage: None,
        prepare: prepare.iter().map(|script| shell(script)).collect(),
        command: shell(script),
        ready_line: "now ready".into(),
        ready_limit_ms: 60_000,
        ports: vec![BROKER_PORT],
        image: None,
    }
}

/// Starts one node and collects its events until `enough`.
fn events_of(cluster: &mut LocalCluster, spec: NodeSpec, logs: &Path, enough: usize) -> Vec<NodeEvent> {
    cluster.start_nodes(&[spec], logs, &|| false).unwrap();
    let mut events = Vec::new();
    wait_until("the node's events are there", || {
        events.extend(cluster.poll_nodes());
        events.len() >= enough
    });
    events
}

fn a_node_killed_by_itself() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = three_hosts();
        let events = events_of(&mut cluster, node(directory.path(), &[], "kill -9 $$"), directory.path(), 1);
        let died = NodeEvent::Died { id: 1, status: "signal 9 (SIGKILL)".into(), last_lines: Vec::new() };
        assert_eq!(events, [died]);
    });
}

fn a_node_ends_while_another_is_prepared() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let marker = conformance::marker("waits");
        let mut cluster = three_hosts();
        let first = node(directory.path(), &[], "exit 7");
        let mut waits = node(directory.path(), &[&format!(": {marker}; sleep 86400")], "true");
        (waits.host.id, waits.host.name) = (2, "host-2".into());
        cluster.start_nodes(&[first, waits], directory.path(), &|| false).unwrap();
        let died = NodeEvent::Died { id: 1, status: "exit code 7".into(), last_lines: Vec::new() };
        wait_until("its end is told", || cluster.poll_nodes().contains(&died));
        wait_until("the other is prepared no more", || processes_with(&marker).is_empty());
    });
}

fn a_missing_program_is_named() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = three_hosts();
        let mut missing = node(directory.path(), &[], "");
        missing.command.program = "/nowhere/java".into();
        let error = cluster.start_nodes(&[missing], directory.path(), &|| false).unwrap_err();
        assert!(error.to_string().contains("/nowhere/java on host host-1"), "{error}");
    });
}

/// A tree with nothing but a shell in it.
fn tree_with_a_shell(tree: &Path) {
    let shell = fs::canonicalize("/bin/sh").unwrap();
    let libraries = std::process::Command::new("ldd").arg(&shell).output().unwrap();
    let said = String::from_utf8(libraries.stdout).unwrap();
    let paths = said.split_whitespace().filter(|word| word.starts_with('/'));
    let copies = paths.map(|path| (path.to_owned(), path.to_owned()));
    for (from, to) in copies.chain([(shell.display().to_string(), String::from("/usr/bin/shell"))]) {
        let to = tree.join(to.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
    fs::create_dir_all(tree.join("bin")).unwrap();
    std::os::unix::fs::symlink("/usr/bin/shell", tree.join("bin/sh")).unwrap();
    fs::create_dir(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/only-here"), "yes\n").unwrap();
}

fn a_node_sees_its_root_file_system() {
    let script = "
        read only < /etc/only-here; echo \"only here: $only\"
        while read line; do echo \"hosts: $line\"; done < /etc/hosts
        read name < /proc/sys/kernel/hostname; echo \"name: $name\"
        [ $$ != 1 ] && [ -e /proc/$$/status ] && echo 'proc: mine'
        [ -c /dev/null ] && echo 'dev: there'
        [ -e \"$OUTSIDE\" ] || echo 'outside: hidden'
        (echo x > /usr/bin/new) 2> /dev/null || echo 'tree: kept'
        (echo x > /etc/only-here) 2> /dev/null || echo 'etc: kept'
        echo x > /tmp/scratch && echo x > written && echo 'scratch: written'
        read text < prepared; echo \"prepared: $text\"
        echo 'now ready'; exec sleep_that_is_missing";
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        tree_with_a_shell(&tree);
        let (mut cluster, logs) = (three_hosts(), directory.path().join("logs"));
        let mut spec = node(directory.path(), &["echo prepared > prepared"], script);
        spec.command.environment.insert("OUTSIDE".into(), logs.display().to_string());
        spec.rootfs = Some(tree.clone());
        let events = events_of(&mut cluster, spec, &logs, 2);
        assert!(matches!(events[0], NodeEvent::Ready { id: 1 }), "{events:?}");
        let log = fs::read_to_string(logs.join("host-1.log")).unwrap();
        for line in [
            "only here: yes",
            "hosts: 127.0.0.1 localhost",
            "hosts: 198.18.0.1 host-1",
            "hosts: 198.18.0.2 host-2",
            "name: host-1",
            "proc: mine",
            "dev: there",
            "outside: hidden",
            "tree: kept",
            "etc: kept",
            "scratch: written",
            "prepared: prepared",
        ] {
            assert!(log.lines().any(|said| said == line), "no `{line}` in:\n{log}");
        }
        assert_eq!(fs::read_to_string(directory.path().join("data/written")).unwrap(), "x\n");
        assert!(!tree.join("usr/bin/new").exists() && !tree.join("tmp").exists() && !tree.join("dev").exists());
        assert_eq!(fs::read_to_string(tree.join("etc/only-here")).unwrap(), "yes\n");
    });
}

fn a_bad_root_file_system_is_named() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = three_hosts();
        let tree = directory.path().join("empty");
        let mut spec = node(directory.path(), &[], "exit 0");
        spec.rootfs = Some(tree.clone());
        let error = cluster.start_nodes(&[spec.clone()], directory.path(), &|| false).unwrap_err();
        assert!(error.to_string().contains("empty"), "{error}");
        fs::create_dir(&tree).unwrap();
        let error = cluster.start_nodes(&[spec], directory.path(), &|| false).unwrap_err();
        assert!(matches!(&error, ClusterError::Start { program, .. } if program == "/bin/sh"), "{error}");
    });
}
