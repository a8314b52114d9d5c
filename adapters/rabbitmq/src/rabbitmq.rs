//! RabbitMQ as a system under test.

use delivery_broker::{
    Admin, Auditor, ClientError, ClientSpec, ConfigError, Consumer, LanePlan, LaneRequest, Observer, Producer, System,
    SystemInfo, Timings,
};
use delivery_history::manifest::Workload;

use crate::admin::RabbitAdmin;
use crate::amqp::CLIENT_PORT;
use crate::auditor::RabbitAuditor;
use crate::consumer::RabbitConsumer;
use crate::observer::RabbitObserver;
use crate::producer::RabbitProducer;
use crate::{lane, presets, settings, timings};

/// Version that is told where none is known yet.
const DEFAULT_VERSION: &str = "installed";
/// Load before the first fault, milliseconds.
const BASELINE_MS: u64 = 8_000;
/// Load after the last heal, milliseconds.
const AFTER_HEAL_MS: u64 = 5_000;
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
            baseline_ms: BASELINE_MS,
            after_heal_ms: AFTER_HEAL_MS,
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
}

impl RabbitMq {
    /// Connects a producer of the lane.
    ///
    /// # Errors
    /// No runtime could be started.
    pub fn producer(&self, spec: &ClientSpec) -> Result<Box<dyn Producer>, ClientError> {
        Ok(Box::new(RabbitProducer::of_lane(spec)?))
    }

    /// Connects a producer for sentinels.
    ///
    /// # Errors
    /// No runtime could be started.
    pub fn sentinel(&self, spec: &ClientSpec) -> Result<Box<dyn Producer>, ClientError> {
        Ok(Box::new(RabbitProducer::sentinel(spec)?))
    }

    /// Connects a consumer of the lane.
    ///
    /// # Errors
    /// No runtime could be started, or the specification names no queue.
    pub fn consumer(&self, spec: &ClientSpec) -> Result<Box<dyn Consumer>, ClientError> {
        Ok(Box::new(RabbitConsumer::new(spec)?))
    }

    /// An administrator.
    ///
    /// # Errors
    /// A node's address cannot be used.
    pub fn admin(&self, spec: &ClientSpec) -> Result<Box<dyn Admin>, ClientError> {
        Ok(Box::new(RabbitAdmin::new(spec)?))
    }

    /// An observer.
    ///
    /// # Errors
    /// A node's address cannot be used.
    pub fn observer(&self, spec: &ClientSpec) -> Result<Box<dyn Observer>, ClientError> {
        Ok(Box::new(RabbitObserver::new(spec)?))
    }

    /// An audit reader.
    ///
    /// # Errors
    /// A node's address cannot be used.
    pub fn auditor(&self, spec: &ClientSpec) -> Result<Box<dyn Auditor>, ClientError> {
        Ok(Box::new(RabbitAuditor::new(spec)?))
    }
}
