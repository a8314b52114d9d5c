//! Clients on other machines: `verify worker` in network namespaces of its own, with clocks that stand hours apart.
#![allow(clippy::unwrap_used)]

mod common;
mod external;
#[path = "external/kafka_nodes.rs"]
mod kafka_nodes;

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::{count, guarantee, lane};
use delivery_history::machine::MAX_CLOCK_ERROR_NS;
use delivery_history::manifest::{Phase, Role};
use delivery_history::{EventKind, History, RunDir};
use delivery_kafka::Kafka;
use external::machines::{AHEAD_S, TOKEN, begin, join, join_both};
use external::program::{self, Case};
use external::secrets::{PASSWORD, keeps_the_secret};
use external::stage::{Ended, HOOK, Product, RUNNER, Stage};
use kafka_nodes::{LOGIN, OPEN, administered, lead, left, nodes, serving};
use serde_json::Value;

/// Longest wait for any condition: reaching it is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(120);

const PRODUCT: Product = Product { open: OPEN, preset: "safe", lead, settle: |_| (), left, serving };

const CASES: &[Case] = &[
    ("two_machines_whose_clocks_stand_apart_give_one_history", two_machines_give_one_history),
    ("a_cut_shows_what_fast_loses_to_clients_on_machines", a_cut_shows_what_fast_loses),
    ("a_client_that_is_killed_on_its_machine_is_succeeded_there", a_client_is_killed_on_its_machine),
    ("a_machine_that_dies_ends_the_run_and_proves_nothing", a_machine_that_dies),
    ("a_killed_run_leaves_nothing_on_its_machines", a_killed_run_leaves_nothing),
    ("who_does_not_fit_is_sent_away", who_does_not_fit_is_sent_away),
];

fn main() -> ExitCode {
    if administered() {
        return ExitCode::SUCCESS;
    }
    program::main(&Kafka, &PRODUCT, nodes, CASES)
}

/// The file with which the runner, and each machine, gets in.
fn login(stage: &Stage) -> String {
    let text = format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=alice\nsasl.password={PASSWORD}\n"
    );
    stage.write("login", &text)
}

fn document_of(ended: &Ended) -> Value {
    let document = ended.document();
    assert_eq!(document["run"]["status"]["status"], "finished", "{}", ended.told());
    document
}

fn two_machines_give_one_history(stage: &mut Stage) {
    let file = login(stage);
    let machines = join_both(stage, &["--client-config", &file]);
    let arguments = ["--client-config", &file, "--preset", "safe,fast", "--consumers", "2", "--duration", "6s"];
    let run = begin(stage, LOGIN, &arguments);
    stage.watch(&run, "the load is on", |_, run| run.progress().contains("baseline"));
    stage.look_at_processes();
    let ended = stage.finish(run, |_| ());
    let document = document_of(&ended);
    for (index, machine) in machines.into_iter().enumerate() {
        let told = &document["run"]["machines"][index];
        println!("{told}");
        assert_eq!((&told["name"], &told["complete"]), (&Value::from(format!("m{}", index + 1)), &Value::from(true)));
        let offset_ns = told["clock"]["offset_ns"].as_i64().unwrap();
        let error_ns = told["clock"]["error_ns"].as_i64().unwrap();
        let ahead_ns = AHEAD_S[index] as i64 * 1_000_000_000;
        assert!((offset_ns - ahead_ns).abs() <= error_ns && error_ns <= MAX_CLOCK_ERROR_NS as i64, "{told:#}");
        let (status, said) = machine.ends();
        assert_eq!(status.code(), Some(0), "{said}");
    }
    for name in ["safe", "fast"] {
        let lane = lane(&document, name);
        assert_eq!(count(lane, "lost"), 0, "{lane:#}");
        for promised in ["durability", "at-least-once", "agreement", "integrity"] {
            assert_eq!(guarantee(lane, promised).0, "holds", "{promised}: {lane:#}");
        }
    }
    everything_was_recorded_in_one_clock(&ended);
    stage.is_tidy();
    let recorded = fs::read_to_string(ended.out.join("latest/run.json")).unwrap();
    assert!(!recorded.contains(TOKEN) && !ended.told().contains(TOKEN), "the token was shown");
    keeps_the_secret(stage, &ended);
}

/// Clients of both machines sent and read, and did so between the beginning and the end of the load.
fn everything_was_recorded_in_one_clock(ended: &Ended) {
    let history = History::open(&RunDir::open(&ended.out.join("latest")).unwrap()).unwrap();
    let (manifest, view) = (history.manifest().clone(), history.view());
    assert_eq!(view.damage, Vec::<String>::new());
    let of_runner = manifest.workers.iter().position(|worker| worker.role == Role::Runner).unwrap();
    let entered = |phase: Phase| {
        let is_it = |event: &&delivery_history::Event| {
            event.kind() == Some(EventKind::PhaseEntered) && event.detail == phase as u32
        };
        view.streams[of_runner].events.iter().find(is_it).unwrap().time_ns
    };
    let (load_ns, audit_ns) = (entered(Phase::Baseline), entered(Phase::Audit));
    // What the clocks may be off by.
    let slack_ns = manifest.machines.iter().map(|machine| machine.error_ns()).max().unwrap();
    let mut sending = BTreeSet::new();
    for stream in &view.streams {
        let worker = &manifest.workers[usize::from(stream.worker)];
        if !matches!(worker.role, Role::Producer | Role::Consumer) {
            continue;
        }
        for event in stream.events.iter().filter(|event| event.kind() == Some(EventKind::SendInvoked)) {
            assert!((load_ns - slack_ns..audit_ns + slack_ns).contains(&event.time_ns), "{event:?} of {worker:?}");
            sending.insert(worker.host);
        }
    }
    assert_eq!(sending.len(), 2, "each machine sends");
}

fn a_cut_shows_what_fast_loses(stage: &mut Stage) {
    let machines = join_both(stage, &[]);
    let arguments = ["--preset", "safe,fast", "--faults", "netsplit:leader@4s+15s", "--fault-hook", HOOK];
    let run = begin(stage, OPEN, &[&arguments[..], &["--i-own-this-cluster"]].concat());
    let ended = stage.finish(run, |_| ());
    let document = document_of(&ended);
    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{}", ended.told());
    assert!(count(lane(&document, "fast"), "lost") > 100, "{document:#}");
    assert_eq!(guarantee(lane(&document, "fast"), "durability").0, "violated");
    assert_eq!(count(lane(&document, "safe"), "lost"), 0);
    assert_eq!(guarantee(lane(&document, "safe"), "durability").0, "holds", "{document:#}");
    machines.into_iter().for_each(|machine| assert_eq!(machine.ends().0.code(), Some(0)));
}

fn a_client_is_killed_on_its_machine(stage: &mut Stage) {
    let machines = join_both(stage, &[]);
    // A partition for each: of two that have one between them, the one that is killed may have had nothing to do.
    let each = ["--set", "topic.partitions=2", "--consumers", "2"];
    let arguments = [&["--preset", "safe", "--faults", "kill:consumer@2s+3s", "--duration", "16s"][..], &each].concat();
    let run = begin(stage, OPEN, &[&arguments[..], &["--i-own-this-cluster"]].concat());
    let ended = stage.finish(run, |_| ());
    let document = document_of(&ended);
    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["healed"] == true, "{}", ended.told());
    let lane = lane(&document, "safe+topic.partitions=2");
    assert_eq!(guarantee(lane, "at-least-once").0, "holds", "{document:#}");
    assert_eq!(guarantee(lane, "durability").0, "holds", "{document:#}");
    machines.into_iter().for_each(|machine| assert_eq!(machine.ends().0.code(), Some(0)));
}

/// Processes whose command line holds each of these words.
fn processes_with(words: &[&str]) -> Vec<String> {
    let lines = fs::read_dir("/proc").unwrap().flatten().map(|entry| {
        String::from_utf8_lossy(&fs::read(entry.path().join("cmdline")).unwrap_or_default()).replace('\0', " ")
    });
    lines.filter(|line| words.iter().all(|word| line.contains(word))).collect()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn a_machine_that_dies(stage: &mut Stage) {
    let [mut first, second] = join_both(stage, &[]);
    let run = begin(stage, OPEN, &["--preset", "safe", "--duration", "120s"]);
    stage.watch(&run, "the load is on", |_, run| run.progress().contains("baseline"));
    first.child.kill().unwrap();
    let ended = stage.finish(run, |_| ());
    assert_ne!(ended.code, Some(1), "{}", ended.told());
    assert!(ended.told().contains("a machine with clients is gone"), "{}", ended.told());
    // The run was cut short, and says so; what it recorded is judged for what it is.
    let document = ended.document();
    assert_eq!(document["run"]["status"]["status"], "cut-short", "{document:#}");
    let (verdict, reason) = guarantee(lane(&document, "safe"), "durability");
    assert_eq!((verdict, count(lane(&document, "safe"), "phantom")), ("inconclusive", 0), "{reason}");
    let machines: Vec<&Value> = document["run"]["machines"].as_array().unwrap().iter().collect();
    assert_eq!((&machines[0]["complete"], &machines[1]["complete"]), (&Value::from(false), &Value::from(true)));
    let (status, said) = second.ends();
    assert_eq!(status.code(), Some(0), "the other one handed over what it had: {said}");
    wait_until("the dead machine's clients are gone", || processes_with(&["__worker"]).is_empty());
}

fn a_killed_run_leaves_nothing(stage: &mut Stage) {
    let machines = join_both(stage, &[]);
    let mut run = begin(stage, OPEN, &["--preset", "safe", "--duration", "120s"]);
    stage.watch(&run, "the load is on", |_, run| run.progress().contains("baseline"));
    run.child.kill().unwrap();
    stage.finish(run, |_| ());
    for machine in machines {
        let folder = machine.folder.clone();
        let (status, said) = machine.ends();
        assert_eq!(status.code(), Some(4), "{said}");
        assert!(said.contains("is gone"), "{said}");
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "what was recorded there is taken away");
    }
    wait_until("no client is left", || processes_with(&["__worker"]).is_empty());
}

fn who_does_not_fit_is_sent_away(stage: &mut Stage) {
    // Nobody there: told at once when the wait is over.
    let alone = join(stage, 1, &["--join-limit", "1s"], TOKEN);
    let (status, said) = alone.ends();
    assert_eq!(status.code(), Some(4), "{said}");
    assert!(said.contains(&format!("no run answered at {RUNNER}:7654")), "{said}");
    let run = begin(stage, OPEN, &["--preset", "safe", "--duration", "3s", "--machines-limit", "60s"]);
    stage.watch(&run, "machines are waited for", |_, run| run.progress().contains("waiting for 2 machines"));
    let stranger = join(stage, 1, &[], "another token that is as long");
    let (status, said) = stranger.ends();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("does not know the token"), "{said}");
    let first = join(stage, 1, &[], TOKEN);
    stage.watch(&run, "the first has joined", |_, run| run.progress().contains("m1 joined"));
    let namesake = join(stage, 1, &[], TOKEN);
    let (status, said) = namesake.ends();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("a machine called m1 has joined already"), "{said}");
    // One that leaves before the run begins is not counted, and may come again.
    drop(first);
    stage.watch(&run, "the first has left", |_, run| run.progress().contains("m1 left again"));
    let first = join(stage, 1, &[], TOKEN);
    let second = join(stage, 2, &[], TOKEN);
    let ended = stage.finish(run, |_| ());
    assert_eq!(guarantee(lane(&document_of(&ended), "safe"), "durability").0, "holds", "{}", ended.told());
    [first, second].into_iter().for_each(|machine| assert_eq!(machine.ends().0.code(), Some(0)));
    // Too few, and no token.
    let ended = stage.run(
        OPEN,
        &["--machines", "1", "--machines-limit", "1s", "--preset", "safe"],
        &[("VERIFY_WORKER_TOKEN", TOKEN)],
    );
    assert_eq!(ended.code, Some(4), "{}", ended.told());
    assert!(ended.stderr.contains("0 of 1 machines joined within 1 s"), "{}", ended.told());
    let ended = stage.run(OPEN, &["--machines", "1", "--preset", "safe"], &[]);
    assert_eq!(ended.code, Some(2), "{}", ended.told());
    assert!(ended.stderr.contains("VERIFY_WORKER_TOKEN"), "{}", ended.told());
    let ended = stage.run(
        OPEN,
        &["--machines", "1", "--listen", "203.0.113.1:1", "--preset", "safe"],
        &[("VERIFY_WORKER_TOKEN", TOKEN)],
    );
    assert_eq!(ended.code, Some(4), "{}", ended.told());
    assert!(ended.stderr.contains("--listen"), "{}", ended.told());
}
