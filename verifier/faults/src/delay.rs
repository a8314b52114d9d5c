//! `delay`: a node that everybody hears late, and that hears everybody late.

use delivery_cluster::network::Impairment;
use delivery_cluster::probe::Facility;
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
