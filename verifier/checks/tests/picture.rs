//! The picture of a run over time agrees with what was judged, and puts everything where it happened.

#![allow(clippy::unwrap_used, reason = "a scene that lacks what a test changes is a broken test")]

mod common;

use common::*;
use delivery_checks::picture::{ChangeKind, Picture};
use delivery_checks::{FindingKind, Judgement, judge_and_draw};
use delivery_history::manifest::Phase;
use delivery_history::{HistoryView, StreamView};

fn draw(scene: &Scene) -> (Judgement, Picture) {
    let streams = scene.streams();
    let views = streams.iter().enumerate().map(|(worker, events)| StreamView { worker: worker as u16, events });
    judge_and_draw(&HistoryView { manifest: &scene.manifest, streams: views.collect(), damage: Vec::new() })
}

fn lossy() -> Scene {
    let mut scene = Scene::log();
    for sequence in [150, 160, 170] {
        scene.lose(p0(sequence));
    }
    scene.message(p0(10)).ended = Ended::Failed;
    scene.lose(p0(10));
    scene.message(p1(1_199)).ended = Ended::Never;
    scene.lose(p1(1_199));
    scene
}

#[test]
fn the_bins_add_up_to_what_was_judged() {
    let scene = lossy();
    let (judgement, picture) = draw(&scene);
    assert_eq!(judgement, scene.judge(), "drawing changes nothing");
    let (lane, drawn) = (&judgement.lanes[0], &picture.lanes[0]);
    assert_eq!((drawn.bins.len(), picture.bin_ms), (picture.bins, 200));
    let sum = |count: fn(&delivery_checks::picture::Bin) -> u32| -> u64 {
        drawn.bins.iter().map(|bin| u64::from(count(bin))).sum()
    };
    assert_eq!(sum(|bin| bin.invoked), lane.stats.sent);
    assert_eq!(sum(|bin| bin.acked), lane.stats.acked);
    assert_eq!(sum(|bin| bin.failed), 1);
    assert_eq!(sum(|bin| bin.unknown), lane.stats.unknown);
    assert_eq!(sum(|bin| bin.delivered), lane.stats.delivered);
    assert_eq!((sum(|bin| bin.lost), lane.count(FindingKind::Lost)), (3, 3));
}

#[test]
fn lost_messages_stand_where_they_were_acked() {
    let (_, picture) = draw(&lossy());
    let lost = picture.lanes[0].bins.iter().enumerate().filter(|(_, bin)| bin.lost > 0);
    let at_ms: Vec<(u64, u32)> = lost.map(|(bin, found)| (bin as u64 * picture.bin_ms, found.lost)).collect();
    assert_eq!(at_ms, [(3_000, 1), (3_200, 1), (3_400, 1)]);
}

#[test]
fn times_are_those_of_sends_and_deliveries() {
    let (_, picture) = draw(&Scene::log());
    let bins = &picture.lanes[0].bins;
    let (send, age) = (bins[0].send.unwrap(), bins[0].age.unwrap());
    assert!((send.max_ms - 2.0).abs() < 1e-9 && (send.p50_ms - 2.0).abs() < 0.1, "{send:?}");
    assert!((age.max_ms - 5.0).abs() < 1e-9, "{age:?}");
    let during = &bins[(TAKEOVER_MS / 2 / picture.bin_ms) as usize + 10];
    assert_eq!((during.acked, during.send), (0, None), "nothing was acked between the cut and the takeover");
}

#[test]
fn faults_phases_and_changes_are_told_once_each() {
    let (_, picture) = draw(&Scene::log());
    assert_eq!(picture.phases[0], (Phase::Baseline, 0));
    assert_eq!(picture.phases.last(), Some(&(Phase::Judge, LOAD_MS as i64 + 3_000)));
    let fault = &picture.faults[0];
    assert_eq!((fault.fault.as_str(), fault.targets.as_slice()), ("netsplit:leader", &["n2".to_owned()][..]));
    assert_eq!((fault.from_ms, fault.to_ms), (FAULT_MS as i64, Some(HEAL_MS as i64)));
    let told: Vec<(i64, ChangeKind, &str)> =
        picture.changes.iter().map(|change| (change.at_ms, change.kind, change.what.as_str())).collect();
    assert_eq!(
        told,
        [
            (9_100, ChangeKind::Leader, "n1 said leader of orders-0 n2 -> n1"),
            (9_100, ChangeKind::InSync, "n1 said in-sync replicas of orders-0 {n1, n2, n3} -> {n1, n3}"),
        ]
    );
    assert_eq!((picture.changes[0].lane, picture.changes_left_out), (Some(0), 0));
}

#[test]
fn a_recording_that_was_cut_off_is_drawn_as_far_as_it_goes() {
    let mut scene = Scene::log();
    scene.phases.truncate(2);
    scene.without.push(|event| event.time_ns > (START_MS + 12_000) * 1_000_000);
    let (_, picture) = draw(&scene);
    assert_eq!(picture.faults[0].to_ms, None);
    assert!(picture.bins as u64 * picture.bin_ms >= 12_000 && picture.bins <= 240, "{picture:?}");
    scene.phases.clear();
    scene.without = vec![|_| true];
    assert_eq!(draw(&scene).1.lanes[0].bins.len(), 1);
}
