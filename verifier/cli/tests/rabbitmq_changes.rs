//! What an administrator does to a RabbitMQ cluster while clients work.
#![cfg(feature = "rabbitmq")]
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Output;

use common::{bit_and_hit, can_have, can_run, count, document, guarantee, lane, one_cluster, requires, run, told};

#[test]
fn a_quorum_queue_loses_nothing_when_leaders_move_and_a_node_leaves() {
    if !can_run("rabbitmq") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let faults = "--faults=leader-transfer@3s+2s,leave:leader@7s+15s";
    let arguments =
        ["rabbitmq", "--preset=quorum", faults, "--timings=short", "--rate=100", "--require=durability", "--json"];
    let output = run(&arguments, out.path());
    let document = document(&output);
    for fault in document["faults"].as_array().unwrap() {
        assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");
        assert_eq!(fault["confirmed"]["done"], 1, "{fault:#}");
    }
    assert!(document["faults"][1]["confirmed"]["wiped_kib"].as_u64().unwrap() > 10, "{document:#}");
    let quorum = lane(&document, "quorum");
    assert_eq!((count(quorum, "lost"), count(quorum, "undelivered")), (0, 0), "{quorum:#}");
    assert_eq!(guarantee(quorum, "durability").0, "holds", "{quorum:#}");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}

#[test]
fn a_quorum_queue_loses_nothing_when_connections_are_reset_and_nodes_restart_in_turn() {
    if !can_run("rabbitmq") || !can_have("reset", "links") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    // A busy machine takes its time over three restarts.
    let faults = "--faults=reset:leader@1s+4s,restart:rolling@6s+75s";
    let arguments = ["rabbitmq", "--preset=quorum", faults, "--timings=short", "--rate=100", "--json"];
    let output = run(&arguments, out.path());
    let document = document(&output);
    let [reset, rolling] = &document["faults"].as_array().unwrap()[..] else { panic!("{document:#}") };
    bit_and_hit(reset, "answered with a reset");
    assert_eq!(reset["packets_crossed"], 0, "{reset:#}");
    assert!(rolling["bit"] == true && rolling["noticed"] == true && rolling["healed"] == true, "{rolling:#}");
    assert_eq!(rolling["restarted"], 3, "{rolling:#}");
    let quorum = lane(&document, "quorum");
    assert_eq!((count(quorum, "lost"), count(quorum, "undelivered")), (0, 0), "{quorum:#}");
    assert_eq!(guarantee(quorum, "durability").0, "holds", "{quorum:#}");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}

/// The cluster moves what it likes of what is led by one node, and leaves the rest.
#[test]
fn nothing_is_lost_when_the_cluster_spreads_leaders() {
    if !can_run("rabbitmq") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let cluster = ["--broker-version=4.0.5", "--timings=short"];
    let run_of = ["rabbitmq", "--preset=quorum,stream", "--faults=rebalance-queues@4s", "--rate=100", "--json"];
    let output = run(&[&run_of[..], &cluster].concat(), out.path());
    if has_no_such_version(&output) {
        return;
    }
    let document = document(&output);
    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");
    assert!(fault["confirmed"]["done"].as_u64().unwrap() > 0, "{fault:#}");
    for name in ["quorum", "stream"] {
        let lane = lane(&document, name);
        assert_eq!((count(lane, "lost"), count(lane, "undelivered")), (0, 0), "{lane:#}");
        assert_ne!(guarantee(lane, "durability").0, "violated", "{lane:#}");
    }
}

/// Whether the version is not made yet on this machine; says so. With `VERIFY_REQUIRE=rabbitmq` that is a failure.
fn has_no_such_version(output: &Output) -> bool {
    let said = told(output);
    let missing = output.status.code() == Some(2) && said.contains("`verify rootfs rabbitmq --suite SUITE` makes one");
    assert!(!missing || !requires("rabbitmq"), "VERIFY_REQUIRE names rabbitmq: {said}");
    if missing {
        println!("skipped: {said}");
    }
    missing
}
