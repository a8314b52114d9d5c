//! Apache Kafka in KRaft mode: three combined broker and controller nodes, driven by librdkafka,
//! and asked one by one in Kafka's own protocol where librdkafka would pick the node itself.

mod admin;
mod auditor;
mod changes;
mod client_config;
mod clocks;
mod consumer;
mod external;
mod fates;
mod install;
mod kafka;
mod lane;
mod native;
mod node;
mod observer;
mod peers;
mod presets;
mod producer;
mod settings;
mod timings;
mod transactions;
mod transactor;
mod wire;

pub use install::RECIPE;
pub use kafka::Kafka;
