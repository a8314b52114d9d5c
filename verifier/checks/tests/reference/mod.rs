//! A second checker, slow and plain: maps and loops over the definitions in `docs/guarantees.md`, none of the fast one's
//! code or tricks. It knows one lane in a run whose recording is sound, and says what is found and what that violates.

mod groups;
mod logs;
mod outputs;
mod past;
mod queues;
mod readers;

use std::collections::{BTreeMap, BTreeSet};

use delivery_checks::judgement::{FindingKind, Guarantee};
use delivery_history::Event;
use delivery_history::manifest::{RunManifest, RunStatus, Workload};

use past::Past;

/// What the slow checker says.
#[derive(Debug, Default)]
pub struct Reference {
    /// By kind: what shows it, one name an anomaly.
    pub found: BTreeMap<FindingKind, Vec<String>>,
    /// (Message, group) pairs that prove a message undelivered.
    undelivered_proved: u64,
    pub violated: BTreeSet<Guarantee>,
}

impl Reference {
    /// How many of `kind`.
    pub fn count(&self, kind: FindingKind) -> u64 {
        self.found.get(&kind).map_or(0, |names| names.len() as u64)
    }

    fn add(&mut self, kind: FindingKind, name: String) {
        self.found.entry(kind).or_default().push(name);
    }

    /// Counts each name once.
    fn add_once(&mut self, kind: FindingKind, name: String) {
        let names = self.found.entry(kind).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
}

/// Judges the only lane of a history.
pub fn check(manifest: &RunManifest, streams: &[Vec<Event>]) -> Reference {
    let past = Past::read(manifest, streams);
    let mut reference = Reference::default();
    if past.workload == Workload::Queue {
        queues::check(&past, &mut reference);
    } else {
        let log = logs::check(&past, &mut reference);
        groups::check(&past, &log, &mut reference);
        readers::check(&past, &log, &mut reference);
    }
    not_recovered(&past, &mut reference);
    outputs::hanging(&past, &mut reference);
    reference.found.retain(|_, names| !names.is_empty());
    violated(&past, &mut reference);
    reference
}

fn not_recovered(past: &Past<'_>, reference: &mut Reference) {
    let RunStatus::CutShort { reason, .. } = &past.manifest.status else { return };
    if !past.recovered && reason.starts_with("not recovered") {
        for destination in past.places() {
            reference.add(FindingKind::NotRecovered, past.place_name(destination));
        }
    }
}

/// Which findings break which guarantee.
fn violated(past: &Past<'_>, reference: &mut Reference) {
    use FindingKind::*;
    let any = |kinds: &[FindingKind]| kinds.iter().any(|kind| reference.count(*kind) > 0);
    let undelivered = reference.undelivered_proved > 0;
    // Where messages are transformed, once is said of their outputs.
    let transformed = past.places().iter().any(|place| past.is_output(*place));
    let twice = !transformed && any(&[ProcessedTwice]);
    let log = matches!(past.workload, Workload::Log | Workload::Transactions);
    let verdicts = [
        (Guarantee::Durability, any(&[Lost])),
        (Guarantee::AtLeastOnce, any(&[Lost]) || undelivered),
        (Guarantee::AtMostOnce, twice || any(&[StoredTwice, OutputTwice])),
        (Guarantee::ExactlyOnce, twice || any(&[Lost, OutputTwice]) || undelivered),
        (Guarantee::Ordering, any(&[Reordered])),
        (Guarantee::Agreement, log && any(&[Disagreement])),
        (Guarantee::Integrity, any(&[Phantom, Corrupt, FailedButStored])),
        (
            Guarantee::Atomicity,
            past.workload == Workload::Transactions && any(&[TornTransaction, AbortedRead, UncommittedRead]),
        ),
        (Guarantee::Liveness, any(&[NotRecovered, HangingTransaction])),
    ];
    reference.violated = verdicts.into_iter().filter(|(_, violated)| *violated).map(|(name, _)| name).collect();
}
