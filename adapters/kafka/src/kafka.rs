//! Apache Kafka as a system under test.

use std::path::Path;

use delivery_broker::{
    Admin, Auditor, ChangeKind, ClientError, ClientSpec, ClusterPlan, ConfigError, Consumer, ExternalSystem,
    ImageLayout, InstallError, InstallRequest, Installation, LanePlan, LaneRequest, NodeSpec, Observer, Producer,
    RealSystem, RuntimeProbe, System, SystemInfo, Timings, Transactor,
};
use delivery_history::manifest::Workload;

use crate::admin::KafkaAdmin;
use crate::auditor::KafkaAuditor;
use crate::client_config::{self, CLIENT_PORT};
use crate::consumer::KafkaConsumer;
use crate::observer::KafkaObserver;
use crate::producer::KafkaProducer;
use crate::transactor::KafkaTransactor;
use crate::{install, lane, node, presets, settings, timings};

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
            client: lane::client_name(),
            workload: Workload::Log,
            presets: presets::PRESETS,
            settings: settings::SHOWN,
            default_version: install::DEFAULT_VERSION,
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

    fn real(&self) -> Option<&dyn RealSystem> {
        Some(self)
    }
}

impl RealSystem for Kafka {
    fn install(&self, request: &InstallRequest, progress: &mut dyn FnMut(&str)) -> Result<Installation, InstallError> {
        install::install(request, progress)
    }

    fn external(&self) -> Option<&dyn ExternalSystem> {
        Some(self)
    }

    fn probe(&self, _cache_dir: &Path) -> Vec<RuntimeProbe> {
        install::probe()
    }

    fn image_layout(&self) -> Option<&'static ImageLayout> {
        Some(&install::IMAGE_LAYOUT)
    }

    fn check_lane(&self, lane: &LanePlan, installation: &Installation) -> Result<(), ConfigError> {
        lane::check_version(&lane.lane, &installation.version)
    }

    fn nodes(&self, plan: &ClusterPlan, installation: &Installation) -> Result<Vec<NodeSpec>, ConfigError> {
        node::nodes(plan, installation)
    }

    fn producer(&self, spec: &ClientSpec) -> Result<Box<dyn Producer>, ClientError> {
        let config = client_config::producer(spec);
        Ok(Box::new(KafkaProducer::new(&config, spec)?))
    }

    fn sentinel(&self, spec: &ClientSpec) -> Result<Box<dyn Producer>, ClientError> {
        let config = client_config::sentinel(spec);
        Ok(Box::new(KafkaProducer::new(&config, spec)?))
    }

    fn consumer(&self, spec: &ClientSpec) -> Result<Box<dyn Consumer>, ClientError> {
        Ok(Box::new(KafkaConsumer::new(&client_config::consumer(spec)?, spec)?))
    }

    fn transactor(&self, spec: &ClientSpec) -> Result<Box<dyn Transactor>, ClientError> {
        Ok(Box::new(KafkaTransactor::new(spec)?))
    }

    fn admin(&self, spec: &ClientSpec) -> Result<Box<dyn Admin>, ClientError> {
        Ok(Box::new(KafkaAdmin::new(spec)?))
    }

    fn observer(&self, spec: &ClientSpec, groups: &[(u16, String)]) -> Result<Box<dyn Observer>, ClientError> {
        Ok(Box::new(KafkaObserver::new(spec, groups)?))
    }

    fn auditor(&self, spec: &ClientSpec) -> Result<Box<dyn Auditor>, ClientError> {
        Ok(Box::new(KafkaAuditor::new(spec)?))
    }
}
