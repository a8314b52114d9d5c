//! What each worker of a plan connects to and does, whichever driver starts it.

use std::collections::{BTreeMap, BTreeSet};

use delivery_broker::{ClientSpec, DestinationRef, LaneTopic, NodeAddress};
use delivery_history::manifest::{Destination, Group, Role, Worker, Workload};

use crate::plan::RunPlan;

impl RunPlan {
    /// The worker's entry in the manifest.
    pub fn worker(&self, worker: u16) -> &Worker {
        &self.manifest.workers[usize::from(worker)]
    }

    /// Numbers of the destinations a worker works on: those its lane's messages are sent to, or all. Nobody writes
    /// sentinels where dead letters end.
    pub fn destinations_for(&self, worker: u16) -> Vec<u16> {
        let entry = self.worker(worker);
        if let Some(group) = entry.group {
            return self.destinations_read_by(group);
        }
        let is_output = |index: &u16| self.manifest.destinations[usize::from(*index)].output_of.is_some();
        if let Some(lane) = entry.lane {
            let late = entry.role == Role::Sentinel;
            return self.destinations_of(lane).into_iter().filter(|index| is_output(index) == late).collect();
        }
        let destinations = (0u16..).zip(&self.manifest.destinations);
        let works_on = |destination: &Destination| {
            entry.role != Role::Sentinel || (destination.dead_letters_of.is_none() && destination.output_of.is_none())
        };
        destinations.filter(|(_, destination)| works_on(destination)).map(|(index, _)| index).collect()
    }

    /// What the product is asked for to make each destination that is not there from the start: the topic, and how many
    /// partitions it then has.
    pub fn growth(&self) -> BTreeMap<u16, (String, u32)> {
        let destinations = (0u16..).zip(&self.manifest.destinations).filter(|(_, destination)| destination.added);
        let asked = |destination: &Destination| (destination.name.clone(), destination.partition.unwrap_or(0) + 1);
        destinations.map(|(index, destination)| (index, asked(destination))).collect()
    }

    /// Numbers of the queues that are drained by asking them, and of those for their dead letters.
    pub fn queues(&self) -> BTreeSet<u16> {
        let destinations = (0u16..).zip(&self.manifest.destinations);
        let is_queue = |lane: u16| self.workload_of(lane) == Workload::Queue;
        destinations.filter(|(_, destination)| is_queue(destination.lane)).map(|(index, _)| index).collect()
    }

    /// Groups that read logs: number, name, and what they read.
    pub fn groups_of_logs(&self) -> Vec<(u16, String, BTreeSet<u16>)> {
        let groups = (0u16..).zip(&self.manifest.groups).filter(|(_, group)| self.reads_logs(group.lane));
        groups
            .map(|(index, group)| (index, group.name.clone(), self.destinations_read_by(index).into_iter().collect()))
            .collect()
    }

    fn reads_logs(&self, lane: u16) -> bool {
        matches!(self.workload_of(lane), Workload::Log | Workload::Transactions)
    }

    /// The worker that took this one's place first: itself where nobody was there before it.
    pub fn first_of_seat(&self, worker: u16) -> u16 {
        let mut first = worker;
        // A manifest that names a later worker as the predecessor is nobody's.
        while let Some(before) = self.worker(first).succeeds.filter(|before| *before < first) {
            first = before;
        }
        first
    }

    /// Who takes the place of a worker that a fault ended.
    pub fn successor_of(&self, worker: u16) -> Option<u16> {
        let mut workers = (0u16..).zip(&self.manifest.workers);
        workers.find(|(_, other)| other.succeeds == Some(worker)).map(|(number, _)| number)
    }

    /// Numbers of the workers with this role that start with the run.
    pub fn first_workers(&self, role: Role) -> Vec<u16> {
        self.worker_numbers(role).into_iter().filter(|worker| self.worker(*worker).succeeds.is_none()).collect()
    }

    /// The place of a worker among those of its role and lane, from 0.
    pub fn place_in_lane(&self, worker: u16) -> usize {
        let worker = self.first_of_seat(worker);
        let entry = self.worker(worker);
        let before = self.manifest.workers[..usize::from(worker)].iter();
        before.filter(|other| other.role == entry.role && other.lane == entry.lane).count()
    }

    /// Topics or queues of all lanes, with those for what comes of their messages.
    pub fn topics(&self) -> Vec<LaneTopic> {
        let lanes = (0u16..).zip(&self.lanes);
        let name = |index: &u16| self.manifest.destinations[usize::from(*index)].name.clone();
        lanes
            .flat_map(|(index, lane)| {
                let first = self.destinations_of(index).first().map_or_else(String::new, name);
                let output = self.outputs_of(index).values().next().map(name);
                let topic = LaneTopic {
                    name: first,
                    partitions: lane.partitions,
                    dead_letters: self.dead_letters_of(index),
                    config: lane.lane.config.clone(),
                };
                let output = output.map(|name| LaneTopic { name, dead_letters: None, ..topic.clone() });
                std::iter::once(topic).chain(output)
            })
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
            seat: self.worker(self.first_of_seat(worker)).name.clone(),
            run_tag: self.run_tag,
            nodes,
            controllers: Vec::new(),
            destinations: self.destinations_for(worker).into_iter().map(destination).collect(),
            config: entry.lane.map(|lane| manifest.lanes[usize::from(lane)].config.clone()).unwrap_or_default(),
            group: entry.group.map(|group| manifest.groups[usize::from(group)].name.clone()),
            outputs: self.outputs_for(worker).into_iter().map(destination).collect(),
            read_uncommitted: entry
                .group
                .map(|group| &manifest.groups[usize::from(group)])
                .filter(|group| group.reads_outputs)
                .map(|group| group.read_uncommitted),
            access: None,
        }
    }

    /// Where what a worker makes of what it reads goes; everybody's, for the observer.
    fn outputs_for(&self, worker: u16) -> Vec<u16> {
        let entry = self.worker(worker);
        let lanes = (0u16..).zip(&self.manifest.lanes).map(|(lane, _)| lane);
        let mine = |lane: &u16| match entry.role {
            Role::Observer => true,
            Role::Producer => entry.group.is_some() && entry.lane == Some(*lane),
            _ => false,
        };
        lanes.filter(mine).flat_map(|lane| self.outputs_of(lane).into_values()).collect()
    }

    /// The worker that writes the sentinels of a lane's outputs.
    pub fn output_sentinel_of(&self, lane: u16) -> Option<u16> {
        let mut sentinels = self.worker_numbers(Role::Sentinel).into_iter();
        sentinels.find(|worker| self.worker(*worker).lane == Some(lane))
    }

    /// A producer's share of its lane's rate, messages a second.
    pub fn rate_for(&self, producer: u16) -> f64 {
        let lane = self.worker(producer).lane;
        let peers = self
            .manifest
            .workers
            .iter()
            .filter(|other| other.role == Role::Producer && other.lane == lane && other.group.is_none())
            .filter(|other| other.succeeds.is_none());
        f64::from(self.manifest.rate_per_s) / peers.count().max(1) as f64
    }

    /// Whose sentinels a consumer must have read in each of its destinations to be drained.
    pub fn sentinels_for(&self, consumer: u16) -> BTreeMap<u16, BTreeSet<u16>> {
        let writers = |destination: u16| -> BTreeSet<u16> {
            let all = self.worker_numbers(Role::Sentinel).into_iter();
            all.filter(|writer| self.destinations_for(*writer).contains(&destination)).collect()
        };
        let destinations = self.destinations_for(consumer).into_iter();
        destinations.map(|destination| (destination, writers(destination))).collect()
    }

    /// Numbers of the workers that read as members of a group.
    fn members_of(&self, group: u16) -> Vec<u16> {
        let workers = (0u16..).zip(&self.manifest.workers);
        workers.filter(|(_, worker)| worker.group == Some(group)).map(|(number, _)| number).collect()
    }

    /// Whether the members of each group that reads logs have shared its destinations out among themselves: each read by
    /// one of them, and as many of them reading as can. Before that a rebalance is still to come.
    pub fn every_log_is_shared_out(&self, positioned: &BTreeMap<u16, BTreeSet<u16>>) -> bool {
        let mut groups = (0u16..).zip(&self.manifest.groups).filter(|(_, group)| self.reads_logs(group.lane));
        groups.all(|(index, _)| {
            let mut members = self.members_of(index);
            members.retain(|member| self.worker(*member).succeeds.is_none());
            let held: Vec<usize> =
                members.iter().filter_map(|member| positioned.get(member)).map(BTreeSet::len).collect();
            let added = |place: &u16| self.manifest.destinations[usize::from(*place)].added;
            let places = self.destinations_read_by(index).iter().filter(|place| !added(place)).count();
            held.iter().sum::<usize>() == places
                && held.iter().filter(|count| **count > 0).count() == members.len().min(places)
        })
    }

    /// Whether the members of each group that still has a live one have, together, reached all of
    /// its destinations that are owed; of groups for which `counts` says so.
    pub fn every_live_group(
        &self,
        reached: &BTreeMap<u16, BTreeSet<u16>>,
        counts: impl Fn(&Group) -> bool,
        is_owed: impl Fn(u16) -> bool,
        is_alive: impl Fn(u16) -> bool,
    ) -> bool {
        let mut groups = (0u16..).zip(&self.manifest.groups).filter(|(_, group)| counts(group));
        groups.all(|(index, _)| {
            let members = self.members_of(index);
            let got: BTreeSet<u16> =
                members.iter().filter_map(|member| reached.get(member)).flatten().copied().collect();
            let owed = self.destinations_read_by(index).into_iter().filter(|destination| is_owed(*destination));
            let owed: Vec<u16> = owed.collect();
            !members.iter().copied().any(&is_alive) || owed.iter().all(|destination| got.contains(destination))
        })
    }
}
