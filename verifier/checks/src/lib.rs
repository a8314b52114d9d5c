//! Pure functions from a history to findings and verdicts; no I/O, no clocks, no async.
//!
//! [`judge`] goes once through each worker's stream. Messages have dense numbers, so a state is
//! an array entry; streams of different workers are never merged. A new check is a file under
//! `properties` that says what counts, a bit or a tally the passes fill, and its place in
//! `guarantees`.

mod acks;
mod ahead;
mod audits;
mod clocks;
mod consumed;
mod context;
mod directory;
mod evidence;
mod guarantees;
mod health;
pub mod jepsen;
mod judge;
pub mod judgement;
mod lane;
mod latency;
mod node_set;
pub mod picture;
mod properties;
mod queue;
mod reader;
mod sends;
mod side_by_side;
mod stored;
mod story;
mod strength;
mod tally;
mod transactions;
mod work;

pub use judge::{Options, Scope, judge, judge_and_draw, judge_named, judge_with};
pub use judgement::{FindingKind, Guarantee, Judgement, LaneJudgement, Verdict};
pub use picture::Picture;
