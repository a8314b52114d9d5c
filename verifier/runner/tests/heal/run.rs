//! The run inside: three nodes that do nothing but run, one fault, one way out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use delivery_broker::{Change, Changed, HostPlan, NodeCommand, NodeSpec, Observation, Timings};
use delivery_cluster::clock;
use delivery_cluster::local::{LocalCluster, LocalHost, MachineState, NodeEvent, group};
use delivery_cluster::machines::{Machines, Need};
use delivery_cluster::processes::{Blow, Dropped, ProcessError, Processes, Whose};
use delivery_faults::schedule::Defaults;
use delivery_faults::{ClusterView, FaultRequest, Ground, Product, SharedNetwork, find_fault, plan_load};
use delivery_history::event::ProcessState;
use delivery_history::manifest::RunManifest;
use delivery_history::{Clock, Recorder};
use delivery_pubsub::PubSub;
use delivery_runner::drive::{Arrivals, Driver, Run, drive};
use delivery_runner::machine::{Action, FaultWindow, Input};
use delivery_runner::{AuditMode, Interrupts, Quiet, RunEnd, RunRequest, plan};
use nix::sched::{CloneFlags, setns};

use crate::Way;

/// Nodes, and the host of clients.
const NODES: [u32; 3] = [1, 2, 3];
const CLIENT_HOST: u32 = 101;
/// The node that leads.
const LEADER: u32 = 2;
/// The fault lasts until the run's clock is put forward, milliseconds.
const FAULT_MS: u64 = 3_600_000;
/// Size of disks that can be filled.
const DISK_BYTES: u64 = 1 << 20;
/// Between two looks at the run's own world.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Longest time anything is waited for; reaching it is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the error says.
const TROUBLE: &str = "something else";

/// Runs it; 0 where it ended as it should have and everything is as it was before the fault.
pub(crate) fn run(fault: &str, way: Way, directory: &Path) -> i32 {
    let request = RunRequest {
        lanes: Vec::new(),
        faults: Vec::new(),
        duration_ms: None,
        rate_per_s: 1,
        size_bytes: 64,
        producers: None,
        consumers: 1,
        seed: 1,
        timings: Timings::Vendor,
        required: None,
        audit: AuditMode::Full,
        out: directory.to_owned(),
        keep_data: false,
        name_suffix: String::new(),
        outside: None,
    };
    // Whose plan it is matters to nobody here: only its fault and its limits are used.
    let mut planned = plan(&PubSub::new(), &request).unwrap();
    let requests = FaultRequest::parse_list(&format!("{fault}@10ms+{FAULT_MS}ms")).unwrap();
    let defaults = Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 1, session_timeout_ms: 1 };
    let load = plan_load(&requests, None, defaults).unwrap();
    planned.manifest.faults = load.faults;
    planned.manifest.faults[0].adds = vec![0];
    planned.machine.load_ms = load.load_ms;
    planned.machine.limits.recover_ms = PATIENCE.as_millis() as u64;
    planned.machine.faults = vec![FaultWindow { start_ms: 10, duration_ms: FAULT_MS }];
    let kind = find_fault(&planned.manifest.faults[0].fault).unwrap();

    let mut driver = StandIn::new(way, directory, kind.needs());
    let path = directory.join("runner.events");
    let mut recorder = Recorder::create(&path, planned.runner_worker(), Clock::Monotonic).unwrap();
    let view = ClusterView::new(NODES.to_vec(), vec![CLIENT_HOST], false);
    let mut manifest = planned.manifest.clone();
    let mut run = Run { manifest: &mut manifest, run_dir: None, recorder: &mut recorder, progress: &mut Quiet };
    let end = drive(planned.machine.clone(), view, &mut driver, &mut run);
    match (way, end) {
        // It only finishes once everything is as it was.
        (Way::End | Way::Interrupt, RunEnd::Finished) => println!("healed: finished"),
        (Way::Error, RunEnd::CutShort(reason)) => {
            driver.wait_until_as_before();
            println!("healed: cut short by {reason}");
        }
        (_, end) => {
            println!("{end:?}");
            return 1;
        }
    }
    0
}

/// The nodes as processes, and a product that takes what it is asked for.
struct Crew {
    cluster: LocalCluster,
    was_asked: bool,
}

impl Processes for Crew {
    fn strike(&mut self, whose: Whose, blow: Blow) -> Result<(), ProcessError> {
        match whose {
            Whose::Node(node) => self.cluster.strike(node, blow),
            Whose::Client(worker) => Err(group::missed(blow, format!("worker {worker}"), "there is none")),
        }
    }

    fn start_again(&mut self, whose: Whose) -> Result<(), ProcessError> {
        let Whose::Node(node) = whose else { return Ok(()) };
        self.cluster.start_again(node).map_err(|error| ProcessError {
            operation: "start",
            whose: format!("node {node}"),
            cause: error.to_string(),
        })
    }

    fn machines(&mut self) -> Option<&mut dyn Machines> {
        Some(&mut self.cluster)
    }

    fn dropped(&mut self, whose: Whose) -> Option<Dropped> {
        match whose {
            Whose::Node(node) => self.cluster.dropped(node),
            Whose::Client(_) => None,
        }
    }

    fn state(&mut self, whose: Whose) -> ProcessState {
        match whose {
            Whose::Node(node) => self.cluster.state(node),
            Whose::Client(_) => ProcessState::Gone,
        }
    }
}

impl Product for Crew {
    fn ask_for(&mut self, _destinations: &[u16]) {
        self.was_asked = true;
    }

    fn has_confirmed(&self, _destinations: &[u16]) -> bool {
        self.was_asked
    }

    fn change(&mut self, change: Change) -> Result<u32, ProcessError> {
        self.was_asked = true;
        if let Change::Leave { node } = change {
            self.cluster.strike(node, Blow::Terminate)?;
        }
        Ok(1)
    }

    fn changed(&mut self, _number: u32) -> Result<Changed, ProcessError> {
        Ok(Changed::default())
    }

    fn bring_back(&mut self, node: u32) -> Result<(), ProcessError> {
        self.start_again(Whose::Node(node))
    }
}

/// Drives the machine over the stand-in nodes, as the driver of real runs does over brokers.
struct StandIn {
    way: Way,
    directory: PathBuf,
    needs: Option<Need>,
    interrupts: Interrupts,
    crew: Option<Rc<RefCell<Crew>>>,
    network: Option<SharedNetwork>,
    began: Instant,
    /// By how much the run's clock is ahead.
    ahead: Duration,
    ready: usize,
    /// The run's own world before the fault.
    before: Option<World>,
    looked: Instant,
    in_force: bool,
    /// When to stop waiting for a signal from outside.
    leaves_by: Option<Instant>,
}

/// Rules and queues by network namespace, mounts, and what the nodes do.
#[derive(Clone, Debug, PartialEq, Eq)]
struct World {
    networks: BTreeMap<String, String>,
    mounts: String,
    nodes: Vec<ProcessState>,
    /// Disks that nothing fits on.
    full: Vec<bool>,
    /// What disks and clocks are set to.
    set: Vec<MachineState>,
}

impl StandIn {
    fn new(way: Way, directory: &Path, needs: Option<Need>) -> Self {
        Self {
            way,
            directory: directory.to_owned(),
            needs,
            interrupts: Interrupts::listen().unwrap(),
            crew: None,
            network: None,
            began: Instant::now(),
            ahead: Duration::ZERO,
            ready: 0,
            before: None,
            looked: Instant::now(),
            in_force: false,
            leaves_by: None,
        }
    }

    fn start_cluster(&mut self) {
        let name = |id: u32| format!("host-{id}");
        let address = |id: u32| format!("198.18.0.{id}");
        let hosts: Vec<LocalHost> = NODES
            .iter()
            .chain([&CLIENT_HOST])
            .map(|id| LocalHost { id: *id, name: name(*id), address: address(*id) })
            .collect();
        let mut cluster = LocalCluster::create(&hosts, Vec::new()).unwrap();
        match self.needs {
            Some(Need::LayeredDisk) => cluster.use_layered_disks(),
            Some(Need::BoundedDisk) => cluster.use_bounded_disks(DISK_BYTES),
            Some(Need::Clock) => cluster.use_clocks(clock::library().unwrap()).unwrap(),
            None => {}
        }
        let node = |id: u32| NodeSpec {
            rootfs: None,
            host: HostPlan { id, name: name(id), address: address(id), data_dir: self.directory.join(name(id)) },
            files: Vec::new(),
            storage: None,
            prepare: Vec::new(),
            command: NodeCommand {
                program: "/bin/sh".into(),
                arguments: vec!["-c".into(), "echo unsynced > written; echo now ready; sleep 86400 & wait".into()],
                environment: BTreeMap::from([(String::from("PATH"), String::from("/usr/bin:/bin"))]),
            },
            ready_line: "now ready".into(),
            ready_limit_ms: 60_000,
            ports: Vec::new(),
            image: None,
        };
        let specs = NODES.map(node);
        for spec in &specs {
            fs::create_dir_all(&spec.host.data_dir).unwrap();
        }
        cluster.start_nodes(&specs, &self.directory.join("logs"), &|| false).unwrap();
        self.network = Some(Rc::new(RefCell::new(cluster.network())));
        self.crew = Some(Rc::new(RefCell::new(Crew { cluster, was_asked: false })));
    }

    fn look(&self) -> World {
        let mut crew = self.crew.as_ref().unwrap().borrow_mut();
        World {
            networks: networks(),
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap(),
            nodes: NODES.iter().map(|node| crew.cluster.state(*node)).collect(),
            full: NODES.iter().map(|node| crew.cluster.free_bytes(*node) == Some(0)).collect(),
            set: NODES.iter().map(|node| crew.cluster.machine_state(*node)).collect(),
        }
    }

    /// Whether the fault can be seen to do something.
    fn bites(&self) -> bool {
        let was_asked = self.crew.as_ref().is_some_and(|crew| crew.borrow().was_asked);
        was_asked || self.before.as_ref().is_some_and(|before| *before != self.look())
    }

    fn is_as_before(&self) -> bool {
        self.before.as_ref() == Some(&self.look())
    }

    fn wait_until_as_before(&self) {
        let start = Instant::now();
        while !self.is_as_before() {
            assert!(start.elapsed() < PATIENCE, "{:#?} became {:#?}", self.before, self.look());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Says that the fault is in force and, once that was seen from outside, leaves in the way that was asked for.
    fn leave(&mut self, arrivals: &mut Arrivals) {
        println!("in force");
        // Nothing comes where whoever asked for this run is gone: then it ends.
        let asked = std::io::stdin().lines().next();
        assert_eq!(asked.and_then(Result::ok).as_deref(), Some("go"));
        match self.way {
            Way::End => self.ahead = Duration::from_millis(FAULT_MS),
            Way::Error => arrivals.inputs.push(Input::Trouble(String::from(TROUBLE))),
            Way::Panic => {
                std::panic::set_hook(Box::new(|_| ()));
                panic!("on purpose");
            }
            Way::Interrupt | Way::Kill => self.leaves_by = Some(Instant::now() + PATIENCE),
        }
    }
}

impl Driver for StandIn {
    fn now_ns(&self) -> u64 {
        u64::try_from((self.began.elapsed() + self.ahead).as_nanos()).unwrap()
    }

    fn apply(&mut self, action: &Action, _manifest: &mut RunManifest, arrivals: &mut Arrivals) {
        let done = match action {
            Action::StartCluster => {
                self.start_cluster();
                return;
            }
            Action::Prepare => Input::Prepared,
            Action::StartClients => Input::ClientsReady,
            Action::StartLoad => {
                self.before = Some(self.look());
                let leader = Observation::Leader { node: 1, destination: 0, leader: Some(LEADER), epoch: 1 };
                arrivals.observations.push(leader);
                arrivals.observations.push(Observation::Isr { node: LEADER, destination: 0, isr_bits: 0b1110 });
                return;
            }
            Action::AskRecovered => {
                let waiting_for = (!self.is_as_before()).then(|| String::from("everything to be as it was"));
                Input::Recovered { waiting_for }
            }
            Action::Flush => Input::Flushed,
            Action::WriteSentinels => Input::SentinelsWritten,
            Action::WatchDrain => Input::Drained,
            Action::StartAudit => Input::Audited,
            _ => return,
        };
        arrivals.inputs.push(done);
    }

    fn advance(&mut self, arrivals: &mut Arrivals) {
        std::thread::sleep(Duration::from_millis(2));
        assert!(self.leaves_by.is_none_or(|by| Instant::now() < by), "nobody ended this run");
        if let Some(crew) = &self.crew {
            for event in crew.borrow_mut().cluster.poll_nodes() {
                match event {
                    NodeEvent::Ready { .. } => self.ready += 1,
                    other => arrivals.inputs.push(Input::Trouble(format!("{other:?}"))),
                }
            }
        }
        if self.before.is_none() && self.ready == NODES.len() {
            arrivals.inputs.push(Input::ClusterReady);
        }
        for _ in 0..self.interrupts.take() {
            arrivals.inputs.push(Input::Interrupt);
        }
        if self.before.is_some() && !self.in_force && self.looked.elapsed() > LOOK_EVERY {
            self.in_force = self.bites();
            self.looked = Instant::now();
            if self.in_force {
                self.leave(arrivals);
            }
        }
    }

    fn ground(&self) -> Option<Ground> {
        let crew = self.crew.clone()?;
        Some(Ground { network: self.network.clone()?, processes: Some(crew.clone()), product: Some(crew), hooks: None })
    }
}

/// What `nft` and `tc` say in each network namespace that this process holds: the hosts' and the bridge's.
fn networks() -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let name = fs::read_link(entry.path()).ok().and_then(|link| Some(link.to_str()?.to_owned()));
        if let Some(name) = name.filter(|name| name.starts_with("net:[")) {
            said.entry(name).or_insert_with(|| look_into(entry.path()));
        }
    }
    assert!(said.len() > NODES.len() + 1, "hosts and the bridge: {said:?}");
    said
}

/// Only the thread that asks moves into the namespace, and what it starts.
fn look_into(namespace: PathBuf) -> String {
    let say = |program: &str, arguments: &[&str]| {
        let path = "/usr/sbin:/sbin:/usr/bin:/bin";
        let output = Command::new(program).args(arguments).env("PATH", path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let asked = std::thread::spawn(move || {
        setns(File::open(namespace).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        say("nft", &["list", "ruleset"]) + &say("tc", &["qdisc", "show"])
    });
    asked.join().unwrap()
}
