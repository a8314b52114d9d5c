//! Kafka's nodes as somebody else would run them: with listeners that want a login, and TLS as well.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use delivery_broker::{Installation, NodeSpec, RealSystem};
use delivery_kafka::Kafka;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::external::certificates;
use crate::external::secrets::PASSWORD;
use crate::external::stage::{Stage, address, plan};

/// The listener that lets in everybody.
pub(crate) const OPEN: u16 = 9092;
/// The one that wants a login.
pub(crate) const LOGIN: u16 = 9094;
/// The one that wants TLS and a login.
pub(crate) const TLS: u16 = 9095;

/// Addresses of the listener with this port.
pub(crate) fn addresses(port: u16) -> String {
    [1, 2, 3].map(|id| format!("{}:{port}", address(id))).join(",")
}

/// What leads `verify` there.
pub(crate) fn lead(port: u16) -> Vec<String> {
    ["kafka", "--backend", "external", "--bootstrap-server", &addresses(port)].map(str::to_owned).to_vec()
}

/// Nodes as the project describes them, with three more listeners: one that wants a login, one that wants TLS as well.
pub(crate) fn nodes(installation: &Installation, directory: &Path) -> Vec<NodeSpec> {
    certificates::make(directory);
    let store = directory.join("store.pem");
    let mut specs = Kafka.nodes(&plan(directory, &[1, 2, 3]), installation).unwrap();
    for spec in &mut specs {
        spec.files[0].text = with_listeners(&spec.files[0].text, &spec.host.address, &store);
        spec.prepare[0]
            .arguments
            .extend([String::from("--add-scram"), format!("SCRAM-SHA-512=[name=alice,password={PASSWORD}]")]);
    }
    specs
}

fn with_listeners(text: &str, address: &str, store: &Path) -> String {
    let replaced = ["listeners=", "advertised.listeners=", "listener.security.protocol.map="];
    let kept = text.lines().filter(|line| !replaced.iter().any(|name| line.starts_with(name)));
    let clients = format!("PLAINTEXT://{address}:9092,LOGIN://{address}:9094,TLS://{address}:9095");
    let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required";
    let more = [
        format!("listeners=CONTROLLER://{address}:9093,{clients}"),
        format!("advertised.listeners={clients}"),
        String::from(
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT,TLS:SASL_SSL",
        ),
        String::from("listener.name.login.sasl.enabled.mechanisms=PLAIN"),
        format!(
            "listener.name.login.plain.sasl.jaas.config={plain} user_alice=\"{PASSWORD}\" user_bob=\"{PASSWORD}\";"
        ),
        String::from("listener.name.tls.sasl.enabled.mechanisms=SCRAM-SHA-512"),
        format!("listener.name.tls.scram-sha-512.sasl.jaas.config={scram};"),
        String::from("listener.name.tls.ssl.keystore.type=PEM"),
        format!("listener.name.tls.ssl.keystore.location={}", store.display()),
        String::from("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        String::from("super.users=User:ANONYMOUS;User:alice"),
    ];
    kept.map(str::to_owned).chain(more).map(|line| format!("{line}\n")).collect()
}

/// Topics and groups that stand on the cluster and have our prefix.
pub(crate) fn left(stage: &mut Stage) -> Vec<String> {
    let told = stage.on_client(role(&["list"]));
    told.lines().filter(|line| line.starts_with("verify-")).map(str::to_owned).collect()
}

/// Nodes that serve, as one of them knows.
pub(crate) fn serving(stage: &mut Stage, node: u32) -> usize {
    stage.on_client(role(&["serving", &format!("{}:{OPEN}", address(node))])).trim().parse().unwrap()
}

/// This program again, as an administrator of the cluster.
pub(crate) fn role(words: &[&str]) -> Command {
    // Not the link in /proc: it would be resolved by whoever starts it.
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--role").args(words);
    command
}

/// Whether this program was started for that, and has done it.
pub(crate) fn administered() -> bool {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = words.first().is_some_and(|word| word == "--role");
    if is_asked {
        administer(&words[1..]);
    }
    is_asked
}

/// Lists topics and groups, makes a topic, or counts the nodes a node knows.
fn administer(words: &[String]) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", addresses(OPEN));
    let limit = Duration::from_secs(20);
    if words[0] == "serving" {
        let client: BaseConsumer = config.set("bootstrap.servers", &words[1]).create().unwrap();
        println!("{}", client.fetch_metadata(None, limit).unwrap().brokers().len());
        return;
    }
    if words[0] == "create" {
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let topic = NewTopic::new(&words[1], 1, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(limit));
        let made = futures::executor::block_on(admin.create_topics([&topic], &options)).unwrap();
        assert!(made[0].is_ok(), "{made:?}");
        return;
    }
    let client: BaseConsumer = config.create().unwrap();
    let known = client.fetch_metadata(None, limit).unwrap();
    known.topics().iter().for_each(|topic| println!("{}", topic.name()));
    let groups = client.fetch_group_list(None, limit).unwrap();
    groups.groups().iter().for_each(|group| println!("{}", group.name()));
}
