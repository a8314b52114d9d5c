//! From what the user asked for to the lane that runs.

use std::collections::{BTreeMap, BTreeSet};

use delivery_broker::{ConfigError, ConfigFile, LanePlan, LaneRequest, Scope};
use delivery_history::manifest::{Lane, Workload};

use crate::presets::{COMMON, MINE, MINE_FROM, PRESETS, layer, type_layer};
use crate::settings::{check_value, full_name, read_conf, read_definitions};
use crate::timings::DEAD_CONNECTION_MS;

/// Nodes of a cluster.
pub(crate) const NODES: u32 = 3;
/// The AMQP 0-9-1 client and its version, as in the workspace's lock file.
pub(crate) const CLIENT: &str = "lapin 4.12.3";

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
        None => MINE_FROM,
    };
    let mut draft = Draft { config: BTreeMap::new(), chosen: Vec::new(), not_applied: Vec::new() };
    for (name, value) in COMMON.iter().chain(layer(preset)) {
        draft.set(name, value);
    }
    for file in &request.files {
        draft.read(file)?;
    }
    for (typed, value) in &request.overrides {
        let (scope, name) = full_name(typed)?;
        draft.choose(scope, &name, value)?;
    }
    draft.settle_what_follows()?;
    Ok(draft.into_plan(lane_name(preset, request)))
}

fn known_preset(name: &str) -> Result<&'static str, ConfigError> {
    let names = || PRESETS.iter().map(|preset| preset.name);
    names().find(|known| *known == name).ok_or_else(|| ConfigError::unknown("preset", name, names()))
}

fn lane_name(preset: &str, request: &LaneRequest) -> String {
    let mut name = match (&request.preset, request.files.is_empty()) {
        (None, false) => MINE.to_owned(),
        (Some(_), false) => format!("{preset}+{MINE}"),
        _ => preset.to_owned(),
    };
    for (typed, value) in &request.overrides {
        name = format!("{name}+{typed}={value}");
    }
    name
}

impl Draft {
    fn choose(&mut self, scope: Scope, name: &str, value: &str) -> Result<(), ConfigError> {
        check_value(scope, name, value)?;
        let full = format!("{}.{name}", scope.label());
        self.set(&full, value);
        self.chosen.retain(|chosen| *chosen != full);
        self.chosen.push(full);
        Ok(())
    }

    /// A `rabbitmq.conf` says what the brokers are, a `definitions.json` what the queue is.
    fn read(&mut self, file: &ConfigFile) -> Result<(), ConfigError> {
        match file.scope {
            Scope::Broker => {
                let conf = read_conf(file)?;
                self.not_applied.extend(conf.not_applied);
                conf.applied.iter().try_for_each(|(name, value)| self.choose(Scope::Broker, name, value))
            }
            Scope::Topic | Scope::Queue => {
                let definition = read_definitions(file)?;
                self.not_applied.extend(definition.not_applied);
                // Without a type of its own a queue is a classic one.
                self.set("queue.type", "classic");
                definition.applied.iter().try_for_each(|(name, value)| self.choose(Scope::Queue, name, value))
            }
            Scope::Producer | Scope::Consumer | Scope::Cluster => {
                let reason = "RabbitMQ's clients have no such file: give rabbitmq.conf with --broker-config, or \
                              definitions.json with --topic-config";
                Err(ConfigError::File { path: file.path.clone(), reason: reason.to_owned() })
            }
        }
    }

    fn get(&self, full: &str) -> &str {
        self.config.get(full).map_or("", String::as_str)
    }

    fn set(&mut self, full: &str, value: &str) {
        self.config.insert(full.to_owned(), value.to_owned());
    }

    fn is(&self, full: &str, value: &str) -> bool {
        self.get(full) == value
    }

    /// Settings that follow from others, and those that exclude each other.
    fn settle_what_follows(&mut self) -> Result<(), ConfigError> {
        for (name, value) in type_layer(self.get("queue.type")) {
            self.config.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
        }
        if self.config.get("queue.mirrored").is_some_and(|mirrored| mirrored != "false") {
            self.config.entry(String::from("queue.promote.on.failure")).or_insert_with(|| String::from("always"));
            self.config.entry(String::from("queue.sync.mode")).or_insert_with(|| String::from("manual"));
        }
        if !self.is("queue.max.length", "none") {
            self.config.entry(String::from("queue.overflow")).or_insert_with(|| String::from("drop-head"));
        }
        let quorum = self.is("queue.type", "quorum");
        if quorum && !self.is("queue.dead.letter", "none") {
            let strategy = String::from("queue.dead.letter.strategy");
            self.config.entry(strategy).or_insert_with(|| String::from("at-most-once"));
        }
        self.check_type()?;
        self.check_dead_letters()?;
        self.check_clients()
    }

    /// What a type of queue does not have is refused, not passed over.
    fn check_type(&self) -> Result<(), ConfigError> {
        let queue_type = self.get("queue.type").to_owned();
        let only = |name: &str, types: &[&str]| {
            let used = self.config.get(name).is_some_and(|value| value != "false" && value != "none");
            if !used || types.contains(&queue_type.as_str()) {
                return Ok(());
            }
            let have = types.join(" and ");
            Err(ConfigError::Contradiction(format!(
                "only {have} queues have {name}, and this lane's is a {queue_type}"
            )))
        };
        only("queue.version", &["classic"])?;
        only("queue.mirrored", &["classic"])?;
        only("queue.promote.on.failure", &["classic"])?;
        only("queue.sync.mode", &["classic"])?;
        only("queue.delivery.limit", &["quorum"])?;
        only("queue.single.active.consumer", &["classic", "quorum"])?;
        only("queue.max.length", &["classic", "quorum"])?;
        only("queue.dead.letter", &["classic", "quorum"])?;
        if queue_type != "classic" && self.is("queue.durable", "false") {
            return Err(ConfigError::Contradiction(format!("a {queue_type} queue is always durable")));
        }
        if queue_type == "quorum" && self.is("queue.overflow", "reject-publish-dlx") {
            return Err(contradiction("only classic queues have queue.overflow=reject-publish-dlx"));
        }
        Ok(())
    }

    fn check_dead_letters(&self) -> Result<(), ConfigError> {
        if self.is("queue.dead.letter.strategy", "at-least-once") {
            if !self.is("queue.type", "quorum") || self.is("queue.dead.letter", "none") {
                return Err(contradiction("queue.dead.letter.strategy needs a quorum queue with queue.dead.letter"));
            }
            if !self.is("queue.overflow", "reject-publish") {
                return Err(contradiction(
                    "queue.dead.letter.strategy=at-least-once needs queue.overflow=reject-publish: with drop-head the broker uses at-most-once",
                ));
            }
        }
        Ok(())
    }

    fn check_clients(&self) -> Result<(), ConfigError> {
        let stream = self.is("queue.type", "stream");
        let refuses = !self.is("consumer.refuse", "none");
        if stream && self.is("consumer.prefetch", "0") {
            return Err(contradiction(
                "a stream is consumed with a prefetch limit: consumer.prefetch above 0 is needed",
            ));
        }
        if stream && (refuses || !self.is("consumer.ack", "after-processing")) {
            return Err(contradiction(
                "a stream keeps its messages whatever its consumers do: leave consumer.ack and consumer.refuse as they are",
            ));
        }
        if refuses && self.is("consumer.ack", "automatic") {
            return Err(contradiction("consumer.ack=automatic settles as it hands out: nothing is left to refuse"));
        }
        Ok(())
    }

    fn into_plan(self, name: String) -> LanePlan {
        let stream = self.is("queue.type", "stream");
        let dead_letters = !self.is("queue.dead.letter", "none");
        let lane = Lane {
            name,
            workload: if stream { Workload::Log } else { Workload::Queue },
            settings: self.table_text(),
            defaults_of: CLIENT.to_owned(),
            acknowledged: self.is("producer.confirms", "true"),
            resends: false,
            automatic_ack: self.is("consumer.ack", "automatic"),
            not_applied: self.not_applied,
            config: self.config,
        };
        LanePlan {
            lane,
            partitions: 1,
            dead_letters,
            readers_apart: stream,
            session_timeout_ms: DEAD_CONNECTION_MS,
            transactions: None,
        }
    }

    /// `quorum confirms ack=after`, then what the user chose beside that.
    fn table_text(&self) -> String {
        let mut words = vec![self.get("queue.type").to_owned()];
        match self.get("queue.mirrored") {
            "true" => words.push(String::from("mirrored")),
            "auto" => words.push(String::from("mirrored<4")),
            _ => {}
        }
        words.push(String::from(if self.is("producer.confirms", "true") { "confirms" } else { "no-confirms" }));
        if !self.is("queue.type", "stream") {
            let ack = self.get("consumer.ack");
            words.push(format!("ack={}", ack.strip_suffix("-processing").unwrap_or(ack)));
        }
        let said = BTreeSet::from(["queue.type", "queue.mirrored", "producer.confirms", "consumer.ack"]);
        for full in self.chosen.iter().filter(|full| !said.contains(full.as_str())) {
            let short = full.split_once('.').map_or(full.as_str(), |(_, name)| name);
            words.push(format!("{short}={}", self.get(full)));
        }
        words.join(" ")
    }
}

fn contradiction(words: &str) -> ConfigError {
    ConfigError::Contradiction(words.to_owned())
}

/// Whether the broker of this version can run the lane.
///
/// # Errors
/// A kind of queue it does not have, with the reason.
pub(crate) fn check_version(lane: &Lane, version: &str) -> Result<(), ConfigError> {
    let Some((major, minor)) = major_minor(version) else { return Ok(()) };
    let value = |name: &str| lane.config.get(name).map_or("", String::as_str);
    let refuse = |reason: String| {
        Err(ConfigError::Contradiction(format!("lane `{}` cannot run on RabbitMQ {version}: {reason}", lane.name)))
    };
    if value("queue.mirrored") == "true" && major >= 4 {
        return refuse(String::from(
            "mirroring of classic queues was removed in 4.0; use a quorum queue, or a 3.x release",
        ));
    }
    if value("queue.type") == "stream" && (major, minor) < (3, 9) {
        return refuse(String::from("streams came with 3.9"));
    }
    if value("queue.version") == "2" && (major, minor) < (3, 10) {
        return refuse(String::from("version 2 of classic queues came with 3.10"));
    }
    if value("queue.version") == "1" && (major, minor) >= (4, 3) {
        return refuse(String::from("version 1 of classic queues is gone"));
    }
    if value("queue.dead.letter.strategy") == "at-least-once" && (major, minor) < (3, 10) {
        return refuse(String::from("dead-lettering at least once came with 3.10"));
    }
    Ok(())
}

/// `3.10.8` as (3, 10).
pub(crate) fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether some release keeps more than one copy of the lane's queue.
pub(crate) fn may_be_replicated(config: &BTreeMap<String, String>) -> bool {
    let is_classic = config.get("queue.type").is_none_or(|kind| kind == "classic");
    !is_classic || matches!(config.get("queue.mirrored").map(String::as_str), Some("true" | "auto"))
}

/// Whether the queue of a lane is mirrored on a broker of this version.
pub(crate) fn is_mirrored(config: &BTreeMap<String, String>, version: &str) -> bool {
    match config.get("queue.mirrored").map(String::as_str) {
        Some("true") => true,
        Some("auto") => major_minor(version).is_some_and(|(major, _)| major < 4),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use delivery_broker::{ConfigError, ConfigFile, LaneRequest, Scope};
    use delivery_history::manifest::Workload;

    use super::{CLIENT, check_version, is_mirrored, plan};
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
            let lane = &planned.lane;
            table.push_str(&format!(
                "{} | {} | {:?} | acknowledged {} | automatic ack {} | dead letters {}\n",
                lane.name, lane.settings, lane.workload, lane.acknowledged, lane.automatic_ack, planned.dead_letters
            ));
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_lane_names_every_setting_that_matters() {
        let planned = plan(&request(Some("classic"), &[("max.length", "10")])).unwrap();
        insta::assert_json_snapshot!(planned.lane.config);
    }

    #[test]
    fn the_client_is_the_one_that_is_locked() {
        let lock = include_str!("../../../Cargo.lock");
        let (name, version) = CLIENT.split_once(' ').unwrap();
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{CLIENT}");
    }

    #[test]
    fn overrides_change_the_value_and_the_name() {
        let planned = plan(&request(Some("quorum"), &[("prefetch", "1"), ("delivery.limit", "3")])).unwrap();
        assert_eq!(planned.lane.name, "quorum+prefetch=1+delivery.limit=3");
        assert_eq!(planned.lane.settings, "quorum confirms ack=after prefetch=1 delivery.limit=3");
        assert_eq!(planned.lane.workload, Workload::Queue);
    }

    #[test]
    fn contradictions_are_refused() {
        for (preset, overrides) in [
            ("quorum", &[("mirrored", "true")][..]),
            ("quorum", &[("durable", "false")]),
            ("classic", &[("delivery.limit", "3")]),
            ("stream", &[("single.active.consumer", "true")]),
            ("stream", &[("ack", "automatic")]),
            ("stream", &[("prefetch", "0")]),
            ("classic", &[("dead.letter.strategy", "at-least-once")]),
            ("dead-letter", &[("dead.letter.strategy", "at-least-once")]),
            ("none", &[("refuse", "nack-requeue")]),
        ] {
            let refused = plan(&request(Some(preset), overrides));
            assert!(matches!(refused, Err(ConfigError::Contradiction(_))), "{overrides:?}: {refused:?}");
        }
        assert!(matches!(plan(&request(Some("quorom"), &[])), Err(ConfigError::Unknown { .. })));
    }

    #[test]
    fn versions_that_lack_a_kind_of_queue_are_refused_with_the_reason() {
        let refused = |preset: &str, version: &str| {
            check_version(&plan(&request(Some(preset), &[])).unwrap().lane, version)
                .err()
                .map(|error| error.to_string())
        };
        assert_eq!(
            refused("mirrored", "4.0.5").unwrap(),
            "lane `mirrored` cannot run on RabbitMQ 4.0.5: mirroring of classic queues was removed in 4.0; \
             use a quorum queue, or a 3.x release"
        );
        assert!(refused("stream", "3.8.9").is_some() && refused("classic-v2", "3.8.9").is_some());
        for preset in PRESETS.iter().filter(|preset| preset.in_tour) {
            assert_eq!(
                (refused(preset.name, "3.10.8"), refused(preset.name, "4.3.6")),
                (None, None),
                "{}",
                preset.name
            );
        }
    }

    #[test]
    fn the_tours_classic_queue_is_mirrored_where_the_version_has_it() {
        let config = plan(&request(Some("classic"), &[])).unwrap().lane.config;
        assert!(is_mirrored(&config, "3.10.8") && !is_mirrored(&config, "4.0.5"));
    }

    #[test]
    fn files_make_the_lane_mine() {
        let file = |scope, text: &str| ConfigFile { scope, path: PathBuf::from("x"), text: text.to_owned() };
        let files = vec![file(Scope::Broker, "cluster_partition_handling = pause_minority\nlisteners.tcp.1 = 1\n")];
        let planned = plan(&LaneRequest { files, ..LaneRequest::default() }).unwrap();
        assert_eq!(planned.lane.name, "mine");
        assert_eq!(planned.lane.not_applied, ["broker.listeners.tcp.1"]);
        assert_eq!(planned.lane.config["broker.cluster_partition_handling"], "pause_minority");
        let queue = r#"{"queues": [{"name": "q", "arguments": {"x-queue-type": "quorum", "x-delivery-limit": 5}}]}"#;
        let planned = plan(&LaneRequest { files: vec![file(Scope::Topic, queue)], ..LaneRequest::default() }).unwrap();
        assert_eq!(planned.lane.name, "mine");
        assert_eq!(planned.lane.settings, "quorum confirms ack=after durable=true delivery.limit=5");
        let files = vec![file(Scope::Producer, "acks=1\n")];
        assert!(matches!(plan(&LaneRequest { files, ..LaneRequest::default() }), Err(ConfigError::File { .. })));
    }
}
