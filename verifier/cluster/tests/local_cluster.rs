//! Hosts, cuts and nodes of the local backend, with real TCP and real processes.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use delivery_broker::{HostPlan, NodeCommand, NodeFile, NodeSpec};
use delivery_cluster::local::{ClusterError, LocalCluster, LocalHost, NodeEvent};
use delivery_cluster::network::{Counters, Cut, Impairment, Network};
use support::{Talker, enclosed, marker, piped, processes_with, role, wait_until};

/// Port whose dropped packets count.
const BROKER_PORT: u16 = 9092;
/// Port whose dropped packets do not.
const OTHER_PORT: u16 = 7000;
/// How long the client waits for an echo before it calls the peer silent.
const SILENCE: Duration = Duration::from_millis(150);

fn main() {
    match support::asked_role() {
        Some(role) => play(&role),
        None => support::run(&[
            ("hosts_reach_each_other_by_tcp", hosts_reach_each_other_by_tcp),
            ("clusters_follow_each_other_in_one_enclosure", clusters_follow_each_other),
            ("a_cut_silences_established_and_new_connections_until_it_heals", a_cut_silences_until_it_heals),
            ("a_one_way_cut_lets_the_other_way_pass", a_one_way_cut_lets_the_other_way_pass),
            ("only_tcp_on_broker_ports_is_evidence", only_tcp_on_broker_ports_is_evidence),
            ("cuts_lie_side_by_side_and_each_counts_its_own", cuts_lie_side_by_side),
            ("a_reset_breaks_connections_and_refuses_new_ones_at_once", a_reset_answers_at_once),
            ("a_cut_and_a_reset_heal_apart", a_cut_and_a_reset_heal_apart),
            ("bandwidth_holds_back_what_a_host_says_and_hears", bandwidth_holds_back),
            ("a_delay_delays_or_is_refused_with_nothing_left", a_delay_delays_or_is_refused),
            ("a_cut_that_cannot_be_set_leaves_the_network_as_it_was", a_bad_cut_changes_nothing),
            ("bad_hosts_are_refused", bad_hosts_are_refused),
            ("a_node_is_prepared_started_and_ready", a_node_is_prepared_started_and_ready),
            ("a_node_that_dies_is_reported_with_its_last_lines", a_node_that_dies_is_reported),
            ("a_node_that_is_not_ready_in_time_is_reported_once", a_node_not_ready_is_reported_once),
            ("a_failing_prepare_is_an_error_and_leaves_no_node", a_failing_prepare_is_an_error),
            ("starting_can_be_stopped", starting_can_be_stopped),
            ("stop_kills_nodes_with_their_children", stop_kills_nodes_with_their_children),
            ("a_nodes_file_stays_in_its_directory", a_nodes_file_stays_in_its_directory),
            ("a_node_sees_its_root_file_system_and_cannot_change_it", a_node_sees_its_root_file_system),
            ("a_root_file_system_that_cannot_be_laid_out_is_named", a_bad_root_file_system_is_named),
        ]),
    }
}

/// What this program does when a case starts it on a host.
fn play(role: &[String]) {
    match role[0].as_str() {
        "echo" => serve_echo(&role[1]),
        "client" => talk_to(&role[1]),
        "tell" => UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"told", &role[1]).map(drop).unwrap(),
        "listen" => listen(&role[1]),
        other => panic!("no role {other}"),
    }
}

/// Echoes what comes over any number of connections, and says so.
fn serve_echo(address: &str) {
    let listener = TcpListener::bind(address).unwrap();
    println!("listening");
    for stream in listener.incoming() {
        std::thread::spawn(move || {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 16];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                println!("got {count}");
                if stream.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        });
    }
}

/// Connects to a server; every line `ping` sends a byte, and any line waits for all echoes.
fn talk_to(address: &str) {
    let address = address.parse().unwrap();
    let mut stream = None;
    let mut owed = 0_usize;
    for line in io::stdin().lines() {
        let answer = match line.unwrap().as_str() {
            "connect" => connect(&address, &mut stream),
            "ping" => {
                let connected: &mut TcpStream = stream.as_mut().unwrap();
                connected.write_all(b"x").unwrap();
                owed += 1;
                await_echoes(connected, &mut owed)
            }
            "wait" => await_echoes(stream.as_mut().unwrap(), &mut owed),
            other => panic!("no command {other}"),
        };
        println!("{answer}");
    }
}

fn connect(address: &std::net::SocketAddr, stream: &mut Option<TcpStream>) -> &'static str {
    match TcpStream::connect_timeout(address, SILENCE) {
        Ok(connected) => {
            connected.set_read_timeout(Some(SILENCE)).unwrap();
            connected.set_nodelay(true).unwrap();
            *stream = Some(connected);
            "connected"
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => "silent",
        Err(_) => "failed",
    }
}

fn await_echoes(stream: &mut TcpStream, owed: &mut usize) -> &'static str {
    let mut buffer = [0; 16];
    while *owed > 0 {
        match stream.read(&mut buffer) {
            Ok(0) => return "closed",
            Ok(count) => *owed -= count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return "silent",
            Err(_) => return "failed",
        }
    }
    "echoed"
}

/// Says every datagram that comes.
fn listen(address: &str) {
    let socket = UdpSocket::bind(address).unwrap();
    println!("listening");
    let mut buffer = [0; 16];
    loop {
        let count = socket.recv(&mut buffer).unwrap();
        println!("{}", String::from_utf8_lossy(&buffer[..count]));
    }
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
    server: Talker,
}

fn pair(cluster: &LocalCluster, client: u32, server: u32, port: u16) -> Pair {
    let place = format!("{}:{port}", address(server));
    let mut server = Talker::new(cluster.spawn(server, piped(role(&["echo", &place]))).unwrap());
    assert_eq!(server.hear(), "listening");
    let mut client = Talker::new(cluster.spawn(client, piped(role(&["client", &place]))).unwrap());
    assert_eq!(client.ask("connect"), "connected");
    Pair { client, server }
}

fn both_ways(one: u32, other: u32) -> Cut {
    Cut::all(vec![(one, other), (other, one)])
}

fn hosts_reach_each_other_by_tcp() {
    enclosed(|| {
        let cluster = three_hosts();
        for (client, server) in [(1, 2), (2, 3), (3, 1)] {
            let mut pair = pair(&cluster, client, server, BROKER_PORT);
            assert_eq!(pair.client.ask("ping"), "echoed");
            assert_eq!(pair.server.hear(), "got 1");
        }
    });
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

fn a_cut_silences_until_it_heals() {
    enclosed(|| {
        let cluster = three_hosts();
        let mut network = cluster.network();
        let mut cut_off = pair(&cluster, 1, 2, BROKER_PORT);
        let mut spared = pair(&cluster, 3, 2, BROKER_PORT + 1);
        assert_eq!(cut_off.client.ask("ping"), "echoed");

        let cut = network.cut(&both_ways(1, 2)).unwrap();
        assert_eq!(cut_off.client.ask("ping"), "silent");
        let first = network.counters(cut).unwrap();
        assert!(first.dropped_packets >= 1);
        // A retransmission or a new connection: drops go on.
        assert_eq!(cut_off.client.ask("wait"), "silent");
        let mut newcomer = newcomer(&cluster, 1, 2);
        assert_eq!(newcomer.ask("connect"), "silent");
        wait_until("more was dropped", || network.counters(cut).unwrap().dropped_packets > first.dropped_packets);
        assert_eq!(spared.client.ask("ping"), "echoed");
        assert_eq!(network.counters(cut).unwrap().crossed_packets, 0);

        network.heal(cut).unwrap();
        let after = network.counters(cut).unwrap();
        assert!(after.dropped_packets > first.dropped_packets);
        assert_eq!(after.crossed_packets, 0);
        wait_until("the old connection goes on", || cut_off.client.ask("wait") == "echoed");
        assert_eq!(newcomer.ask("connect"), "connected");
        assert_eq!(network.counters(cut).unwrap(), after);
    });
}

/// A client on one host that has not connected to a server on another.
fn newcomer(cluster: &LocalCluster, client: u32, server: u32) -> Talker {
    let place = format!("{}:{BROKER_PORT}", address(server));
    Talker::new(cluster.spawn(client, piped(role(&["client", &place]))).unwrap())
}

fn a_one_way_cut_lets_the_other_way_pass() {
    enclosed(|| {
        let cluster = three_hosts();
        let mut network = cluster.network();
        let mut pair = pair(&cluster, 1, 2, BROKER_PORT);
        let back = network.cut(&Cut::all(vec![(2, 1)])).unwrap();
        // The byte arrives, its echo does not.
        assert_eq!(pair.client.ask("ping"), "silent");
        assert_eq!(pair.server.hear(), "got 1");
        assert!(network.counters(back).unwrap().dropped_packets >= 1);
        assert_eq!(network.counters(back).unwrap().crossed_packets, 0);
        network.heal(back).unwrap();

        let there = network.cut(&Cut::all(vec![(1, 2)])).unwrap();
        assert_eq!(pair.client.ask("ping"), "silent");
        assert_eq!(network.counters(there).unwrap().crossed_packets, 0);
        network.heal(there).unwrap();
        wait_until("both echoes are there", || pair.client.ask("wait") == "echoed");
    });
}

fn only_tcp_on_broker_ports_is_evidence() {
    enclosed(|| {
        let cluster = three_hosts();
        let mut network = cluster.network();
        let mut other = pair(&cluster, 1, 2, OTHER_PORT);
        let place = format!("{}:{BROKER_PORT}", address(2));
        let mut listener = Talker::new(cluster.spawn(2, piped(role(&["listen", &place]))).unwrap());
        assert_eq!(listener.hear(), "listening");
        let tell = |host: u32| cluster.spawn(host, role(&["tell", &place])).unwrap().wait().unwrap();
        assert!(tell(1).success());
        assert_eq!(listener.hear(), "told");

        let cut = network.cut(&both_ways(1, 2)).unwrap();
        assert_eq!(other.client.ask("ping"), "silent");
        assert!(tell(1).success());
        assert_eq!(network.counters(cut).unwrap(), Counters::default());
        // Of the two datagrams only the one from a host that is not cut off arrives.
        assert!(tell(3).success());
        network.heal(cut).unwrap();
        assert!(tell(1).success());
        assert_eq!([listener.hear(), listener.hear()], ["told", "told"]);
        drop(listener.child.kill());
        assert_eq!(listener.hear(), "");
    });
}

fn cuts_lie_side_by_side() {
    enclosed(|| {
        let cluster = three_hosts();
        let mut network = cluster.network();
        let mut first = pair(&cluster, 1, 2, BROKER_PORT);
        let mut second = pair(&cluster, 1, 3, BROKER_PORT);
        let between_12 = network.cut(&both_ways(1, 2)).unwrap();
        assert_eq!(first.client.ask("ping"), "silent");
        assert_eq!(second.client.ask("ping"), "echoed");
        // Nothing goes on between these two.
        let between_23 = network.cut(&both_ways(2, 3)).unwrap();
        assert_eq!(first.client.ask("wait"), "silent");
        assert!(network.counters(between_12).unwrap().dropped_packets > 0);
        assert_eq!(network.counters(between_23).unwrap(), Counters::default());

        let between_13 = network.cut(&both_ways(1, 3)).unwrap();
        assert_eq!(second.client.ask("ping"), "silent");
        assert!(network.counters(between_13).unwrap().dropped_packets > 0);
        network.heal(between_12).unwrap();
        network.heal(between_12).unwrap();
        wait_until("the first is whole again", || first.client.ask("wait") == "echoed");
        assert_eq!(second.client.ask("wait"), "silent");
        network.heal(between_13).unwrap();
        wait_until("the second is whole again", || second.client.ask("wait") == "echoed");
        assert_eq!(network.counters(between_13).unwrap().crossed_packets, 0);
    });
}

fn a_reset_answers_at_once() {
    enclosed(|| {
        let cluster = three_hosts();
        let mut network = cluster.network();
        let mut broken = pair(&cluster, 1, 2, BROKER_PORT);
        let mut spared = pair(&cluster, 3, 2, BROKER_PORT + 1);
        assert_eq!(broken.client.ask("ping"), "echoed");
        let reset = network.impair(&Impairment::Reset(vec![(1, 2), (2, 1)])).unwrap();
        assert_eq!(broken.client.ask("ping"), "failed");
        let first = network.counters(reset).unwrap();
        assert!(first.reset_packets >= 1, "{first:?}");
        let mut newcomer = newcomer(&cluster, 1, 2);
        assert_eq!(newcomer.ask("connect"), "failed");
        assert_eq!(spared.client.ask("ping"), "echoed");
        let second = network.counters(reset).unwrap();
        assert!(second.reset_packets > first.reset_packets);
        assert_eq!((second.crossed_packets, second.dropped_packets), (0, 0));

        network.heal(reset).unwrap();
        assert_eq!(network.counters(reset).unwrap(), second);
        assert_eq!(newcomer.ask("connect"), "connected");
    });
}

fn a_cut_and_a_reset_heal_apart() {
    enclosed(|| {
        let cluster = three_hosts();
        let mut network = cluster.network();
        let mut cut_off = pair(&cluster, 1, 2, BROKER_PORT);
        let mut newcomer = newcomer(&cluster, 1, 3);
        let mut server =
            Talker::new(cluster.spawn(3, piped(role(&["echo", &format!("{}:{BROKER_PORT}", address(3))]))).unwrap());
        assert_eq!(server.hear(), "listening");
        let cut = network.cut(&both_ways(1, 2)).unwrap();
        let reset = network.impair(&Impairment::Reset(vec![(1, 3), (3, 1)])).unwrap();
        assert_eq!((cut_off.client.ask("ping"), newcomer.ask("connect")), ("silent".into(), "failed".into()));
        network.heal(cut).unwrap();
        wait_until("the cut is healed", || cut_off.client.ask("wait") == "echoed");
        assert_eq!(newcomer.ask("connect"), "failed");
        network.heal(reset).unwrap();
        assert_eq!(newcomer.ask("connect"), "connected");
    });
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

fn a_bad_cut_changes_nothing() {
    enclosed(|| {
        let cluster = three_hosts();
        let mut network = cluster.network();
        let mut pair = pair(&cluster, 1, 2, BROKER_PORT);
        let cut = network.cut(&both_ways(1, 2)).unwrap();
        let error = network.cut(&both_ways(1, 9)).unwrap_err();
        assert!(error.to_string().contains("no host number 9"), "{error}");
        assert!(network.cut(&Cut::all(vec![(1, 1)])).is_err());
        assert!(network.impair(&Impairment::Reset(vec![(9, 1)])).is_err());
        assert!(network.impair(&Impairment::Bandwidth { hosts: vec![1, 9], kbit_per_s: 8 }).is_err());
        assert_eq!(pair.client.ask("ping"), "silent");
        assert!(network.counters(cut).unwrap().dropped_packets > 0);
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

fn a_node_is_prepared_started_and_ready() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("logs");
        let mut cluster = three_hosts();
        let script = "cat file; hostname; getent hosts host-2; env; ps -o sid= -p $$ | tr -d ' '; echo $$; echo it is now ready; exec sleep 86400";
        let mut spec = node(
            directory.path(),
            &["echo now ready in prepare; echo one > made", "cat made; echo two >> made"],
            script,
        );
        spec.files = vec![NodeFile { path: directory.path().join("data/file"), text: "text of the file\n".into() }];
        spec.command.environment.insert("ONLY".into(), "this".into());
        let events = events_of(&mut cluster, spec, &logs, 1);
        assert_eq!(events, [NodeEvent::Ready { id: 1 }]);
        let log = fs::read_to_string(logs.join("host-1.log")).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines[..4], ["now ready in prepare", "one", "text of the file", "host-1"]);
        assert!(lines[4].starts_with("198.18.0.2") && lines[4].ends_with("host-2"), "{log}");
        assert!(lines.contains(&"ONLY=this") && !log.contains("CARGO"), "{log}");
        // It leads its session.
        let session = lines[lines.len() - 3..].to_vec();
        assert_eq!(session[0], session[1], "{log}");
        assert_eq!(cluster.poll_nodes(), []);
    });
}

fn a_node_that_dies_is_reported() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = three_hosts();
        let spec = node(directory.path(), &[], "echo now ready; for n in $(seq 100); do echo line $n; done; exit 3");
        let events = events_of(&mut cluster, spec, directory.path(), 2);
        assert_eq!(events[0], NodeEvent::Ready { id: 1 });
        let NodeEvent::Died { id: 1, status, last_lines } = &events[1] else { panic!("{events:?}") };
        assert_eq!(status, "exit code 3");
        assert_eq!(last_lines.len(), 20);
        assert_eq!(last_lines[19], "line 100");
        assert_eq!(cluster.poll_nodes(), []);

        let events = events_of(&mut cluster, node(directory.path(), &[], "kill -9 $$"), directory.path(), 1);
        let died = NodeEvent::Died { id: 1, status: "signal 9 (SIGKILL)".into(), last_lines: Vec::new() };
        assert_eq!(events, [died]);
    });
}

fn a_node_not_ready_is_reported_once() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = three_hosts();
        // It stays silent until its limit is known to have run out.
        let script = "echo still trying; until [ -e go ]; do sleep 0.01; done; echo now ready; exit 1";
        let mut spec = node(directory.path(), &["echo prepared"], script);
        spec.ready_limit_ms = 300;
        let events = events_of(&mut cluster, spec, directory.path(), 1);
        let NodeEvent::NotReady { id: 1, after_ms, .. } = &events[0] else { panic!("{events:?}") };
        assert!(*after_ms >= 300);
        fs::write(directory.path().join("data/go"), "").unwrap();
        let mut later = Vec::new();
        wait_until("the node has ended", || {
            later.extend(cluster.poll_nodes());
            !later.is_empty()
        });
        assert!(matches!(&later[..], [NodeEvent::Died { id: 1, .. }]), "{later:?}");
    });
}

fn a_failing_prepare_is_an_error() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let marker = marker("prepare");
        let mut cluster = three_hosts();
        let good = node(directory.path(), &[], &format!(": {marker}; sleep 86400"));
        let mut bad = node(directory.path(), &["echo all wrong; exit 4", "touch never"], "sleep 86400");
        bad.host.id = 2;
        bad.host.name = "host-2".into();
        let error = cluster.start_nodes(&[good, bad], directory.path(), &|| false).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("host-2") && text.contains("exit code 4") && text.contains("all wrong"), "{text}");
        wait_until("nothing of it is left", || processes_with(&marker).is_empty());
        assert!(!directory.path().join("data/never").exists());

        let mut missing = node(directory.path(), &[], "");
        missing.command.program = "/nowhere/java".into();
        let error = cluster.start_nodes(&[missing], directory.path(), &|| false).unwrap_err();
        assert!(error.to_string().contains("/nowhere/java on host host-1"), "{error}");
    });
}

fn starting_can_be_stopped() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let marker = marker("stopped");
        let mut cluster = three_hosts();
        let prepare = format!(": {marker}; touch runs; sleep 86400");
        let spec = node(directory.path(), &[&prepare], "true");
        let asked = Cell::new(0);
        let stop_once_it_runs = || {
            asked.set(asked.get() + 1);
            directory.path().join("data/runs").exists()
        };
        let error = cluster.start_nodes(&[spec], directory.path(), &stop_once_it_runs).unwrap_err();
        assert!(matches!(error, ClusterError::Stopped));
        assert!(asked.get() > 1);
        wait_until("nothing of it is left", || processes_with(&marker).is_empty());
    });
}

fn stop_kills_nodes_with_their_children() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let marker = marker("stop");
        let mut cluster = three_hosts();
        let script = format!("sh -c 'trap \"\" TERM; echo now ready; sleep 86400; : {marker}' & wait");
        let events = events_of(&mut cluster, node(directory.path(), &[], &script), directory.path(), 1);
        assert_eq!(events, [NodeEvent::Ready { id: 1 }]);
        assert!(processes_with(&marker).len() >= 2);
        cluster.stop();
        wait_until("none is left", || processes_with(&marker).is_empty());
        assert_eq!(cluster.poll_nodes(), []);
    });
}

fn a_nodes_file_stays_in_its_directory() {
    enclosed(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = three_hosts();
        for path in ["outside", "data/../outside"] {
            let mut spec = node(directory.path(), &[], "true");
            spec.files = vec![NodeFile { path: directory.path().join(path), text: String::new() }];
            let error = cluster.start_nodes(&[spec], directory.path(), &|| false).unwrap_err();
            assert!(matches!(error, ClusterError::Outside { .. }), "{error}");
        }
        assert!(!directory.path().join("outside").exists());
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
