//! A small runner: a simulated cluster under load, recorded by the real workloads and recorders.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use delivery_broker::{
    ClientSpec, CommitMode, DestinationRef, LanePlan, LaneRequest, NodeAddress, Observation, SimulatedLane,
    SimulatedNode, SimulatedPlan, System,
};
use delivery_cluster::network::{Counters, Cut, Impairment, ImpairmentId, Network};
use delivery_cluster::simulated::{HostResult, SimulatedCluster, SimulatedNetwork};
use delivery_history::manifest::{Destination, Group, Host, Role, RunManifest, RunStatus, Worker, Workload};
use delivery_history::recorder::Clock;
use delivery_history::{History, Recorder, RunDir, SimulatedClock};
use delivery_pubsub::PubSub;
use delivery_workloads::{ConsumePlan, ConsumerLoop, ProducePlan, ProducerLoop};
use tempfile::TempDir;

/// Length of a tick.
pub(crate) const TICK_MS: u64 = 5;
const TICK_NS: u64 = TICK_MS * 1_000_000;
const RUN_TAG: u64 = 0x5eed;
/// Longest wait for a condition, simulated.
const LIMIT_NS: u64 = 120_000_000_000;

/// What is to be simulated.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) system: PubSub,
    pub(crate) seed: u64,
    pub(crate) nodes: u32,
    /// One lane each; settings behind a `+` (`at-least-once+retry.ms=300`).
    pub(crate) lanes: Vec<&'static str>,
    /// Messages a second and lane, over all its producers.
    pub(crate) rate_per_s: f64,
    pub(crate) size_bytes: usize,
}

impl Setup {
    /// The three presets side by side on five nodes.
    pub(crate) fn tour(seed: u64) -> Self {
        Self {
            system: PubSub::new(),
            seed,
            nodes: 5,
            lanes: vec!["at-most-once", "at-least-once", "exactly-once"],
            rate_per_s: 500.0,
            size_bytes: 64,
        }
    }

    fn lane_plans(&self) -> Vec<LanePlan> {
        let plan = |text: &&str| {
            let mut parts = text.split('+');
            let preset = parts.next().map(str::to_owned);
            let overrides = parts.map(|part| part.split_once('=').expect("name=value"));
            let overrides = overrides.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            self.system.lane(&LaneRequest { preset, overrides, files: Vec::new() }).expect("a valid lane")
        };
        self.lanes.iter().map(plan).collect()
    }

    fn workers(&self) -> Vec<Worker> {
        let mut workers = Vec::new();
        for role in [Role::Producer, Role::Consumer] {
            for lane in 0..self.lanes.len() as u16 {
                for host in 1..=self.nodes {
                    let group = (role == Role::Consumer).then_some(lane * self.nodes as u16 + host as u16 - 1);
                    let name = format!("{}-{lane}-{host}", if group.is_some() { "subscriber" } else { "publisher" });
                    workers.push(Worker { name, role, lane: Some(lane), group, host, succeeds: None });
                }
            }
        }
        workers
    }

    fn manifest(&self, lanes: Vec<LanePlan>) -> RunManifest {
        let destinations = (0..lanes.len() as u16)
            .map(|lane| Destination {
                lane,
                name: format!("lane-{lane}"),
                partition: None,
                dead_letters_of: None,
                output_of: None,
                added: false,
            })
            .collect();
        let group = |(lane, node)| Group {
            lane,
            name: format!("subscriber-{lane}-{node}"),
            session_timeout_ms: 0,
            read_uncommitted: false,
            reads_outputs: false,
            beside: false,
        };
        let every = (0..lanes.len() as u16).flat_map(|lane| (1..=self.nodes).map(move |node| (lane, node)));
        RunManifest {
            tool_version: String::from("test"),
            broker_version: String::from("test"),
            client: String::from("in-process"),
            backend: String::from("simulated"),
            simulated: true,
            seed: self.seed,
            started_at: String::from("1970-01-01T00:00:00Z"),
            rate_per_s: self.rate_per_s as u32,
            size_bytes: self.size_bytes as u32,
            lanes: lanes.into_iter().map(|plan| plan.lane).collect(),
            nodes: (1..=self.nodes).map(|id| Host { id, name: host_name(id), address: String::new() }).collect(),
            workers: self.workers(),
            destinations,
            groups: every.map(group).collect(),
            status: RunStatus::Finished { took_ms: 0 },
            ..RunManifest::blank("simulated", "pubsub")
        }
    }
}

fn host_name(id: u32) -> String {
    format!("node-{id}")
}

/// What hosts and the caller share.
#[derive(Default)]
struct Shared {
    load: Cell<bool>,
    positioned: Cell<usize>,
    in_flight: RefCell<BTreeMap<u16, usize>>,
    nodes: RefCell<BTreeMap<u32, Rc<dyn SimulatedNode>>>,
}

/// One worker's part of a host.
struct Seat {
    worker: u16,
    entry: Worker,
    recorder: Rc<RefCell<Recorder>>,
}

/// Everything the software of one host needs.
struct Software {
    setup: Setup,
    plan: SimulatedPlan,
    node: u32,
    seats: Vec<Seat>,
    shared: Rc<Shared>,
}

impl Software {
    fn spec(&self, lane: u16) -> ClientSpec {
        ClientSpec {
            seat: String::from("seat"),
            controllers: Vec::new(),
            client_name: format!("client-{lane}"),
            run_tag: RUN_TAG,
            nodes: self.plan.nodes.clone(),
            destinations: vec![DestinationRef { index: lane, name: format!("lane-{lane}"), partition: None }],
            config: self.plan.lanes[usize::from(lane)].config.clone(),
            group: None,
            outputs: Vec::new(),
            read_uncommitted: None,
            access: None,
        }
    }

    async fn run(self: Rc<Self>) -> HostResult {
        let node = self.setup.system.simulated().expect("simulated").node(&self.plan, self.node);
        self.shared.nodes.borrow_mut().insert(self.node, node.clone());
        let served = tokio::task::spawn_local(node.clone().run());
        let mut steps: Vec<Box<dyn FnMut() -> HostResult>> = Vec::new();
        for seat in &self.seats {
            let lane = seat.entry.lane.expect("a lane");
            steps.push(match seat.entry.role {
                Role::Producer => self.producer(node.as_ref(), seat, lane),
                _ => self.consumer(node.as_ref(), seat, lane),
            });
        }
        loop {
            tokio::time::sleep(Duration::from_millis(TICK_MS)).await;
            if served.is_finished() {
                return Ok(served.await??);
            }
            for step in &mut steps {
                step()?;
            }
        }
    }

    fn producer(&self, node: &dyn SimulatedNode, seat: &Seat, lane: u16) -> Box<dyn FnMut() -> HostResult> {
        let mut client = node.producer(&self.spec(lane));
        let mut work = ProducerLoop::new(ProducePlan {
            resend: 0,
            worker: seat.worker,
            destinations: vec![lane],
            rate_per_s: self.setup.rate_per_s / f64::from(self.setup.nodes),
            size_bytes: self.setup.size_bytes,
            keys: 8,
            run_tag: RUN_TAG,
        });
        let (worker, recorder, shared) = (seat.worker, seat.recorder.clone(), self.shared.clone());
        let mut loading = false;
        Box::new(move || {
            let mut recorder = recorder.borrow_mut();
            if shared.load.get() != loading {
                loading = shared.load.get();
                if loading { work.start(recorder.now_ns()) } else { work.stop() }
            }
            work.step(client.as_mut(), &mut recorder)?;
            shared.in_flight.borrow_mut().insert(worker, client.in_flight());
            Ok(())
        })
    }

    fn consumer(&self, node: &dyn SimulatedNode, seat: &Seat, lane: u16) -> Box<dyn FnMut() -> HostResult> {
        let spec = self.spec(lane);
        assert_eq!(CommitMode::of(&spec.config), CommitMode::None);
        let mut client = node.consumer(&spec);
        let plan = ConsumePlan::of(&spec.config, true, BTreeMap::new());
        let mut work = ConsumerLoop::new(plan);
        let (recorder, shared) = (seat.recorder.clone(), self.shared.clone());
        Box::new(move || {
            let before = work.positioned().len();
            work.step(client.as_mut(), &mut recorder.borrow_mut(), Duration::ZERO)?;
            shared.positioned.set(shared.positioned.get() + work.positioned().len() - before);
            Ok(())
        })
    }
}

/// A running simulation.
pub(crate) struct Bed {
    pub(crate) cluster: SimulatedCluster,
    network: SimulatedNetwork,
    cut: Option<ImpairmentId>,
    clock: SimulatedClock,
    shared: Rc<Shared>,
    subscribers: usize,
    run_dir: RunDir,
    directory: TempDir,
}

impl Bed {
    /// Starts the hosts and waits until every subscriber has its position.
    pub(crate) fn start(setup: &Setup) -> Self {
        let directory = TempDir::new().expect("a directory");
        let run_dir = RunDir::create(directory.path(), "run").expect("a run directory");
        let lanes = setup.lane_plans();
        let names: Vec<(u32, String)> = (1..=setup.nodes).map(|id| (id, host_name(id))).collect();
        let mut cluster = SimulatedCluster::new(setup.seed, TICK_MS, &names);
        let lane = |(index, plan): (usize, &LanePlan)| SimulatedLane {
            destination: index as u16,
            topic: format!("lane-{index}"),
            config: plan.lane.config.clone(),
        };
        let plan = SimulatedPlan {
            nodes: names.iter().map(|(id, name)| NodeAddress { id: *id, address: name.clone() }).collect(),
            lanes: lanes.iter().enumerate().map(lane).collect(),
            run_tag: RUN_TAG,
            seed: setup.seed,
            ledger: cluster.ledger(),
        };
        let (clock, shared) = (SimulatedClock::default(), Rc::new(Shared::default()));
        for (node, _) in &names {
            let seats = seats(setup, *node, &run_dir, &clock);
            let (setup, plan, shared) = (setup.clone(), plan.clone(), shared.clone());
            let software = Rc::new(Software { setup, plan, node: *node, seats, shared });
            cluster.add_host(*node, move || software.clone().run()).expect("a new host");
        }
        let manifest = setup.manifest(lanes);
        assert!(manifest.lanes.iter().all(|lane| lane.workload == Workload::Fanout));
        run_dir.write_manifest(&manifest).expect("a manifest");
        let (network, subscribers) = (cluster.network(), setup.lanes.len() * setup.nodes as usize);
        let mut bed = Self { cluster, network, cut: None, clock, shared, subscribers, run_dir, directory };
        bed.wait("every subscriber has its position", |bed| bed.shared.positioned.get() == bed.subscribers);
        bed
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.cluster.now_ns() / 1_000_000
    }

    fn step(&mut self) {
        self.clock.set_ns(self.cluster.now_ns() + TICK_NS);
        self.cluster.step().expect("no host stops");
    }

    pub(crate) fn run_ms(&mut self, length_ms: u64) {
        for _ in 0..length_ms / TICK_MS {
            self.step();
        }
    }

    pub(crate) fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let until_ns = self.cluster.now_ns() + LIMIT_NS;
        while !done(self) {
            assert!(self.cluster.now_ns() < until_ns, "never: {what}");
            self.step();
        }
    }

    pub(crate) fn load(&mut self, on: bool) {
        self.shared.load.set(on);
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.shared.in_flight.borrow().values().sum()
    }

    /// Cuts node 1 from all the others, both ways.
    pub(crate) fn cut_first(&mut self, nodes: u32) {
        let pairs = (2..=nodes).flat_map(|peer| [(1, peer), (peer, 1)]).collect();
        self.cut(&Cut::all(pairs));
    }

    pub(crate) fn cut(&mut self, cut: &Cut) {
        self.impair(&Impairment::Cut(cut.clone()));
    }

    /// Does it to the links, as the next [`Bed::heal`] takes it back.
    pub(crate) fn impair(&mut self, impairment: &Impairment) {
        self.cut = Some(self.network.impair(impairment).expect("an impairment"));
    }

    /// Takes the last cut back.
    pub(crate) fn heal(&mut self) {
        self.network.heal(self.cut.expect("a cut before")).expect("a heal");
    }

    /// What the last cut came to.
    pub(crate) fn counters(&mut self) -> Counters {
        self.network.counters(self.cut.expect("a cut before")).expect("counters")
    }

    /// What each node believes, as bits.
    pub(crate) fn members(&self) -> BTreeMap<u32, u32> {
        let mut members = BTreeMap::new();
        for node in self.shared.nodes.borrow().values() {
            node.observe(&mut |seen| {
                if let Observation::Members { node, members_bits } = seen {
                    members.insert(node, members_bits);
                }
            });
        }
        members
    }

    /// Frames sent, arrived, since the start.
    pub(crate) fn frames(&self) -> (u64, u64) {
        self.cluster.ledger().totals()
    }

    /// Stops the load, waits for what is in flight and for what is on its way, and closes the history.
    pub(crate) fn finish(mut self) -> Finished {
        self.load(false);
        self.run_ms(TICK_MS * 2);
        self.wait("nothing is in flight", |bed| bed.in_flight() == 0);
        self.run_ms(2_000);
        let Self { cluster, network, shared, run_dir, directory, .. } = self;
        shared.nodes.borrow_mut().clear();
        drop((cluster, network, shared));
        Finished { history: History::open(&run_dir).expect("a history"), run_dir, _directory: directory }
    }
}

fn seats(setup: &Setup, node: u32, run_dir: &RunDir, clock: &SimulatedClock) -> Vec<Seat> {
    let workers = (0u16..).zip(setup.workers()).filter(|(_, entry)| entry.host == node);
    let seat = |(worker, entry): (u16, Worker)| {
        let clock = Clock::Simulated(clock.clone());
        let recorder = Recorder::create(&run_dir.event_path(&entry.name), worker, clock).expect("a recorder");
        Seat { worker, entry, recorder: Rc::new(RefCell::new(recorder)) }
    };
    workers.map(seat).collect()
}

/// A finished run.
pub(crate) struct Finished {
    pub(crate) history: History,
    run_dir: RunDir,
    _directory: TempDir,
}

impl Finished {
    /// Every file under `history/`, one after the other, with its name.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let entries = std::fs::read_dir(self.run_dir.path().join("history")).expect("history");
        let names: BTreeSet<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        let mut bytes = Vec::new();
        for path in names {
            bytes.extend(path.file_name().expect("a name").as_encoded_bytes());
            bytes.extend(std::fs::read(&path).expect("a file"));
        }
        bytes
    }
}
