//! A cluster of containers.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use delivery_broker::NodeSpec;
use delivery_cluster::cluster::{Cluster, ClusterError, ClusterHost, Errand, HostProcess, NodeEvent};
use delivery_cluster::local::group::missed;
use delivery_cluster::local::log_file::{LineSearch, last_lines};
use delivery_cluster::local::storage::not_wiped;
use delivery_cluster::network::Network;
use delivery_cluster::processes::{Blow, ProcessError};
use delivery_history::event::ProcessState;
use futures::future::join_all;

use crate::containers::{self, Command, Place};
use crate::error::EngineError;
use crate::hosts::{self, Host, Hosts};
use crate::image::ImageName;
use crate::network::DockerNetwork;
use crate::node::{Node, describe};
use crate::process::ContainerProcess;
use crate::protocol::Task;
use crate::run::{DockerRun, Inner};

/// Tag of an image that is named without one.
const DEFAULT_TAG: &str = "latest";

/// Hosts, the network between them and the nodes that run on them, all containers.
pub struct DockerCluster {
    // Before the run, whose reaper takes what is left.
    nodes: Vec<Node>,
    hosts: Arc<Hosts>,
    ports: Vec<u16>,
    next_process: AtomicU32,
    run: DockerRun,
}

impl DockerCluster {
    /// Makes the hosts and joins them by the run's network. `ports` are the TCP ports whose dropped packets count as
    /// evidence; none means all.
    ///
    /// # Errors
    /// A host description that cannot be, or what the engine refused.
    pub fn create(run: &DockerRun, wanted: &[ClusterHost], ports: Vec<u16>) -> Result<Self, ClusterError> {
        let hosts = Arc::new(hosts::make(&run.0, wanted)?);
        Ok(Self { nodes: Vec::new(), hosts, ports, next_process: AtomicU32::new(1), run: run.clone() })
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.run.0
    }

    fn host(&self, host: u32) -> Result<&Host, ClusterError> {
        self.hosts.get(&host).ok_or(ClusterError::UnknownHost { host })
    }

    fn node(&mut self, node: u32) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|one| one.id() == node)
    }

    /// Prepares one node and starts it.
    async fn start_one(&self, place: &Place<'_>, should_stop: &dyn Fn() -> bool) -> Result<Node, ClusterError> {
        let (run, spec) = (self.inner(), place.spec);
        let image = image_of(spec)?;
        let log = place.logs_dir.join(format!("{}.log", spec.host.name));
        let write = |source| ClusterError::Write { path: log.clone(), source };
        File::create(&log).map_err(write)?;
        place.make_volume().await?;
        for command in &spec.prepare {
            if should_stop() {
                return Err(ClusterError::Stopped);
            }
            prepare(place, &image, command, &log, should_stop).await?;
        }
        if should_stop() {
            return Err(ClusterError::Stopped);
        }
        let written_bytes = fs::metadata(&log).map_err(write)?.len();
        let search = LineSearch::new(&log, written_bytes, &spec.ready_line).map_err(write)?;
        let script = containers::script(spec, &containers::prepare_again(spec), &spec.command);
        let wanted = Command { purpose: "", command: &spec.command, script };
        let container = place.start(&image, &wanted, spec.prepare.is_empty()).await?;
        Ok(Node::new(run, spec.clone(), log, search, container))
    }
}

/// The image a node runs.
fn image_of(spec: &NodeSpec) -> Result<ImageName, EngineError> {
    let bad = || EngineError::BadImage { image: String::new() };
    ImageName::parse(spec.image.as_deref().ok_or_else(bad)?, DEFAULT_TAG)
}

/// Runs a preparing command to its end.
async fn prepare(
    place: &Place<'_>,
    image: &ImageName,
    command: &delivery_broker::NodeCommand,
    log: &Path,
    should_stop: &dyn Fn() -> bool,
) -> Result<(), ClusterError> {
    let run = place.run;
    let script = containers::script(place.spec, "", command);
    let wanted = Command { purpose: "-prepare", command, script };
    let container = place.start(image, &wanted, true).await?;
    let code = containers::end_unless(run.engine.docker(), container.id(), should_stop).await;
    // What cannot be removed here is removed by the reaper.
    let _ = container.rm().await;
    let (node, program) = (place.spec.host.name.clone(), command.program.display().to_string());
    match code {
        None => Err(ClusterError::Stopped),
        Some(Ok(0)) => Ok(()),
        Some(Ok(code)) => {
            Err(ClusterError::Prepare { node, program, status: describe(code), last_lines: last_lines(log) })
        }
        Some(Err(error)) => Err(EngineError::refused(format!("prepare node {node}"), &error).into()),
    }
}

/// Refuses a file of a node outside of its data directory.
fn check_files(spec: &NodeSpec) -> Result<(), ClusterError> {
    let is_outside = |path: &Path| {
        let climbs = path.components().any(|part| part == std::path::Component::ParentDir);
        climbs || !path.starts_with(&spec.host.data_dir)
    };
    match spec.files.iter().find(|file| is_outside(&file.path)) {
        Some(file) => Err(ClusterError::Outside { node: spec.host.name.clone(), path: file.path.clone() }),
        None => Ok(()),
    }
}

impl Cluster for DockerCluster {
    fn network(&self) -> Box<dyn Network> {
        Box::new(DockerNetwork::new(Arc::clone(&self.hosts), self.ports.clone()))
    }

    fn start_nodes(
        &mut self,
        specs: &[NodeSpec],
        logs_dir: &Path,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<(), ClusterError> {
        let write = |source| ClusterError::Write { path: logs_dir.to_owned(), source };
        fs::create_dir_all(logs_dir).map_err(write)?;
        let logs_dir = fs::canonicalize(logs_dir).map_err(write)?;
        specs.iter().try_for_each(check_files)?;
        let places = specs
            .iter()
            .map(|spec| Ok(Place { run: self.inner(), host: self.host(spec.host.id)?, spec, logs_dir: &logs_dir }));
        let places = places.collect::<Result<Vec<_>, ClusterError>>()?;
        let starting = places.iter().map(|place| self.start_one(place, should_stop));
        // All are waited for: one that is on its way while another fails is not left behind.
        let started = self.inner().engine.wait(join_all(starting));
        let nodes = started.into_iter().collect::<Result<Vec<Node>, ClusterError>>()?;
        self.nodes.extend(nodes);
        Ok(())
    }

    fn poll_nodes(&mut self) -> Vec<NodeEvent> {
        let mut events = Vec::new();
        self.nodes.iter_mut().for_each(|node| node.poll(&mut events));
        events
    }

    fn strike(&mut self, node: u32, blow: Blow) -> Result<(), ProcessError> {
        let missing = || missed(blow, format!("node {node}"), "there is no such node");
        self.node(node).ok_or_else(missing)?.strike(blow)
    }

    fn start_again(&mut self, node: u32) -> Result<(), ClusterError> {
        self.node(node).ok_or(ClusterError::UnknownHost { host: node })?.start_again()
    }

    fn stores_apart(&self, node: u32) -> bool {
        self.nodes.iter().any(|one| one.id() == node && one.spec.storage.is_some())
    }

    fn wipe(&mut self, node: u32) -> Result<u64, ProcessError> {
        let failed = |cause: &str| not_wiped(format!("node {node}"), cause);
        let one = self.nodes.iter().find(|one| one.id() == node).ok_or_else(|| failed("there is no such node"))?;
        if one.state() != ProcessState::Gone {
            return Err(failed("it still runs"));
        }
        let storage = one.spec.storage.as_ref().ok_or_else(|| failed("it stores nothing apart"))?;
        let wiped = containers::wipe(self.inner(), &one.spec, storage);
        self.inner().engine.wait(wiped).map_err(|error| failed(&error.to_string()))
    }

    fn state(&self, node: u32) -> ProcessState {
        self.nodes.iter().find(|one| one.id() == node).map_or(ProcessState::Gone, Node::state)
    }

    fn run(&self, host: u32, errand: &Errand) -> Result<Box<dyn HostProcess>, ClusterError> {
        let host = self.host(host)?;
        File::create(&errand.log).map_err(|source| ClusterError::Write { path: errand.log.clone(), source })?;
        let number = self.next_process.fetch_add(1, Ordering::Relaxed);
        let (lines, status) = host.link.listen(number);
        let owner = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let (arguments, log) = (errand.arguments.clone(), errand.log.clone());
        let started = host.link.ask(Task::Run { process: number, arguments, log, owner });
        let failed = |cause: String| ClusterError::Start {
            program: String::from("verify"),
            host: host.name.clone(),
            source: std::io::Error::other(cause),
        };
        started.map_err(failed)?;
        Ok(Box::new(ContainerProcess::new(Arc::clone(&host.link), number, lines, status)))
    }

    fn stop(&mut self) {
        let containers = self.nodes.iter_mut().filter_map(Node::take_container);
        // A removal kills. What cannot be removed here is removed by the reaper.
        self.run.0.engine.wait(join_all(containers.map(|container| container.rm())));
        self.nodes.clear();
    }
}

impl Drop for DockerCluster {
    fn drop(&mut self) {
        self.stop();
    }
}
