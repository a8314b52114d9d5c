//! From a lane's settings to librdkafka's.

use std::io::Write;

use delivery_broker::{ClientError, ClientSpec, CommitMode, NodeAddress, Scope};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::external::names;
pub(crate) use crate::kafka::CLIENT_PORT;
use crate::settings::is_own;
use crate::transactions::TRANSACTION_TIMEOUT;

/// How long one attempt of a sentinel may take, milliseconds; the workload tries again.
const SENTINEL_TIMEOUT_MS: u32 = 10_000;

/// A producer's configuration: the lane's, and what every client needs.
pub(crate) fn producer(spec: &ClientSpec) -> ClientConfig {
    let mut config = common(spec);
    // A plain producer has no transactions that could take too long.
    for (name, value) in scoped(spec, Scope::Producer).filter(|(name, _)| *name != "transaction.timeout.ms") {
        config.set(name, value);
    }
    config
}

/// A producer whose transactions are known by the seat's name, whoever sits there: the next one fences the one before.
/// The client refuses messages that are tried for longer than their transaction may take.
pub(crate) fn transactional_producer(spec: &ClientSpec) -> ClientConfig {
    let mut config = producer(spec);
    config.set("transactional.id", &spec.seat);
    if let Some(timeout) = spec.config.get(TRANSACTION_TIMEOUT) {
        config.set("transaction.timeout.ms", timeout);
        let limit = |name: &str| config.get(name).and_then(|limit| limit.parse::<u64>().ok());
        if let (Some(message_ms), Ok(transaction_ms)) = (limit("message.timeout.ms"), timeout.parse())
            && (message_ms == 0 || message_ms > transaction_ms)
        {
            config.set("message.timeout.ms", timeout);
        }
    }
    config
}

/// A reader that transforms. It reads committed messages whatever the lane's readers do: only then does it wait, when
/// it asks where its group stands, for transactions that may still move that.
pub(crate) fn transactional_consumer(spec: &ClientSpec) -> Result<ClientConfig, ClientError> {
    let mut config = consumer(spec)?;
    config.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
    Ok(config)
}

/// The strongest acknowledgement there is, whatever the lane asks for. Not idempotent: a
/// sentinel's session must not end with a fatal error, and its repeats are not judged.
pub(crate) fn sentinel(spec: &ClientSpec) -> ClientConfig {
    let mut config = common(spec);
    config
        .set("acks", "all")
        .set("enable.idempotence", "false")
        .set("linger.ms", "0")
        .set("message.timeout.ms", SENTINEL_TIMEOUT_MS.to_string());
    config
}

/// A consumer's configuration.
///
/// # Errors
/// The specification names no group.
pub(crate) fn consumer(spec: &ClientSpec) -> Result<ClientConfig, ClientError> {
    let Some(group) = &spec.group else {
        return Err(ClientError::Configuration(String::from("a consumer needs a group")));
    };
    let mut config = common(spec);
    let commit = CommitMode::of(&spec.config);
    let automatic = matches!(commit, CommitMode::Auto | CommitMode::AutoManualStore | CommitMode::AutoBatchStore);
    config.set("group.id", group).set("enable.auto.commit", automatic.to_string());
    config.set("enable.auto.offset.store", (commit == CommitMode::Auto).to_string());
    if spec.config.get("consumer.static.membership").is_some_and(|is_static| is_static == "true") {
        config.set("group.instance.id", &spec.seat);
    }
    for (name, value) in scoped(spec, Scope::Consumer) {
        config.set(name, value);
    }
    if let Some(all) = spec.read_uncommitted {
        config.set("isolation.level", if all { "read_uncommitted" } else { "read_committed" });
    }
    Ok(config)
}

/// The lane's settings of one scope that are the client's.
fn scoped(spec: &ClientSpec, scope: Scope) -> impl Iterator<Item = (&str, &str)> {
    let in_scope =
        move |full: &'_ str| -> bool { full.split_once('.').is_some_and(|(label, _)| label == scope.label()) };
    let mine = spec.config.iter().filter(move |(full, _)| in_scope(full));
    let named = mine.filter_map(|(full, value)| Some((full.split_once('.')?.1, value.as_str())));
    named.filter(move |(name, _)| !is_own(scope, name))
}

fn common(spec: &ClientSpec) -> ClientConfig {
    let servers: Vec<String> = spec.nodes.iter().map(server).collect();
    let mut config = ClientConfig::new();
    if let Some(access) = &spec.access {
        let plain = names::PLAIN.iter().filter_map(|name| Some((*name, access.get(name)?)));
        let secret = names::SECRET.iter().filter_map(|name| Some((*name, access.secret(name)?.expose())));
        for (name, value) in plain.chain(secret) {
            config.set(name, value);
        }
    }
    config.set("bootstrap.servers", servers.join(",")).set("client.id", &spec.client_name);
    config.set_log_level(RDKafkaLogLevel::Warning);
    config
}

fn server(node: &NodeAddress) -> String {
    let (host, port) = node.host_and_port(CLIENT_PORT);
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Writes what the client library has to say to standard error. A closed standard error is no
/// reason to stop: the history is elsewhere.
pub(crate) fn log(client: &str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    let _ = writeln!(std::io::stderr(), "{client}: librdkafka {level:?} {facility} {message}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use delivery_broker::{ClientSpec, LaneRequest, NodeAddress};

    use super::{consumer, producer, sentinel};
    use crate::lane;
    use crate::presets::PRESETS;

    fn spec(config: BTreeMap<String, String>) -> ClientSpec {
        let node = |id| NodeAddress { id, address: format!("198.18.0.{id}") };
        ClientSpec {
            seat: String::from("seat"),
            controllers: Vec::new(),
            client_name: String::from("p1"),
            run_tag: 1,
            nodes: vec![node(1), node(2)],
            destinations: Vec::new(),
            config,
            group: Some(String::from("g")),
            outputs: Vec::new(),
            read_uncommitted: None,
            access: None,
        }
    }

    #[test]
    fn every_preset_is_one_the_client_library_takes() {
        for preset in PRESETS {
            let request = LaneRequest { preset: Some(preset.name.to_owned()), ..LaneRequest::default() };
            let planned = lane::plan(&request).unwrap();
            let spec = spec(planned.lane.config.clone());
            producer(&spec).create::<rdkafka::producer::BaseProducer>().unwrap();
            let config = consumer(&spec).unwrap();
            let automatic = planned.lane.config["consumer.commit"].starts_with("auto");
            assert_eq!(config.get("enable.auto.commit"), Some(automatic.to_string().as_str()));
            config.create::<rdkafka::consumer::BaseConsumer>().unwrap();
            assert_eq!(producer(&spec).get("acks"), Some(planned.lane.config["producer.acks"].as_str()));
            assert_eq!(sentinel(&spec).get("acks"), Some("all"));
        }
    }

    #[test]
    fn only_auto_stores_what_was_handed_out() {
        for (commit, automatic, store) in [
            ("auto", "true", "true"),
            ("auto-manual-store", "true", "false"),
            ("auto-batch-store", "true", "false"),
            ("after-processing", "false", "false"),
            ("none", "false", "false"),
        ] {
            let config = BTreeMap::from([(String::from("consumer.commit"), commit.to_owned())]);
            let config = consumer(&spec(config)).unwrap();
            let set = (config.get("enable.auto.commit"), config.get("enable.auto.offset.store"));
            assert_eq!(set, (Some(automatic), Some(store)), "{commit}");
        }
    }

    #[test]
    fn a_static_member_is_known_by_its_seat() {
        let settings = BTreeMap::from([(String::from("consumer.static.membership"), String::from("true"))]);
        let successor = ClientSpec { client_name: String::from("c1-2"), seat: String::from("c1"), ..spec(settings) };
        assert_eq!(consumer(&successor).unwrap().get("group.instance.id"), Some("c1"));
        assert_eq!(consumer(&spec(BTreeMap::new())).unwrap().get("group.instance.id"), None);
    }

    #[test]
    fn auto_commit_is_the_clients() {
        let config = BTreeMap::from([(String::from("consumer.commit"), String::from("auto"))]);
        let config = consumer(&spec(config)).unwrap();
        assert_eq!(config.get("enable.auto.commit"), Some("true"));
        assert_eq!(config.get("commit"), None);
        assert_eq!(config.get("bootstrap.servers"), Some("198.18.0.1:9092,198.18.0.2:9092"));
    }
}
