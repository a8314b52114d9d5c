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
#[cfg(target_os = "linux")]
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
pub use plan::{MAX_MACHINES, RunPlan, check_requirements, draw_faults, plan};
pub use progress::{Progress, Quiet};
#[cfg(target_os = "linux")]
pub use real::{
    backend::{Backend, LocalBackend},
    joined::{
        agent::serve,
        dial::{AgentError, WorkerRequest},
        handshake::Errands,
        machine::Joined,
        reception::{Expected, Reception, ReceptionError},
        token::{ShortToken, Token},
    },
    notes::{notes_dir, tidy_after_the_dead},
    outside::{FaultHook, Outside},
    protocol::{PASSWORD_VARIABLE, TOKEN_VARIABLE},
    run::{run_outside, run_real, run_real_in, run_real_on},
    standing::{MachineNeeds, Standing},
    worker::init,
};
pub use replay::{first_leader, replan};
pub use request::{AuditMode, JoinedMachine, OutsideCluster, PlanError, RunRequest};
pub use shrink::{Shrunk, check_shrinkable, shrink};
pub use simulated::{Simulated, run_simulated, simulate};
