//! Runs against real brokers: nodes in network namespaces, every client a process of its own.

pub mod backend;
mod caretaker;
mod changes;
mod crew;
pub mod driver;
pub mod jobs;
pub mod joined;
pub mod notes;
pub mod outside;
pub mod process;
pub mod protocol;
pub mod run;
pub mod standing;
mod transform;
mod trouble;
pub mod worker;
