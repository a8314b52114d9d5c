//! Asks every node, each on its own connections, what it believes.

use std::time::{Duration, Instant};

use delivery_broker::observe::CLOCKS;
use delivery_broker::{ClientError, ClientSpec, DestinationRef, Observation, Observer, Reason};

use crate::clocks::ask_clock;
use crate::peers::{Peer, peers};
use crate::wire::{
    MetadataAnswer, ask_controller, ask_coordinator, ask_metadata, ask_quorum_leader, ask_stable, count_members,
};

/// Longest time one node has to answer all questions of a round.
const ROUND_LIMIT: Duration = Duration::from_millis(300);

/// Longest time to connect to a node of somebody else's before the first round.
const WARM_UP_LIMIT: Duration = Duration::from_secs(3);

/// Asks the nodes side by side, so a round is as long as the slowest node's limit.
pub(crate) struct KafkaObserver {
    peers: Vec<Peer>,
    destinations: Vec<DestinationRef>,
    groups: Vec<(u16, String)>,
    /// Destinations that are written to in transactions.
    outputs: Vec<DestinationRef>,
    /// Clocks of nodes are of interest.
    tells_clocks: bool,
}

/// What a node is asked for.
#[derive(Clone, Copy)]
struct Questions<'a> {
    destinations: &'a [DestinationRef],
    groups: &'a [(u16, String)],
    outputs: &'a [DestinationRef],
    tells_clocks: bool,
}

impl KafkaObserver {
    /// An observer of the nodes, destinations and groups given.
    ///
    /// # Errors
    /// A node's address cannot be used.
    pub(crate) fn new(spec: &ClientSpec, groups: &[(u16, String)]) -> Result<Self, ClientError> {
        let (destinations, outputs) = (spec.destinations.clone(), spec.outputs.clone());
        let mut peers = peers(spec)?;
        if spec.access.is_some() {
            warm_up(&mut peers);
        }
        Ok(Self {
            peers,
            destinations,
            groups: groups.to_vec(),
            outputs,
            tells_clocks: spec.config.contains_key(CLOCKS),
        })
    }
}

impl Observer for KafkaObserver {
    fn observe(&mut self, seen: &mut dyn FnMut(Observation)) {
        let questions = Questions {
            destinations: &self.destinations,
            groups: &self.groups,
            outputs: &self.outputs,
            tells_clocks: self.tells_clocks,
        };
        let answers: Vec<Vec<Observation>> = std::thread::scope(|scope| {
            let asked: Vec<_> = self.peers.iter_mut().map(|peer| scope.spawn(move || ask(peer, questions))).collect();
            // A thread that panicked has seen nothing; the next round asks again.
            asked.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        });
        answers.into_iter().flatten().for_each(seen);
    }
}

/// TLS and login to a node far away may take longer than a round.
fn warm_up(peers: &mut [Peer]) {
    std::thread::scope(|scope| {
        for peer in peers.iter_mut() {
            // Who does not answer now is asked again in the first round.
            scope.spawn(|| {
                let deadline = Instant::now() + WARM_UP_LIMIT;
                drop(ask_metadata(&mut peer.broker, &[], deadline));
                drop(ask_quorum_leader(&mut peer.controller, deadline));
            });
        }
    });
}

fn ask(peer: &mut Peer, questions: Questions<'_>) -> Vec<Observation> {
    let Questions { destinations, groups, outputs, tells_clocks } = questions;
    let deadline = Instant::now() + ROUND_LIMIT;
    let topics = topics_of(destinations);
    let node = peer.id;
    if !peer.is_broker {
        return ask_quorum(peer, deadline)
            .map_or_else(|reason| vec![Observation::silence(node, reason)], |said| vec![said]);
    }
    let mut seen = match ask_metadata(&mut peer.broker, &topics, deadline) {
        Ok(answer) => from_metadata(node, &answer, destinations),
        Err(error) => return vec![Observation::silence(node, error.reason())],
    };
    ask_led(peer, outputs, &mut seen, deadline);
    if tells_clocks {
        seen.extend(ask_clock(peer, deadline));
    }
    if peer.is_controller && !peer.is_outside {
        seen.extend(ask_quorum(peer, deadline));
    }
    for (group, name) in groups {
        let Ok(coordinator) = ask_coordinator(&mut peer.broker, name, deadline) else { break };
        seen.push(Observation::Coordinator { node, group: *group, coordinator });
        if coordinator != Some(node) {
            continue;
        }
        if let Ok(Some(members)) = count_members(&mut peer.broker, name, deadline) {
            seen.push(Observation::Group { node, group: *group, members });
        }
    }
    if peer.is_outside {
        seen.extend(ask_about_quorum(peer, deadline, &seen));
    }
    seen
}

/// Whom the node, or whoever it passes that on to, takes for the leader of the quorum. A controller that is no broker
/// is none of the nodes that are known here.
fn ask_about_quorum(peer: &mut Peer, deadline: Instant, seen: &[Observation]) -> Option<Observation> {
    let answer = ask_quorum_leader(&mut peer.controller, deadline).ok()?;
    let Some(Observation::Members { members_bits, .. }) = seen.first() else { return None };
    let controller = answer.leader.filter(|leader| *leader < u32::BITS && members_bits & 1 << leader != 0)?;
    Some(Observation::Controller { node: peer.id, controller: Some(controller), epoch: answer.epoch })
}

/// How far the outputs that `peer` leads are stable.
fn ask_led(peer: &mut Peer, outputs: &[DestinationRef], seen: &mut Vec<Observation>, deadline: Instant) {
    let node = peer.id;
    let leads = |index: u16| {
        seen.iter().any(|said| {
            matches!(said, Observation::Leader { destination, leader, .. }
                if *destination == index && *leader == Some(node))
        })
    };
    let led: Vec<&DestinationRef> = outputs.iter().filter(|output| leads(output.index)).collect();
    if led.is_empty() {
        return;
    }
    let partitions: Vec<(&str, u32)> =
        led.iter().map(|output| (output.name.as_str(), output.partition.unwrap_or(0))).collect();
    let Ok(answers) = ask_stable(&mut peer.broker, &partitions, deadline) else { return };
    for ((topic, partition), answer) in answers {
        let output = led.iter().find(|known| known.name == topic && known.partition.unwrap_or(0) == partition);
        let Some(output) = output else { continue };
        let behind = answer.replicated.saturating_sub(answer.stable);
        let behind = u32::try_from(behind).unwrap_or(u32::MAX);
        seen.push(Observation::Stable { node, destination: output.index, stable: answer.stable, behind });
    }
}

/// Whom a member of the quorum takes for its leader.
fn ask_quorum(peer: &mut Peer, deadline: Instant) -> Result<Observation, Reason> {
    let answer = ask_controller(&mut peer.controller, deadline).map_err(|error| error.reason())?;
    Ok(Observation::Controller { node: peer.id, controller: answer.leader, epoch: answer.epoch })
}

fn from_metadata(node: u32, answer: &MetadataAnswer, destinations: &[DestinationRef]) -> Vec<Observation> {
    let mut seen = vec![Observation::Members { node, members_bits: bits(&answer.brokers) }];
    for destination in destinations {
        let known = answer.partition(&destination.name, destination.partition.unwrap_or(0));
        let Some(known) = known else { continue };
        let (leader, epoch) = (known.leader, known.epoch);
        seen.push(Observation::Leader { node, destination: destination.index, leader, epoch });
        seen.push(Observation::Isr { node, destination: destination.index, isr_bits: bits(&known.isr) });
    }
    seen
}

/// Topics of the destinations, each once.
pub(crate) fn topics_of(destinations: &[DestinationRef]) -> Vec<&str> {
    let mut topics: Vec<&str> = destinations.iter().map(|destination| destination.name.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

fn bits(nodes: &[u32]) -> u32 {
    nodes.iter().filter(|node| **node < u32::BITS).fold(0, |bits, node| bits | 1 << node)
}
