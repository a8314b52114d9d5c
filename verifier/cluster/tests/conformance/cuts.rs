//! Hosts and the network between them, with real TCP.

use delivery_cluster::cluster::Cluster;
use delivery_cluster::network::{Counters, Cut, Impairment, Network};

use super::{BROKER_PORT, Bench, OTHER_PORT, Talker, talk, three_hosts, wait_until};

/// A client on one host and an echo server on another.
struct Pair {
    client: Talker,
    server: Talker,
}

fn pair(bench: &dyn Bench, cluster: &dyn Cluster, client: u32, server: u32, port: u16) -> Pair {
    let place = format!("{}:{port}", bench.address(server));
    let mut server = talk(bench, cluster, server, &["echo", &place]);
    assert_eq!(server.hear(), "listening");
    let mut client = talk(bench, cluster, client, &["client", &place]);
    assert_eq!(client.ask("connect"), "connected");
    Pair { client, server }
}

fn both_ways(one: u32, other: u32) -> Cut {
    Cut::all(vec![(one, other), (other, one)])
}

/// A client on one host that has not connected to a server on another.
fn newcomer(bench: &dyn Bench, cluster: &dyn Cluster, client: u32, server: u32) -> Talker {
    let place = format!("{}:{BROKER_PORT}", bench.address(server));
    talk(bench, cluster, client, &["client", &place])
}

pub(super) fn hosts_reach_each_other_by_tcp(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    for (client, server) in [(1, 2), (2, 3), (3, 1)] {
        let mut pair = pair(bench, &*cluster, client, server, BROKER_PORT);
        assert_eq!(pair.client.ask("ping"), "echoed");
        assert_eq!(pair.server.hear(), "got 1");
    }
}

pub(super) fn a_cut_silences_until_it_heals(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    let mut network = cluster.network();
    let mut cut_off = pair(bench, &*cluster, 1, 2, BROKER_PORT);
    let mut spared = pair(bench, &*cluster, 3, 2, BROKER_PORT + 1);
    assert_eq!(cut_off.client.ask("ping"), "echoed");

    let cut = network.cut(&both_ways(1, 2)).unwrap();
    assert_eq!(cut_off.client.ask("ping"), "silent");
    let first = network.counters(cut).unwrap();
    assert!(first.dropped_packets >= 1);
    // A retransmission or a new connection: drops go on.
    assert_eq!(cut_off.client.ask("wait"), "silent");
    let mut newcomer = newcomer(bench, &*cluster, 1, 2);
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
}

pub(super) fn a_one_way_cut_lets_the_other_way_pass(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    let mut network = cluster.network();
    let mut pair = pair(bench, &*cluster, 1, 2, BROKER_PORT);
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
}

pub(super) fn only_tcp_on_broker_ports_is_evidence(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    let mut network = cluster.network();
    let mut other = pair(bench, &*cluster, 1, 2, OTHER_PORT);
    let place = format!("{}:{BROKER_PORT}", bench.address(2));
    let mut listener = talk(bench, &*cluster, 2, &["listen", &place]);
    assert_eq!(listener.hear(), "listening");
    let tell = |host: u32| {
        let mut teller = talk(bench, &*cluster, host, &["tell", &place]);
        wait_until("it has told", || teller.process.try_wait().unwrap().is_some_and(|status| status.success()));
    };
    tell(1);
    assert_eq!(listener.hear(), "told");

    let cut = network.cut(&both_ways(1, 2)).unwrap();
    assert_eq!(other.client.ask("ping"), "silent");
    tell(1);
    assert_eq!(network.counters(cut).unwrap(), Counters::default());
    // Of the two datagrams only the one from a host that is not cut off arrives.
    tell(3);
    network.heal(cut).unwrap();
    tell(1);
    assert_eq!([listener.hear(), listener.hear()], ["told", "told"]);
    listener.process.kill();
    assert_eq!(listener.hear(), "");
}

pub(super) fn cuts_lie_side_by_side(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    let mut network = cluster.network();
    let mut first = pair(bench, &*cluster, 1, 2, BROKER_PORT);
    let mut second = pair(bench, &*cluster, 1, 3, BROKER_PORT);
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
}

pub(super) fn a_cut_of_one_port_leaves_the_others(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    let mut network = cluster.network();
    let mut cut_off = pair(bench, &*cluster, 1, 2, BROKER_PORT);
    let mut spared = pair(bench, &*cluster, 1, 2, OTHER_PORT);
    let cut = network.cut(&Cut { only_ports: vec![BROKER_PORT], ..both_ways(1, 2) }).unwrap();
    assert_eq!((cut_off.client.ask("ping"), spared.client.ask("ping")), ("silent".into(), "echoed".into()));
    let counted = network.counters(cut).unwrap();
    assert!(counted.dropped_packets > 0 && counted.crossed_packets == 0, "{counted:?}");
    network.heal(cut).unwrap();
    wait_until("it is whole again", || cut_off.client.ask("wait") == "echoed");
}

pub(super) fn a_loss_lets_some_pass(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    let mut network = cluster.network();
    let mut lossy = pair(bench, &*cluster, 1, 2, BROKER_PORT);
    let loss = network.cut(&Cut { percent: Some(20), ..both_ways(1, 2) }).unwrap();
    let mut echoed = 0;
    wait_until("some was dropped and some came through", || {
        echoed += u32::from(lossy.client.ask("ping") == "echoed");
        echoed > 2 && network.counters(loss).unwrap().dropped_packets > 0
    });
    assert_eq!(network.counters(loss).unwrap().crossed_packets, 0, "what is drawn to pass is meant to");
    network.heal(loss).unwrap();
    wait_until("all comes through", || lossy.client.ask("wait") == "echoed");
}

pub(super) fn a_reset_answers_at_once(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    let mut network = cluster.network();
    let mut broken = pair(bench, &*cluster, 1, 2, BROKER_PORT);
    let mut spared = pair(bench, &*cluster, 3, 2, BROKER_PORT + 1);
    assert_eq!(broken.client.ask("ping"), "echoed");
    let reset = network.impair(&Impairment::Reset(vec![(1, 2), (2, 1)])).unwrap();
    assert_eq!(broken.client.ask("ping"), "failed");
    let first = network.counters(reset).unwrap();
    assert!(first.reset_packets >= 1, "{first:?}");
    let mut newcomer = newcomer(bench, &*cluster, 1, 2);
    assert_eq!(newcomer.ask("connect"), "failed");
    assert_eq!(spared.client.ask("ping"), "echoed");
    let second = network.counters(reset).unwrap();
    assert!(second.reset_packets > first.reset_packets);
    assert_eq!((second.crossed_packets, second.dropped_packets), (0, 0));

    network.heal(reset).unwrap();
    assert_eq!(network.counters(reset).unwrap(), second);
    assert_eq!(newcomer.ask("connect"), "connected");
}

pub(super) fn a_cut_and_a_reset_heal_apart(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    let mut network = cluster.network();
    let mut cut_off = pair(bench, &*cluster, 1, 2, BROKER_PORT);
    let mut newcomer = newcomer(bench, &*cluster, 1, 3);
    let mut server = talk(bench, &*cluster, 3, &["echo", &format!("{}:{BROKER_PORT}", bench.address(3))]);
    assert_eq!(server.hear(), "listening");
    let cut = network.cut(&both_ways(1, 2)).unwrap();
    let reset = network.impair(&Impairment::Reset(vec![(1, 3), (3, 1)])).unwrap();
    assert_eq!((cut_off.client.ask("ping"), newcomer.ask("connect")), ("silent".into(), "failed".into()));
    network.heal(cut).unwrap();
    wait_until("the cut is healed", || cut_off.client.ask("wait") == "echoed");
    assert_eq!(newcomer.ask("connect"), "failed");
    network.heal(reset).unwrap();
    assert_eq!(newcomer.ask("connect"), "connected");
}

pub(super) fn a_bad_cut_changes_nothing(bench: &dyn Bench) {
    let cluster = three_hosts(bench);
    let mut network = cluster.network();
    let mut pair = pair(bench, &*cluster, 1, 2, BROKER_PORT);
    let cut = network.cut(&both_ways(1, 2)).unwrap();
    let error = network.cut(&both_ways(1, 9)).unwrap_err();
    assert!(error.to_string().contains("no host number 9"), "{error}");
    assert!(network.cut(&Cut::all(vec![(1, 1)])).is_err());
    assert!(network.impair(&Impairment::Reset(vec![(9, 1)])).is_err());
    assert!(network.impair(&Impairment::Bandwidth { hosts: vec![1, 9], kbit_per_s: 8 }).is_err());
    assert_eq!(pair.client.ask("ping"), "silent");
    assert!(network.counters(cut).unwrap().dropped_packets > 0);
}
