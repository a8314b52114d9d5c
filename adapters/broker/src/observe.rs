//! Asking nodes what they believe, preparing destinations, reading everything that is stored.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::change::{Change, Changed};
use crate::client::{ClientError, DestinationRef};
use crate::payload::Decoded;
use crate::reason::Reason;

/// Setting of clients of a run in which clocks go wrong: observers tell by which clock each node goes.
pub const CLOCKS: &str = "cluster.clocks";

/// How far a node's clock, which it gave in answer to a question that was asked at `asked`, is ahead of ours, milliseconds;
/// nothing where ours stepped back meanwhile. Half of the time the answer took counts for the way to the node.
pub fn ahead_ms(node_ms: i64, asked: SystemTime) -> Option<i64> {
    let (took, asked) = (asked.elapsed().ok()?, asked.duration_since(UNIX_EPOCH).ok()?);
    Some(node_ms - i64::try_from((asked + took / 2).as_millis()).ok()?)
}

/// What one node said when asked. Sets of nodes are bits: node `n` is bit `n`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "seen")]
pub enum Observation {
    /// `node` says `destination` is led by `leader` in `epoch`.
    Leader {
        /// Who said it.
        node: u32,
        /// Index of the destination.
        destination: u16,
        /// Leader, or none.
        leader: Option<u32>,
        /// Leader epoch.
        epoch: u32,
    },
    /// `node` says the in-sync replicas of `destination` are `isr_bits`.
    Isr {
        /// Who said it.
        node: u32,
        /// Index of the destination.
        destination: u16,
        /// Node bits.
        isr_bits: u32,
    },
    /// `node` says the active controller is `controller`.
    Controller {
        /// Who said it.
        node: u32,
        /// Controller, or none.
        controller: Option<u32>,
        /// Its epoch.
        epoch: u32,
    },
    /// `node` says these nodes are alive.
    Members {
        /// Who said it.
        node: u32,
        /// Node bits.
        members_bits: u32,
    },
    /// `node` says `group` (an index of the manifest) has this many members.
    Group {
        /// Who said it.
        node: u32,
        /// Index of the group.
        group: u16,
        /// Members.
        members: u32,
    },
    /// `node` says `group` is coordinated by `coordinator`.
    Coordinator {
        /// Who said it.
        node: u32,
        /// Index of the group.
        group: u16,
        /// Its coordinator, or none.
        coordinator: Option<u32>,
    },
    /// `node`, who leads `destination`, says that every transaction before `stable` has ended.
    Stable {
        /// Who said it.
        node: u32,
        /// Index of the destination.
        destination: u16,
        /// Its last stable offset.
        stable: u64,
        /// Offsets from there to its high watermark.
        behind: u32,
    },
    /// `node` says that this many resource alarms are in force: publishers are held back.
    Alarms {
        /// Who said it.
        node: u32,
        /// How many.
        alarms: u32,
    },
    /// `node` says that it was partitioned from these nodes, and that this has not been put right.
    Partitioned {
        /// Who said it.
        node: u32,
        /// Node bits.
        from_bits: u32,
    },
    /// `node` goes by a clock that is ahead of the observer's by this much, behind where it is negative.
    Clock {
        /// Who was asked.
        node: u32,
        /// Milliseconds.
        ahead_ms: i64,
    },
    /// `node` did not answer.
    Silence {
        /// Who was asked.
        node: u32,
        /// Why nothing came.
        reason: u32,
    },
}

impl Observation {
    /// A node that was asked and did not answer.
    pub fn silence(node: u32, reason: Reason) -> Self {
        Self::Silence { node, reason: reason as u32 }
    }
}

/// Asks each node separately what it believes.
pub trait Observer {
    /// One round over all nodes: bounded by one request time-out (not by their sum).
    fn observe(&mut self, seen: &mut dyn FnMut(Observation));
}

/// A topic or queue a lane needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneTopic {
    /// Topic or queue name.
    pub name: String,
    /// Partitions, where the product has them.
    pub partitions: u32,
    /// Name of the queue in which its dead letters end, where it has one.
    #[serde(default)]
    pub dead_letters: Option<String>,
    /// The lane's settings by full name.
    pub config: BTreeMap<String, String>,
}

/// What preparing has found and done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Version the running product says it is, or the one it was started as.
    pub broker_version: String,
    /// The node that leads every lane.
    pub leader: u32,
    /// The active controller, where the product has one.
    pub controller: Option<u32>,
    /// The coordinator of the lanes' groups, where the product has one.
    pub coordinator: Option<u32>,
    /// Features the cluster has agreed on, each with its level, where the product has such.
    #[serde(default)]
    pub features: BTreeMap<String, String>,
}

/// Whether the cluster is whole again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Every member is there and every destination has its full replica set in sync.
    pub whole: bool,
    /// What is still missing, for progress and for the reason of a verdict.
    pub waiting_for: String,
    /// What had to be done by hand, as an operator would, since it was last asked.
    #[serde(default)]
    pub by_hand: Vec<String>,
    /// Nodes that do not come back by themselves nor by what an administrator can do from outside: whoever runs them
    /// is to kill them and start them again.
    #[serde(default)]
    pub restart: Vec<u32>,
}

/// Makes destinations and asks whether the cluster is whole.
pub trait Admin {
    /// Creates the lanes' destinations so that one node leads all of them, and waits until
    /// every replica is in sync.
    ///
    /// # Errors
    /// When the broker refuses a setting, or is not ready within the adapter's limit.
    fn prepare(&mut self, topics: &[LaneTopic]) -> Result<Prepared, ClientError>;

    /// Gives a destination of many parts one more, which makes `partitions`, led by the node that leads the others.
    ///
    /// # Errors
    /// When the broker refuses, or the product has none.
    fn add_partition(&mut self, name: &str, _partitions: u32) -> Result<(), ClientError> {
        let operation = format!("adding a partition to `{name}`");
        Err(ClientError::Refused { operation, cause: String::from("this product's destinations have none") })
    }

    /// Changes something of `destinations` while clients work, and waits until it is seen to be made.
    ///
    /// # Errors
    /// When nobody can be asked; a refusal is an answer.
    fn change(&mut self, _change: Change, _destinations: &[DestinationRef]) -> Result<Changed, ClientError> {
        let operation = String::from("a change of the product itself");
        Err(ClientError::Refused { operation, cause: String::from("this product cannot be asked for any") })
    }

    /// Whether every member and every replica of `destinations` is back.
    fn recovered(&mut self, destinations: &[DestinationRef]) -> Recovery;
}

/// One thing an audit met. A complete audit is `Start`, offsets in order, `End`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditItem {
    /// The log starts at this offset.
    Start(u64),
    /// A message.
    Message {
        /// Its offset.
        offset: u64,
        /// Its payload.
        payload: Decoded,
    },
    /// An offset that holds a control record, not a message.
    Control(u64),
    /// A message of a transaction that aborted.
    Aborted {
        /// Its offset.
        offset: u64,
        /// Its payload.
        payload: Decoded,
    },
    /// A message of a transaction that has not ended.
    Open {
        /// Its offset.
        offset: u64,
        /// Its payload.
        payload: Decoded,
    },
    /// The log ends here (next offset to be written): all of it was read.
    End(u64),
}

/// One thing the drain of a queue met. A complete one is `Start`, depths of which the last three agree and
/// show nothing unsettled, as many messages as they show, `End`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainItem {
    /// The first question was put to this node.
    Start {
        /// Who was asked.
        node: u32,
    },
    /// What the queue itself said.
    Depth {
        /// Who was asked.
        node: u32,
        /// Messages nobody has been handed.
        ready: u64,
        /// Messages handed out and not settled.
        unacked: u32,
    },
    /// A message that was still in the queue, taken out of it.
    Message {
        /// Its payload.
        payload: Decoded,
    },
    /// The queue is empty.
    End,
}

/// What a group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffsets {
    /// The coordinator, who said so.
    pub node: u32,
    /// By index of the destination: up to where (exclusive); nothing where it has committed nothing.
    pub offsets: Vec<(u16, Option<u64>)>,
}

/// Reads everything that is stored, one replica at a time, with no group and no reset.
pub trait Auditor {
    /// Reads `destination` on `replica` from its start to its end.
    ///
    /// # Errors
    /// When the replica cannot be read to its end; what was read before stands.
    fn read(
        &mut self,
        destination: &DestinationRef,
        replica: u32,
        sink: &mut dyn FnMut(AuditItem),
    ) -> Result<(), ClientError>;

    /// Asks the coordinator what `group` has committed in `destinations`, without joining it; nothing where the product
    /// keeps no offsets for groups.
    ///
    /// # Errors
    /// When nobody answers within the adapter's limit.
    fn committed(
        &mut self,
        _group: &str,
        _destinations: &[DestinationRef],
    ) -> Result<Option<CommittedOffsets>, ClientError> {
        Ok(None)
    }

    /// Waits until nobody takes anything out of the queue `destination` any more and nothing that was handed out
    /// is unsettled, then takes out what is left.
    ///
    /// # Errors
    /// When that does not come about within the adapter's limit; what was seen before stands.
    fn drain(&mut self, destination: &DestinationRef, _sink: &mut dyn FnMut(DrainItem)) -> Result<(), ClientError> {
        let operation = format!("draining `{}`", destination.name);
        Err(ClientError::Refused { operation, cause: String::from("this product has no queues") })
    }
}
