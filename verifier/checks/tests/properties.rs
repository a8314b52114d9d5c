//! Random correct histories hold; one anomaly in any of them is found with its witness; and a slow second checker, written
//! from the definitions, says the same of histories with any number of them.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod common;
mod reference;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use delivery_checks::judgement::{FindingKind, Guarantee, LaneJudgement, Verdict};
use delivery_history::manifest::Workload;
use delivery_history::{Event, EventKind};
use proptest::prelude::*;
use world::spoil::{self, Spoilt};
use world::{Dice, World};

const WORKLOADS: [Workload; 4] = [Workload::Log, Workload::Transactions, Workload::Fanout, Workload::Queue];
/// Seeds that are tried in turn until a world has a place for an anomaly.
const TRIES: u64 = 60;

/// As many cases as `PROPTEST_CASES` asks for, else what takes a few seconds.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = asked.unwrap_or(24);
    ProptestConfig { cases, max_shrink_iters: 16, failure_persistence: None, ..ProptestConfig::default() }
}

/// What comes again and is dropped breaks nothing.
fn harmless(kind: FindingKind) -> bool {
    kind == FindingKind::Redelivered
}

/// Nothing is found, and everything holds but what a replica that was not read to its end leaves open.
fn expect_correct(world: &World) -> Result<(), TestCaseError> {
    let lane = world.lane();
    let found: Vec<FindingKind> =
        lane.findings.iter().map(|finding| finding.kind).filter(|kind| !harmless(*kind)).collect();
    prop_assert_eq!(found, []);
    let read_whole = world.audits.iter().all(|audit| audit.ended);
    for judged in lane.guarantees.iter().filter(|judged| read_whole || judged.name != Guarantee::Agreement) {
        prop_assert_eq!(judged.verdict, Verdict::Holds, "{:?}: {}", judged.name, judged.reason);
    }
    Ok(())
}

fn expect_found(lane: &LaneJudgement, spoilt: &Spoilt) -> Result<(), TestCaseError> {
    let found = lane.findings.iter().find(|finding| finding.kind == spoilt.kind);
    prop_assert!(found.is_some(), "{spoilt:?} was not found: {:?}", common::found(lane));
    let found = found.unwrap();
    prop_assert_eq!(found.count, spoilt.count, "{:?}", spoilt);
    let mut witnesses = found.witnesses.iter().map(|witness| witness.message.as_str());
    let told = witnesses.any(|witness| witness == spoilt.witness) || found.count as usize > found.witnesses.len();
    prop_assert!(told, "{spoilt:?} is no witness: {found:?}");
    let others = lane.findings.iter().map(|finding| finding.kind);
    let unasked: Vec<FindingKind> =
        others.filter(|kind| *kind != spoilt.kind && !harmless(*kind) && !spoilt.with.contains(kind)).collect();
    prop_assert_eq!(unasked, [], "{:?}", spoilt);
    Ok(())
}

/// The first world from `seed` on that has a place for the anomaly, spoilt.
fn spoilt_world(spoil: fn(&mut World, &mut Dice) -> Option<Spoilt>, seed: u64) -> (World, Spoilt) {
    let found = (seed..seed + TRIES).find_map(|seed| {
        let mut world = World::grow(WORKLOADS[(seed % 4) as usize], seed);
        let mut dice = Dice::new(!seed);
        (0..4).find_map(|_| spoil(&mut world, &mut dice)).map(|spoilt| (world, spoilt))
    });
    found.expect("some world has a place for it")
}

/// Things that happen to recordings: nothing a check is named for, and all of it at random.
fn disturb(world: &mut World, dice: &mut Dice) {
    match dice.below(7) {
        0 => {
            let worker = [common::C0, common::C1, world::C2][dice.below(3)];
            world.scene.crashes.push((worker, 10_000));
            world.done.retain(|(by, event)| *by != worker || event.kind() != Some(EventKind::WorkerFinished));
        }
        1 => {
            let drained = |event: &Event| event.kind() == Some(EventKind::Drained);
            let at = world.done.iter().position(|(_, event)| drained(event));
            at.into_iter().for_each(|at| _ = world.done.remove(at));
        }
        2 => {
            let acked = world.sent.iter_mut().filter(|(_, event)| event.kind() == Some(EventKind::SendAcked));
            let mut acked: Vec<&mut (u16, Event)> = acked.collect();
            let pick = dice.below(acked.len());
            acked.get_mut(pick).into_iter().for_each(|one| one.1.kind = EventKind::SendUnknown as u8);
        }
        3 => {
            let count = world.audits.len();
            let audit = world.audits.get_mut(dice.below(count)).filter(|audit| audit.entries.len() > 3);
            let (one, other) = (dice.below(1_000), dice.below(1_000));
            audit.into_iter().for_each(|audit| {
                let last = audit.entries.len() - 1;
                audit.entries.swap(one % last, other % last);
            });
        }
        4 => {
            let count = world.audits.len();
            world.audits.get_mut(dice.below(count)).into_iter().for_each(|audit| audit.ended = false);
        }
        5 => {
            let at = dice.below(world.done.len());
            let handled = [EventKind::Processing, EventKind::Processed];
            if world.done[at].1.kind().is_some_and(|kind| handled.contains(&kind)) {
                world.done.remove(at);
            }
        }
        _ => {
            let (one, other) = (dice.below(2), dice.below(2));
            world.scene.manifest.groups[0].read_uncommitted = one == 0;
            world.scene.manifest.lanes[0].automatic_ack |= one == 1 && other == 1;
        }
    }
}

/// A world with any number of anomalies and disturbances.
fn any_world(seed: u64) -> World {
    let mut world = World::grow(WORKLOADS[(seed % 4) as usize], seed);
    let mut dice = Dice::new(!seed);
    for _ in 0..dice.below(7) {
        let (_, spoil) = spoil::ALL[dice.below(spoil::ALL.len())];
        // The end of the run is another story: most runs come to theirs.
        if !std::ptr::fn_addr_eq(spoil, spoil::ALL[spoil::ALL.len() - 1].1) || dice.one_in(6) {
            spoil(&mut world, &mut dice);
        }
    }
    for _ in 0..dice.below(4) {
        disturb(&mut world, &mut dice);
    }
    world
}

/// Both checkers say the same; returns the kinds they found.
fn compare(world: &World, seed: u64) -> BTreeSet<FindingKind> {
    let (lane, slow) = (world.lane(), reference::check(world.manifest(), &world.streams()));
    let fast: BTreeMap<FindingKind, u64> = common::found(&lane).into_iter().collect();
    let counts: BTreeMap<FindingKind, u64> = slow.found.keys().map(|kind| (*kind, slow.count(*kind))).collect();
    assert_eq!(fast, counts, "seed {seed}: {:?}", lane.doubts);
    for finding in &lane.findings {
        for witness in &finding.witnesses {
            let known = slow.found[&finding.kind].contains(&witness.message);
            assert!(known, "seed {seed}: {:?} {}: {:?}", finding.kind, witness.message, slow.found[&finding.kind]);
        }
    }
    let violated = lane.guarantees.iter().filter(|judged| judged.verdict == Verdict::Violated);
    assert_eq!(violated.map(|judged| judged.name).collect::<BTreeSet<_>>(), slow.violated, "seed {seed}");
    fast.into_keys().collect()
}

#[test]
fn random_histories_hold_anomalies_of_every_kind_and_both_checkers_find_them() {
    let mut kinds = BTreeSet::new();
    for seed in 620..760 {
        kinds.extend(compare(&any_world(seed), seed));
    }
    let never: Vec<&FindingKind> = FindingKind::ALL.iter().filter(|kind| !kinds.contains(kind)).collect();
    assert!(never.is_empty(), "no random history holds any {never:?}");
}

#[test]
fn one_anomaly_of_each_kind_is_found_with_its_witness() {
    let named: Vec<FindingKind> = spoil::ALL.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(named, FindingKind::ALL);
    for (_, spoil) in spoil::ALL {
        let (world, spoilt) = spoilt_world(*spoil, 1_000);
        expect_found(&world.lane(), &spoilt).unwrap();
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn correct_histories_hold(workload in 0..4usize, seed in any::<u64>()) {
        expect_correct(&World::grow(WORKLOADS[workload], seed))?;
    }

    #[test]
    fn any_one_anomaly_is_found(which in 0..spoil::ALL.len(), seed in 0..u64::MAX - TRIES) {
        let (world, spoilt) = spoilt_world(spoil::ALL[which].1, seed);
        expect_found(&world.lane(), &spoilt)?;
    }

    #[test]
    fn both_checkers_say_the_same(seed in any::<u64>()) {
        compare(&any_world(seed), seed);
    }
}
