//! Hosts of a simulation as processes: killed, started again, made to stand still.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use delivery_history::event::ProcessState;
use turmoil::Sim;

use crate::processes::{Blow, Dropped, ProcessError, Processes, Whose};
use crate::simulated::links::Blocks;
use crate::simulated::pausable::Pause;

/// Is told the number of a host whose software was killed just now.
pub type WhenCrashed = Rc<dyn Fn(u32)>;

/// The software of each host of a [`SimulatedCluster`](crate::simulated::SimulatedCluster).
pub struct SimulatedProcesses {
    sim: Rc<RefCell<Sim<'static>>>,
    started: BTreeMap<u32, IpAddr>,
    blocks: Rc<RefCell<Blocks>>,
    pauses: BTreeMap<u32, Pause>,
    /// Hosts whose links are down because they are.
    down: BTreeSet<u32>,
    when_crashed: WhenCrashed,
}

impl SimulatedProcesses {
    pub(crate) fn new(
        sim: Rc<RefCell<Sim<'static>>>,
        started: BTreeMap<u32, IpAddr>,
        blocks: Rc<RefCell<Blocks>>,
        pauses: BTreeMap<u32, Pause>,
        when_crashed: WhenCrashed,
    ) -> Self {
        Self { sim, started, blocks, pauses, down: BTreeSet::new(), when_crashed }
    }

    /// The host and its address; clients live on hosts and are none of their own.
    fn host(&self, operation: &'static str, whose: Whose) -> Result<(u32, IpAddr), ProcessError> {
        let known = match whose {
            Whose::Node(id) => self.started.get(&id).map(|address| (id, *address)),
            Whose::Client(_) => None,
        };
        let cause = || String::from("the simulation has no such host (clients share the fate of their node)");
        known.ok_or_else(|| ProcessError { operation, whose: name(whose), cause: cause() })
    }

    fn is_running(&self, address: IpAddr) -> bool {
        self.sim.borrow_mut().is_host_running(address)
    }

    /// Its links go down first: turmoil ends connections of a crashed host politely, which no crash does.
    fn kill(&mut self, id: u32, address: IpAddr) {
        {
            let (mut sim, mut blocks) = (self.sim.borrow_mut(), self.blocks.borrow_mut());
            for other in self.started.values().filter(|other| **other != address) {
                blocks.block(&sim, address, *other);
                blocks.block(&sim, *other, address);
            }
            sim.crash(address);
        }
        self.down.insert(id);
        if let Some(pause) = self.pauses.get(&id) {
            pause.go_on();
        }
        (self.when_crashed)(id);
    }
}

fn name(whose: Whose) -> String {
    match whose {
        Whose::Node(id) => format!("node {id}"),
        Whose::Client(worker) => format!("client {worker}"),
    }
}

impl Processes for SimulatedProcesses {
    fn strike(&mut self, whose: Whose, blow: Blow) -> Result<(), ProcessError> {
        let (id, address) = self.host("strike", whose)?;
        let failed =
            |cause: &str| Err(ProcessError { operation: "strike", whose: name(whose), cause: cause.to_owned() });
        if blow != Blow::Continue && !self.is_running(address) {
            return failed("it does not run");
        }
        let pause = self.pauses.get(&id);
        match (blow, pause) {
            (Blow::Kill, _) => self.kill(id, address),
            (Blow::Terminate, _) => return failed("simulated software has no orderly end; kill it"),
            (Blow::PowerLoss, _) => return failed("simulated software stores nothing; kill it"),
            (Blow::Stop, Some(pause)) => pause.stop(),
            (Blow::Continue, Some(pause)) => pause.go_on(),
            (Blow::Stop | Blow::Continue, None) => return failed("it cannot be made to stand still"),
        }
        Ok(())
    }

    fn start_again(&mut self, whose: Whose) -> Result<(), ProcessError> {
        let (id, address) = self.host("start", whose)?;
        if !self.down.remove(&id) {
            let cause = String::from("it runs");
            return Err(ProcessError { operation: "start", whose: name(whose), cause });
        }
        let (mut sim, mut blocks) = (self.sim.borrow_mut(), self.blocks.borrow_mut());
        for other in self.started.values().filter(|other| **other != address) {
            blocks.unblock(&sim, address, *other);
            blocks.unblock(&sim, *other, address);
        }
        sim.bounce(address);
        Ok(())
    }

    /// Nothing is stored, so nothing is dropped.
    fn dropped(&mut self, _whose: Whose) -> Option<Dropped> {
        None
    }

    /// As the simulation itself says; that a host stands still is known to its switch only.
    fn state(&mut self, whose: Whose) -> ProcessState {
        let Ok((id, address)) = self.host("look at", whose) else { return ProcessState::Gone };
        if !self.is_running(address) {
            return ProcessState::Gone;
        }
        match self.pauses.get(&id).is_some_and(Pause::is_on) {
            true => ProcessState::Stopped,
            false => ProcessState::Running,
        }
    }
}
