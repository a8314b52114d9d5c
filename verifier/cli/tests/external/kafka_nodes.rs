//! Kafka's nodes as somebody else would run them: with listeners that want a login, and TLS as well.

use std::path::Path;

use delivery_broker::{Installation, NodeSpec, RealSystem};
use delivery_kafka::Kafka;

use crate::external::certificates;
use crate::external::secrets::PASSWORD;
use crate::external::stage::{address, plan};

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
