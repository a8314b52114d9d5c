//! No vacuous pass, no unearned violation: what keeps a verdict open, and what it says then.

mod common;

use common::*;
use delivery_checks::judgement::{FindingKind, Guarantee, Verdict};
use delivery_history::manifest::{Phase, RunStatus};
use delivery_history::{Event, EventKind};

/// Nothing holds, and durability says why.
fn all_open(scene: &Scene, why: &str) {
    let lane = scene.lane();
    assert_eq!(with(&lane, Verdict::Holds), [""; 0], "{:?}", lane.guarantees);
    assert_eq!(with(&lane, Verdict::Violated), [""; 0], "{:?}", lane.guarantees);
    let reason = reason(&lane, Guarantee::Durability);
    assert!(reason.contains(why), "{reason}");
    assert!(lane.doubts.iter().any(|doubt| doubt.contains(why)), "{:?}", lane.doubts);
    assert_ne!(lane.label.observed, "CP");
}

#[test]
fn a_cut_below_detection_that_nobody_noticed() {
    let mut scene = Scene::log();
    scene.noticed = false;
    scene.manifest.faults[0].start_ms = 2_000;
    scene.manifest.faults[0].duration_ms = 1_000;
    all_open(&scene, "netsplit@2s+1s was over before detection (11 s): no leader, ISR or membership change was seen");
    let judged = scene.judge();
    assert!(judged.faults[0].bit && !judged.faults[0].noticed, "{:?}", judged.faults);
    assert_eq!((judged.lanes[0].stats.windows, judged.lanes[0].stats.bound), (0, None));
}

#[test]
fn a_long_cut_that_nobody_noticed() {
    let mut scene = Scene::log();
    scene.noticed = false;
    all_open(&scene, "netsplit@4s+15s was not noticed");
}

#[test]
fn a_node_that_catches_up_during_the_cut_has_noticed_nothing() {
    let mut scene = Scene::log();
    scene.noticed = false;
    // n3 told of an older leader before the cut, and of what the others knew already while it was on.
    scene.without.push(|event| event.kind == EventKind::ObservedLeader as u8 && event.session == 3);
    let said = |epoch: u64, leader: u32| {
        Event { session: 3, ..Event::new(EventKind::ObservedLeader) }.destination(0).detail(leader).offset(epoch)
    };
    scene.without.push(|event| event.kind == EventKind::ObservedIsr as u8);
    scene.extra = vec![(OBSERVER, at(said(4, 1), 3_000)), (OBSERVER, at(said(5, 2), 6_000))];
    scene.without.remove(0);
    scene.without.push(|event| {
        event.kind == EventKind::ObservedLeader as u8
            && event.session == 3
            && event.has(delivery_history::event::FLAG_SELF)
    });
    all_open(&scene, "was not noticed");
}

#[test]
fn no_observer_is_no_proof_that_anybody_noticed() {
    let mut scene = Scene::log();
    scene.observed = false;
    all_open(&scene, "no node was observed before netsplit@4s+15s");
}

#[test]
fn what_only_the_cut_off_node_says_is_no_notice_of_the_cluster() {
    let told_by = |node: u32| {
        let mut scene = Scene::log();
        scene.noticed = false;
        let said = |controller: u32, epoch: u64| {
            Event { session: node, ..Event::new(EventKind::ObservedController) }.detail(controller).offset(epoch)
        };
        let nobody = delivery_history::NO_NODE;
        scene.extra = vec![(OBSERVER, at(said(1, 7), 3_000)), (OBSERVER, at(said(nobody, 8), 7_000))];
        scene
    };
    // n2 is the one that is cut off.
    all_open(&told_by(2), "was not noticed");
    assert!(told_by(3).judge().faults[0].noticed);
}

#[test]
fn silence_during_the_cut_is_no_notice() {
    let mut scene = Scene::log();
    scene.noticed = false;
    let silent = Event { session: 2, ..Event::new(EventKind::ObservedSilence) };
    scene.extra.push((OBSERVER, at(silent, 9_000)));
    all_open(&scene, "was not noticed");
}

#[test]
fn a_cut_that_dropped_nothing() {
    let mut scene = Scene::log();
    scene.dropped_until_ms = FAULT_MS;
    all_open(&scene, "dropped no packet");
}

#[test]
fn drops_that_stop_midway() {
    let mut scene = Scene::log();
    scene.dropped_until_ms = 12_000;
    all_open(&scene, "netsplit@4s+15s did not drop packets throughout: 500, 300 and 0");
    assert!(!scene.judge().faults[0].bit);
}

#[test]
fn packets_that_cross_a_full_cut() {
    let mut scene = Scene::log();
    scene.crossed = 3;
    all_open(&scene, "3 packets crossed the full cut of netsplit@4s+15s");
}

#[test]
fn crossings_nobody_counted() {
    let mut scene = Scene::log();
    scene.without.push(|event| event.kind == EventKind::FaultCrossed as u8);
    all_open(&scene, "nobody counted what crossed");
}

#[test]
fn a_cut_that_hit_somebody_else() {
    let mut scene = Scene::log();
    scene.manifest.faults[0].targets = vec![7];
    all_open(&scene, "which neither led nor held anything of this lane");
}

#[test]
fn a_cut_that_never_started_or_never_ended() {
    let mut scene = Scene::log();
    scene.without.push(|event| event.kind == EventKind::FaultHealed as u8);
    all_open(&scene, "was never healed");
    scene.without.push(|event| event.kind == EventKind::FaultStarted as u8);
    all_open(&scene, "never started");
}

#[test]
fn one_of_two_faults_that_did_not_bite_is_enough() {
    let mut scene = Scene::log();
    let mut second = cut();
    (second.start_ms, second.duration_ms) = (20_000, 1_000);
    scene.manifest.faults.push(second);
    all_open(&scene, "netsplit@20s+1s");
}

#[test]
fn a_violation_needs_no_fault_that_bit() {
    let mut scene = Scene::log();
    scene.noticed = false;
    scene.lose(p0(5));
    let lane = scene.lane();
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Violated);
    assert_eq!(verdict(&lane, Guarantee::Ordering), Verdict::Inconclusive);
}

#[test]
fn without_any_fault_it_holds_in_calm_weather() {
    let mut scene = Scene::log();
    scene.manifest.faults.clear();
    let lane = scene.lane();
    assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_LOG);
    assert_eq!(reason(&lane, Guarantee::Durability), "no fault was injected: holds in calm weather only");
    assert_eq!(lane.label.observed, "not shown");
    assert_eq!((lane.stats.windows, lane.stats.exposed), (0, 0));
}

#[test]
fn clients_that_did_little_or_were_saturated() {
    let mut scene = Scene::log();
    scene.messages.retain(|message| message.sent_ms > 3_900);
    scene.messages.iter_mut().for_each(|message| message.id.1 -= 195);
    scene.store_what_was_taken();
    all_open(&scene, "clients did little: 10 messages were taken before the fault, 50 are asked for");

    let mut scene = Scene::log();
    scene.manifest.rate_per_s = 1_000;
    all_open(&scene, "clients were saturated before the fault: 400 sends, less than half of the 4000 asked for");

    let mut scene = Scene::log();
    scene.messages.retain(|message| message.sent_ms < FAULT_MS);
    scene.store_what_was_taken();
    all_open(&scene, "clients sent nothing during netsplit@4s+15s");
}

#[test]
fn consumers_killed_off_leave_messages_undelivered_and_not_lost() {
    let mut scene = Scene::log();
    scene.crashes = vec![(C0, 10_000), (C1, 10_000)];
    scene.drained.clear();
    scene.handled.retain(|one| one.at_ms < 10_000);
    let judged = scene.judge();
    let lane = &judged.lanes[0];
    assert_eq!(found(lane).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [FindingKind::Undelivered]);
    assert_eq!(verdict(lane, Guarantee::Durability), Verdict::Holds);
    assert_eq!(verdict(lane, Guarantee::AtLeastOnce), Verdict::Inconclusive);
    assert_eq!(verdict(lane, Guarantee::ExactlyOnce), Verdict::Inconclusive);
    assert_eq!(verdict(lane, Guarantee::Liveness), Verdict::Inconclusive);
    let count = lane.count(FindingKind::Undelivered);
    let reason = reason(lane, Guarantee::AtLeastOnce);
    assert!(reason.contains("had no live member at the drain") && reason.contains(&format!("{count} messages")));
    assert!(judged.doubts[0].contains("c0 crashed 10000 ms after the load began"), "{:?}", judged.doubts);
}

#[test]
fn a_group_that_never_drained_proves_nothing() {
    let mut scene = Scene::log();
    scene.drained.clear();
    scene.handled.retain(|one| one.at_ms < 10_000);
    let lane = scene.lane();
    assert_eq!(found(&lane), []);
    assert_eq!(verdict(&lane, Guarantee::AtLeastOnce), Verdict::Inconclusive);
    assert_eq!(verdict(&lane, Guarantee::AtMostOnce), Verdict::Inconclusive);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
}

#[test]
fn a_drain_without_a_sentinel_proves_nothing() {
    let mut scene = Scene::log();
    scene.sentinel_taken = false;
    all_open(&scene, "no sentinel was taken by orders-0");
}

#[test]
fn not_recovered_is_a_liveness_violation_and_no_loss() {
    let mut scene = Scene::log();
    scene.lose(p0(5));
    let reason = String::from("not recovered within 60 s: still waiting for n2 in the ISR of orders-0");
    scene.manifest.status = RunStatus::CutShort { reason, took_ms: 90_000 };
    scene.phases.retain(|(phase, _)| *phase <= Phase::Recover);
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::NotRecovered, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["liveness"]);
    for open in [Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        assert_eq!(verdict(&lane, open), Verdict::Inconclusive);
    }
    assert_ne!(lane.label.observed, "neither");
}

#[test]
fn a_sentinel_nobody_takes_is_a_liveness_violation() {
    let mut scene = Scene::log();
    let reason = String::from("not recovered: not every destination took its sentinel within 60 s");
    scene.manifest.status = RunStatus::CutShort { reason, took_ms: 90_000 };
    // Another lane's destination was meant: this one took its own and drained.
    assert_eq!(verdict(&scene.lane(), Guarantee::Liveness), Verdict::Inconclusive);
    scene.sentinel_taken = false;
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::NotRecovered, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["liveness"]);
}

#[test]
fn a_drain_that_ran_out_is_a_liveness_violation_of_the_lanes_concerned() {
    let mut scene = Scene::log();
    let reason = String::from("not drained: not every group read past the sentinels within 60 s");
    scene.manifest.status = RunStatus::CutShort { reason, took_ms: 90_000 };
    assert_eq!(verdict(&scene.lane(), Guarantee::Liveness), Verdict::Inconclusive);
    scene.drained.clear();
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::NotRecovered, 1)]);
    assert_eq!(with(&lane, Verdict::Violated), ["liveness"]);
    scene.crashes = vec![(C0, 10_000), (C1, 10_000)];
    assert_eq!(verdict(&scene.lane(), Guarantee::Liveness), Verdict::Inconclusive);
}

#[test]
fn a_run_that_was_cut_short_or_killed_holds_nothing() {
    let mut scene = Scene::log();
    scene.manifest.status = RunStatus::CutShort { reason: "n3 died by itself".into(), took_ms: 1 };
    all_open(&scene, "the run was cut short: n3 died by itself");
    scene.manifest.status = RunStatus::Running;
    all_open(&scene, "the run never ended");
    scene.phases.truncate(3);
    let judged = scene.judge();
    assert!(judged.doubts[0].contains("its last phase was heal"), "{:?}", judged.doubts);
    assert_eq!(judged.lanes[0].count(FindingKind::NotRecovered), 0);
}

#[test]
fn loss_is_not_proved_before_the_cluster_was_whole() {
    let mut scene = Scene::log();
    scene.lose(p0(5));
    scene.phases.retain(|(phase, _)| *phase != Phase::Drain);
    all_open(&scene, "messages were in no audit, but that proves no loss here");
    assert_eq!(found(&scene.lane()), []);
}

#[test]
fn an_incomplete_audit_proves_no_loss() {
    let mut scene = Scene::log();
    scene.lose(p0(5));
    scene.without.push(|event| event.kind == EventKind::AuditEnd as u8);
    let lane = scene.lane();
    assert_eq!(found(&lane), []);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Inconclusive);
    assert!(reason(&lane, Guarantee::Durability).contains("broke off before the end of the log"));
}

#[test]
fn one_complete_replica_is_enough_for_loss_but_not_for_agreement() {
    let mut scene = Scene::log();
    scene.lose(p0(5));
    scene.without.push(|event| event.kind == EventKind::AuditEnd as u8 && event.detail != 3);
    let lane = scene.lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 1)]);
    assert_eq!(verdict(&lane, Guarantee::Agreement), Verdict::Inconclusive);
}

#[test]
fn a_gap_in_the_offsets_makes_an_audit_incomplete() {
    let mut scene = Scene::log();
    scene.without.push(|event| event.kind == EventKind::AuditRead as u8 && event.offset == 100);
    let lane = scene.lane();
    assert_eq!(found(&lane), []);
    assert_eq!(with(&lane, Verdict::Holds), ["liveness"]);
    assert!(reason(&lane, Guarantee::Durability).contains("read offset 101 where 100 was due"));
}

#[test]
fn a_log_without_its_start_proves_no_loss() {
    let mut scene = Scene::log();
    scene.lose(p0(5));
    scene.log_start = 10;
    scene.handled.iter_mut().for_each(|one| one.offset += 10);
    let lane = scene.lane();
    assert_eq!(found(&lane), []);
    assert!(reason(&lane, Guarantee::Durability).contains("its log starts at offset 10: what was before is gone"));
}

#[test]
fn a_replica_that_ends_earlier_is_a_doubt_and_no_disagreement() {
    let mut scene = Scene::log();
    // n3 lacks the last message; its sentinel stands one offset earlier for that.
    scene.logs.get_mut(&3).unwrap().pop();
    scene.without.push(|event| event.kind == EventKind::AuditRead as u8 && event.detail == 3 && event.offset == 1_899);
    scene.without.push(|event| event.kind == EventKind::AuditEnd as u8 && event.detail == 3 && event.offset == 1_900);
    let end = Event::new(EventKind::AuditEnd).destination(0).detail(3).offset(1_899);
    scene.extra.push((AUDIT, at(end, LOAD_MS + 2_003)));
    let lane = scene.lane();
    assert_eq!(found(&lane), []);
    assert_eq!(verdict(&lane, Guarantee::Agreement), Verdict::Inconclusive);
    assert!(reason(&lane, Guarantee::Agreement).contains("orders-0 ends at 1901 on n1 and at 1899 on n3"));
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
}

#[test]
fn audits_without_the_sentinel_prove_no_loss() {
    let mut scene = Scene::log();
    scene.lose(p0(5));
    // Every replica is read to an end that lies before the sentinel.
    scene.without.push(|event| event.kind == EventKind::AuditRead as u8 && event.offset == 1_899);
    scene.without.push(|event| event.kind == EventKind::AuditEnd as u8 && event.offset == 1_900);
    for replica in [1, 2, 3] {
        let end = Event::new(EventKind::AuditEnd).destination(0).detail(replica).offset(1_899);
        scene.extra.push((AUDIT, at(end, LOAD_MS + 2_000 + u64::from(replica))));
    }
    let lane = scene.lane();
    assert_eq!(found(&lane), []);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Inconclusive);
    assert!(reason(&lane, Guarantee::Durability).contains("does not hold the sentinel"), "{:?}", lane.doubts);
}

#[test]
fn one_replica_read_leaves_agreement_open() {
    let mut scene = Scene::log();
    scene.logs.retain(|replica, _| *replica == 1);
    let lane = scene.lane();
    assert_eq!(with(&lane, Verdict::Inconclusive), ["agreement"]);
}

#[test]
fn contradictory_outcomes_are_unknown_and_a_doubt() {
    let mut scene = Scene::log();
    scene.message(p0(5)).ended = Ended::AckedAndFailed;
    scene.lose(p0(5));
    all_open(&scene, "outcomes that contradict an earlier one");
    assert_eq!(found(&scene.lane()), []);
}

#[test]
fn damage_takes_the_proof_from_what_is_absent_and_from_phantoms() {
    let mut scene = Scene::log();
    scene.damage.push("the stream of c0 ends in the middle of an event".into());
    scene.handled.iter_mut().find(|one| one.id == p0(7)).unwrap().processed = false;
    scene.every_log(|log| log.push(Some(p0(50_000))));
    all_open(&scene, "the stream of c0 ends in the middle of an event");
    assert_eq!(found(&scene.lane()), []);
}

#[test]
fn a_missing_consumer_is_a_doubt() {
    let mut scene = Scene::log();
    scene.missing_streams.push(C1);
    all_open(&scene, "c1 recorded nothing");
    assert_eq!(found(&scene.lane()), []);
}

#[test]
fn an_unknown_kind_is_a_doubt() {
    let mut scene = Scene::log();
    scene.extra.push((C0, at(Event { kind: 250, ..Event::new(EventKind::Delivered) }, 100)));
    all_open(&scene, "1 events of c0 are of an unknown kind");
}

/// n2 goes on acking to everybody until the heal, and what it acked since the cut is gone.
fn lossy() -> Scene {
    let mut scene = Scene::log();
    for message in &mut scene.messages {
        message.ended = Ended::Acked(if message.sent_ms < HEAL_MS { 2 } else { 1 });
    }
    scene.store_what_was_taken();
    let gone = |message: &&Message| (FAULT_MS..HEAL_MS).contains(&message.sent_ms);
    let gone: Vec<Id> = scene.messages.iter().filter(gone).map(|message| message.id).collect();
    for log in scene.logs.values_mut() {
        log.retain(|entry| entry.is_none_or(|id| !gone.contains(&id)));
    }
    scene.handled.retain(|one| !gone.contains(&one.id));
    scene.renumber();
    scene
}

#[test]
fn a_leader_that_goes_on_acking_is_neither_where_clients_reach_every_node() {
    let lane = lossy().lane();
    assert_eq!(found(&lane), [(FindingKind::Lost, 1_500)]);
    assert_eq!(lane.label.observed, "neither", "{}", lane.label.reason);
    let leader = &lane.label.sides[0];
    assert_eq!((leader.side.as_str(), leader.attempts), ("leader side (n2)", 0));
    assert_eq!((leader.acks, leader.acks_during_fault), (400, 1_500));
    assert_eq!(lane.label.sides[1].side, "majority side (n1, n3)");
    // Everything the target acked from 1 s before the cut.
    assert_eq!(lane.stats.exposed, 1_600);
}

/// Each producer is confined to a side; p0 with the old leader, p1 with the majority.
fn confined(minority: Ended) -> Scene {
    let mut scene = Scene::log();
    scene.manifest.faults[0].shape = "leader-clients".into();
    scene.manifest.faults[0].sides = vec![vec![2, 101], vec![1, 3, 102]];
    for message in &mut scene.messages {
        if message.sent_ms >= FAULT_MS && message.sent_ms < HEAL_MS {
            message.ended = if message.worker == P0 { minority } else { Ended::Acked(1) };
        }
    }
    scene.store_what_was_taken();
    scene
}

#[test]
fn confined_clients_show_cp() {
    let lane = confined(Ended::Unknown).lane();
    assert_eq!(lane.label.observed, "CP", "{}", lane.label.reason);
    assert_eq!((lane.label.sides[0].attempts, lane.label.sides[0].acks), (200, 0));
    assert_eq!((lane.label.sides[1].attempts, lane.label.sides[1].acks), (200, 200));
}

#[test]
fn confined_clients_show_ap() {
    let lane = confined(Ended::Acked(2)).lane();
    assert_eq!(lane.label.observed, "AP", "{}", lane.label.reason);
    let mut lossy = confined(Ended::Acked(2));
    lossy.lose(p0(500));
    let lane = lossy.lane();
    assert_eq!(lane.label.observed, "AP, lossy", "{}", lane.label.reason);
}

#[test]
fn clients_that_reach_every_node_cannot_show_ap() {
    let mut scene = confined(Ended::Acked(2));
    scene.manifest.faults[0].sides = vec![vec![2], vec![1, 3]];
    let lane = scene.lane();
    assert_eq!(lane.label.observed, "not shown");
    assert!(lane.label.reason.contains("cannot show AP"), "{}", lane.label.reason);
}

#[test]
fn nobody_accepting_and_nothing_gone_is_unavailable_but_safe() {
    let mut scene = Scene::log();
    for message in &mut scene.messages {
        if (FAULT_MS..HEAL_MS).contains(&message.sent_ms) {
            message.ended = Ended::Unknown;
        }
    }
    scene.store_what_was_taken();
    let lane = scene.lane();
    assert_eq!(lane.label.observed, "unavailable-safe", "{}", lane.label.reason);
    assert_eq!(lane.available_during_fault, Some(0.0));
    assert_eq!(lane.longest_stall_ms, 15_019);
}

#[test]
fn availability_and_stall_are_measured() {
    let lane = Scene::log().lane();
    let available = lane.available_during_fault.unwrap();
    assert!((available - 100.0 / 150.0).abs() < 0.011, "{available}");
    assert!((5_000..5_050).contains(&lane.longest_stall_ms), "{}", lane.longest_stall_ms);
}

#[test]
fn latencies_are_told_apart_by_the_time_of_invocation() {
    let lane = Scene::log().lane();
    let latency = &lane.stats.latency_ms;
    assert_eq!(latency["send-before"].count, 400);
    assert_eq!(latency["send-during"].count, 1_000);
    assert_eq!(latency["send-after"].count, 500);
    assert!((latency["send-during"].p99 - 2.0).abs() < 0.01);
    assert!((latency["end-to-end-after"].p50 - 5.0).abs() < 0.01);
}
