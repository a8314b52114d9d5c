//! Hosts: what is asked for, what may be, and how they know each other by name.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::{ClusterError, HostLinks, netns};
pub use crate::cluster::ClusterHost as LocalHost;

/// Length of the network part of every address.
pub(super) const PREFIX_BITS: u32 = 15;
/// First address of the range reserved for benchmarks of networks (RFC 2544): no real host has one.
const NETWORK: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// Longest host name Linux takes.
const NAME_LIMIT: usize = 64;

/// A host that is part of the network.
pub(super) struct HostLink {
    /// Host name.
    pub(super) name: String,
    /// Its address.
    pub(super) address: Ipv4Addr,
    /// Its network namespace.
    pub(super) namespace: Arc<OwnedFd>,
    /// The bridge's end of its link.
    pub(super) port: String,
}

impl HostLink {
    /// A locally administered address that follows from the IP address, so that neighbours need not be asked for.
    pub(super) fn mac(&self) -> String {
        let [a, b, c, d] = self.address.octets();
        format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
    }
}

/// Checks the descriptions and makes a network namespace for each.
pub(super) fn check(hosts: &[LocalHost]) -> Result<HostLinks, ClusterError> {
    let mut links = HostLinks::new();
    for host in hosts {
        let address = address_of(host, links.values().map(|other| (other.name.as_str(), other.address)))?;
        let namespace = netns::create().map_err(|error| ClusterError::Network {
            action: format!("make a network namespace for host {}", host.name),
            cause: error.to_string(),
        })?;
        let link = HostLink { name: host.name.clone(), address, namespace, port: format!("h{}", host.id) };
        if links.insert(host.id, link).is_some() {
            return Err(bad_host(host, "another host has its number"));
        }
    }
    Ok(links)
}

/// The address of a host that can be made beside the others, which are given by name and address.
///
/// # Errors
/// What is wrong with its name or its address.
pub fn address_of<'a>(
    host: &LocalHost,
    mut others: impl Iterator<Item = (&'a str, Ipv4Addr)>,
) -> Result<Ipv4Addr, ClusterError> {
    let outside = || bad_host(host, &format!("{} is no host address in {NETWORK}/{PREFIX_BITS}", host.address));
    let address = parse_address(&host.address).ok_or_else(outside)?;
    if !is_host_name(&host.name) {
        return Err(bad_host(host, "a host name has 1 to 64 letters, digits, dots and hyphens"));
    }
    if others.any(|(name, other)| name == host.name || other == address) {
        return Err(bad_host(host, "another host has its name or its address"));
    }
    Ok(address)
}

/// A host that cannot be.
pub fn bad_host(host: &LocalHost, reason: &str) -> ClusterError {
    ClusterError::BadHost { host: host.name.clone(), reason: reason.to_owned() }
}

fn parse_address(text: &str) -> Option<Ipv4Addr> {
    let address: Ipv4Addr = text.parse().ok()?;
    let host_bits = u32::MAX >> PREFIX_BITS;
    let (network, host) = (address.to_bits() & !host_bits, address.to_bits() & host_bits);
    (network == NETWORK.to_bits() && host != 0 && host != host_bits).then_some(address)
}

fn is_host_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=NAME_LIMIT).contains(&name.len()) && name.bytes().all(allowed)
}

/// Puts a hosts file of the run's own over `/etc/hosts` of this mount namespace, so that a node can
/// resolve its own name (the JVM and Erlang both try).
pub(super) fn publish_names(hosts: &HostLinks) -> Result<(), ClusterError> {
    mount_over_hosts(&hosts_file(hosts)).map_err(|error| ClusterError::Network {
        action: String::from("give the hosts their names in /etc/hosts"),
        cause: error.to_string(),
    })
}

/// Text of the hosts file.
pub(super) fn hosts_file(hosts: &HostLinks) -> String {
    let line = |host: &HostLink| format!("{} {}\n", host.address, host.name);
    String::from("127.0.0.1 localhost\n") + &hosts.values().map(line).collect::<String>()
}

fn mount_over_hosts(text: &str) -> io::Result<()> {
    let target = "/etc/hosts";
    if !fs::exists(target)? {
        return Ok(());
    }
    // The one of a cluster made before here: nothing can be mounted over a file without a name.
    let _ = umount2(target, MntFlags::MNT_DETACH);
    let readable = fs::Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().prefix("hosts-").permissions(readable).tempfile()?;
    file.write_all(text.as_bytes())?;
    mount(Some(file.path()), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    // From here on the mount alone keeps the file: its name goes with `file`.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_addresses_of_the_range_are_taken() {
        for good in ["198.18.0.1", "198.19.255.254", "198.18.0.255"] {
            assert!(parse_address(good).is_some(), "{good}");
        }
        for bad in ["198.18.0.0", "198.19.255.255", "198.20.0.1", "10.0.0.1", "198.18.0", "::1", ""] {
            assert!(parse_address(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn names_that_could_break_a_script_are_refused() {
        assert!(is_host_name("client-1"));
        for bad in ["", "a b", "a\"b", "a\nb", "é", &"x".repeat(65)] {
            assert!(!is_host_name(bad), "{bad:?}");
        }
    }
}
