//! Apache Kafka in KRaft mode: three combined broker and controller nodes, driven by librdkafka,
//! and asked one by one in Kafka's own protocol where librdkafka would pick the node itself.

// Elsewhere nothing is run, and much of what lanes are planned with lies idle.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

mod kafka;
mod lane;
mod library;
mod partitioner;
mod presets;
mod settings;
mod timings;
mod transactions;
mod version;

// What starts and drives brokers, which takes Linux.
#[cfg(target_os = "linux")]
mod admin;
#[cfg(target_os = "linux")]
mod auditor;
#[cfg(target_os = "linux")]
mod changes;
#[cfg(target_os = "linux")]
mod client_config;
#[cfg(target_os = "linux")]
mod clocks;
#[cfg(target_os = "linux")]
mod consumer;
#[cfg(target_os = "linux")]
mod external;
#[cfg(target_os = "linux")]
mod fates;
#[cfg(target_os = "linux")]
mod install;
#[cfg(target_os = "linux")]
mod native;
#[cfg(target_os = "linux")]
mod node;
#[cfg(target_os = "linux")]
mod observer;
#[cfg(target_os = "linux")]
mod peers;
#[cfg(target_os = "linux")]
mod producer;
#[cfg(target_os = "linux")]
mod real;
#[cfg(target_os = "linux")]
mod transactor;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
pub use install::RECIPE;
pub use kafka::Kafka;
