//! Impairments of the network between containers.

use std::collections::BTreeMap;
use std::sync::Arc;

use delivery_cluster::local::rules::{ANSWERED, CROSSED, DROPPED, LIST_COUNTERS, SLOTS, heal_script, parse_counter};
use delivery_cluster::network::{Counters, Cut, Impairment, ImpairmentId, Network, NetworkError};

use crate::hosts::Hosts;
use crate::protocol::Task;
use crate::rules::{self, FAMILIES, Sender};

/// The network of a cluster of containers; there is one for each.
pub struct DockerNetwork {
    hosts: Arc<Hosts>,
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
struct InForce {
    slot: u32,
    /// The hosts that have its tables.
    receivers: Vec<u32>,
    /// Its packets are answered, not dropped.
    answers: bool,
}

impl DockerNetwork {
    pub(crate) fn new(hosts: Arc<Hosts>, ports: Vec<u16>) -> Self {
        Self { hosts, ports, next: 0, known: BTreeMap::new() }
    }

    /// Who sends what is not to come through, by who would receive it.
    fn senders(&self, pairs: &[(u32, u32)]) -> Result<BTreeMap<u32, Vec<Sender>>, String> {
        let find = |host: u32| self.hosts.get(&host).ok_or_else(|| format!("there is no host number {host}"));
        let mut senders: BTreeMap<u32, Vec<Sender>> = BTreeMap::new();
        for (from, to) in pairs {
            if from == to {
                return Err(format!("host number {from} cannot be cut from itself"));
            }
            let (sender, _) = (find(*from)?, find(*to)?);
            let sender = Sender { address: sender.address, mac: sender.mac.clone() };
            senders.entry(*to).or_default().push(sender);
        }
        Ok(senders)
    }

    /// A slot no impairment in force has.
    fn free_slot(&self) -> Result<u32, String> {
        let taken = |slot: &u32| {
            let has_it = |state: &State| matches!(state, State::InForce(in_force) if in_force.slot == *slot);
            self.known.values().any(has_it)
        };
        let free = (0..SLOTS).find(|slot| !taken(slot));
        free.ok_or_else(|| format!("{SLOTS} cuts and resets are in force, and no more can be told apart"))
    }

    /// Gives every receiver its script, all at once; none has one where one refuses.
    fn set(
        &self,
        pairs: &[(u32, u32)],
        answers: bool,
        script: impl Fn(u32, &[Sender]) -> String,
    ) -> Result<InForce, String> {
        let (senders, slot) = (self.senders(pairs)?, self.free_slot()?);
        let scripts: Vec<(u32, String)> = senders.iter().map(|(to, from)| (*to, script(slot, from))).collect();
        let outcomes = self.nft_each(&scripts);
        let set: Vec<u32> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(host, _)| *host).collect();
        let refused = outcomes.into_iter().find_map(|(_, outcome)| outcome.err());
        let in_force = InForce { slot, receivers: set, answers };
        match refused {
            None => Ok(in_force),
            Some(cause) => {
                // What was refused at one host was taken by the others.
                let _ = self.take_back(&in_force);
                Err(cause)
            }
        }
    }

    fn nft_each(&self, scripts: &[(u32, String)]) -> Vec<(u32, Result<String, String>)> {
        let begin = |(host, script): &(u32, String)| {
            let arguments = ["-f", "-"].map(str::to_owned).to_vec();
            (*host, self.hosts[host].link.begin(Task::Nft { arguments, input: script.clone() }))
        };
        let begun: Vec<_> = scripts.iter().map(begin).collect();
        begun.into_iter().map(|(host, asked)| (host, asked.wait())).collect()
    }

    fn read(&self, in_force: &InForce) -> Result<Counters, String> {
        let arguments = LIST_COUNTERS.map(str::to_owned).to_vec();
        let list = Task::Nft { arguments, input: String::new() };
        let begun: Vec<_> = in_force.receivers.iter().map(|host| self.hosts[host].link.begin(list.clone())).collect();
        let mut sum = Counters::default();
        for asked in begun {
            let listed = asked.wait()?;
            let count = |name: &str| parse_counter(&listed, in_force.slot, name);
            sum.crossed_packets += count(CROSSED)?;
            if in_force.answers {
                sum.reset_packets += count(ANSWERED)?;
            } else {
                sum.dropped_packets += count(DROPPED)?;
            }
        }
        Ok(sum)
    }

    fn take_back(&self, in_force: &InForce) -> Result<(), String> {
        let script = heal_script(in_force.slot, FAMILIES);
        let scripts: Vec<_> = in_force.receivers.iter().map(|host| (*host, script.clone())).collect();
        self.nft_each(&scripts).into_iter().try_for_each(|(_, outcome)| outcome.map(drop))
    }

    fn set_cut(&self, cut: &Cut) -> Result<InForce, String> {
        self.set(&cut.pairs, false, |slot, senders| rules::cut_script(slot, senders, &self.ports, cut))
    }
}

impl Network for DockerNetwork {
    fn impair(&mut self, impairment: &Impairment) -> Result<ImpairmentId, NetworkError> {
        let set = match impairment {
            Impairment::Cut(cut) => self.set_cut(cut),
            Impairment::Reset(pairs) => self.set(pairs, true, rules::reset_script),
            Impairment::Hold(_) => Err(String::from("an engine's bridge drops what it does not let through")),
            Impairment::Bandwidth { .. } | Impairment::Delay { .. } => {
                Err(String::from("containers have no queue for what they hear: use --backend local"))
            }
        };
        let in_force = set.map_err(|cause| NetworkError { operation: "set the impairment", cause })?;
        let id = ImpairmentId(self.next);
        self.next += 1;
        self.known.insert(id, State::InForce(in_force));
        Ok(id)
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
