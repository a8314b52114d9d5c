//! Apache Kafka as processes: how it is made ready, described, driven and asked.

use std::path::Path;

use delivery_broker::{
    Admin, Auditor, ClientError, ClientSpec, ClusterPlan, ConfigError, Consumer, ExternalSystem, ImageLayout,
    InstallError, InstallRequest, Installation, LanePlan, NodeSpec, Observer, Producer, RealSystem, RuntimeProbe,
    Transactor,
};

use crate::admin::KafkaAdmin;
use crate::auditor::KafkaAuditor;
use crate::consumer::KafkaConsumer;
use crate::kafka::Kafka;
use crate::observer::KafkaObserver;
use crate::producer::KafkaProducer;
use crate::transactor::KafkaTransactor;
use crate::{client_config, install, lane, node};

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
