//! `run.json`: everything about a run that is not an event.
//!
//! Written before the first event, replaced (atomically) when something in it becomes known:
//! a fault's resolved targets, the end of the run. A killed run leaves one with
//! [`RunStatus::Running`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::WorkerMachine;

/// Version of `run.json`; another version is refused by name.
pub const MANIFEST_FORMAT: u32 = 1;

/// Everything a judge needs beside the events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// [`MANIFEST_FORMAT`].
    pub format: u32,
    /// Identity of the run, also in every payload.
    pub run_id: String,
    /// Version of this program.
    pub tool_version: String,
    /// Commit this program was built from, with `-dirty` behind it where its sources differed; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool_commit: String,
    /// `kafka`, `rabbitmq`, `pubsub`.
    pub system: String,
    /// Version of the product under test, as the running product said where it can.
    pub broker_version: String,
    /// Features the cluster had agreed on, each with its level, where the product has such.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, String>,
    /// Client library and version.
    pub client: String,
    /// `local`, `simulated`, `docker`, `external`.
    pub backend: String,
    /// No real broker took part: said in every headline.
    pub simulated: bool,
    /// `vendor` or `short`.
    pub timings: String,
    /// Timings that differ from the vendor's, `name=value`.
    pub tuned: Vec<String>,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Wall-clock start, RFC 3339.
    pub started_at: String,
    /// Cores, memory, kernel.
    pub machine: String,
    /// Guarantees the user requires, as on the command line after resolution.
    pub required: Vec<Requirement>,
    /// Whether the configuration was chosen by the user (then durability is required).
    pub user_configuration: bool,
    /// Messages a second and lane.
    pub rate_per_s: u32,
    /// Payload bytes a message.
    pub size_bytes: u32,
    /// Planned length of the load, milliseconds.
    pub load_ms: u64,
    /// Lanes, in the order of the output.
    pub lanes: Vec<Lane>,
    /// Nodes of the cluster.
    pub nodes: Vec<Host>,
    /// Nodes that keep the cluster's metadata and serve no client, where it has such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<Host>,
    /// Client hosts (the observer's last).
    pub client_hosts: Vec<Host>,
    /// Machines other than the runner's that ran clients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<WorkerMachine>,
    /// Workers; a worker's number is its index. Each has one event stream.
    pub workers: Vec<Worker>,
    /// Destinations; events name them by index.
    pub destinations: Vec<Destination>,
    /// Consumer groups and subscribers; workers name them by index.
    pub groups: Vec<Group>,
    /// The schedule, with targets once resolved.
    pub faults: Vec<Fault>,
    /// What had to be done by hand, as an operator would, for the cluster to come back.
    #[serde(default)]
    pub by_hand: Vec<String>,
    /// The run that started the cluster, where it stood already. Logs of its nodes begin with that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_of: Option<String>,
    /// Limits the run worked under, milliseconds, by name (`recover`, `drain`, ...).
    pub limits_ms: BTreeMap<String, u64>,
    /// How the run stands or ended.
    pub status: RunStatus,
}

impl RunManifest {
    /// That of a run of which nothing else is known, with the vendor's timings: to be filled in.
    pub fn blank(run_id: &str, system: &str) -> Self {
        Self {
            format: MANIFEST_FORMAT,
            run_id: run_id.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            tool_commit: String::new(),
            system: system.to_owned(),
            broker_version: String::new(),
            features: BTreeMap::new(),
            client: String::new(),
            backend: String::new(),
            simulated: false,
            timings: String::from("vendor"),
            tuned: Vec::new(),
            seed: 1,
            started_at: String::new(),
            machine: String::new(),
            required: Vec::new(),
            user_configuration: false,
            rate_per_s: 0,
            size_bytes: 0,
            load_ms: 0,
            lanes: Vec::new(),
            nodes: Vec::new(),
            controllers: Vec::new(),
            client_hosts: Vec::new(),
            machines: Vec::new(),
            workers: Vec::new(),
            destinations: Vec::new(),
            groups: Vec::new(),
            faults: Vec::new(),
            by_hand: Vec::new(),
            cluster_of: None,
            limits_ms: BTreeMap::new(),
            status: RunStatus::Running,
        }
    }
}

/// A required guarantee, for one lane or all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The lane's name, or nothing for every lane.
    pub lane: Option<String>,
    /// Name of the guarantee.
    pub guarantee: String,
}

/// How messages of a lane are kept and handed out; decides which checks apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// A log that is read by groups and audited.
    Log,
    /// Competing consumers, acks.
    Queue,
    /// Every subscriber gets all.
    Fanout,
    /// Consume, transform, produce and commit in one transaction.
    Transactions,
}

/// One configuration inside a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// Name, as printed.
    pub name: String,
    /// Which checks apply.
    pub workload: Workload,
    /// Every setting that makes the lane, by full name (`producer.acks`), defaults that matter included.
    pub config: BTreeMap<String, String>,
    /// Short text of the settings for the table.
    pub settings: String,
    /// Whose defaults fill the rest, for the output.
    pub defaults_of: String,
    /// False where the configuration asks for no acknowledgement: durability is then judged over `sent`.
    pub acknowledged: bool,
    /// The message a producer sends again under the same identity is the application's doing.
    pub resends: bool,
    /// The broker counts a message as settled when it hands it out: what a dead connection was given is gone,
    /// and nothing proves that the broker lost it.
    #[serde(default)]
    pub automatic_ack: bool,
    /// Settings of the user's file that the client does not know: listed, not applied.
    pub not_applied: Vec<String>,
}

/// A node or a client host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Number used in events; nodes count from 1 as the vendor does, client hosts from 101.
    pub id: u32,
    /// Name, as printed.
    pub name: String,
    /// Address inside the run's own network.
    pub address: String,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sends; its sessions carry the messages that are judged. One with a group reads as a member of it, and sends what
    /// comes of that, in transactions.
    Producer,
    /// Reads as a member of `group`.
    Consumer,
    /// Writes the sentinels that prove the drain; its messages are not judged. One with a lane writes those of the lane's
    /// outputs, once everything is transformed.
    Sentinel,
    /// Asks each node what it believes.
    Observer,
    /// Reads everything that is stored.
    Audit,
    /// The runner itself: phases, faults, crashes.
    Runner,
}

/// One recording thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Name: also that of its file, `history/<name>.events`.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Index of its lane; nothing for workers of the whole run.
    pub lane: Option<u16>,
    /// Index into [`RunManifest::groups`], for consumers and for producers that read.
    pub group: Option<u16>,
    /// [`Host::id`] it runs on.
    pub host: u32,
    /// The worker whose place it takes once a fault has ended that one; nothing for those that start with the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeds: Option<u16>,
}

/// One ordered place messages sit in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Index of its lane.
    pub lane: u16,
    /// Topic or queue.
    pub name: String,
    /// Partition, where the product has them.
    pub partition: Option<u32>,
    /// Index of the queue whose dead letters end here; nothing for a destination that is sent to.
    #[serde(default)]
    pub dead_letters_of: Option<u16>,
    /// Index of the destination whose messages are transformed into those that end here, in transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_of: Option<u16>,
    /// It is not there from the start: a fault adds it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub added: bool,
}

/// A consumer group, or one subscriber of a fan-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Index of its lane.
    pub lane: u16,
    /// Name the broker knows it by.
    pub name: String,
    /// How long the broker waits for a dead member, milliseconds.
    pub session_timeout_ms: u64,
    /// It asks for messages of transactions that have not committed, too.
    #[serde(default)]
    pub read_uncommitted: bool,
    /// It reads what comes of the lane's messages ([`Destination::output_of`]), and not those themselves.
    #[serde(default)]
    pub reads_outputs: bool,
    /// It reads beside the lane's own readers, with another isolation, to show what that gives: what it is given of
    /// aborted transactions breaks nothing.
    #[serde(default)]
    pub beside: bool,
}

/// One fault of the schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// `netsplit`.
    pub fault: String,
    /// `leader`, `leader-clients`; empty where the fault has none.
    pub shape: String,
    /// After the load began, milliseconds.
    pub start_ms: u64,
    /// Length, milliseconds.
    pub duration_ms: u64,
    /// Who was hit: [`Host::id`]s, set when the fault starts.
    pub targets: Vec<u32>,
    /// The ordered pairs (from, to) of [`Host::id`]s whose traffic was dropped.
    pub cut: Vec<(u32, u32)>,
    /// Every path between the sides was cut: nothing may cross.
    pub full_cut: bool,
    /// Sides of the cut: host ids, the targets' side first. Hosts on no side reach everybody.
    pub sides: Vec<Vec<u32>>,
    /// Failure detection of the system under the timings in force, milliseconds: below it nothing need notice.
    pub detection_ms: u64,
    /// Clients that were hit themselves, by worker number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<u16>,
    /// What has to be seen of it for it to have bitten.
    #[serde(default)]
    pub bites_by: BiteProof,
    /// Destinations it adds, by index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adds: Vec<u16>,
    /// How much of it there is; nothing where it hits whole.
    #[serde(flatten)]
    pub amount: Option<Amount>,
    /// It may stay below the failure detection of the product: clients that stalled show that it was felt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gray: bool,
    /// Calls of the user's command that injects it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hook_calls: Vec<HookCall>,
}

/// What the user's command was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookStep {
    /// To begin the fault.
    Start,
    /// To take it back.
    Heal,
}

/// One call of the user's command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookCall {
    /// What for.
    pub step: HookStep,
    /// When it began, by the clock of the events.
    pub began_ns: u64,
    /// When it had ended.
    pub ended_ns: u64,
    /// It ended with exit status 0, in time.
    pub succeeded: bool,
    /// How it ended.
    pub status: String,
    /// What it said, as far as that is kept.
    pub output: String,
}

/// How much of a fault there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// Packets that are hit of each hundred.
    Percent(u32),
    /// Kilobits (1,000 bits) a second that a link is left with.
    KbitPerS(u32),
    /// How much later packets come.
    Delay {
        /// Milliseconds.
        ms: u32,
        /// And this much more or less, milliseconds.
        jitter_ms: u32,
    },
}

/// What has to be seen of a fault, throughout its time, for it to have bitten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BiteProof {
    /// Its own rules dropped packets in every third of its time.
    #[default]
    PacketsDropped,
    /// Its own rules answered packets with a reset in every third of its time.
    PacketsReset,
    /// Packets had to wait for their turn on a link without bandwidth to spare in every third of its time.
    PacketsHeldBack,
    /// Packets were delayed in every third of its time.
    PacketsDelayed,
    /// Its processes were gone at every look.
    ProcessGone,
    /// Its processes were gone at every look, and what they had not synced was taken away: one write at least.
    PowerLost,
    /// Its processes were gone in the last third of its time: they were asked to end, and may take theirs.
    ProcessEnded,
    /// Its processes stood still at every look.
    ProcessStopped,
    /// Its processes stood still at half of the looks and more, in every third of its time, and went on in between.
    ProcessLimped,
    /// The disks it filled had no page left at nine of ten looks and more, in every third of its time, and the node on
    /// each of them ended, or some node raised an alarm.
    DiskFull,
    /// Writes and syncs of the disks it slowed were held up in every third of its time.
    DiskSlow,
    /// The clocks it set were read back from the nodes as they were set, in every third of its time.
    ClockShifted,
    /// Each of its nodes was gone and came back, and no two were gone at once.
    ProcessRestarted,
    /// A command of the user's injected it, whose word counts for nothing: other nodes missed its targets until it was
    /// healed, or these gave no answer, or clients stood still or waited much longer most of its time.
    HookFelt,
    /// The product confirmed the change it was asked for, and its nodes told of it.
    ChangeApplied,
    /// The product confirmed that it moved leaders, and its nodes told of others.
    LeaderMoved,
    /// The same, and the new leader had not been in sync.
    UncleanElected,
    /// The product confirmed that it moved replicas, and its nodes told of one in sync that had not been.
    ReplicasMoved,
    /// The product confirmed that a node is no member any more, what that stored was gone, the others told of it as out
    /// of sync, and of it as in sync again in the end.
    MemberLeft,
}

/// Phases of a run; the number is the one in [`crate::EventKind::PhaseEntered`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Cluster, topics, clients come up.
    Start = 1,
    /// Load without a fault.
    Baseline = 2,
    /// A fault is on.
    Fault = 3,
    /// The fault was taken back; load goes on.
    Heal = 4,
    /// Load has stopped; waiting for every member and the full ISR.
    Recover = 5,
    /// Producers flush; sentinels; consumers read past them.
    Drain = 6,
    /// Everything stored is read, from every replica.
    Audit = 7,
    /// The history is judged.
    Judge = 8,
}

impl Phase {
    /// Every phase in order.
    pub const ALL: [Phase; 8] = [
        Phase::Start,
        Phase::Baseline,
        Phase::Fault,
        Phase::Heal,
        Phase::Recover,
        Phase::Drain,
        Phase::Audit,
        Phase::Judge,
    ];

    /// The phase with this number, if there is one.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| *phase as u32 == number)
    }

    /// Name, as printed.
    pub fn label(self) -> &'static str {
        match self {
            Phase::Start => "start",
            Phase::Baseline => "baseline",
            Phase::Fault => "fault",
            Phase::Heal => "heal",
            Phase::Recover => "recover",
            Phase::Drain => "drain",
            Phase::Audit => "audit",
            Phase::Judge => "judge",
        }
    }
}

/// How a run stands or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum RunStatus {
    /// Not ended, or `verify` was killed.
    Running,
    /// Every phase ended.
    Finished {
        /// Wall-clock length of the run, milliseconds.
        took_ms: u64,
    },
    /// A limit ran out or a node died by itself; what was recorded can still be judged.
    CutShort {
        /// What happened, to whom.
        reason: String,
        /// Wall-clock length of the run, milliseconds.
        took_ms: u64,
    },
}

/// Producer sessions of worker `worker` are `first_session(worker) ..`: up to 65,536 of them.
pub const fn first_session(worker: u16) -> u32 {
    (worker as u32) << 16
}

/// The worker a producer session belongs to.
pub const fn worker_of_session(session: u32) -> u16 {
    (session >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_stands_beside_the_rest_of_its_fault_under_its_unit() {
        let plain = r#"{"fault":"loss","shape":"leader","start_ms":1,"duration_ms":2,"targets":[],"cut":[],
            "full_cut":false,"sides":[],"detection_ms":3"#;
        for (more, amount) in [
            ("}", None),
            (r#","percent":30}"#, Some(Amount::Percent(30))),
            (r#","kbit_per_s":64}"#, Some(Amount::KbitPerS(64))),
            (r#","delay":{"ms":200,"jitter_ms":50}}"#, Some(Amount::Delay { ms: 200, jitter_ms: 50 })),
        ] {
            let fault: Fault = serde_json::from_str(&format!("{plain}{more}")).unwrap();
            assert_eq!(fault.amount, amount);
            let again: Fault = serde_json::from_str(&serde_json::to_string(&fault).unwrap()).unwrap();
            assert_eq!(again, fault);
        }
    }
}
