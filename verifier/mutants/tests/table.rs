//! The table itself: every row agrees, and every check is needed.
#![allow(clippy::unwrap_used)]

use delivery_checks::{FindingKind, Options};
use delivery_mutants::{Totals, rows, run};
use delivery_pubsub::PubSub;

static PUBSUB: PubSub = PubSub::new();

#[test]
fn every_row_agrees() {
    let outcomes: Vec<_> = rows(&[&PUBSUB]).unwrap().iter().map(|row| run(row, &Options::default()).unwrap()).collect();
    for outcome in outcomes.iter().filter(|outcome| !outcome.agreed()) {
        println!("{}: missed {:?}, false alarms {:?}", outcome.row.name, outcome.missed, outcome.false_alarms);
    }
    assert!(Totals::of(&outcomes).all_agreed(), "{:?}", Totals::of(&outcomes));
}

/// Switched off, each check is missed by some row that the others leave as it is.
#[test]
fn without_any_one_check_some_row_changes() {
    let rows = rows(&[&PUBSUB]).unwrap();
    for kind in FindingKind::ALL {
        let needs = |row: &&delivery_mutants::Row| row.expected.findings.iter().any(|(known, _)| known == kind);
        let row = rows.iter().find(needs).unwrap_or_else(|| panic!("no row expects {}", kind.label()));
        let outcome = run(row, &Options { without: vec![*kind], ..Options::default() }).unwrap();
        assert!(!outcome.agreed(), "{} agrees without the check for {}", row.name, kind.label());
        assert!(outcome.false_alarms.is_empty(), "{}: {:?}", row.name, outcome.false_alarms);
    }
}
