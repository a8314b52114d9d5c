//! `bandwidth`: a node whose link is narrow.

use delivery_cluster::machines::Facility;
use delivery_cluster::network::Impairment;
use delivery_history::manifest::{Amount, BiteProof, Fault};

use crate::impaired::impair;
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::process::{FOLLOWER, LEADER, resolve};
use crate::view::ClusterView;

/// Where nobody says how much, kbit a second: less than a few hundred messages a second take.
const KBIT_PER_S: u32 = 64;

/// `bandwidth`.
pub struct Bandwidth;

impl FaultKind for Bandwidth {
    fn name(&self) -> &'static str {
        "bandwidth"
    }

    fn about(&self) -> &'static str {
        "a node's link takes 64 kbit a second each way where no more is given (`bandwidth=256`, `bandwidth=2mbit`): what is beyond waits up to half a second, then is dropped"
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
        Some(Amount::KbitPerS(KBIT_PER_S))
    }

    fn refusal(&self) -> Option<String> {
        Facility::Bandwidth.refusal()
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        // It is there, so there are no sides.
        let amount = planned.amount.or(self.amount());
        Ok(Resolved { sides: Vec::new(), amount, ..resolve(planned, view, BiteProof::PacketsHeldBack)? })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let kbit_per_s = match resolved.amount {
            Some(Amount::KbitPerS(rate)) => rate,
            _ => KBIT_PER_S,
        };
        impair(Impairment::Bandwidth { hosts: resolved.targets.clone(), kbit_per_s }, ground)
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
        let resolved = Bandwidth.resolve(&planned, &view).unwrap();
        assert!(resolved.sides.is_empty() && resolved.amount == planned.amount);
        let (switch, ground) = Switch::ground(Counters::default());
        drop(Bandwidth.start(&resolved, &ground).unwrap());
        switch.take().started
    }

    #[test]
    fn it_hits_who_holds_the_role_with_what_was_asked_for() {
        assert_eq!(started("bandwidth"), [Impairment::Bandwidth { hosts: vec![2], kbit_per_s: 64 }]);
        assert_eq!(started("bandwidth:follower=1mbit"), [Impairment::Bandwidth { hosts: vec![3], kbit_per_s: 1_000 }]);
    }
}
