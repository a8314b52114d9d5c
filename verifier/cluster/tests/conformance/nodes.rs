//! Nodes and processes of hosts.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use delivery_broker::{HostPlan, NodeCommand, NodeFile, NodeSpec};
use delivery_cluster::cluster::{Cluster, ClusterError, NodeEvent};
use delivery_cluster::network::{Cut, Network};
use delivery_cluster::processes::Blow;
use delivery_history::event::ProcessState;

use super::{BROKER_PORT, Bench, marker, processes_with, talk, three_hosts, wait_until};

fn shell(script: &str) -> NodeCommand {
    let environment = BTreeMap::from([(String::from("PATH"), String::from("/usr/bin:/bin"))]);
    NodeCommand { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()], environment }
}

/// A node on host 1 that runs a shell script.
fn node(bench: &dyn Bench, prepare: &[&str], script: &str) -> NodeSpec {
    let mut spec = described(&bench.address(1), bench.directory().join("data"), prepare, script);
    bench.fit(&mut spec);
    spec
}

fn described(address: &str, data_dir: PathBuf, prepare: &[&str], script: &str) -> NodeSpec {
    NodeSpec {
        rootfs: None,
        host: HostPlan { id: 1, name: "host-1".into(), address: address.into(), data_dir },
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

/// Where nodes log.
fn logs(bench: &dyn Bench) -> PathBuf {
    bench.directory().join("logs")
}

/// What the node said.
fn log(bench: &dyn Bench) -> String {
    fs::read_to_string(logs(bench).join("host-1.log")).unwrap_or_default()
}

/// Starts one node and collects its events until `enough`.
fn events_of(bench: &dyn Bench, cluster: &mut dyn Cluster, spec: NodeSpec, enough: usize) -> Vec<NodeEvent> {
    cluster.start_nodes(&[spec], &logs(bench), &|| false).unwrap();
    await_events(cluster, enough)
}

fn await_events(cluster: &mut dyn Cluster, enough: usize) -> Vec<NodeEvent> {
    let mut events = Vec::new();
    wait_until("the node's events are there", || {
        events.extend(cluster.poll_nodes());
        events.len() >= enough
    });
    events
}

const READY: NodeEvent = NodeEvent::Ready { id: 1 };

pub(super) fn a_process_is_struck_and_told_of(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    let place = format!("{}:{BROKER_PORT}", bench.address(2));
    let mut server = talk(bench, &*cluster, 2, &["echo", &place]);
    assert_eq!(server.hear(), "listening");
    assert_eq!(server.process.state(), ProcessState::Running);
    assert!(server.process.try_wait().unwrap().is_none());
    server.process.strike(Blow::Stop).unwrap();
    wait_until("it stands still", || server.process.state() == ProcessState::Stopped);
    server.process.strike(Blow::Continue).unwrap();
    wait_until("it goes on", || server.process.state() == ProcessState::Running);
    server.process.strike(Blow::Kill).unwrap();
    assert_eq!(server.hear(), "", "its last word is the end");
    wait_until("it is gone", || server.process.try_wait().unwrap().is_some());
    assert_eq!(server.process.state(), ProcessState::Gone);
    let status = server.process.try_wait().unwrap().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    let mut wrong = talk(bench, &*cluster, 1, &["no-such-role"]);
    assert_eq!(wrong.hear(), "");
    wait_until("it failed", || wrong.process.try_wait().unwrap().is_some_and(|status| !status.success()));
}

pub(super) fn a_node_is_prepared_started_and_ready(bench: &dyn Bench) {
    let mut cluster = three_hosts(bench);
    let script = "cat file; hostname; getent hosts host-2; env; ps -o sid= -p $$ | tr -d ' '; echo $$; \
        echo it is now ready; exec sleep 86400";
    let prepare = ["echo now ready in prepare; echo one > made", "cat made; echo two >> made"];
    let mut spec = node(bench, &prepare, script);
    spec.files = vec![NodeFile { path: spec.host.data_dir.join("file"), text: "text of the file\n".into() }];
    spec.command.environment.insert("ONLY".into(), "this".into());
    assert_eq!(events_of(bench, &mut *cluster, spec, 1), [READY]);
    let log = log(bench);
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[..4], ["now ready in prepare", "one", "text of the file", "host-1"]);
    assert!(lines[4].starts_with(&bench.address(2)) && lines[4].ends_with("host-2"), "{log}");
    assert!(lines.contains(&"ONLY=this") && !log.contains("CARGO"), "{log}");
    // It leads its session.
    let session = lines[lines.len() - 3..].to_vec();
    assert_eq!(session[0], session[1], "{log}");
    assert_eq!(cluster.poll_nodes(), []);
    assert_eq!(cluster.state(1), ProcessState::Running);
}

pub(super) fn a_node_that_dies_is_reported(bench: &dyn Bench) {
    let mut cluster = three_hosts(bench);
    let spec = node(bench, &[], "echo now ready; for n in $(seq 100); do echo line $n; done; exit 3");
    let events = events_of(bench, &mut *cluster, spec, 2);
    assert_eq!(events[0], READY);
    let NodeEvent::Died { id: 1, status, last_lines } = &events[1] else { panic!("{events:?}") };
    assert_eq!(status, "exit code 3");
    assert_eq!(last_lines.len(), 20);
    assert_eq!(last_lines[19], "line 100");
    assert_eq!(cluster.poll_nodes(), []);
    assert_eq!(cluster.state(1), ProcessState::Gone);
    assert!(cluster.strike(1, Blow::Kill).is_err());
}

pub(super) fn a_node_not_ready_is_reported_once(bench: &dyn Bench) {
    let mut cluster = three_hosts(bench);
    // It stays silent until its limit is known to have run out.
    let script = "echo still trying; trap 'echo now ready; exit 1' TERM; while :; do sleep 0.01; done";
    let mut spec = node(bench, &["echo prepared"], script);
    spec.ready_limit_ms = 300;
    let events = events_of(bench, &mut *cluster, spec, 1);
    let NodeEvent::NotReady { id: 1, after_ms, .. } = &events[0] else { panic!("{events:?}") };
    assert!(*after_ms >= 300);
    cluster.strike(1, Blow::Terminate).unwrap();
    wait_until("the node has ended", || cluster.state(1) == ProcessState::Gone);
    assert!(log(bench).contains("now ready"));
    assert_eq!(cluster.poll_nodes(), [], "too late, and ended by a blow");
}

pub(super) fn a_failing_prepare_is_an_error(bench: &dyn Bench) {
    let marker = marker("prepare");
    let mut cluster = three_hosts(bench);
    let good = node(bench, &[], &format!(": {marker}; sleep 86400"));
    let mut bad = node(bench, &["echo all wrong; exit 4", "echo never"], "sleep 86400");
    bad.host.id = 2;
    bad.host.name = "host-2".into();
    let error = cluster.start_nodes(&[good, bad], &logs(bench), &|| false).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("host-2") && text.contains("exit code 4") && text.contains("all wrong"), "{text}");
    wait_until("nothing of it is left", || processes_with(&marker).is_empty());
    assert_eq!(fs::read_to_string(logs(bench).join("host-2.log")).unwrap(), "all wrong\n");
}

pub(super) fn starting_can_be_stopped(bench: &dyn Bench) {
    let marker = marker("stopped");
    let mut cluster = three_hosts(bench);
    let spec = node(bench, &[&format!(": {marker}; echo runs; sleep 86400")], "true");
    let asked = Cell::new(0);
    let stop_once_it_runs = || {
        asked.set(asked.get() + 1);
        log(bench).contains("runs")
    };
    let error = cluster.start_nodes(&[spec], &logs(bench), &stop_once_it_runs).unwrap_err();
    assert!(matches!(error, ClusterError::Stopped), "{error}");
    assert!(asked.get() > 1);
    wait_until("nothing of it is left", || processes_with(&marker).is_empty());
}

pub(super) fn stop_kills_nodes_with_their_children(bench: &dyn Bench) {
    let marker = marker("stop");
    let mut cluster = three_hosts(bench);
    let script = format!("sh -c 'trap \"\" TERM; echo now ready; sleep 86400; : {marker}' & wait");
    assert_eq!(events_of(bench, &mut *cluster, node(bench, &[], &script), 1), [READY]);
    assert!(processes_with(&marker).len() >= 2);
    cluster.stop();
    wait_until("none is left", || processes_with(&marker).is_empty());
    assert_eq!(cluster.poll_nodes(), []);
}

pub(super) fn a_nodes_file_stays_in_its_directory(bench: &dyn Bench) {
    let mut cluster = three_hosts(bench);
    for path in ["../outside", "inside/../../outside"] {
        let mut spec = node(bench, &[], "true");
        spec.files = vec![NodeFile { path: spec.host.data_dir.join(path), text: String::new() }];
        let error = cluster.start_nodes(&[spec], &logs(bench), &|| false).unwrap_err();
        assert!(matches!(error, ClusterError::Outside { .. }), "{error}");
    }
    assert!(!bench.directory().join("outside").exists());
}

/// Counts its starts in its data.
const COUNTS: &str = "echo x >> starts; echo start $(cat starts | tr -d '\\n'); echo now ready; exec sleep 86400";

pub(super) fn a_killed_node_finds_its_data_again(bench: &dyn Bench) {
    let mut cluster = three_hosts(bench);
    let spec = node(bench, &["echo prepared"], COUNTS);
    assert_eq!(events_of(bench, &mut *cluster, spec, 1), [READY]);
    cluster.strike(1, Blow::Kill).unwrap();
    wait_until("it is gone", || cluster.state(1) == ProcessState::Gone);
    assert_eq!(cluster.poll_nodes(), [], "a node that a blow ended has not ended by itself");
    cluster.start_again(1).unwrap();
    assert_eq!(await_events(&mut *cluster, 1), [READY]);
    assert_eq!(cluster.state(1), ProcessState::Running);
    assert_eq!(log(bench), "prepared\nstart x\nnow ready\nstart xx\nnow ready\n");
    // One that is asked to end and does not is killed for it.
    cluster.strike(1, Blow::Stop).unwrap();
    cluster.strike(1, Blow::Terminate).unwrap();
    cluster.start_again(1).unwrap();
    assert_eq!(await_events(&mut *cluster, 1), [READY]);
    assert!(log(bench).contains("start xxx\n"));
    assert!(cluster.start_again(9).is_err());
    assert!(cluster.strike(9, Blow::Kill).is_err() && cluster.strike(1, Blow::PowerLoss).is_err());
}

pub(super) fn a_node_stands_still_and_goes_on(bench: &dyn Bench) {
    let mut cluster = three_hosts(bench);
    // Without a process of its own between two ticks: one that is stopped while it starts another is no longer seen to be.
    let script = "echo now ready; while :; do n=0; while [ $n -lt 5000 ]; do n=$((n+1)); done; echo tick; done";
    assert_eq!(events_of(bench, &mut *cluster, node(bench, &[], script), 1), [READY]);
    let said = || log(bench).len();
    wait_until("it ticks", || said() > 30);
    cluster.strike(1, Blow::Stop).unwrap();
    wait_until("it stands still", || cluster.state(1) == ProcessState::Stopped);
    let then = said();
    // As long as another process takes to start, it says nothing.
    let place = format!("{}:{BROKER_PORT}", bench.address(2));
    assert_eq!(talk(bench, &*cluster, 2, &["echo", &place]).hear(), "listening");
    assert_eq!(said(), then);
    cluster.strike(1, Blow::Continue).unwrap();
    wait_until("it ticks again", || said() > then);
    assert_eq!(cluster.state(1), ProcessState::Running);
    assert_eq!(cluster.poll_nodes(), []);
}

pub(super) fn a_wiped_node_is_prepared_again(bench: &dyn Bench) {
    let mut cluster = three_hosts(bench);
    let prepare = "mkdir stored && echo 12345 > stored/file && echo prepared";
    let mut spec = node(bench, &[prepare], "cat stored/file; echo now ready; exec sleep 86400");
    spec.storage = Some(spec.host.data_dir.join("stored"));
    assert_eq!(events_of(bench, &mut *cluster, spec, 1), [READY]);
    assert!(cluster.stores_apart(1) && !cluster.stores_apart(2));
    assert!(cluster.wipe(1).is_err(), "it runs");
    cluster.strike(1, Blow::Kill).unwrap();
    wait_until("it is gone", || cluster.state(1) == ProcessState::Gone);
    assert_eq!(cluster.wipe(1).unwrap(), 6);
    cluster.start_again(1).unwrap();
    assert_eq!(await_events(&mut *cluster, 1), [READY]);
    assert_eq!(log(bench), "prepared\n12345\nnow ready\n".repeat(2));
}

/// What is cut stays cut, and goes on to be counted, while the node on the host is killed and started again.
pub(super) fn a_cut_outlasts_its_node(bench: &dyn Bench) {
    let mut cluster = three_hosts(bench);
    let script = "echo now ready; exec sleep 86400";
    assert_eq!(events_of(bench, &mut *cluster, node(bench, &[], script), 1), [READY]);
    let place = format!("{}:{BROKER_PORT}", bench.address(1));
    let mut server = talk(bench, &*cluster, 1, &["echo", &place]);
    assert_eq!(server.hear(), "listening");
    let mut client = talk(bench, &*cluster, 2, &["client", &place]);
    let mut network = cluster.network();
    let cut = network.cut(&Cut::all(vec![(1, 2), (2, 1)])).unwrap();
    assert_eq!(client.ask("connect"), "silent");
    let before = network.counters(cut).unwrap();
    cluster.strike(1, Blow::Kill).unwrap();
    wait_until("it is gone", || cluster.state(1) == ProcessState::Gone);
    cluster.start_again(1).unwrap();
    assert_eq!(await_events(&mut *cluster, 1), [READY]);
    assert_eq!(client.ask("connect"), "silent");
    let after = network.counters(cut).unwrap();
    assert!(after.dropped_packets > before.dropped_packets && after.crossed_packets == 0, "{after:?}");
    network.heal(cut).unwrap();
    assert_eq!(client.ask("connect"), "connected");
}

/// A node on host 1 that does nothing.
pub(super) fn sleeping(address: &str) -> NodeSpec {
    described(address, PathBuf::from("data"), &[], "echo now ready; exec sleep 86400")
}
