//! Settings of lanes that transform in transactions.

use std::collections::BTreeMap;

use delivery_broker::{ConfigError, TransactionPlan};

/// Whose transaction takes longer is aborted by the broker.
pub(crate) const TRANSACTION_TIMEOUT: &str = "producer.transaction.timeout.ms";
/// A broker's largest `transaction.timeout.ms` where nothing else is set (`transaction.max.timeout.ms`).
const DEFAULT_MAX_TIMEOUT_MS: u64 = 900_000;
/// Between two looks of a broker for transactions that are too old, where nothing else is set
/// (`transaction.abort.timed.out.transaction.cleanup.interval.ms`).
const DEFAULT_CLEANUP_MS: u64 = 10_000;
/// Most workers of a lane that transform.
const MAX_WORKERS: u64 = 16;

/// Settings of ours.
const ABORT_RATE: &str = "producer.abort.rate";
const MESSAGES: &str = "producer.transaction.messages";
const LENGTH_MS: &str = "producer.transaction.ms";
const WORKERS: &str = "producer.transaction.workers";

/// What every lane that transforms has beside its client's defaults. The broker waits 10 s for a dead worker, and as
/// long for its transaction, instead of librdkafka's 45 s and 60 s.
pub(crate) const COMMON: &[(&str, &str)] = &[
    (TRANSACTION_TIMEOUT, "10000"),
    (ABORT_RATE, "0.1"),
    (MESSAGES, "50"),
    (LENGTH_MS, "100"),
    (WORKERS, "2"),
    ("consumer.session.timeout.ms", "10000"),
    ("consumer.heartbeat.interval.ms", "3000"),
    ("topic.partitions", "2"),
];

/// Whether a lane with this configuration transforms in transactions: only its presets have these settings.
pub(crate) fn has_transactions(config: &BTreeMap<String, String>) -> bool {
    config.contains_key(LENGTH_MS)
}

/// Whether a setting is for transactions alone, and this program's own.
pub(crate) fn is_own(full: &str) -> bool {
    [ABORT_RATE, MESSAGES, LENGTH_MS, WORKERS].contains(&full)
}

/// Checks a value of a setting of ours.
///
/// # Errors
/// What it takes.
pub(crate) fn check_own(name: &str, value: &str) -> Result<(), ConfigError> {
    let full = format!("producer.{name}");
    match full.as_str() {
        ABORT_RATE => permille(value).map(|_| ()),
        WORKERS => number(&full, value, 1, MAX_WORKERS).map(|_| ()),
        MESSAGES => number(&full, value, 1, 100_000).map(|_| ()),
        _ => number(&full, value, 1, 600_000).map(|_| ()),
    }
}

/// Settings of transactions in a lane whose preset has none.
///
/// # Errors
/// Which one.
pub(crate) fn refuse_in_plain_lane(chosen: &[String]) -> Result<(), ConfigError> {
    match chosen.iter().find(|full| is_own(full)) {
        None => Ok(()),
        Some(full) => Err(ConfigError::Contradiction(format!(
            "{full} is for lanes that work in transactions: take --preset transactions."
        ))),
    }
}

/// What the lane's workers do, from its settings.
///
/// # Errors
/// Settings that exclude transactions, or each other.
pub(crate) fn plan(config: &BTreeMap<String, String>) -> Result<TransactionPlan, ConfigError> {
    let get = |full: &str| config.get(full).map_or("", String::as_str);
    for (full, needed) in [("producer.acks", "all"), ("producer.enable.idempotence", "true")] {
        if get(full) != needed {
            return Err(ConfigError::Contradiction(format!(
                "transactions need {full}={needed}, not {}: leave it as it is.",
                get(full)
            )));
        }
    }
    let number = |full: &str, least, most| number(full, get(full), least, most);
    let timeout_ms = number(TRANSACTION_TIMEOUT, 1, i32::MAX as u64)?;
    let broker = |name: &str, default| match config.contains_key(name) {
        true => number(name, 1, i32::MAX as u64),
        false => Ok(default),
    };
    let max_timeout_ms = broker("broker.transaction.max.timeout.ms", DEFAULT_MAX_TIMEOUT_MS)?;
    if timeout_ms > max_timeout_ms {
        return Err(ConfigError::Contradiction(format!(
            "{TRANSACTION_TIMEOUT}={timeout_ms} is more than the broker's transaction.max.timeout.ms={max_timeout_ms}: \
             it would refuse every producer."
        )));
    }
    let max_ms = number(LENGTH_MS, 1, 600_000)?;
    if max_ms >= timeout_ms {
        return Err(ConfigError::Contradiction(format!(
            "{LENGTH_MS}={max_ms} is not below {TRANSACTION_TIMEOUT}={timeout_ms}: the broker would abort every transaction."
        )));
    }
    let cleanup = "broker.transaction.abort.timed.out.transaction.cleanup.interval.ms";
    Ok(TransactionPlan {
        workers: u16::try_from(number(WORKERS, 1, MAX_WORKERS)?).unwrap_or(1),
        read_uncommitted: get("consumer.isolation.level") == "read_uncommitted",
        timeout_ms,
        cleanup_ms: broker(cleanup, DEFAULT_CLEANUP_MS)?,
        abort_permille: permille(get(ABORT_RATE))?,
        max_messages: u32::try_from(number(MESSAGES, 1, 100_000)?).unwrap_or(u32::MAX),
        max_ms,
    })
}

fn number(full: &str, value: &str, least: u64, most: u64) -> Result<u64, ConfigError> {
    let number = value.parse::<u64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| ConfigError::Invalid {
        setting: full.to_owned(),
        value: value.to_owned(),
        reason: format!("a whole number from {least} to {most} is needed"),
    })
}

/// A share from 0 to below 1 as thousandths: who aborts everything never drains.
fn permille(value: &str) -> Result<u16, ConfigError> {
    let share = value.parse::<f64>().ok().filter(|share| (0.0..=0.9).contains(share));
    let share = share.ok_or_else(|| ConfigError::Invalid {
        setting: ABORT_RATE.to_owned(),
        value: value.to_owned(),
        reason: String::from("a share from 0 to 0.9 is needed"),
    })?;
    Ok((share * 1_000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use delivery_broker::ConfigError;

    use super::{COMMON, check_own, plan, refuse_in_plain_lane};

    fn config(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        let safe = [("producer.acks", "all"), ("producer.enable.idempotence", "true")];
        let all = safe.iter().chain(COMMON).chain(changes);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn workers_do_what_the_settings_say() {
        let planned = plan(&config(&[("producer.abort.rate", "0.25")])).unwrap();
        assert_eq!((planned.workers, planned.abort_permille, planned.max_messages, planned.max_ms), (2, 250, 50, 100));
        assert_eq!((planned.timeout_ms, planned.cleanup_ms), (10_000, 10_000));
        assert!(!planned.read_uncommitted);
        assert!(plan(&config(&[("consumer.isolation.level", "read_uncommitted")])).unwrap().read_uncommitted);
    }

    #[test]
    fn what_excludes_transactions_is_refused() {
        for change in [
            ("producer.acks", "1"),
            ("producer.enable.idempotence", "false"),
            ("producer.transaction.timeout.ms", "900001"),
            ("broker.transaction.max.timeout.ms", "9999"),
            ("producer.transaction.ms", "10000"),
        ] {
            let refused = plan(&config(&[change]));
            assert!(matches!(refused, Err(ConfigError::Contradiction(_))), "{change:?}: {refused:?}");
        }
        assert!(plan(&config(&[("producer.transaction.timeout.ms", "900000")])).is_ok());
    }

    #[test]
    fn values_and_places_of_our_settings_are_checked() {
        for (name, value) in [("abort.rate", "1"), ("abort.rate", "some"), ("transaction.workers", "0")] {
            assert!(matches!(check_own(name, value), Err(ConfigError::Invalid { .. })), "{name}={value}");
        }
        assert!(check_own("abort.rate", "0").is_ok());
        assert!(refuse_in_plain_lane(&[String::from("producer.abort.rate")]).is_err());
        assert!(refuse_in_plain_lane(&[String::from("producer.acks")]).is_ok());
    }
}
