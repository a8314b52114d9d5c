//! Presets, settings and the lanes they make.

use std::collections::BTreeMap;
use std::path::PathBuf;

use delivery_history::manifest::Lane;
use serde::{Deserialize, Serialize};

/// Which failure detection and election timings the cluster runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timings {
    /// As the vendor ships them.
    Vendor,
    /// Shortened by us; named in the headline.
    Short,
}

/// What a setting belongs to: the first part of its full name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Producer client.
    Producer,
    /// Consumer client.
    Consumer,
    /// Topic.
    Topic,
    /// Queue.
    Queue,
    /// Broker: such a setting is one for the whole run.
    Broker,
    /// The cluster itself (how many nodes): one for the whole run, too.
    Cluster,
}

impl Scope {
    /// The first part of a full name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Topic => "topic",
            Self::Queue => "queue",
            Self::Broker => "broker",
            Self::Cluster => "cluster",
        }
    }
}

/// A named configuration.
#[derive(Clone, Debug)]
pub struct Preset {
    /// Its name: the lane's.
    pub name: &'static str,
    /// One line for `verify list presets`.
    pub about: &'static str,
    /// Part of the tour.
    pub in_tour: bool,
}

/// A setting `--set` knows.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What it belongs to.
    pub scope: Scope,
    /// Its name without the scope (`acks`).
    pub name: &'static str,
    /// One line for `verify list settings`, with the values it takes.
    pub about: &'static str,
}

/// A configuration file of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// What its settings belong to.
    pub scope: Scope,
    /// Where it was read, for messages.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// The lane a user asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneRequest {
    /// Preset to start from; nothing with files: lane `mine`, from the client's and broker's own defaults.
    pub preset: Option<String>,
    /// `--set` in order: (name, with or without scope; value).
    pub overrides: Vec<(String, String)>,
    /// The user's files.
    pub files: Vec<ConfigFile>,
}

/// A lane as it will run.
#[derive(Clone, Debug, PartialEq)]
pub struct LanePlan {
    /// What the manifest says of it: name (`default+acks=1`), workload, full configuration.
    pub lane: Lane,
    /// Partitions of its topic, where the product has them.
    pub partitions: u32,
    /// It has a queue beside its own in which dead letters end.
    pub dead_letters: bool,
    /// Its consumers share no position: each reads everything, as a group of its own.
    pub readers_apart: bool,
    /// How long the broker waits for a dead group member, milliseconds.
    pub session_timeout_ms: u64,
    /// How its messages are transformed, where they are.
    pub transactions: Option<TransactionPlan>,
}

/// Workers that transform a lane's messages in transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionPlan {
    /// How many.
    pub workers: u16,
    /// The lane's own readers ask for messages of transactions that have not committed, too.
    pub read_uncommitted: bool,
    /// A transaction that takes longer is aborted by the broker, milliseconds.
    pub timeout_ms: u64,
    /// From that until the broker has really aborted it, at most, milliseconds.
    pub cleanup_ms: u64,
    /// Share of transactions that are aborted on purpose, thousandths.
    pub abort_permille: u16,
    /// Messages of one transaction, at most.
    pub max_messages: u32,
    /// Length of one transaction, from its first message to its end, milliseconds.
    pub max_ms: u64,
}

/// A configuration that cannot be run. Exit 2: nothing was started.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A name nobody knows.
    #[error("there is no {what} `{name}`{}", suggest(nearest))]
    Unknown {
        /// `preset`, `setting`, `fault`, `shape`, `version`.
        what: &'static str,
        /// As typed.
        name: String,
        /// The nearest valid names, best first.
        nearest: Vec<String>,
    },
    /// A value the setting does not take.
    #[error("`{setting}` does not take `{value}`: {reason}")]
    Invalid {
        /// Its full name.
        setting: String,
        /// As typed.
        value: String,
        /// What it takes.
        reason: String,
    },
    /// Settings that exclude each other.
    #[error("{0}")]
    Contradiction(String),
    /// A file that cannot be read as configuration.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

impl ConfigError {
    /// An unknown name, with the nearest of the valid ones.
    pub fn unknown<'a>(what: &'static str, name: &str, valid: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Unknown { what, name: name.to_owned(), nearest: nearest(name, valid) }
    }
}

fn suggest(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return String::from("; `verify list` shows what there is");
    }
    format!("; nearest: {}", nearest.join(", "))
}

/// At most three of `valid`, nearest to `name` first; all of them when there are at most five.
pub fn nearest<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> =
        valid.into_iter().map(|candidate| (strsim::jaro_winkler(name, candidate), candidate)).collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(right.1)));
    let keep = if scored.len() <= 5 { 5 } else { 3 };
    scored.into_iter().take(keep).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// Splits `producer.acks` into its scope and the rest; names without a scope have none.
pub fn split_scope(name: &str) -> (Option<Scope>, &str) {
    for scope in [Scope::Producer, Scope::Consumer, Scope::Topic, Scope::Queue, Scope::Broker, Scope::Cluster] {
        if let Some(rest) = name.strip_prefix(scope.label()).and_then(|rest| rest.strip_prefix('.')) {
            return (Some(scope), rest);
        }
    }
    (None, name)
}

/// Full configuration by full name, built layer by layer: later ones win.
pub fn layered(layers: &[&[(&str, &str)]]) -> BTreeMap<String, String> {
    layers
        .iter()
        .flat_map(|layer| layer.iter())
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{ConfigError, Scope, nearest, split_scope};

    #[test]
    fn nearest_names_come_first() {
        assert_eq!(nearest("sfae", ["safe", "default", "fast", "none", "java"])[0], "safe");
        let error = ConfigError::unknown("preset", "javva", ["safe", "java"]);
        assert_eq!(error.to_string(), "there is no preset `javva`; nearest: java, safe");
    }

    #[test]
    fn scopes_are_split_off() {
        assert_eq!(split_scope("producer.acks"), (Some(Scope::Producer), "acks"));
        assert_eq!(split_scope("acks"), (None, "acks"));
        assert_eq!(split_scope("topic.min.insync.replicas"), (Some(Scope::Topic), "min.insync.replicas"));
    }
}
