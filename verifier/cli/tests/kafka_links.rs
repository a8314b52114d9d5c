//! Kafka clusters whose links break connections, or carry little, and both at once.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{bit_and_hit, can_have, can_run, count, document, guarantee, latest, one_cluster, run, told, verify};

#[test]
fn a_narrow_link_and_resets_that_overlap_bite_and_heal_each_by_itself() {
    if !can_run("kafka") || !can_have("bandwidth", "links") || !can_have("reset", "links") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    // Controllers are nodes of their own, so a leader whose connections break loses its brokers and not its quorum.
    let faults = "--faults=bandwidth:follower=64@2s+12s,reset:leader@10s+7s";
    let cluster = ["--set=cluster.controllers=3", "--timings=short"];
    let output = run(&[&["kafka", "--preset=safe", faults, "--rate=200", "--json"][..], &cluster].concat(), out.path());
    let document = document(&output);
    let [narrow, reset] = &document["faults"].as_array().unwrap()[..] else { panic!("{document:#}") };
    bit_and_hit(narrow, "held back");
    bit_and_hit(reset, "answered with a reset");
    assert_eq!(reset["packets_crossed"], 0, "{reset:#}");
    let safe = &document["lanes"][0];
    assert_eq!((count(safe, "lost"), count(safe, "undelivered")), (0, 0), "{safe:#}");
    assert_eq!(guarantee(safe, "durability").0, "holds", "{safe:#}");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let again = verify().arg("check").arg(latest(out.path())).arg("--json").output().unwrap();
    assert_eq!(common::document(&again), document);
}
