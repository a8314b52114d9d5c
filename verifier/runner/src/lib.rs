//! One run, phase by phase. The phases are a state machine that knows no clock; a driver carries
//! its actions out with worker processes or in a simulation.

pub mod desk;
mod disk_size;
pub mod drive;
pub mod finish;
pub mod interrupt;
pub mod machine;
pub mod machine_facts;
pub mod plan;
pub mod progress;
pub mod real;
pub mod replay;
pub mod request;
pub mod roster;
mod seats;
pub mod shrink;
pub mod simulated;

pub use finish::{Completed, RunError, SCHEDULE_FILE};
pub use interrupt::Interrupts;
pub use machine::RunEnd;
pub use plan::{RunPlan, check_requirements, draw_faults, plan};
pub use progress::{Progress, Quiet};
pub use real::backend::{Backend, LocalBackend};
pub use real::joined::agent::{AgentError, WorkerRequest, serve};
pub use real::joined::handshake::Errands;
pub use real::joined::machine::Joined;
pub use real::joined::reception::{Expected, MAX_MACHINES, Reception, ReceptionError};
pub use real::joined::token::{ShortToken, Token};
pub use real::notes::{notes_dir, tidy_after_the_dead};
pub use real::outside::{FaultHook, Outside};
pub use real::protocol::{PASSWORD_VARIABLE, TOKEN_VARIABLE};
pub use real::run::{run_outside, run_real, run_real_in, run_real_on};
pub use real::standing::{MachineNeeds, Standing};
pub use real::worker::init;
pub use replay::{first_leader, replan};
pub use request::{AuditMode, JoinedMachine, OutsideCluster, PlanError, RunRequest};
pub use shrink::{Shrunk, check_shrinkable, shrink};
pub use simulated::{Simulated, run_simulated, simulate};
