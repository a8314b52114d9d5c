//! Runs nodes and the network between them.

pub mod cluster;
pub mod error;
pub mod machines;
pub mod network;
pub mod processes;
pub mod simulated;

// What only Linux has: namespaces, FUSE, libfaketime, and what is built on them.
#[cfg(target_os = "linux")]
pub mod bounded;
#[cfg(target_os = "linux")]
pub mod clock;
#[cfg(target_os = "linux")]
pub mod disk;
#[cfg(target_os = "linux")]
pub mod enclosure;
#[cfg(target_os = "linux")]
pub mod external;
#[cfg(target_os = "linux")]
pub mod local;
#[cfg(target_os = "linux")]
pub mod probe;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
pub mod rootfs;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
