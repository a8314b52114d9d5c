//! Kafka's nodes as somebody else would run them: with listeners that want a login, and TLS as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use delivery_broker::{ClusterPlan, HostPlan, Installation, NodeSpec, RealSystem, Timings};
use delivery_kafka::Kafka;

use crate::stage::address;

/// What nobody may find anywhere.
pub(crate) const PASSWORD: &str = "wolpertinger-4711";

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
    let mut specs = Kafka.nodes(&plan, installation).unwrap();
    let store = certificate(directory);
    for spec in &mut specs {
        fs::create_dir_all(&spec.host.data_dir).unwrap();
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

/// Makes an authority (`ca.pem`), and a key and certificate of the nodes signed by it.
fn certificate(directory: &Path) -> PathBuf {
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2 &&
        openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -subj /CN=another -days 2 &&
        openssl req -newkey rsa:2048 -nodes -keyout node.key -out node.csr -subj /CN=nodes &&
        echo subjectAltName=IP:198.18.0.11,IP:198.18.0.12,IP:198.18.0.13 > names &&
        openssl x509 -req -in node.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out node.pem &&
        cat node.key node.pem > store.pem";
    let made =
        Command::new("/bin/sh").args(["-c", script]).current_dir(directory).stdin(Stdio::null()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    directory.join("store.pem")
}
