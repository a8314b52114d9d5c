//! RabbitMQ's nodes as somebody else would run them: with listeners for TLS, and users of their own.

use std::fs;
use std::path::Path;
use std::process::Command;

use delivery_broker::{Installation, NodeFile, NodeSpec, RealSystem};
use delivery_rabbitmq::RabbitMq;
use serde_json::json;

use crate::external::certificates;
use crate::external::secrets::PASSWORD;
use crate::external::stage::{Stage, address, plan};

/// Listeners: open, and with TLS.
pub(crate) const AMQP: u16 = 5672;
pub(crate) const TLS: u16 = 5671;
/// None: the user's file names the cluster.
pub(crate) const IN_FILE: u16 = 0;
/// A node that is a cluster of its own, and whose TLS lets in nobody without a certificate.
pub(crate) const STRICT: u32 = 4;

/// What leads `verify` to the cluster of three.
pub(crate) fn lead(port: u16) -> Vec<String> {
    let login = if port == TLS { "amqps://alice" } else { "amqp://guest" };
    let urls = [1, 2, 3].map(|id| format!("{login}@{}:{port}", address(id))).join(",");
    let words: &[&str] = match port {
        IN_FILE => &["rabbitmq", "--backend", "external"],
        _ => &["rabbitmq", "--backend", "external", "--url", &urls],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Three nodes as the project describes them, and the strict one.
pub(crate) fn nodes(installation: &Installation, directory: &Path) -> Vec<NodeSpec> {
    certificates::make(directory);
    let clusters: [&[u32]; 2] = [&[1, 2, 3], &[STRICT]];
    let mut specs = Vec::new();
    for ids in clusters {
        specs.extend(RabbitMq.nodes(&plan(directory, ids), installation).unwrap());
    }
    specs.iter_mut().for_each(|spec| listen(spec, directory));
    specs
}

/// Nodes that load definitions while they become a cluster may leave one of them without its virtual host (3.10.8: "vhost
/// '/' is down"), so users are added once they are one.
pub(crate) fn add_users(stage: &mut Stage) {
    let users = stage.write("users.json", &users_as_documented().to_string());
    for node in [1, STRICT] {
        let mut posted = Command::new("curl");
        posted.args(["--silent", "--show-error", "--fail", "--user", "guest:guest"]);
        posted.args(["--header", "content-type: application/json", "--data", &format!("@{users}")]);
        posted.arg(format!("http://{}:15672/api/definitions", address(node)));
        stage.on_client(posted);
    }
}

/// Alice may do what the documentation asks for and no more. Carol may not see nodes; Bob may do nothing.
fn users_as_documented() -> serde_json::Value {
    let user = |name: &str, tag: &str| json!({"name": name, "password": PASSWORD, "tags": tag});
    let may = |name: &str, on: &str| json!({"user": name, "vhost": "/", "configure": on, "write": on, "read": on});
    let ours = "^(verify-.*|amq\\.default)$";
    json!({
        "users": [user("alice", "monitoring"), user("bob", "monitoring"), user("carol", "management")],
        "permissions": [may("alice", ours), may("bob", "^$"), may("carol", ours)],
    })
}

/// Adds listeners with TLS for clients and for whoever asks the plug-in.
fn listen(spec: &mut NodeSpec, directory: &Path) {
    let (host, is_strict) = (&spec.host, spec.host.id == STRICT);
    let mut lines = vec![
        format!("listeners.ssl.default = {}:{TLS}", host.address),
        format!("management.ssl.ip = {}", host.address),
        String::from("management.ssl.port = 15671"),
    ];
    for (setting, name) in [("cacertfile", "ca.pem"), ("certfile", "node.pem"), ("keyfile", "node.key")] {
        let file = host.data_dir.join(name);
        lines.extend(["ssl_options", "management.ssl"].map(|at| format!("{at}.{setting} = {}", file.display())));
        spec.files.push(NodeFile { path: file, text: fs::read_to_string(directory.join(name)).unwrap() });
    }
    let verify = if is_strict { "verify_peer" } else { "verify_none" };
    lines.extend(["ssl_options", "management.ssl"].map(|at| format!("{at}.verify = {verify}")));
    lines.extend(["ssl_options", "management.ssl"].map(|at| format!("{at}.fail_if_no_peer_cert = {is_strict}")));
    let conf = spec.files.iter_mut().find(|file| file.path.ends_with("rabbitmq.conf")).unwrap();
    conf.text.extend(lines.into_iter().map(|line| line + "\n"));
}
