//! RabbitMQ as processes: how it is made ready, described, driven and asked.

use std::path::Path;

use delivery_broker::{
    Admin, Auditor, ClientError, ClientSpec, ClusterPlan, ConfigError, Consumer, ExternalSystem, ImageLayout,
    InstallError, InstallRequest, Installation, LanePlan, NodeSpec, Observer, Producer, RealSystem, RuntimeProbe,
};

use crate::admin::RabbitAdmin;
use crate::auditor::RabbitAuditor;
use crate::consumer::RabbitConsumer;
use crate::observer::RabbitObserver;
use crate::producer::RabbitProducer;
use crate::rabbitmq::RabbitMq;
use crate::{install, lane, node};

impl RealSystem for RabbitMq {
    fn install(&self, request: &InstallRequest, progress: &mut dyn FnMut(&str)) -> Result<Installation, InstallError> {
        install::install(request, progress)
    }

    fn external(&self) -> Option<&dyn ExternalSystem> {
        Some(self)
    }

    fn probe(&self, cache_dir: &Path) -> Vec<RuntimeProbe> {
        install::probe(cache_dir)
    }

    fn image_layout(&self) -> Option<&'static ImageLayout> {
        Some(&install::IMAGE_LAYOUT)
    }

    fn check_lane(&self, lane: &LanePlan, installation: &Installation) -> Result<(), ConfigError> {
        lane::check_version(&lane.lane, &installation.version)
    }

    fn explain(&self, log: &str) -> Option<String> {
        node::explain(log)
    }

    fn nodes(&self, plan: &ClusterPlan, installation: &Installation) -> Result<Vec<NodeSpec>, ConfigError> {
        node::nodes(plan, installation)
    }

    fn producer(&self, spec: &ClientSpec) -> Result<Box<dyn Producer>, ClientError> {
        Ok(Box::new(RabbitProducer::of_lane(spec)?))
    }

    fn sentinel(&self, spec: &ClientSpec) -> Result<Box<dyn Producer>, ClientError> {
        Ok(Box::new(RabbitProducer::sentinel(spec)?))
    }

    fn consumer(&self, spec: &ClientSpec) -> Result<Box<dyn Consumer>, ClientError> {
        Ok(Box::new(RabbitConsumer::new(spec)?))
    }

    fn admin(&self, spec: &ClientSpec) -> Result<Box<dyn Admin>, ClientError> {
        Ok(Box::new(RabbitAdmin::new(spec)?))
    }

    fn observer(&self, spec: &ClientSpec, _groups: &[(u16, String)]) -> Result<Box<dyn Observer>, ClientError> {
        Ok(Box::new(RabbitObserver::new(spec)?))
    }

    fn auditor(&self, spec: &ClientSpec) -> Result<Box<dyn Auditor>, ClientError> {
        Ok(Box::new(RabbitAuditor::new(spec)?))
    }
}
