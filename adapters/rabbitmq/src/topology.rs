//! What is declared for a lane: once, by the administrator, over a connection to the node that is to lead.

use std::collections::BTreeMap;

use delivery_broker::LaneTopic;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use crate::amqp::{AmqpError, NOWHERE, answer};

/// A queue as it will be declared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueuePlan {
    /// Its name.
    pub(crate) name: String,
    /// It survives a restart.
    pub(crate) durable: bool,
    /// What else it is.
    pub(crate) arguments: Vec<(&'static str, AMQPValue)>,
    /// How many nodes hold it once it is ready.
    pub(crate) members: u32,
    /// Mirrored by a policy: promote on failure, synchronisation mode.
    pub(crate) mirrored: Option<(String, String)>,
}

/// Exchange through which a queue's dead letters go.
pub(crate) fn dead_letter_exchange(queue: &str) -> String {
    format!("{queue}.dlx")
}

/// The queues of a lane: its own, and the one for its dead letters.
pub(crate) fn queues(topic: &LaneTopic, nodes: u32, mirrored: bool) -> Vec<QueuePlan> {
    let config = &topic.config;
    let queue_type = value(config, "queue.type").unwrap_or("classic");
    let mut arguments = type_arguments(queue_type);
    let long = |text: &str| AMQPValue::LongString(text.into());
    let mut number = |setting: &str, argument: &'static str| {
        if let Some(number) = value(config, setting).and_then(|set| set.parse::<i64>().ok()) {
            arguments.push((argument, AMQPValue::LongLongInt(number)));
        }
    };
    number("queue.version", "x-queue-version");
    number("queue.delivery.limit", "x-delivery-limit");
    number("queue.max.length", "x-max-length");
    if let Some(overflow) = value(config, "queue.overflow") {
        arguments.push(("x-overflow", long(overflow)));
    }
    if value(config, "queue.single.active.consumer") == Some("true") {
        arguments.push(("x-single-active-consumer", AMQPValue::Boolean(true)));
    }
    if topic.dead_letters.is_some() {
        arguments.push(("x-dead-letter-exchange", long(&dead_letter_exchange(&topic.name))));
        if let Some(strategy) = value(config, "queue.dead.letter.strategy") {
            arguments.push(("x-dead-letter-strategy", long(strategy)));
        }
    }
    let policy = |setting: &str, default: &str| value(config, setting).unwrap_or(default).to_owned();
    let mut plans = vec![QueuePlan {
        name: topic.name.clone(),
        durable: value(config, "queue.durable") != Some("false"),
        arguments,
        members: if queue_type == "classic" && !mirrored { 1 } else { nodes },
        mirrored: mirrored.then(|| (policy("queue.promote.on.failure", "always"), policy("queue.sync.mode", "manual"))),
    }];
    if let Some(name) = &topic.dead_letters {
        let queue_type = value(config, "queue.dead.letter").unwrap_or("classic");
        plans.push(QueuePlan {
            name: name.clone(),
            durable: true,
            arguments: type_arguments(queue_type),
            members: if queue_type == "classic" { 1 } else { nodes },
            mirrored: None,
        });
    }
    plans
}

/// Its type, and that it is led where it is declared: a classic queue is anyway.
fn type_arguments(queue_type: &str) -> Vec<(&'static str, AMQPValue)> {
    let mut arguments = vec![("x-queue-type", AMQPValue::LongString(queue_type.into()))];
    if queue_type != "classic" {
        arguments.push(("x-queue-leader-locator", AMQPValue::LongString("client-local".into())));
    }
    arguments
}

fn value<'a>(config: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    config.get(name).map(String::as_str)
}

/// Declares the exchange no queue is bound to.
///
/// # Errors
/// The broker's.
pub(crate) async fn declare_nowhere(channel: &Channel) -> Result<(), AmqpError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    answer(channel.exchange_declare(NOWHERE.into(), ExchangeKind::Direct, options, FieldTable::default())).await
}

/// Declares a queue.
///
/// # Errors
/// The broker's: an argument it does not take, or a queue of this name that is another.
pub(crate) async fn declare_queue(channel: &Channel, plan: &QueuePlan) -> Result<(), AmqpError> {
    let mut arguments = FieldTable::default();
    for (name, value) in &plan.arguments {
        arguments.insert((*name).into(), value.clone());
    }
    let options = QueueDeclareOptions { durable: plan.durable, ..QueueDeclareOptions::default() };
    answer(channel.queue_declare(plan.name.as_str().into(), options, arguments)).await.map(drop)
}

/// Lets the dead letters of `queue` end in `dead_letters`.
///
/// # Errors
/// The broker's.
pub(crate) async fn bind_dead_letters(channel: &Channel, queue: &str, dead_letters: &str) -> Result<(), AmqpError> {
    let exchange = dead_letter_exchange(queue);
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let (name, kind) = (exchange.as_str(), ExchangeKind::Fanout);
    answer(channel.exchange_declare(name.into(), kind, options, FieldTable::default())).await?;
    let bound = channel.queue_bind(
        dead_letters.into(),
        name.into(),
        "".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    answer(bound).await
}

#[cfg(test)]
mod tests {
    use delivery_broker::{LaneRequest, LaneTopic};
    use lapin::types::AMQPValue;

    use super::queues;
    use crate::lane::{is_mirrored, plan};
    use crate::presets::PRESETS;

    #[test]
    fn queues_of_every_preset() {
        let mut shown = String::new();
        for preset in PRESETS {
            let request = LaneRequest { preset: Some(preset.name.to_owned()), ..LaneRequest::default() };
            let planned = plan(&request).unwrap();
            let mirrored = is_mirrored(&planned.lane.config, "3.10.8");
            let topic = LaneTopic {
                name: preset.name.to_owned(),
                partitions: 1,
                dead_letters: planned.dead_letters.then(|| format!("{}.dead", preset.name)),
                config: planned.lane.config,
            };
            for queue in queues(&topic, 3, mirrored) {
                shown.push_str(&format!("{} on {} nodes, durable {}", queue.name, queue.members, queue.durable));
                if let Some((promote, sync)) = &queue.mirrored {
                    shown.push_str(&format!(", mirrored: promote {promote}, sync {sync}"));
                }
                for (name, value) in &queue.arguments {
                    let value = match value {
                        AMQPValue::LongString(text) => text.to_string(),
                        other => format!("{other:?}"),
                    };
                    shown.push_str(&format!("\n    {name} = {value}"));
                }
                shown.push('\n');
            }
        }
        insta::assert_snapshot!(shown);
    }
}
