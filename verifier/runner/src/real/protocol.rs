//! What the runner and its worker processes say to each other: one JSON document a line,
//! commands on the worker's standard input, reports on its standard output.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use delivery_broker::{Change, Changed, ClientSpec, LaneTopic, Observation, Prepared, Recovery};
use serde::{Deserialize, Serialize};

/// First argument that makes the program a worker.
pub const WORKER_ARGUMENT: &str = "__worker";

/// Where the user may put a password. No process of a run inherits it.
pub const PASSWORD_VARIABLE: &str = "VERIFY_PASSWORD";
/// Environment variable that holds what a run and the machines that join it both know.
pub const TOKEN_VARIABLE: &str = "VERIFY_WORKER_TOKEN";

/// First line a worker reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerSpec {
    /// System whose clients it uses.
    pub system: String,
    /// Its number.
    pub worker: u16,
    /// Where it records.
    pub event_path: PathBuf,
    /// How it connects.
    pub client: ClientSpec,
    /// What it does.
    pub job: Job,
    /// The next line brings what it proves itself with ([`delivery_broker::Access::to_line`]).
    #[serde(default)]
    pub access_follows: bool,
}

/// What a worker does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// Sends at a fixed rate.
    Produce {
        /// Where it sends at first.
        destinations: Vec<u16>,
        /// Messages a second.
        rate_per_s: f64,
        /// Payload bytes.
        size_bytes: u32,
        /// Keys.
        keys: u32,
        /// How often a message is sent again whose outcome is unknown.
        resend: u32,
        /// Number and recording of the worker whose place it takes.
        predecessor: Option<(u16, PathBuf)>,
    },
    /// Reads as a member of a group.
    Consume {
        /// It is owed everything from its subscription on.
        subscriber: bool,
        /// Workers whose sentinels prove the drain, by destination.
        sentinels: BTreeMap<u16, BTreeSet<u16>>,
    },
    /// Competes with others for the messages of a queue.
    ConsumeQueue {
        /// Draws which deliveries are refused.
        seed: u64,
    },
    /// Reads, and writes what comes of it, in transactions.
    Transform(TransformJob),
    /// Writes sentinels.
    Sentinel {
        /// Payload bytes.
        size_bytes: u32,
    },
    /// Asks nodes, and administers them when told to.
    Observe {
        /// Groups: index and name.
        groups: Vec<(u16, String)>,
    },
    /// Reads everything that is stored.
    Audit {
        /// Nodes whose replicas are read.
        replicas: Vec<u32>,
        /// Destinations that are queues: drained instead.
        queues: BTreeSet<u16>,
        /// Groups that read logs, to be asked what they have committed: index, name, destinations.
        groups: Vec<(u16, String, BTreeSet<u16>)>,
    },
}

/// How a worker transforms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransformJob {
    /// Payload bytes.
    pub size_bytes: u32,
    /// Where what comes of each destination's messages goes.
    pub outputs: BTreeMap<u16, u16>,
    /// Workers whose sentinels prove the drain, by destination.
    pub sentinels: BTreeMap<u16, BTreeSet<u16>>,
    /// Share of transactions that it aborts on purpose, thousandths.
    pub abort_permille: u16,
    /// Messages of one transaction, at most.
    pub max_messages: u32,
    /// Length of one transaction, milliseconds.
    pub max_ms: u64,
    /// Draws which transactions abort.
    pub seed: u64,
}

/// What the runner wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "command")]
pub enum Command {
    /// Producers: send from now on.
    StartLoad,
    /// Producers: send nothing new.
    StopLoad,
    /// Producers: wait for outcomes, then purge.
    Flush {
        /// Longest wait, milliseconds.
        limit_ms: u64,
    },
    /// Observer: make the destinations.
    Prepare {
        /// Which.
        topics: Vec<LaneTopic>,
    },
    /// Observer: give a topic one more partition.
    AddPartition {
        /// The destination it makes.
        destination: u16,
        /// The topic.
        name: String,
        /// Partitions it has then.
        partitions: u32,
    },
    /// Observer: have the product change something of every lane's destinations.
    Change {
        /// Its number.
        number: u32,
        /// What.
        change: Change,
    },
    /// Producers: send there, too.
    AddDestination {
        /// Its index.
        destination: u16,
    },
    /// Observer: is the cluster whole?
    AskRecovered,
    /// Everybody: end politely.
    Finish,
}

/// What a worker tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "report")]
pub enum Report {
    /// Connected; it waits for commands.
    Ready,
    /// Consumer: destinations whose position it knows.
    Positioned {
        /// Their indices.
        destinations: BTreeSet<u16>,
    },
    /// Observer: what a node said.
    Observed {
        /// It.
        observation: Observation,
    },
    /// Observer: the destinations are there.
    Prepared {
        /// What was found.
        prepared: Prepared,
    },
    /// Observer: the answer to [`Command::AddPartition`].
    Added {
        /// The destination that is there now.
        destination: u16,
    },
    /// Observer: the answer to [`Command::Change`].
    Changed {
        /// The change's number.
        number: u32,
        /// What became of it.
        changed: Changed,
    },
    /// Observer: the answer to [`Command::AskRecovered`].
    Recovered {
        /// It.
        recovery: Recovery,
    },
    /// Producer: every send has its outcome.
    Flushed {
        /// How many had to be purged.
        purged: u64,
    },
    /// Sentinel: every destination has one.
    SentinelsWritten,
    /// Consumer: destinations it has read past the sentinels.
    Drained {
        /// Their indices.
        destinations: BTreeSet<u16>,
    },
    /// Audit: it has read what could be read.
    Audited {
        /// What could not be read, in words.
        incomplete: Vec<String>,
    },
    /// It cannot go on, and ends.
    Failed {
        /// Why.
        message: String,
        /// The history could not be written: of no client's doing.
        history_lost: bool,
    },
    /// It ended as it was told to.
    Finished,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_reads_what_the_runner_writes() {
        let sentinels = BTreeMap::from([(3, BTreeSet::from([9]))]);
        let spec = WorkerSpec {
            system: String::from("kafka"),
            worker: 4,
            event_path: PathBuf::from("history/a.events"),
            client: ClientSpec {
                seat: String::from("seat"),
                controllers: Vec::new(),
                client_name: String::from("a"),
                run_tag: u64::MAX,
                nodes: Vec::new(),
                destinations: Vec::new(),
                config: BTreeMap::new(),
                group: None,
                outputs: Vec::new(),
                read_uncommitted: None,
                access: None,
            },
            job: Job::Consume { subscriber: false, sentinels },
            access_follows: false,
        };
        let line = serde_json::to_string(&spec).unwrap();
        assert!(!line.contains('\n'), "one document a line");
        assert_eq!(serde_json::from_str::<WorkerSpec>(&line).unwrap(), spec);
        let report = Report::Observed { observation: Observation::Members { node: 1, members_bits: 14 } };
        let line = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), report);
    }
}
