//! What excludes each other, what a setting of ours takes, and what the version that runs must have.

use delivery_broker::{CommitMode, ConfigError, Scope};
use delivery_history::manifest::Lane;

use super::Draft;
use crate::library;
use crate::partitioner::Partitioner;
use crate::settings::{check_client, is_own, not_known_to};
use crate::transactions;
use crate::version::Version;

/// Settings of the classic group protocol that librdkafka refuses with the other one.
const CLASSIC_ONLY: [&str; 4] = [
    "consumer.session.timeout.ms",
    "consumer.heartbeat.interval.ms",
    "consumer.partition.assignment.strategy",
    "consumer.group.protocol.type",
];
/// Settings of librdkafka that only the new group protocol has.
const NEW_ONLY: [&str; 1] = ["consumer.group.remote.assignor"];
/// How long a broker waits for a silent member under the new protocol, where nothing else is set, milliseconds.
const NEW_SESSION_MS: u64 = 45_000;
/// Pairs of which the first must not be below the second (librdkafka's `rd_kafka_conf_finalize`).
const NOT_BELOW: [(&str, &str); 2] = [
    ("consumer.max.poll.interval.ms", "consumer.session.timeout.ms"),
    ("producer.reconnect.backoff.max.ms", "producer.reconnect.backoff.ms"),
];
/// For messages without a key only.
const STICKY: &str = "producer.sticky.partitioning.linger.ms";
/// Most times one message is sent again.
const MAX_RESENDS: u64 = 100;
/// Longest work on one message, milliseconds.
const MAX_PROCESSING_MS: u64 = 3_600_000;
/// Most messages handed out at once.
const MAX_POLL_RECORDS: u64 = 100_000;

/// Whether a setting takes a value, by itself.
pub(super) fn check_value(scope: Scope, name: &str, value: &str) -> Result<(), ConfigError> {
    let invalid = |reason: String| {
        Err(ConfigError::Invalid { setting: format!("{}.{name}", scope.label()), value: value.to_owned(), reason })
    };
    let number = |least: u64, most: u64| match value.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(()),
        _ => invalid(format!("a whole number from {least} to {most} is needed")),
    };
    match (scope, name) {
        (Scope::Consumer, "commit") if CommitMode::from_name(value).is_none() => {
            let names: Vec<&str> = CommitMode::NAMES.iter().map(|(name, _)| *name).collect();
            invalid(format!("one of {} is needed", names.join(", ")))
        }
        (Scope::Consumer, "processing.ms") => number(0, MAX_PROCESSING_MS),
        (Scope::Consumer, "max.poll.records") => number(1, MAX_POLL_RECORDS),
        (Scope::Producer, _) if transactions::is_own(&format!("producer.{name}")) => {
            transactions::check_own(name, value)
        }
        (Scope::Producer, "resend") => number(0, MAX_RESENDS),
        (Scope::Producer, "partitioner") if !Partitioner::NAMES.contains(&value) => {
            invalid(format!("one of {} is needed", Partitioner::NAMES.join(", ")))
        }
        (Scope::Consumer, "static.membership") if !["true", "false"].contains(&value) => {
            invalid(String::from("true or false is needed"))
        }
        (Scope::Consumer, "group.protocol") if value.eq_ignore_ascii_case("share") => {
            Err(ConfigError::Contradiction(format!(
                "consumer.group.protocol=share: share groups (KIP-932) need a share consumer, and {} has none. \
                 Only the Java client 4.0 and later does; of what it promises nothing can be shown here.",
                library::name()
            )))
        }
        (Scope::Producer | Scope::Consumer, _) if !is_own(scope, name) => check_client(scope, name, value),
        _ => Ok(()),
    }
}

impl Draft {
    /// Settings of clients that exclude each other, and those that follow from others.
    pub(super) fn settle_clients(&mut self) -> Result<(), ConfigError> {
        self.settle_group_protocol()?;
        for (more, less) in NOT_BELOW {
            self.check_not_below(more, less)?;
        }
        self.check_linger()?;
        if self.is_chosen(STICKY) {
            return Err(ConfigError::Contradiction(format!(
                "{STICKY} cannot be chosen: it is for messages without a key, and every message here has one."
            )));
        }
        if self.get("producer.resend") != "0" && self.get("producer.acks") == "0" {
            return Err(ConfigError::Contradiction(String::from(
                "producer.resend needs acknowledgements: with producer.acks=0 no outcome is ever unknown.",
            )));
        }
        self.check_assignors()
    }

    /// The new protocol leaves to the broker what the classic one leaves to the client.
    fn settle_group_protocol(&mut self) -> Result<(), ConfigError> {
        let new = self.get("consumer.group.protocol") == "consumer";
        let excluded = if new { &CLASSIC_ONLY[..] } else { &NEW_ONLY[..] };
        if let Some(full) = excluded.iter().find(|full| self.is_chosen(full)) {
            return Err(ConfigError::Contradiction(if new {
                let instead = match *full {
                    "consumer.partition.assignment.strategy" => "choose consumer.group.remote.assignor instead",
                    "consumer.session.timeout.ms" => "set broker.group.consumer.session.timeout.ms instead",
                    "consumer.heartbeat.interval.ms" => "set broker.group.consumer.heartbeat.interval.ms instead",
                    _ => "leave it out",
                };
                format!("{full} belongs to the classic protocol: with consumer.group.protocol=consumer, {instead}.")
            } else {
                format!("{full} needs consumer.group.protocol=consumer.")
            }));
        }
        if new {
            CLASSIC_ONLY.iter().for_each(|full| drop(self.config.remove(*full)));
        }
        Ok(())
    }

    /// How long the broker waits for a dead member, milliseconds.
    pub(super) fn session_timeout_ms(&self) -> Result<u64, ConfigError> {
        if self.get("consumer.group.protocol") != "consumer" {
            return self.number("consumer.session.timeout.ms", 1, u64::MAX);
        }
        let full = "broker.group.consumer.session.timeout.ms";
        if self.config.contains_key(full) { self.number(full, 1, u64::MAX) } else { Ok(NEW_SESSION_MS) }
    }

    fn check_not_below(&self, more: &str, less: &str) -> Result<(), ConfigError> {
        let of =
            |full: &str| self.config.get(full).map_or_else(|| default_of(full), String::as_str).parse::<u64>().ok();
        match (of(more), of(less)) {
            (Some(high), Some(low)) if high < low && self.config.contains_key(less) => Err(ConfigError::Contradiction(
                format!("{more}={high} must not be below {less}={low}: librdkafka refuses it."),
            )),
            _ => Ok(()),
        }
    }

    fn check_linger(&self) -> Result<(), ConfigError> {
        let of = |full: &str| self.get(full).parse::<f64>().unwrap_or(0.0);
        let (linger, timeout) = (of("producer.linger.ms"), of("producer.message.timeout.ms"));
        if timeout > 0.0 && linger >= timeout {
            return Err(ConfigError::Contradiction(format!(
                "producer.linger.ms={linger} must be below producer.message.timeout.ms={timeout}: no message would be \
                 sent before it times out."
            )));
        }
        Ok(())
    }

    fn check_assignors(&self) -> Result<(), ConfigError> {
        let strategy = self.get("consumer.partition.assignment.strategy");
        let cooperative = |name: &&str| name.trim() == "cooperative-sticky";
        let all = strategy.split(',').count();
        let cooperative = strategy.split(',').filter(|name| cooperative(&name.trim())).count();
        if cooperative > 0 && cooperative < all {
            return Err(ConfigError::Contradiction(format!(
                "consumer.partition.assignment.strategy={strategy} mixes assignors that give everything back at a \
                 rebalance with one that does not: choose one kind."
            )));
        }
        Ok(())
    }
}

fn default_of(full: &str) -> &'static str {
    crate::settings::client_default(full.split_once('.').map_or(full, |(_, name)| name))
}

/// Whether the version that will run has what the lane asks for.
///
/// # Errors
/// What it does not have, by name.
pub(crate) fn check_version(lane: &Lane, version: &str) -> Result<(), ConfigError> {
    // A distribution may call itself what it likes.
    let Ok(version) = Version::parse(version) else { return Ok(()) };
    let refuse = |what: &str, why: &str| {
        Err(ConfigError::Contradiction(format!(
            "lane `{}` cannot run on Apache Kafka {version}: {what}: {why}.",
            lane.name
        )))
    };
    let new_groups = lane.config.get("consumer.group.protocol").is_some_and(|protocol| protocol == "consumer");
    if new_groups && !version.has_new_groups() {
        return refuse("consumer.group.protocol=consumer", "the protocol of KIP-848 is there from 4.0 on");
    }
    for full in lane.config.keys() {
        for scope in [Scope::Topic, Scope::Broker] {
            let name = full.strip_prefix(scope.label()).and_then(|name| name.strip_prefix('.'));
            if let Some(why) = name.and_then(|name| not_known_to(version, scope, name)) {
                return refuse(full, &why);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use delivery_broker::{ConfigError, LaneRequest};

    use super::check_version;
    use crate::lane::plan;

    fn planned(overrides: &[(&str, &str)]) -> Result<delivery_broker::LanePlan, ConfigError> {
        let overrides = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        plan(&LaneRequest { preset: Some(String::from("safe")), overrides, files: Vec::new() })
    }

    #[test]
    fn what_excludes_each_other_is_refused_with_the_reason() {
        let mut told = String::new();
        for overrides in [
            &[("group.protocol", "share")][..],
            &[("group.protocol", "consumer"), ("session.timeout.ms", "9000")],
            &[("group.protocol", "consumer"), ("heartbeat.interval.ms", "900")],
            &[("group.protocol", "consumer"), ("partition.assignment.strategy", "range")],
            &[("group.remote.assignor", "uniform")],
            &[("max.poll.interval.ms", "3000")],
            &[("linger.ms", "9000"), ("message.timeout.ms", "8000")],
            &[("partition.assignment.strategy", "range,cooperative-sticky")],
            &[("sticky.partitioning.linger.ms", "5")],
            &[("partitioner", "best")],
            &[("enable.idempotence", "false"), ("acks", "0"), ("resend", "2")],
            &[("resend", "-1")],
            &[("commit", "never")],
            &[("processing.ms", "soon")],
            &[("static.membership", "maybe")],
            &[("max.poll.records", "0")],
            &[("compression.type", "best")],
        ] {
            let typed: Vec<String> = overrides.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let qualified: Vec<(&str, &str)> = overrides
                .iter()
                .map(|(name, value)| {
                    (if *name == "compression.type" { "producer.compression.type" } else { *name }, *value)
                })
                .collect();
            let error = planned(&qualified).unwrap_err();
            told.push_str(&format!("{}\n    {error}\n", typed.join(" ")));
        }
        insta::assert_snapshot!(told);
    }

    #[test]
    fn the_new_protocol_leaves_the_session_to_the_broker() {
        let lane = planned(&[("group.protocol", "consumer"), ("group.remote.assignor", "range")]).unwrap();
        assert_eq!(lane.session_timeout_ms, 45_000);
        assert!(!lane.lane.config.contains_key("consumer.session.timeout.ms"));
        let shorter = [("group.protocol", "consumer"), ("broker.group.consumer.session.timeout.ms", "6000")];
        assert_eq!(planned(&shorter).unwrap().session_timeout_ms, 6_000);
    }

    #[test]
    fn a_version_is_told_what_it_does_not_have() {
        let lane = planned(&[("group.protocol", "consumer")]).unwrap().lane;
        assert_eq!(check_version(&lane, "4.0.0"), Ok(()));
        let refused = check_version(&lane, "3.9.1").unwrap_err().to_string();
        assert!(refused.contains("consumer.group.protocol=consumer") && refused.contains("3.9.1"), "{refused}");
        let lane = planned(&[("topic.message.format.version", "3.0")]).unwrap().lane;
        assert_eq!(check_version(&lane, "3.9.1"), Ok(()));
        let refused = check_version(&lane, "4.1.1").unwrap_err().to_string();
        assert!(refused.contains("topic.message.format.version"), "{refused}");
        assert_eq!(check_version(&lane, "trunk"), Ok(()));
    }
}
