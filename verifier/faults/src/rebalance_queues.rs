//! `rebalance-queues`: the product spreads the leaders of its queues over its nodes.

use delivery_broker::{Change, ChangeKind};
use delivery_history::manifest::{BiteProof, Fault};

use crate::asked::ask;
use crate::kind::{ActsOn, FaultError, FaultGuard, FaultKind, Ground, Resolved, Shape};
use crate::view::ClusterView;

const ALL: Shape =
    Shape { name: "all", about: "every replicated queue; where leaders are spread already, nothing moves" };

/// `rebalance-queues`.
pub struct RebalanceQueues;

impl FaultKind for RebalanceQueues {
    fn name(&self) -> &'static str {
        "rebalance-queues"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["rebalance"]
    }

    fn about(&self) -> &'static str {
        "the product spreads the leaders of its queues over its nodes as it sees fit (RabbitMQ); they stay there"
    }

    fn shapes(&self) -> &'static [Shape] {
        &[ALL]
    }

    fn acts_on(&self) -> ActsOn {
        ActsOn::Product
    }

    fn change(&self, _shape: &str) -> Option<ChangeKind> {
        Some(ChangeKind::Rebalance)
    }

    fn length_ms(&self) -> Option<u64> {
        Some(5_000)
    }

    fn resolve(&self, planned: &Fault, view: &ClusterView) -> Result<Resolved, FaultError> {
        let nobody = || FaultError::NoTarget {
            fault: planned.fault.clone(),
            reason: String::from("no node was ever seen to lead the lanes"),
        };
        let leader = view.lane_leader().ok_or_else(nobody)?;
        Ok(Resolved { targets: vec![leader], bites_by: BiteProof::LeaderMoved, ..Resolved::default() })
    }

    fn start(&self, _resolved: &Resolved, ground: &Ground) -> Result<Box<dyn FaultGuard>, FaultError> {
        ask(Change::Rebalance, ground)
    }
}
