//! The processes of a run: its nodes and its workers, and who takes whose place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use delivery_broker::{Change, Changed};
use delivery_cluster::cluster::{Cluster, Errand, HostProcess};
use delivery_cluster::external;
use delivery_cluster::local::group;
use delivery_cluster::machines::Machines;
use delivery_cluster::processes::{Blow, Dropped, ProcessError, Processes, Whose};
use delivery_faults::Product;
use delivery_history::RunDir;
use delivery_history::event::ProcessState;

use crate::real::changes::Changes;
use crate::real::joined::machine::Joined;
use crate::real::joined::process::RemoteProcess;
use crate::real::process::{SpawnError, Word, WorkerProcess};
use crate::real::protocol::{Command, PASSWORD_VARIABLE, TOKEN_VARIABLE, WORKER_ARGUMENT, WorkerSpec};

/// How long a worker may take to end politely.
const FINISH_LIMIT: Duration = Duration::from_secs(5);

/// Where a worker is to work, and what it does there.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    /// Its name.
    pub(crate) name: String,
    /// Number of its host.
    pub(crate) host: u32,
    /// The machine that joined the run for it, if it is on one.
    pub(crate) machine: Option<String>,
    /// What it is told first.
    pub(crate) spec: WorkerSpec,
}

/// Everything that runs.
pub(crate) struct Crew {
    /// The nodes and the network.
    pub(crate) cluster: Option<Box<dyn Cluster>>,
    /// Somebody else runs the nodes, and clients are on this machine.
    pub(crate) is_outside: bool,
    /// Machines that clients are on instead.
    pub(crate) joined: Option<Arc<Joined>>,
    /// Workers that run, by number.
    pub(crate) workers: BTreeMap<u16, WorkerProcess>,
    /// What the product is asked for to make a destination that is not there from the start: topic, and how many
    /// partitions it then has.
    pub(crate) growth: BTreeMap<u16, (String, u32)>,
    /// Destinations that were added.
    pub(crate) added: BTreeSet<u16>,
    /// Who administers.
    pub(crate) administrator: Option<u16>,
    /// Changes the product was asked for.
    pub(crate) changes: Changes,
    /// Who takes the place of a worker that is killed, by that worker's number.
    pub(crate) successors: BTreeMap<u16, Post>,
    to_runner: Sender<(u16, Word)>,
    run_dir: RunDir,
}

impl Crew {
    /// Nobody yet. What workers say goes to `to_runner`, what they complain of into the logs of `run_dir`.
    pub(crate) fn new(to_runner: Sender<(u16, Word)>, run_dir: RunDir) -> Self {
        Self {
            cluster: None,
            is_outside: false,
            joined: None,
            workers: BTreeMap::new(),
            growth: BTreeMap::new(),
            added: BTreeSet::new(),
            administrator: None,
            changes: Changes::default(),
            successors: BTreeMap::new(),
            to_runner,
            run_dir,
        }
    }

    /// Starts a worker, once the cluster stands.
    pub(crate) fn hire(&mut self, post: &Post) -> Result<(), SpawnError> {
        let errand = Errand {
            // The name is there for whoever looks at a process list.
            arguments: [WORKER_ARGUMENT, &post.spec.system, &post.name].map(str::to_owned).to_vec(),
            log: self.run_dir.logs_dir().join(format!("{}.log", post.name)),
            not_inherited: [PASSWORD_VARIABLE, TOKEN_VARIABLE].map(String::from).to_vec(),
        };
        let machine = post.machine.as_deref().and_then(|name| self.joined.as_ref()?.named(name));
        let process: Box<dyn HostProcess> = match (self.cluster.as_ref(), machine) {
            (_, Some(machine)) => {
                let path = self.run_dir.event_path(&post.name);
                let started = RemoteProcess::start(machine, post.spec.worker, &post.name, &errand.arguments, &path);
                Box::new(started.map_err(SpawnError::Machine)?)
            }
            (Some(cluster), None) => cluster.run(post.host, &errand)?,
            (None, None) if self.is_outside => external::run(&errand)?,
            (None, None) => return Ok(()),
        };
        let process = WorkerProcess::start(process, &post.name, &post.spec, &self.to_runner)?;
        self.workers.insert(post.spec.worker, process);
        Ok(())
    }

    /// Tells a worker something, if it runs.
    pub(crate) fn tell(&mut self, worker: u16, command: &Command) {
        if let Some(process) = self.workers.get_mut(&worker) {
            process.tell(command);
        }
    }

    /// Whether a node's disk is replaced while it does not run; else its product makes it forget what it stores.
    fn stores_apart(&self, node: u32) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.stores_apart(node))
    }

    /// Ends every worker, politely where `polite`.
    pub(crate) fn dismiss(&mut self, polite: bool) {
        if polite {
            for worker in self.workers.values_mut() {
                worker.tell(&Command::Finish);
            }
            for worker in self.workers.values_mut() {
                worker.end(FINISH_LIMIT);
            }
        }
        self.workers.clear();
    }
}

impl Processes for Crew {
    fn strike(&mut self, whose: Whose, blow: Blow) -> Result<(), ProcessError> {
        match whose {
            Whose::Node(node) => {
                let cluster = self.cluster.as_mut();
                let missing = || group::missed(blow, format!("node {node}"), "there is no cluster");
                cluster.ok_or_else(missing)?.strike(node, blow)
            }
            Whose::Client(worker) => {
                let missing = || group::missed(blow, format!("worker {worker}"), "it does not run");
                self.workers.get_mut(&worker).ok_or_else(missing)?.strike(blow)
            }
        }
    }

    fn start_again(&mut self, whose: Whose) -> Result<(), ProcessError> {
        let failed = |whose: String, cause: String| ProcessError { operation: "start", whose, cause };
        match whose {
            Whose::Node(node) => {
                let name = format!("node {node}");
                let Some(cluster) = self.cluster.as_mut() else {
                    return Err(failed(name, String::from("there is no cluster")));
                };
                cluster.start_again(node).map_err(|error| failed(name, error.to_string()))
            }
            Whose::Client(worker) => {
                let Some(post) = self.successors.remove(&worker) else {
                    return Err(failed(format!("worker {worker}"), String::from("nobody is to take its place")));
                };
                self.hire(&post).map_err(|error| failed(post.name.clone(), error.to_string()))
            }
        }
    }

    fn dropped(&mut self, whose: Whose) -> Option<Dropped> {
        match whose {
            Whose::Node(node) => self.cluster.as_ref()?.dropped(node),
            Whose::Client(_) => None,
        }
    }

    fn machines(&mut self) -> Option<&mut dyn Machines> {
        self.cluster.as_mut()?.machines()
    }

    fn state(&mut self, whose: Whose) -> ProcessState {
        match whose {
            Whose::Node(node) => self.cluster.as_ref().map_or(ProcessState::Gone, |cluster| cluster.state(node)),
            Whose::Client(worker) => self.workers.get(&worker).map_or(ProcessState::Gone, WorkerProcess::state),
        }
    }
}

impl Product for Crew {
    fn ask_for(&mut self, destinations: &[u16]) {
        let Some(administrator) = self.administrator else { return };
        for destination in destinations {
            let Some((name, partitions)) = self.growth.get(destination).cloned() else { continue };
            self.tell(administrator, &Command::AddPartition { destination: *destination, name, partitions });
        }
    }

    fn has_confirmed(&self, destinations: &[u16]) -> bool {
        destinations.iter().all(|destination| self.added.contains(destination))
    }

    fn change(&mut self, change: Change) -> Result<u32, ProcessError> {
        // A node whose disk is replaced is stopped for that; its product only learns that it is gone.
        if let Change::Leave { node } = change
            && self.stores_apart(node)
        {
            self.strike(Whose::Node(node), Blow::Terminate)?;
        }
        let number = self.changes.ask(change);
        if let Some(administrator) = self.administrator {
            self.tell(administrator, &Command::Change { number, change });
        }
        Ok(number)
    }

    fn changed(&mut self, number: u32) -> Result<Changed, ProcessError> {
        let leaving = self.changes.leaving(number).filter(|node| self.stores_apart(*node));
        if let Some(node) = leaving
            && self.state(Whose::Node(node)) == ProcessState::Gone
            && let Some(cluster) = self.cluster.as_mut()
        {
            let bytes = cluster.wipe(node)?;
            self.changes.wiped(number, bytes);
        }
        Ok(self.changes.told(number))
    }

    fn bring_back(&mut self, node: u32) -> Result<(), ProcessError> {
        if self.stores_apart(node) {
            return self.start_again(Whose::Node(node));
        }
        let number = self.changes.ask(Change::Rejoin { node });
        if let Some(administrator) = self.administrator {
            self.tell(administrator, &Command::Change { number, change: Change::Rejoin { node } });
        }
        Ok(())
    }
}
