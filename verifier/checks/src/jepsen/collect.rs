//! Gathers what the checks find: how many, and a few of them with their story.

use super::anomaly::Anomaly;
use super::facts::{Facts, MessageId};
use crate::judgement::{Finding, FindingKind, StoryStep, Witness};

/// Witnesses a kind keeps, the earliest.
const WITNESSES: usize = 8;
/// Steps of one story: a cycle may be as long as the history.
const STEPS: usize = 16;

/// Findings in the making.
pub(super) struct Collector<'f, 'a> {
    facts: &'f Facts<'a>,
    found: Vec<Finding>,
}

impl<'f, 'a> Collector<'f, 'a> {
    pub(super) fn new(facts: &'f Facts<'a>) -> Self {
        let empty =
            |anomaly: &Anomaly| Finding { kind: FindingKind::Jepsen(*anomaly), count: 0, witnesses: Vec::new() };
        Self { facts, found: Anomaly::ALL.iter().map(empty).collect() }
    }

    /// One more of a kind: the message, what is wrong with it, and the operations (by place) that show it.
    pub(super) fn add(&mut self, anomaly: Anomaly, message: MessageId, what: impl FnOnce() -> String, places: &[u32]) {
        let finding = &mut self.found[anomaly as usize];
        finding.count += 1;
        if finding.witnesses.len() < WITNESSES {
            let message = self.facts.message(message);
            let history = self.facts.history;
            let mut story: Vec<_> = places.iter().take(STEPS).map(|place| step(self.facts, *place)).collect();
            if let Some(last) = story.last_mut() {
                last.what = format!("{}: {}", last.what, what());
            } else {
                story.push(StoryStep { at_ms: 0, what: what() });
            }
            finding.witnesses.push(Witness {
                message: history.text(message.value),
                destination: format!("key {}", history.key(message.key)),
                story,
            });
        }
    }

    /// What was found, without what was not.
    pub(super) fn findings(self) -> Vec<Finding> {
        self.found.into_iter().filter(|finding| finding.count > 0).collect()
    }
}

fn step(facts: &Facts<'_>, place: u32) -> StoryStep {
    let operation = &facts.history.operations()[place as usize];
    let what = format!(
        "operation {} ({}) of process {}, line {}",
        operation.index,
        operation.function.label(),
        operation.process,
        operation.line
    );
    StoryStep { at_ms: operation.time_ns / 1_000_000, what }
}
