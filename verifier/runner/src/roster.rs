//! What each worker of a plan connects to and does, whichever driver starts it.

use std::collections::{BTreeMap, BTreeSet};

use delivery_broker::{ClientSpec, DestinationRef, NodeAddress};
use delivery_history::manifest::{Role, Worker};

use crate::plan::RunPlan;

impl RunPlan {
    /// The worker's entry in the manifest.
    pub fn worker(&self, worker: u16) -> &Worker {
        &self.manifest.workers[usize::from(worker)]
    }

    /// Numbers of the destinations a worker works on: its lane's, or all.
    pub fn destinations_for(&self, worker: u16) -> Vec<u16> {
        let lane = self.worker(worker).lane;
        let destinations = (0u16..).zip(&self.manifest.destinations);
        destinations
            .filter(|(_, destination)| lane.is_none_or(|lane| destination.lane == lane))
            .map(|(index, _)| index)
            .collect()
    }

    /// How a worker connects to `nodes`.
    pub fn client_spec(&self, worker: u16, nodes: Vec<NodeAddress>) -> ClientSpec {
        let (manifest, entry) = (&self.manifest, self.worker(worker));
        let destination = |index: u16| {
            let destination = &manifest.destinations[usize::from(index)];
            DestinationRef { index, name: destination.name.clone(), partition: destination.partition }
        };
        ClientSpec {
            client_name: entry.name.clone(),
            run_tag: self.run_tag,
            nodes,
            destinations: self.destinations_for(worker).into_iter().map(destination).collect(),
            config: entry.lane.map(|lane| manifest.lanes[usize::from(lane)].config.clone()).unwrap_or_default(),
            group: entry.group.map(|group| manifest.groups[usize::from(group)].name.clone()),
        }
    }

    /// A producer's share of its lane's rate, messages a second.
    pub fn rate_for(&self, producer: u16) -> f64 {
        let lane = self.worker(producer).lane;
        let peers = self.manifest.workers.iter().filter(|other| other.role == Role::Producer && other.lane == lane);
        f64::from(self.manifest.rate_per_s) / peers.count().max(1) as f64
    }

    /// Whose sentinels a consumer must have read in each of its destinations to be drained.
    pub fn sentinels_for(&self, consumer: u16) -> BTreeMap<u16, BTreeSet<u16>> {
        let writers: BTreeSet<u16> = self.worker_numbers(Role::Sentinel).into_iter().collect();
        self.destinations_for(consumer).into_iter().map(|destination| (destination, writers.clone())).collect()
    }

    /// Whether the members of each group that still has a live one have, together, reached all of
    /// its destinations.
    pub fn every_live_group(&self, reached: &BTreeMap<u16, BTreeSet<u16>>, is_alive: impl Fn(u16) -> bool) -> bool {
        let consumers = self.worker_numbers(Role::Consumer);
        (0u16..).zip(&self.manifest.groups).all(|(index, group)| {
            let members = || consumers.iter().copied().filter(|member| self.worker(*member).group == Some(index));
            let got: BTreeSet<u16> = members().filter_map(|member| reached.get(&member)).flatten().copied().collect();
            let owed = self.destinations_of(group.lane);
            !members().any(&is_alive) || owed.iter().all(|destination| got.contains(destination))
        })
    }
}
