//! A user's .properties files: names of the Java client or of librdkafka.

use delivery_broker::{ConfigError, ConfigFile, Scope};
use java_properties::PropertiesIter;

use super::names::{canonical, is_known, is_own};
use super::resolve::{check_client, is_ours};

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FromFile {
    /// Applied: (name without scope, value), in the file's order.
    pub(crate) applied: Vec<(String, String)>,
    /// Not applied, as the file has them.
    pub(crate) not_applied: Vec<String>,
}

/// Java names whose librdkafka counterpart has another one and the same values.
const PRODUCER_NAMES: &[(&str, &str)] = &[
    ("max.request.size", "message.max.bytes"),
    ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
    ("send.buffer.bytes", "socket.send.buffer.bytes"),
];
const CONSUMER_NAMES: &[(&str, &str)] = &[
    ("fetch.max.wait.ms", "fetch.wait.max.ms"),
    ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
    ("send.buffer.bytes", "socket.send.buffer.bytes"),
];

/// Reads a file and translates what the client knows.
///
/// # Errors
/// The file is not in .properties format, or a value is one the setting does not take.
pub(crate) fn translate(file: &ConfigFile) -> Result<FromFile, ConfigError> {
    let mut read = FromFile::default();
    let mut pairs: Vec<(String, String)> = Vec::new();
    PropertiesIter::new(file.text.as_bytes()).read_into(|name, value| pairs.push((name, value))).map_err(|error| {
        ConfigError::File { path: file.path.clone(), reason: format!("not in .properties format: {error}") }
    })?;
    for (name, value) in pairs {
        match counterpart(file.scope, &name, value.trim()) {
            Some((counterpart, value)) => {
                if matches!(file.scope, Scope::Producer | Scope::Consumer) && !is_own(file.scope, &counterpart) {
                    check_client(file.scope, &counterpart, &value)?;
                }
                read.applied.push((counterpart, value));
            }
            None => read.not_applied.push(format!("{}.{name}", file.scope.label())),
        }
    }
    Ok(read)
}

fn counterpart(scope: Scope, name: &str, value: &str) -> Option<(String, String)> {
    let same = |name: &str| Some((name.to_owned(), value.to_owned()));
    match (scope, name) {
        (Scope::Producer, "buffer.memory") => {
            let kbytes = value.parse::<u64>().ok()?.div_ceil(1024).max(1);
            return Some((String::from("queue.buffering.max.kbytes"), kbytes.to_string()));
        }
        (Scope::Consumer, "enable.auto.commit" | "auto.commit.enable") => {
            let commit = if value.eq_ignore_ascii_case("true") { "auto" } else { "after-processing" };
            return Some((String::from("commit"), String::from(commit)));
        }
        (Scope::Consumer, "auto.offset.reset") if value == "none" => {
            return Some((name.to_owned(), String::from("error")));
        }
        (Scope::Consumer, "partition.assignment.strategy") => {
            return Some((name.to_owned(), assignors(value)?));
        }
        // The group's protocol is lower case in librdkafka, any case in Java.
        (Scope::Consumer, "group.protocol") => return Some((name.to_owned(), value.to_ascii_lowercase())),
        _ => {}
    }
    if is_ours(name) {
        return None;
    }
    let renamed = match scope {
        Scope::Producer => PRODUCER_NAMES.iter().find(|(java, _)| *java == name),
        Scope::Consumer => CONSUMER_NAMES.iter().find(|(java, _)| *java == name),
        _ => None,
    };
    let name = renamed.map_or(canonical(name), |(_, name)| name);
    if is_known(scope, name) { same(name) } else { None }
}

/// Class names of the Java client's assignors as librdkafka's names; nothing where one has no
/// counterpart. The Java default (range and cooperative-sticky together) is range until every
/// member knows the other, and librdkafka refuses the mixture.
fn assignors(value: &str) -> Option<String> {
    let mut names = Vec::new();
    for class in value.split(',').map(str::trim) {
        let name = match class.rsplit('.').next()? {
            "RangeAssignor" | "range" => "range",
            "RoundRobinAssignor" | "roundrobin" => "roundrobin",
            "CooperativeStickyAssignor" | "cooperative-sticky" => "cooperative-sticky",
            _ => return None,
        };
        names.push(name);
    }
    if names.len() > 1 {
        names.retain(|name| *name != "cooperative-sticky");
    }
    Some(names.join(","))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use delivery_broker::{ConfigError, ConfigFile, Scope};

    use super::translate;

    fn file(scope: Scope, text: &str) -> ConfigFile {
        ConfigFile { scope, path: PathBuf::from("mine.properties"), text: text.to_owned() }
    }

    #[test]
    fn a_java_producers_file_is_translated() {
        let text = "# mine\nacks = 1\ndelivery.timeout.ms=30000\nbuffer.memory=33554432\nmax.request.size=2000000\n\
                    key.serializer=org.apache.kafka.common.serialization.StringSerializer\n\
                    bootstrap.servers=prod:9092\nmax.block.ms=60000\nsecurity.protocol=SASL_SSL\n";
        let read = translate(&file(Scope::Producer, text)).unwrap();
        let applied: Vec<(&str, &str)> = read.applied.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected = [
            ("acks", "1"),
            ("message.timeout.ms", "30000"),
            ("queue.buffering.max.kbytes", "32768"),
            ("message.max.bytes", "2000000"),
        ];
        assert_eq!(applied, expected);
        let not_applied = [
            "producer.key.serializer",
            "producer.bootstrap.servers",
            "producer.max.block.ms",
            "producer.security.protocol",
        ];
        assert_eq!(read.not_applied, not_applied);
    }

    #[test]
    fn a_java_consumers_file_is_translated() {
        let text = "enable.auto.commit=true\nauto.offset.reset=none\ngroup.id=mine\nfetch.max.wait.ms=100\n\
                    partition.assignment.strategy=org.apache.kafka.clients.consumer.RangeAssignor,\\\n \
                    org.apache.kafka.clients.consumer.CooperativeStickyAssignor\nmax.poll.records=10\n";
        let read = translate(&file(Scope::Consumer, text)).unwrap();
        let applied: Vec<(&str, &str)> = read.applied.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected = [
            ("commit", "auto"),
            ("auto.offset.reset", "error"),
            ("fetch.wait.max.ms", "100"),
            ("partition.assignment.strategy", "range"),
            ("max.poll.records", "10"),
        ];
        assert_eq!(applied, expected);
        assert_eq!(read.not_applied, ["consumer.group.id"]);
    }

    #[test]
    fn broker_files_give_what_is_not_ours() {
        let text = "node.id=4\nlisteners=PLAINTEXT://:9092\nmin.insync.replicas=2\nfoo.bar=1\nlog.dirs=/tmp\n";
        let read = translate(&file(Scope::Broker, text)).unwrap();
        assert_eq!(read.applied, [(String::from("min.insync.replicas"), String::from("2"))]);
        assert_eq!(read.not_applied, ["broker.node.id", "broker.listeners", "broker.foo.bar", "broker.log.dirs"]);
    }

    #[test]
    fn bad_values_and_bad_files_are_errors() {
        assert!(matches!(translate(&file(Scope::Producer, "acks=most\n")), Err(ConfigError::Invalid { .. })));
        assert!(matches!(translate(&file(Scope::Producer, "a=\\u00zz\n")), Err(ConfigError::File { .. })));
    }
}
