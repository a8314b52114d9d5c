//! The embedded PubSub, broken in one way each, and as it should be: whole runs under a netsplit, with a fixed seed.

use delivery_checks::{FindingKind, Guarantee};
use delivery_pubsub::{Mutation, PubSub};

use super::{LOSS, expected};
use crate::buses::Bus;
use crate::row::{Nature, Row, Source};

/// A broken bus, and what must be found of it.
struct Broken {
    name: &'static str,
    broken: &'static str,
    system: &'static PubSub,
    findings: &'static [(FindingKind, u64)],
    violated: &'static [Guarantee],
}

static CORRECT: PubSub = PubSub::new();

/// The preset that promises most.
const STRICTEST: &str = "exactly-once";

const BROKEN: &[Broken] = &[
    Broken {
        name: "bus/drop-acked",
        broken: "the bus acks every hundredth message and delivers it to nobody",
        system: &PubSub::broken(Mutation::DropAcked { one_in: 100 }),
        findings: &[
            (FindingKind::Lost, 12),
            (FindingKind::Redelivered, 596),
            (FindingKind::Reordered, 596),
            (FindingKind::ReorderedKey, 28),
        ],
        violated: &[Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce, Guarantee::Ordering],
    },
    Broken {
        name: "bus/duplicate",
        broken: "the bus hands over some messages twice",
        system: &PubSub::broken(Mutation::Duplicate),
        findings: &[
            (FindingKind::ProcessedTwice, 18),
            (FindingKind::Redelivered, 592),
            (FindingKind::Reordered, 602),
            (FindingKind::ReorderedKey, 28),
        ],
        violated: &[Guarantee::AtMostOnce, Guarantee::ExactlyOnce, Guarantee::Ordering],
    },
    Broken {
        name: "bus/reorder",
        broken: "the bus hands over some messages after the next one",
        system: &PubSub::broken(Mutation::Reorder),
        findings: &[(FindingKind::Redelivered, 602), (FindingKind::Reordered, 610), (FindingKind::ReorderedKey, 28)],
        violated: &[Guarantee::Ordering],
    },
    Broken {
        name: "bus/invent",
        broken: "the bus hands over messages that nobody sent",
        system: &PubSub::broken(Mutation::Invent),
        findings: &[
            (FindingKind::Redelivered, 602),
            (FindingKind::Reordered, 602),
            (FindingKind::ReorderedKey, 28),
            (FindingKind::Phantom, 18),
        ],
        violated: &[Guarantee::Ordering, Guarantee::Integrity],
    },
    Broken {
        name: "bus/corrupt",
        broken: "the bus alters a byte of some messages",
        system: &PubSub::broken(Mutation::Corrupt),
        findings: &[
            (FindingKind::Lost, 18),
            (FindingKind::Redelivered, 592),
            (FindingKind::Reordered, 592),
            (FindingKind::ReorderedKey, 28),
            (FindingKind::Corrupt, 33),
        ],
        violated: &[
            Guarantee::Durability,
            Guarantee::AtLeastOnce,
            Guarantee::ExactlyOnce,
            Guarantee::Ordering,
            Guarantee::Integrity,
        ],
    },
    Broken {
        name: "bus/forget-on-heal",
        broken: "the bus takes all it owes a node as confirmed when that comes back",
        system: &PubSub::broken(Mutation::ForgetOnHeal),
        findings: &[(FindingKind::Lost, 602)],
        violated: LOSS,
    },
    Broken {
        name: "bus/ack-early",
        broken: "the bus acks at once and never sends again",
        system: &PubSub::broken(Mutation::AckEarly),
        findings: &[(FindingKind::Lost, 602)],
        violated: LOSS,
    },
];

pub(super) fn rows() -> Vec<Row> {
    let row = |one: &Broken| Row {
        name: one.name.to_owned(),
        broken: one.broken.to_owned(),
        nature: Nature::Broken,
        expected: expected(one.findings, one.violated, &[], ""),
        source: Source::Bus(Bus { preset: STRICTEST, system: one.system }),
    };
    BROKEN.iter().map(row).collect()
}

/// The bus as it should be, under this preset.
pub(super) fn correct(name: String, preset: &'static str) -> Row {
    // What no preset promises: the mildest loses what is sent in a cut, retries bring it again and out of order.
    let (findings, violated): (&[(FindingKind, u64)], &[Guarantee]) = match preset {
        "at-most-once" => (&[(FindingKind::Lost, 602)], LOSS),
        "at-least-once" => (
            &[
                (FindingKind::ProcessedTwice, 4),
                (FindingKind::Redelivered, 602),
                (FindingKind::Reordered, 602),
                (FindingKind::ReorderedKey, 28),
            ],
            &[Guarantee::AtMostOnce, Guarantee::ExactlyOnce, Guarantee::Ordering],
        ),
        "exactly-once" => (
            &[(FindingKind::Redelivered, 602), (FindingKind::Reordered, 602), (FindingKind::ReorderedKey, 28)],
            &[Guarantee::Ordering],
        ),
        _ => (&[], &[]),
    };
    Row {
        name,
        broken: format!("nothing: the embedded PubSub as the preset `{preset}` has it"),
        nature: Nature::Correct,
        expected: expected(findings, violated, &[], ""),
        source: Source::Bus(Bus { preset, system: &CORRECT }),
    }
}
