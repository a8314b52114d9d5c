//! How fast the cluster notices that a node is gone, and a connection that its other end is.

use std::collections::BTreeMap;

use delivery_broker::Timings;

/// `net_ticktime` as the vendor ships it, milliseconds.
const VENDOR_TICK_MS: u64 = 60_000;
/// The same, shortened, milliseconds.
const SHORT_TICK_MS: u64 = 5_000;
/// AMQP heartbeat as the vendor ships it, seconds.
const VENDOR_HEARTBEAT_S: u16 = 60;
/// The same, shortened, seconds.
const SHORT_HEARTBEAT_S: u16 = 5;

/// How long a node may take to call another one down, milliseconds: a quarter more than
/// `net_ticktime`, since ticks are counted four times in it.
pub(crate) fn detection_ms(timings: Timings) -> u64 {
    let tick_ms = match timings {
        Timings::Vendor => VENDOR_TICK_MS,
        Timings::Short => SHORT_TICK_MS,
    };
    tick_ms + tick_ms / 4
}

/// Broker settings that differ from the vendor's under `timings`, by their name in `rabbitmq.conf`.
pub(crate) fn broker_settings(timings: Timings) -> Vec<(&'static str, String)> {
    match timings {
        Timings::Vendor => Vec::new(),
        Timings::Short => {
            vec![("net_ticktime", (SHORT_TICK_MS / 1_000).to_string()), ("heartbeat", SHORT_HEARTBEAT_S.to_string())]
        }
    }
}

/// How long a broker keeps what it handed to a connection that went silent, milliseconds: it
/// closes one after two missed heartbeats.
pub(crate) const DEAD_CONNECTION_MS: u64 = 2 * 1_000 * VENDOR_HEARTBEAT_S as u64;

/// Name under which the runner hands its timings on to clients.
pub(crate) const TIMINGS: &str = "cluster.timings";

/// The heartbeat a client asks for, seconds: the lane's own where it sets one for the broker, else as the timings
/// in force say.
pub(crate) fn heartbeat_s(config: &BTreeMap<String, String>) -> u16 {
    let own = config.get("broker.heartbeat").and_then(|value| value.parse().ok());
    let short = config.get(TIMINGS).is_some_and(|timings| timings == "short");
    own.unwrap_or(if short { SHORT_HEARTBEAT_S } else { VENDOR_HEARTBEAT_S })
}

#[cfg(test)]
mod tests {
    use delivery_broker::Timings;

    use super::{broker_settings, detection_ms};

    #[test]
    fn vendor_timings_change_nothing() {
        assert!(broker_settings(Timings::Vendor).is_empty());
        assert_eq!((detection_ms(Timings::Vendor), detection_ms(Timings::Short)), (75_000, 6_250));
    }
}
