//! Changes of the cluster that an administrator makes while clients work.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use delivery_broker::{Change, ChangeAnswer, ChangeOutcome, ClientError, DestinationRef};
use kafka_protocol::ResponseError;

use crate::observer::topics_of;
use crate::peers::{Peer, first_answer};
use crate::wire::{Election, PartitionAnswer, Place, ask_metadata, elect_leaders, reassign, unregister_broker};

/// Longest wait for one answer to a question.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// Longest wait for one node to carry a change out.
const CHANGE_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait until nodes tell of a new leader.
const TOLD_LIMIT: Duration = Duration::from_secs(3);
/// Longest wait until a replica has copied everything, or a node that was stopped is missed.
const LONG_LIMIT: Duration = Duration::from_secs(60);
/// Between two questions while waiting.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes a change of `destinations` through whichever node answers.
///
/// # Errors
/// No node answers.
pub(crate) fn make(
    peers: &mut [Peer],
    change: Change,
    destinations: &[DestinationRef],
) -> Result<Vec<ChangeAnswer>, ClientError> {
    match change {
        Change::TransferLeaders { to } => transfer(peers, to, destinations),
        Change::ElectPreferred => elect(peers, Election::Preferred, destinations),
        Change::ElectUnclean => elect(peers, Election::Unclean, destinations),
        Change::Reassign => move_replicas(peers, destinations),
        Change::Leave { node } => unregister(peers, node, destinations),
        Change::Rebalance => Ok(ChangeAnswer::all_refused(destinations, "there are no queues")),
        // Its node is started by whoever runs it, and registers itself.
        Change::Rejoin { .. } => Ok(Vec::new()),
    }
}

/// A destination, and what is known of its partition.
type Known<'a> = (&'a DestinationRef, PartitionAnswer);

/// Of each destination that is there, what the node says that knows of the newest leader.
fn look<'a>(peers: &mut [Peer], destinations: &'a [DestinationRef]) -> Result<Vec<Known<'a>>, ClientError> {
    let topics = topics_of(destinations);
    let mut told = Vec::new();
    let mut silent = None;
    for peer in peers.iter_mut().filter(|peer| peer.is_broker) {
        let mut ask = || ask_metadata(&mut peer.broker, &topics, Instant::now() + ANSWER_LIMIT);
        // A connection to a node that was down meanwhile says so only when it is used.
        match ask().or_else(|_| ask()) {
            Ok(answer) => told.push(answer),
            Err(error) => silent = Some(error.into_client_error(&format!("node {}", peer.id))),
        }
    }
    if let (true, Some(error)) = (told.is_empty(), silent) {
        return Err(error);
    }
    let newest = |destination: &DestinationRef| {
        let said =
            told.iter().filter_map(|answer| answer.partition(&destination.name, destination.partition.unwrap_or(0)));
        said.max_by_key(|known| known.epoch).cloned()
    };
    Ok(destinations.iter().filter_map(|destination| Some((destination, newest(destination)?))).collect())
}

fn place(destination: &DestinationRef) -> Place {
    (destination.name.clone(), destination.partition.unwrap_or(0))
}

/// The replica of `to` is made the one that is to lead, and is then elected, as `kafka-reassign-partitions` and
/// `kafka-leader-election --election-type preferred` do it.
fn transfer(peers: &mut [Peer], to: u32, destinations: &[DestinationRef]) -> Result<Vec<ChangeAnswer>, ClientError> {
    let known = look(peers, destinations)?;
    let mut answers = Vec::new();
    let mut wanted: Vec<(&DestinationRef, Vec<u32>)> = Vec::new();
    for (destination, partition) in &known {
        let index = destination.index;
        if partition.leader == Some(to) {
            answers.push(ChangeAnswer::new(index, ChangeOutcome::NotNeeded));
        } else if !partition.isr.contains(&to) {
            answers.push(ChangeAnswer::refused(index, format!("its replica on node {to} is not in sync")));
        } else {
            wanted.push((destination, led_by(to, &partition.replicas)));
        }
    }
    let refused = place_replicas(peers, &wanted)?;
    wanted.retain(|(destination, _)| !refused.iter().any(|answer| answer.destination == destination.index));
    answers.extend(refused);
    let moved: Vec<DestinationRef> = wanted.iter().map(|(destination, _)| (*destination).clone()).collect();
    if moved.is_empty() {
        return Ok(answers);
    }
    let elected = elect(peers, Election::Preferred, &moved)?;
    let led = wait_until(peers, &moved, TOLD_LIMIT, |_, partition| partition.leader == Some(to))?;
    // That none was needed only says that somebody else had it held.
    answers.extend(elected.into_iter().map(|answer| match led.contains(&answer.destination) {
        true => ChangeAnswer::new(answer.destination, ChangeOutcome::Done),
        false => ChangeAnswer::refused(answer.destination, format!("node {to} does not lead it: {}", answer.words)),
    }));
    Ok(answers)
}

/// The same replicas, that of `to` first.
fn led_by(to: u32, replicas: &[u32]) -> Vec<u32> {
    std::iter::once(to).chain(replicas.iter().copied().filter(|replica| *replica != to)).collect()
}

/// Asks for these replicas; refusals only.
fn place_replicas(
    peers: &mut [Peer],
    wanted: &[(&DestinationRef, Vec<u32>)],
) -> Result<Vec<ChangeAnswer>, ClientError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<(Place, Vec<u32>)> =
        wanted.iter().map(|(destination, replicas)| (place(destination), replicas.clone())).collect();
    let refused = first_answer(peers, CHANGE_LIMIT, |peer, deadline| reassign(&mut peer.broker, &asked, deadline))?;
    let index =
        |refused: &Place| wanted.iter().find(|(known, _)| place(known) == *refused).map(|(known, _)| known.index);
    Ok(refused.into_iter().filter_map(|(place, words)| Some(ChangeAnswer::refused(index(&place)?, words))).collect())
}

fn elect(
    peers: &mut [Peer],
    election: Election,
    destinations: &[DestinationRef],
) -> Result<Vec<ChangeAnswer>, ClientError> {
    let known = look(peers, destinations)?;
    let places: Vec<Place> = known.iter().map(|(destination, _)| place(destination)).collect();
    let refused = first_answer(peers, CHANGE_LIMIT, |peer, deadline| {
        elect_leaders(&mut peer.broker, election, &places, deadline)
    })?;
    let answers = known.iter().map(|(destination, _)| {
        let said = refused.iter().find(|(refused, ..)| *refused == place(destination));
        match said {
            None => ChangeAnswer::new(destination.index, ChangeOutcome::Done),
            Some((_, ResponseError::ElectionNotNeeded, _)) => {
                ChangeAnswer::new(destination.index, ChangeOutcome::NotNeeded)
            }
            Some((_, _, words)) => ChangeAnswer::refused(destination.index, words.clone()),
        }
    });
    Ok(answers.collect())
}

/// The leader's replica is given to a node that holds none; answers once that is in sync and the leader's is gone.
fn move_replicas(peers: &mut [Peer], destinations: &[DestinationRef]) -> Result<Vec<ChangeAnswer>, ClientError> {
    let nodes: Vec<u32> = peers.iter().filter(|peer| peer.is_broker).map(|peer| peer.id).collect();
    let known = look(peers, destinations)?;
    let mut answers = Vec::new();
    let mut wanted: Vec<(&DestinationRef, Vec<u32>)> = Vec::new();
    for (destination, partition) in &known {
        let Some(replicas) = without_leader(partition, &nodes) else {
            answers.push(ChangeAnswer::new(destination.index, ChangeOutcome::NotNeeded));
            continue;
        };
        wanted.push((destination, replicas));
    }
    let refused = place_replicas(peers, &wanted)?;
    wanted.retain(|(destination, _)| !refused.iter().any(|answer| answer.destination == destination.index));
    answers.extend(refused);
    let asked: Vec<DestinationRef> = wanted.iter().map(|(destination, _)| (*destination).clone()).collect();
    let is_there = |destination: &DestinationRef, partition: &PartitionAnswer| {
        let replicas = wanted.iter().find(|(known, _)| known.index == destination.index).map(|(_, replicas)| replicas);
        let sorted = |nodes: &[u32]| nodes.iter().copied().collect::<BTreeSet<u32>>();
        replicas.is_some_and(|replicas| {
            sorted(&partition.replicas) == sorted(replicas) && sorted(&partition.isr) == sorted(replicas)
        })
    };
    let moved = wait_until(peers, &asked, LONG_LIMIT, is_there)?;
    answers.extend(asked.iter().map(|destination| match moved.contains(&destination.index) {
        true => ChangeAnswer::new(destination.index, ChangeOutcome::Done),
        false => ChangeAnswer::refused(destination.index, "its replicas did not move in time"),
    }));
    Ok(answers)
}

/// The same replicas but the leader's, and one on the first node that holds none; nothing where all hold one.
fn without_leader(partition: &PartitionAnswer, nodes: &[u32]) -> Option<Vec<u32>> {
    let spare = nodes.iter().find(|node| !partition.replicas.contains(node))?;
    let kept = partition.replicas.iter().filter(|replica| Some(**replica) != partition.leader);
    Some(kept.copied().take(partition.replicas.len().saturating_sub(1)).chain([*spare]).collect())
}

/// `node` was stopped: once the others miss it, it is taken off the books.
fn unregister(
    peers: &mut [Peer],
    node: u32,
    destinations: &[DestinationRef],
) -> Result<Vec<ChangeAnswer>, ClientError> {
    let until = Instant::now() + LONG_LIMIT;
    while !is_missed(peers, node) {
        if Instant::now() >= until {
            return Ok(ChangeAnswer::all_refused(destinations, "the other nodes did not miss it in time"));
        }
        sleep(PAUSE);
    }
    let refused = loop {
        let refused =
            first_answer(peers, CHANGE_LIMIT, |peer, deadline| unregister_broker(&mut peer.broker, node, deadline));
        match refused {
            Ok(refused) => break refused,
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => sleep(PAUSE),
        }
    };
    let known = look(peers, destinations)?;
    let answers = known.iter().map(|(destination, partition)| match &refused {
        Some(words) => ChangeAnswer::refused(destination.index, words.clone()),
        None if partition.replicas.contains(&node) => ChangeAnswer::new(destination.index, ChangeOutcome::Done),
        None => ChangeAnswer::new(destination.index, ChangeOutcome::NotNeeded),
    });
    Ok(answers.collect())
}

/// Whether every other broker that answers says that `node` is none.
fn is_missed(peers: &mut [Peer], node: u32) -> bool {
    let mut answered = false;
    for peer in peers.iter_mut().filter(|peer| peer.is_broker && peer.id != node) {
        let Ok(answer) = ask_metadata(&mut peer.broker, &[], Instant::now() + ANSWER_LIMIT) else { continue };
        if answer.brokers.contains(&node) {
            return false;
        }
        answered = true;
    }
    answered
}

/// Waits until what is known of each destination is as it should be; those of which it is.
fn wait_until(
    peers: &mut [Peer],
    destinations: &[DestinationRef],
    limit: Duration,
    is_so: impl Fn(&DestinationRef, &PartitionAnswer) -> bool,
) -> Result<BTreeSet<u16>, ClientError> {
    let until = Instant::now() + limit;
    loop {
        let known = look(peers, destinations)?;
        let are_so = known.iter().filter(|(destination, partition)| is_so(destination, partition));
        let are_so: BTreeSet<u16> = are_so.map(|(destination, _)| destination.index).collect();
        if are_so.len() == destinations.len() || Instant::now() >= until {
            return Ok(are_so);
        }
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(leader: Option<u32>, replicas: &[u32]) -> PartitionAnswer {
        PartitionAnswer {
            topic: String::from("t"),
            topic_id: uuid::Uuid::nil(),
            partition: 0,
            leader,
            epoch: 1,
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
        }
    }

    #[test]
    fn leadership_goes_by_the_order_of_replicas() {
        assert_eq!(led_by(3, &[1, 2, 3]), [3, 1, 2]);
        assert_eq!(led_by(1, &[1, 2]), [1, 2]);
    }

    #[test]
    fn the_leaders_replica_goes_to_a_node_without_one() {
        let nodes = [1, 2, 3, 4, 5];
        assert_eq!(without_leader(&partition(Some(2), &[2, 1, 3]), &nodes), Some(vec![1, 3, 4]));
        assert_eq!(without_leader(&partition(None, &[2, 1, 3]), &nodes), Some(vec![2, 1, 4]), "nobody leads it");
        assert_eq!(without_leader(&partition(Some(2), &[2, 1, 3]), &[1, 2, 3]), None);
    }
}
