//! Whose clocks can be compared, and how well. Clients of one machine share its clock; those of machines that joined a
//! run were brought to the runner's, and may be off by what was measured. Order is judged only where one clock can order,
//! or where times are further apart than the clocks can be.

use delivery_history::manifest::RunManifest;

/// A worker and a time it recorded, nanoseconds.
pub(crate) type Moment = (u16, u64);

/// The clocks of a history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clocks {
    /// By worker: the machine that joined with it, if it is on one. Empty where there is only one clock.
    machine_of: Vec<Option<u16>>,
    /// By machine: how far its times may be off, nanoseconds.
    error_ns: Vec<u64>,
}

impl Clocks {
    pub(crate) fn read(manifest: &RunManifest) -> Self {
        if manifest.machines.is_empty() {
            return Self::default();
        }
        let place = |host: u32| manifest.machines.iter().position(|machine| machine.host == host);
        let machine_of = |host: u32| place(host).and_then(|place| u16::try_from(place).ok());
        Self {
            machine_of: manifest.workers.iter().map(|worker| machine_of(worker.host)).collect(),
            error_ns: manifest.machines.iter().map(|machine| machine.error_ns()).collect(),
        }
    }

    fn machine(&self, worker: u16) -> Option<u16> {
        self.machine_of.get(usize::from(worker)).copied().flatten()
    }

    fn error_ns(&self, machine: Option<u16>) -> u64 {
        machine.and_then(|machine| self.error_ns.get(usize::from(machine)).copied()).unwrap_or(0)
    }

    /// How far apart two times of these workers must be for their order to be certain, nanoseconds.
    pub(crate) fn slack_ns(&self, one: u16, other: u16) -> u64 {
        let (one, other) = (self.machine(one), self.machine(other));
        if one == other { 0 } else { self.error_ns(one).saturating_add(self.error_ns(other)) }
    }

    /// Whether one moment certainly came before another.
    pub(crate) fn is_before(&self, one: Moment, other: Moment) -> bool {
        one.1.saturating_add(self.slack_ns(one.0, other.0)) < other.1
    }

    /// Whether all of them recorded by one clock.
    pub(crate) fn is_one_for(&self, workers: &[u16]) -> bool {
        workers.windows(2).all(|pair| self.machine(pair[0]) == self.machine(pair[1]))
    }

    /// The workers, those of one clock together.
    pub(crate) fn groups(&self, workers: &[u16]) -> Vec<Vec<u16>> {
        let mut groups: Vec<Vec<u16>> = Vec::new();
        for worker in workers {
            match groups.iter_mut().find(|group| self.machine(group[0]) == self.machine(*worker)) {
                Some(group) => group.push(*worker),
                None => groups.push(vec![*worker]),
            }
        }
        groups
    }
}
