//! Cuts on the local network.

use std::sync::Arc;

use super::links::Links;
use super::rules::{self, Action, Direction};
use super::tools;
use crate::network::{Counters, Cut, Network, NetworkError};

/// The network of a [`super::LocalCluster`].
pub struct LocalNetwork {
    links: Arc<Links>,
    ports: Vec<u16>,
    state: State,
}

/// What the counters belong to.
enum State {
    /// No cut so far.
    Whole,
    /// A cut is in force.
    Cut,
    /// The last cut was taken back with these counts.
    Healed(Counters),
}

impl LocalNetwork {
    pub(super) fn new(links: Arc<Links>, ports: Vec<u16>) -> Self {
        Self { links, ports, state: State::Whole }
    }

    fn directions(&self, cut: &Cut) -> Result<Vec<Direction>, String> {
        let end = |host: u32| {
            let link = self.links.hosts.get(&host).ok_or_else(|| format!("there is no host number {host}"))?;
            Ok::<_, String>((link.port.clone(), link.address))
        };
        cut.pairs
            .iter()
            .map(|(from, to)| {
                if from == to {
                    return Err(format!("host number {from} cannot be cut from itself"));
                }
                Ok(Direction { from: end(*from)?, to: end(*to)? })
            })
            .collect()
    }

    /// Counts what crosses between the pairs without dropping it.
    pub(crate) fn watch(&mut self, cut: &Cut) -> Result<(), NetworkError> {
        self.set(cut, Action::Watch)
    }

    fn set(&mut self, cut: &Cut, action: Action) -> Result<(), NetworkError> {
        let set = |directions: Vec<Direction>| {
            let script = rules::cut_script(&directions, &self.ports, cut, action);
            tools::nft(&self.links.bridge, &["-f", "-"], &script)
        };
        let done = self.directions(cut).and_then(set);
        done.map_err(|cause| NetworkError { operation: "set the cut", cause })?;
        self.state = State::Cut;
        Ok(())
    }

    fn read(&self) -> Result<Counters, String> {
        rules::parse_counters(&tools::nft(&self.links.bridge, &rules::LIST_COUNTERS, "")?)
    }
}

impl Network for LocalNetwork {
    fn cut(&mut self, cut: &Cut) -> Result<(), NetworkError> {
        self.set(cut, Action::Drop)
    }

    fn heal(&mut self) -> Result<(), NetworkError> {
        if !matches!(self.state, State::Cut) {
            return Ok(());
        }
        // The evidence goes with the table. Whoever needs it and cannot have it is told by `counters`.
        let last = self.read();
        let done = tools::nft(&self.links.bridge, &["-f", "-"], &rules::heal_script());
        done.map_err(|cause| NetworkError { operation: "take back the cut", cause })?;
        self.state = last.map_or(State::Whole, State::Healed);
        Ok(())
    }

    /// After a heal these are the counts the cut ended with.
    fn counters(&mut self) -> Result<Counters, NetworkError> {
        let read = match &self.state {
            State::Cut => self.read(),
            State::Healed(counters) => Ok(*counters),
            State::Whole => Err(String::from("no cut was in force whose counters could be read")),
        };
        read.map_err(|cause| NetworkError { operation: "read the counters", cause })
    }
}
