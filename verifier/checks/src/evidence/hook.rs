//! Faults that a command of the user's injected. That it says it did counts for nothing: a fault bit where the nodes that
//! were not hit missed those that were, and did so until it was taken back; where those gave no answer; or where clients
//! stood still, or waited much longer, for most of its time.

use delivery_history::NO_NODE;
use delivery_history::manifest::{Fault, HookCall, HookStep};

use crate::context::Context;
use crate::evidence::observations::{Before, Change, Subject};
use crate::evidence::stall::Slowed;
use crate::evidence::timeline::FaultWindow;
use crate::node_set::{node_bit, nodes_in};

/// What is known of a fault that came by a command.
pub(crate) struct HookFacts {
    /// Why it proves nothing about anybody.
    pub(crate) reasons: Vec<String>,
    /// How its calls ended, in words.
    pub(crate) words: String,
    /// What other nodes missed of those that were hit.
    missed: Vec<Change>,
    /// Those that were hit gave no answer.
    silent: bool,
    /// From the first call to the one that took it back.
    lasted_ns: u64,
}

impl HookFacts {
    /// Collects what was recorded of `fault`; `witnesses` are the nodes whose word counts.
    pub(crate) fn collect(
        context: &Context<'_>,
        label: &str,
        fault: &Fault,
        window: &FaultWindow,
        before: &Before,
        (targets, witnesses): (u64, u64),
    ) -> Self {
        let call = |step| fault.hook_calls.iter().find(|call| call.step == step);
        let (start, heal) = (call(HookStep::Start), call(HookStep::Heal));
        let last = fault.hook_calls.iter().rev().find(|call| call.step == HookStep::Heal);
        let mut facts = Self {
            reasons: reasons(label, start, heal, last),
            words: fault.hook_calls.iter().map(call_words).collect::<Vec<_>>().join(", "),
            missed: Vec::new(),
            silent: false,
            lasted_ns: 0,
        };
        let (Some(start), Some(heal), Some(_)) = (start, heal, window.span_ns()) else { return facts };
        let (from_ns, until_ns) = (start.began_ns, heal.began_ns);
        facts.lasted_ns = until_ns.saturating_sub(from_ns);
        let load_ns = context.timeline.load_start_ns;
        let calm = context.observations.before(load_ns);
        // Against what was believed when the load began, and against what was believed last.
        let restless = [&calm, before]
            .into_iter()
            .any(|believed| !context.observations.losses(believed, witnesses, (load_ns, from_ns), targets).is_empty());
        if restless {
            facts
                .reasons
                .push(format!("before {label} others missed whom it was to hit already: it may be none of its doing"));
        }
        facts.missed = context.observations.losses(before, witnesses, (from_ns, until_ns), targets);
        let came_back = |change: &Change| context.observations.comes_back(change, until_ns, targets);
        if !comes_and_goes(fault)
            && let Some(change) = facts.missed.iter().find(|change| came_back(change))
        {
            let who = context.host_name(change.node);
            facts
                .reasons
                .push(format!("{who} told that whom {label} had hit was back before it was healed: it did not hold"));
        }
        facts.silent = targets != 0
            && nodes_in(targets).all(|node| context.observations.was_silent(node, start.ended_ns, until_ns));
        facts
    }

    /// Whether it was felt where these destinations are, or by the clients of a lane that stalled or were slowed.
    pub(crate) fn is_felt_by(&self, destinations: &[u16], stalled_ns: Option<u64>, slowed: Option<Slowed>) -> bool {
        let missed = self.missed.iter().any(|change| match change.subject {
            Subject::Leader(destination) | Subject::Isr(destination) => destinations.contains(&destination),
            Subject::Controller | Subject::Members => true,
        });
        let stood_still = stalled_ns.is_some_and(|stalled_ns| stalled_ns.saturating_mul(2) >= self.lasted_ns);
        missed || self.silent || stood_still || slowed.is_some()
    }

    /// Whether anybody but clients felt it.
    pub(crate) fn is_felt_by_nodes(&self) -> bool {
        !self.missed.is_empty() || self.silent
    }
}

/// Faults that are off half of their time on purpose.
fn comes_and_goes(fault: &Fault) -> bool {
    fault.shape == "flap" || fault.fault == "limp"
}

/// Whether what is now believed leaves out a target that was in before.
pub(crate) fn is_loss(subject: Subject, before: u32, now: u32, targets: u64) -> bool {
    match subject {
        Subject::Leader(_) | Subject::Controller => {
            node_bit(before) & targets != 0 && (now == NO_NODE || node_bit(now) & targets == 0)
        }
        Subject::Isr(_) | Subject::Members => u64::from(before) & targets & !u64::from(now) != 0,
    }
}

/// Why the command itself leaves it open whether there was a fault at all.
fn reasons(label: &str, start: Option<&HookCall>, heal: Option<&HookCall>, last: Option<&HookCall>) -> Vec<String> {
    let mut reasons = Vec::new();
    match start {
        None => reasons.push(format!("nobody wrote down how the fault hook was called for {label}")),
        Some(call) if !call.succeeded => reasons.push(format!("the fault hook did not start {label}: {}", ended(call))),
        Some(call) if heal.is_some_and(|heal| heal.began_ns <= call.ended_ns) => {
            reasons.push(format!("the fault hook took all the time of {label} to start it"));
        }
        Some(_) => {}
    }
    match last {
        None => reasons.push(format!("the fault hook was never called to heal {label}")),
        Some(call) if !call.succeeded => reasons.push(format!("the fault hook did not heal {label}: {}", ended(call))),
        Some(_) => {}
    }
    reasons
}

/// Status, and the last line that was said.
fn ended(call: &HookCall) -> String {
    match call.output.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{} ({})", call.status, line.trim()),
        None => call.status.clone(),
    }
}

/// `hook start: exit status 0 after 0.2 s`.
fn call_words(call: &HookCall) -> String {
    let step = match call.step {
        HookStep::Start => "start",
        HookStep::Heal => "heal",
    };
    let took_s = call.ended_ns.saturating_sub(call.began_ns) as f64 / 1e9;
    format!("hook {step}: {} after {took_s:.1} s", call.status)
}
