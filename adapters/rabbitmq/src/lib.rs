//! RabbitMQ: how to start, configure, talk to and observe it. AMQP 0-9-1 through lapin, with lapin's own recovery off;
//! what nodes believe is asked of each of them in Erlang's own protocol.

mod admin;
mod amqp;
mod auditor;
mod changes;
mod consumer;
mod drained;
mod erlang;
mod external;
mod install;
mod lane;
mod node;
mod observer;
mod partitions;
mod presets;
mod producer;
mod rabbitmq;
mod settings;
mod timings;
mod topology;

pub use install::{RECIPE, install, probe};
pub use node::{explain, nodes};
pub use rabbitmq::RabbitMq;
