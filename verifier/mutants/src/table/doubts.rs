//! Histories that prove nothing: nothing may be held to be shown.

use delivery_checks::Guarantee;
use delivery_history::EventKind;
use delivery_history::manifest::{RunStatus, Workload};

use super::{ALL_BUT_LIVENESS, ALL_OF_A_LOG, Written};
use crate::row::Nature;
use crate::scene::{C0, C1, Ended, FAULT_MS, HEAL_MS, OBSERVER, P0, Scene, Weather, p0};

/// A row in which these guarantees stay open for this reason, and the others hold.
const fn doubt(
    name: &'static str,
    broken: &'static str,
    spoil: fn(&mut Scene),
    open: &'static [Guarantee],
    reason: &'static str,
) -> Written {
    let (nature, workload) = (Nature::Doubtful, Workload::Log);
    Written { name, broken, nature, workload, spoil, findings: &[], violated: &[], open, reason }
}

/// What rests on what groups were given.
const READERS: &[Guarantee] = &[
    Guarantee::AtLeastOnce,
    Guarantee::AtMostOnce,
    Guarantee::ExactlyOnce,
    Guarantee::Agreement,
    Guarantee::Integrity,
    Guarantee::Liveness,
];

pub(super) const ROWS: &[Written] = &[
    doubt(
        "doubt/never-started",
        "the fault was planned and never started",
        |log| log.weather.fault_ms = None,
        ALL_OF_A_LOG,
        "netsplit@4s+5s never started",
    ),
    doubt(
        "doubt/never-healed",
        "nobody recorded that the fault was healed",
        |log| log.weather.fault_ms = Some((FAULT_MS, None)),
        ALL_OF_A_LOG,
        "was never healed",
    ),
    doubt(
        "doubt/no-bite",
        "the fault dropped no packet, and a message is gone all the same",
        |log| log.weather.drops_ms.clear(),
        ALL_OF_A_LOG,
        "dropped no packet: there was nothing to bite",
    ),
    doubt(
        "doubt/bit-in-part",
        "the fault dropped nothing in the last third of its time",
        |log| log.weather.drops_ms = vec![(FAULT_MS, 7_000)],
        ALL_OF_A_LOG,
        "did not drop packets throughout",
    ),
    doubt(
        "doubt/crossed",
        "packets crossed the full cut",
        |log| log.weather.crossed = Some(3),
        ALL_OF_A_LOG,
        "3 packets crossed the full cut",
    ),
    doubt(
        "doubt/uncounted",
        "nobody counted what crossed the cut",
        |log| log.weather.crossed = None,
        ALL_OF_A_LOG,
        "nobody counted what crossed the cut",
    ),
    doubt(
        "doubt/hit-nobody",
        "the fault had no target",
        |log| log.manifest.faults[0].targets.clear(),
        ALL_OF_A_LOG,
        "hit nobody",
    ),
    doubt(
        "doubt/hit-another",
        "the fault hit a node that holds nothing of the lane",
        |log| log.manifest.faults[0].targets = vec![9],
        ALL_OF_A_LOG,
        "which neither led nor held anything of this lane",
    ),
    doubt(
        "doubt/unnoticed",
        "no node told of a change while the fault was on",
        |log| log.weather.noticed_ms = None,
        ALL_OF_A_LOG,
        "was not noticed",
    ),
    doubt(
        "doubt/too-short",
        "the fault was over before the system misses a node",
        |log| {
            log.manifest.faults[0].duration_ms = 2_000;
            log.weather = Weather {
                fault_ms: Some((FAULT_MS, Some(FAULT_MS + 2_000))),
                drops_ms: vec![(FAULT_MS, FAULT_MS + 2_000)],
                noticed_ms: None,
                ..Weather::cut()
            };
        },
        ALL_OF_A_LOG,
        "was over before detection (3 s)",
    ),
    doubt(
        "doubt/unobserved",
        "no node was asked before the fault",
        |log| log.weather.observed_ms.retain(|at_ms| *at_ms >= FAULT_MS),
        ALL_OF_A_LOG,
        "no node was observed before",
    ),
    doubt(
        "doubt/observer-silent",
        "the observer recorded nothing",
        |log| log.silent.push(OBSERVER),
        ALL_OF_A_LOG,
        "observer recorded nothing",
    ),
    doubt(
        "doubt/little-load",
        "forty messages were taken before the fault",
        |log| {
            log.sends.retain(|send| send.at_ms >= 3_200);
            log.sends.iter_mut().for_each(|send| send.id.1 -= 80);
            log.store();
        },
        ALL_OF_A_LOG,
        "clients did little: 40 messages were taken before the fault",
    ),
    doubt(
        "doubt/saturated",
        "clients sent a tenth of what they were asked for",
        |log| log.manifest.rate_per_s *= 10,
        ALL_OF_A_LOG,
        "clients were saturated before the fault",
    ),
    doubt(
        "doubt/not-taken",
        "most of what was sent before the fault was not taken",
        |log| {
            let early = log.sends.iter_mut().filter(|send| send.at_ms < FAULT_MS && send.id.1 % 4 != 0);
            early.for_each(|send| send.ended = Ended::Never);
            log.store();
        },
        ALL_OF_A_LOG,
        "clients were saturated before the fault: only 50 of 200 sends were taken",
    ),
    doubt(
        "doubt/idle",
        "clients sent nothing while the fault was on",
        |log| {
            log.sends.retain(|send| send.at_ms < FAULT_MS);
            log.store();
        },
        ALL_OF_A_LOG,
        "clients sent nothing during",
    ),
    doubt(
        "doubt/no-sentinel",
        "no sentinel was taken",
        |log| log.sentinels.clear(),
        ALL_OF_A_LOG,
        "the drain proves nothing",
    ),
    doubt(
        "doubt/no-audit",
        "nobody read what the logs hold",
        |log| log.logs.clear(),
        ALL_BUT_LIVENESS,
        "it was not audited",
    ),
    doubt(
        "doubt/audit-broke-off",
        "an acked message is in no log, but no audit came to its end",
        |log| {
            log.lose_processed(p0(50));
            log.unrecorded.push(|_, event| event.kind == EventKind::AuditEnd as u8);
        },
        ALL_BUT_LIVENESS,
        "broke off before the end of the log",
    ),
    doubt(
        "doubt/audit-with-a-gap",
        "an audit passed over an offset",
        |log| log.unrecorded.push(|_, event| event.kind == EventKind::AuditRead as u8 && event.offset == 50),
        ALL_BUT_LIVENESS,
        "read offset 51 where 50 was due",
    ),
    doubt(
        "doubt/audit-too-early",
        "an acked message is in no log, but no audit holds the sentinel",
        |log| {
            log.lose_processed(p0(50));
            log.audited = log.logs.iter().map(|(place, log)| (*place, log.len())).collect();
        },
        ALL_BUT_LIVENESS,
        "does not hold the sentinel",
    ),
    doubt(
        "doubt/retention",
        "ten acked messages are in no log, but the start of the log is gone",
        |log| {
            log.log_start = 10;
            log.logs.values_mut().for_each(|log| drop(log.drain(..10)));
        },
        ALL_BUT_LIVENESS,
        "its log starts at offset 10: what was before is gone",
    ),
    doubt(
        "doubt/one-replica",
        "one replica was audited: nobody knows what the others hold",
        |log| log.logs.retain(|(_, replica), _| *replica == 1),
        &[Guarantee::Agreement],
        "its replicas were not compared",
    ),
    doubt(
        "doubt/replica-behind",
        "one replica ends before the others",
        |log| log.audited = [((0, 3), 200)].into(),
        &[Guarantee::Agreement],
        "a replica behind, or its end is gone",
    ),
    doubt(
        "doubt/killed",
        "the run never ended",
        |log| log.manifest.status = RunStatus::Running,
        ALL_OF_A_LOG,
        "the run never ended",
    ),
    doubt(
        "doubt/cut-short",
        "a node died by itself, and the run with it",
        |log| {
            let reason = String::from("n3 died by itself");
            log.manifest.status = RunStatus::CutShort { reason, took_ms: 1 };
        },
        ALL_OF_A_LOG,
        "the run was cut short: n3 died by itself",
    ),
    doubt(
        "doubt/damaged",
        "an acked message is in no log, but a stream is damaged",
        |log| log.damage.push(String::from("the stream of p0 ends in the middle of an event")),
        ALL_OF_A_LOG,
        "the stream of p0 ends in the middle of an event",
    ),
    doubt(
        "doubt/consumer-silent",
        "a member of the group recorded nothing",
        |log| log.silent.push(C1),
        ALL_OF_A_LOG,
        "c1 recorded nothing",
    ),
    doubt(
        "doubt/unknown-kind",
        "a producer recorded an event of a kind nobody knows",
        |log| {
            let event = delivery_history::Event { kind: 250, ..delivery_history::Event::new(EventKind::SendAcked) };
            log.note(P0, 100, event);
        },
        ALL_OF_A_LOG,
        "1 events of p0 are of an unknown kind",
    ),
    doubt(
        "doubt/contradictory",
        "a message that is in no log was acked, and then it certainly failed",
        |log| {
            log.sent(p0(50)).ended = Ended::Contradictory;
            log.lose(p0(50));
        },
        ALL_OF_A_LOG,
        "outcomes that contradict an earlier one",
    ),
    doubt(
        "doubt/not-drained",
        "the group never said that it had drained, and did not process the last messages",
        |log| {
            log.drained.clear();
            log.deliveries.retain(|one| one.at_ms < HEAL_MS);
        },
        READERS,
        "never drained",
    ),
    Written {
        name: "doubt/consumers-killed",
        broken: "every consumer died: what is not processed is the test's own doing",
        nature: Nature::Doubtful,
        workload: Workload::Log,
        spoil: |log| {
            log.weather.crashes = vec![(C0, 11_900), (C1, 11_900)];
            log.drained.clear();
            log.deliveries.retain(|one| one.at_ms < 11_900);
        },
        findings: &[(delivery_checks::FindingKind::Undelivered, 5)],
        violated: &[],
        open: READERS,
        reason: "had no live member at the drain",
    },
    doubt(
        "doubt/nothing-twice",
        "no fault, no unknown send, no rebalance: nothing could have come twice",
        |log| {
            log.manifest.faults.clear();
            log.sends.iter_mut().for_each(|send| send.ended = Ended::Acked(2));
            log.store();
        },
        &[Guarantee::AtMostOnce, Guarantee::ExactlyOnce],
        "nothing here could have made a message come twice",
    ),
    Written {
        workload: Workload::Transactions,
        ..doubt(
            "doubt/nothing-to-tear",
            "no transaction holds two messages: none could have been torn",
            |log| {
                log.transactions.clear();
                log.store();
            },
            &[Guarantee::Atomicity],
            "none could have been seen to be torn",
        )
    },
];
