//! Network namespaces that live by their descriptor.

use std::fs::{self, File};
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::sched::{CloneFlags, unshare};

use crate::process::loopback_up;

/// Makes a network namespace with its loopback interface up and IPv6 off. It ends with its last
/// descriptor and process: no file is bound to it.
///
/// # Errors
/// The system's refusal.
pub(crate) fn create() -> io::Result<Arc<OwnedFd>> {
    // Only the thread that asks moves into the new namespace, and this one ends right away.
    let made = std::thread::Builder::new().name(String::from("netns")).spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        prepare_current()?;
        File::open("/proc/thread-self/ns/net").map(OwnedFd::from)
    })?;
    let namespace = made.join().map_err(|_| io::Error::other("the thread that made the namespace panicked"))??;
    Ok(Arc::new(namespace))
}

/// Prepares the network namespace of the calling thread.
///
/// # Errors
/// The system's refusal.
pub(crate) fn prepare_current() -> io::Result<()> {
    for interfaces in ["all", "default"] {
        let switch = format!("/proc/sys/net/ipv6/conf/{interfaces}/disable_ipv6");
        if Path::new(&switch).exists() {
            // Only tidiness: nothing uses IPv6, and a cut drops frames whatever they carry.
            let _ = fs::write(switch, "1");
        }
    }
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    Ok(loopback_up(socket.as_fd())?)
}
