//! Clients on machines with clocks of their own: what no clock can order is held against nobody, and what was not taken
//! over whole proves nothing.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod common;
#[allow(dead_code, reason = "nothing is spoilt here")]
mod world;

use common::{P0, Scene, found, judge_streams, reason, with};
use delivery_checks::judgement::{FindingKind, Guarantee, LaneJudgement, Verdict};
use delivery_history::manifest::{RunManifest, Workload};
use delivery_history::{ClockComparison, Event, WorkerMachine};
use proptest::prelude::*;
use world::World;

const WORKLOADS: [Workload; 4] = [Workload::Log, Workload::Transactions, Workload::Fanout, Workload::Queue];
/// Hosts of the two machines.
const HOSTS: [u32; 2] = [101, 102];

fn machine(host: u32, error_ns: u64) -> WorkerMachine {
    let clock = ClockComparison { offset_ns: 7, drift_ns: 0, error_ns, comparisons: 100 };
    WorkerMachine { name: format!("m{host}"), host, facts: String::new(), clock: Some(clock), complete: true }
}

/// Shifts what each machine recorded by `skew_ns` of its own.
fn skewed(manifest: &RunManifest, mut streams: Vec<Vec<Event>>, skew_ns: [i64; 2]) -> Vec<Vec<Event>> {
    for (worker, stream) in manifest.workers.iter().zip(&mut streams) {
        let Some(machine) = HOSTS.iter().position(|host| *host == worker.host) else { continue };
        stream.iter_mut().for_each(|event| event.time_ns = event.time_ns.saturating_add_signed(skew_ns[machine]));
    }
    streams
}

fn lane_of(manifest: &RunManifest, streams: &[Vec<Event>]) -> LaneJudgement {
    judge_streams(manifest, streams, &[], &[]).lanes.remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the clocks are off by, within what was measured, a correct history stays correct.
    #[test]
    fn nothing_is_found_in_a_correct_history_of_skewed_clocks(
        seed in 0_u64..1_000_000,
        errors_ms in (0_u64..90, 0_u64..90),
        skew in (-1.0_f64..1.0, -1.0_f64..1.0),
    ) {
        let errors_ns = [errors_ms.0 * 1_000_000, errors_ms.1 * 1_000_000];
        let skew_ns = [(errors_ns[0] as f64 * skew.0) as i64, (errors_ns[1] as f64 * skew.1) as i64];
        for workload in WORKLOADS {
            let world = World::grow(workload, seed);
            let mut manifest = world.manifest().clone();
            manifest.machines = HOSTS.iter().zip(errors_ns).map(|(host, error_ns)| machine(*host, error_ns)).collect();
            let lane = lane_of(&manifest, &skewed(&manifest, world.streams(), skew_ns));
            let kinds: Vec<FindingKind> = lane.findings.iter().map(|finding| finding.kind).collect();
            let unasked: Vec<&FindingKind> = kinds.iter().filter(|kind| **kind != FindingKind::Redelivered).collect();
            prop_assert!(unasked.is_empty(), "{workload:?}: {unasked:?}");
            prop_assert_eq!(with(&lane, Verdict::Violated), Vec::<&str>::new(), "{:?}", workload);
        }
    }
}

#[test]
fn order_across_sessions_is_judged_by_one_clock_alone() {
    let mut scene = Scene::log();
    scene.every_log(|log| log.swap(20, 24));
    let total = |lane: &LaneJudgement| lane.count(FindingKind::ReorderedTotal);
    assert_eq!(total(&scene.lane()), 3, "two of the same producer, and one of another");
    scene.manifest.machines = HOSTS.map(|host| machine(host, 1)).to_vec();
    assert_eq!(total(&scene.lane()), 2, "the other producer is on another machine");
    assert_eq!(with(&scene.lane(), Verdict::Violated), ["ordering"], "a session has one clock");
}

#[test]
fn what_was_not_taken_over_whole_proves_nothing() {
    let mut scene = Scene::log();
    scene.manifest.machines = HOSTS.map(|host| machine(host, 1)).to_vec();
    let sound = with(&scene.lane(), Verdict::Holds).len();
    assert_eq!(sound, common::ALL_OF_A_LOG);
    scene.manifest.machines[1].complete = false;
    let lane = scene.lane();
    assert_eq!((found(&lane), with(&lane, Verdict::Holds)), (vec![], vec![]));
    let told = reason(&lane, Guarantee::Durability);
    assert!(told.contains("what p1 recorded on m102 was not taken over whole"), "{told}");
}

/// What the machine was not told is no phantom: its events of it are missing.
#[test]
fn a_message_whose_machine_did_not_hand_over_its_send_is_no_phantom() {
    let mut scene = Scene::log();
    scene.manifest.machines = HOSTS.map(|host| machine(host, 1)).to_vec();
    scene.manifest.machines[0].complete = false;
    let mut streams = scene.streams();
    let sent = &mut streams[usize::from(P0)];
    sent.truncate(sent.len() / 2);
    let lane = lane_of(&scene.manifest, &streams);
    assert_eq!(lane.count(FindingKind::Phantom), 0);
    assert_eq!(with(&lane, Verdict::Violated), Vec::<&str>::new());
    scene.manifest.machines.clear();
    let lane = lane_of(&scene.manifest, &streams);
    assert!(lane.count(FindingKind::Phantom) > 0, "the same history of one machine");
}

#[test]
fn times_that_may_be_off_by_more_than_faults_are_told_apart_by_prove_nothing() {
    let mut scene = Scene::log();
    scene.manifest.machines = HOSTS.map(|host| machine(host, 250_000_000)).to_vec();
    let lane = scene.lane();
    assert_eq!(with(&lane, Verdict::Holds), Vec::<&str>::new());
    let told = reason(&lane, Guarantee::Durability);
    assert!(told.contains("has times that may be off by 250 ms, more than 100"), "{told}");
}
