//! Carries out the machine's actions with processes on the hosts of a cluster.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use delivery_broker::observe::CLOCKS;
use delivery_broker::{ClientSpec, ClusterPlan, HostPlan, Installation, NodeAddress, System};
use delivery_cluster::cluster::{ClusterError, ClusterHost, NodeEvent};
use delivery_cluster::external::Elsewhere;
use delivery_cluster::machines::Need;
use delivery_cluster::processes::{Blow, Processes, Whose};
use delivery_faults::{Ground, SharedHooks, SharedNetwork};
use delivery_history::clock::monotonic_ns;
use delivery_history::event::FLAG_SELF;
use delivery_history::manifest::{Group, Host, Role, RunManifest, Workload};
use delivery_history::{Event, EventKind, RunDir};
use nix::sys::statvfs::statvfs;
use uuid::Uuid;

use crate::disk_size::bounded_disk_bytes;
use crate::drive::{Arrivals, Driver};
use crate::interrupt::Interrupts;
use crate::machine::{Action, Input};
use crate::plan::{KEYS, RunPlan, needs};
use crate::real::backend::Backend;
use crate::real::crew::{Crew, Post};
use crate::real::outside::{Outside, Steward};
use crate::real::process::{Word, describe};
use crate::real::protocol::{Command, Job, Report, TransformJob, WorkerSpec};
use crate::real::standing::{Home, MachineNeeds, Recipe, Standing};
use crate::real::trouble::node_trouble;
use crate::request::AuditMode;

/// Longest wait for news in one step.
const NEWS_WAIT: Duration = Duration::from_millis(10);
/// How long a worker may take to end after its last word.
const LAST_WORD_LIMIT: Duration = Duration::from_secs(2);

/// Name under which nodes and clients are given what only they know.
const SECRET: &str = "cluster.secret";

/// A disk with less space than this is full: nodes and histories grow by larger steps.
const FULL_BYTES: u64 = 1 << 20;

/// A wait whose end is told by the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    Nodes,
    Clients,
    Flush,
    Drain,
}

/// Drives a cluster of real brokers.
pub struct RealDriver<'a> {
    plan: &'a RunPlan,
    system: &'a dyn System,
    installation: &'a Installation,
    run_dir: &'a RunDir,
    interrupts: &'a Interrupts,
    backend: &'a dyn Backend,
    crew: Rc<RefCell<Crew>>,
    network: Option<SharedNetwork>,
    words: Receiver<(u16, Word)>,
    waiting: Waiting,
    ready_nodes: BTreeSet<u32>,
    ready_workers: BTreeSet<u16>,
    positioned: BTreeMap<u16, BTreeSet<u16>>,
    flushed: BTreeSet<u16>,
    drained: BTreeMap<u16, BTreeSet<u16>>,
    /// Writers of sentinels of outputs that were started.
    closing: BTreeSet<u16>,
    load_is_on: bool,
    leader: Option<u32>,
    running_version: Option<String>,
    features: BTreeMap<String, String>,
    secret: String,
    /// A cluster of a run before this one, until it is looked at.
    standing: Option<Standing>,
    /// A folder of the cluster's own, where it is to outlive this run.
    cluster_dir: Option<PathBuf>,
    home: Option<Home>,
    /// Somebody else runs the cluster: how to get in, and who takes away what this run makes there.
    outside: Option<(Outside, SharedSteward)>,
}

/// The caretaker of the run, shared with the guards of faults that it injects.
pub(crate) type SharedSteward = Rc<RefCell<Steward>>;

impl<'a> RealDriver<'a> {
    /// Nothing runs yet.
    pub fn new(
        plan: &'a RunPlan,
        system: &'a dyn System,
        installation: &'a Installation,
        run_dir: &'a RunDir,
        interrupts: &'a Interrupts,
        backend: &'a dyn Backend,
    ) -> Self {
        let (to_me, words) = channel();
        let crew = Rc::new(RefCell::new(Crew::new(to_me, run_dir.clone())));
        Self {
            plan,
            system,
            installation,
            run_dir,
            interrupts,
            backend,
            crew,
            network: None,
            words,
            waiting: Waiting::Nothing,
            ready_nodes: BTreeSet::new(),
            ready_workers: BTreeSet::new(),
            positioned: BTreeMap::new(),
            flushed: BTreeSet::new(),
            drained: BTreeMap::new(),
            closing: BTreeSet::new(),
            load_is_on: false,
            leader: None,
            running_version: None,
            features: BTreeMap::new(),
            secret: Uuid::new_v4().simple().to_string().to_uppercase(),
            standing: None,
            cluster_dir: None,
            home: None,
            outside: None,
        }
    }

    /// Works on a cluster that somebody else runs.
    pub(crate) fn go_outside(&mut self, outside: Outside, steward: SharedSteward) {
        let mut crew = self.crew.borrow_mut();
        (crew.is_outside, crew.joined) = (true, outside.joined.clone());
        drop(crew);
        self.outside = Some((outside, steward));
    }

    /// How the caretaker connects: as the observer does.
    pub(crate) fn administrator_spec(&self) -> ClientSpec {
        let observer = self.plan.worker_numbers(Role::Observer).first().copied().unwrap_or_default();
        self.client_spec(observer)
    }

    /// Takes over a cluster that stands, if it is one that this run wants, and keeps what the cluster has in a folder that
    /// outlives this run: `cluster_dir`, which goes with the cluster.
    pub(crate) fn share_cluster(&mut self, standing: Option<Standing>, cluster_dir: PathBuf) {
        (self.standing, self.cluster_dir) = (standing, Some(cluster_dir));
    }

    /// Ends every worker, politely where `polite`, and every node.
    pub fn shut_down(&mut self, polite: bool) {
        drop(self.leave(polite));
    }

    /// Ends every worker, politely where `polite`, and hands out the cluster as it stands.
    pub(crate) fn leave(&mut self, polite: bool) -> Option<Standing> {
        self.network = None;
        self.standing = None;
        let mut crew = self.crew.borrow_mut();
        crew.dismiss(polite);
        let (cluster, home) = (crew.cluster.take(), self.home.take());
        Some(Standing { cluster: cluster?, home: home? })
    }

    fn start_cluster(&mut self) -> Result<(), String> {
        if self.outside.is_some() {
            self.ready_nodes = self.all_nodes().collect();
            self.network = Some(Rc::new(RefCell::new(Elsewhere)));
            return Ok(());
        }
        let plan = self.cluster_plan();
        let manifest = &self.plan.manifest;
        let hosts = manifest.nodes.iter().chain(&manifest.controllers).chain(&manifest.client_hosts);
        let hosts: Vec<ClusterHost> = hosts.map(cluster_host).collect();
        let recipe = Recipe::new(&hosts, &plan, self.installation, self.machines());
        if let Some(mut standing) = self.standing.take()
            && standing.serves(&recipe)
        {
            self.move_in(standing);
            return Ok(());
        }
        self.build(&hosts, plan, recipe)
    }

    /// What the cluster is to be, but for what it draws for itself.
    fn cluster_plan(&self) -> ClusterPlan {
        let manifest = &self.plan.manifest;
        ClusterPlan {
            nodes: manifest.nodes.iter().map(|node| self.host_plan(node)).collect(),
            controllers: manifest.controllers.iter().map(|node| self.host_plan(node)).collect(),
            config: self.plan.broker_config.clone(),
            timings: self.plan.timings,
            run_id: manifest.run_id.clone(),
        }
    }

    fn move_in(&mut self, standing: Standing) {
        let Standing { cluster, home } = standing;
        home.share_logs(&self.run_dir.logs_dir());
        self.secret.clone_from(&home.secret);
        self.ready_nodes = self.all_nodes().collect();
        self.network = Some(Rc::new(RefCell::new(cluster.network())));
        self.crew.borrow_mut().cluster = Some(cluster);
        self.home = Some(home);
    }

    fn build(&mut self, hosts: &[ClusterHost], mut plan: ClusterPlan, recipe: Recipe) -> Result<(), String> {
        let real = self.system.real().ok_or("this system does not run as processes")?;
        let make = |path: &Path| {
            std::fs::create_dir_all(path).map_err(|error| format!("cannot create {}: {error}", path.display()))
        };
        let home = self.new_home(recipe);
        make(&home.logs_dir)?;
        plan.nodes.iter().chain(&plan.controllers).try_for_each(|node| make(&node.data_dir))?;
        plan.config.insert(String::from(SECRET), self.secret.clone());
        let specs = real.nodes(&plan, self.installation).map_err(|error| error.to_string())?;
        let ports = specs.first().map_or_else(|| vec![self.system.info().client_port], |spec| spec.ports.clone());
        let mut cluster = self.backend.create(hosts, ports, &home.recipe.machines)?;
        let stop = || self.interrupts.pending();
        let started = cluster.start_nodes(&specs, &home.logs_dir, &stop);
        home.share_logs(&self.run_dir.logs_dir());
        let network = cluster.network();
        self.network = Some(Rc::new(RefCell::new(network)));
        self.crew.borrow_mut().cluster = Some(cluster);
        self.home = Some(home);
        match started {
            // The interrupt itself is told by the next look.
            Err(ClusterError::Stopped) => Ok(()),
            other => other.map_err(|error| error.to_string()),
        }
    }

    /// Only runs with a fault that needs it have it: such disks are slower, or lie in memory.
    fn needs(&self, need: Need) -> bool {
        needs(&self.plan.manifest.faults, need)
    }

    fn machines(&self) -> MachineNeeds {
        MachineNeeds {
            layered_disks: self.needs(Need::LayeredDisk),
            disk_bytes: self.needs(Need::BoundedDisk).then(|| bounded_disk_bytes(&self.plan.manifest)),
            clocks: self.needs(Need::Clock),
        }
    }

    fn host_plan(&self, host: &Host) -> HostPlan {
        HostPlan {
            id: host.id,
            name: host.name.clone(),
            address: host.address.clone(),
            data_dir: self.data_dir().join(&host.name),
        }
    }

    /// Where the nodes keep their data.
    fn data_dir(&self) -> PathBuf {
        self.cluster_dir.as_deref().unwrap_or(self.run_dir.path()).join("data")
    }

    fn new_home(&self, recipe: Recipe) -> Home {
        let whole = self.cluster_dir.clone().unwrap_or_else(|| self.data_dir());
        Home {
            recipe,
            secret: self.secret.clone(),
            run_id: self.plan.manifest.run_id.clone(),
            logs_dir: self.cluster_dir.as_ref().map_or_else(|| self.run_dir.logs_dir(), |own| own.join("logs")),
            goes: (!self.plan.keep_data).then_some(whole),
        }
    }

    fn all_nodes(&self) -> impl Iterator<Item = u32> {
        let manifest = &self.plan.manifest;
        manifest.nodes.iter().chain(&manifest.controllers).map(|node| node.id)
    }

    fn post(&self, worker: u16) -> Post {
        let entry = self.plan.worker(worker);
        let spec = WorkerSpec {
            system: self.plan.manifest.system.clone(),
            worker,
            event_path: self.event_path(worker),
            client: self.client_spec(worker),
            job: self.job(worker),
            access_follows: self.outside.is_some(),
        };
        let machine = self.machine_of(worker).map(str::to_owned);
        Post { name: entry.name.clone(), host: entry.host, machine, spec }
    }

    /// Name of the machine that joined the run and has this worker.
    fn machine_of(&self, worker: u16) -> Option<&str> {
        let (host, machines) = (self.plan.worker(worker).host, &self.plan.manifest.machines);
        machines.iter().find(|machine| machine.host == host).map(|machine| machine.name.as_str())
    }

    /// Where a worker records, on its own machine.
    fn event_path(&self, worker: u16) -> PathBuf {
        let name = &self.plan.worker(worker).name;
        let joined = self.outside.as_ref().and_then(|(outside, _)| outside.joined.as_ref());
        let machine = joined.zip(self.machine_of(worker)).and_then(|(joined, machine)| joined.named(machine));
        machine.map_or_else(|| self.run_dir.event_path(name), |machine| machine.event_path(name))
    }

    fn client_spec(&self, worker: u16) -> ClientSpec {
        let node = |host: &Host| NodeAddress { id: host.id, address: host.address.clone() };
        let mut spec = self.plan.client_spec(worker, self.plan.manifest.nodes.iter().map(&node).collect());
        spec.controllers = self.plan.manifest.controllers.iter().map(node).collect();
        spec.config.insert(String::from("cluster.version"), self.installation.version.clone());
        spec.config.insert(String::from("cluster.timings"), self.plan.manifest.timings.clone());
        spec.config.insert(String::from(SECRET), self.secret.clone());
        spec.config.extend(self.plan.leader.map(|leader| (String::from("cluster.leader"), leader.to_string())));
        if self.needs(Need::Clock) {
            spec.config.insert(String::from(CLOCKS), String::from("true"));
        }
        spec.nodes.rotate_left(self.first_node_for(worker));
        // Machines have an access of their own: it crosses no network.
        let outside = self.outside.as_ref().filter(|_| self.machine_of(worker).is_none());
        spec.access = outside.map(|(outside, _)| outside.access.clone());
        spec
    }

    /// Place of the node a client that stays with one connects to first: producers begin with the leader, consumers
    /// with the node after it, so that each lane has clients on both sides of a cut.
    fn first_node_for(&self, worker: u16) -> usize {
        let nodes = &self.plan.manifest.nodes;
        let leader = nodes.iter().position(|node| Some(node.id) == self.leader).unwrap_or(0);
        let place = self.plan.place_in_lane(worker);
        match self.plan.worker(worker).role {
            Role::Producer => (leader + place) % nodes.len(),
            Role::Consumer => (leader + 1 + place) % nodes.len(),
            _ => 0,
        }
    }

    fn job(&self, worker: u16) -> Job {
        let (manifest, entry) = (&self.plan.manifest, self.plan.worker(worker));
        match entry.role {
            Role::Producer if entry.group.is_some() => self.transform_job(worker),
            Role::Producer => {
                let config = entry.lane.map(|lane| &manifest.lanes[usize::from(lane)].config);
                let resend = config.and_then(|config| config.get("producer.resend")?.parse().ok()).unwrap_or(0);
                let before = entry.succeeds;
                let added = |destination: &u16| manifest.destinations[usize::from(*destination)].added;
                Job::Produce {
                    destinations: self.plan.destinations_for(worker).into_iter().filter(|one| !added(one)).collect(),
                    rate_per_s: self.plan.rate_for(worker),
                    size_bytes: manifest.size_bytes,
                    keys: KEYS,
                    resend,
                    predecessor: before.map(|before| (before, self.event_path(before))),
                }
            }
            Role::Consumer if entry.lane.is_some_and(|lane| self.plan.workload_of(lane) == Workload::Queue) => {
                Job::ConsumeQueue { seed: manifest.seed.wrapping_add(worker.into()) }
            }
            Role::Consumer => Job::Consume {
                subscriber: entry
                    .lane
                    .is_some_and(|lane| manifest.lanes[usize::from(lane)].workload == Workload::Fanout),
                sentinels: self.plan.sentinels_for(worker),
            },
            Role::Sentinel => Job::Sentinel { size_bytes: manifest.size_bytes },
            Role::Observer | Role::Runner => Job::Observe {
                groups: (0u16..).zip(&manifest.groups).map(|(index, group)| (index, group.name.clone())).collect(),
            },
            Role::Audit => Job::Audit {
                replicas: self.audited_replicas(),
                queues: self.plan.queues(),
                groups: self.plan.groups_of_logs(),
            },
        }
    }

    fn transform_job(&self, worker: u16) -> Job {
        let lane = self.plan.worker(worker).lane.unwrap_or_default();
        let plan = self.plan.lanes[usize::from(lane)].transactions;
        Job::Transform(TransformJob {
            size_bytes: self.plan.manifest.size_bytes,
            outputs: self.plan.outputs_of(lane),
            sentinels: self.plan.sentinels_for(worker),
            abort_permille: plan.map_or(0, |plan| plan.abort_permille),
            max_messages: plan.map_or(1, |plan| plan.max_messages),
            max_ms: plan.map_or(1, |plan| plan.max_ms),
            seed: self.plan.manifest.seed.wrapping_add(worker.into()),
        })
    }

    fn audited_replicas(&self) -> Vec<u32> {
        match (self.plan.audit, self.leader) {
            (AuditMode::Quick, Some(leader)) => vec![leader],
            _ => self.plan.manifest.nodes.iter().map(|node| node.id).collect(),
        }
    }

    /// Starts everybody who starts with the run, and writes down who takes whose place.
    fn start_role(&mut self, role: Role, arrivals: &mut Arrivals) {
        for worker in self.plan.worker_numbers(role) {
            if role == Role::Sentinel && self.plan.worker(worker).lane.is_some() {
                continue;
            }
            let post = self.post(worker);
            let mut crew = self.crew.borrow_mut();
            if let Some(before) = self.plan.worker(worker).succeeds {
                crew.successors.insert(before, post);
            } else if let Err(error) = crew.hire(&post) {
                arrivals.inputs.push(Input::Trouble(error.to_string()));
            }
        }
    }

    fn tell_role(&mut self, role: Role, command: &Command) {
        let mut crew = self.crew.borrow_mut();
        self.plan.worker_numbers(role).into_iter().for_each(|worker| crew.tell(worker, command));
    }

    /// A producer that took another's place goes on where the load is.
    fn worker_ready(&mut self, worker: u16) {
        self.ready_workers.insert(worker);
        let entry = self.plan.worker(worker);
        if entry.role == Role::Producer && entry.succeeds.is_some() {
            let mut crew = self.crew.borrow_mut();
            for destination in crew.added.clone() {
                if self.plan.destinations_for(worker).contains(&destination) {
                    crew.tell(worker, &Command::AddDestination { destination });
                }
            }
        }
        if self.load_is_on && entry.role == Role::Producer && entry.succeeds.is_some() {
            self.crew.borrow_mut().tell(worker, &Command::StartLoad);
        }
    }

    /// Producers of its lane use a destination as soon as it is there.
    fn destination_added(&mut self, destination: u16, arrivals: &mut Arrivals) {
        let known = &self.plan.manifest.destinations[usize::from(destination)];
        arrivals.notes.push(format!("{}-{} was added", known.name, known.partition.unwrap_or(0)));
        let mut crew = self.crew.borrow_mut();
        crew.added.insert(destination);
        for worker in self.plan.worker_numbers(Role::Producer) {
            if self.plan.destinations_for(worker).contains(&destination) {
                crew.tell(worker, &Command::AddDestination { destination });
            }
        }
    }

    /// What an operator does with a node that hangs.
    fn restart_nodes(&mut self, nodes: &[u32], arrivals: &mut Arrivals) {
        let mut crew = self.crew.borrow_mut();
        for node in nodes {
            let whose = Whose::Node(*node);
            if let Err(error) = crew.strike(whose, Blow::Kill).and_then(|()| crew.start_again(whose)) {
                arrivals.inputs.push(Input::Trouble(error.to_string()));
            }
        }
    }

    /// What an operator does with a node that gave up when its disk was full, once it no longer is.
    fn start_halted_node(&mut self, id: u32, status: &str, arrivals: &mut Arrivals) {
        let what = format!("started n{id} again, which had ended ({status}) when its disk was full");
        arrivals.notes.push(format!("by hand: {what}"));
        arrivals.by_hand.push(what);
        if let Err(error) = self.crew.borrow_mut().start_again(Whose::Node(id)) {
            arrivals.inputs.push(Input::Trouble(error.to_string()));
        }
    }

    /// A client that runs and does not take part yet.
    fn late_client(&self) -> Option<String> {
        let crew = self.crew.borrow();
        let late = crew.workers.keys().copied().find(|worker| {
            let entry = self.plan.worker(*worker);
            let waits_for_place = entry.role == Role::Consumer
                && entry.lane.is_some_and(|lane| self.plan.workload_of(lane) == Workload::Queue);
            let placed = self.positioned.get(worker).is_some_and(|places| !places.is_empty());
            entry.succeeds.is_some() && (!self.ready_workers.contains(worker) || (waits_for_place && !placed))
        });
        late.map(|worker| format!("{} to take its place", self.plan.worker(worker).name))
    }

    fn hear(&mut self, worker: u16, word: Word, arrivals: &mut Arrivals) {
        match word {
            Word::End => self.worker_ended(worker, arrivals),
            Word::Report(report) => self.take_report(worker, report, arrivals),
        }
    }

    fn take_report(&mut self, worker: u16, report: Report, arrivals: &mut Arrivals) {
        match report {
            Report::Ready => self.worker_ready(worker),
            Report::Positioned { destinations } => drop(self.positioned.insert(worker, destinations)),
            Report::Observed { observation } => arrivals.observations.push(observation),
            Report::Prepared { prepared } => {
                self.leader = Some(prepared.leader);
                self.running_version = Some(prepared.broker_version);
                self.features = prepared.features;
                arrivals.notes.push(format!("n{} leads every lane", prepared.leader));
                arrivals.inputs.push(Input::Prepared);
            }
            Report::Added { destination } => self.destination_added(destination, arrivals),
            Report::Changed { number, changed } => {
                for answer in changed.answers.iter().filter(|answer| !answer.words.is_empty()) {
                    let place = &self.plan.manifest.destinations[usize::from(answer.destination)].name;
                    arrivals.notes.push(format!("{place}: {}", answer.words));
                }
                self.crew.borrow_mut().changes.answer(number, changed);
            }
            Report::Recovered { recovery } => {
                arrivals.notes.extend(recovery.by_hand.iter().map(|what| format!("by hand: {what}")));
                arrivals.by_hand.extend(recovery.by_hand);
                self.restart_nodes(&recovery.restart, arrivals);
                let waiting_for = (!recovery.whole).then_some(recovery.waiting_for);
                let waiting_for = waiting_for.or_else(|| self.late_client());
                arrivals.inputs.push(Input::Recovered { waiting_for });
            }
            Report::Flushed { purged } => {
                self.flushed.insert(worker);
                if purged > 0 {
                    let name = &self.plan.worker(worker).name;
                    arrivals.notes.push(format!("{name} purged {purged} sends without an outcome"));
                }
            }
            // Those of outputs are a part of the drain.
            Report::SentinelsWritten if self.plan.worker(worker).lane.is_some() => {}
            Report::SentinelsWritten => arrivals.inputs.push(Input::SentinelsWritten),
            Report::Drained { destinations } => self.drained.entry(worker).or_default().extend(destinations),
            Report::Audited { incomplete } => {
                arrivals.notes.extend(incomplete.into_iter().map(|what| format!("audit incomplete: {what}")));
                arrivals.inputs.push(Input::Audited);
            }
            Report::Failed { message, history_lost: true } => arrivals.inputs.push(Input::HistoryLost(message)),
            Report::Failed { message, history_lost: false } => {
                if let Some(process) = self.crew.borrow_mut().workers.get_mut(&worker) {
                    process.failure = Some(message);
                }
            }
            Report::Finished => {
                if let Some(process) = self.crew.borrow_mut().workers.get_mut(&worker) {
                    process.dismissed = true;
                }
            }
        }
    }

    fn worker_ended(&mut self, worker: u16, arrivals: &mut Arrivals) {
        let Some(mut process) = self.crew.borrow_mut().workers.remove(&worker) else { return };
        if process.dismissed {
            return;
        }
        let status = process.end(LAST_WORD_LIMIT);
        let (how, number) = status.map_or((String::from("is gone"), 0), describe);
        let entry = self.plan.worker(worker);
        let why = process.failure.take().map(|reason| format!(": {reason}")).unwrap_or_default();
        let by_fault = if process.struck_down { " by the fault" } else { "" };
        let what = format!("worker {} {how}{by_fault}{why}", entry.name);
        arrivals.notes.push(what.clone());
        let flags = if process.struck_down { FLAG_SELF } else { 0 };
        let crashed = Event::new(EventKind::WorkerCrashed).detail(worker.into()).offset(number);
        arrivals.events.push(crashed.flags(flags));
        if !process.struck_down {
            arrivals.inputs.push(Input::WorkerDied { role: entry.role, what });
        }
    }

    fn look_at_nodes(&mut self, arrivals: &mut Arrivals) {
        let events = self.crew.borrow_mut().cluster.as_mut().map(|cluster| cluster.poll_nodes());
        for event in events.into_iter().flatten() {
            match event {
                NodeEvent::Ready { id } => drop(self.ready_nodes.insert(id)),
                NodeEvent::Halted { id, status } => self.start_halted_node(id, &status, arrivals),
                NodeEvent::Died { id, status, .. } if self.disk_is_full() => {
                    let directory = self.run_dir.path().display();
                    arrivals.inputs.push(Input::HistoryLost(format!(
                        "the disk is full: node n{id} ended ({status}) when {directory} had no space left. Free some there, or write elsewhere with --out."
                    )));
                }
                NodeEvent::Died { id, status, last_lines } => {
                    let what = format!("ended by itself ({status})");
                    arrivals.inputs.push(Input::Trouble(self.node_trouble(id, &what, &last_lines)));
                }
                NodeEvent::NotReady { id, after_ms, last_lines } => {
                    let what = format!("was not ready within {} s", after_ms / 1_000);
                    arrivals.inputs.push(Input::Trouble(self.node_trouble(id, &what, &last_lines)));
                }
            }
        }
    }

    fn node_trouble(&self, id: u32, what: &str, last_lines: &[String]) -> String {
        let mut nodes = self.plan.manifest.nodes.iter().chain(&self.plan.manifest.controllers);
        let node = nodes.find(|node| node.id == id);
        let name = node.map_or_else(|| format!("n{id}"), |node| node.name.clone());
        let log = self.run_dir.logs_dir().join(format!("{name}.log"));
        node_trouble(self.system.real(), &log, &format!("node {name} {what}"), last_lines)
    }

    /// A full disk is the machine's doing, and no node's.
    fn disk_is_full(&self) -> bool {
        statvfs(self.run_dir.path()).is_ok_and(|disk| disk.blocks_available() * disk.fragment_size() < FULL_BYTES)
    }

    fn check_waiting(&mut self, arrivals: &mut Arrivals) {
        let over = match self.waiting {
            Waiting::Nothing => None,
            Waiting::Nodes => self.all_nodes_ready().then_some(Input::ClusterReady),
            Waiting::Clients => self.clients_ready().then_some(Input::ClientsReady),
            Waiting::Flush => self.all_flushed().then_some(Input::Flushed),
            Waiting::Drain => {
                self.close_outputs(arrivals);
                self.all_drained().then_some(Input::Drained)
            }
        };
        if let Some(input) = over {
            arrivals.inputs.push(input);
            self.waiting = Waiting::Nothing;
        }
    }

    fn all_nodes_ready(&self) -> bool {
        self.ready_nodes.len() == self.all_nodes().count()
    }

    fn clients_ready(&self) -> bool {
        let of_role = |role| self.plan.first_workers(role).into_iter();
        let all_ready =
            of_role(Role::Producer).chain(of_role(Role::Consumer)).all(|worker| self.ready_workers.contains(&worker));
        let is_there = |destination: u16| !self.plan.manifest.destinations[usize::from(destination)].added;
        all_ready
            && self.every_live_group(&self.positioned, |_| true, is_there)
            && self.plan.every_log_is_shared_out(&self.positioned)
    }

    fn all_flushed(&self) -> bool {
        let mut producers = self.plan.worker_numbers(Role::Producer).into_iter();
        let crew = self.crew.borrow();
        producers.all(|worker| self.flushed.contains(&worker) || !crew.workers.contains_key(&worker))
    }

    fn all_drained(&self) -> bool {
        // A queue is drained as part of its audit.
        self.every_live_group(&self.drained, |group| self.plan.workload_of(group.lane) != Workload::Queue, |_| true)
    }

    /// Writes the sentinels of a lane's outputs once everything that was sent is transformed: nothing comes after them.
    fn close_outputs(&mut self, arrivals: &mut Arrivals) {
        for lane in (0u16..).zip(&self.plan.lanes).map(|(lane, _)| lane) {
            let Some(sentinel) = self.plan.output_sentinel_of(lane).filter(|one| !self.closing.contains(one)) else {
                continue;
            };
            if !self.every_live_group(&self.drained, |group| group.lane == lane && !group.reads_outputs, |_| true) {
                continue;
            }
            self.closing.insert(sentinel);
            let post = self.post(sentinel);
            if let Err(error) = self.crew.borrow_mut().hire(&post) {
                arrivals.inputs.push(Input::Trouble(error.to_string()));
            }
        }
    }

    fn every_live_group(
        &self,
        reached: &BTreeMap<u16, BTreeSet<u16>>,
        counts: impl Fn(&Group) -> bool,
        is_owed: impl Fn(u16) -> bool,
    ) -> bool {
        let crew = self.crew.borrow();
        self.plan.every_live_group(reached, counts, is_owed, |worker| crew.workers.contains_key(&worker))
    }
}

impl Driver for RealDriver<'_> {
    fn now_ns(&self) -> u64 {
        monotonic_ns()
    }

    fn apply(&mut self, action: &Action, manifest: &mut RunManifest, arrivals: &mut Arrivals) {
        match action {
            Action::StartCluster => {
                manifest.broker_version.clone_from(&self.installation.version);
                self.waiting = Waiting::Nodes;
                if let Err(reason) = self.start_cluster() {
                    arrivals.inputs.push(Input::Trouble(reason));
                }
                let home = self.home.as_ref().map(|home| home.run_id.clone());
                manifest.cluster_of = home.filter(|run_id| *run_id != manifest.run_id);
            }
            Action::Prepare => {
                self.start_role(Role::Observer, arrivals);
                let mut crew = self.crew.borrow_mut();
                crew.administrator = self.plan.worker_numbers(Role::Observer).first().copied();
                crew.growth = self.plan.growth();
                drop(crew);
                let topics = self.plan.topics();
                self.tell_role(Role::Observer, &Command::Prepare { topics });
            }
            Action::StartClients => {
                if let Some(version) = self.running_version.take() {
                    manifest.broker_version = version;
                    manifest.features = std::mem::take(&mut self.features);
                }
                self.start_role(Role::Consumer, arrivals);
                self.start_role(Role::Producer, arrivals);
                self.waiting = Waiting::Clients;
            }
            Action::StartLoad => {
                if let Some(cluster) = self.crew.borrow().cluster.as_ref() {
                    cluster.settle_disks();
                }
                self.load_is_on = true;
                self.tell_role(Role::Producer, &Command::StartLoad);
            }
            Action::StopLoad => {
                self.load_is_on = false;
                self.tell_role(Role::Producer, &Command::StopLoad);
            }
            Action::AskRecovered => self.tell_role(Role::Observer, &Command::AskRecovered),
            Action::Flush => {
                let limit_ms = self.plan.machine.limits.flush_ms;
                self.tell_role(Role::Producer, &Command::Flush { limit_ms });
                self.waiting = Waiting::Flush;
            }
            Action::WriteSentinels => self.start_role(Role::Sentinel, arrivals),
            Action::WatchDrain => self.waiting = Waiting::Drain,
            Action::StartAudit => self.start_role(Role::Audit, arrivals),
            Action::EnterPhase(_)
            | Action::StartFault(_)
            | Action::SampleEvidence(_)
            | Action::HealFault(_)
            | Action::Finish(_) => {}
        }
    }

    fn advance(&mut self, arrivals: &mut Arrivals) {
        let mut next = self.words.recv_timeout(NEWS_WAIT);
        while let Ok((worker, word)) = next {
            self.hear(worker, word, arrivals);
            next = self.words.try_recv().map_err(|_| RecvTimeoutError::Timeout);
        }
        self.look_at_nodes(arrivals);
        if let Some((_, steward)) = &self.outside
            && steward.borrow_mut().is_gone()
        {
            let what = "the caretaker ended by itself: nobody heals what a hook started, nor takes away what was made";
            arrivals.inputs.push(Input::Trouble(what.to_owned()));
        }
        let joined = self.outside.as_ref().and_then(|(outside, _)| outside.joined.as_ref());
        if let Some(reason) = joined.and_then(|joined| joined.gone()) {
            arrivals.inputs.push(Input::Trouble(format!("a machine with clients is gone: {reason}")));
        }
        for _ in 0..self.interrupts.take() {
            arrivals.inputs.push(Input::Interrupt);
        }
        self.check_waiting(arrivals);
    }

    fn ground(&self) -> Option<Ground> {
        Some(Ground {
            network: self.network.clone()?,
            processes: Some(self.crew.clone()),
            product: Some(self.crew.clone()),
            hooks: self.hooks(),
        })
    }
}

impl RealDriver<'_> {
    fn hooks(&self) -> Option<SharedHooks> {
        let (_, steward) = self.outside.as_ref()?;
        Some(steward.clone())
    }
}

fn cluster_host(host: &Host) -> ClusterHost {
    ClusterHost { id: host.id, name: host.name.clone(), address: host.address.clone() }
}
