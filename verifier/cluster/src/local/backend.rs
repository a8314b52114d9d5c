//! The local backend as any backend.

use std::path::Path;

use delivery_broker::NodeSpec;
use delivery_history::event::ProcessState;

use super::{ClusterError, LocalCluster, NodeEvent, errand};
use crate::cluster::{Cluster, Errand, HostProcess};
use crate::disk::Dropped;
use crate::machines::Machines;
use crate::network::Network;
use crate::processes::{Blow, ProcessError};

impl Cluster for LocalCluster {
    fn network(&self) -> Box<dyn Network> {
        Box::new(Self::network(self))
    }

    fn start_nodes(
        &mut self,
        specs: &[NodeSpec],
        logs_dir: &Path,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<(), ClusterError> {
        Self::start_nodes(self, specs, logs_dir, should_stop)
    }

    fn poll_nodes(&mut self) -> Vec<NodeEvent> {
        Self::poll_nodes(self)
    }

    fn strike(&mut self, node: u32, blow: Blow) -> Result<(), ProcessError> {
        Self::strike(self, node, blow)
    }

    fn start_again(&mut self, node: u32) -> Result<(), ClusterError> {
        Self::start_again(self, node)
    }

    fn stores_apart(&self, node: u32) -> bool {
        Self::stores_apart(self, node)
    }

    fn wipe(&mut self, node: u32) -> Result<u64, ProcessError> {
        Self::wipe(self, node)
    }

    fn state(&self, node: u32) -> ProcessState {
        Self::state(self, node)
    }

    fn run(&self, host: u32, errand: &Errand) -> Result<Box<dyn HostProcess>, ClusterError> {
        errand::run(errand, |command| self.spawn(host, command))
    }

    fn stop(&mut self) {
        Self::stop(self);
    }

    fn settle_disks(&self) {
        Self::settle_disks(self);
    }

    fn dropped(&self, node: u32) -> Option<Dropped> {
        Self::dropped(self, node)
    }

    fn machines(&mut self) -> Option<&mut dyn Machines> {
        Some(self)
    }
}
