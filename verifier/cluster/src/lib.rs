//! Runs nodes and the network between them.

pub mod network;
