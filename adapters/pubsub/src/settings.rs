//! Presets, settings, and what a node reads from a lane's configuration.

use std::collections::BTreeMap;

use delivery_broker::config::{layered, split_scope};
use delivery_broker::{ConfigError, LanePlan, LaneRequest, Preset, Scope, Setting};
use delivery_history::manifest::{Lane, Workload};

/// Heartbeats missed in a row after which a peer is down.
pub(crate) const MISSED_HEARTBEATS: u64 = 6;
/// Heartbeat where nothing is set, milliseconds.
pub(crate) const DEFAULT_HEARTBEAT_MS: u64 = 500;

const DELIVERY: &str = "topic.delivery";
const HEARTBEAT_MS: &str = "broker.heartbeat.ms";
const RETRY_MS: &str = "broker.retry.ms";
const BUFFER_MESSAGES: &str = "broker.buffer.messages";
const NODES: &str = "cluster.nodes";
const COMMIT: &str = "consumer.commit";
const SUBSCRIPTIONS: &str = "consumer.subscriptions";

const DEFAULTS: &[(&str, &str)] =
    &[(HEARTBEAT_MS, "500"), (RETRY_MS, "1000"), (BUFFER_MESSAGES, "65536"), (COMMIT, "none")];

/// What a topic promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the field's own terms")]
pub(crate) enum DeliveryMode {
    /// Sent once, never again.
    AtMostOnce,
    /// Sent until every node confirmed it.
    AtLeastOnce,
    /// That, and each node takes a message once.
    ExactlyOnce,
}

impl DeliveryMode {
    const ALL: [Self; 3] = [Self::AtMostOnce, Self::AtLeastOnce, Self::ExactlyOnce];

    /// Name of its preset.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AtMostOnce => "at-most-once",
            Self::AtLeastOnce => "at-least-once",
            Self::ExactlyOnce => "exactly-once",
        }
    }

    fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|delivery| delivery.name() == name)
    }
}

/// Every preset, in the order of the output.
pub(crate) const PRESETS: &[Preset] = &[
    Preset {
        name: DeliveryMode::AtMostOnce.name(),
        about: "sent once to every node, no confirms, as Phoenix.PubSub does; keeps the order of a publisher",
        in_tour: true,
    },
    Preset {
        name: DeliveryMode::AtLeastOnce.name(),
        about: "sent until every node confirms, then acked; may repeat and reorder; lossy when a node is killed",
        in_tour: true,
    },
    Preset {
        name: DeliveryMode::ExactlyOnce.name(),
        about: "at-least-once, and each node drops what it has seen: until it is killed, then it has forgotten",
        in_tour: true,
    },
];

/// Every setting `--set` knows.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        scope: Scope::Broker,
        name: "heartbeat.ms",
        about: "time between two heartbeats, 50 to 10000 ms; a peer is down after six missed ones",
    },
    Setting {
        scope: Scope::Broker,
        name: "retry.ms",
        about: "time until an unconfirmed message is sent again, 200 to 60000 ms",
    },
    Setting {
        scope: Scope::Broker,
        name: "buffer.messages",
        about: "messages a node and topic keeps for retries, 1 to 1000000; beyond it sends fail",
    },
    Setting {
        scope: Scope::Consumer,
        name: "subscriptions",
        about: "times a subscriber subscribes to its topic, 1 to 8; it is given a message as often (1 where nothing is set)",
    },
    Setting { scope: Scope::Cluster, name: "nodes", about: "nodes of the cluster, 2 to 31 (5 where nothing is set)" },
];

/// The numbers a setting takes; nothing for one that is no number.
fn limits(full_name: &str) -> Option<std::ops::RangeInclusive<u64>> {
    match full_name {
        HEARTBEAT_MS => Some(50..=10_000),
        // Above the longest way there and back plus the collecting of confirms:
        // a healthy network sees no retry.
        RETRY_MS => Some(200..=60_000),
        BUFFER_MESSAGES => Some(1..=1_000_000),
        NODES => Some(2..=31),
        SUBSCRIPTIONS => Some(1..=8),
        _ => None,
    }
}

/// A lane's settings as a node works with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    pub(crate) delivery: DeliveryMode,
    pub(crate) heartbeat_ns: u64,
    pub(crate) retry_ns: u64,
    pub(crate) buffer_messages: usize,
}

impl TopicSettings {
    /// Reads a lane's configuration; settings that are missing have their defaults.
    pub(crate) fn read(config: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let delivery = config.get(DELIVERY).map_or(DeliveryMode::AtMostOnce.name(), String::as_str);
        let delivery = DeliveryMode::find(delivery).ok_or_else(|| ConfigError::Invalid {
            setting: DELIVERY.to_owned(),
            value: delivery.to_owned(),
            reason: format!("it takes {}", DeliveryMode::ALL.map(DeliveryMode::name).join(", ")),
        })?;
        let defaults = layered(&[DEFAULTS]);
        let number = |name: &str| {
            let value = config.get(name).or_else(|| defaults.get(name)).map_or("", String::as_str);
            parse(name, value)
        };
        Ok(Self {
            delivery,
            heartbeat_ns: number(HEARTBEAT_MS)? * 1_000_000,
            retry_ns: number(RETRY_MS)? * 1_000_000,
            buffer_messages: number(BUFFER_MESSAGES)? as usize,
        })
    }
}

/// How often a subscriber of a lane with this configuration subscribes.
pub(crate) fn subscriptions(config: &BTreeMap<String, String>) -> usize {
    config.get(SUBSCRIPTIONS).and_then(|value| parse(SUBSCRIPTIONS, value).ok()).map_or(1, |times| times as usize)
}

fn parse(full_name: &str, value: &str) -> Result<u64, ConfigError> {
    let range = limits(full_name).unwrap_or(0..=u64::MAX);
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(ConfigError::Invalid {
            setting: full_name.to_owned(),
            value: value.to_owned(),
            reason: format!("it takes a whole number from {} to {}", range.start(), range.end()),
        }),
    }
}

/// The full name of a setting the user typed with or without its scope.
fn full_name(typed: &str) -> Result<String, ConfigError> {
    let (scope, name) = split_scope(typed);
    let known = SETTINGS
        .iter()
        .find(|setting| setting.name == name && scope.is_none_or(|scope| scope == setting.scope))
        .ok_or_else(|| ConfigError::unknown("setting", typed, SETTINGS.iter().map(|setting| setting.name)))?;
    Ok(format!("{}.{}", known.scope.label(), known.name))
}

/// Turns a request into a lane.
pub(crate) fn lane(request: &LaneRequest) -> Result<LanePlan, ConfigError> {
    if let Some(file) = request.files.first() {
        let reason = String::from("the embedded PubSub reads no configuration file; give its settings with --set");
        return Err(ConfigError::File { path: file.path.clone(), reason });
    }
    let preset = request.preset.as_deref().unwrap_or(DeliveryMode::AtMostOnce.name());
    let delivery = DeliveryMode::find(preset)
        .ok_or_else(|| ConfigError::unknown("preset", preset, PRESETS.iter().map(|preset| preset.name)))?;
    let mut name = preset.to_owned();
    let mut config = layered(&[DEFAULTS, &[(DELIVERY, delivery.name())]]);
    for (typed, value) in &request.overrides {
        let setting = full_name(typed)?;
        parse(&setting, value)?;
        let short = split_scope(&setting).1;
        name.push_str(&format!("+{short}={value}"));
        config.insert(setting, value.clone());
    }
    let lane = Lane {
        name,
        workload: Workload::Fanout,
        settings: summary(delivery, &config),
        config,
        defaults_of: String::from("the embedded PubSub"),
        acknowledged: delivery != DeliveryMode::AtMostOnce,
        resends: false,
        automatic_ack: false,
        not_applied: Vec::new(),
    };
    Ok(LanePlan {
        lane,
        partitions: 1,
        dead_letters: false,
        readers_apart: false,
        session_timeout_ms: 0,
        transactions: None,
    })
}

fn summary(delivery: DeliveryMode, config: &BTreeMap<String, String>) -> String {
    let retry_ms = config.get(RETRY_MS).map_or("", String::as_str);
    match delivery {
        DeliveryMode::AtMostOnce => String::from("no confirms"),
        DeliveryMode::AtLeastOnce => format!("confirms, retry {retry_ms} ms"),
        DeliveryMode::ExactlyOnce => format!("confirms, retry {retry_ms} ms, deduplicated"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivery_broker::ConfigFile;

    fn request(preset: &str, overrides: &[(&str, &str)]) -> LaneRequest {
        LaneRequest {
            preset: Some(preset.to_owned()),
            overrides: overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            files: Vec::new(),
        }
    }

    #[test]
    fn every_preset_makes_a_lane_that_a_node_reads_back() {
        for delivery in DeliveryMode::ALL {
            let plan = lane(&request(delivery.name(), &[])).unwrap();
            let settings = TopicSettings::read(&plan.lane.config).unwrap();
            assert_eq!((settings.delivery, settings.retry_ns), (delivery, 1_000_000_000));
            assert_eq!(settings.heartbeat_ns, DEFAULT_HEARTBEAT_MS * 1_000_000);
            assert_eq!(plan.lane.acknowledged, delivery != DeliveryMode::AtMostOnce);
            assert_eq!(plan.lane.config[COMMIT], "none");
        }
    }

    #[test]
    fn an_override_is_applied_and_named() {
        let plan = lane(&request("exactly-once", &[("retry.ms", "300"), ("broker.heartbeat.ms", "100")])).unwrap();
        assert_eq!(plan.lane.name, "exactly-once+retry.ms=300+heartbeat.ms=100");
        let settings = TopicSettings::read(&plan.lane.config).unwrap();
        assert_eq!((settings.retry_ns, settings.heartbeat_ns), (300_000_000, 100_000_000));
    }

    #[test]
    fn a_subscriber_subscribes_once_unless_told_otherwise() {
        let config = |overrides| lane(&request("at-most-once", overrides)).unwrap().lane.config;
        assert_eq!(subscriptions(&config(&[])), 1);
        assert_eq!(subscriptions(&config(&[("consumer.subscriptions", "3")])), 3);
        for bad in ["0", "9", "two"] {
            assert!(lane(&request("at-most-once", &[("subscriptions", bad)])).is_err(), "{bad}");
        }
    }

    #[test]
    fn mistakes_name_what_is_valid() {
        let message = |request| lane(&request).unwrap_err().to_string();
        assert_eq!(
            message(request("at-mst-once", &[])),
            "there is no preset `at-mst-once`; nearest: at-most-once, at-least-once, exactly-once"
        );
        assert!(message(request("at-most-once", &[("broker.retri.ms", "3")])).contains("nearest: "));
        assert!(message(request("at-most-once", &[("producer.retry.ms", "300")])).contains("no setting"));
        for bad in ["", "199", "60001", "1s", "-1"] {
            assert!(message(request("at-least-once", &[("retry.ms", bad)])).contains("from 200 to 60000"), "{bad}");
        }
    }

    #[test]
    fn a_configuration_file_is_refused_and_not_ignored() {
        let mut asked = request("at-most-once", &[]);
        let file = ConfigFile { scope: Scope::Broker, path: "bus.conf".into(), text: String::new() };
        asked.files.push(file);
        assert!(lane(&asked).unwrap_err().to_string().contains("--set"));
    }
}
