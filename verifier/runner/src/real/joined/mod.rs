//! Clients on other machines: each machine runs `verify worker`, which joins the run over TCP, starts the workers it is
//! told to and hands over what they record, by its own clock. The runner compares the clocks all the while and writes the
//! events down by its own.
//!
//! Whoever joins knows the token, and so does whoever is joined: neither sends it. Nothing that clients prove themselves
//! to the cluster with crosses the connection: each machine has that of its own.

pub mod agent;
pub(crate) mod clocks;
pub mod dial;
mod files;
mod frame;
pub mod handshake;
pub(crate) mod link;
pub mod machine;
pub(crate) mod process;
pub mod reception;
pub mod token;
mod words;
