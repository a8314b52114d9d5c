//! Every system this program was built with. A new adapter is one line here.

use delivery_broker::{ConfigError, System};

/// The embedded default.
pub static PUBSUB: delivery_pubsub::PubSub = delivery_pubsub::PubSub::new();

/// The systems, in the order of the output.
pub static ALL: &[&dyn System] = &[
    #[cfg(feature = "kafka")]
    &delivery_kafka::Kafka,
    #[cfg(feature = "rabbitmq")]
    &delivery_rabbitmq::RabbitMq,
    &PUBSUB,
];

/// What root file systems are made of. An adapter whose broker runs in one is one line here.
#[cfg(all(any(feature = "kafka", feature = "rabbitmq"), target_os = "linux"))]
pub static ROOTFS_RECIPES: &[&delivery_broker::RootfsRecipe] = &[
    #[cfg(feature = "kafka")]
    &delivery_kafka::RECIPE,
    #[cfg(feature = "rabbitmq")]
    &delivery_rabbitmq::RECIPE,
];

/// The system with this name.
///
/// # Errors
/// Unknown name, with the valid ones.
pub fn find(name: &str) -> Result<&'static dyn System, ConfigError> {
    ALL.iter()
        .copied()
        .find(|system| system.info().name == name)
        .ok_or_else(|| ConfigError::unknown("system", name, ALL.iter().map(|system| system.info().name)))
}
