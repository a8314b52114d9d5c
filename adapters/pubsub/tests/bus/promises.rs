//! What each preset promises, shown on simulated clusters.

use crate::harness::{Bed, Finished, Setup};
use crate::tally::{Tally, tally};
use delivery_cluster::network::Cut;
use delivery_pubsub::{Mutation, PubSub};
use proptest::prelude::*;

/// Load, a cut of node 1 from the others, load, drain.
fn cut_run(setup: &Setup, before_ms: u64, cut_ms: u64, after_ms: u64) -> Finished {
    let mut bed = Bed::start(setup);
    bed.load(true);
    bed.run_ms(before_ms);
    bed.cut_first(setup.nodes);
    bed.run_ms(cut_ms);
    assert_eq!(bed.counters().crossed_packets, 0);
    bed.heal();
    bed.run_ms(after_ms);
    bed.finish()
}

fn assert_unharmed(lane: &Tally) {
    assert_eq!(lane.ended(), lane.invoked.len());
    assert_eq!((lane.corrupt, lane.phantom, lane.resets, lane.failed.len(), lane.unknown.len()), (0, 0, 0, 0, 0));
}

#[test]
fn without_a_fault_every_preset_delivers_everything_once_and_in_order() {
    let mut bed = Bed::start(&Setup::tour(1));
    bed.load(true);
    bed.run_ms(5_000);
    let lanes = tally(&bed.finish().history);
    for lane in &lanes {
        assert_unharmed(lane);
        assert!(lane.invoked.len() > 2_400, "{}", lane.invoked.len());
        assert_eq!((lane.missing, lane.duplicates, lane.reordered), (0, 0, 0));
    }
    assert!(lanes[0].acked.is_empty() && lanes[1].sent.is_empty() && lanes[2].sent.is_empty());
}

#[test]
fn who_subscribes_twice_is_given_everything_twice_and_in_order() {
    let mut bed = Bed::start(&Setup { lanes: vec!["at-most-once+subscriptions=2"], ..Setup::tour(4) });
    bed.load(true);
    bed.run_ms(3_000);
    let lanes = tally(&bed.finish().history);
    assert_eq!((lanes[0].missing, lanes[0].reordered), (0, 0));
    assert_eq!(lanes[0].duplicates, lanes[0].invoked.len() * 5, "once more on each of five nodes");
}

#[test]
fn under_a_cut_each_preset_keeps_its_promise_and_breaks_what_it_never_made() {
    let lanes = tally(&cut_run(&Setup::tour(2), 2_000, 6_000, 3_000).history);
    lanes.iter().for_each(assert_unharmed);
    let [at_most_once, at_least_once, exactly_once] = &lanes[..] else { panic!() };
    assert!(at_most_once.missing > 1_000, "{}", at_most_once.missing);
    assert_eq!((at_most_once.duplicates, at_most_once.reordered), (0, 0));
    assert_eq!(at_least_once.missing, 0);
    assert!(at_least_once.duplicates > 0);
    assert_eq!((exactly_once.missing, exactly_once.duplicates), (0, 0));
}

#[test]
fn frames_are_dropped_throughout_a_cut_and_none_before_or_after() {
    let setup = Setup { lanes: vec!["exactly-once"], ..Setup::tour(3) };
    let mut bed = Bed::start(&setup);
    bed.load(true);
    bed.run_ms(2_000);
    bed.cut_first(setup.nodes);
    let mut dropped = 0;
    for _ in 0..20 {
        bed.run_ms(500);
        let counters = bed.counters();
        assert!(
            counters.dropped_packets > dropped,
            "nothing dropped between {} and {} ms",
            bed.now_ms() - 500,
            bed.now_ms()
        );
        assert_eq!(counters.crossed_packets, 0);
        dropped = counters.dropped_packets;
    }
    bed.heal();
    let (sent, arrived) = bed.frames();
    bed.load(false);
    bed.run_ms(10_000);
    let (sent_after, arrived_after) = bed.frames();
    let on_the_way = 5 * 4 * 4;
    assert!((sent_after - sent).abs_diff(arrived_after - arrived) <= on_the_way);
    assert!(sent_after - arrived_after >= dropped);
}

#[test]
fn every_node_notices_the_cut_and_the_heal() {
    let setup = Setup { lanes: vec!["at-most-once"], ..Setup::tour(4) };
    let mut bed = Bed::start(&setup);
    let (all, alone, rest) = (0b11_1110, 0b10, 0b11_1100);
    assert!(bed.members().values().all(|bits| *bits == all));
    let cut_at_ms = bed.now_ms();
    bed.cut_first(setup.nodes);
    let sides = |bed: &Bed| bed.members().iter().all(|(node, bits)| *bits == if *node == 1 { alone } else { rest });
    bed.wait("both sides notice", sides);
    let noticed_ms = bed.now_ms() - cut_at_ms;
    assert!((2_500..=3_500).contains(&noticed_ms), "{noticed_ms}");
    bed.heal();
    bed.wait("all are members again", |bed| bed.members().values().all(|bits| *bits == all));
}

#[test]
fn a_node_that_crashed_joins_again_when_it_is_restarted() {
    let setup = Setup { lanes: vec!["exactly-once"], ..Setup::tour(9) };
    let mut bed = Bed::start(&setup);
    let (all, without_first) = (0b11_1110, 0b11_1100);
    bed.cut_first(setup.nodes);
    bed.cluster.crash(1).unwrap();
    bed.wait("the others notice", |bed| bed.members().iter().all(|(node, bits)| *node == 1 || *bits == without_first));
    bed.heal();
    bed.cluster.restart(1).unwrap();
    bed.wait("all are members again", |bed| bed.members().values().all(|bits| *bits == all));
    // The buses of before and after are two lives: nothing of the first is confirmed to the second.
    bed.load(true);
    bed.run_ms(2_000);
    bed.load(false);
    bed.run_ms(20);
    bed.wait("nothing is in flight", |bed| bed.in_flight() == 0);
}

#[test]
fn nothing_is_acked_across_a_cut_before_the_heal() {
    let setup = Setup { lanes: vec!["at-least-once"], ..Setup::tour(5) };
    let mut bed = Bed::start(&setup);
    bed.load(true);
    bed.run_ms(1_000);
    bed.cut_first(setup.nodes);
    bed.run_ms(1_000);
    let before = bed.in_flight();
    bed.run_ms(4_000);
    assert_eq!(bed.in_flight() - before, 4 * 500);
    bed.heal();
    let lane = &tally(&bed.finish().history)[0];
    assert_eq!((lane.acked.len(), lane.missing), (lane.invoked.len(), 0));
}

#[test]
fn a_full_retry_buffer_fails_sends_and_what_failed_is_never_delivered() {
    let setup = Setup { lanes: vec!["exactly-once+buffer.messages=200"], ..Setup::tour(6) };
    let lane = &tally(&cut_run(&setup, 2_000, 6_000, 3_000).history)[0];
    assert!(lane.failed.len() > 500, "{}", lane.failed.len());
    assert_eq!(lane.ended(), lane.invoked.len());
    assert_eq!((lane.missing, lane.duplicates, lane.phantom), (0, 0, 0));
}

#[test]
fn a_one_way_cut_loses_nothing_that_is_confirmed() {
    let setup = Setup { lanes: vec!["at-least-once", "exactly-once"], ..Setup::tour(7) };
    let mut bed = Bed::start(&setup);
    bed.load(true);
    bed.run_ms(2_000);
    let cut = Cut::all((2..=5).map(|peer| (1, peer)).collect());
    bed.cut(&cut);
    bed.run_ms(6_000);
    assert_eq!(bed.counters().crossed_packets, 0);
    bed.heal();
    bed.run_ms(2_000);
    let lanes = tally(&bed.finish().history);
    lanes.iter().for_each(assert_unharmed);
    assert!(lanes[0].missing == 0 && lanes[0].duplicates > 1_000, "{}", lanes[0].duplicates);
    assert_eq!((lanes[1].missing, lanes[1].duplicates), (0, 0));
}

/// The strictest preset of a broken bus, under a cut.
fn mutant(mutation: Mutation) -> Tally {
    let setup = Setup { system: PubSub::broken(mutation), lanes: vec!["exactly-once"], ..Setup::tour(8) };
    tally(&cut_run(&setup, 2_000, 5_000, 3_000).history).remove(0)
}

#[test]
fn every_mutant_breaks_the_promise_it_is_named_for_and_no_other() {
    let lost = |mutation| mutant(mutation).missing;
    assert!(lost(Mutation::DropAcked { one_in: 100 }) > 20);
    assert!(lost(Mutation::ForgetOnHeal) > 500);
    assert!(lost(Mutation::AckEarly) > 500);
    let broken = |mutation| {
        let lane = mutant(mutation);
        [lane.missing, lane.duplicates, lane.reordered, lane.phantom, lane.corrupt].map(|count| count > 0)
    };
    assert_eq!(broken(Mutation::Duplicate), [false, true, false, false, false]);
    assert_eq!(broken(Mutation::Reorder), [false, false, true, false, false]);
    assert_eq!(broken(Mutation::Invent), [false, false, false, true, false]);
    // What arrives altered is missing as well.
    assert_eq!(broken(Mutation::Corrupt), [true, false, false, false, true]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_for_any_seed_and_any_cut(
        seed: u64, before_ms in 100u64..3_000, cut_ms in 100u64..6_000, nodes in 2u32..6,
    ) {
        let setup = Setup { nodes, rate_per_s: 300.0, ..Setup::tour(seed) };
        let lanes = tally(&cut_run(&setup, before_ms, cut_ms, 1_000).history);
        lanes.iter().for_each(assert_unharmed);
        prop_assert!(lanes[0].missing > 0);
        prop_assert_eq!((lanes[0].duplicates, lanes[0].reordered), (0, 0));
        prop_assert_eq!((lanes[1].missing, lanes[1].reordered), (0, 0));
        prop_assert_eq!((lanes[2].missing, lanes[2].duplicates, lanes[2].reordered), (0, 0, 0));
    }
}
