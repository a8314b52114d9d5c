//! `hold`: what is sent waits on its way, and arrives when the fault is over, all at once.
//!
//! A cut loses what is sent; a connection that outlasts a cut does not, as its sender says it again. So what was given up
//! long ago, and what was said to an earlier life of a node, arrives after all.

use delivery_cluster::network::Impairment;
use delivery_history::manifest::{BiteProof, Fault};

use crate::impaired::impair;
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::shapes;
use crate::view::ClusterView;

const LEADER: Shape =
    Shape { name: "leader", about: "what the node that leads the lanes and its peers say to each other" };
const ONE_WAY_IN: Shape = Shape { name: "one-way-in", about: "what the other nodes say to the leader" };
const ONE_WAY_OUT: Shape = Shape { name: "one-way-out", about: "what the leader says to the other nodes" };

/// `hold`.
pub struct Hold;

impl FaultKind for Hold {
    fn name(&self) -> &'static str {
        "hold"
    }

    fn about(&self) -> &'static str {
        "packets wait on their way, and arrive when it is over (simulated links only)"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[LEADER, ONE_WAY_IN, ONE_WAY_OUT]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Network
    }

    fn is_gray(&self, shape: &str) -> bool {
        // The others hear the leader as before, and may never miss it.
        shape == ONE_WAY_IN.name
    }

    fn refusal(&self) -> Option<String> {
        Some(String::from(
            "no kernel holds packets back and lets them through later; only simulated links do (`verify pubsub`). Take netsplit or delay",
        ))
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let cut = shapes::resolve(self.name(), &planned.shape, view)?;
        Ok(Resolved { bites_by: BiteProof::PacketsHeldBack, ..cut })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        impair(Impairment::Hold(resolved.cut.clone()), ground)
    }
}

#[cfg(test)]
mod tests {
    use delivery_broker::Observation;
    use delivery_cluster::network::Counters;

    use super::*;
    use crate::impaired::tests::Switch;
    use crate::kind::Evidence;
    use crate::request::FaultRequest;
    use crate::schedule::{Defaults, plan_load};

    #[test]
    fn every_shape_holds_what_the_cut_of_its_name_drops() {
        let mut view = ClusterView::new(vec![1, 2, 3], Vec::new(), false);
        view.see(&Observation::Leader { node: 1, destination: 0, leader: Some(2), epoch: 1 });
        let defaults = Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 1, session_timeout_ms: 1 };
        for shape in Hold.shapes() {
            let requests = FaultRequest::parse_list(&format!("hold:{}", shape.name)).unwrap();
            let fault = plan_load(&requests, None, defaults).unwrap().faults.remove(0);
            let resolved = Hold.resolve(&fault, &view).unwrap();
            let cut = shapes::resolve("netsplit", shape.name, &view).unwrap();
            assert_eq!((&resolved.cut, resolved.full_cut), (&cut.cut, true));
            assert_eq!(resolved.bites_by, BiteProof::PacketsHeldBack);
            let (switch, ground) = Switch::ground(Counters { held_back: 7, ..Counters::default() });
            let mut guard = Hold.start(&resolved, &ground).unwrap();
            assert_eq!(guard.evidence().unwrap()[0], Evidence::HeldBack(7));
            assert_eq!(switch.borrow().started, [Impairment::Hold(cut.cut)]);
            drop(guard);
            assert!(switch.borrow().in_force.is_empty());
        }
    }
}
