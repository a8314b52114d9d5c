//! By which clock each broker goes: it stamps what it appends.

use std::time::{Instant, SystemTime};

use delivery_broker::Observation;
use delivery_broker::observe::ahead_ms;

use crate::peers::Peer;
use crate::wire::{NewTopic, append_time_ms};

/// A topic of one replica for each broker, which stamps messages with the broker's own clock.
pub(crate) fn clock_topics(nodes: &[u32]) -> Vec<NewTopic> {
    let config = vec![(String::from("message.timestamp.type"), String::from("LogAppendTime"))];
    let topic = |node: &u32| NewTopic {
        name: clock_topic(*node),
        partitions: 1,
        replicas: vec![*node],
        config: [config.clone(), vec![(String::from("min.insync.replicas"), String::from("1"))]].concat(),
    };
    nodes.iter().map(topic).collect()
}

fn clock_topic(node: u32) -> String {
    format!("verify.clock.{node}")
}

/// How far the clock of a broker is ahead of ours; nothing where it does not say.
pub(crate) fn ask_clock(peer: &mut Peer, deadline: Instant) -> Option<Observation> {
    let asked = SystemTime::now();
    let stamped_ms = append_time_ms(&mut peer.broker, &clock_topic(peer.id), deadline).ok()?;
    Some(Observation::Clock { node: peer.id, ahead_ms: ahead_ms(stamped_ms, asked)? })
}
