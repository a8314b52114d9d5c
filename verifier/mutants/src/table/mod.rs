//! The table, one file a family.

mod buses;
mod doubts;
mod excused;
mod fanout;
mod log;
mod presets;
mod queue;
mod transactions;

use delivery_broker::{ConfigError, System};
use delivery_checks::{FindingKind, Guarantee, Verdict};
use delivery_history::manifest::Workload;

use crate::row::{Expected, Nature, Row, Source};
use crate::scene::Scene;

/// Every row; the correct ones of each preset of these systems at the end.
///
/// # Errors
/// When a system refuses a preset of its own.
pub fn rows(systems: &[&dyn System]) -> Result<Vec<Row>, ConfigError> {
    let families = [log::ROWS, fanout::ROWS, queue::ROWS, transactions::ROWS, doubts::ROWS, excused::ROWS];
    let mut rows: Vec<Row> = families.into_iter().flatten().map(Written::row).collect();
    rows.extend(buses::rows());
    rows.extend(presets::rows(systems)?);
    Ok(rows)
}

/// A row as it is written down in the table.
struct Written {
    name: &'static str,
    broken: &'static str,
    nature: Nature,
    workload: Workload,
    /// Spoils the healthy history of the workload.
    spoil: fn(&mut Scene),
    /// In the order of [`FindingKind::ALL`].
    findings: &'static [(FindingKind, u64)],
    violated: &'static [Guarantee],
    open: &'static [Guarantee],
    /// Words in the reason of each that is open.
    reason: &'static str,
}

impl Written {
    fn row(&self) -> Row {
        let mut scene = Scene::of(self.workload);
        (self.spoil)(&mut scene);
        Row {
            name: self.name.to_owned(),
            broken: self.broken.to_owned(),
            nature: self.nature,
            expected: expected(self.findings, self.violated, self.open, self.reason),
            source: Source::Hand(Box::new(scene)),
        }
    }
}

fn expected(findings: &[(FindingKind, u64)], violated: &[Guarantee], open: &[Guarantee], reason: &str) -> Expected {
    let violated = violated.iter().map(|guarantee| (*guarantee, Verdict::Violated));
    let open = open.iter().map(|guarantee| (*guarantee, Verdict::Inconclusive));
    Expected { findings: findings.to_vec(), not_held: violated.chain(open).collect(), reason: reason.to_owned() }
}

/// A row in which something is broken: findings, and the guarantees they violate.
const fn broken(
    name: &'static str,
    broken: &'static str,
    workload: Workload,
    spoil: fn(&mut Scene),
    findings: &'static [(FindingKind, u64)],
    violated: &'static [Guarantee],
) -> Written {
    Written { name, broken, nature: Nature::Broken, workload, spoil, findings, violated, open: &[], reason: "" }
}

/// What a loss violates.
const LOSS: &[Guarantee] = &[Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce];
/// What is violated where a message was never processed.
const UNPROCESSED: &[Guarantee] = &[Guarantee::AtLeastOnce, Guarantee::ExactlyOnce];
/// What is violated where a message was processed twice.
const TWICE: &[Guarantee] = &[Guarantee::AtMostOnce, Guarantee::ExactlyOnce];
/// All that applies to a log.
const ALL_OF_A_LOG: &[Guarantee] = &[
    Guarantee::Durability,
    Guarantee::AtLeastOnce,
    Guarantee::AtMostOnce,
    Guarantee::ExactlyOnce,
    Guarantee::Ordering,
    Guarantee::Agreement,
    Guarantee::Integrity,
    Guarantee::Liveness,
];
/// Of those, the ones that rest on what is stored.
const ALL_BUT_LIVENESS: &[Guarantee] = ALL_OF_A_LOG.split_at(ALL_OF_A_LOG.len() - 1).0;
