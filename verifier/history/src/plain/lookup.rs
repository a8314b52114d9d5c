//! The names of an exported run, both ways. A name that stands for two things stands for neither: those are written as
//! their numbers.

use std::collections::HashMap;
use std::hash::Hash;

use super::number::NameOrNumber;
use crate::manifest::{Destination, RunManifest, first_session, worker_of_session};

/// Every name of a manifest.
pub(crate) struct Lookup<'m> {
    pub(crate) manifest: &'m RunManifest,
    workers: HashMap<&'m str, u16>,
    destinations: HashMap<String, u16>,
    hosts: HashMap<&'m str, u32>,
    host_names: HashMap<u32, &'m str>,
}

impl<'m> Lookup<'m> {
    pub(crate) fn new(manifest: &'m RunManifest) -> Self {
        let hosts = || manifest.nodes.iter().chain(&manifest.client_hosts);
        Self {
            manifest,
            workers: unique((0u16..).zip(&manifest.workers).map(|(number, worker)| (worker.name.as_str(), number))),
            destinations: unique((0u16..).zip(&manifest.destinations).map(|(number, one)| (full_name(one), number))),
            hosts: unique(hosts().map(|host| (host.name.as_str(), host.id))),
            host_names: unique(hosts().map(|host| (host.id, host.name.as_str()))),
        }
    }

    pub(crate) fn worker(&self, number: u16) -> NameOrNumber<'m> {
        let name = self.manifest.workers.get(usize::from(number)).map(|worker| worker.name.as_str());
        let name = name.filter(|name| self.workers.get(name) == Some(&number));
        name.map_or(NameOrNumber::Number(u64::from(number)), |name| NameOrNumber::Name(name.into()))
    }

    pub(crate) fn worker_number(&self, worker: &NameOrNumber<'_>) -> Option<u16> {
        match worker {
            NameOrNumber::Name(name) => self.workers.get(&**name).copied(),
            NameOrNumber::Number(number) => u16::try_from(*number).ok(),
        }
    }

    pub(crate) fn destination(&self, number: u16) -> NameOrNumber<'static> {
        let name = self.manifest.destinations.get(usize::from(number)).map(full_name);
        let name = name.filter(|name| self.destinations.get(name) == Some(&number));
        name.map_or(NameOrNumber::Number(u64::from(number)), |name| NameOrNumber::Name(name.into()))
    }

    pub(crate) fn destination_number(&self, destination: &NameOrNumber<'_>) -> Option<u16> {
        match destination {
            NameOrNumber::Name(name) => self.destinations.get(&**name).copied(),
            NameOrNumber::Number(number) => u16::try_from(*number).ok(),
        }
    }

    pub(crate) fn host(&self, id: u32) -> NameOrNumber<'m> {
        let name = self.host_names.get(&id).filter(|name| self.hosts.get(*name) == Some(&id));
        name.map_or(NameOrNumber::Number(u64::from(id)), |name| NameOrNumber::Name((*name).into()))
    }

    pub(crate) fn host_id(&self, host: &NameOrNumber<'_>) -> Option<u32> {
        match host {
            NameOrNumber::Name(name) => self.hosts.get(&**name).copied(),
            NameOrNumber::Number(number) => u32::try_from(*number).ok(),
        }
    }

    /// `producer/sequence`, or `producer#session/sequence` for a later session; nothing where no worker has that name.
    pub(crate) fn message(&self, session: u32, sequence: u32) -> Option<String> {
        let NameOrNumber::Name(worker) = self.worker(worker_of_session(session)) else { return None };
        let name = match session & 0xffff {
            0 => format!("{worker}/{sequence}"),
            later => format!("{worker}#{later}/{sequence}"),
        };
        (self.message_number(&name) == Some((session, sequence))).then_some(name)
    }

    /// Session and sequence of a message by its name.
    pub(crate) fn message_number(&self, name: &str) -> Option<(u32, u32)> {
        let (producer, sequence) = name.rsplit_once('/')?;
        let sequence = sequence.parse().ok()?;
        let session = |worker: &str, later: u16| Some(first_session(*self.workers.get(worker)?) + u32::from(later));
        let later = producer.rsplit_once('#').and_then(|(worker, later)| session(worker, later.parse().ok()?));
        Some((session(producer, 0).or(later)?, sequence))
    }
}

/// `topic-0` for a partition.
pub(crate) fn full_name(destination: &Destination) -> String {
    match destination.partition {
        Some(partition) => format!("{}-{partition}", destination.name),
        None => destination.name.clone(),
    }
}

/// Pairs whose first part stands there once.
fn unique<K: Eq + Hash, V>(pairs: impl Iterator<Item = (K, V)>) -> HashMap<K, V> {
    let mut times: HashMap<K, (u32, V)> = HashMap::new();
    for (key, value) in pairs {
        times.entry(key).and_modify(|(times, _)| *times += 1).or_insert((1, value));
    }
    times.into_iter().filter(|(_, (times, _))| *times == 1).map(|(key, (_, value))| (key, value)).collect()
}
