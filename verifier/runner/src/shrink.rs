//! A failing simulated schedule, made as small as it can be while it still fails.

use delivery_broker::ConfigError;
use delivery_faults::FaultError;
use delivery_history::manifest::{Amount, Fault, Worker};

use crate::plan::{RunPlan, windows};
use crate::seats::plan_clients_of_nodes;

/// Times are not made shorter than by this, milliseconds.
const STEP_MS: u64 = 50;
/// Load before the first fault that is always left, milliseconds.
const LEAST_BASELINE_MS: u64 = 500;

/// A plan that was made smaller.
pub struct Shrunk {
    /// What is left.
    pub plan: RunPlan,
    /// Runs it took.
    pub tries: u32,
    /// The limit of runs was reached: it may not be the smallest.
    pub gave_up: bool,
}

/// Makes the schedule of `plan`, which fails, smaller as long as `fails` says that what is left still does: fewer faults,
/// then shorter ones, then less load around them and a smaller share. At most `most_tries` runs.
///
/// # Errors
/// A fault whose role nobody holds.
pub fn shrink(plan: &RunPlan, most_tries: u32, fails: &mut dyn FnMut(&RunPlan) -> bool) -> Result<Shrunk, FaultError> {
    let mut search = Search { best: plan.clone(), tries: 0, most_tries, fails };
    search.fewer_faults()?;
    for index in 0..search.best.manifest.faults.len() {
        search.shorter(index)?;
        search.rarer(index)?;
    }
    search.earlier()?;
    search.less_load()?;
    let gave_up = search.tries >= most_tries;
    Ok(Shrunk { plan: search.best, tries: search.tries, gave_up })
}

struct Search<'a> {
    best: RunPlan,
    tries: u32,
    most_tries: u32,
    fails: &'a mut dyn FnMut(&RunPlan) -> bool,
}

impl Search<'_> {
    /// Keeps the schedule if it fails, too.
    fn attempt(&mut self, faults: Vec<Fault>, load_ms: u64) -> Result<bool, FaultError> {
        if self.tries >= self.most_tries {
            return Ok(false);
        }
        self.tries += 1;
        let smaller = with_schedule(&self.best, faults, load_ms)?;
        let failed = (self.fails)(&smaller);
        if failed {
            self.best = smaller;
        }
        Ok(failed)
    }

    fn faults(&self) -> Vec<Fault> {
        self.best.manifest.faults.clone()
    }

    /// Delta debugging (Zeller and Hildebrandt, 2002), complements only: leaves out chunks, ever smaller ones.
    fn fewer_faults(&mut self) -> Result<(), FaultError> {
        let load_ms = self.best.manifest.load_ms;
        if !self.faults().is_empty() && self.attempt(Vec::new(), load_ms)? {
            return Ok(());
        }
        let mut chunks = 2;
        while self.faults().len() > 1 {
            let faults = self.faults();
            let size = faults.len().div_ceil(chunks);
            let mut found = false;
            for chunk in 0..faults.len().div_ceil(size) {
                let (from, to) = (chunk * size, ((chunk + 1) * size).min(faults.len()));
                let left = [&faults[..from], &faults[to..]].concat();
                if !left.is_empty() && self.attempt(left, load_ms)? {
                    found = true;
                    break;
                }
            }
            if found {
                chunks = chunks.saturating_sub(1).max(2);
            } else if size == 1 {
                break;
            } else {
                chunks = (chunks * 2).min(faults.len());
            }
        }
        Ok(())
    }

    fn shorter(&mut self, index: usize) -> Result<(), FaultError> {
        let longest_ms = self.best.manifest.faults[index].duration_ms;
        self.bisect(0, longest_ms, STEP_MS, |search, duration_ms| {
            let mut faults = search.faults();
            faults[index].duration_ms = duration_ms;
            (faults, search.best.manifest.load_ms)
        })
    }

    fn rarer(&mut self, index: usize) -> Result<(), FaultError> {
        let Some(Amount::Percent(percent)) = self.best.manifest.faults[index].amount else { return Ok(()) };
        self.bisect(0, percent.into(), 1, |search, percent| {
            let mut faults = search.faults();
            faults[index].amount = u32::try_from(percent).ok().map(Amount::Percent);
            (faults, search.best.manifest.load_ms)
        })
    }

    /// Less load before the first fault.
    fn earlier(&mut self) -> Result<(), FaultError> {
        let Some(first_ms) = self.faults().iter().map(|fault| fault.start_ms).min() else { return Ok(()) };
        let all = (self.faults(), self.best.manifest.load_ms);
        self.bisect(LEAST_BASELINE_MS, first_ms, STEP_MS, |_, start_ms| {
            let (mut faults, load_ms) = all.clone();
            let by_ms = first_ms - start_ms;
            faults.iter_mut().for_each(|fault| fault.start_ms -= by_ms);
            (faults, load_ms - by_ms)
        })
    }

    /// Less load after the last fault.
    fn less_load(&mut self) -> Result<(), FaultError> {
        let last_ms = self.faults().iter().map(|fault| fault.start_ms + fault.duration_ms).max();
        let load_ms = self.best.manifest.load_ms;
        self.bisect(last_ms.unwrap_or(LEAST_BASELINE_MS), load_ms, STEP_MS, |search, load_ms| {
            (search.faults(), load_ms)
        })
    }

    /// The smallest value above `passes` (which is not tried) that still fails, as far as failing is monotone.
    fn bisect(
        &mut self,
        mut passes: u64,
        mut fails: u64,
        step: u64,
        make: impl Fn(&Self, u64) -> (Vec<Fault>, u64),
    ) -> Result<(), FaultError> {
        while fails.saturating_sub(passes) > step {
            let middle = passes + (fails - passes) / 2;
            let (faults, load_ms) = make(self, middle);
            if self.attempt(faults, load_ms)? { fails = middle } else { passes = middle }
        }
        Ok(())
    }
}

/// The plan with another schedule: whoever takes the places of clients that are killed is planned anew.
fn with_schedule(plan: &RunPlan, faults: Vec<Fault>, load_ms: u64) -> Result<RunPlan, FaultError> {
    let mut plan = plan.clone();
    let is_first = |worker: &Worker| worker.succeeds.is_none();
    // Successors stand behind all the others, so that nobody's number changes.
    plan.manifest.workers.retain(is_first);
    plan_clients_of_nodes(&mut plan.manifest.workers, &plan.manifest.nodes, &faults)?;
    plan.machine.faults = windows(&faults);
    plan.machine.load_ms = load_ms;
    plan.manifest.load_ms = load_ms;
    plan.manifest.faults = faults;
    Ok(plan)
}

/// Whether a plan can be made smaller at all.
///
/// # Errors
/// A run of a real broker, which is no two times the same.
pub fn check_shrinkable(plan: &RunPlan) -> Result<(), ConfigError> {
    if plan.manifest.simulated {
        return Ok(());
    }
    Err(ConfigError::Contradiction(String::from(
        "only the schedule of a simulated run can be made smaller: a real broker does not fail the same way twice. \
         `verify replay` runs it again",
    )))
}

#[cfg(test)]
mod tests {
    use delivery_broker::{System, Timings};
    use delivery_faults::FaultRequest;
    use delivery_pubsub::PubSub;

    use super::*;
    use crate::request::{AuditMode, RunRequest};

    fn plan(faults: &str) -> RunPlan {
        let request = RunRequest {
            lanes: Vec::new(),
            faults: FaultRequest::parse_list(faults).unwrap(),
            duration_ms: Some(60_000),
            rate_per_s: 10,
            size_bytes: 64,
            producers: None,
            consumers: 1,
            seed: 1,
            timings: Timings::Vendor,
            required: None,
            audit: AuditMode::Full,
            out: std::path::PathBuf::new(),
            keep_data: false,
            name_suffix: String::new(),
            outside: None,
        };
        assert!(PubSub::new().simulated().is_some());
        crate::plan::plan(&PubSub::new(), &request).unwrap()
    }

    fn label(plan: &RunPlan) -> String {
        let faults = plan.manifest.faults.iter();
        let faults: Vec<String> = faults
            .map(|fault| format!("{}:{}@{}+{}", fault.fault, fault.shape, fault.start_ms, fault.duration_ms))
            .collect();
        format!("{} of {}", faults.join(","), plan.manifest.load_ms)
    }

    const MANY: &str =
        "netsplit@5s+2s,kill:follower@8s+2s,pause@12s+3s,loss@16s+4s,kill:leader@22s+5s,netsplit:flap@30s+5s";

    #[test]
    fn what_the_failure_does_not_need_is_left_out() {
        let has = |plan: &RunPlan, name: &str| plan.manifest.faults.iter().any(|fault| fault.fault == name);
        let shrunk = shrink(&plan(MANY), 500, &mut |plan| has(plan, "pause") && has(plan, "loss")).unwrap();
        let left: Vec<&str> = shrunk.plan.manifest.faults.iter().map(|fault| fault.fault.as_str()).collect();
        assert_eq!(left, ["pause", "loss"]);
        assert!(shrunk.plan.manifest.workers.iter().all(|worker| worker.succeeds.is_none()), "nobody dies any more");
        assert!(!shrunk.gave_up && shrunk.tries < 60, "{}", shrunk.tries);
    }

    #[test]
    fn what_is_left_is_as_short_as_it_can_be() {
        let long = |plan: &RunPlan| {
            plan.manifest
                .faults
                .iter()
                .any(|fault| fault.fault == "kill" && fault.shape == "leader" && fault.duration_ms >= 1_234)
        };
        let shrunk = shrink(&plan(MANY), 500, &mut |plan| long(plan)).unwrap();
        let [fault] = &shrunk.plan.manifest.faults[..] else { panic!("{}", label(&shrunk.plan)) };
        assert!((1_234..=1_234 + STEP_MS).contains(&fault.duration_ms), "{}", label(&shrunk.plan));
        assert!((LEAST_BASELINE_MS..=LEAST_BASELINE_MS + STEP_MS).contains(&fault.start_ms), "{}", label(&shrunk.plan));
        assert!(
            shrunk.plan.manifest.load_ms <= fault.start_ms + fault.duration_ms + STEP_MS,
            "{}",
            label(&shrunk.plan)
        );
        assert_eq!(shrunk.plan.machine.faults, windows(&shrunk.plan.manifest.faults));
        assert!(shrunk.plan.manifest.workers.iter().any(|worker| worker.succeeds.is_some()));
    }

    #[test]
    fn a_failure_that_needs_no_fault_is_left_with_none_and_tries_are_bounded() {
        assert!(shrink(&plan(MANY), 500, &mut |_| true).unwrap().plan.manifest.faults.is_empty());
        let stubborn = shrink(&plan(MANY), 7, &mut |_| false).unwrap();
        assert_eq!((stubborn.tries, stubborn.gave_up, label(&stubborn.plan)), (7, true, label(&plan(MANY))));
    }
}
