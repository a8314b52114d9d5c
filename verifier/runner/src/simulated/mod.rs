//! Runs inside one process, on a simulated network and clock.

mod clients;
mod driver;
mod run;

pub use run::{Simulated, run_simulated, simulate};
