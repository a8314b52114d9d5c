//! Prepares the lanes' queues and asks whether the cluster is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use delivery_broker::{
    Admin, Change, ChangeOutcome, Changed, ClientError, ClientSpec, DestinationRef, LaneTopic, NodeAddress, Prepared,
    Recovery,
};

use crate::amqp::{AmqpError, answer, connect, runtime};
use crate::changes;
use crate::erlang::{Ask, Known, Look, Peer, peers};
use crate::lane::is_mirrored;
use crate::partitions::{distrusted, needs_restart};
use crate::topology::{QueuePlan, bind_dead_letters, declare_nowhere, declare_queue, queues};

/// Longest time for each of: members, queues, full sets of members.
const STEP_LIMIT: Duration = Duration::from_secs(45);
/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Longest time a node may take to stop and start its broker application.
const RESTART_LIMIT: Duration = Duration::from_secs(45);
/// Between two questions while waiting.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a broker may take to start again on a node that every other sees: RabbitMQ's own remedy comes at 20 s.
const HANG_LIMIT: Duration = Duration::from_secs(25);
/// How long a node's quorum queues may be down: their supervisors give up within a second.
const RAFT_LIMIT: Duration = Duration::from_secs(5);
/// How long every node must say that a queue is gone before it is not waited for any more.
const GONE_LIMIT: Duration = Duration::from_secs(20);

/// Administers: declares over AMQP, asks every node in its own language.
pub(crate) struct RabbitAdmin {
    spec: ClientSpec,
    peers: Vec<Peer>,
    /// Since when every node has said that a queue is gone.
    gone_since: BTreeMap<String, Instant>,
    /// How far any copy of a queue had come when it was last asked.
    furthest: BTreeMap<String, u64>,
    /// A node that was asked to join again and has not.
    outside: Option<u32>,
    /// Nodes that are to be members of a queue again, as bits, since one of them was taken out.
    to_be_back: BTreeMap<String, u32>,
    /// Since when a node's quorum queues have not run.
    raft_ended_since: BTreeMap<u32, Instant>,
    /// Since when the broker on a node that every other sees has not run.
    down_since: BTreeMap<u32, Instant>,
    /// Connections were reset, which can leave a partition that the broker does nothing about.
    has_reset: bool,
    /// Nodes whose connections were reset once, in vain where they hang again.
    reset: BTreeSet<u32>,
    /// Nodes that only a new process helps, not told yet.
    restart: Vec<u32>,
    /// What was done by hand and not told yet.
    by_hand: Vec<String>,
}

impl RabbitAdmin {
    /// An administrator of the nodes of `spec`.
    ///
    /// # Errors
    /// A node's address cannot be used.
    pub(crate) fn new(spec: &ClientSpec) -> Result<Self, ClientError> {
        let peers = peers(spec)?;
        Ok(Self {
            spec: spec.clone(),
            peers,
            gone_since: BTreeMap::new(),
            furthest: BTreeMap::new(),
            outside: None,
            to_be_back: BTreeMap::new(),
            raft_ended_since: BTreeMap::new(),
            down_since: BTreeMap::new(),
            has_reset: false,
            reset: BTreeSet::new(),
            restart: Vec::new(),
            by_hand: Vec::new(),
        })
    }

    fn all_bits(&self) -> u32 {
        self.peers.iter().fold(0, |bits, peer| bits | 1 << peer.id)
    }

    /// Every node's belief, or why one gives none.
    fn look_all(&mut self, queues: &[&str]) -> Result<Vec<(u32, Look)>, String> {
        let looked = self.peers.iter_mut().map(|peer| match peer.look(queues, Instant::now() + ANSWER) {
            Ok(look) => Ok((peer.id, look)),
            Err(error) => Err(format!("node {} to answer: {error}", peer.id)),
        });
        looked.collect()
    }

    /// Whether every node runs, sees every other, and has no partition to its name.
    fn joined(&self, looks: &[(u32, Look)]) -> Result<(), String> {
        let all = self.all_bits();
        for (node, look) in looks {
            if !look.running {
                return Err(format!("the broker on node {node} to run"));
            }
            if look.up_bits & all != all {
                return Err(format!("node {node} to see every other"));
            }
        }
        Ok(())
    }

    fn version(&mut self) -> Result<String, ClientError> {
        let peer = self.peers.first_mut().ok_or_else(no_nodes)?;
        let answer = peer.ask(Ask::Version, &[], Instant::now() + ANSWER).map_err(|error| peer.unreachable(&error))?;
        Ok(answer.split_whitespace().next().unwrap_or("unknown").to_owned())
    }

    fn node(&self, id: u32) -> Result<NodeAddress, ClientError> {
        self.spec.nodes.iter().find(|node| node.id == id).cloned().ok_or_else(no_nodes)
    }

    fn mirror(&mut self, plan: &QueuePlan) -> Result<(), ClientError> {
        let Some((promote, sync)) = &plan.mirrored else { return Ok(()) };
        let peer = self.peers.first_mut().ok_or_else(no_nodes)?;
        let asked = peer.ask(Ask::Mirror, &[&plan.name, promote, sync], Instant::now() + ANSWER);
        match asked.map_err(|error| peer.unreachable(&error))?.as_str() {
            "ok" => Ok(()),
            cause => Err(refused(&format!("mirroring queue `{}`", plan.name), cause)),
        }
    }

    fn declare(&mut self, topics: &[LaneTopic], plans: &[QueuePlan], leader: u32) -> Result<(), ClientError> {
        for plan in plans {
            self.mirror(plan)?;
        }
        let (node, spec) = (self.node(leader)?, self.spec.clone());
        let declared = async {
            let connection = connect(&spec, &node).await.map_err(|error| (String::from("connecting"), error))?;
            let channel = answer(connection.create_channel()).await;
            let channel = channel.map_err(|error| (String::from("opening a channel"), error))?;
            if spec.access.is_none() {
                declare_nowhere(&channel).await.map_err(|error| (String::from("declaring an exchange"), error))?;
            }
            for plan in plans {
                let declared = declare_queue(&channel, plan).await;
                declared.map_err(|error| (format!("declaring queue `{}`", plan.name), error))?;
            }
            for topic in topics {
                let Some(dead_letters) = &topic.dead_letters else { continue };
                let bound = bind_dead_letters(&channel, &topic.name, dead_letters).await;
                bound.map_err(|error| (format!("binding queue `{dead_letters}`"), error))?;
            }
            answer(connection.close(200, "bye".into())).await.map_err(|error| (String::from("saying goodbye"), error))
        };
        let declared: Result<(), (String, AmqpError)> = runtime()?.block_on(declared);
        declared.map_err(|(operation, error)| refused(&operation, &error.words))
    }

    /// Somebody else runs the nodes: nothing is done by hand, and what cannot be seen is not waited for.
    fn is_outside(&self) -> bool {
        self.spec.access.is_some()
    }

    fn is_blind(&self) -> bool {
        self.peers.iter().all(Peer::is_blind)
    }

    /// Whether the cluster of somebody else's is whole, as far as that can be seen.
    fn whole_outside(&mut self, destinations: &[DestinationRef]) -> Result<(), String> {
        for node in &self.spec.nodes {
            let entered = runtime().map_err(|error| error.to_string())?.block_on(connect(&self.spec, node));
            entered.map_err(|error| format!("node {} to let us in: {}", node.id, error.words))?;
        }
        if self.is_blind() {
            return Ok(());
        }
        let names: Vec<&str> = destinations.iter().map(|destination| destination.name.as_str()).collect();
        let looks = self.look_all(&names)?;
        self.joined(&looks)?;
        for (index, name) in names.iter().enumerate() {
            let known: Vec<(u32, Known)> =
                looks.iter().map(|(node, look)| (*node, look.queues[index].clone())).collect();
            self.queue_is_whole(name, &known)?;
        }
        Ok(())
    }

    /// On a cluster of somebody else's the first node leads where only one is known.
    fn prepare_outside(&mut self, topics: &[LaneTopic]) -> Result<Prepared, ClientError> {
        let version = self.version().unwrap_or_else(|_| String::from("unknown"));
        let nodes = self.peers.len() as u32;
        let plans: Vec<QueuePlan> = topics.iter().flat_map(|topic| queues(topic, nodes, false)).collect();
        let leader = self.peers.get(1).or(self.peers.first()).ok_or_else(no_nodes)?.id;
        self.declare(topics, &plans, leader)?;
        if !self.is_blind() {
            wait_for("every member of the lanes' queues", || self.placed(&plans, leader))?;
        }
        Ok(Prepared { broker_version: version, leader, controller: None, coordinator: None, features: BTreeMap::new() })
    }

    /// Whether every node agrees that the queues stand where they should, on as many nodes as they should.
    fn placed(&mut self, plans: &[QueuePlan], leader: u32) -> Result<(), String> {
        let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
        let looks = self.look_all(&names)?;
        self.joined(&looks)?;
        for (node, look) in &looks {
            for (plan, known) in plans.iter().zip(&look.queues) {
                let Known::Queue(queue) = known else {
                    return Err(format!("node {node} to know queue `{}`", plan.name));
                };
                if queue.leader != Some(leader) {
                    return Err(format!("node {node} to see queue `{}` led by node {leader}", plan.name));
                }
                if queue.in_sync_bits.count_ones() != plan.members {
                    return Err(format!("queue `{}` to have {} members in sync", plan.name, plan.members));
                }
            }
        }
        Ok(())
    }

    /// After a partition that the broker itself does nothing about, its documentation tells the operator to restart
    /// the nodes of the side that is not trusted. Without it the cluster never is whole again.
    fn end_partitions(&mut self, looks: &[(u32, Look)]) -> Result<(), String> {
        let seen: Vec<(u32, u32)> = looks.iter().map(|(node, look)| (*node, look.partition_bits)).collect();
        if seen.iter().all(|(_, partitioned)| *partitioned == 0) {
            return Ok(());
        }
        let peer = self.peers.first_mut().ok_or("a node")?;
        let handling = peer.ask(Ask::Handling, &[], Instant::now() + ANSWER).map_err(|error| error.to_string())?;
        if !needs_restart(&handling) && !self.has_reset {
            return Err(format!("the broker to end the partition ({handling})"));
        }
        for node in distrusted(&seen) {
            let why = if self.has_reset { "after the reset" } else { "with cluster_partition_handling=ignore" };
            let what = format!("restarted the broker on n{node}: {why} it stays partitioned");
            self.by_hand.push(what);
            let peer = self.peers.iter_mut().find(|peer| peer.id == node).ok_or("a node")?;
            peer.ask(Ask::Restart, &[], Instant::now() + RESTART_LIMIT)
                .map_err(|error| format!("node {node} to restart: {error}"))?;
        }
        Err(String::from("restarted nodes to join again"))
    }

    /// A broker that was paused or is restarted by itself waits for `global` of its Erlang before it starts. After a
    /// partition that can hang for good; what RabbitMQ does about it after 20 s has no effect on Erlang 25.
    fn free_who_hangs(&mut self, looks: &[(u32, Look)]) -> Result<(), String> {
        let all = self.all_bits();
        let connected = looks.iter().all(|(_, look)| look.up_bits & all == all);
        for (node, look) in looks {
            if look.running || !connected {
                self.down_since.remove(node);
                continue;
            }
            let since = *self.down_since.entry(*node).or_insert_with(Instant::now);
            if since.elapsed() < HANG_LIMIT {
                continue;
            }
            self.down_since.remove(node);
            if !self.reset.insert(*node) {
                self.reset.remove(node);
                self.by_hand.push(format!("killed n{node} and started it again: its broker hung after the reset, too"));
                self.restart.push(*node);
                continue;
            }
            let what = format!("reset the Erlang connections of n{node}: its broker hung while it started again");
            self.by_hand.push(what);
            self.has_reset = true;
            let peer = self.peers.iter_mut().find(|peer| peer.id == *node).ok_or("a node")?;
            peer.ask(Ask::Reconnect, &[], Instant::now() + ANSWER).map_err(|error| format!("node {node}: {error}"))?;
        }
        Ok(())
    }

    /// A log that could not be written (no space, say) ends with all the quorum queues of the node, while the broker goes
    /// on. It stays so when there is space again: only who starts the node again gets it back.
    fn restart_whose_queues_ended(&mut self, looks: &[(u32, Look)]) {
        for (node, look) in looks {
            if !look.running || !look.raft_ended {
                self.raft_ended_since.remove(node);
                continue;
            }
            let since = *self.raft_ended_since.entry(*node).or_insert_with(Instant::now);
            if since.elapsed() >= RAFT_LIMIT {
                self.raft_ended_since.remove(node);
                self.by_hand.push(format!("killed n{node} and started it again: its quorum queues had ended"));
                self.restart.push(*node);
            }
        }
    }

    fn whole(&mut self, destinations: &[DestinationRef]) -> Result<(), String> {
        if let Some(node) = self.outside {
            let answers = changes::rejoin(&mut self.peers, node, destinations).map_err(|error| error.to_string())?;
            if let Some(refused) = answers.iter().find(|answer| answer.outcome == ChangeOutcome::Refused) {
                return Err(format!("node {node} to join again: {}", refused.words));
            }
            self.outside = None;
        }
        let names: Vec<&str> = destinations.iter().map(|destination| destination.name.as_str()).collect();
        let looks = self.look_all(&names)?;
        self.free_who_hangs(&looks)?;
        self.joined(&looks)?;
        self.restart_whose_queues_ended(&looks);
        self.end_partitions(&looks)?;
        self.streams_are_served()?;
        let mut waiting = Ok(());
        for (index, name) in names.iter().enumerate() {
            let known: Vec<(u32, Known)> =
                looks.iter().map(|(node, look)| (*node, look.queues[index].clone())).collect();
            if let Err(missing) = self.queue_is_whole(name, &known) {
                waiting = Err(missing);
            }
        }
        waiting
    }

    /// Whether a node that left and joined again can serve streams again.
    fn streams_are_served(&mut self) -> Result<(), String> {
        if self.to_be_back.is_empty() {
            return Ok(());
        }
        for peer in &mut self.peers {
            let told = peer.ask(Ask::StreamsServed, &[], Instant::now() + ANSWER).map_err(|error| error.to_string())?;
            if told.trim() != "yes" {
                return Err(format!("node {} to serve streams again", peer.id));
            }
        }
        Ok(())
    }

    /// Before a node is taken out: whoever holds a replicated queue now is to hold it again.
    fn remember_members(&mut self, destinations: &[DestinationRef]) {
        let names: Vec<&str> = destinations.iter().map(|destination| destination.name.as_str()).collect();
        let looks: Vec<Look> =
            self.peers.iter_mut().filter_map(|peer| peer.look(&names, Instant::now() + ANSWER).ok()).collect();
        for look in looks {
            for (name, known) in names.iter().zip(look.queues) {
                if let Known::Queue(queue) = known
                    && queue.epoch > 0
                {
                    *self.to_be_back.entry((*name).to_owned()).or_default() |= queue.member_bits;
                }
            }
        }
    }

    fn queue_is_whole(&mut self, name: &str, known: &[(u32, Known)]) -> Result<(), String> {
        if known.iter().all(|(_, known)| *known == Known::Gone) {
            let since = *self.gone_since.entry(name.to_owned()).or_insert_with(Instant::now);
            if since.elapsed() >= GONE_LIMIT {
                return Ok(());
            }
            return Err(format!("queue `{name}`, which every node says is gone"));
        }
        self.gone_since.remove(name);
        let caught_up_with = self.furthest.get(name).copied().unwrap_or(u64::MAX);
        let mut furthest = 0;
        let mut leaders = Vec::new();
        let mut behind = None;
        for (node, known) in known {
            let Known::Queue(queue) = known else { return Err(format!("node {node} to know queue `{name}`")) };
            let Some(leader) = queue.leader else { return Err(format!("queue `{name}` to have a leader")) };
            leaders.push(leader);
            // A classic queue's mirrors are in sync again once it was empty; its leader has what there is.
            let replicated = queue.epoch > 0;
            if self.to_be_back.get(name).is_some_and(|wanted| wanted & !queue.member_bits != 0) {
                return Err(format!("the node that left to hold queue `{name}` again"));
            }
            if replicated && queue.in_sync_bits != queue.member_bits {
                return Err(format!("every member of queue `{name}`"));
            }
            if replicated && queue.member_bits & 1 << node != 0 {
                furthest = furthest.max(queue.applied);
                if queue.applied < caught_up_with {
                    behind = Some(*node);
                }
            }
        }
        self.furthest.insert(name.to_owned(), furthest);
        leaders.dedup();
        if leaders.len() > 1 {
            return Err(format!("the nodes to agree on the leader of queue `{name}`"));
        }
        match behind {
            // Where all of it is unknown yet, nobody is behind: the next question tells.
            Some(node) if furthest > 0 => Err(format!("node {node} to catch up with queue `{name}`")),
            _ => Ok(()),
        }
    }
}

impl Admin for RabbitAdmin {
    fn prepare(&mut self, topics: &[LaneTopic]) -> Result<Prepared, ClientError> {
        if self.is_outside() {
            return self.prepare_outside(topics);
        }
        wait_for("every node to see every other", || {
            let looks = self.look_all(&[])?;
            self.joined(&looks)
        })?;
        let version = self.version()?;
        let nodes = self.peers.len() as u32;
        let plans: Vec<QueuePlan> =
            topics.iter().flat_map(|topic| queues(topic, nodes, is_mirrored(&topic.config, &version))).collect();
        // Not the first node, which the others joined by: a fault on the leader is one on nothing else.
        let leader = self.peers.get(1).or(self.peers.first()).ok_or_else(no_nodes)?.id;
        self.declare(topics, &plans, leader)?;
        wait_for("every member of the lanes' queues", || self.placed(&plans, leader))?;
        for peer in &mut self.peers {
            peer.ask(Ask::Flush, &[], Instant::now() + ANSWER).map_err(|error| peer.unreachable(&error))?;
        }
        Ok(Prepared { broker_version: version, leader, controller: None, coordinator: None, features: BTreeMap::new() })
    }

    fn change(&mut self, change: Change, destinations: &[DestinationRef]) -> Result<Changed, ClientError> {
        if let Change::Leave { .. } = change {
            self.remember_members(destinations);
        }
        let changed = changes::make(&mut self.peers, change, destinations);
        if let Change::Rejoin { node } = change {
            let failed = |changed: &Changed| changed.answers.iter().any(|one| one.outcome == ChangeOutcome::Refused);
            self.outside = changed.as_ref().map_or(true, failed).then_some(node);
        }
        changed
    }

    fn recovered(&mut self, destinations: &[DestinationRef]) -> Recovery {
        let whole = if self.is_outside() { self.whole_outside(destinations) } else { self.whole(destinations) };
        Recovery {
            whole: whole.is_ok(),
            waiting_for: whole.err().unwrap_or_default(),
            by_hand: std::mem::take(&mut self.by_hand),
            restart: std::mem::take(&mut self.restart),
        }
    }
}

fn no_nodes() -> ClientError {
    ClientError::Configuration(String::from("there are no nodes"))
}

fn refused(operation: &str, cause: &str) -> ClientError {
    ClientError::Refused { operation: operation.to_owned(), cause: cause.to_owned() }
}

/// Asks again and again until it succeeds.
fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> Result<T, ClientError> {
    let deadline = Instant::now() + STEP_LIMIT;
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(missing) if Instant::now() >= deadline => {
                let target = format!("a cluster that is ready (waited {} s for {what})", STEP_LIMIT.as_secs());
                return Err(ClientError::Unreachable { target, cause: format!("still waiting for {missing}") });
            }
            Err(_) => sleep(PAUSE),
        }
    }
}
