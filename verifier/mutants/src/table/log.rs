//! A log, broken in one way each.

use delivery_broker::Reason;
use delivery_checks::{FindingKind, Guarantee};
use delivery_history::event::FLAG_CORRUPT;
use delivery_history::manifest::{Lane, Phase, RunStatus, Workload};
use delivery_history::{EventKind, NO_SEQUENCE, NO_SESSION};

use super::{ALL_BUT_LIVENESS, LOSS, TWICE, UNPROCESSED, Written, broken};
use crate::row::Nature;
use crate::scene::{C0, C1, Delivery, Ended, Entry, P0, P1, Scene, about, p0, p1};

const LOG: Workload = Workload::Log;

pub(super) const ROWS: &[Written] = &[
    broken(
        "log/lost",
        "an acked message is in no replica",
        LOG,
        |log| log.lose(p0(50)),
        &[(FindingKind::Lost, 1)],
        LOSS,
    ),
    broken(
        "log/lost-many",
        "all that the old leader acked in the last second before the cut is gone",
        LOG,
        |log| (75..100).for_each(|sequence| log.lose(p0(sequence))),
        &[(FindingKind::Lost, 25)],
        LOSS,
    ),
    broken(
        "log/lost-processed",
        "an acked message was processed, and another took its offset after the takeover",
        LOG,
        |log| {
            let processed = *log.given(p0(99));
            log.lose(p0(99));
            log.deliveries.push(processed);
        },
        &[(FindingKind::Lost, 1), (FindingKind::OffsetBack, 1), (FindingKind::Disagreement, 1)],
        &[Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce, Guarantee::Agreement],
    ),
    broken(
        "log/lost-unacked",
        "no ack is asked for, and a message the client took is in no replica",
        LOG,
        |log| {
            *log = Scene::healthy(Lane { acknowledged: false, ..log.lane().clone() });
            log.lose(p1(120));
        },
        &[(FindingKind::Lost, 1)],
        LOSS,
    ),
    broken(
        "log/undelivered",
        "the group was given a stored message and never processed it",
        LOG,
        |log| log.given(p0(60)).processed = false,
        &[(FindingKind::Undelivered, 1)],
        UNPROCESSED,
    ),
    broken(
        "log/skipped",
        "a reader passes over three stored messages, and nobody else reads them",
        LOG,
        |log| log.deliveries.retain(|one| ![p0(60), p0(61), p0(62)].contains(&one.id)),
        &[(FindingKind::Undelivered, 3), (FindingKind::OffsetSkipped, 1)],
        UNPROCESSED,
    ),
    broken(
        "log/skipped-by-one",
        "a reader passes over a message of its own, which another member processes",
        LOG,
        |log| log.given(p0(60)).by = C1,
        &[(FindingKind::OffsetSkipped, 1)],
        &[],
    ),
    broken(
        "log/stored-twice",
        "a retry is stored again; the reader drops the copy",
        LOG,
        |log| {
            log.append(0, Entry::Message(p0(60)));
            let copy = log.deliveries.iter_mut().rfind(|one| one.id == p0(60));
            copy.into_iter().for_each(|copy| (copy.began, copy.processed) = (0, false));
        },
        &[(FindingKind::StoredTwice, 1), (FindingKind::Redelivered, 1)],
        &[Guarantee::AtMostOnce],
    ),
    broken(
        "log/stored-run-twice",
        "a retry is stored again and processed again",
        LOG,
        |log| log.append(0, Entry::Message(p0(60))),
        &[(FindingKind::StoredTwice, 1), (FindingKind::ProcessedTwice, 1)],
        TWICE,
    ),
    broken(
        "log/stored-elsewhere",
        "a message is stored in its partition, and in another",
        LOG,
        |log| log.append(1, Entry::Message(p0(60))),
        &[(FindingKind::StoredTwice, 1), (FindingKind::Phantom, 1)],
        &[Guarantee::AtMostOnce, Guarantee::Integrity],
    ),
    broken(
        "log/processed-twice",
        "a handler starts twice for one message",
        LOG,
        |log| log.given(p0(60)).began = 2,
        &[(FindingKind::ProcessedTwice, 1)],
        TWICE,
    ),
    broken(
        "log/processed-at-once",
        "two members of the group have a message in processing at the same time",
        LOG,
        |log| {
            let one = log.given(p0(60));
            one.processed = false;
            let first = *one;
            log.note(C0, first.at_ms + 30, about(EventKind::Processed, first.id, 0));
            log.deliveries.push(Delivery { by: C1, at_ms: first.at_ms + 20, processed: true, ..first });
        },
        &[(FindingKind::ProcessedTwice, 1), (FindingKind::ProcessedAtOnce, 1)],
        TWICE,
    ),
    broken(
        "log/went-back",
        "a reader is given a message again, and drops it",
        LOG,
        |log| {
            let at_ms = log.given(p0(60)).at_ms + 10;
            log.give_again(p0(60), C0, at_ms);
        },
        &[(FindingKind::Redelivered, 1), (FindingKind::OffsetBack, 1)],
        &[],
    ),
    broken(
        "log/commit-back",
        "the group's committed offset moves from 50 back to 10",
        LOG,
        |log| log.commit_at(C0, 0, 10, 3_000),
        &[(FindingKind::CommitBack, 1)],
        &[],
    ),
    broken(
        "log/resent",
        "an application sends again what timed out, though it was stored",
        LOG,
        |log| {
            log.store_behind(0, p0(100), p0(99));
            log.resend(P0, 0, p0(100), 12_000);
        },
        &[(FindingKind::StoredTwice, 1), (FindingKind::ProcessedTwice, 1)],
        TWICE,
    ),
    broken(
        "log/resent-by-successor",
        "a producer that takes another's place sends again what that one learned nothing of, though it was stored",
        LOG,
        |log| {
            log.sent(p0(299)).ended = Ended::Never;
            log.store();
            log.append(0, Entry::Message(p0(299)));
            log.resend(P1, 0, p0(299), 24_000);
        },
        &[(FindingKind::StoredTwice, 1), (FindingKind::ProcessedTwice, 1)],
        TWICE,
    ),
    broken(
        "log/commit-lost",
        "the group is read back to have committed one message less than was confirmed",
        LOG,
        |log| {
            let last = log.last_commit(0);
            log.read_back(0, last - 1);
        },
        &[(FindingKind::CommitLost, 1)],
        &[],
    ),
    broken(
        "log/committed-unprocessed",
        "the group has committed past a message that nobody processed",
        LOG,
        |log| {
            log.given(p0(60)).processed = false;
            let last = log.last_commit(0);
            log.read_back(0, last);
        },
        &[(FindingKind::Undelivered, 1), (FindingKind::CommittedUnprocessed, 1)],
        UNPROCESSED,
    ),
    broken(
        "log/reordered",
        "a message is stored behind two later ones with other keys",
        LOG,
        |log| log.store_behind(0, p0(50), p0(52)),
        &[(FindingKind::Reordered, 1), (FindingKind::ReorderedTotal, 2)],
        &[Guarantee::Ordering],
    ),
    broken(
        "log/reordered-key",
        "a message is stored behind a later one with the same key",
        LOG,
        |log| log.store_behind(0, p0(50), p0(54)),
        &[(FindingKind::Reordered, 1), (FindingKind::ReorderedKey, 1), (FindingKind::ReorderedTotal, 4)],
        &[Guarantee::Ordering],
    ),
    broken(
        "log/reordered-late",
        "a send that timed out is stored behind later ones of its session",
        LOG,
        |log| log.store_behind(0, p0(110), p0(176)),
        &[(FindingKind::Reordered, 1)],
        &[Guarantee::Ordering],
    ),
    broken(
        "log/reordered-total",
        "a message stands before one of another producer that had been acked before it was sent",
        LOG,
        |log| {
            log.sent(p1(60)).destination = 0;
            log.store();
            log.store_behind(0, p0(60), p1(60));
        },
        &[(FindingKind::ReorderedTotal, 1)],
        &[],
    ),
    broken(
        "log/replica-differs",
        "one replica holds no message where the others hold one",
        LOG,
        |log| log.logs.entry((0, 3)).or_default()[20] = Entry::Control,
        &[(FindingKind::Disagreement, 1)],
        &[Guarantee::Agreement],
    ),
    broken(
        "log/replica-reordered",
        "one replica holds two messages the other way round",
        LOG,
        |log| log.logs.entry((0, 3)).or_default().swap(20, 21),
        &[(FindingKind::Reordered, 1), (FindingKind::Disagreement, 2)],
        &[Guarantee::Ordering, Guarantee::Agreement],
    ),
    broken(
        "log/reader-differs",
        "a reader was given another message than the log holds at that offset",
        LOG,
        |log| log.given(p0(60)).id = p0(110),
        &[(FindingKind::Undelivered, 1), (FindingKind::Disagreement, 1)],
        &[Guarantee::AtLeastOnce, Guarantee::ExactlyOnce, Guarantee::Agreement],
    ),
    broken(
        "log/phantom",
        "a message is stored that nobody sent",
        LOG,
        |log| log.append(0, Entry::Message(p0(50_000))),
        &[(FindingKind::Phantom, 1)],
        &[Guarantee::Integrity],
    ),
    broken(
        "log/foreign",
        "a payload of another run is stored",
        LOG,
        |log| log.append(0, Entry::Foreign),
        &[(FindingKind::Phantom, 1)],
        &[Guarantee::Integrity],
    ),
    broken(
        "log/corrupt",
        "an acked message is stored altered, and read so",
        LOG,
        |log| {
            let read = *log.given(p0(60));
            log.every_log(0, |log| log[60] = Entry::Corrupt);
            let (id, flags) = ((NO_SESSION, NO_SEQUENCE), FLAG_CORRUPT);
            log.deliveries.push(Delivery { id, flags, began: 0, processed: false, ..read });
        },
        &[(FindingKind::Lost, 1), (FindingKind::Corrupt, 1)],
        &[Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce, Guarantee::Integrity],
    ),
    broken(
        "log/failed-but-stored",
        "the client said that a message cannot have been stored, and it is",
        LOG,
        |log| log.sent(p0(60)).ended = Ended::Failed(Reason::TooLarge),
        &[(FindingKind::FailedButStored, 1)],
        &[Guarantee::Integrity],
    ),
    Written {
        name: "log/not-recovered",
        broken: "the cluster does not come back within the limit: liveness, and nothing is proved lost",
        nature: Nature::Broken,
        workload: LOG,
        spoil: |log| {
            log.lose(p0(50));
            let reason = String::from("not recovered within 60 s: still waiting for n2");
            log.manifest.status = RunStatus::CutShort { reason, took_ms: 90_000 };
            log.weather.phases.retain(|(phase, _)| *phase <= Phase::Recover);
        },
        findings: &[(FindingKind::NotRecovered, 2)],
        violated: &[Guarantee::Liveness],
        open: ALL_BUT_LIVENESS,
        reason: "the run was cut short: not recovered within 60 s",
    },
];
