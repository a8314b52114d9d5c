//! A RabbitMQ cluster that somebody else runs: what `verify` does there, what it leaves, and what it tells.
#![allow(clippy::unwrap_used)]

mod common;
mod external;
#[path = "external/rabbitmq_nodes.rs"]
mod rabbitmq_nodes;

use std::process::{Command, ExitCode};

use common::{count, guarantee, lane};
use delivery_rabbitmq::RabbitMq;
use external::program::{self, Case};
use external::secrets::{PASSWORD, WRONG, keeps_the_secret};
use external::stage::{HOOK, Product, Stage, address};
use external::{hook_ways, machines, ways_in};
use rabbitmq_nodes::{AMQP, IN_FILE, STRICT, TLS, add_users, lead, nodes};

const PRODUCT: Product = Product { open: AMQP, preset: "quorum", lead, settle: add_users, left, serving };

const CASES: &[Case] = &[
    ("a_calm_run_passes_and_leaves_nothing", a_calm_run_passes_and_leaves_nothing),
    ("without_the_plug_in_nothing_is_shown", without_the_plug_in_nothing_is_shown),
    ("tls_lets_in_who_knows_the_password", tls_lets_in_who_knows_the_password),
    ("a_certificate_lets_in_where_one_is_asked_for", a_certificate_lets_in),
    ("what_does_not_lead_in_is_named_at_once", what_does_not_lead_in_is_named),
    ("clients_on_two_machines_give_one_history", clients_on_two_machines),
    ("a_hook_that_hangs_or_fails_is_healed_and_proves_nothing", hook_ways::hangs_or_fails),
    ("a_heal_that_fails_is_tried_again", hook_ways::heal_fails),
    ("a_killed_run_is_healed_and_tidied_up", hook_ways::killed),
    ("one_ctrl_c_heals_judges_and_tidies_up", hook_ways::interrupted),
    // The last: the cluster does nothing about a partition, and stays partitioned.
    ("a_cut_by_a_hook_is_felt", a_cut_by_a_hook_is_felt),
];

fn main() -> ExitCode {
    program::main(&RabbitMq, &PRODUCT, nodes, CASES)
}

/// Queues and exchanges of any run that stand on a cluster.
fn left(stage: &mut Stage) -> Vec<String> {
    let mut left = Vec::new();
    for (node, kind) in [(1, "queues"), (1, "exchanges"), (STRICT, "queues"), (STRICT, "exchanges")] {
        let told = told_by(stage, node, &format!("{kind}?columns=name"));
        let names = told.iter().map(|one| one["name"].as_str().unwrap().to_owned());
        left.extend(names.filter(|name| name.starts_with("verify")));
    }
    left
}

/// Nodes that run and are not on another side of a partition, as one of them knows.
fn serving(stage: &mut Stage, node: u32) -> usize {
    let told = told_by(stage, node, "nodes?columns=running,partitions");
    told.iter().filter(|one| one["running"] == true && one["partitions"] == serde_json::json!([])).count()
}

/// What a node's management plug-in says of all of a kind.
fn told_by(stage: &mut Stage, node: u32, of: &str) -> Vec<serde_json::Value> {
    let mut asked = Command::new("curl");
    asked.args(["--silent", "--fail", "--user", "guest:guest"]);
    asked.arg(format!("http://{}:15672/api/{of}", address(node)));
    serde_json::from_str(&stage.on_client(asked)).unwrap()
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
    stage.is_tidy();
}

/// Each machine gets in by itself: the run's password is not sent to it.
fn clients_on_two_machines(stage: &mut Stage) {
    let settings = stage.write("machines", &format!("password={PASSWORD}\nssl.ca.location=ca.pem\n"));
    let joined = machines::join_both(stage, &["--client-config", &settings]);
    let arguments = ["--client-config", &settings, "--preset", "quorum", "--consumers", "2", "--duration", "5s"];
    let run = machines::begin(stage, TLS, &arguments);
    let ended = stage.finish(run, |_| ());
    let document = ended.document();
    assert_eq!(document["run"]["status"]["status"], "finished", "{}", ended.told());
    let told = document["run"]["machines"].as_array().unwrap();
    assert!(told.len() == 2 && told.iter().all(|machine| machine["complete"] == true), "{told:?}");
    assert_eq!(count(lane(&document, "quorum"), "lost"), 0);
    for promised in ["durability", "at-least-once", "integrity"] {
        assert_eq!(guarantee(lane(&document, "quorum"), promised).0, "holds", "{promised}: {document:#}");
    }
    joined.into_iter().for_each(|machine| assert_eq!(machine.ends().0.code(), Some(0)));
    stage.is_tidy();
}

fn without_the_plug_in_nothing_is_shown(stage: &mut Stage) {
    let nowhere = [1, 2, 3].map(|id| format!("http://{}:9", address(id))).join(",");
    let blind = format!("management.url={nowhere}\n");
    // Whom it tells nothing of nodes.
    let carol = format!("username=carol\npassword={PASSWORD}\n");
    for (text, why) in [(blind, "at http://198.18.0.11:9"), (carol, "at http://198.18.0.11:15672 (the node says 401")] {
        let file = stage.write("blind", &text);
        let arguments = ["--preset", "quorum", "--duration", "3s", "--require", "none", "--json"];
        let ended = stage.run(AMQP, &[&arguments[..], &["--client-config", &file]].concat(), &[]);
        let document = ended.document();
        let (verdict, reason) = guarantee(lane(&document, "quorum"), "durability");
        assert_eq!(verdict, "inconclusive", "{}", ended.told());
        assert!(!reason.is_empty());
        assert!(ended.stderr.contains(&format!("no management plug-in answers {why}")), "{}", ended.told());
        stage.is_tidy();
    }
}

/// A run of a user who proves himself, and of whom nothing is found. Durability holds only where the plug-in let him in,
/// too: it is asked over TLS.
fn lets_in(stage: &mut Stage, port: u16, file: &str, preset: &str, environment: &[(&str, &str)]) {
    let arguments = ["--client-config", file, "--preset", preset, "--duration", "5s", "--require", "none", "--json"];
    let run = stage.begin(port, &arguments, environment);
    stage.watch(&run, "the load is on", |_, run| run.progress().contains("baseline"));
    stage.look_at_processes();
    let ended = stage.finish(run, |_| ());
    let document = ended.document();
    assert_eq!(document["run"]["status"]["status"], "finished", "{}", ended.told());
    for name in preset.split(',') {
        assert_eq!(count(lane(&document, name), "lost"), 0, "{document:#}");
        assert_eq!(guarantee(lane(&document, name), "durability").0, "holds", "{}", ended.told());
    }
    keeps_the_secret(stage, &ended);
    stage.is_tidy();
}

fn tls_lets_in_who_knows_the_password(stage: &mut Stage) {
    let file = stage.write("tls", &format!("password={PASSWORD}\nssl.ca.location=ca.pem\n"));
    lets_in(stage, TLS, &file, "quorum,dead-letter", &[]);
}

fn a_certificate_lets_in(stage: &mut Stage) {
    let text = with_certificate("client.pem", "locked.key") + &format!("ssl.key.password={PASSWORD}\n");
    let file = stage.write("certificate", &text);
    lets_in(stage, IN_FILE, &file, "quorum", &[("VERIFY_PASSWORD", PASSWORD)]);
}

/// At the strict node.
fn with_certificate(certificate: &str, key: &str) -> String {
    let shown = format!("ssl.certificate.location={certificate}\nssl.key.location={key}\n");
    format!("url=amqps://alice@{}:{TLS}\nssl.ca.location=ca.pem\n{shown}", address(STRICT))
}

fn what_does_not_lead_in_is_named(stage: &mut Stage) {
    let login = |text: &str| format!("password={PASSWORD}\nssl.ca.location=ca.pem\n{text}");
    let url = |url: &str| login(&format!("url={url}\n"));
    let strict = |text: &str| format!("password={PASSWORD}\n{text}");
    let (first, last) = (format!("{}:{TLS}", address(1)), format!("{}:{TLS}", address(STRICT)));
    let (first, last) = (first.as_str(), last.as_str());
    let (certificate, key) = ("ssl.certificate.location", "ssl.key.location");
    let twice = format!("amqp://alice@{0},amqp://alice@{0}", address(1));
    let rows: &[ways_in::WayIn] = &[
        (AMQP, format!("password={WRONG}\n"), &[], 4, &["username and password", "198.18.0.11:5672"]),
        (TLS, login(&format!("password={WRONG}\n")), &[], 4, &["username and password", first]),
        (
            TLS,
            login("ssl.ca.location=other.pem\n"),
            &[],
            4,
            &["ssl.ca.location", "certificate that does not fit", first],
        ),
        (TLS, login("ssl.ca.location=\n"), &[], 4, &["ssl.ca.location", "certificate that does not fit", first]),
        (IN_FILE, url("amqps://alice@n1"), &[], 4, &["--url", "ostname mismatch", "n1:5671"]),
        (IN_FILE, strict(&with_certificate("", "")), &[], 4, &[certificate, "alert", last]),
        (IN_FILE, strict(&with_certificate("other.pem", "other.key")), &[], 4, &[certificate, "alert", last]),
        (IN_FILE, strict(&with_certificate("client.pem", "")), &[], 2, &[certificate, key]),
        (IN_FILE, strict(&with_certificate("client.pem", "other.key")), &[], 2, &[key, "client.pem"]),
        (IN_FILE, strict(&with_certificate("client.pem", "locked.key")), &[], 2, &[key, "ssl.key.password"]),
        (IN_FILE, url("amqps://alice@198.18.0.11:5672"), &[], 4, &["--url", "amqp or amqps"]),
        (IN_FILE, url("amqp://alice@198.18.0.11:5671"), &[], 4, &["--url", "amqp or amqps"]),
        (5679, String::new(), &[], 4, &["--url", "refused"]),
        (TLS, login("vhost=nowhere\n"), &[], 4, &["vhost", "nowhere", first]),
        (TLS, login("username=bob\n"), &[], 4, &["declare", "verify-", "Give the user the permissions"]),
        (IN_FILE, url(&twice), &[], 2, &["--url", "rabbit@n1"]),
        (TLS, login("ssl.ca.location=nowhere.pem\n"), &[], 2, &["ssl.ca.location", "nowhere.pem"]),
        (TLS, login("ssl.ca.location=node.key\n"), &[], 2, &["ssl.ca.location", "node.key"]),
        (TLS, login("pasword=x\n"), &[], 2, &["password"]),
        (
            AMQP,
            String::new(),
            &["--set", "queue.type=classic", "--set", "queue.mirrored=true"],
            2,
            &["the owner's to set"],
        ),
    ];
    ways_in::are_refused(stage, rows);
}

fn a_cut_by_a_hook_is_felt(stage: &mut Stage) {
    let ended = stage.run_with_hook("netsplit:leader@4s+20s", HOOK, &["--preset", "quorum"]);
    let document = ended.document();
    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{}", ended.told());
    assert_eq!(count(lane(&document, "quorum"), "lost"), 0, "{document:#}");
    stage.is_tidy();
}
