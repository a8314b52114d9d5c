//! The bridge and the links to it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use super::hosts::{HostLink, PREFIX_BITS};
use super::reachable::wait_until_connected;
use super::tools::{self, ip_batch};
use super::{ClusterError, HostLinks, netns};
use crate::process::Place;

/// Name of the bridge in its namespace.
const BRIDGE: &str = "bridge0";
/// Name of a host's end of its link.
pub(super) const HOST_END: &str = "eth0";

/// Hosts joined by a bridge.
pub(super) struct Links {
    /// The hosts.
    pub(super) hosts: HostLinks,
    /// The bridge's network namespace.
    pub(super) bridge: Arc<OwnedFd>,
}

impl Links {
    /// Joins the hosts: one bridge in a namespace of its own, one link each, neighbours known beforehand.
    pub(super) fn make(hosts: HostLinks) -> Result<Self, ClusterError> {
        // Said before anything is half made; nft and tc are needed only later, but then a fault would fail.
        tools::IP.find()?;
        tools::NFT.find()?;
        tools::TC.find()?;
        let bridge = netns::create().map_err(|error| ClusterError::Network {
            action: String::from("make a network namespace for the bridge"),
            cause: error.to_string(),
        })?;
        let batch = format!(
            "link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set {BRIDGE} up\n"
        );
        ip_batch(Place::network(&bridge), "make the bridge", &batch)?;
        for host in hosts.values() {
            let mut place = Place::network(&bridge);
            place.inherits = Some(Arc::clone(&host.namespace));
            ip_batch(place, &format!("link host {} to the bridge", host.name), &bridge_end(host))?;
        }
        for host in hosts.values() {
            let action = format!("give host {} its address", host.name);
            ip_batch(Place::network(&host.namespace), &action, &host_end(host, &hosts))?;
        }
        wait_until_connected(&hosts)?;
        Ok(Self { hosts, bridge })
    }
}

/// Commands for the bridge's namespace.
fn bridge_end(host: &HostLink) -> String {
    let (port, mac, descriptor) = (&host.port, host.mac(), host.namespace.as_raw_fd());
    format!(
        "link add {port} type veth peer name {HOST_END} address {mac} netns /proc/self/fd/{descriptor}\n\
         link set {port} master {BRIDGE} up\n"
    )
}

/// Commands for the host's namespace. Neighbours are permanent entries: no ARP is ever sent, so a
/// cut cannot outlast its heal through a stale entry, nor leak through a fresh one.
fn host_end(host: &HostLink, all: &HostLinks) -> String {
    let mut batch = format!("addr add {}/{PREFIX_BITS} dev {HOST_END}\nlink set {HOST_END} up\n", host.address);
    for other in all.values().filter(|other| other.address != host.address) {
        batch.push_str(&format!("neigh add {} lladdr {} nud permanent dev {HOST_END}\n", other.address, other.mac()));
    }
    batch
}
