//! Transactions, broken in one way each.

use delivery_checks::{FindingKind, Guarantee};
use delivery_history::manifest::Workload;
use delivery_history::{EventKind, NO_OFFSET};

use super::{Written, broken};
use crate::scene::{C0, Delivery, Ending, Entry, p0, p1};

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
        "transactions/aborted-to-uncommitted",
        "a group that asks for uncommitted messages is given one that was then aborted",
        TRANSACTIONS,
        |log| {
            let given = *log.given(p0(40));
            log.end_transaction(p0(40), Ending::Aborted);
            log.store();
            log.deliveries.push(Delivery { by: C0, offset: NO_OFFSET, ..given });
            log.manifest.groups[0].read_uncommitted = true;
        },
        &[(FindingKind::AbortedRead, 1)],
        &[Guarantee::Atomicity],
    ),
    broken(
        "transactions/output-twice",
        "one message has two committed outputs, and another none",
        TRANSACTIONS,
        |log| {
            log.transform();
            log.made_of(p1(41), p0(40));
        },
        &[(FindingKind::Undelivered, 1), (FindingKind::OutputTwice, 1)],
        &[Guarantee::AtLeastOnce, Guarantee::AtMostOnce, Guarantee::ExactlyOnce],
    ),
    broken(
        "transactions/output-lost",
        "a committed output is gone: that is told of the output, and not of what it was made of",
        TRANSACTIONS,
        |log| {
            log.transform();
            log.lose(p1(41));
        },
        &[(FindingKind::Lost, 1), (FindingKind::TornTransaction, 1)],
        &[Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce, Guarantee::Atomicity],
    ),
    broken(
        "transactions/not-transformed",
        "the workers passed over a message",
        TRANSACTIONS,
        |log| {
            log.transform();
            log.unrecorded.push(|_, event| {
                event.kind() == Some(EventKind::Transformed) && (event.session, event.sequence) == p0(40)
            });
        },
        &[(FindingKind::Undelivered, 1)],
        &[Guarantee::AtLeastOnce, Guarantee::ExactlyOnce],
    ),
    broken(
        "transactions/hanging",
        "nobody ends a transaction: the last stable offset stands still for longer than one may take",
        TRANSACTIONS,
        |log| {
            log.transform();
            log.manifest.limits_ms.insert(String::from("transactions"), 1_500);
            log.stands_still(1, 3, 1_500);
        },
        &[(FindingKind::HangingTransaction, 1)],
        &[Guarantee::Liveness],
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
