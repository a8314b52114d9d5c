//! The bus as a whole, on simulated clusters under load.

mod harness;
mod promises;
mod same_seed;
mod tally;
