//! The machines that joined a run.

use std::fmt::{Debug, Formatter};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use delivery_history::WorkerMachine;

use super::link::Link;
use crate::request::JoinedMachine;

/// Machines that run the clients of a run. Dropping it ends what they run.
pub struct Joined {
    /// In the order of their client hosts.
    machines: Vec<(JoinedMachine, Arc<Link>)>,
}

impl Joined {
    pub(crate) fn new(machines: Vec<(JoinedMachine, Arc<Link>)>) -> Self {
        Self { machines }
    }

    /// Who joined, in the order of their client hosts.
    pub fn machines(&self) -> Vec<JoinedMachine> {
        self.machines.iter().map(|(machine, _)| machine.clone()).collect()
    }

    /// The machine with this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Link>> {
        self.machines.iter().map(|(_, link)| link).find(|link| link.name() == name)
    }

    /// Why nothing more comes from one of them, if so.
    pub(crate) fn gone(&self) -> Option<String> {
        self.machines.iter().find_map(|(_, link)| link.gone())
    }

    /// Has everything handed over that is left; says in `machines` what came of it.
    pub(crate) fn finish(&self, machines: &mut [WorkerMachine], logs_dir: &Path) {
        for machine in machines {
            let Some(link) = self.named(&machine.name) else { continue };
            let handed_over = link.finish();
            (machine.clock, machine.complete) = (handed_over.clock, handed_over.complete);
            for (name, text) in handed_over.logs {
                // A log that cannot be written takes nothing from what was recorded.
                let _ = fs::write(logs_dir.join(format!("{name}.log")), text);
            }
        }
    }
}

impl Debug for Joined {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.machines.iter().map(|(machine, _)| machine)).finish()
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        for (_, link) in &self.machines {
            if link.gone().is_none() {
                link.finish();
            }
        }
    }
}
