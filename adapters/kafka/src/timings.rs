//! How fast the cluster notices that a node is gone.

use delivery_broker::Timings;

/// A broker's session and its heartbeat, as the vendor ships them, milliseconds.
const VENDOR_SESSION_MS: u64 = 9_000;
const VENDOR_HEARTBEAT_MS: u64 = 2_000;
/// The same, shortened: six heartbeats to a session still, so a busy machine is not a dead one.
const SHORT_SESSION_MS: u64 = 3_000;
const SHORT_HEARTBEAT_MS: u64 = 500;
/// How long a silent follower stays in sync, shortened, milliseconds (vendor: 30,000).
const SHORT_REPLICA_LAG_MS: u64 = 4_000;

/// How long the controller may take to fence a silent broker, milliseconds: its session, from the
/// last heartbeat that came through.
pub(crate) fn detection_ms(timings: Timings) -> u64 {
    match timings {
        Timings::Vendor => VENDOR_SESSION_MS + VENDOR_HEARTBEAT_MS,
        Timings::Short => SHORT_SESSION_MS + SHORT_HEARTBEAT_MS,
    }
}

/// Broker settings that differ from the vendor's under `timings`.
pub(crate) fn broker_settings(timings: Timings) -> Vec<(&'static str, String)> {
    match timings {
        Timings::Vendor => Vec::new(),
        Timings::Short => vec![
            ("broker.session.timeout.ms", SHORT_SESSION_MS.to_string()),
            ("broker.heartbeat.interval.ms", SHORT_HEARTBEAT_MS.to_string()),
            ("replica.lag.time.max.ms", SHORT_REPLICA_LAG_MS.to_string()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use delivery_broker::Timings;

    use super::{broker_settings, detection_ms};

    #[test]
    fn vendor_timings_change_nothing() {
        assert!(broker_settings(Timings::Vendor).is_empty());
        assert_eq!(detection_ms(Timings::Vendor), 11_000);
        assert!(detection_ms(Timings::Short) < detection_ms(Timings::Vendor));
    }
}
