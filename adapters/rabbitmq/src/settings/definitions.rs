//! A user's `definitions.json`, as RabbitMQ exports it: the first queue in it says what the lane's is.

use delivery_broker::{ConfigError, ConfigFile};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Definitions {
    #[serde(default)]
    queues: Vec<Queue>,
    #[serde(default)]
    policies: Vec<Policy>,
}

#[derive(Deserialize)]
struct Queue {
    name: String,
    #[serde(default = "yes")]
    durable: bool,
    #[serde(default)]
    arguments: Map<String, Value>,
}

#[derive(Deserialize)]
struct Policy {
    name: String,
    #[serde(default)]
    definition: Map<String, Value>,
}

fn yes() -> bool {
    true
}

/// Arguments of a queue, and keys of a policy, that are settings here: the setting's name.
const KNOWN: &[(&str, &str)] = &[
    ("queue-type", "type"),
    ("queue-version", "version"),
    ("delivery-limit", "delivery.limit"),
    ("max-length", "max.length"),
    ("overflow", "overflow"),
    ("single-active-consumer", "single.active.consumer"),
    ("dead-letter-strategy", "dead.letter.strategy"),
    ("ha-promote-on-failure", "promote.on.failure"),
    ("ha-sync-mode", "sync.mode"),
];

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueDefinition {
    /// Settings of the queue and their values.
    pub(crate) applied: Vec<(String, String)>,
    /// What this program has no setting for.
    pub(crate) not_applied: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// It is no JSON of this form, or defines no queue.
pub(crate) fn read_definitions(file: &ConfigFile) -> Result<QueueDefinition, ConfigError> {
    let refuse = |reason: String| ConfigError::File { path: file.path.clone(), reason };
    let read: Definitions = serde_json::from_str(&file.text).map_err(|error| refuse(error.to_string()))?;
    let queue = read.queues.first().ok_or_else(|| refuse(String::from("it defines no queue")))?;
    let mut definition = QueueDefinition::default();
    definition.apply("durable", queue.durable.to_string());
    for policy in &read.policies {
        for (key, value) in &policy.definition {
            definition.take(key, value, &format!("policy {}: ", policy.name));
        }
    }
    // A queue's own arguments win over policies.
    for (argument, value) in &queue.arguments {
        definition.take(argument.strip_prefix("x-").unwrap_or(argument), value, "");
    }
    for other in &read.queues[1..] {
        definition.not_applied.push(format!("queue {}", other.name));
    }
    Ok(definition)
}

impl QueueDefinition {
    fn apply(&mut self, name: &str, value: String) {
        self.applied.push((name.to_owned(), value));
    }

    fn take(&mut self, key: &str, value: &Value, of: &str) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let Some((_, name)) = KNOWN.iter().find(|(known, _)| *known == key) {
            return self.apply(name, text);
        }
        match key {
            "ha-mode" if text == "all" => self.apply("mirrored", String::from("true")),
            // The exchange it names is ours, and so is the queue behind it.
            "dead-letter-exchange" => self.apply("dead.letter", String::from("classic")),
            _ => self.not_applied.push(format!("{of}{key}={text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use delivery_broker::{ConfigError, ConfigFile, Scope};

    use super::read_definitions;

    fn file(text: &str) -> ConfigFile {
        ConfigFile { scope: Scope::Topic, path: PathBuf::from("definitions.json"), text: text.to_owned() }
    }

    #[test]
    fn the_first_queue_and_its_policies_are_read() {
        let text = r#"{"rabbitmq_version": "3.10.8",
            "policies": [{"name": "ha", "pattern": ".*", "definition": {"ha-mode": "all", "ha-sync-mode": "automatic",
                          "queue-master-locator": "min-masters"}}],
            "queues": [{"name": "orders", "vhost": "/", "durable": true, "arguments": {"x-max-length": 10,
                        "x-expires": 5, "x-single-active-consumer": true}}, {"name": "other"}]}"#;
        let read = read_definitions(&file(text)).unwrap();
        let applied: Vec<String> = read.applied.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            applied,
            ["durable=true", "mirrored=true", "sync.mode=automatic", "max.length=10", "single.active.consumer=true"]
        );
        assert_eq!(read.not_applied, ["policy ha: queue-master-locator=min-masters", "expires=5", "queue other"]);
    }

    #[test]
    fn a_file_without_a_queue_is_refused() {
        for text in ["{}", "[]", "{\"queues\": []}", "queues"] {
            assert!(matches!(read_definitions(&file(text)), Err(ConfigError::File { .. })), "{text}");
        }
    }
}
