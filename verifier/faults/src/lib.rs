//! Faults: start, guard, evidence. A fault is over when its guard drops.
//!
//! A new fault is one file that implements [`FaultKind`], and one line in [`kind::ALL`].

pub mod add_partition;
mod amount;
mod asked;
pub mod bandwidth;
pub mod clock;
pub mod delay;
pub mod disk_full;
mod excerpt;
pub mod hold;
pub mod hook;
mod impaired;
pub mod kill;
pub mod kind;
pub mod leader_transfer;
pub mod leave;
pub mod limp;
pub mod loss;
pub mod netsplit;
pub mod pause;
pub mod power_loss;
mod process;
pub mod random;
pub mod reassign;
pub mod rebalance_queues;
pub mod request;
pub mod reset;
pub mod restart;
pub mod schedule;
pub mod schedule_file;
mod shapes;
pub mod slow_disk;
pub mod stop;
pub mod unclean_election;
pub mod view;

pub use excerpt::Place;
pub use hook::{Hooks, SharedHooks};
pub use kind::{
    ActsOn, Evidence, FaultError, FaultGuard, FaultKind, Ground, Product, Resolved, Shape, SharedNetwork,
    SharedProcesses, SharedProduct, find_fault,
};
pub use request::{FaultRequest, time_ms};
pub use schedule::{LoadPlan, ScheduleError, plan_load};
pub use schedule_file::{Schedule, ScheduleFileError};
pub use view::ClusterView;
