//! Prepares the lanes' topics and asks whether the cluster is whole.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use delivery_broker::observe::CLOCKS;
use delivery_broker::{Admin, Change, Changed, ClientError, ClientSpec, DestinationRef, LaneTopic, Prepared, Recovery};

use crate::changes;
use crate::clocks::clock_topics;
use crate::lane::NODES;
use crate::observer::topics_of;
use crate::peers::{Peer, first_answer, peers};
use crate::wire::{
    MetadataAnswer, NewTopic, add_partition, ask_controller, ask_coordinator, ask_features, ask_metadata,
    ask_quorum_leader, ask_transaction_coordinator, create_topics,
};

/// Longest time for each of: members, coordinator, creation, full in-sync sets.
const STEP_LIMIT: Duration = Duration::from_secs(45);
/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Longest wait for a creation, which waits for the controller and every replica.
const CREATE_LIMIT: Duration = Duration::from_secs(15);
/// Between two questions while waiting.
const PAUSE: Duration = Duration::from_millis(50);
/// Any group has the coordinator the lanes' have: the offsets topic has one partition.
const ANY_GROUP: &str = "delivery-verifier";
/// Where groups keep their offsets.
const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Where coordinators keep what they know of transactions; it has one partition, too.
const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// Administers through whichever node answers; asks all of them where their agreement matters.
pub(crate) struct KafkaAdmin {
    peers: Vec<Peer>,
    version: String,
    /// Some lane works in transactions.
    transactional: bool,
    /// The node that is to lead every lane, where somebody says so.
    leader: Option<u32>,
    /// Clocks of nodes are of interest.
    tells_clocks: bool,
    /// Somebody else runs the nodes: topics other than the lanes' are none of our business.
    is_outside: bool,
}

/// What the whole cluster agrees on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offices {
    controller: u32,
    coordinator: u32,
}

impl KafkaAdmin {
    /// An administrator of the nodes of `spec`; `cluster.version` in its configuration is the
    /// version they were started as (Kafka does not tell), `cluster.leader` the node that is to lead the lanes.
    ///
    /// # Errors
    /// A node's address cannot be used.
    pub(crate) fn new(spec: &ClientSpec) -> Result<Self, ClientError> {
        let version = spec.config.get("cluster.version").cloned().unwrap_or_else(|| String::from("unknown"));
        let leader = spec.config.get("cluster.leader").and_then(|leader| leader.parse().ok());
        let tells_clocks = spec.config.contains_key(CLOCKS);
        let (transactional, is_outside) = (!spec.outputs.is_empty(), spec.access.is_some());
        Ok(Self { peers: peers(spec)?, version, transactional, leader, tells_clocks, is_outside })
    }

    fn nodes(&self) -> Vec<u32> {
        self.peers.iter().filter(|peer| peer.is_broker).map(|peer| peer.id).collect()
    }

    /// Every node's answer about `topics`, or why one did not give any.
    fn ask_all(&mut self, topics: &[&str]) -> Result<Vec<(u32, MetadataAnswer)>, ClientError> {
        let mut answers = Vec::new();
        for peer in self.peers.iter_mut().filter(|peer| peer.is_broker) {
            let answer = ask_metadata(&mut peer.broker, topics, Instant::now() + ANSWER_LIMIT);
            let answer = answer.map_err(|error| error.into_client_error(&format!("node {}", peer.id)))?;
            answers.push((peer.id, answer));
        }
        Ok(answers)
    }

    fn whole(&mut self, destinations: &[(String, u32)], wanted_leader: Option<u32>) -> Result<(), String> {
        let mut topics: Vec<&str> = destinations.iter().map(|(topic, _)| topic.as_str()).collect();
        topics.dedup();
        let nodes = self.nodes();
        for (node, answer) in self.ask_all(&topics).map_err(|error| error.to_string())? {
            if let Some(missing) = nodes.iter().find(|other| !answer.brokers.contains(other)) {
                return Err(format!("node {node} does not see node {missing}"));
            }
            for (topic, partition) in destinations {
                check_partition(node, &answer, topic, *partition, wanted_leader)?;
            }
        }
        Ok(())
    }

    /// Controller and coordinator, once all nodes name the same.
    fn offices(&mut self) -> Result<Offices, String> {
        let (mut controllers, mut coordinators) = (Vec::new(), Vec::new());
        for peer in &mut self.peers {
            let node = peer.id;
            let deadline = Instant::now() + ANSWER_LIMIT;
            if peer.is_controller {
                let quorum = ask_controller(&mut peer.controller, deadline);
                let quorum = quorum.map_err(|error| format!("node {node}: {error}"))?;
                controllers.push(quorum.leader.ok_or_else(|| format!("node {node} names no controller yet"))?);
            }
            if peer.is_broker {
                let coordinator = ask_coordinator(&mut peer.broker, ANY_GROUP, deadline);
                let coordinator = coordinator.map_err(|error| format!("node {node}: {error}"))?;
                coordinators.push(coordinator.ok_or_else(|| format!("node {node} names no coordinator yet"))?);
            }
        }
        Ok(Offices {
            controller: the_one(controllers, "controller")?,
            coordinator: the_one(coordinators, "coordinator")?,
        })
    }

    /// A coordinator of transactions: the first question for it makes the topic they are written down in.
    fn transaction_coordinator(&mut self) -> Result<u32, String> {
        let found = first_answer(&mut self.peers, ANSWER_LIMIT, |peer, deadline| {
            ask_transaction_coordinator(&mut peer.broker, ANY_GROUP, deadline)
        });
        found.map_err(|error| error.to_string())?.ok_or_else(|| String::from("no coordinator of transactions yet"))
    }

    /// Features of the cluster, levels in the vendor's words where it has words for them.
    fn features(&mut self) -> Result<BTreeMap<String, String>, ClientError> {
        let told =
            first_answer(&mut self.peers, ANSWER_LIMIT, |peer, deadline| ask_features(&mut peer.broker, deadline))?;
        Ok(told.into_iter().map(|(name, level)| (name, level.to_string())).collect())
    }

    fn create(&mut self, topics: &[NewTopic]) -> Result<(), ClientError> {
        let deadline = Instant::now() + STEP_LIMIT;
        loop {
            let refused = first_answer(&mut self.peers, CREATE_LIMIT, |peer, deadline| {
                create_topics(&mut peer.broker, topics, deadline)
            });
            match refused {
                Ok(refused) if refused.is_empty() => return Ok(()),
                Ok(refused) => {
                    let (topic, cause) = refused.into_iter().next().unwrap_or_default();
                    let operation = format!("creating topic `{topic}`");
                    return Err(ClientError::Refused { operation, cause });
                }
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => sleep(PAUSE),
            }
        }
    }
}

impl KafkaAdmin {
    /// On a cluster that somebody else runs: what is not the lanes' is left alone and not waited for. Groups have a
    /// coordinator each, and who that is shows only once they are there.
    fn prepare_outside(&mut self, topics: &[LaneTopic]) -> Result<Prepared, ClientError> {
        let told = first_answer(&mut self.peers, ANSWER_LIMIT, |peer, deadline| {
            ask_quorum_leader(&mut peer.controller, deadline)
        });
        let controller = told.ok().and_then(|quorum| quorum.leader);
        let nodes = self.nodes();
        let wanted = self.leader.filter(|wanted| nodes.contains(wanted));
        let free = || nodes.iter().copied().find(|node| Some(*node) != controller);
        let leader = wanted.or_else(free).or(nodes.first().copied()).unwrap_or_default();
        let created: Vec<NewTopic> = topics.iter().map(|topic| new_topic(topic, leader, &nodes)).collect();
        self.create(&created)?;
        let destinations = partitions_of(topics);
        wait_for("every replica of the lanes' topics", || self.whole(&destinations, Some(leader)))?;
        Ok(Prepared {
            broker_version: self.version.clone(),
            leader,
            controller: controller.filter(|controller| nodes.contains(controller)),
            coordinator: None,
            features: self.features()?,
        })
    }
}

impl Admin for KafkaAdmin {
    fn prepare(&mut self, topics: &[LaneTopic]) -> Result<Prepared, ClientError> {
        wait_for("every node to see every other", || self.whole(&[], None))?;
        if self.is_outside {
            return self.prepare_outside(topics);
        }
        let offices = wait_for("a controller and a group coordinator", || self.offices())?;
        let offsets = [(OFFSETS_TOPIC.to_owned(), 0)];
        wait_for("the offsets topic's replicas", || self.whole(&offsets, None))?;
        if self.transactional {
            wait_for("a coordinator of transactions", || self.transaction_coordinator())?;
            let transactions = [(TRANSACTIONS_TOPIC.to_owned(), 0)];
            wait_for("the replicas of the topic of transactions", || self.whole(&transactions, None))?;
        }
        let wanted = self.leader.filter(|wanted| self.nodes().contains(wanted));
        let leader = wanted.unwrap_or_else(|| choose_leader(&self.nodes(), offices));
        let created: Vec<NewTopic> = topics.iter().map(|topic| new_topic(topic, leader, &self.nodes())).collect();
        self.create(&created)?;
        if self.tells_clocks {
            self.create(&clock_topics(&self.nodes()))?;
        }
        let destinations = partitions_of(topics);
        wait_for("every replica of the lanes' topics", || self.whole(&destinations, Some(leader)))?;
        let offices = wait_for("a controller and a group coordinator", || self.offices())?;
        Ok(Prepared {
            broker_version: self.version.clone(),
            leader,
            controller: Some(offices.controller),
            coordinator: Some(offices.coordinator),
            features: self.features()?,
        })
    }

    fn add_partition(&mut self, name: &str, partitions: u32) -> Result<(), ClientError> {
        let answers = self.ask_all(&[name])?;
        let first = answers.iter().find_map(|(_, answer)| answer.partition(name, 0));
        let replicas = first.map(|known| known.replicas.clone()).unwrap_or_default();
        let refused = first_answer(&mut self.peers, CREATE_LIMIT, |peer, deadline| {
            add_partition(&mut peer.broker, name, partitions, &replicas, deadline)
        })?;
        match refused {
            None => Ok(()),
            Some(cause) => Err(ClientError::Refused { operation: format!("adding a partition to `{name}`"), cause }),
        }
    }

    fn change(&mut self, change: Change, destinations: &[DestinationRef]) -> Result<Changed, ClientError> {
        let answers = changes::make(&mut self.peers, change, destinations)?;
        Ok(Changed { answers, wiped_bytes: None })
    }

    fn recovered(&mut self, destinations: &[DestinationRef]) -> Recovery {
        let mut wanted: Vec<(String, u32)> = Vec::new();
        let is_outside = self.is_outside;
        for topic in topics_of(destinations) {
            let of_topic = destinations.iter().filter(|destination| destination.name == topic);
            wanted.extend(of_topic.map(|destination| (topic.to_owned(), destination.partition.unwrap_or(0))));
        }
        if !is_outside {
            wanted.push((OFFSETS_TOPIC.to_owned(), 0));
            wanted.extend(self.transactional.then(|| (TRANSACTIONS_TOPIC.to_owned(), 0)));
        }
        let whole = self.whole(&wanted, None);
        let whole = if is_outside { whole } else { whole.and_then(|()| self.offices().map(drop)) };
        Recovery {
            whole: whole.is_ok(),
            waiting_for: whole.err().unwrap_or_default(),
            by_hand: Vec::new(),
            restart: Vec::new(),
        }
    }
}

/// Every partition of these topics.
fn partitions_of(topics: &[LaneTopic]) -> Vec<(String, u32)> {
    let partitions = |topic: &LaneTopic| {
        let name = topic.name.clone();
        (0..topic.partitions).map(move |partition| (name.clone(), partition))
    };
    topics.iter().flat_map(partitions).collect()
}

/// What all of them name.
fn the_one(mut named: Vec<u32>, what: &str) -> Result<u32, String> {
    named.dedup();
    match named[..] {
        [one] => Ok(one),
        [] => Err(format!("there is no node to name the {what}")),
        _ => Err(format!("the nodes name different nodes as the {what}")),
    }
}

fn check_partition(
    node: u32,
    answer: &MetadataAnswer,
    topic: &str,
    partition: u32,
    wanted_leader: Option<u32>,
) -> Result<(), String> {
    let Some(known) = answer.partition(topic, partition) else {
        return Err(format!("node {node} does not know {topic}/{partition}"));
    };
    let Some(leader) = known.leader else { return Err(format!("{topic}/{partition} has no leader")) };
    if let Some(missing) = known.replicas.iter().find(|replica| !known.isr.contains(replica)) {
        return Err(format!("replica {missing} of {topic}/{partition} is not in sync"));
    }
    match wanted_leader {
        Some(wanted) if wanted != leader => Err(format!("{topic}/{partition} is led by {leader}, not by {wanted}")),
        _ => Ok(()),
    }
}

/// The node that leads the lanes: neither controller nor coordinator, so that a fault on it is a
/// fault of the lanes' leader and of nothing else.
fn choose_leader(nodes: &[u32], offices: Offices) -> u32 {
    let free = nodes.iter().find(|node| **node != offices.controller && **node != offices.coordinator);
    free.or(nodes.first()).copied().unwrap_or(offices.controller)
}

/// A topic that `leader` is to lead.
pub(crate) fn new_topic(topic: &LaneTopic, leader: u32, nodes: &[u32]) -> NewTopic {
    let setting = |name: &str| topic.config.get(name).and_then(|value| value.parse::<usize>().ok());
    let factor = setting("topic.replication.factor").unwrap_or(NODES as usize).clamp(1, nodes.len().max(1));
    let others = nodes.iter().copied().filter(|node| *node != leader);
    let replicas = std::iter::once(leader).chain(others).take(factor).collect();
    let config = topic
        .config
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("topic.")?, value)))
        .filter(|(name, _)| *name != "partitions" && *name != "replication.factor")
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
    NewTopic { name: topic.name.clone(), partitions: topic.partitions, replicas, config }
}

/// Asks again and again until it succeeds.
fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> Result<T, ClientError> {
    let deadline = Instant::now() + STEP_LIMIT;
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(cause) if Instant::now() >= deadline => {
                let target = format!("a cluster that is ready (waited {} s for {what})", STEP_LIMIT.as_secs());
                return Err(ClientError::Unreachable { target, cause });
            }
            Err(_) => sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use delivery_broker::LaneTopic;
    use proptest::prelude::*;

    use super::{Offices, choose_leader, new_topic};

    proptest! {
        #[test]
        fn the_leader_holds_no_office(controller in 1u32..=3, coordinator in 1u32..=3) {
            let leader = choose_leader(&[1, 2, 3], Offices { controller, coordinator });
            prop_assert!(leader != controller && leader != coordinator);
            prop_assert!((1..=3).contains(&leader));
        }
    }

    #[test]
    fn topics_lead_where_they_are_told() {
        let config = [("topic.replication.factor", "2"), ("topic.min.insync.replicas", "2"), ("producer.acks", "1")];
        let config: BTreeMap<String, String> =
            config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let topic = LaneTopic { name: String::from("lane"), partitions: 4, dead_letters: None, config };
        let made = new_topic(&topic, 2, &[1, 2, 3]);
        assert_eq!((made.partitions, made.replicas), (4, vec![2, 1]));
        assert_eq!(made.config, [(String::from("min.insync.replicas"), String::from("2"))]);
    }
}
