//! Impairments of the local network.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::links::{HOST_END, Links};
use super::queues::{self, LinkEnd};
use super::rules::{self, Action, Direction};
use super::tools;
use crate::network::{Counters, Cut, Impairment, ImpairmentId, Network, NetworkError};

/// The network of a [`super::LocalCluster`]; there is one for each.
pub struct LocalNetwork {
    links: Arc<Links>,
    ports: Vec<u16>,
    next: u32,
    known: BTreeMap<ImpairmentId, State>,
}

/// How an impairment stands.
enum State {
    InForce(InForce),
    /// It was taken back with these counts; nothing where they could not be read.
    Healed(Option<Counters>),
}

/// What has to be read and taken back.
enum InForce {
    /// Tables of a slot.
    Cut { slot: u32 },
    /// The same.
    Reset { slot: u32 },
    /// Disciplines on ends of links.
    Queues { ends: Vec<LinkEnd>, delays: bool },
}

impl LocalNetwork {
    pub(super) fn new(links: Arc<Links>, ports: Vec<u16>) -> Self {
        Self { links, ports, next: 0, known: BTreeMap::new() }
    }

    fn directions(&self, pairs: &[(u32, u32)]) -> Result<Vec<Direction>, String> {
        let end = |host: u32| {
            let link = self.links.hosts.get(&host).ok_or_else(|| no_host(host))?;
            Ok::<_, String>((link.port.clone(), link.address))
        };
        let direction = |(from, to): &(u32, u32)| match from == to {
            true => Err(format!("host number {from} cannot be cut from itself")),
            false => Ok(Direction { from: end(*from)?, to: end(*to)? }),
        };
        pairs.iter().map(direction).collect()
    }

    /// Both ends of the links of these hosts.
    fn ends(&self, hosts: &[u32]) -> Result<Vec<LinkEnd>, String> {
        let mut ends = Vec::with_capacity(2 * hosts.len());
        for host in hosts {
            let link = self.links.hosts.get(host).ok_or_else(|| no_host(*host))?;
            ends.push(LinkEnd { namespace: Arc::clone(&link.namespace), device: HOST_END.to_owned() });
            ends.push(LinkEnd { namespace: Arc::clone(&self.links.bridge), device: link.port.clone() });
        }
        Ok(ends)
    }

    /// A slot no impairment in force has.
    fn free_slot(&self) -> Result<u32, String> {
        let taken = |slot: &u32| {
            let in_force = |state: &State| match state {
                State::InForce(InForce::Cut { slot: other } | InForce::Reset { slot: other }) => other == slot,
                _ => false,
            };
            self.known.values().any(in_force)
        };
        let free = (0..rules::SLOTS).find(|slot| !taken(slot));
        free.ok_or_else(|| format!("{} cuts and resets are in force, and no more can be told apart", rules::SLOTS))
    }

    /// Counts what crosses between the pairs without dropping it.
    pub(crate) fn watch(&mut self, cut: &Cut) -> Result<ImpairmentId, NetworkError> {
        let set = self.set_cut(cut, Action::Watch);
        self.keep(set)
    }

    fn set_cut(&self, cut: &Cut, action: Action) -> Result<InForce, String> {
        let (directions, slot) = (self.directions(&cut.pairs)?, self.free_slot()?);
        self.nft(&rules::cut_script(slot, &directions, &self.ports, cut, action))?;
        Ok(InForce::Cut { slot })
    }

    fn set_reset(&self, pairs: &[(u32, u32)]) -> Result<InForce, String> {
        let (directions, slot) = (self.directions(pairs)?, self.free_slot()?);
        self.nft(&rules::reset_script(slot, &directions))?;
        Ok(InForce::Reset { slot })
    }

    fn set_queues(&self, hosts: &[u32], discipline: &str, delays: bool) -> Result<InForce, String> {
        let ends = self.ends(hosts)?;
        for (place, end) in ends.iter().enumerate() {
            if let Err(cause) = end.add(discipline) {
                // What was refused here was taken by the ends before.
                ends[..place].iter().for_each(|end| drop(end.remove()));
                return Err(cause);
            }
        }
        Ok(InForce::Queues { ends, delays })
    }

    fn keep(&mut self, set: Result<InForce, String>) -> Result<ImpairmentId, NetworkError> {
        let in_force = set.map_err(|cause| NetworkError { operation: "set the impairment", cause })?;
        let id = ImpairmentId(self.next);
        self.next += 1;
        self.known.insert(id, State::InForce(in_force));
        Ok(id)
    }

    fn nft(&self, script: &str) -> Result<String, String> {
        tools::nft(&self.links.bridge, &["-f", "-"], script)
    }

    fn read(&self, in_force: &InForce) -> Result<Counters, String> {
        let list = || tools::nft(&self.links.bridge, &rules::LIST_COUNTERS, "");
        match in_force {
            InForce::Cut { slot } => {
                let listed = list()?;
                let count = |name: &str| rules::parse_counter(&listed, *slot, name);
                let (dropped_packets, crossed_packets) = (count(rules::DROPPED)?, count(rules::CROSSED)?);
                Ok(Counters { dropped_packets, crossed_packets, ..Counters::default() })
            }
            InForce::Reset { slot } => {
                let listed = list()?;
                let count = |name: &str| rules::parse_counter(&listed, *slot, name);
                let (reset_packets, crossed_packets) = (count(rules::ANSWERED)?, count(rules::CROSSED)?);
                Ok(Counters { reset_packets, crossed_packets, ..Counters::default() })
            }
            InForce::Queues { ends, delays } => {
                let mut sum = Counters::default();
                for counts in ends.iter().map(LinkEnd::counts) {
                    let counts = counts?;
                    sum.dropped_packets += counts.drops;
                    sum.held_back += counts.overlimits;
                    sum.delayed_packets += if *delays { counts.packets } else { 0 };
                }
                Ok(sum)
            }
        }
    }

    fn take_back(&self, in_force: &InForce) -> Result<(), String> {
        match in_force {
            InForce::Cut { slot } => self.nft(&rules::heal_script(*slot, rules::CUT_FAMILIES)).map(drop),
            InForce::Reset { slot } => self.nft(&rules::heal_script(*slot, rules::RESET_FAMILIES)).map(drop),
            InForce::Queues { ends, .. } => {
                let removed: Vec<Result<(), String>> = ends.iter().map(LinkEnd::remove).collect();
                removed.into_iter().collect()
            }
        }
    }
}

fn no_host(host: u32) -> String {
    format!("there is no host number {host}")
}

impl Network for LocalNetwork {
    fn impair(&mut self, impairment: &Impairment) -> Result<ImpairmentId, NetworkError> {
        let set = match impairment {
            Impairment::Cut(cut) => self.set_cut(cut, Action::Drop),
            Impairment::Reset(pairs) => self.set_reset(pairs),
            Impairment::Bandwidth { hosts, kbit_per_s } => {
                self.set_queues(hosts, &queues::bandwidth(*kbit_per_s), false)
            }
            Impairment::Delay { hosts, delay_ms, jitter_ms } => {
                self.set_queues(hosts, &queues::delay(*delay_ms, *jitter_ms), true)
            }
            Impairment::Hold(_) => Err(String::from("a bridge drops what it does not let through")),
        };
        self.keep(set)
    }

    fn heal(&mut self, id: ImpairmentId) -> Result<(), NetworkError> {
        let Some(State::InForce(in_force)) = self.known.get(&id) else { return Ok(()) };
        // The evidence goes with the rules. Whoever needs it and cannot have it is told by `counters`.
        let last = self.read(in_force).ok();
        let done = self.take_back(in_force);
        done.map_err(|cause| NetworkError { operation: "take back the impairment", cause })?;
        self.known.insert(id, State::Healed(last));
        Ok(())
    }

    fn counters(&mut self, id: ImpairmentId) -> Result<Counters, NetworkError> {
        let read = match self.known.get(&id) {
            Some(State::InForce(in_force)) => self.read(in_force),
            Some(State::Healed(Some(counters))) => Ok(*counters),
            Some(State::Healed(None)) => Err(String::from("they could not be read when it was taken back")),
            None => Err(String::from("there was no such impairment")),
        };
        read.map_err(|cause| NetworkError { operation: "read the counters", cause })
    }
}
