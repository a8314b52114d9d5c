//! Apache Kafka as a system under test.

#[cfg(target_os = "linux")]
use delivery_broker::RealSystem;
use delivery_broker::{ChangeKind, ConfigError, LanePlan, LaneRequest, System, SystemInfo, Timings};
use delivery_history::manifest::Workload;

use crate::{lane, library, presets, settings, timings, version};

/// TCP port brokers serve clients on.
pub(crate) const CLIENT_PORT: u16 = 9092;

/// Load before the first fault, milliseconds.
const BASELINE_MS: u64 = 8_000;
/// Load after the last heal, milliseconds.
const AFTER_HEAL_MS: u64 = 5_000;
/// Every replica in sync again after the last heal, at most, milliseconds.
const RECOVER_MS: u64 = 60_000;
/// Three nodes up on two cores, as expected, milliseconds.
const START_MS: u64 = 12_000;

/// Apache Kafka in KRaft mode: three nodes, each broker and controller.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kafka;

impl System for Kafka {
    fn info(&self) -> SystemInfo {
        SystemInfo {
            name: "kafka",
            title: "Apache Kafka",
            client: library::name(),
            workload: Workload::Log,
            presets: presets::PRESETS,
            settings: settings::SHOWN,
            default_version: version::DEFAULT_VERSION,
            nodes: lane::NODES,
            client_port: CLIENT_PORT,
            has_controller: true,
            grows: true,
            changes: &[
                ChangeKind::TransferLeaders,
                ChangeKind::ElectPreferred,
                ChangeKind::ElectUnclean,
                ChangeKind::Reassign,
                ChangeKind::Leave,
            ],
            replication_ports: &[CLIENT_PORT],
            clients_stay: false,
            baseline_ms: BASELINE_MS,
            after_heal_ms: AFTER_HEAL_MS,
            recover_ms: RECOVER_MS,
            start_ms: START_MS,
        }
    }

    fn lane(&self, request: &LaneRequest) -> Result<LanePlan, ConfigError> {
        lane::plan(request)
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
