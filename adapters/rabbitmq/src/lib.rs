//! RabbitMQ: how to start, configure, talk to and observe it. AMQP 0-9-1 through lapin, with lapin's own recovery off.

mod install;
mod node;

pub use install::{RECIPE, install, probe};
pub use node::{explain, nodes};
