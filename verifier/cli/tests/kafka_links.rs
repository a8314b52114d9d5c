//! Kafka clusters whose links break connections, or carry little, and both at once.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{can_run, count, document, guarantee, has_facility, lane, latest, one_cluster, run, told, verify};

#[test]
fn a_narrow_link_and_resets_that_overlap_bite_and_heal_each_by_itself() {
    if !can_run("kafka") || !has_facility("kafka", "bandwidth", "links") || !has_facility("kafka", "reset", "links") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    // 200 messages a second to two followers are more than the link takes. What is refused does not wait for it, so
    // most of its last third is before that.
    let faults = "--faults=bandwidth:leader=64@2s+9s,reset:clients@9500ms+7500ms";
    let arguments = ["kafka", "--preset=safe", faults, "--rate=200", "--timings=short", "--json"];
    let again = "--set=producer.reconnect.backoff.max.ms=500";
    let output = run(&[&arguments[..], &[again]].concat(), out.path());
    let document = document(&output);
    let [narrow, reset] = &document["faults"].as_array().unwrap()[..] else { panic!("{document:#}") };
    for (fault, how) in [(narrow, "held back"), (reset, "answered with a reset")] {
        assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");
        assert_eq!(fault["packets_hit"]["how"], how, "{fault:#}");
        let thirds = fault["packets_hit"]["by_third"].as_array().unwrap();
        assert!(thirds.iter().all(|third| third.as_u64().unwrap() > 0), "{fault:#}");
    }
    assert_eq!(narrow["target"], reset["target"], "the leader's link, both times");
    assert_eq!(reset["packets_crossed"], 0, "{reset:#}");
    let safe = lane(&document, "safe");
    assert_eq!((count(safe, "lost"), count(safe, "undelivered")), (0, 0), "{safe:#}");
    assert_eq!(guarantee(safe, "durability").0, "holds", "{safe:#}");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let again = verify().arg("check").arg(latest(out.path())).arg("--json").output().unwrap();
    assert_eq!(common::document(&again), document);
}
