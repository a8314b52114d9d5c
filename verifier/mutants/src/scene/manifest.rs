//! Who takes part: one lane, three nodes, two producers, two consumers.

use std::collections::BTreeMap;

use delivery_history::manifest::{
    BiteProof, Destination, Fault, Group, Host, Lane, Role, RunManifest, RunStatus, Worker, Workload,
};

use super::weather::{DETECTION_MS, FAULT_MS, HEAL_MS, LOAD_MS, RATE_PER_S};

/// Numbers of the workers.
pub(crate) const RUNNER: u16 = 0;
pub(crate) const OBSERVER: u16 = 1;
pub(crate) const P0: u16 = 2;
pub(crate) const P1: u16 = 3;
pub(crate) const C0: u16 = 4;
pub(crate) const C1: u16 = 5;
pub(crate) const SENTINEL: u16 = 6;
pub(crate) const AUDIT: u16 = 7;

/// Nodes; n2 leads and is cut off.
pub(crate) const NODES: [u32; 3] = [1, 2, 3];
pub(crate) const CUT_OFF: u32 = 2;

/// A lane that acks.
pub(crate) fn lane(workload: Workload) -> Lane {
    Lane {
        name: String::from("lane"),
        workload,
        config: BTreeMap::new(),
        settings: String::new(),
        defaults_of: String::new(),
        acknowledged: true,
        resends: false,
        automatic_ack: false,
        not_applied: Vec::new(),
    }
}

/// The manifest of a run with this lane.
pub(crate) fn manifest(lane: Lane) -> RunManifest {
    let workload = lane.workload;
    RunManifest {
        broker_version: String::from("1"),
        client: String::from("by hand"),
        backend: String::from("by-hand"),
        simulated: true,
        started_at: String::from("2026-01-01T00:00:00Z"),
        rate_per_s: RATE_PER_S,
        size_bytes: 64,
        load_ms: LOAD_MS,
        lanes: vec![lane],
        nodes: NODES.map(|node| host(node, &format!("n{node}"))).to_vec(),
        client_hosts: vec![host(101, "h1"), host(102, "h2"), host(103, "watch")],
        workers: workers(workload),
        destinations: destinations(workload),
        groups: groups(workload),
        faults: vec![cut()],
        status: RunStatus::Finished { took_ms: 20_000 },
        ..RunManifest::blank("mutant", "by-hand")
    }
}

fn host(id: u32, name: &str) -> Host {
    Host { id, name: name.to_owned(), address: format!("198.18.0.{id}") }
}

fn workers(workload: Workload) -> Vec<Worker> {
    let second_group = if workload == Workload::Fanout { 1 } else { 0 };
    let worker = |name: &str, role: Role, lane: Option<u16>, group: Option<u16>, host: u32| Worker {
        name: name.to_owned(),
        role,
        lane,
        group,
        host,
        succeeds: None,
    };
    vec![
        worker("runner", Role::Runner, None, None, 103),
        worker("observer", Role::Observer, None, None, 103),
        worker("p0", Role::Producer, Some(0), None, 101),
        worker("p1", Role::Producer, Some(0), None, 102),
        worker("c0", Role::Consumer, Some(0), Some(0), 101),
        worker("c1", Role::Consumer, Some(0), Some(second_group), 102),
        worker("sentinel", Role::Sentinel, None, None, 103),
        worker("audit", Role::Audit, None, None, 103),
    ]
}

/// Two partitions of a log; one topic of a fan-out; a queue, and where its dead letters end.
fn destinations(workload: Workload) -> Vec<Destination> {
    let place = |name: &str, partition, dead_letters_of| Destination {
        lane: 0,
        name: name.to_owned(),
        partition,
        dead_letters_of,
        output_of: None,
        added: false,
    };
    match workload {
        Workload::Log | Workload::Transactions => {
            vec![place("orders", Some(0), None), place("orders", Some(1), None)]
        }
        Workload::Fanout => vec![place("orders", None, None)],
        Workload::Queue => vec![place("orders", None, None), place("orders.dead", None, Some(0))],
    }
}

fn groups(workload: Workload) -> Vec<Group> {
    let group = |name: &str| Group {
        lane: 0,
        name: name.to_owned(),
        session_timeout_ms: 6_000,
        read_uncommitted: false,
        reads_outputs: false,
        beside: false,
    };
    match workload {
        Workload::Fanout => vec![group("s0"), group("s1")],
        _ => vec![group("readers")],
    }
}

/// n2 is cut off from the others.
fn cut() -> Fault {
    Fault {
        fault: String::from("netsplit"),
        shape: String::from("leader"),
        start_ms: FAULT_MS,
        duration_ms: HEAL_MS - FAULT_MS,
        targets: vec![CUT_OFF],
        cut: vec![(2, 1), (1, 2), (2, 3), (3, 2)],
        full_cut: true,
        sides: vec![vec![2], vec![1, 3]],
        detection_ms: DETECTION_MS,
        workers: Vec::new(),
        bites_by: BiteProof::default(),
        adds: Vec::new(),
        amount: None,
        gray: false,
        hook_calls: Vec::new(),
    }
}
