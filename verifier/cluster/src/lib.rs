//! Runs nodes and the network between them.

pub mod bounded;
pub mod clock;
pub mod cluster;
pub mod disk;
pub mod enclosure;
pub mod external;
pub mod local;
pub mod machines;
pub mod network;
pub mod probe;
mod process;
pub mod processes;
pub mod rootfs;
pub mod simulated;
