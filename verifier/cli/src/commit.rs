//! Plans that say which commit of this program made them: published tables name it.

use delivery_broker::System;
use delivery_history::RunManifest;
use delivery_runner::{PlanError, RunPlan, RunRequest};

/// The commit this program was built from, with `-dirty` behind it where its sources differed; empty where it was not built
/// from a checkout.
pub const COMMIT: &str = env!("VERIFY_COMMIT");

/// Plans a run, as [`delivery_runner::plan`] does.
///
/// # Errors
/// See there.
pub fn plan(system: &dyn System, request: &RunRequest) -> Result<RunPlan, PlanError> {
    delivery_runner::plan(system, request).map(stamped)
}

/// Plans a recorded run again, as [`delivery_runner::replan`] does.
///
/// # Errors
/// See there.
pub fn replan(system: &dyn System, recorded: &RunManifest) -> Result<RunPlan, PlanError> {
    delivery_runner::replan(system, recorded).map(stamped)
}

fn stamped(mut plan: RunPlan) -> RunPlan {
    COMMIT.clone_into(&mut plan.manifest.tool_commit);
    plan
}
