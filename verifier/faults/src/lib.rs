//! Faults: start, guard, evidence. A fault is over when its guard drops.
//!
//! A new fault is one file that implements [`FaultKind`], and one line in [`kind::ALL`].

pub mod kind;
pub mod netsplit;
pub mod request;
pub mod schedule;
pub mod view;

pub use kind::{FaultError, FaultGuard, FaultKind, Resolved, Shape, SharedNetwork, find_fault};
pub use request::FaultRequest;
pub use schedule::{LoadPlan, ScheduleError, plan_load};
pub use view::ClusterView;
