//! `precommitted-read`: an operation polls what it sends itself.

use super::anomaly::Anomaly;
use super::collect::Collector;
use super::facts::Facts;

pub(super) fn check(facts: &Facts<'_>, found: &mut Collector<'_, '_>) {
    const NEVER: u32 = u32::MAX;
    let mut sent_by = vec![NEVER; facts.messages.len()];
    for (place, _) in facts.transactions() {
        for sent in facts.sends(place) {
            sent_by[sent.message as usize] = place as u32;
        }
        let own = facts.reads(place).find(|read| sent_by[read.message as usize] == place as u32);
        if let Some(read) = own {
            let what = || String::from("sent and read by the same operation");
            found.add(Anomaly::PrecommittedRead, read.message, what, &[place as u32]);
        }
    }
}
