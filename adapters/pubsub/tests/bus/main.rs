//! The bus as a whole, on simulated clusters under load.

mod harness;
mod late;
mod promises;
mod same_seed;
mod tally;
