//! Hostile and random input: no panic, no memory for what is only claimed, and one anomaly in a
//! random correct history is found with the right witness.

mod common;
#[path = "common/queue.rs"]
mod queue;

use bytemuck::{Zeroable, bytes_of_mut};
use common::*;
use delivery_checks::judgement::{FindingKind, Guarantee, Verdict};
use delivery_checks::{Options, judge_with};
use delivery_history::manifest::{Destination, Group, Lane, Phase, RunManifest, Worker, Workload, first_session};
use delivery_history::{Event, EventKind, HistoryView, StreamView};
use proptest::prelude::*;
use queue::{DEAD, Queue};

/// Streams with one more event each, in a place where the judge will meet it.
fn with_event(worker: u16, event: Event) -> Scene {
    let mut scene = Scene::log();
    scene.extra.push((worker, event));
    scene
}

#[test]
fn numbers_that_are_only_claimed_take_no_memory() {
    let claimed = |kind: EventKind| Event::new(kind).destination(0).message(first_session(P0), 1 << 31);
    for kind in [EventKind::Delivered, EventKind::Processing, EventKind::Processed] {
        let lane = with_event(C0, at(claimed(kind).offset(1 << 62), 9_000)).lane();
        let disagrees = kind == EventKind::Delivered;
        assert_eq!(lane.count(FindingKind::Phantom), u64::from(disagrees));
        assert_eq!(lane.count(FindingKind::Disagreement), u64::from(disagrees));
    }
    // A send out of order is damage: nothing holds, and nothing is a phantom because of it.
    let lane = with_event(P0, at(claimed(EventKind::SendInvoked), 9_000)).lane();
    assert_eq!((found(&lane).len(), with(&lane, Verdict::Holds).len()), (0, 0));
    // An audit at an offset nobody can hold is broken off there.
    let start = at(Event::new(EventKind::AuditStart).destination(0).detail(9).offset(1 << 62), LOAD_MS + 2_500);
    let read = at(claimed(EventKind::AuditRead).detail(9).offset(u64::MAX), LOAD_MS + 2_501);
    let mut scene = with_event(AUDIT, start);
    scene.extra.push((AUDIT, read));
    let lane = scene.lane();
    assert_eq!(found(&lane), []);
    assert_eq!(verdict(&lane, Guarantee::Durability), Verdict::Holds);
    assert_eq!(verdict(&lane, Guarantee::Agreement), Verdict::Inconclusive);
}

#[test]
fn an_empty_history_is_judged() {
    let scene = Scene::log();
    let empty: Vec<Vec<Event>> = vec![];
    let judged = judge_streams(&scene.manifest, &empty, &[], &[]);
    assert_eq!(with(&judged.lanes[0], Verdict::Inconclusive).len(), ALL_OF_A_LOG);
    assert!(judged.doubts.iter().any(|doubt| doubt == "runner recorded nothing"), "{:?}", judged.doubts);
}

#[test]
fn the_same_history_is_judged_the_same() {
    let mut scene = Scene::log();
    scene.lose(p0(5));
    scene.every_log(|log| log.swap(20, 24));
    assert_eq!(scene.judge(), scene.judge());
}

fn any_event() -> impl Strategy<Value = Event> {
    (prop::array::uniform32(any::<u8>()), 0..46u8, any::<bool>()).prop_map(|(bytes, kind, plausible)| {
        let mut event = Event::zeroed();
        bytes_of_mut(&mut event).copy_from_slice(&bytes);
        event.kind = if event.kind > 250 { event.kind } else { kind };
        if plausible {
            event.session = first_session((event.session % 9) as u16) + (event.session >> 30);
            event.sequence %= 4;
            event.destination %= 2;
            event.offset %= 6;
            event.detail %= 9;
            event.flags &= 15;
        }
        event
    })
}

fn any_streams() -> impl Strategy<Value = Vec<Vec<Event>>> {
    prop::collection::vec(prop::collection::vec(any_event(), 0..40), 0..9)
}

fn any_manifest() -> impl Strategy<Value = RunManifest> {
    let workloads = [Workload::Log, Workload::Fanout, Workload::Queue, Workload::Transactions];
    (0..4usize, any::<u8>(), prop::collection::vec(any::<u32>(), 0..4), any::<u64>()).prop_map(
        move |(workload, broken, hosts, time)| {
            let mut manifest = manifest(workloads[workload]);
            let fault = &mut manifest.faults[0];
            if broken & 1 != 0 {
                fault.targets = hosts.clone();
                fault.sides = vec![hosts.clone(); hosts.len() * 5];
                (fault.start_ms, fault.duration_ms, fault.detection_ms) = (time, time, time);
            }
            if broken & 2 != 0 {
                manifest.workers[usize::from(C0)].group = Some(77);
                manifest.workers[usize::from(P1)].lane = Some(9);
                manifest.destinations[0].lane = u16::from(broken);
            }
            if broken & 4 != 0 {
                manifest.groups.clear();
                manifest.nodes.clear();
            }
            if broken & 16 != 0 {
                let dead_letters_of = Some(u16::from(broken >> 6));
                manifest.destinations.push(Destination { dead_letters_of, ..manifest.destinations[0].clone() });
                manifest.lanes[0].automatic_ack = broken & 32 != 0;
            }
            if broken & 8 != 0 {
                manifest.lanes.push(manifest.lanes[0].clone());
                manifest.faults = vec![manifest.faults[0].clone(); 70];
            }
            manifest
        },
    )
}

/// Correct histories of many shapes: outcomes, numbers of messages, control records between them.
fn correct() -> impl Strategy<Value = Scene> {
    let outcome = prop::sample::select(vec![Ended::Acked(1), Ended::Acked(2), Ended::Unknown, Ended::Never]);
    let fates = prop::collection::vec((outcome, any::<bool>(), 0..9u8), 2_400);
    (fates, prop::collection::vec(0..1_500usize, 0..5)).prop_map(|(fates, controls)| {
        let mut scene = Scene::log();
        let mut stored = Vec::new();
        for (message, (ended, late, dice)) in scene.messages.iter_mut().zip(fates) {
            // Most are acked, or the clients would count as saturated.
            message.ended = if dice < 7 { Ended::Acked(1) } else { ended };
            if matches!(message.ended, Ended::Acked(_)) || late {
                stored.push(Some(message.id));
            }
        }
        for at in controls {
            stored.insert(at.min(stored.len()), None);
        }
        scene.handled = stored
            .iter()
            .enumerate()
            .filter_map(|(offset, id)| Some(handled(C0, (*id)?, offset as u64, 1_000 + offset as u64)))
            .collect();
        scene.logs = [1, 2, 3].map(|replica| (replica, stored.clone())).into();
        scene
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_events_never_panic(manifest in any_manifest(), streams in any_streams()) {
        let judged = judge_streams(&manifest, &streams, &[], &[]);
        prop_assert_eq!(judged.lanes.len(), manifest.lanes.len());
    }

    #[test]
    fn arbitrary_events_in_a_run_never_panic(
        extra in prop::collection::vec((0..8u16, any_event()), 1..20),
        phase in 0..8usize,
    ) {
        let mut scene = Scene::log();
        scene.phases.remove(phase.min(scene.phases.len() - 1));
        scene.phases.push((Phase::Drain, 17));
        scene.extra = extra;
        prop_assert_eq!(scene.judge().lanes.len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_events_in_a_queue_never_panic(
        extra in prop::collection::vec((0..8u16, any_event()), 1..20),
        dead in prop::collection::vec((0..8u32, 0..3_000u32), 0..6),
        phase in 0..8usize,
        automatic_ack in any::<bool>(),
    ) {
        let mut queue = Queue::new();
        queue.scene.phases.remove(phase.min(queue.scene.phases.len() - 1));
        queue.scene.manifest.lanes[0].automatic_ack = automatic_ack;
        queue.leave(DEAD, dead.into_iter().map(|(worker, number)| (worker << 16, number)).collect());
        queue.scene.extra.extend(extra);
        prop_assert_eq!(queue.judge().lanes.len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_correct_histories_hold(scene in correct()) {
        let lane = scene.lane();
        prop_assert_eq!(found(&lane), []);
        prop_assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_LOG, "{:?}", lane.doubts);
    }

    #[test]
    fn one_lost_message_is_found(mut scene in correct(), pick in any::<prop::sample::Index>()) {
        let acked: Vec<Id> =
            scene.messages.iter().filter(|one| matches!(one.ended, Ended::Acked(_))).map(|one| one.id).collect();
        let gone = acked[pick.index(acked.len())];
        scene.lose(gone);
        expect_one(&scene, FindingKind::Lost, gone)?;
    }

    #[test]
    fn one_unprocessed_message_is_found(mut scene in correct(), pick in any::<prop::sample::Index>()) {
        let acked: Vec<Id> =
            scene.messages.iter().filter(|one| matches!(one.ended, Ended::Acked(_))).map(|one| one.id).collect();
        let forgotten = acked[pick.index(acked.len())];
        scene.handled.retain(|one| one.id != forgotten);
        expect_one(&scene, FindingKind::Undelivered, forgotten)?;
    }

    #[test]
    fn one_message_stored_twice_is_found(mut scene in correct(), pick in any::<prop::sample::Index>()) {
        let log = &scene.logs[&1];
        let stored: Vec<Id> = log.iter().copied().flatten().collect();
        let twice = stored[pick.index(stored.len())];
        scene.every_log(|log| log.push(Some(twice)));
        expect_one(&scene, FindingKind::StoredTwice, twice)?;
    }

    #[test]
    fn one_message_processed_twice_is_found(mut scene in correct(), pick in any::<prop::sample::Index>()) {
        let index = pick.index(scene.handled.len());
        scene.handled[index].processing = 2;
        let twice = scene.handled[index].id;
        expect_one(&scene, FindingKind::ProcessedTwice, twice)?;
    }

    #[test]
    fn one_phantom_is_found(mut scene in correct(), beyond in 1_200u32..u32::MAX) {
        scene.every_log(|log| log.push(Some(p1(beyond))));
        expect_one(&scene, FindingKind::Phantom, p1(beyond))?;
    }
}

/// Exactly this finding, once, with this message as its witness.
fn expect_one(scene: &Scene, kind: FindingKind, id: Id) -> Result<(), TestCaseError> {
    let lane = scene.lane();
    prop_assert_eq!(found(&lane), [(kind, 1)]);
    let producer = if id.0 == first_session(P0) { "p0" } else { "p1" };
    prop_assert_eq!(story(&lane, kind).0, format!("{producer}/{}", id.1));
    Ok(())
}

#[test]
fn many_threads_judge_as_one_does() {
    let mut scene = Scene::log();
    scene.lose(p0(7));
    scene.without.push(|event| event.kind == EventKind::AuditEnd as u8 && event.detail == 3);
    scene.extra.push((C1, at(Event { kind: 250, ..Event::new(EventKind::Delivered) }, 100)));
    scene.message(p1(9)).ended = Ended::AckedAndFailed;
    let (manifest, streams) = several_lanes(&scene, 5);
    let views = streams.iter().enumerate().map(|(worker, events)| StreamView { worker: worker as u16, events });
    let history = HistoryView { manifest: &manifest, streams: views.collect(), damage: vec![String::from("torn")] };
    let judged = |threads| {
        let judged = judge_with(&history, &Options { threads, ..Options::default() });
        serde_json::to_string(&judged).unwrap()
    };
    let one = judged(1);
    assert!(one.contains("lane4"), "{one}");
    for threads in [0, 2, 3, 16] {
        assert_eq!(judged(threads), one, "{threads} threads");
    }
}

/// The scene's lane as often as asked for, each with workers, groups and destinations of its own.
fn several_lanes(scene: &Scene, lanes: u16) -> (RunManifest, Vec<Vec<Event>>) {
    let (mut manifest, first) = (scene.manifest.clone(), scene.streams());
    let mut streams = first.clone();
    for lane in 1..lanes {
        manifest.lanes.push(Lane { name: format!("lane{lane}"), ..manifest.lanes[0].clone() });
        let destination = Destination { lane, name: format!("orders{lane}"), ..manifest.destinations[0].clone() };
        manifest.destinations.push(destination);
        let group = Group { lane, name: format!("readers{lane}"), ..manifest.groups[0].clone() };
        manifest.groups.push(group);
        let base = manifest.workers.len() as u16;
        for worker in [P0, P1, C0, C1, SENTINEL, AUDIT] {
            let number = manifest.workers.len() as u16;
            let of = manifest.workers[usize::from(worker)].clone();
            let group = of.group.map(|_| lane);
            let own_lane = of.lane.map(|_| lane);
            manifest.workers.push(Worker { name: format!("{}-lane{lane}", of.name), lane: own_lane, group, ..of });
            let moved = first[usize::from(worker)].iter().map(|event| moved(event, number, base, lane));
            streams.push(moved.collect());
        }
    }
    (manifest, streams)
}

/// The event in another lane: its sessions are those of the lane's own workers.
fn moved(event: &Event, worker: u16, base: u16, lane: u16) -> Event {
    let mut event = *event;
    let senders = [(P0, base), (P1, base + 1), (SENTINEL, base + 4)];
    let own = senders.into_iter().find(|(sender, _)| event.session == first_session(*sender));
    if let Some((_, own)) = own {
        event.session = first_session(own);
    }
    if event.destination == 0 {
        event.destination = lane;
    }
    assert!(worker >= base);
    event
}
