//! What every backend must do: one suite over the cluster's interface, run for each of them.
//!
//! A backend's test program brings a [`Bench`], plays the [`roles`] it is asked for, and runs the [`CASES`].
#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "each test program uses a part of it")]

mod cuts;
mod nodes;
mod roles;
mod talker;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use delivery_broker::NodeSpec;
use delivery_cluster::cluster::{Cluster, ClusterHost, Errand};

pub(crate) use roles::{asked_role, play};
pub(crate) use talker::Talker;

/// Port whose dropped packets count.
pub(crate) const BROKER_PORT: u16 = 9092;
/// Port whose dropped packets do not.
const OTHER_PORT: u16 = 7000;
/// Longest time any condition is waited for; reaching it is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the cases take clusters from.
pub(crate) trait Bench {
    /// The address of a host.
    fn address(&self, host: u32) -> String;

    /// Makes a cluster of these hosts.
    fn cluster(&self, hosts: &[ClusterHost], ports: Vec<u16>) -> Box<dyn Cluster>;

    /// An empty directory that hosts see under the same name.
    fn directory(&self) -> &Path;

    /// Makes a node's description fit: its data directory, its image.
    fn fit(&self, spec: &mut NodeSpec);
}

/// A case.
pub(crate) type Case = (&'static str, fn(&dyn Bench));

/// All of them.
pub(crate) const CASES: &[Case] = &[
    ("hosts_reach_each_other_by_tcp", cuts::hosts_reach_each_other_by_tcp),
    ("a_cut_silences_established_and_new_connections_until_it_heals", cuts::a_cut_silences_until_it_heals),
    ("a_one_way_cut_lets_the_other_way_pass", cuts::a_one_way_cut_lets_the_other_way_pass),
    ("only_tcp_on_broker_ports_is_evidence", cuts::only_tcp_on_broker_ports_is_evidence),
    ("cuts_lie_side_by_side_and_each_counts_its_own", cuts::cuts_lie_side_by_side),
    ("a_cut_of_one_port_leaves_the_others", cuts::a_cut_of_one_port_leaves_the_others),
    ("a_loss_lets_some_pass", cuts::a_loss_lets_some_pass),
    ("a_reset_breaks_connections_and_refuses_new_ones_at_once", cuts::a_reset_answers_at_once),
    ("a_cut_and_a_reset_heal_apart", cuts::a_cut_and_a_reset_heal_apart),
    ("a_cut_that_cannot_be_set_leaves_the_network_as_it_was", cuts::a_bad_cut_changes_nothing),
    ("a_process_of_a_host_is_struck_and_told_of", nodes::a_process_is_struck_and_told_of),
    ("a_node_is_prepared_started_and_ready", nodes::a_node_is_prepared_started_and_ready),
    ("a_node_that_dies_is_reported_with_its_last_lines", nodes::a_node_that_dies_is_reported),
    ("a_node_that_is_not_ready_in_time_is_reported_once", nodes::a_node_not_ready_is_reported_once),
    ("a_failing_prepare_is_an_error_and_leaves_no_node", nodes::a_failing_prepare_is_an_error),
    ("starting_can_be_stopped", nodes::starting_can_be_stopped),
    ("stop_kills_nodes_with_their_children", nodes::stop_kills_nodes_with_their_children),
    ("a_nodes_file_stays_in_its_directory", nodes::a_nodes_file_stays_in_its_directory),
    ("a_node_that_is_killed_finds_its_data_again", nodes::a_killed_node_finds_its_data_again),
    ("a_node_stands_still_and_goes_on", nodes::a_node_stands_still_and_goes_on),
    ("a_node_that_is_wiped_is_prepared_again", nodes::a_wiped_node_is_prepared_again),
    ("a_cut_outlasts_the_node_that_it_cuts_off", nodes::a_cut_outlasts_its_node),
];

/// Hosts 1, 2 and 3.
fn three_hosts(bench: &dyn Bench) -> Box<dyn Cluster> {
    let host = |id: u32| ClusterHost { id, name: format!("host-{id}"), address: bench.address(id) };
    bench.cluster(&[host(1), host(2), host(3)], vec![BROKER_PORT])
}

/// Starts this program on a host in a role.
fn talk(bench: &dyn Bench, cluster: &dyn Cluster, host: u32, role: &[&str]) -> Talker {
    thread_local!(static NEXT: Cell<u32> = const { Cell::new(1) });
    let number = NEXT.with(|next| next.replace(next.get() + 1));
    let log = bench.directory().join(format!("{}-{number}.log", role[0]));
    let arguments = std::iter::once("--role").chain(role.iter().copied()).map(str::to_owned).collect();
    Talker::new(cluster.run(host, &Errand { arguments, log, not_inherited: Vec::new() }).unwrap())
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes of this machine whose command line holds the marker (zombies have none).
pub(crate) fn processes_with(marker: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    })
    .collect()
}

/// A word no other process has on its command line.
pub(crate) fn marker(name: &str) -> String {
    let since_boot = fs::read_to_string("/proc/uptime").unwrap();
    let since_boot: String = since_boot.chars().take_while(|letter| !letter.is_whitespace()).collect();
    format!("marker-{name}-{}-{since_boot}", std::process::id())
}

/// A node on host 1 that does nothing.
pub(crate) fn sleeping_node(address: &str) -> NodeSpec {
    nodes::sleeping(address)
}
