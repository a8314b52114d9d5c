//! A queue with competing consumers, broken in one way each.

use delivery_broker::{Reason, Settle};
use delivery_checks::{FindingKind, Guarantee};
use delivery_history::EventKind;
use delivery_history::event::FLAG_CORRUPT;
use delivery_history::manifest::{Lane, Workload};

use super::{LOSS, TWICE, UNPROCESSED, Written, broken};
use crate::row::Nature;
use crate::scene::{C0, C1, DEAD, Delivery, Ended, ORDERS, Scene, p0};

const QUEUE: Workload = Workload::Queue;

/// All that applies to a queue.
const ALL_OF_A_QUEUE: &[Guarantee] = &[
    Guarantee::Durability,
    Guarantee::AtLeastOnce,
    Guarantee::AtMostOnce,
    Guarantee::ExactlyOnce,
    Guarantee::Ordering,
    Guarantee::Integrity,
    Guarantee::Liveness,
];
/// What rests on what consumers were given.
const READERS: &[Guarantee] = &[
    Guarantee::AtLeastOnce,
    Guarantee::AtMostOnce,
    Guarantee::ExactlyOnce,
    Guarantee::Ordering,
    Guarantee::Integrity,
    Guarantee::Liveness,
];

pub(super) const ROWS: &[Written] = &[
    broken(
        "queue/lost",
        "a confirmed message was given to nobody and is in no queue",
        QUEUE,
        |queue| queue.withhold(p0(60)),
        &[(FindingKind::Lost, 1)],
        LOSS,
    ),
    broken(
        "queue/undelivered",
        "a consumer acked a message before its handler, which never ran",
        QUEUE,
        |queue| queue.refuse(p0(60), Some(Settle::Ack)),
        &[(FindingKind::Undelivered, 1)],
        UNPROCESSED,
    ),
    broken(
        "queue/dead-lettered",
        "a rejected message ends where dead letters go",
        QUEUE,
        |queue| {
            queue.refuse(p0(60), Some(Settle::Reject));
            queue.leave(DEAD, &[p0(60)]);
        },
        &[(FindingKind::Undelivered, 1), (FindingKind::DeadLettered, 1)],
        UNPROCESSED,
    ),
    broken(
        "queue/dead-letter-lost",
        "a rejected message does not arrive where dead letters go",
        QUEUE,
        |queue| queue.refuse(p0(60), Some(Settle::Reject)),
        &[(FindingKind::Undelivered, 1), (FindingKind::DeadLetterLost, 1)],
        UNPROCESSED,
    ),
    Written {
        name: "queue/left",
        broken: "a processed and acked message is still in the queue when all is drained",
        nature: Nature::Broken,
        workload: QUEUE,
        spoil: |queue| queue.leave(ORDERS, &[p0(60)]),
        findings: &[(FindingKind::LeftInQueue, 1)],
        violated: &[],
        open: READERS,
        reason: "queue orders still held 1 message when it was audited",
    },
    broken(
        "queue/processed-twice",
        "a message that was processed and never acked is processed again",
        QUEUE,
        |queue| {
            queue.given(p0(60)).settle = None;
            queue.redeliver(p0(60), C0, 3_000);
        },
        &[(FindingKind::ProcessedTwice, 1)],
        TWICE,
    ),
    broken(
        "queue/unflagged",
        "a message comes again without the redelivered flag",
        QUEUE,
        |queue| {
            queue.refuse(p0(60), None);
            queue.redeliver(p0(60), C1, 3_000);
            queue.deliveries.iter_mut().for_each(|one| one.flags = 0);
        },
        &[(FindingKind::Redelivered, 1), (FindingKind::RedeliveredUnflagged, 1)],
        &[],
    ),
    broken(
        "queue/after-settle",
        "a message comes again after its ack had been confirmed",
        QUEUE,
        |queue| {
            queue.redeliver(p0(60), C1, 3_000);
            let again = queue.deliveries.iter_mut().rfind(|one| one.id == p0(60));
            again.into_iter().for_each(|again| (again.began, again.processed) = (0, false));
        },
        &[(FindingKind::Redelivered, 1), (FindingKind::RedeliveredSettled, 1)],
        &[],
    ),
    broken(
        "queue/reordered",
        "a consumer is first given a message after later ones of its session",
        QUEUE,
        |queue| queue.given(p0(60)).at_ms += 90,
        &[(FindingKind::Reordered, 1)],
        &[Guarantee::Ordering],
    ),
    broken(
        "queue/requeued-behind",
        "a requeued message comes behind one that was first given out after the requeue",
        QUEUE,
        |queue| {
            queue.refuse(p0(60), Some(Settle::NackRequeue));
            let at_ms = queue.given(p0(61)).at_ms + 20;
            queue.redeliver(p0(60), C0, at_ms);
        },
        &[(FindingKind::Redelivered, 1), (FindingKind::ReorderedRequeued, 1)],
        &[],
    ),
    broken(
        "queue/phantom",
        "a consumer is given a message that nobody sent",
        QUEUE,
        |queue| {
            let first = *queue.given(p0(60));
            queue.deliveries.push(Delivery { id: p0(50_000), ..first });
        },
        &[(FindingKind::Phantom, 1)],
        &[Guarantee::Integrity],
    ),
    broken(
        "queue/corrupt",
        "a consumer is given an altered copy beside the message",
        QUEUE,
        |queue| {
            let first = *queue.given(p0(60));
            let altered = Delivery { flags: FLAG_CORRUPT, began: 0, processed: false, settle: None, ..first };
            queue.deliveries.push(altered);
        },
        &[(FindingKind::Corrupt, 1)],
        &[Guarantee::Integrity],
    ),
    broken(
        "queue/failed-but-stored",
        "a message that was returned as unroutable is delivered all the same",
        QUEUE,
        |queue| queue.sent(p0(60)).ended = Ended::Failed(Reason::Returned),
        &[(FindingKind::FailedButStored, 1)],
        &[Guarantee::Integrity],
    ),
    doubt(
        "doubt/queue-unsteady",
        "a confirmed message is nowhere, but the queue was never seen at rest",
        |queue| {
            queue.withhold(p0(60));
            queue.queue_audits[0].depths = vec![(0, 3); 5];
        },
        ALL_OF_A_QUEUE,
        "was not seen empty three times in a row",
    ),
    Written {
        findings: &[(FindingKind::Undelivered, 1)],
        ..doubt(
            "doubt/queue-automatic-ack",
            "a confirmed message is nowhere, but what a dead connection was given counts as settled",
            |queue| {
                *queue = Scene::healthy(Lane { automatic_ack: true, ..queue.lane().clone() });
                queue.withhold(p0(60));
                queue.reconnect(C0, 2_450);
            },
            LOSS,
            "gone without a trace",
        )
    },
    doubt(
        "doubt/queue-unfinished",
        "nobody saw a consumer end: what it had at hand may not be recorded",
        |queue| {
            queue.unrecorded.push(|worker, event| worker == C1 && event.kind == EventKind::WorkerFinished as u8);
        },
        READERS,
        "c1 never seen to end as told",
    ),
];

/// A row in which these guarantees stay open for this reason, and the others hold.
const fn doubt(
    name: &'static str,
    broken: &'static str,
    spoil: fn(&mut Scene),
    open: &'static [Guarantee],
    reason: &'static str,
) -> Written {
    Written {
        name,
        broken,
        nature: Nature::Doubtful,
        workload: QUEUE,
        spoil,
        findings: &[],
        violated: &[],
        open,
        reason,
    }
}
