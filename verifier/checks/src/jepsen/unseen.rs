//! `unseen`: acknowledged, and returned by no poll that ended well.

use super::anomaly::Anomaly;
use super::collect::Collector;
use super::facts::Facts;

pub(super) fn check(facts: &Facts<'_>, found: &mut Collector<'_, '_>) {
    for (id, message) in facts.messages.iter().enumerate() {
        if message.ok_sent && !message.ok_polled {
            let places: Vec<u32> = message.writer.into_iter().collect();
            found.add(Anomaly::Unseen, id as u32, || String::from("acknowledged and never polled"), &places);
        }
    }
}
