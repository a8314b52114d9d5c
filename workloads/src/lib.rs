//! What clients do, recorded: events bracket every call (`send invoked` before the client call,
//! `processing` before the handler, `processed` before the settle), so a client killed in between
//! never makes a phantom.
//!
//! Every behaviour is stepped by its caller from one thread; the same code drives real clients
//! and simulated ones.

pub mod audit;
pub mod consume;
pub mod error;
pub mod handler;
pub mod observe;
pub mod produce;
pub mod queue;
pub mod resend;
pub mod sentinel;
pub mod transform;

pub use audit::{audit, committed, drain};
pub use consume::{ConsumePlan, ConsumerLoop};
pub use error::WorkloadError;
pub use observe::observation_event;
pub use produce::{ProducePlan, ProducerLoop};
pub use queue::{QueueLoop, QueuePlan};
pub use resend::{Again, left_without_outcome};
pub use sentinel::SentinelLoop;
pub use transform::{TransformLoop, TransformPlan};
