//! Who holds which role, by the latest observations.

use std::collections::BTreeMap;

use delivery_broker::Observation;

/// Client hosts have numbers from here, nodes below.
pub(crate) const FIRST_CLIENT_HOST: u32 = 101;

/// The cluster as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// Node numbers.
    pub nodes: Vec<u32>,
    /// Nodes that keep the cluster's metadata and serve no client; where there are none, the others do.
    pub controllers: Vec<u32>,
    /// Client hosts that faults may cut, in order.
    pub client_hosts: Vec<u32>,
    /// TCP ports over which replicas copy, where nothing else goes over them; none where they share one with the rest.
    pub replication_ports: Vec<u16>,
    /// The product has no leaders: every node is alike (a bus without a log).
    pub leaderless: bool,
    /// Leader of each destination: the newest epoch any node told of.
    leaders: BTreeMap<u16, (u32, u32)>,
    /// In-sync replicas of each destination, by who said so, as node bits.
    in_sync: BTreeMap<(u16, u32), u32>,
    /// The active controller with its epoch: the newest any node told of.
    controller: Option<(u32, u32)>,
    /// In-sync replicas of each destination, as last told: node bits.
    pub last_in_sync: BTreeMap<u16, u32>,
    /// Coordinator of each group, as last told.
    coordinators: BTreeMap<u16, u32>,
}

impl ClusterView {
    /// A cluster of which nothing has been seen yet.
    pub fn new(nodes: Vec<u32>, client_hosts: Vec<u32>, leaderless: bool) -> Self {
        Self { nodes, client_hosts, leaderless, ..Self::default() }
    }

    /// Takes an observation in.
    pub fn see(&mut self, observation: &Observation) {
        match *observation {
            Observation::Leader { destination, leader: Some(leader), epoch, .. } => {
                let known = self.leaders.entry(destination).or_insert((epoch, leader));
                if epoch >= known.0 {
                    *known = (epoch, leader);
                }
            }
            Observation::Controller { controller: Some(controller), epoch, .. }
                if self.controller.is_none_or(|(known, _)| epoch >= known) =>
            {
                self.controller = Some((epoch, controller));
            }
            Observation::Isr { node, destination, isr_bits } => {
                self.in_sync.insert((destination, node), isr_bits);
                self.last_in_sync.insert(destination, isr_bits);
            }
            Observation::Coordinator { group, coordinator: Some(coordinator), .. } => {
                self.coordinators.insert(group, coordinator);
            }
            _ => {}
        }
    }

    /// The node that leads most of the lanes' destinations; of a leaderless product its first node.
    pub fn lane_leader(&self) -> Option<u32> {
        if self.leaderless {
            return self.nodes.first().copied();
        }
        most_named(self.leaders.values().map(|(_, leader)| *leader))
    }

    /// The active controller, where the product has one.
    pub fn controller(&self) -> Option<u32> {
        self.controller.map(|(_, controller)| controller)
    }

    /// The node that coordinates most of the lanes' groups, where the product has such.
    pub fn coordinator(&self) -> Option<u32> {
        most_named(self.coordinators.values().copied())
    }

    /// The node after `leader`, in the order of their numbers and from the last to the first, that is in sync for most of
    /// what `leader` leads, by its own word.
    pub fn next_in_sync(&self, leader: u32) -> Option<u32> {
        let led = self.leaders.iter().filter(|(_, (_, known))| *known == leader).map(|(destination, _)| *destination);
        let said: Vec<u32> = led.filter_map(|destination| self.in_sync.get(&(destination, leader)).copied()).collect();
        let in_sync = |node: u32| said.iter().filter(|bits| node < u32::BITS && *bits & 1 << node != 0).count();
        let after = self.nodes.iter().filter(|node| **node > leader);
        let ring = after.chain(self.nodes.iter().filter(|node| **node < leader)).copied();
        let most = ring.clone().map(in_sync).max().filter(|most| *most > 0)?;
        ring.into_iter().find(|node| in_sync(*node) == most)
    }

    /// A node that does not lead the lanes; the last of them, and the controller only where no other is left.
    pub fn follower(&self) -> Option<u32> {
        let leader = self.lane_leader()?;
        let followers = || self.nodes.iter().rev().copied().filter(|node| *node != leader);
        followers().find(|node| Some(*node) != self.controller()).or_else(|| followers().next())
    }
}

/// Who is named most often; the lowest number where several are.
fn most_named(names: impl Iterator<Item = u32>) -> Option<u32> {
    let mut named: BTreeMap<u32, usize> = BTreeMap::new();
    for name in names {
        *named.entry(name).or_default() += 1;
    }
    named.into_iter().max_by_key(|(node, count)| (*count, std::cmp::Reverse(*node))).map(|(node, _)| node)
}
