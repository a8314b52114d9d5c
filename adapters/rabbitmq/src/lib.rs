//! RabbitMQ: how to start, configure, talk to and observe it. AMQP 0-9-1 through lapin, with lapin's own recovery off;
//! what nodes believe is asked of each of them in Erlang's own protocol.

// Elsewhere nothing is run, and much of what lanes are planned with lies idle.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

mod lane;
mod presets;
mod rabbitmq;
mod settings;
mod timings;

// What starts and drives brokers, which takes Linux.
#[cfg(target_os = "linux")]
mod admin;
#[cfg(target_os = "linux")]
mod amqp;
#[cfg(target_os = "linux")]
mod auditor;
#[cfg(target_os = "linux")]
mod changes;
#[cfg(target_os = "linux")]
mod consumer;
#[cfg(target_os = "linux")]
mod drained;
#[cfg(target_os = "linux")]
mod erlang;
#[cfg(target_os = "linux")]
mod external;
#[cfg(target_os = "linux")]
mod install;
#[cfg(target_os = "linux")]
mod node;
#[cfg(target_os = "linux")]
mod observer;
#[cfg(target_os = "linux")]
mod partitions;
#[cfg(target_os = "linux")]
mod producer;
#[cfg(target_os = "linux")]
mod real;
#[cfg(target_os = "linux")]
mod topology;

#[cfg(target_os = "linux")]
pub use install::{RECIPE, install, probe};
#[cfg(target_os = "linux")]
pub use node::{explain, nodes};
pub use rabbitmq::RabbitMq;
