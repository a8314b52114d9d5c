//! Pure functions from a history to findings and verdicts; no I/O, no clocks, no async.

pub mod judgement;
