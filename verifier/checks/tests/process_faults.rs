//! Faults of processes: what shows that they bit, and what keeps a verdict open.

mod common;

use common::*;
use delivery_checks::judgement::{Guarantee, Verdict, WritesLost};
use delivery_history::event::ProcessState;
use delivery_history::manifest::{BiteProof, Fault, Worker};
use delivery_history::{Event, EventKind, NO_SESSION};

/// Number of the runner's stream.
const RUNNER: u16 = 0;

/// A scene whose one fault takes down processes: the node that led (n2), or these clients.
fn struck(fault: &str, bites_by: BiteProof, clients: &[u16], seen: ProcessState) -> Scene {
    let mut scene = Scene::log();
    let on_nodes = clients.is_empty();
    scene.manifest.faults[0] = Fault {
        fault: fault.to_owned(),
        shape: String::from(if on_nodes { "leader" } else { "consumer" }),
        targets: if on_nodes { vec![2] } else { Vec::new() },
        cut: Vec::new(),
        full_cut: false,
        sides: if on_nodes { vec![vec![1, 3]] } else { Vec::new() },
        workers: clients.to_vec(),
        bites_by,
        ..cut()
    };
    // None of its own rules dropped a packet.
    scene
        .without
        .push(|event| event.kind == EventKind::FaultDropped as u8 || event.kind == EventKind::FaultCrossed as u8);
    let whom: Vec<(u32, u32)> = match on_nodes {
        true => vec![(2, u32::MAX)],
        false => clients.iter().map(|worker| (NO_SESSION, u32::from(*worker))).collect(),
    };
    for at_ms in (FAULT_MS + 100..=HEAL_MS).step_by(100) {
        for (session, sequence) in &whom {
            let look = Event::new(EventKind::ProcessState).detail(0).offset(seen as u64);
            scene.extra.push((RUNNER, at(look.message(*session, *sequence), at_ms)));
        }
    }
    scene
}

fn durability(scene: &Scene) -> (Verdict, String) {
    let lane = scene.lane();
    (verdict(&lane, Guarantee::Durability), reason(&lane, Guarantee::Durability))
}

#[test]
fn a_killed_leader_that_was_seen_gone_and_missed_bit() {
    let scene = struck("kill", BiteProof::ProcessGone, &[], ProcessState::Gone);
    assert_eq!(durability(&scene).0, Verdict::Holds);
    let judged = scene.judge();
    let looks = judged.faults[0].looks.clone().unwrap();
    assert_eq!((looks.expected.as_str(), looks.as_expected, looks.of), ("gone", 141, 141));
    assert!(judged.faults[0].bit && judged.faults[0].noticed && judged.faults[0].healed);
    assert_eq!(judged.lanes[0].stats.windows, 1);
    assert_eq!(judged.lanes[0].label.observed, "not shown", "the nodes that were left took writes: no cut, no label");
}

/// The leader (n2) takes writes alone, as its followers cannot copy from it; then it is killed, and nobody may lead.
fn alone_and_then_killed(while_alone: Ended) -> Scene {
    let (heal_ms, kill_ms, start_ms) = (17_000, 18_000, 22_000);
    let mut scene = Scene::log();
    scene.noticed = false;
    scene.manifest.faults[0].duration_ms = heal_ms - FAULT_MS;
    scene.manifest.faults.push(Fault {
        fault: String::from("kill"),
        cut: Vec::new(),
        full_cut: false,
        sides: vec![vec![1, 3]],
        start_ms: kill_ms,
        duration_ms: start_ms - kill_ms,
        bites_by: BiteProof::ProcessGone,
        ..cut()
    });
    scene.without.push(|event| {
        let of_packets = [EventKind::FaultDropped as u8, EventKind::FaultCrossed as u8];
        of_packets.contains(&event.kind) && event.detail == 1
    });
    let said = |kind: EventKind| Event { session: 1, ..Event::new(kind) }.destination(0);
    scene.extra.push((OBSERVER, at(said(EventKind::ObservedIsr).detail(0b100), 9_000)));
    let nobody = said(EventKind::ObservedLeader).detail(delivery_history::NO_NODE).offset(6);
    scene.extra.push((OBSERVER, at(nobody, kill_ms + 200)));
    for at_ms in (kill_ms + 100..=start_ms).step_by(100) {
        let look = Event::new(EventKind::ProcessState).detail(1).offset(ProcessState::Gone as u64);
        scene.extra.push((RUNNER, at(look.message(2, u32::MAX), at_ms)));
    }
    for message in &mut scene.messages {
        message.ended = match message.sent_ms {
            sent_ms if (FAULT_MS..heal_ms).contains(&sent_ms) => while_alone,
            sent_ms if (kill_ms..start_ms).contains(&sent_ms) => Ended::Unknown,
            _ => Ended::Acked(2),
        };
    }
    scene.store_what_was_taken();
    scene
}

#[test]
fn a_killed_leader_that_nobody_may_replace_leaves_nobody_who_takes_writes() {
    let lane = alone_and_then_killed(Ended::Acked(2)).lane();
    assert_eq!(lane.label.observed, "unavailable-safe", "{}", lane.label.reason);
    let mut lossy = alone_and_then_killed(Ended::Acked(2));
    lossy.lose(p0(500));
    let lane = lossy.lane();
    assert_eq!(lane.label.observed, "neither", "{}", lane.label.reason);
}

#[test]
fn a_leader_that_takes_writes_alone_shows_no_label_by_itself() {
    let mut scene = alone_and_then_killed(Ended::Acked(2));
    scene.manifest.faults.truncate(1);
    scene.extra.retain(|(worker, _)| *worker == OBSERVER);
    let lane = scene.lane();
    assert_eq!(lane.label.observed, "not shown");
    assert!(lane.label.reason.contains("a minority accepted, without a loss"), "{}", lane.label.reason);
}

/// A scene in which n2 lost its power with so many writes unsynced.
fn without_power(writes: Option<u64>) -> Scene {
    let mut scene = struck("power-loss", BiteProof::PowerLost, &[], ProcessState::Gone);
    for (at_ms, writes) in [(FAULT_MS + 100, writes), (HEAL_MS, writes)] {
        let Some(writes) = writes else { continue };
        let lost = Event::new(EventKind::WritesDropped).detail(0).offset(writes).message(2, 12);
        scene.extra.push((RUNNER, at(lost, at_ms)));
    }
    scene
}

#[test]
fn a_cut_of_the_power_that_took_something_away_bit() {
    let scene = without_power(Some(40));
    assert_eq!(durability(&scene).0, Verdict::Holds);
    let judged = scene.judge();
    assert_eq!(judged.faults[0].writes_lost, Some(WritesLost { writes: 40, kib: 12 }));
    assert_eq!(judged.faults[0].looks.as_ref().map(|looks| looks.as_expected), Some(141));
}

#[test]
fn a_cut_of_the_power_that_took_nothing_away_is_only_a_kill() {
    for scene in [without_power(Some(0)), without_power(None)] {
        let (verdict, why) = durability(&scene);
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(why.contains("power-loss@4s+15s took nothing away: every write was synced"), "{why}");
    }
}

#[test]
fn a_node_that_ran_on_kept_its_power() {
    let mut scene = without_power(Some(40));
    for (_, event) in &mut scene.extra {
        if event.kind == EventKind::ProcessState as u8 {
            event.offset = ProcessState::Running as u64;
        }
    }
    let (verdict, why) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why.contains("n2 was gone at 0 of 141 looks during power-loss@4s+15s"), "{why}");
}

#[test]
fn a_node_that_ran_on_was_not_killed() {
    let scene = struck("kill", BiteProof::ProcessGone, &[], ProcessState::Running);
    let (verdict, why) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why.contains("n2 was gone at 0 of 141 looks during kill@4s+15s"), "{why}");
    assert!(!scene.judge().faults[0].bit);
}

#[test]
fn a_process_may_take_a_second_to_die_and_no_longer() {
    let lives_for = |looks: usize| {
        let mut scene = struck("kill", BiteProof::ProcessGone, &[], ProcessState::Gone);
        for (_, event) in scene.extra.iter_mut().take(looks) {
            event.offset = ProcessState::Running as u64;
        }
        durability(&scene).0
    };
    assert_eq!(lives_for(9), Verdict::Holds);
    assert_eq!(lives_for(10), Verdict::Inconclusive);
}

#[test]
fn nobody_looking_is_no_proof() {
    let mut scene = struck("kill", BiteProof::ProcessGone, &[], ProcessState::Gone);
    scene.extra.clear();
    let (verdict, why) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why.contains("nobody looked whether n2 was gone during kill@4s+15s"), "{why}");
}

#[test]
fn a_kill_that_the_cluster_did_not_miss_proves_nothing() {
    let mut scene = struck("kill", BiteProof::ProcessGone, &[], ProcessState::Gone);
    scene.noticed = false;
    let (verdict, why) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why.contains("kill@4s+15s was not noticed"), "{why}");
}

#[test]
fn who_is_asked_to_end_may_take_two_thirds_of_the_time() {
    let ended_after = |share: u64| {
        let mut scene = struck("stop", BiteProof::ProcessEnded, &[], ProcessState::Gone);
        let runs_until_ns = (START_MS + FAULT_MS + (HEAL_MS - FAULT_MS) * share / 6) * 1_000_000;
        for (_, event) in &mut scene.extra {
            if event.time_ns < runs_until_ns {
                event.offset = ProcessState::Running as u64;
            }
        }
        durability(&scene).0
    };
    assert_eq!(ended_after(3), Verdict::Holds);
    assert_eq!(ended_after(5), Verdict::Inconclusive);
}

#[test]
fn a_pause_is_proved_by_standing_still_not_by_being_gone() {
    let paused = |seen| durability(&struck("pause", BiteProof::ProcessStopped, &[], seen)).0;
    assert_eq!(paused(ProcessState::Stopped), Verdict::Holds);
    assert_eq!(paused(ProcessState::Gone), Verdict::Inconclusive);
}

#[test]
fn a_node_limps_only_where_it_stands_still_most_of_the_time_and_not_always() {
    let limps = |running: fn(u64) -> bool| {
        let mut scene = struck("limp", BiteProof::ProcessLimped, &[], ProcessState::Stopped);
        for (number, (_, event)) in (0u64..).zip(&mut scene.extra) {
            if running(number) {
                event.offset = ProcessState::Running as u64;
            }
        }
        durability(&scene).0
    };
    assert_eq!(limps(|number| number % 5 == 0), Verdict::Holds);
    assert_eq!(limps(|number| number % 5 != 0), Verdict::Inconclusive, "it ran most of the time");
    assert_eq!(limps(|_| false), Verdict::Inconclusive, "that is a pause");
    assert_eq!(limps(|number| number > 80), Verdict::Inconclusive, "not throughout");
}

/// A killed consumer, its successor in the group, and the crash the runner saw.
fn killed_consumer() -> Scene {
    let mut scene = struck("kill", BiteProof::ProcessGone, &[C0], ProcessState::Gone);
    let successor =
        Worker { name: String::from("c0-2"), succeeds: Some(C0), ..scene.manifest.workers[usize::from(C0)].clone() };
    scene.manifest.workers.push(successor);
    scene
}

#[test]
fn a_client_notices_its_own_end() {
    let mut scene = killed_consumer();
    scene.noticed = false;
    let judged = scene.judge();
    let fault = &judged.faults[0];
    assert_eq!(fault.targets, ["c0"]);
    assert!(fault.bit && fault.noticed, "{fault:?}");
    assert_eq!(judged.lanes[0].stats.windows, 1);
    assert!(judged.lanes[0].stats.exposed > 0);
}

#[test]
fn a_client_that_idled_had_nothing_to_lose() {
    let mut scene = killed_consumer();
    scene
        .handled
        .retain(|handled| handled.worker != C0 || handled.at_ms > FAULT_MS || handled.at_ms + 2_000 < FAULT_MS);
    let (verdict, why) = durability(&scene);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why.contains("c0 was not at work when kill@4s+15s hit it"), "{why}");
}

#[test]
fn a_lane_none_of_whose_clients_was_hit_is_not_put_to_the_test() {
    let mut scene = killed_consumer();
    scene.manifest.workers[usize::from(C0)].lane = None;
    let why = durability(&scene).1;
    assert!(why.contains("kill@4s+15s hit no client of this lane"), "{why}");
}
