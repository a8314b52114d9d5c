//! Where the clusters of runs come from.

use delivery_cluster::clock;
use delivery_cluster::cluster::{Cluster, ClusterHost};
use delivery_cluster::local::LocalCluster;

use crate::real::standing::MachineNeeds;

/// Makes the cluster of a run.
pub trait Backend {
    /// Hosts, joined by a network. `ports` are the TCP ports whose dropped packets count as evidence.
    ///
    /// # Errors
    /// What keeps it from that, in words.
    fn create(
        &self,
        hosts: &[ClusterHost],
        ports: Vec<u16>,
        machines: &MachineNeeds,
    ) -> Result<Box<dyn Cluster>, String>;
}

/// Network namespaces of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalBackend;

impl Backend for LocalBackend {
    fn create(
        &self,
        hosts: &[ClusterHost],
        ports: Vec<u16>,
        machines: &MachineNeeds,
    ) -> Result<Box<dyn Cluster>, String> {
        let mut cluster = LocalCluster::create(hosts, ports).map_err(|error| error.to_string())?;
        if machines.layered_disks {
            cluster.use_layered_disks();
        }
        if let Some(bytes) = machines.disk_bytes {
            cluster.use_bounded_disks(bytes);
        }
        if machines.clocks {
            let library = clock::library().ok_or_else(|| clock::refusal().unwrap_or_default())?;
            cluster.use_clocks(library).map_err(|error| error.to_string())?;
        }
        Ok(Box::new(cluster))
    }
}
