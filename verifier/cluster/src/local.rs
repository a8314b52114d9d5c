//! The local backend: every host is a network namespace, joined by a bridge in a namespace of its own.
//!
//! Use it inside [`crate::enclosure::enclose`]: nothing here cleans up after itself on the machine,
//! because namespaces live by processes and descriptors only and end with the enclosure.

mod backend;
mod disks;
pub(crate) mod errand;
pub mod group;
pub mod hosts;
mod links;
pub mod log_file;
pub(crate) mod netns;
mod network;
mod node;
pub(crate) mod queues;
mod reachable;
mod rootfs;
pub mod rules;
mod start;
pub mod storage;
pub(crate) mod tools;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use delivery_broker::NodeSpec;
use delivery_history::event::ProcessState;

pub use errand::this_program;
pub use hosts::LocalHost;
pub use network::LocalNetwork;
pub use node::{MachineState, NodeEvent};

pub use crate::error::ClusterError;

use crate::clock::{FakeClock, Setting, SharedMemory};
use crate::disk::Dropped;
use crate::machines::Machines;
use crate::process::{Place, start_in};
use crate::processes::{Blow, ProcessError};
use disks::Disks;
use hosts::HostLink;
use links::Links;
use node::Node;

/// Hosts, the network between them and the nodes that run on them.
pub struct LocalCluster {
    links: Arc<Links>,
    ports: Vec<u16>,
    nodes: Vec<Node>,
    /// What nodes are started on.
    disks: Disks,
    /// The library that lets nodes have clocks of their own, and the memory it needs. After the nodes that use it.
    clocks: Option<(PathBuf, SharedMemory)>,
}

impl LocalCluster {
    /// Makes the hosts and joins them by a bridge. `ports` are the TCP ports whose dropped packets
    /// count as evidence; none means all.
    ///
    /// # Errors
    /// A host description that cannot be, a missing tool, or what the system refused.
    pub fn create(hosts: &[LocalHost], ports: Vec<u16>) -> Result<Self, ClusterError> {
        let hosts = hosts::check(hosts)?;
        hosts::publish_names(&hosts)?;
        let links = Arc::new(Links::make(hosts)?);
        Ok(Self { links, ports, nodes: Vec::new(), disks: Disks::default(), clocks: None })
    }

    /// Nodes started from now on have disks whose power can be cut ([`Blow::PowerLoss`]) and that can be made slow. They
    /// are slower for it anyhow.
    pub fn use_layered_disks(&mut self) {
        self.disks.layered = true;
    }

    /// Nodes started from now on have disks of this size, which can be filled. What is on them ends with the cluster.
    pub fn use_bounded_disks(&mut self, bytes: u64) {
        self.disks.bytes = Some(bytes);
    }

    /// Nodes started from now on have clocks that can be set, through this library.
    ///
    /// # Errors
    /// When shared memory of the run's own is refused.
    pub fn use_clocks(&mut self, library: PathBuf) -> Result<(), ClusterError> {
        let memory = SharedMemory::lay().map_err(|source| ClusterError::SharedMemory { source })?;
        self.clocks = Some((library, memory));
        Ok(())
    }

    /// The network, for faults.
    pub fn network(&self) -> LocalNetwork {
        LocalNetwork::new(Arc::clone(&self.links), self.ports.clone())
    }

    /// Prepares the nodes (side by side) and starts them; returns when every node's command runs.
    /// Output goes to `NAME.log` in `logs_dir`. `should_stop` is asked every few milliseconds.
    ///
    /// # Errors
    /// A command that cannot be started, fails or takes too long, with its last lines; or
    /// [`ClusterError::Stopped`]. No node is left running then.
    pub fn start_nodes(
        &mut self,
        specs: &[NodeSpec],
        logs_dir: &Path,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<(), ClusterError> {
        let places = specs.iter().map(|spec| self.place(spec.host.id)).collect::<Result<Vec<_>, _>>()?;
        let hosts_file = hosts::hosts_file(&self.links.hosts);
        let clock_library = self.clocks.as_ref().map(|(library, _)| library.as_path());
        let machines = start::MachineSetup { disks: self.disks, clock_library };
        let started = start::start_all(specs, places, &hosts_file, logs_dir, machines, should_stop)?;
        self.nodes.extend(started);
        Ok(())
    }

    /// What has happened to the nodes since the last call; never waits.
    pub fn poll_nodes(&mut self) -> Vec<NodeEvent> {
        let mut events = Vec::new();
        self.nodes.iter_mut().for_each(|node| node.poll(&mut events));
        events
    }

    /// Does it to a node's process; one that ends of it has not ended by itself.
    ///
    /// # Errors
    /// When the node does not run, or the system refuses.
    pub fn strike(&mut self, node: u32, blow: Blow) -> Result<(), ProcessError> {
        match self.nodes.iter_mut().find(|one| one.id() == node) {
            Some(one) => one.strike(blow),
            None => Err(group::missed(blow, format!("node {node}"), "there is no such node")),
        }
    }

    /// Starts a node again that a fault ended; [`NodeEvent::Ready`] tells when it is.
    ///
    /// # Errors
    /// An unknown node, or the system's refusal.
    pub fn start_again(&mut self, node: u32) -> Result<(), ClusterError> {
        let known = self.nodes.iter_mut().find(|one| one.id() == node);
        known.ok_or(ClusterError::UnknownHost { host: node })?.start_again()
    }

    /// Whether what a node stores stands apart from what it is configured by, so that its disk can be replaced.
    pub fn stores_apart(&self, node: u32) -> bool {
        self.nodes.iter().any(|one| one.id() == node && one.stores_apart())
    }

    /// Takes all that a node that does not run has stored, as a new disk does; it is prepared again when it is started.
    /// Gives back how many bytes that were.
    ///
    /// # Errors
    /// A node that runs or stores nothing apart, or the system's refusal.
    pub fn wipe(&mut self, node: u32) -> Result<u64, ProcessError> {
        let known = self.nodes.iter_mut().find(|one| one.id() == node);
        let missing = || storage::not_wiped(format!("node {node}"), "there is no such node");
        known.ok_or_else(missing)?.wipe()
    }

    /// Takes everything that nodes have written so far for synced: what a cluster is set up with has long been written
    /// back when the power of a real one fails.
    pub fn settle_disks(&self) {
        self.nodes.iter().for_each(Node::settle);
    }

    /// What a node lost to cuts of its power so far; nothing where its disk loses nothing.
    pub fn dropped(&self, node: u32) -> Option<Dropped> {
        self.nodes.iter().find(|one| one.id() == node)?.dropped()
    }

    /// What the disk and the clock of a node are set to now.
    pub fn machine_state(&self, node: u32) -> MachineState {
        self.nodes.iter().find(|one| one.id() == node).map_or_else(MachineState::default, Node::machine_state)
    }

    /// What the kernel says of a node's process.
    pub fn state(&self, node: u32) -> ProcessState {
        self.nodes.iter().find(|one| one.id() == node).map_or(ProcessState::Gone, Node::state)
    }

    /// Starts a process on a host, in a session of its own. Its standard streams are the caller's choice.
    ///
    /// # Errors
    /// An unknown host, or the system's refusal.
    pub fn spawn(&self, host: u32, mut command: Command) -> Result<Child, ClusterError> {
        let place = self.place(host)?;
        let program = command.get_program().to_string_lossy().into_owned();
        start_in(&mut command, place);
        command.spawn().map_err(|source| ClusterError::Start { program, host: self.link(host).name.clone(), source })
    }

    /// Kills every node that still runs and waits for its end.
    pub fn stop(&mut self) {
        self.nodes.iter_mut().for_each(Node::kill);
        self.nodes.iter_mut().for_each(Node::reap);
        self.nodes.clear();
    }

    /// The network namespace of a host.
    pub(crate) fn namespace(&self, host: u32) -> Option<Arc<OwnedFd>> {
        self.links.hosts.get(&host).map(|link| Arc::clone(&link.namespace))
    }

    fn disks_of(&mut self, operation: &'static str, node: u32) -> Result<&mut disks::NodeDisks, ProcessError> {
        let known = self.nodes.iter_mut().find(|one| one.id() == node);
        known.map(Node::disks).ok_or_else(|| failed(operation, node, &"there is no such node"))
    }

    fn link(&self, host: u32) -> &HostLink {
        &self.links.hosts[&host]
    }

    fn place(&self, host: u32) -> Result<Place, ClusterError> {
        let link = self.links.hosts.get(&host).ok_or(ClusterError::UnknownHost { host })?;
        let mut place = Place::network(&link.namespace);
        place.host_name = Some(link.name.clone());
        place.own_session = true;
        Ok(place)
    }
}

impl Machines for LocalCluster {
    fn fill_disk(&mut self, node: u32) -> Result<(), ProcessError> {
        self.disks_of("fill the disk of", node)?.fill().map_err(|cause| failed("fill the disk of", node, &cause))
    }

    fn free_disk(&mut self, node: u32) {
        if let Ok(disks) = self.disks_of("free the disk of", node) {
            disks.free();
        }
    }

    fn free_bytes(&mut self, node: u32) -> Option<u64> {
        self.disks_of("ask the disk of", node).ok()?.free_bytes()
    }

    fn slow_disk(&mut self, node: u32, by_ms: u32, jitter_ms: u32) -> Result<(), ProcessError> {
        let (by, jitter) = (Duration::from_millis(by_ms.into()), Duration::from_millis(jitter_ms.into()));
        let slowed = self.disks_of("slow the disk of", node)?.slow_down(by, jitter);
        slowed.map_err(|cause| failed("slow the disk of", node, &cause))
    }

    fn set_clock(&mut self, node: u32, setting: Setting) -> Result<(), ProcessError> {
        let operation = "set the clock of";
        let known = self.nodes.iter().find(|one| one.id() == node).and_then(Node::clock);
        let clock = known.ok_or_else(|| failed(operation, node, &"it is the machine's own"))?;
        FakeClock::set(clock, setting).map_err(|cause| failed(operation, node, &cause))
    }

    fn held_up(&mut self, node: u32) -> Option<u64> {
        self.disks_of("ask the disk of", node).ok()?.held_up()
    }
}

fn failed(operation: &'static str, node: u32, cause: &dyn std::fmt::Display) -> ProcessError {
    ProcessError { operation, whose: format!("node {node}"), cause: cause.to_string() }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Hosts by number.
type HostLinks = BTreeMap<u32, HostLink>;
