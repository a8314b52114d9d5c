//! Changes of the cluster that an administrator makes while clients work.

use std::time::{Duration, Instant};

use delivery_broker::{Change, ChangeAnswer, ChangeOutcome, Changed, ClientError, DestinationRef};

use crate::erlang::{Ask, ErlangError, Peer};

/// Longest wait for a node to move leaders, or members of queues.
const MOVE_LIMIT: Duration = Duration::from_secs(30);
/// Longest time a node may take to stop its broker and forget what it stores, or to join and start.
const MEMBER_LIMIT: Duration = Duration::from_secs(60);
/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Makes a change of `destinations`.
///
/// # Errors
/// No node that can be asked for it answers.
pub(crate) fn make(
    peers: &mut [Peer],
    change: Change,
    destinations: &[DestinationRef],
) -> Result<Changed, ClientError> {
    let only = |answers| Changed { answers, wiped_bytes: None };
    match change {
        Change::TransferLeaders { to } => {
            by_any(peers, Ask::Transfer, Some(to), destinations, MOVE_LIMIT, None).map(only)
        }
        Change::Rebalance => by_any(peers, Ask::Rebalance, None, destinations, MOVE_LIMIT, None).map(only),
        Change::Leave { node } => leave(peers, node, destinations),
        Change::Rejoin { node } => rejoin(peers, node, destinations).map(only),
        Change::ElectPreferred | Change::ElectUnclean | Change::Reassign => {
            Ok(only(ChangeAnswer::all_refused(destinations, "this broker knows no such change")))
        }
    }
}

/// Puts a question to node after node, but for `not`, until one answers with a line for each destination.
fn by_any(
    peers: &mut [Peer],
    ask: Ask,
    node: Option<u32>,
    destinations: &[DestinationRef],
    limit: Duration,
    not: Option<u32>,
) -> Result<Vec<ChangeAnswer>, ClientError> {
    let number = node.map(|node| node.to_string());
    let names: Vec<&str> =
        number.as_deref().into_iter().chain(destinations.iter().map(|place| place.name.as_str())).collect();
    let told = any_answer(peers, ask, &names, limit, not)?;
    Ok(answers(&told, destinations))
}

fn any_answer(
    peers: &mut [Peer],
    ask: Ask,
    names: &[&str],
    limit: Duration,
    not: Option<u32>,
) -> Result<String, ClientError> {
    let mut last = ClientError::Unreachable { target: String::from("any node"), cause: String::from("there is none") };
    for peer in peers.iter_mut().filter(|peer| Some(peer.id) != not) {
        match peer.ask(ask, names, Instant::now() + limit) {
            Ok(told) => return Ok(told),
            Err(error) => last = peer.unreachable(&error),
        }
    }
    Err(last)
}

/// Reads an answer of one line for each destination.
fn answers(told: &str, destinations: &[DestinationRef]) -> Vec<ChangeAnswer> {
    let lines = told.lines().chain(std::iter::repeat("refused it was not answered"));
    destinations.iter().zip(lines).map(|(destination, line)| answer(destination.index, line)).collect()
}

fn answer(destination: u16, line: &str) -> ChangeAnswer {
    match line.trim() {
        "done" => ChangeAnswer::new(destination, ChangeOutcome::Done),
        "needless" => ChangeAnswer::new(destination, ChangeOutcome::NotNeeded),
        "none" => ChangeAnswer::new(destination, ChangeOutcome::NoMeaning),
        other => ChangeAnswer::refused(destination, other.strip_prefix("refused ").unwrap_or(other)),
    }
}

/// Another node takes `node` out of every queue; then it leaves, and the others are asked whether they know it still.
fn leave(peers: &mut [Peer], node: u32, destinations: &[DestinationRef]) -> Result<Changed, ClientError> {
    let stored = |peers: &mut [Peer]| on(peers, node, Ask::Stored, &[], ANSWER).ok()?.trim().parse::<u64>().ok();
    let before = stored(peers);
    let mut answers = by_any(peers, Ask::Shrink, Some(node), destinations, MOVE_LIMIT, Some(node))?;
    let left = on(peers, node, Ask::Leave, &[], MEMBER_LIMIT);
    let number = node.to_string();
    let known = any_answer(peers, Ask::IsMember, &[&number], ANSWER, Some(node))?;
    let failed = match left {
        Err(error) => Some(format!("node {node} did not leave: {error}")),
        Ok(_) if known.trim() != "no" => Some(format!("node {node} left, but is still known to others")),
        Ok(_) => None,
    };
    if let Some(words) = failed {
        answers = ChangeAnswer::all_refused(destinations, &words);
    }
    let wiped_bytes = before.zip(stored(peers)).map(|(before, after)| before.saturating_sub(after));
    Ok(Changed { answers, wiped_bytes })
}

/// `node` joins the cluster of another, which then gives it a copy of every queue. It may be asked for again.
///
/// # Errors
/// No other node answers.
pub(crate) fn rejoin(
    peers: &mut [Peer],
    node: u32,
    destinations: &[DestinationRef],
) -> Result<Vec<ChangeAnswer>, ClientError> {
    let Some(other) = peers.iter().map(|peer| peer.id).find(|id| *id != node) else { return Ok(Vec::new()) };
    let other = other.to_string();
    match on(peers, node, Ask::Join, &[&other], MEMBER_LIMIT) {
        Ok(told) if told.trim() == "ok" => by_any(peers, Ask::Grow, Some(node), destinations, MOVE_LIMIT, Some(node)),
        Ok(words) => Ok(ChangeAnswer::all_refused(destinations, &format!("node {node} did not join: {words}"))),
        Err(error) => Ok(ChangeAnswer::all_refused(destinations, &format!("node {node} did not join: {error}"))),
    }
}

fn on(peers: &mut [Peer], node: u32, ask: Ask, names: &[&str], limit: Duration) -> Result<String, ErlangError> {
    match peers.iter_mut().find(|peer| peer.id == node) {
        Some(peer) => peer.ask(ask, names, Instant::now() + limit),
        None => Err(ErlangError::Failed(format!("there is no node {node}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_is_answered_for() {
        let destination = |index| DestinationRef { index, name: format!("q{index}"), partition: None };
        let destinations = [destination(3), destination(4), destination(5), destination(6), destination(7)];
        let told = answers("done\nneedless\nnone\nrefused {error,timeout}\n", &destinations);
        let expected = [
            ChangeAnswer::new(3, ChangeOutcome::Done),
            ChangeAnswer::new(4, ChangeOutcome::NotNeeded),
            ChangeAnswer::new(5, ChangeOutcome::NoMeaning),
            ChangeAnswer::refused(6, "{error,timeout}"),
            ChangeAnswer::refused(7, "it was not answered"),
        ];
        assert_eq!(told, expected);
    }
}
