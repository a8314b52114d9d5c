//! RabbitMQ as a system under test.

#[cfg(target_os = "linux")]
use delivery_broker::RealSystem;
use delivery_broker::{ChangeKind, ConfigError, LanePlan, LaneRequest, System, SystemInfo, Timings};
use delivery_history::manifest::Workload;

use crate::{lane, presets, settings, timings};

/// TCP port clients connect to.
pub(crate) const CLIENT_PORT: u16 = 5672;
/// Version that is told where none is known yet.
const DEFAULT_VERSION: &str = "installed";
/// Load before the first fault, milliseconds.
const BASELINE_MS: u64 = 8_000;
/// Load after the last heal, milliseconds.
const AFTER_HEAL_MS: u64 = 5_000;
/// Every member back after the last heal, at most, milliseconds: a broker that was paused or is restarted waits up to
/// 30 s for each of the others.
const RECOVER_MS: u64 = 120_000;
/// Three nodes up on two cores, as expected, milliseconds.
const START_MS: u64 = 15_000;

/// RabbitMQ: three nodes.
#[derive(Clone, Copy, Debug, Default)]
pub struct RabbitMq;

impl System for RabbitMq {
    fn info(&self) -> SystemInfo {
        SystemInfo {
            name: "rabbitmq",
            title: "RabbitMQ",
            client: lane::CLIENT.to_owned(),
            workload: Workload::Queue,
            presets: presets::PRESETS,
            settings: settings::SHOWN,
            default_version: DEFAULT_VERSION,
            nodes: lane::NODES,
            client_port: CLIENT_PORT,
            has_controller: false,
            grows: false,
            changes: &[ChangeKind::TransferLeaders, ChangeKind::Rebalance, ChangeKind::Leave],
            replication_ports: &[],
            clients_stay: true,
            baseline_ms: BASELINE_MS,
            after_heal_ms: AFTER_HEAL_MS,
            recover_ms: RECOVER_MS,
            start_ms: START_MS,
        }
    }

    fn lane(&self, request: &LaneRequest) -> Result<LanePlan, ConfigError> {
        lane::plan(request)
    }

    fn why_no_change(&self, change: ChangeKind, lane: &LanePlan) -> Option<&'static str> {
        let has_one_home = change != ChangeKind::Leave && !lane::may_be_replicated(&lane.lane.config);
        has_one_home.then_some("a classic queue that is not mirrored has one home, and no leader to move")
    }

    fn detection_ms(&self, timings: Timings) -> u64 {
        timings::detection_ms(timings)
    }

    fn tuned(&self, timings: Timings) -> Vec<String> {
        timings::broker_settings(timings).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[cfg(target_os = "linux")]
    fn real(&self) -> Option<&dyn RealSystem> {
        Some(self)
    }
}
