//! Carries out the machine's actions in a simulation: one step, one tick.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use delivery_broker::{NodeAddress, Observation, SimulatedLane, SimulatedPlan, SimulatedSystem};
use delivery_cluster::simulated::{SimulatedCluster, SimulationError, host_now_ns};
use delivery_faults::{Ground, SharedNetwork};
use delivery_history::manifest::{Role, RunManifest};
use delivery_history::recorder::SimulatedClock;
use delivery_history::{Event, EventKind, RecordError};
use delivery_workloads::{ConsumePlan, ProducePlan};

use crate::drive::{Arrivals, Driver};
use crate::interrupt::Interrupts;
use crate::machine::{Action, Input};
use crate::plan::{KEYS, RunPlan};
use crate::simulated::clients::{HostClients, Shared, SimulatedJob, SimulatedWorker};

/// One tick of the simulation, milliseconds.
const TICK_MS: u64 = 5;
/// The simulation begins here: a time of 0 would be an unfinished event.
const EPOCH_NS: u64 = 1_000_000_000;

/// A wait whose end shows in what the clients share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    Clients,
    Recovery,
    Flush,
    Sentinels,
    Drain,
}

/// Drives a simulated cluster.
pub(crate) struct SimulatedDriver<'a> {
    plan: &'a RunPlan,
    interrupts: &'a Interrupts,
    cluster: SimulatedCluster,
    network: SharedNetwork,
    clock: SimulatedClock,
    shared: Rc<RefCell<Shared>>,
    waiting: Waiting,
    members: BTreeMap<u32, u32>,
}

impl<'a> SimulatedDriver<'a> {
    /// Makes every host; none has run yet.
    pub(crate) fn new(
        plan: &'a RunPlan,
        system: &'static dyn SimulatedSystem,
        shared: Rc<RefCell<Shared>>,
        clock: SimulatedClock,
        interrupts: &'a Interrupts,
    ) -> Result<Self, SimulationError> {
        let manifest = &plan.manifest;
        let hosts: Vec<(u32, String)> = manifest.nodes.iter().map(|node| (node.id, node.name.clone())).collect();
        let mut cluster = SimulatedCluster::new(manifest.seed, TICK_MS, &hosts);
        let simulated = Rc::new(simulated_plan(plan, &cluster));
        for node in &manifest.nodes {
            let workers: Rc<Vec<SimulatedWorker>> = Rc::new(workers_on(plan, node.id, &simulated));
            let (simulated, shared, clock, id) = (simulated.clone(), shared.clone(), clock.clone(), node.id);
            cluster.add_host(id, move || {
                let node = system.node(&simulated, id);
                let clients = HostClients::connect(node.clone(), &workers, shared.clone());
                let clock = clock.clone();
                async move {
                    tokio::select! {
                        biased;
                        ended = node.run() => Ok(ended?),
                        failed = run_clients(clients, clock) => failed,
                    }
                }
            })?;
        }
        let network: SharedNetwork = Rc::new(RefCell::new(cluster.network()));
        clock.set_ns(EPOCH_NS);
        let members = BTreeMap::new();
        Ok(Self { plan, interrupts, cluster, network, clock, shared, waiting: Waiting::Nothing, members })
    }

    fn look_at_clients(&mut self, arrivals: &mut Arrivals) {
        let mut shared = self.shared.borrow_mut();
        for observation in shared.observations.drain(..) {
            if let Observation::Members { node, members_bits } = observation {
                self.members.insert(node, members_bits);
            }
            arrivals.observations.push(observation);
        }
    }

    fn check_waiting(&mut self, arrivals: &mut Arrivals) {
        let shared = self.shared.borrow();
        let every =
            |role, done: &BTreeSet<u16>| self.plan.worker_numbers(role).iter().all(|worker| done.contains(worker));
        let over = match self.waiting {
            Waiting::Nothing => None,
            Waiting::Clients => self.every_subscriber(&shared.positioned).then_some(Input::ClientsReady),
            Waiting::Recovery => Some(Input::Recovered { waiting_for: self.missing_members() }),
            Waiting::Flush => every(Role::Producer, &shared.flushed).then_some(Input::Flushed),
            Waiting::Sentinels => every(Role::Sentinel, &shared.sentinels_written).then_some(Input::SentinelsWritten),
            Waiting::Drain => self.every_subscriber(&shared.drained).then_some(Input::Drained),
        };
        if let Some(input) = over {
            arrivals.inputs.push(input);
            self.waiting = Waiting::Nothing;
        }
    }

    fn every_subscriber(&self, reached: &BTreeMap<u16, BTreeSet<u16>>) -> bool {
        self.plan.every_live_group(reached, |_| true, |_| true, |_| true)
    }

    /// Who does not see whom, by what each node said last.
    fn missing_members(&self) -> Option<String> {
        let nodes = &self.plan.manifest.nodes;
        let all: u32 = nodes.iter().map(|node| 1 << node.id).sum();
        let blind = nodes.iter().find(|node| self.members.get(&node.id) != Some(&all))?;
        Some(format!("{} to see every other node", blind.name))
    }
}

impl Driver for SimulatedDriver<'_> {
    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn apply(&mut self, action: &Action, _manifest: &mut RunManifest, arrivals: &mut Arrivals) {
        let mut shared = self.shared.borrow_mut();
        match action {
            Action::StartCluster => arrivals.inputs.push(Input::ClusterReady),
            Action::Prepare => arrivals.inputs.push(Input::Prepared),
            Action::StartClients => self.waiting = Waiting::Clients,
            Action::StartLoad => shared.load = true,
            Action::StopLoad => shared.load = false,
            Action::AskRecovered => self.waiting = Waiting::Recovery,
            Action::Flush => {
                shared.flush_until_ns = Some(self.clock.now_ns() + self.plan.machine.limits.flush_ms * 1_000_000);
                self.waiting = Waiting::Flush;
            }
            Action::WriteSentinels => {
                shared.sentinels = true;
                self.waiting = Waiting::Sentinels;
            }
            Action::WatchDrain => self.waiting = Waiting::Drain,
            // Nothing is stored, so there is nothing to read: subscribers are all the evidence there is.
            Action::StartAudit => arrivals.inputs.push(Input::Audited),
            Action::EnterPhase(_)
            | Action::StartFault(_)
            | Action::SampleEvidence(_)
            | Action::HealFault(_)
            | Action::Finish(_) => {}
        }
    }

    fn advance(&mut self, arrivals: &mut Arrivals) {
        match self.cluster.step() {
            Ok(now_ns) => self.clock.set_ns(EPOCH_NS + now_ns),
            Err(error) => arrivals.inputs.push(failure(error)),
        }
        self.look_at_clients(arrivals);
        for _ in 0..self.interrupts.take() {
            arrivals.inputs.push(Input::Interrupt);
        }
        self.check_waiting(arrivals);
    }

    fn ground(&self) -> Option<Ground> {
        Some(Ground { network: self.network.clone(), processes: None, product: None })
    }
}

/// A history that cannot be written is told apart from a node that failed.
fn failure(error: SimulationError) -> Input {
    match error {
        SimulationError::HostStopped(cause) if cause.downcast_ref::<RecordError>().is_some() => {
            Input::HistoryLost(cause.to_string())
        }
        other => Input::Trouble(other.to_string()),
    }
}

async fn run_clients(mut clients: HostClients, clock: SimulatedClock) -> Result<(), Box<dyn std::error::Error>> {
    loop {
        let now_ns = EPOCH_NS + host_now_ns().unwrap_or(0);
        clock.set_ns(now_ns);
        clients.step(now_ns).map_err(|error| -> Box<dyn std::error::Error> {
            match error {
                delivery_workloads::WorkloadError::Record(error) => error.into(),
                error => error.into(),
            }
        })?;
        tokio::time::sleep(Duration::from_millis(TICK_MS)).await;
    }
}

fn simulated_plan(plan: &RunPlan, cluster: &SimulatedCluster) -> SimulatedPlan {
    let manifest = &plan.manifest;
    let address = |id: u32| cluster.address(id).map(|address| address.to_string()).unwrap_or_default();
    let destinations = (0u16..).zip(&manifest.destinations);
    SimulatedPlan {
        nodes: manifest.nodes.iter().map(|node| NodeAddress { id: node.id, address: address(node.id) }).collect(),
        lanes: destinations
            .map(|(index, destination)| SimulatedLane {
                destination: index,
                topic: destination.name.clone(),
                config: manifest.lanes[usize::from(destination.lane)].config.clone(),
            })
            .collect(),
        run_tag: plan.run_tag,
        seed: manifest.seed,
        ledger: cluster.ledger(),
    }
}

fn workers_on(plan: &RunPlan, host: u32, simulated: &SimulatedPlan) -> Vec<SimulatedWorker> {
    let workers = (0u16..).zip(&plan.manifest.workers).filter(|(_, worker)| worker.host == host);
    workers
        .filter_map(|(worker, _)| {
            Some(SimulatedWorker {
                worker,
                client: plan.client_spec(worker, simulated.nodes.clone()),
                job: job(plan, worker)?,
            })
        })
        .collect()
}

/// What a worker does; nothing for those that are no clients.
fn job(plan: &RunPlan, worker: u16) -> Option<SimulatedJob> {
    let manifest = &plan.manifest;
    match plan.worker(worker).role {
        Role::Producer => Some(SimulatedJob::Produce(ProducePlan {
            resend: 0,
            worker,
            destinations: plan.destinations_for(worker),
            rate_per_s: plan.rate_for(worker),
            size_bytes: manifest.size_bytes as usize,
            keys: KEYS,
            run_tag: plan.run_tag,
        })),
        Role::Consumer => {
            let sentinels = plan.sentinels_for(worker);
            Some(SimulatedJob::Consume(ConsumePlan::of(&BTreeMap::new(), true, sentinels)))
        }
        Role::Sentinel => Some(SimulatedJob::Sentinel {
            size_bytes: manifest.size_bytes,
            destinations: plan.destinations_for(worker),
        }),
        Role::Observer | Role::Audit | Role::Runner => None,
    }
}

/// Last event of every stream.
pub(crate) fn finish_streams(shared: &Rc<RefCell<Shared>>) -> Result<(), RecordError> {
    for (_, mut recorder) in std::mem::take(&mut shared.borrow_mut().recorders) {
        recorder.record(Event::new(EventKind::WorkerFinished))?;
        recorder.close()?;
    }
    Ok(())
}
