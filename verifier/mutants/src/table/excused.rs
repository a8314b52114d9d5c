//! Odd, and as it should be: nothing may be found.

use delivery_broker::{Reason, Settle};
use delivery_checks::FindingKind;
use delivery_history::event::FLAG_REDELIVERED;
use delivery_history::manifest::Workload;
use delivery_history::{EventKind, NO_OFFSET};

use super::Written;
use crate::row::Nature;
use crate::scene::{C0, C1, Delivery, Ended, Ending, Entry, LOAD_MS, P0, Scene, of, p0, p1};

/// A correct history with at most these findings, which violate nothing.
const fn excused(
    name: &'static str,
    about: &'static str,
    workload: Workload,
    spoil: fn(&mut Scene),
    findings: &'static [(FindingKind, u64)],
) -> Written {
    let nature = Nature::Correct;
    Written { name, broken: about, nature, workload, spoil, findings, violated: &[], open: &[], reason: "" }
}

pub(super) const ROWS: &[Written] = &[
    excused("correct/log", "nothing: a log under a cut", Workload::Log, |_| {}, &[]),
    excused("correct/fanout", "nothing: a fan-out under a cut", Workload::Fanout, |_| {}, &[]),
    excused("correct/queue", "nothing: a queue under a cut", Workload::Queue, |_| {}, &[]),
    excused("correct/transactions", "nothing: transactions under a cut", Workload::Transactions, |_| {}, &[]),
    excused(
        "correct/unknown-stored",
        "nothing: sends that timed out are stored after all",
        Workload::Log,
        |log| {
            log.store_behind(0, p0(100), p0(99));
            log.store_behind(0, p0(101), p0(100));
        },
        &[],
    ),
    excused(
        "correct/died-unanswered",
        "nothing: sends without any outcome, one of them stored",
        Workload::Log,
        |log| {
            [p0(299), p1(298), p1(299)].into_iter().for_each(|id| log.sent(id).ended = Ended::Never);
            log.lose(p0(299));
            log.lose(p1(299));
        },
        &[],
    ),
    excused(
        "correct/late-unknown",
        "nothing: a send that timed out is stored behind what the next session sent",
        Workload::Log,
        |log| {
            log.sent(p0(274)).ended = Ended::Unknown(Reason::Fatal);
            log.new_session(P0, 0, 11_000, 11_100);
            log.store();
            log.append(0, Entry::Message(p0(274)));
        },
        &[],
    ),
    excused(
        "correct/read-back",
        "nothing: the group is read back to have committed what it did",
        Workload::Log,
        |log| {
            for destination in [0, 1] {
                let last = log.last_commit(destination);
                log.read_back(destination, last);
            }
        },
        &[],
    ),
    excused(
        "correct/read-back-behind-an-unknown-commit",
        "nothing: less was read back than was confirmed, but a later commit of less has no known outcome",
        Workload::Log,
        |log| {
            let asked = of(EventKind::SettleInvoked, 0).offset(10).detail(Settle::Commit as u32);
            log.note(C0, LOAD_MS + 10, asked);
            log.read_back(0, 10);
        },
        &[],
    ),
    excused(
        "correct/failed-for-certain",
        "nothing: sends that certainly failed are nowhere",
        Workload::Log,
        |log| {
            log.sent(p0(50)).ended = Ended::Failed(Reason::QueueFull);
            log.store();
        },
        &[],
    ),
    excused(
        "correct/rebalance",
        "nothing: a member that takes over is given again what it then drops",
        Workload::Log,
        |log| {
            log.rebalance(0, C0, C1, 58, 2_430);
            let again_ms = 2_431;
            for sequence in [58, 59, 60] {
                log.give_again(p0(sequence), C1, again_ms);
            }
        },
        &[(FindingKind::Redelivered, 3)],
    ),
    excused(
        "correct/announced-reset",
        "nothing: the client says that it goes back, and drops what it knows",
        Workload::Log,
        |log| {
            log.announce_reset(C0, 0, 58, 2_430);
            for sequence in [58, 59, 60] {
                log.give_again(p0(sequence), C0, 2_431);
            }
        },
        &[(FindingKind::Redelivered, 3)],
    ),
    excused(
        "correct/commit-after-reset",
        "nothing: an announced reset explains a commit that moves back",
        Workload::Log,
        |log| {
            log.announce_reset(C0, 0, 60, 2_420);
            log.commit_at(C0, 0, 10, 3_000);
        },
        &[],
    ),
    excused(
        "correct/control-records",
        "nothing: offsets that hold no message are passed over",
        Workload::Log,
        |log| {
            log.every_log(0, |log| {
                log.insert(60, Entry::Control);
                log.insert(60, Entry::Control);
            });
        },
        &[],
    ),
    excused(
        "correct/aborted",
        "nothing: an aborted transaction is seen by nobody",
        Workload::Transactions,
        |log| {
            log.end_transaction(p0(40), Ending::Aborted);
            log.store();
        },
        &[],
    ),
    excused(
        "correct/read-beside",
        "nothing: a group that reads beside, and asks for all, is given an aborted message",
        Workload::Transactions,
        |log| {
            let given = *log.given(p0(40));
            log.end_transaction(p0(40), Ending::Aborted);
            log.store();
            log.deliveries.push(Delivery { offset: NO_OFFSET, ..given });
            let group = &mut log.manifest.groups[0];
            (group.read_uncommitted, group.beside) = (true, true);
        },
        &[(FindingKind::DirtyRead, 1)],
    ),
    excused(
        "correct/transformed",
        "nothing: every message has one output, committed in a transaction",
        Workload::Transactions,
        Scene::transform,
        &[],
    ),
    excused(
        "correct/transformed-again",
        "nothing: an output aborted, and another was made of the same message",
        Workload::Transactions,
        |log| {
            log.transform();
            log.made_before(p1(120), p0(40));
        },
        &[],
    ),
    excused(
        "correct/output-read-twice",
        "nothing: a reader of outputs processes one twice, on its own account",
        Workload::Transactions,
        |log| {
            log.transform();
            let given = *log.given(p1(40));
            log.deliveries.push(Delivery { offset: NO_OFFSET, at_ms: given.at_ms + 1, ..given });
        },
        &[(FindingKind::ProcessedTwice, 1)],
    ),
    excused(
        "correct/stable-late",
        "nothing: an open transaction ends within the limit",
        Workload::Transactions,
        |log| {
            log.transform();
            log.manifest.limits_ms.insert(String::from("transactions"), 1_500);
            log.stands_still(1, 3, 1_000);
        },
        &[],
    ),
    excused(
        "correct/commit-unknown",
        "nothing: of a transaction nobody knows the end of all is stored, of another nothing",
        Workload::Transactions,
        |log| {
            log.end_transaction(p0(40), Ending::Unknown);
            log.end_transaction(p0(296), Ending::Unfinished);
            (296..300).for_each(|sequence| log.lose(p0(sequence)));
        },
        &[],
    ),
    excused(
        "correct/unsubscribed",
        "nothing: a subscriber is owed nothing after it unsubscribed",
        Workload::Fanout,
        |topic| {
            topic.note(C1, 11_000, of(EventKind::Unsubscribed, 0));
            topic.deliveries.retain(|one| one.by != C1 || one.at_ms < 11_000);
        },
        &[],
    ),
    excused(
        "correct/queue-redelivered",
        "nothing: what a dead connection had not settled comes again, flagged",
        Workload::Queue,
        |queue| {
            queue.refuse(p0(60), None);
            queue.reconnect(C0, 2_420);
            queue.redeliver(p0(60), C1, 2_440);
        },
        &[(FindingKind::Redelivered, 1)],
    ),
    excused(
        "correct/queue-flagged",
        "nothing: a first delivery carries the flag, for its reader died before it recorded anything",
        Workload::Queue,
        |queue| queue.given(p0(60)).flags = FLAG_REDELIVERED,
        &[(FindingKind::Redelivered, 1)],
    ),
    excused(
        "correct/queue-unknown",
        "nothing: sends without a confirm are delivered, or not",
        Workload::Queue,
        |queue| {
            queue.sent(p0(299)).ended = Ended::Unknown(Reason::Nack);
            queue.sent(p1(299)).ended = Ended::Unknown(Reason::Nack);
            queue.withhold(p1(299));
        },
        &[],
    ),
];
