//! Transactions, broken in one way each.

use delivery_checks::{FindingKind, Guarantee};
use delivery_history::NO_OFFSET;
use delivery_history::manifest::Workload;

use super::{Written, broken};
use crate::scene::{C0, Delivery, Ending, Entry, p0};

const TRANSACTIONS: Workload = Workload::Transactions;

pub(super) const ROWS: &[Written] = &[
    broken(
        "transactions/torn",
        "a committed transaction shows three of its four messages",
        TRANSACTIONS,
        |log| log.lose(p0(42)),
        &[(FindingKind::Lost, 1), (FindingKind::TornTransaction, 1)],
        &[Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce, Guarantee::Atomicity],
    ),
    broken(
        "transactions/torn-unknown",
        "nobody knows of a commit, and two of its four messages are there",
        TRANSACTIONS,
        |log| {
            log.append(0, Entry::Message(p0(298)));
            log.append(0, Entry::Message(p0(299)));
            log.every_log(0, |log| log.retain(|entry| ![p0(296), p0(297)].map(Entry::Message).contains(entry)));
            log.every_log(0, |log| log.truncate(log.len() - 2));
            log.end_transaction(p0(296), Ending::Unknown);
        },
        &[(FindingKind::TornTransaction, 1)],
        &[Guarantee::Atomicity],
    ),
    broken(
        "transactions/aborted-stored",
        "readers of committed messages find all of an aborted transaction",
        TRANSACTIONS,
        |log| log.end_transaction(p0(40), Ending::Aborted),
        &[(FindingKind::AbortedRead, 4)],
        &[Guarantee::Atomicity],
    ),
    broken(
        "transactions/aborted-delivered",
        "a reader of committed messages was given one that was then aborted, and is not stored",
        TRANSACTIONS,
        |log| {
            let given = *log.given(p0(40));
            log.end_transaction(p0(40), Ending::Aborted);
            log.store();
            log.deliveries.push(Delivery { by: C0, offset: NO_OFFSET, ..given });
        },
        &[(FindingKind::AbortedRead, 1)],
        &[Guarantee::Atomicity],
    ),
    broken(
        "transactions/uncommitted-read",
        "a reader of committed messages is given one before its commit is asked for",
        TRANSACTIONS,
        |log| log.given(p0(40)).at_ms -= 100,
        &[(FindingKind::UncommittedRead, 1)],
        &[Guarantee::Atomicity],
    ),
];
