//! What an administrator does to a Kafka cluster while clients work.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{can_run, count, document, guarantee, one_cluster, run};
use serde_json::Value;

/// Every fault bit, was noticed and healed.
fn all_faults_bit(document: &Value) -> &Vec<Value> {
    let faults = document["faults"].as_array().unwrap();
    for fault in faults {
        assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");
    }
    faults
}

#[test]
fn what_every_in_sync_replica_has_survives_a_leader_that_is_moved_and_a_node_that_leaves() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    // The transfer makes whoever leads next the preferred leader, who is then killed and made the leader again.
    let faults = "--faults=leader-transfer@2s+2s,kill:leader@5s+6s,leader-transfer:preferred@31s+2s,leave@35s+10s";
    let output = run(&["kafka", "--preset=safe", faults, "--rate=100", "--timings=short", "--json"], out.path());
    let document = document(&output);
    let faults = all_faults_bit(&document);
    for moved in [&faults[0], &faults[2]] {
        assert_eq!(moved["confirmed"]["done"], 1, "{faults:#?}");
        assert!(moved["evidence"].to_string().contains("said leader of safe-0"), "{faults:#?}");
    }
    let left = &faults[3];
    assert!(left["confirmed"]["wiped_kib"].as_u64().unwrap() > 10, "{left:#}");
    assert!(left["evidence"].to_string().contains("in-sync replicas of safe-0"), "{left:#}");
    let safe = common::lane(&document, "safe");
    assert_eq!((count(safe, "lost"), count(safe, "undelivered")), (0, 0), "{safe:#}");
    assert_eq!(guarantee(safe, "durability").0, "holds", "{safe:#}");
}

#[test]
fn a_replica_that_is_given_to_another_node_keeps_what_was_acked_by_all() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let cluster = ["--set=cluster.nodes=5", "--timings=short"];
    let arguments =
        [&["kafka", "--preset=safe", "--faults=reassign@3s+8s", "--rate=100", "--json"][..], &cluster].concat();
    let document = document(&run(&arguments, out.path()));
    let faults = all_faults_bit(&document);
    assert_eq!(faults[0]["confirmed"]["done"], 1, "{faults:#?}");
    assert!(faults[0]["evidence"].to_string().contains("in-sync replicas of safe"), "{faults:#?}");
    let lane = &document["lanes"][0];
    assert_eq!((count(lane, "lost"), count(lane, "undelivered")), (0, 0), "{lane:#}");
    assert_eq!(guarantee(lane, "durability").0, "holds", "{lane:#}");
}

#[test]
fn an_unclean_election_gives_up_what_was_acked_by_all_in_sync() {
    if !can_run("kafka") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    // One follower misses what the other two ack; then those two are down, and it is made the leader. It starts again once
    // they are down, and is asked for long after: how long a node takes to start is the machine's matter.
    let faults = "--faults=kill:follower@2s+7s,kill:majority@8s+32s,unclean-election@32s+5s";
    let cluster = ["--set=cluster.controllers=3", "--timings=short"];
    let arguments = [&["kafka", "--preset=safe", faults, "--rate=100", "--json"][..], &cluster].concat();
    let output = run(&arguments, out.path());
    let document = document(&output);
    all_faults_bit(&document);
    let lane = &document["lanes"][0];
    assert!(count(lane, "lost") > 100, "{lane:#}");
    assert_eq!(guarantee(lane, "durability").0, "violated");
    let claims = lane["claims"].to_string();
    assert!(claims.contains("kafka-unclean-election-may-lose"), "the vendor says so: {claims}");
}
