//! `phantom`: a poll returns a value that no operation sent, not even one that failed or never ended.

use super::anomaly::Anomaly;
use super::collect::Collector;
use super::facts::Facts;

pub(super) fn check(facts: &Facts<'_>, found: &mut Collector<'_, '_>) {
    let mut sent: Vec<bool> = facts.messages.iter().map(|message| message.writer.is_some()).collect();
    for place in 0..facts.history.operations().len() {
        for micro in facts.sends(place) {
            sent[micro.message as usize] = true;
        }
    }
    for (place, _) in facts.transactions() {
        for read in facts.reads(place) {
            // Each phantom counts once, with the poll that saw it first.
            if !std::mem::replace(&mut sent[read.message as usize], true) {
                found.add(Anomaly::Phantom, read.message, || String::from("read, but never sent"), &[place as u32]);
            }
        }
    }
}
