//! What vendors promise, with sources, and what a run says about it.
//!
//! A promise is data (`claims/*.toml`): the configuration and the faults it speaks of, the guarantee, its source.
//! [`judge_claims`] holds a judged history against the promises that apply and against what the user requires.

mod applies;
mod judge;
mod reasons;
mod registry;
mod verdict;

pub use applies::release_of;
pub use judge::judge_claims;
pub use registry::{Accepted, Claim, Contradiction, Document, Evidence, Promise, Registry, RegistryError, registry};
pub use verdict::{
    ClaimJudgement, ClaimKind, ClaimOutcome, Contradicted, DecidedBy, LaneVerdict, Overall, RequiredJudgement,
    RunVerdict, Standing, Violation,
};
