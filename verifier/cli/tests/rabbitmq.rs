//! Real three-node RabbitMQ clusters from the command line.
#![cfg(feature = "rabbitmq")]
#![allow(clippy::unwrap_used)]

mod common;

use common::running::start;
use common::{can_run, count, document, guarantee, lane, latest, one_cluster, run, told, verify};

#[test]
fn a_netsplit_loses_what_the_losing_side_of_a_mirrored_queue_took_and_nothing_of_a_quorum_queue() {
    if !can_run("rabbitmq") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let arguments = ["rabbitmq", "--faults", "netsplit+20s", "--timings", "short", "--rate", "200", "--json"];
    let output = run(&arguments, out.path());
    let document = document(&output);
    assert_eq!(document["run"]["status"]["status"], "finished", "{document:#}");
    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");
    for name in ["quorum", "stream"] {
        let lane = lane(&document, name);
        assert_eq!((count(lane, "lost"), count(lane, "undelivered")), (0, 0), "{lane:#}");
        assert_eq!(guarantee(lane, "durability").0, "holds", "{lane:#}");
        assert!(lane["stats"]["acked"].as_u64().unwrap() > 1_000, "{lane:#}");
    }
    let classic = lane(&document, "classic");
    let mirrored = document["run"]["broker_version"].as_str().unwrap().starts_with("3.");
    if mirrored {
        assert!(count(classic, "lost") > 500, "what the cut-off leader went on acking: {classic:#}");
        let by_hand = document["run"]["by_hand"].to_string();
        assert!(
            by_hand.contains("restarted the broker on n"),
            "nobody else ends a partition that is ignored: {by_hand}"
        );
    }
    // Documented losses are no reason to fail the tour.
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let again = verify().arg("check").arg(latest(out.path())).arg("--json").output().unwrap();
    assert_eq!(common::document(&again), document);
    assert!(!latest(out.path()).join("data").exists(), "the nodes' data is deleted");
}

#[test]
fn a_killed_consumer_costs_what_it_was_handed_only_where_the_broker_settles_by_itself() {
    if !can_run("rabbitmq") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let arguments = [
        "--preset",
        "quorum,none",
        "--consumers",
        "2",
        "--faults",
        "none",
        "--duration",
        "8s",
        "--rate",
        "300",
        "--json",
    ];
    let mut running = start("rabbitmq", &arguments, out.path());
    running.wait_for("baseline");
    // Stopped until the load is over: what they were handed meanwhile is theirs when they die.
    let mut stopped = Vec::new();
    for name in ["quorum-consumer-1", "none-consumer-1"] {
        let consumers = running.processes(|cmdline| cmdline.contains(name));
        assert_eq!(consumers.len(), 1, "{consumers:?}");
        stopped.push(nix::unistd::Pid::from_raw(consumers[0]));
    }
    for consumer in &stopped {
        nix::sys::signal::kill(*consumer, nix::sys::signal::Signal::SIGSTOP).unwrap();
    }
    running.wait_for("recover");
    for consumer in &stopped {
        nix::sys::signal::kill(*consumer, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    let (stdout, _) = running.finish();
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    let quorum = lane(&document, "quorum");
    assert_eq!((count(quorum, "lost"), count(quorum, "undelivered")), (0, 0), "{quorum:#}");
    assert!(count(quorum, "redelivered") > 0, "what it was handed is handed to the other one: {quorum:#}");
    assert_eq!(guarantee(quorum, "at-least-once").0, "holds", "{quorum:#}");
    let none = lane(&document, "none");
    assert!(count(none, "undelivered") > 0, "{none:#}");
    assert_eq!(guarantee(none, "durability").0, "inconclusive", "{none:#}");
}

#[test]
fn a_full_disk_raises_an_alarm_or_ends_the_node_and_loses_nothing_of_a_quorum_queue() {
    if !can_run("rabbitmq") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let faults = ["--preset", "quorum", "--faults", "disk-full:leader@3s+8s", "--rate", "100", "--json"];
    let output = run(&[&["rabbitmq"][..], &faults].concat(), out.path());
    let document = document(&output);
    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{fault:#}");
    // The leader may end before it has raised any.
    let evidence = fault["evidence"].to_string();
    assert!(evidence.contains("told of a resource alarm") || evidence.contains("had ended by itself"), "{fault:#}");
    let quorum = lane(&document, "quorum");
    assert_eq!((count(quorum, "lost"), count(quorum, "undelivered")), (0, 0), "{quorum:#}");
    assert_eq!(guarantee(quorum, "durability").0, "holds", "{quorum:#}");
}

#[test]
fn a_kind_of_queue_or_a_setting_the_broker_does_not_have_is_refused() {
    if !can_run("rabbitmq") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let output = run(&["rabbitmq", "--preset", "quorum", "--set", "broker.no.such_key=1"], out.path());
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("no.such_key") && stderr.contains("logs"), "{stderr}");
}
