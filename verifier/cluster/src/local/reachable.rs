//! Waiting until the links really carry packets.
//!
//! The kernel brings a new link up in the background: a packet sent too early is lost, and TCP
//! would repeat it only a second later.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use super::{ClusterError, HostLinks};

/// A port nothing listens on: the refusal is the answer.
const UNUSED_PORT: u16 = 9;
/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_millis(20);
/// Longest wait for a link.
const LINK_LIMIT: Duration = Duration::from_secs(10);

/// Waits until every host has exchanged packets with the next one, the last with the first: each
/// link has then carried packets both ways.
pub(super) fn wait_until_connected(hosts: &HostLinks) -> Result<(), ClusterError> {
    let next = hosts.values().cycle().skip(1);
    let mut waits = Vec::new();
    for (host, next) in hosts.values().zip(next) {
        let (namespace, address) = (Arc::clone(&host.namespace), next.address);
        let wait = std::thread::Builder::new().name(String::from("link")).spawn(move || answers(&namespace, address));
        waits.push((host, next, wait));
    }
    for (host, next, wait) in waits {
        let answered =
            wait.and_then(|wait| wait.join().map_err(|_| io::Error::other("the waiting thread panicked"))?);
        answered.map_err(|error| ClusterError::Network {
            action: format!("bring up the link from host {} to host {}", host.name, next.name),
            cause: error.to_string(),
        })?;
    }
    Ok(())
}

/// Waits for an answer from `address`; only the calling thread enters the namespace.
fn answers(namespace: &OwnedFd, address: Ipv4Addr) -> io::Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET)?;
    let start = Instant::now();
    loop {
        match TcpStream::connect_timeout(&SocketAddr::from((address, UNUSED_PORT)), ANSWER_LIMIT) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(()),
            Err(error) if start.elapsed() >= LINK_LIMIT => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
