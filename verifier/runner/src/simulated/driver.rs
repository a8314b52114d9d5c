//! Carries out the machine's actions in a simulation: one step, one tick.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use delivery_broker::{NodeAddress, Observation, SimulatedLane, SimulatedPlan, SimulatedSystem};
use delivery_cluster::simulated::{SimulatedCluster, SimulationError, host_now_ns};
use delivery_faults::{Ground, SharedNetwork, SharedProcesses};
use delivery_history::event::FLAG_SELF;
use delivery_history::manifest::{Role, RunManifest};
use delivery_history::recorder::SimulatedClock;
use delivery_history::{Event, EventKind, RecordError, Recorder};
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
    processes: SharedProcesses,
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
            let lives: Vec<Vec<SimulatedWorker>> = lives_on(plan, node.id, &simulated);
            shared.borrow_mut().lives.insert(node.id, 0);
            let (simulated, shared, clock, id) = (simulated.clone(), shared.clone(), clock.clone(), node.id);
            cluster.add_host(id, move || {
                let node = system.node(&simulated, id);
                let life = shared.borrow().lives.get(&id).copied().unwrap_or(0);
                let workers = lives.get(life).map_or(&[][..], Vec::as_slice);
                let clients = HostClients::connect(node.clone(), workers, shared.clone());
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
        let told = shared.clone();
        let when_crashed = Rc::new(move |host| told.borrow_mut().crashed.push(host));
        let processes: SharedProcesses = Rc::new(RefCell::new(cluster.processes(when_crashed)));
        clock.set_ns(EPOCH_NS);
        let members = BTreeMap::new();
        Ok(Self { plan, interrupts, cluster, network, processes, clock, shared, waiting: Waiting::Nothing, members })
    }

    /// The clients of a host that was killed are gone with it; who takes their places starts with its next life.
    fn bury_the_dead(&mut self, arrivals: &mut Arrivals) {
        let shared = &mut *self.shared.borrow_mut();
        for host in std::mem::take(&mut shared.crashed) {
            self.members.remove(&host);
            shared.observations.retain(|seen| !matches!(seen, Observation::Members { node, .. } if *node == host));
            *shared.lives.entry(host).or_default() += 1;
            let entry = |worker: &u16| self.plan.worker(*worker);
            let dead: Vec<u16> = shared.alive.iter().copied().filter(|worker| entry(worker).host == host).collect();
            for worker in dead {
                shared.alive.remove(&worker);
                shared.positioned.remove(&worker);
                if matches!(entry(&worker).role, Role::Producer | Role::Consumer) {
                    let crashed = Event::new(EventKind::WorkerCrashed).detail(worker.into());
                    arrivals.events.push(crashed.flags(FLAG_SELF));
                }
            }
        }
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
        let every = |role, done: &BTreeSet<u16>| {
            let alive = self.plan.worker_numbers(role).into_iter().filter(|worker| shared.alive.contains(worker));
            alive.into_iter().all(|worker| done.contains(&worker))
        };
        let over = match self.waiting {
            Waiting::Nothing => None,
            Waiting::Clients => self.every_subscriber(&shared, &shared.positioned).then_some(Input::ClientsReady),
            Waiting::Recovery => Some(Input::Recovered { waiting_for: self.missing(&shared) }),
            Waiting::Flush => every(Role::Producer, &shared.flushed).then_some(Input::Flushed),
            Waiting::Sentinels => every(Role::Sentinel, &shared.sentinels_written).then_some(Input::SentinelsWritten),
            Waiting::Drain => self.every_subscriber(&shared, &shared.drained).then_some(Input::Drained),
        };
        if let Some(input) = over {
            arrivals.inputs.push(input);
            self.waiting = Waiting::Nothing;
        }
    }

    fn every_subscriber(&self, shared: &Shared, reached: &BTreeMap<u16, BTreeSet<u16>>) -> bool {
        self.plan.every_live_group(reached, |_| true, |_| true, |worker| shared.alive.contains(&worker))
    }

    /// Who does not see whom, by what each node said last, or has not subscribed again.
    fn missing(&self, shared: &Shared) -> Option<String> {
        let nodes = &self.plan.manifest.nodes;
        if !self.every_subscriber(shared, &shared.positioned) {
            return Some(String::from("every subscriber to be subscribed"));
        }
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
        self.bury_the_dead(arrivals);
        self.look_at_clients(arrivals);
        for _ in 0..self.interrupts.take() {
            arrivals.inputs.push(Input::Interrupt);
        }
        self.check_waiting(arrivals);
    }

    fn ground(&self) -> Option<Ground> {
        Some(Ground {
            network: self.network.clone(),
            processes: Some(self.processes.clone()),
            product: None,
            hooks: None,
        })
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

/// The clients of a host, for each of its lives: those that start with the run, then whoever takes their places. A
/// writer of sentinels has written nothing when its host is killed, and is itself again.
fn lives_on(plan: &RunPlan, host: u32, simulated: &SimulatedPlan) -> Vec<Vec<SimulatedWorker>> {
    let mut seats: Vec<u16> = (0u16..)
        .zip(&plan.manifest.workers)
        .filter(|(_, worker)| worker.host == host && worker.succeeds.is_none())
        .map(|(worker, _)| worker)
        .collect();
    let mut lives = vec![workers(plan, &seats, simulated)];
    loop {
        let succeeded = seats.iter().any(|worker| plan.successor_of(*worker).is_some());
        if !succeeded {
            return lives;
        }
        for seat in &mut seats {
            *seat = plan.successor_of(*seat).unwrap_or(*seat);
        }
        lives.push(workers(plan, &seats, simulated));
    }
}

fn workers(plan: &RunPlan, seats: &[u16], simulated: &SimulatedPlan) -> Vec<SimulatedWorker> {
    seats
        .iter()
        .copied()
        .filter_map(|worker| {
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

/// Last event of every stream; the streams, by worker.
pub(crate) fn finish_streams(shared: &Rc<RefCell<Shared>>) -> Result<BTreeMap<u16, Recorder>, RecordError> {
    let shared = &mut *shared.borrow_mut();
    let mut recorders = std::mem::take(&mut shared.recorders);
    for (worker, recorder) in &mut recorders {
        // Who was killed finished nothing.
        if *worker == shared.observer || shared.alive.contains(worker) {
            recorder.record(Event::new(EventKind::WorkerFinished))?;
        }
    }
    Ok(recorders)
}
