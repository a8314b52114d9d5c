//! Who holds which role, by the latest observations.

use std::collections::BTreeMap;

use delivery_broker::Observation;

/// The cluster as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// Node numbers.
    pub nodes: Vec<u32>,
    /// Client hosts that faults may cut, in order.
    pub client_hosts: Vec<u32>,
    /// The product has no leaders: every node is alike (a bus without a log).
    pub leaderless: bool,
    /// Leader of each destination: the newest epoch any node told of.
    leaders: BTreeMap<u16, (u32, u32)>,
}

impl ClusterView {
    /// A cluster of which nothing has been seen yet.
    pub fn new(nodes: Vec<u32>, client_hosts: Vec<u32>, leaderless: bool) -> Self {
        Self { nodes, client_hosts, leaderless, leaders: BTreeMap::new() }
    }

    /// Takes an observation in.
    pub fn see(&mut self, observation: &Observation) {
        if let Observation::Leader { destination, leader: Some(leader), epoch, .. } = *observation {
            let known = self.leaders.entry(destination).or_insert((epoch, leader));
            if epoch >= known.0 {
                *known = (epoch, leader);
            }
        }
    }

    /// The node that leads most of the lanes' destinations; of a leaderless product its first node.
    pub fn lane_leader(&self) -> Option<u32> {
        if self.leaderless {
            return self.nodes.first().copied();
        }
        let mut led: BTreeMap<u32, usize> = BTreeMap::new();
        for (_, leader) in self.leaders.values() {
            *led.entry(*leader).or_default() += 1;
        }
        led.into_iter().max_by_key(|(node, count)| (*count, std::cmp::Reverse(*node))).map(|(node, _)| node)
    }
}
