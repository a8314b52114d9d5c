//! `delay`: a node that everybody hears late, and that hears everybody late.

use delivery_cluster::machines::Facility;
use delivery_cluster::network::Impairment;
use delivery_history::manifest::{Amount, BiteProof, Fault};

use crate::impaired::impair;
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::process::{FOLLOWER, LEADER, resolve};
use crate::view::ClusterView;

/// Where nobody says how long, milliseconds, and its jitter.
const DELAY_MS: u32 = 200;
const JITTER_MS: u32 = 50;

/// `delay`.
pub struct Delay;

impl FaultKind for Delay {
    fn name(&self) -> &'static str {
        "delay"
    }

    fn about(&self) -> &'static str {
        "what a node says and hears comes 200 ms later each way where nobody says how much, give or take 50 ms (`delay=1s`, `delay=100ms~20ms`)"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER, FOLLOWER]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Network
    }

    fn takes_the_links_queue(&self) -> bool {
        true
    }

    fn is_gray(&self, _shape: &str) -> bool {
        true
    }

    fn amount(&self) -> Option<Amount> {
        Some(Amount::Delay { ms: DELAY_MS, jitter_ms: JITTER_MS })
    }

    fn refusal(&self) -> Option<String> {
        Facility::Delay.refusal()
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        // It is there, so there are no sides.
        let amount = planned.amount.or(self.amount());
        Ok(Resolved { sides: Vec::new(), amount, ..resolve(planned, view, BiteProof::PacketsDelayed)? })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let (delay_ms, jitter_ms) = match resolved.amount {
            Some(Amount::Delay { ms, jitter_ms }) => (ms, jitter_ms),
            _ => (DELAY_MS, JITTER_MS),
        };
        impair(Impairment::Delay { hosts: resolved.targets.clone(), delay_ms, jitter_ms }, ground)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivery_broker::Observation;
    use delivery_cluster::network::Counters;

    use crate::impaired::tests::Switch;
    use crate::request::FaultRequest;
    use crate::schedule::{Defaults, plan_load};

    fn started(text: &str) -> Vec<Impairment> {
        let defaults = Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 1, session_timeout_ms: 1 };
        let planned = plan_load(&FaultRequest::parse_list(text).unwrap(), None, defaults).unwrap().faults.remove(0);
        let mut view = ClusterView::new(vec![1, 2, 3], vec![101], false);
        view.see(&Observation::Leader { node: 1, destination: 0, leader: Some(2), epoch: 3 });
        let resolved = Delay.resolve(&planned, &view).unwrap();
        assert!(resolved.sides.is_empty() && resolved.amount == planned.amount);
        let (switch, ground) = Switch::ground(Counters::default());
        drop(Delay.start(&resolved, &ground).unwrap());
        switch.take().started
    }

    #[test]
    fn it_hits_who_holds_the_role_with_what_was_asked_for() {
        let late =
            |host: u32, delay_ms: u32, jitter_ms: u32| Impairment::Delay { hosts: vec![host], delay_ms, jitter_ms };
        assert_eq!(started("delay"), [late(2, 200, 50)]);
        assert_eq!(started("delay:follower=1s~0"), [late(3, 1_000, 0)]);
    }
}
