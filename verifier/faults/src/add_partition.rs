//! `add-partition`: every lane's topic is given one more partition under load.

use delivery_history::manifest::{BiteProof, Fault};

use crate::kind::{ActsOn, Evidence, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape, SharedProduct};
use crate::view::ClusterView;

/// Its only shape.
const TOPIC: Shape = Shape {
    name: "topic",
    about: "one more partition of each lane's topic, led by the node that leads the others; producers use it at once",
};

/// `add-partition`.
pub struct AddPartition;

impl FaultKind for AddPartition {
    fn name(&self) -> &'static str {
        "add-partition"
    }

    fn about(&self) -> &'static str {
        "the product is asked for one more partition while clients work (Kafka); nothing is taken back"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[TOPIC]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Product
    }

    fn length_ms(&self) -> Option<u64> {
        Some(3_000)
    }

    fn adds_destinations(&self) -> bool {
        true
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let nobody = |reason: &str| FaultError::NoTarget { fault: planned.fault.clone(), reason: reason.to_owned() };
        if planned.adds.is_empty() {
            return Err(nobody("no lane has a topic of partitions"));
        }
        let leader = view.lane_leader().ok_or_else(|| nobody("no node was seen to lead the lanes"))?;
        Ok(Resolved {
            targets: vec![leader],
            adds: planned.adds.clone(),
            bites_by: BiteProof::ChangeApplied,
            ..Resolved::default()
        })
    }

    fn start(&self, resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        let product = ground.product.clone().ok_or(FaultError::NoProduct)?;
        product.borrow_mut().ask_for(&resolved.adds);
        Ok(Box::new(AskedGuard { product, adds: resolved.adds.clone() }))
    }
}

struct AskedGuard {
    product: SharedProduct,
    adds: Vec<u16>,
}

impl FaultGuard for AskedGuard {
    fn evidence(&mut self) -> Result<Vec<Evidence>, FaultError> {
        Ok(vec![Evidence::Applied(self.product.borrow().has_confirmed(&self.adds))])
    }

    /// A partition that is there stays.
    fn heal(&mut self) -> Result<(), FaultError> {
        Ok(())
    }
}
