//! The embedded PubSub as a system under test.

use std::rc::Rc;

use delivery_broker::{
    ConfigError, LanePlan, LaneRequest, SimulatedNode, SimulatedPlan, SimulatedSystem, System, SystemInfo, Timings,
};
use delivery_history::manifest::Workload;

use crate::bus::Bus;
use crate::mutation::Mutation;
use crate::node::{Node, PORT};
use crate::settings::{self, DEFAULT_HEARTBEAT_MS, MISSED_HEARTBEATS, PRESETS, SETTINGS, TopicSettings};

/// Members are told as bits of 32.
const MAX_NODE: u32 = 31;

/// The embedded PubSub.
#[derive(Clone, Copy, Debug, Default)]
pub struct PubSub {
    mutation: Option<Mutation>,
}

impl PubSub {
    /// The bus as it should be.
    pub const fn new() -> Self {
        Self { mutation: None }
    }

    /// A bus that is broken in one way, for testing the checks.
    pub const fn broken(mutation: Mutation) -> Self {
        Self { mutation: Some(mutation) }
    }
}

impl System for PubSub {
    fn info(&self) -> SystemInfo {
        SystemInfo {
            name: "pubsub",
            title: "embedded PubSub",
            client: String::from("in-process"),
            workload: Workload::Fanout,
            presets: PRESETS,
            settings: SETTINGS,
            default_version: env!("CARGO_PKG_VERSION"),
            nodes: 5,
            client_port: PORT,
            has_controller: false,
            grows: false,
            changes: &[],
            replication_ports: &[],
            clients_stay: false,
            // With a fault of the default length (7.5 s) a run is 59.5 simulated seconds of load.
            baseline_ms: 20_000,
            after_heal_ms: 32_000,
            recover_ms: 60_000,
            start_ms: 0,
        }
    }

    fn lane(&self, request: &LaneRequest) -> Result<LanePlan, ConfigError> {
        settings::lane(request)
    }

    /// The last heartbeat may have come in just before the cut.
    fn detection_ms(&self, _timings: Timings) -> u64 {
        DEFAULT_HEARTBEAT_MS * (MISSED_HEARTBEATS + 1)
    }

    /// Simulated time costs nothing, so there is nothing to shorten.
    fn tuned(&self, _timings: Timings) -> Vec<String> {
        Vec::new()
    }

    fn simulated(&self) -> Option<&dyn SimulatedSystem> {
        Some(self)
    }
}

impl SimulatedSystem for PubSub {
    fn node(&self, plan: &SimulatedPlan, node: u32) -> Rc<dyn SimulatedNode> {
        let read = plan.lanes.iter().map(|lane| Ok((lane.destination, TopicSettings::read(&lane.config)?)));
        let settings: Result<Vec<_>, ConfigError> = read.collect();
        let refused = match &settings {
            Err(error) => Some(error.to_string()),
            Ok(_) if plan.nodes.iter().any(|node| node.id > MAX_NODE) => {
                Some(format!("the embedded PubSub takes nodes numbered up to {MAX_NODE}; give the run fewer nodes"))
            }
            Ok(_) => None,
        };
        let bus = Bus::new(plan, node, &settings.unwrap_or_default(), self.mutation);
        Rc::new(Node::new(node, plan.nodes.clone(), plan.ledger.clone(), bus, refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_run_is_a_minute_of_load_at_most() {
        let (info, beyond_detection_ms) = (PubSub::new().info(), 4_000);
        let fault_ms = PubSub::new().detection_ms(Timings::Vendor) + beyond_detection_ms;
        let load_ms = info.baseline_ms + fault_ms + info.after_heal_ms;
        assert!((55_000..=60_000).contains(&load_ms), "{load_ms}");
    }

    #[test]
    fn every_preset_is_part_of_the_tour_and_makes_a_lane() {
        for preset in PRESETS {
            let request = LaneRequest { preset: Some(preset.name.to_owned()), ..LaneRequest::default() };
            assert_eq!(PubSub::new().lane(&request).unwrap().lane.name, preset.name);
            assert!(preset.in_tour && preset.about.len() <= 100);
        }
    }
}
