//! A RabbitMQ cluster that somebody else runs: what `verify` does there, what it leaves, and what it tells.
#![cfg(feature = "rabbitmq")]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "external/stage.rs"]
mod stage;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode};

use common::{can_run, count, guarantee, lane};
use delivery_broker::{ClusterPlan, HostPlan, InstallRequest, Installation, NodeSpec, RealSystem, Timings};
use delivery_cluster::enclosure::enclose;
use delivery_rabbitmq::RabbitMq;
use stage::{Stage, address};

const AMQP: u16 = 5672;

type Case = (&'static str, fn(&mut Stage));

const CASES: &[Case] = &[
    ("a_calm_run_passes_and_leaves_nothing", a_calm_run_passes_and_leaves_nothing),
    ("without_the_plug_in_nothing_is_shown", without_the_plug_in_nothing_is_shown),
    ("what_does_not_lead_in_is_named_at_once", what_does_not_lead_in_is_named),
    ("a_cut_by_a_hook_is_felt", a_cut_by_a_hook_is_felt),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |case: &&Case| words.is_empty() || words.iter().any(|word| case.0.contains(word));
    let cases: Vec<&Case> = CASES.iter().filter(wanted).collect();
    if std::env::args().any(|word| word == "--list") {
        cases.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if cases.is_empty() || !can_run("rabbitmq") {
        return ExitCode::SUCCESS;
    }
    let request = InstallRequest { cache_dir: delivery_verifier::run::cache_dir(), ..InstallRequest::default() };
    let installation = RabbitMq.install(&request, &mut |line| println!("{line}")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let failed = enclose(|| play(&cases, &installation, directory.path())).unwrap();
    println!("{} cases, {failed} failed", cases.len());
    ExitCode::from(u8::from(failed > 0))
}

fn play(cases: &[&Case], installation: &Installation, directory: &Path) -> i32 {
    let mut stage = Stage::start(lead, &nodes(installation, directory), directory);
    let mut failed = 0;
    for (name, case) in cases {
        let passed = catch_unwind(AssertUnwindSafe(|| case(&mut stage))).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += i32::from(!passed);
        stage.heal();
    }
    failed
}

fn lead(port: u16) -> Vec<String> {
    let urls = [1, 2, 3].map(|id| format!("amqp://guest@{}:{port}", address(id))).join(",");
    ["rabbitmq", "--backend", "external", "--url", &urls].map(str::to_owned).to_vec()
}

fn nodes(installation: &Installation, directory: &Path) -> Vec<NodeSpec> {
    let host = |id: u32| HostPlan {
        id,
        name: format!("n{id}"),
        address: address(id),
        data_dir: directory.join("data").join(format!("n{id}")),
    };
    let plan = ClusterPlan {
        nodes: (1..=3).map(host).collect(),
        controllers: Vec::new(),
        config: Default::default(),
        timings: Timings::Short,
        run_id: format!("external-{}", std::process::id()),
    };
    plan.nodes.iter().for_each(|node| fs::create_dir_all(&node.data_dir).unwrap());
    RabbitMq.nodes(&plan, installation).unwrap()
}

/// Queues and exchanges of any run that stand on the cluster.
fn left_on(stage: &mut Stage) -> Vec<String> {
    let mut left = Vec::new();
    for kind in ["queues", "exchanges"] {
        let mut asked = Command::new("curl");
        asked.args(["--silent", "--fail", "--user", "guest:guest"]);
        asked.arg(format!("http://{}:15672/api/{kind}?columns=name", address(1)));
        let told: serde_json::Value = serde_json::from_str(&stage.on_client(asked)).unwrap();
        let names = told.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        left.extend(names.filter(|name| name.starts_with("verify")));
    }
    left
}

fn is_tidy(stage: &mut Stage) {
    assert_eq!(left_on(stage), Vec::<String>::new());
    let notes = fs::read_dir(stage.directory.join("cache/external"));
    assert_eq!(notes.map_or(0, Iterator::count), 0, "a note of a run that is over and tidy");
}

fn a_calm_run_passes_and_leaves_nothing(stage: &mut Stage) {
    let arguments = ["--preset", "quorum,dead-letter", "--duration", "5s", "--require", "none", "--json"];
    let ended = stage.run(AMQP, &arguments, &[]);
    let document = ended.document();
    assert_eq!(document["run"]["status"]["status"], "finished", "{}", ended.told());
    for name in ["quorum", "dead-letter"] {
        assert_eq!(count(lane(&document, name), "lost"), 0);
        assert_eq!(guarantee(lane(&document, name), "durability").0, "holds", "{document:#}");
    }
    is_tidy(stage);
}

fn without_the_plug_in_nothing_is_shown(stage: &mut Stage) {
    let file = stage.directory.join("blind");
    fs::write(&file, "management.url=http://198.18.0.11:9\n").unwrap();
    let arguments = ["--preset", "quorum", "--duration", "3s", "--require", "none", "--json", "--client-config"];
    let ended = stage.run(AMQP, &[&arguments[..], &[file.to_str().unwrap()]].concat(), &[]);
    let document = ended.document();
    let (verdict, reason) = guarantee(lane(&document, "quorum"), "durability");
    assert_eq!(verdict, "inconclusive", "{}", ended.told());
    assert!(!reason.is_empty());
    assert!(ended.stderr.contains("no management plug-in answers"), "{}", ended.told());
    is_tidy(stage);
}

/// Port, environment, exit code, what is named.
type WayIn<'a> = (u16, &'a [(&'a str, &'a str)], i32, &'a str);

fn what_does_not_lead_in_is_named(stage: &mut Stage) {
    let rows: &[WayIn] = &[(AMQP, &[("VERIFY_PASSWORD", "wrong-password-1")], 4, "password"), (5679, &[], 4, "--url")];
    for (port, environment, code, named) in rows {
        let ended = stage.run(*port, &["--preset", "quorum"], environment);
        assert_eq!(ended.code, Some(*code), "{}", ended.told());
        assert!(ended.stderr.contains(named) && !ended.told().contains("wrong-password-1"), "{}", ended.told());
        assert!(!ended.out.join("latest").exists(), "nothing is begun");
    }
    is_tidy(stage);
}

fn a_cut_by_a_hook_is_felt(stage: &mut Stage) {
    let hook = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contrib/hooks/handover");
    let arguments = ["--preset", "quorum", "--faults", "netsplit:leader@4s+20s", "--fault-hook", hook];
    let more = ["--i-own-this-cluster", "--require", "none", "--json"];
    let ended = stage.run(AMQP, &[&arguments[..], &more].concat(), &[]);
    let document = ended.document();
    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{}", ended.told());
    assert_eq!(count(lane(&document, "quorum"), "lost"), 0, "{document:#}");
    is_tidy(stage);
}
