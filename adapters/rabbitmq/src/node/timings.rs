//! Broker settings that shorten what is waited for.

use delivery_broker::Timings;

/// Names as in `rabbitmq.conf`; empty for the vendor's timings. Nodes notice a silent one after 0.75
/// to 1.25 times `net_ticktime`, whose default is 60 s: <https://www.rabbitmq.com/docs/nettick>.
pub(crate) fn broker_settings(timings: Timings) -> &'static [(&'static str, &'static str)] {
    match timings {
        Timings::Vendor => &[],
        Timings::Short => &[("net_ticktime", "5")],
    }
}
