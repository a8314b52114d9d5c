//! From what the user asked for to the lane that runs.

mod rules;

use std::collections::{BTreeMap, BTreeSet};

use delivery_broker::{ConfigError, LanePlan, LaneRequest, Scope};
use delivery_history::manifest::{Lane, Workload};

use crate::library;
use crate::presets::{COMMON, MINE, NAMED_DEFAULTS, PRESETS, is_java, layers};
use crate::settings::{client_default, full_name, translate};
use crate::transactions;
pub(crate) use rules::check_version;

/// Brokers of a cluster where nobody asks for another number.
pub(crate) const NODES: u32 = 3;
/// Most brokers, and most controllers beside them: more than a machine of today runs.
const MAX_NODES: u64 = 9;
const MAX_CONTROLLERS: u64 = 5;
/// Most partitions of a lane's topic.
const MAX_PARTITIONS: u32 = 1_000;

/// What the table tells of a preset beside its acknowledgements, unless it is as usual.
const TELLING: &[(&str, &[&str])] = &[
    ("producer.resend", &["0"]),
    ("producer.abort.rate", &[]),
    ("producer.transaction.timeout.ms", &[]),
    ("consumer.commit", &["after-processing"]),
    ("consumer.auto.offset.reset", &["earliest"]),
    ("consumer.static.membership", &["false"]),
    ("consumer.partition.assignment.strategy", &["range,roundrobin", "range"]),
    ("consumer.group.protocol", &["classic"]),
];

/// A lane's settings while they are put together.
struct Draft {
    config: BTreeMap<String, String>,
    /// Full names the user gave a value, in order.
    chosen: Vec<String>,
    not_applied: Vec<String>,
}

/// Turns a request into a lane.
///
/// # Errors
/// Unknown presets, names and values, and settings that exclude each other.
pub(crate) fn plan(request: &LaneRequest) -> Result<LanePlan, ConfigError> {
    let preset = match &request.preset {
        Some(name) => known_preset(name)?,
        None if request.files.is_empty() => "default",
        None => MINE,
    };
    let mut draft = Draft { config: defaults(preset), chosen: Vec::new(), not_applied: Vec::new() };
    for file in &request.files {
        let read = translate(file)?;
        draft.not_applied.extend(read.not_applied);
        for (name, value) in read.applied {
            draft.choose(file.scope, &name, &value)?;
        }
    }
    for (typed, value) in &request.overrides {
        let (scope, name) = full_name(typed)?;
        draft.choose(scope, &name, value)?;
    }
    draft.settle_what_follows(preset)?;
    let name = lane_name(preset, request);
    draft.into_plan(name)
}

fn known_preset(name: &str) -> Result<&'static str, ConfigError> {
    let names = || PRESETS.iter().map(|preset| preset.name);
    names().find(|known| *known == name).ok_or_else(|| ConfigError::unknown("preset", name, names()))
}

fn defaults(preset: &str) -> BTreeMap<String, String> {
    let mut config = BTreeMap::new();
    for full in NAMED_DEFAULTS {
        let name = full.split_once('.').map_or(*full, |(_, name)| name);
        config.insert((*full).to_owned(), normal(full, client_default(name)));
    }
    for (name, value) in COMMON.iter().chain(layers(preset).into_iter().flatten()) {
        config.insert((*name).to_owned(), (*value).to_owned());
    }
    config
}

/// One spelling per value, for comparing and for the table.
fn normal(full: &str, value: &str) -> String {
    match (full, value) {
        ("producer.acks", "-1") => String::from("all"),
        ("consumer.commit", value) => value.strip_prefix("commit-").unwrap_or(value).to_owned(),
        _ => value.to_owned(),
    }
}

fn lane_name(preset: &str, request: &LaneRequest) -> String {
    let mut name = preset.to_owned();
    if request.preset.is_some() && !request.files.is_empty() {
        name = format!("{name}+{MINE}");
    }
    for (typed, value) in &request.overrides {
        name = format!("{name}+{typed}={value}");
    }
    name
}

impl Draft {
    fn choose(&mut self, scope: Scope, name: &str, value: &str) -> Result<(), ConfigError> {
        let (name, value) = match (scope, name) {
            (Scope::Consumer, "enable.auto.commit") => {
                ("commit", if value == "true" { "auto" } else { "after-processing" })
            }
            _ => (name, value),
        };
        let full = format!("{}.{name}", scope.label());
        let value = normal(&full, value);
        rules::check_value(scope, name, &value)?;
        self.config.insert(full.clone(), value);
        self.chosen.retain(|chosen| *chosen != full);
        self.chosen.push(full);
        Ok(())
    }

    fn get(&self, full: &str) -> &str {
        self.config.get(full).map_or("", String::as_str)
    }

    fn set(&mut self, full: &str, value: &str) {
        self.config.insert(full.to_owned(), value.to_owned());
    }

    fn is_chosen(&self, full: &str) -> bool {
        self.chosen.iter().any(|chosen| chosen == full)
    }

    /// Settings that follow from others, and those that exclude each other.
    fn settle_what_follows(&mut self, preset: &str) -> Result<(), ConfigError> {
        self.take_topic_defaults_from_broker(preset);
        if transactions::has_transactions(&defaults(preset)) {
            transactions::plan(&self.config)?;
        } else {
            transactions::refuse_in_plain_lane(&self.chosen)?;
        }
        let acks = self.get("producer.acks").to_owned();
        if self.get("producer.enable.idempotence") == "true" && acks != "all" {
            // As the Java client does: idempotence that nobody asked for gives way.
            if !is_java(preset) || self.is_chosen("producer.enable.idempotence") {
                return Err(ConfigError::Contradiction(format!(
                    "producer.enable.idempotence=true needs producer.acks=all, not acks={acks}: \
                     set enable.idempotence=false as well, or leave acks as it is."
                )));
            }
            self.set("producer.enable.idempotence", "false");
        }
        let nodes = self.number("cluster.nodes", 1, MAX_NODES)?;
        let controllers = self.number("cluster.controllers", 0, MAX_CONTROLLERS)?;
        if controllers != 0 && controllers % 2 == 0 {
            return Err(ConfigError::Contradiction(format!(
                "cluster.controllers={controllers}: a quorum of an even number survives no more than one of a node less; \
                 take 1, 3 or 5, or 0 for brokers that are controllers, too."
            )));
        }
        let replicas = self.number("topic.replication.factor", 1, nodes)?;
        let in_sync = self.number("topic.min.insync.replicas", 1, nodes)?;
        if in_sync > replicas {
            return Err(ConfigError::Contradiction(format!(
                "topic.min.insync.replicas={in_sync} is more than topic.replication.factor={replicas}: \
                 no write with acks=all could ever succeed."
            )));
        }
        self.check_idempotent_limits()?;
        self.settle_clients()
    }

    /// A broker setting is every topic's default.
    fn take_topic_defaults_from_broker(&mut self, preset: &str) {
        for name in ["min.insync.replicas", "unclean.leader.election.enable"] {
            let (topic, broker) = (format!("topic.{name}"), format!("broker.{name}"));
            let by_preset = layers(preset).into_iter().flatten().any(|(known, _)| **known == topic);
            if let Some(value) = self.config.get(&broker).cloned()
                && !by_preset
                && !self.is_chosen(&topic)
            {
                self.set(&topic, &value);
            }
        }
    }

    fn check_idempotent_limits(&self) -> Result<(), ConfigError> {
        if self.get("producer.enable.idempotence") != "true" {
            return Ok(());
        }
        let in_flight = self.get("producer.max.in.flight.requests.per.connection").parse::<u64>();
        if in_flight.is_ok_and(|requests| requests > 5) {
            return Err(ConfigError::Contradiction(String::from(
                "producer.enable.idempotence=true takes at most 5 max.in.flight.requests.per.connection.",
            )));
        }
        if self.get("producer.retries") == "0" {
            let needs = "producer.enable.idempotence=true needs producer.retries above 0.";
            return Err(ConfigError::Contradiction(String::from(needs)));
        }
        Ok(())
    }

    fn number(&self, full: &str, least: u64, most: u64) -> Result<u64, ConfigError> {
        let value = self.get(full);
        let number = value.parse::<u64>().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| ConfigError::Invalid {
            setting: full.to_owned(),
            value: value.to_owned(),
            reason: format!("a whole number from {least} to {most} is needed"),
        })
    }

    fn into_plan(self, name: String) -> Result<LanePlan, ConfigError> {
        let partitions = self.number("topic.partitions", 1, u64::from(MAX_PARTITIONS))?;
        let session_timeout_ms = self.session_timeout_ms()?;
        let transactions = match transactions::has_transactions(&self.config) {
            true => Some(transactions::plan(&self.config)?),
            false => None,
        };
        let settings = self.table_text();
        let lane = Lane {
            name,
            workload: if transactions.is_some() { Workload::Transactions } else { Workload::Log },
            settings,
            defaults_of: format!("{} on Apache Kafka's broker defaults", library::name()),
            acknowledged: self.get("producer.acks") != "0",
            resends: self.get("producer.resend") != "0",
            automatic_ack: false,
            not_applied: self.not_applied,
            config: self.config,
        };
        let partitions = u32::try_from(partitions).unwrap_or(MAX_PARTITIONS);
        Ok(LanePlan { lane, partitions, dead_letters: false, readers_apart: false, session_timeout_ms, transactions })
    }

    /// `acks=all min.isr=2 idempotent`, then what the user chose beside that.
    fn table_text(&self) -> String {
        let mut words = vec![
            format!("acks={}", self.get("producer.acks")),
            format!("min.isr={}", self.get("topic.min.insync.replicas")),
        ];
        if self.get("producer.enable.idempotence") == "true" {
            words.push(String::from("idempotent"));
        }
        let said = BTreeSet::from(["producer.acks", "topic.min.insync.replicas", "producer.enable.idempotence"]);
        if transactions::has_transactions(&self.config) && !self.is_chosen("consumer.isolation.level") {
            words.push(self.get("consumer.isolation.level").to_owned());
        }
        for (full, usual) in TELLING.iter().filter(|(full, _)| !self.is_chosen(full)) {
            let (name, value) = (full.split_once('.').map_or(*full, |(_, name)| name), self.get(full));
            if !value.is_empty() && !usual.contains(&value) {
                words.push(format!("{name}={value}"));
            }
        }
        for full in self.chosen.iter().filter(|full| !said.contains(full.as_str())) {
            let short = full.split_once('.').map_or(full.as_str(), |(_, name)| name);
            words.push(format!("{short}={}", self.get(full)));
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use delivery_broker::{ConfigError, ConfigFile, LaneRequest, Scope};

    use super::plan;
    use crate::presets::PRESETS;

    fn request(preset: Option<&str>, overrides: &[(&str, &str)]) -> LaneRequest {
        let owned = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        LaneRequest { preset: preset.map(str::to_owned), overrides: owned, files: Vec::new() }
    }

    #[test]
    fn presets_as_they_stand_in_the_table() {
        let mut table = String::new();
        for preset in PRESETS {
            let planned = plan(&request(Some(preset.name), &[])).unwrap();
            table.push_str(&format!(
                "{} | {} | acknowledged {} | partitions {} | session {} ms\n",
                planned.lane.name,
                planned.lane.settings,
                planned.lane.acknowledged,
                planned.partitions,
                planned.session_timeout_ms
            ));
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_default_lane_names_every_setting_that_matters() {
        let planned = plan(&request(None, &[])).unwrap();
        assert_eq!(planned.lane.name, "default");
        assert!(planned.lane.defaults_of.starts_with("librdkafka 2."));
        insta::assert_json_snapshot!(planned.lane.config);
    }

    #[test]
    fn overrides_change_the_value_and_the_name() {
        let planned = plan(&request(Some("default"), &[("acks", "1"), ("delivery.timeout.ms", "9000")])).unwrap();
        assert_eq!(planned.lane.name, "default+acks=1+delivery.timeout.ms=9000");
        assert_eq!(planned.lane.config["producer.acks"], "1");
        assert_eq!(planned.lane.config["producer.message.timeout.ms"], "9000");
        assert!(!planned.lane.config.contains_key("producer.delivery.timeout.ms"));
        assert_eq!(planned.lane.settings, "acks=1 min.isr=1 message.timeout.ms=9000");
        let planned = plan(&request(Some("fast"), &[("request.required.acks", "-1")])).unwrap();
        assert_eq!(planned.lane.config["producer.acks"], "all");
    }

    #[test]
    fn commit_modes_are_taken_in_both_spellings() {
        for (typed, expected) in [("auto", "auto"), ("commit-before-processing", "before-processing")] {
            let planned = plan(&request(None, &[("commit", typed)])).unwrap();
            assert_eq!(planned.lane.config["consumer.commit"], expected);
        }
        let planned = plan(&request(None, &[("enable.auto.commit", "true")])).unwrap();
        assert_eq!(planned.lane.config["consumer.commit"], "auto");
        assert!(matches!(plan(&request(None, &[("commit", "never")])), Err(ConfigError::Invalid { .. })));
    }

    #[test]
    fn contradictions_are_refused() {
        for overrides in [
            &[("enable.idempotence", "true"), ("acks", "1")][..],
            &[("min.insync.replicas", "3"), ("replication.factor", "2")],
            &[("enable.idempotence", "true"), ("max.in.flight", "6")],
            &[("enable.idempotence", "true"), ("retries", "0")],
        ] {
            let refused = plan(&request(Some("default"), overrides));
            assert!(matches!(refused, Err(ConfigError::Contradiction(_))), "{overrides:?}: {refused:?}");
        }
        assert!(matches!(plan(&request(Some("safe"), &[("acks", "0")])), Err(ConfigError::Contradiction(_))));
        let weak = plan(&request(Some("transactions"), &[("acks", "1")])).unwrap_err().to_string();
        assert!(weak.starts_with("transactions need producer.acks=all"), "{weak}");
        let plain = plan(&request(Some("safe"), &[("abort.rate", "0.1")]));
        assert!(matches!(plain, Err(ConfigError::Contradiction(_))), "{plain:?}");
        let java = plan(&request(Some("java"), &[("acks", "1")])).unwrap();
        assert_eq!(java.lane.config["producer.enable.idempotence"], "false");
    }

    #[test]
    fn bad_requests_are_refused_with_the_nearest() {
        let refused = plan(&request(Some("sfae"), &[])).unwrap_err().to_string();
        assert!(refused.contains("`sfae`; nearest: safe"), "{refused}");
        for overrides in [&[("replication.factor", "4")][..], &[("partitions", "0")], &[("session.timeout.ms", "soon")]]
        {
            assert!(matches!(plan(&request(None, overrides)), Err(ConfigError::Invalid { .. })), "{overrides:?}");
        }
    }

    #[test]
    fn files_make_the_lane_mine() {
        let file = |scope, text: &str| ConfigFile { scope, path: PathBuf::from("x"), text: text.to_owned() };
        let files =
            vec![file(Scope::Producer, "acks=1\nkey.serializer=x\n"), file(Scope::Broker, "min.insync.replicas=2\n")];
        let planned = plan(&LaneRequest { files, ..LaneRequest::default() }).unwrap();
        assert_eq!(planned.lane.name, "mine");
        assert_eq!(planned.lane.not_applied, ["producer.key.serializer"]);
        assert_eq!(planned.lane.config["broker.min.insync.replicas"], "2");
        assert_eq!(planned.lane.config["topic.min.insync.replicas"], "2", "a broker setting is the topics' default");
    }
}
