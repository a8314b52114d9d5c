//! A fan-out, broken in one way each.

use delivery_checks::{FindingKind, Guarantee};
use delivery_history::NO_OFFSET;
use delivery_history::event::FLAG_CORRUPT;
use delivery_history::manifest::Workload;

use super::{LOSS, TWICE, UNPROCESSED, Written, broken};
use crate::scene::{C0, C1, Delivery, p0};

const FANOUT: Workload = Workload::Fanout;

pub(super) const ROWS: &[Written] = &[
    broken(
        "fanout/lost",
        "one of two subscribers was never given a message it was owed",
        FANOUT,
        |topic| topic.deliveries.retain(|one| (one.by, one.id) != (C1, p0(60))),
        &[(FindingKind::Lost, 1)],
        LOSS,
    ),
    broken(
        "fanout/undelivered",
        "a subscriber was given a message and never processed it",
        FANOUT,
        |topic| topic.given(p0(60)).processed = false,
        &[(FindingKind::Undelivered, 1)],
        UNPROCESSED,
    ),
    broken(
        "fanout/processed-twice",
        "a subscriber is given a message twice, and processes it twice",
        FANOUT,
        |topic| {
            let first = *topic.given(p0(60));
            topic.deliveries.push(Delivery { at_ms: first.at_ms + 900, ..first });
        },
        &[(FindingKind::ProcessedTwice, 1)],
        TWICE,
    ),
    broken(
        "fanout/reordered",
        "a subscriber is first given a message after the next one",
        FANOUT,
        |topic| topic.given(p0(60)).at_ms += 45,
        &[(FindingKind::Reordered, 1)],
        &[Guarantee::Ordering],
    ),
    broken(
        "fanout/phantom",
        "a subscriber is given a message that nobody sent",
        FANOUT,
        |topic| {
            let first = *topic.given(p0(60));
            topic.deliveries.push(Delivery { id: p0(50_000), ..first });
        },
        &[(FindingKind::Phantom, 1)],
        &[Guarantee::Integrity],
    ),
    broken(
        "fanout/corrupt",
        "a subscriber is given an altered copy beside the message",
        FANOUT,
        |topic| {
            let first = *topic.given(p0(60));
            let altered = Delivery { by: C0, flags: FLAG_CORRUPT, began: 0, processed: false, ..first };
            topic.deliveries.push(Delivery { offset: NO_OFFSET, ..altered });
        },
        &[(FindingKind::Corrupt, 1)],
        &[Guarantee::Integrity],
    ),
];
