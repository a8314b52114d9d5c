//! Many runs from one file.
//!
//! ```text
//! file (TOML) -> rows -> cells -> groups of cells -> runs (Bench) -> attempts -> results
//! ```
//!
//! A cell is one configuration of one system under one schedule, with what is expected of it. Cells that can share a
//! cluster and a schedule are lanes of one run. Everything but [`Bench`] is pure, or writes the journal.

mod cell;
mod engine;
mod expand;
mod expectation;
mod file;
mod glob;
mod group;
mod lines;
mod observe;
mod prune;
mod settle;
mod statistics;
mod values;

pub use cell::{Cell, Cells, cells};
pub use engine::{Ahead, Bench, Engine, EngineError, Job, Options, Outcome, Ran, Watcher};
pub use expectation::{Expectation, Subject};
pub use file::{MatrixFile, MatrixFileError};
pub use glob::matches;
pub use group::{Carries, group};
pub use lines::{Summary, length, listing, result_line};
pub use observe::observed;
pub use prune::{Keep, cut_down, remove, size_bytes};
pub use settle::{Next, next, settle};
pub use statistics::clopper_pearson;
