//! A Kafka cluster that somebody else runs: what `verify` does there, what it leaves, and what it tells.
#![allow(clippy::unwrap_used)]

mod common;
mod external;
#[path = "external/kafka_nodes.rs"]
mod kafka_nodes;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use common::{count, guarantee, lane};
use delivery_kafka::Kafka;
use external::program::{self, Case};
use external::secrets::{PASSWORD, WRONG, keeps_the_secret};
use external::stage::{HOOK, Product, Stage};
use external::{hook_ways, ways_in};
use kafka_nodes::{LOGIN, OPEN, TLS, administered, lead, left, nodes, role, serving};

const PRODUCT: Product = Product { open: OPEN, preset: "safe", lead, settle: |_| (), left, serving };

const CASES: &[Case] = &[
    ("a_calm_run_passes_and_leaves_nothing", a_calm_run_passes_and_leaves_nothing),
    ("a_password_is_found_nowhere", a_password_is_found_nowhere),
    ("tls_and_scram_let_in_who_knows_the_password", tls_and_scram),
    ("what_does_not_lead_in_is_named_at_once", what_does_not_lead_in_is_named),
    ("what_needs_leave_or_a_node_of_ours_is_refused", what_needs_leave_is_refused),
    ("a_cut_by_a_hook_shows_what_fast_loses", a_cut_by_a_hook_shows_what_fast_loses),
    ("a_hook_that_lies_proves_nothing", a_hook_that_lies_proves_nothing),
    ("a_hook_that_hangs_or_fails_is_healed_and_proves_nothing", hook_ways::hangs_or_fails),
    ("a_heal_that_fails_is_tried_again", hook_ways::heal_fails),
    ("a_heal_that_hangs_is_ended_and_tried_again", hook_ways::heal_hangs),
    ("a_killed_run_is_healed_and_tidied_up", hook_ways::killed),
    ("one_ctrl_c_heals_judges_and_tidies_up", hook_ways::interrupted),
    ("what_a_dead_run_left_is_taken_away_and_nothing_of_others", what_a_dead_run_left),
];

fn main() -> ExitCode {
    if administered() {
        return ExitCode::SUCCESS;
    }
    program::main(&Kafka, &PRODUCT, nodes, CASES)
}

fn a_calm_run_passes_and_leaves_nothing(stage: &mut Stage) {
    let ended = stage.run(OPEN, &["--duration", "5s", "--require", "none", "--json"], &[]);
    let document = ended.document();
    assert_eq!(document["run"]["backend"], "external", "{}", ended.told());
    assert_eq!(document["run"]["status"]["status"], "finished", "{document:#}");
    for name in ["safe", "default", "fast", "none"] {
        let lane = lane(&document, name);
        assert_eq!(count(lane, "lost"), 0, "{lane:#}");
        assert_eq!(guarantee(lane, "durability").0, "holds", "{lane:#}");
        assert_eq!(guarantee(lane, "agreement").0, "holds", "{lane:#}");
        assert_eq!(guarantee(lane, "at-least-once").0, "holds", "{lane:#}");
    }
    assert!(ended.stdout.contains("\"broker_version\": \"4.1\""), "{document:#}");
    stage.is_tidy();
}

fn a_password_is_found_nowhere(stage: &mut Stage) {
    let login = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=alice\n";
    let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password";
    let with_password =
        format!("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={jaas}=\"{PASSWORD}\";\n");
    let files = [stage.write("login", login), stage.write("jaas", &with_password)];
    for (file, environment) in files.iter().zip([&[("VERIFY_PASSWORD", PASSWORD)][..], &[]]) {
        let arguments = ["--client-config", file, "--preset", "safe,transactions", "--duration", "3s", "--rate", "50"];
        let run = stage.begin(LOGIN, &[&arguments[..], &["--require", "none", "--json"]].concat(), environment);
        stage.watch(&run, "the load is on", |_, run| run.progress().contains("baseline"));
        stage.look_at_processes();
        let ended = stage.finish(run, |_| ());
        let document = ended.document();
        assert_eq!(document["run"]["status"]["status"], "finished", "{}", ended.told());
        assert_eq!(guarantee(lane(&document, "safe"), "durability").0, "holds");
        assert_eq!(guarantee(lane(&document, "transactions"), "atomicity").0, "holds", "{document:#}");
        keeps_the_secret(stage, &ended);
    }
    // A hook that tells of what it found in a file, and of its environment, of which the beginning is kept.
    let hook = format!("cat {}; env; false", files[1]);
    let arguments =
        ["--client-config", &files[1], "--preset", "safe", "--faults", "kill:leader@1s+1s", "--duration", "3s"];
    let more = ["--fault-hook", &hook, "--i-own-this-cluster", "--require", "none", "--json", "--rate", "50"];
    let ended = stage.run(LOGIN, &[&arguments[..], &more].concat(), &[("VERIFY_PASSWORD", PASSWORD)]);
    stage.look_at_processes();
    assert!(fs::read_to_string(ended.out.join("latest/run.json")).unwrap().contains("[redacted]"), "{}", ended.told());
    let _ = stage.seen();
    let texts = [&ended.stdout, &ended.stderr, &fs::read_to_string(ended.out.join("latest/run.json")).unwrap()];
    assert!(texts.iter().all(|text| !text.contains(PASSWORD)), "{}", ended.told());
    stage.is_tidy();
}

fn tls_and_scram(stage: &mut Stage) {
    let text = format!(
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.username=alice\nsasl.password={PASSWORD}\nssl.ca.location=ca.pem\n"
    );
    let file = stage.write("tls", &text);
    let arguments = ["--client-config", &file, "--preset", "safe", "--duration", "3s", "--require", "none", "--json"];
    let ended = stage.run(TLS, &arguments, &[]);
    let document = ended.document();
    assert_eq!(document["run"]["status"]["status"], "finished", "{}", ended.told());
    assert_eq!(guarantee(lane(&document, "safe"), "durability").0, "holds");
    assert_eq!(guarantee(lane(&document, "safe"), "agreement").0, "holds");
    stage.is_tidy();
}

fn what_does_not_lead_in_is_named(stage: &mut Stage) {
    let login = |user: &str, password: &str| {
        format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username={user}\nsasl.password={password}\n"
        )
    };
    let tls = |ca: &str, more: &str| {
        format!(
            "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.username=alice\nsasl.password={PASSWORD}\nssl.ca.location={ca}\n{more}"
        )
    };
    let rows: &[ways_in::WayIn] = &[
        (LOGIN, login("alice", WRONG), &[], 4, &["sasl.password", "--client-config"]),
        (TLS, tls("ca.pem", "sasl.mechanism=SCRAM-SHA-256\n"), &[], 4, &["sasl", "SCRAM-SHA-512"]),
        (TLS, tls("other.pem", ""), &[], 4, &["ssl.ca.location", "certificate"]),
        (LOGIN, login("bob", PASSWORD), &[], 4, &["create topic", "verify-"]),
        (9099, String::new(), &[], 4, &["--bootstrap-server", "refused"]),
        (LOGIN, String::new(), &[], 4, &["--bootstrap-server", "security.protocol"]),
        (OPEN, login("alice", PASSWORD), &[], 4, &["security.protocol"]),
        (TLS, tls("nowhere.pem", ""), &[], 2, &["ssl.ca.location", "nowhere.pem"]),
        (OPEN, String::from("sasl.pasword=x\n"), &[], 2, &["sasl.password"]),
        (OPEN, String::new(), &["--set", "topic.replication.factor=4"], 2, &["replication.factor"]),
    ];
    ways_in::are_refused(stage, rows);
}

fn what_needs_leave_is_refused(stage: &mut Stage) {
    let rows: &[(&[&str], &str)] = &[
        (&["--faults", "kill:consumer"], "--i-own-this-cluster"),
        (&["--faults", "netsplit", "--i-own-this-cluster"], "--fault-hook"),
        (&["--faults", "netsplit:leader-clients", "--fault-hook", "true", "--i-own-this-cluster"], "one machine"),
        (&["--faults", "leave", "--i-own-this-cluster"], "others"),
        (&["--rate", "5000"], "--i-own-this-cluster"),
        (&["--size", "100000"], "--i-own-this-cluster"),
        (&["--timings", "short"], "--timings"),
        (&["--set", "cluster.nodes=5"], "cluster.nodes"),
        (&["--dist", "/nowhere"], "--dist"),
        (&["--url", "amqp://nowhere"], "--bootstrap-server"),
    ];
    for (arguments, named) in rows {
        let ended = stage.run(OPEN, arguments, &[]);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.told());
        assert!(ended.stderr.contains(named), "{arguments:?}: {}", ended.told());
    }
}

fn a_cut_by_a_hook_shows_what_fast_loses(stage: &mut Stage) {
    let ended = stage.run_with_hook("netsplit:leader@4s+15s", HOOK, &["--preset", "safe,fast"]);
    let document = ended.document();
    let fault = &document["faults"][0];
    assert!(fault["bit"] == true && fault["noticed"] == true && fault["healed"] == true, "{}", ended.told());
    assert!(fault["hook"].as_str().unwrap().contains("hook start: exit status 0"), "{fault:#}");
    assert!(count(lane(&document, "fast"), "lost") > 100, "{document:#}");
    assert_eq!(guarantee(lane(&document, "fast"), "durability").0, "violated");
    assert_eq!(count(lane(&document, "safe"), "lost"), 0);
    assert_eq!(guarantee(lane(&document, "safe"), "durability").0, "holds", "{document:#}");
    assert_eq!(stage.asked.len(), 2, "{:?}", stage.asked);
    assert!(
        stage.asked[0].starts_with("start netsplit:leader ") && stage.asked[0].contains(":9092"),
        "{:?}",
        stage.asked
    );
    let recorded = fs::read_to_string(ended.out.join("latest/run.json")).unwrap();
    assert!(recorded.contains("handed over: start netsplit:leader"), "{recorded}");
    stage.is_tidy();
}

fn a_hook_that_lies_proves_nothing(stage: &mut Stage) {
    stage.lies = true;
    let ended = stage.run_with_hook("netsplit:leader@3s+6s", HOOK, &["--preset", "safe,fast"]);
    let document = ended.document();
    let fault = &document["faults"][0];
    assert!(fault["bit"] == false && fault["noticed"] == false, "{fault:#}");
    for name in ["safe", "fast"] {
        let (verdict, reason) = guarantee(lane(&document, name), "durability");
        assert_eq!(verdict, "inconclusive", "{document:#}");
        assert!(reason.contains("the fault hook said"), "{reason}");
    }
    stage.is_tidy();
}

fn what_a_dead_run_left(stage: &mut Stage) {
    for name in ["verify-dead0001-safe", "verify-of-somebody-else", "theirs"] {
        stage.on_client(role(&["create", name]));
    }
    let calm = ["--preset", "fast", "--duration", "2s", "--require", "none"];
    let first = stage.run(OPEN, &calm, &[]);
    assert!(first.stderr.contains("left alone") && first.stderr.contains("verify-dead0001-safe"), "{}", first.told());
    // As a run leaves it whose caretaker was killed, too.
    let cluster = cluster_id(&stage.directory);
    let belongings = serde_json::json!({ "destinations": ["verify-dead0001-safe", "theirs"], "groups": [] });
    let note = serde_json::json!({ "system": "kafka", "cluster": cluster, "belongings": belongings });
    fs::write(stage.directory.join("cache/external/dead.json"), note.to_string()).unwrap();
    let second = stage.run(OPEN, &calm, &[]);
    assert!(second.stderr.contains("taken away: verify-dead0001-safe"), "{}", second.told());
    assert_eq!(left(stage), ["verify-of-somebody-else"]);
    assert!(stage.on_client(role(&["list"])).contains("theirs"), "what has no prefix is nobody's to take away");
}

/// As the first node wrote it down when its storage was formatted.
fn cluster_id(directory: &Path) -> String {
    let text = fs::read_to_string(directory.join("data/n1/log/meta.properties")).unwrap();
    text.lines().find_map(|line| line.strip_prefix("cluster.id=")).unwrap().to_owned()
}
