//! Links that are late, and links that hold everything back.

use delivery_cluster::network::Impairment;

use crate::harness::{Bed, Setup};
use crate::tally::tally;

/// What the first node and the others say to each other.
fn first_and_others(nodes: u32) -> Vec<(u32, u32)> {
    (2..=nodes).flat_map(|peer| [(1, peer), (peer, 1)]).collect()
}

fn delay(delay_ms: u32) -> Impairment {
    Impairment::Delay { hosts: vec![1], delay_ms, jitter_ms: delay_ms / 4 }
}

/// Load, this on the links of node 1, load, drain; the history's bytes with what was counted at the heal.
fn impaired(seed: u64, impairment: &Impairment) -> (Vec<u8>, u64, u64) {
    let mut bed = Bed::start(&Setup::tour(seed));
    bed.load(true);
    bed.run_ms(1_000);
    bed.impair(impairment);
    bed.run_ms(5_000);
    let counted = bed.counters();
    bed.heal();
    bed.run_ms(2_000);
    (bed.finish().bytes(), counted.delayed_packets, counted.held_back)
}

#[test]
fn the_same_seed_delays_and_holds_the_same_frames() {
    for impairment in [delay(400), Impairment::Hold(first_and_others(5))] {
        let first = impaired(7, &impairment);
        assert!(first == impaired(7, &impairment), "two runs of one seed differ: {impairment:?}");
        assert!(first.1 + first.2 > 1_000, "{:?}", (first.1, first.2));
        assert!(first.0 != impaired(8, &impairment).0, "another seed is another history");
    }
}

#[test]
fn under_a_delay_everything_arrives_in_order_and_later() {
    let mut bed = Bed::start(&Setup::tour(3));
    bed.load(true);
    bed.run_ms(2_000);
    let in_flight = bed.in_flight();
    bed.impair(&delay(800));
    let mut delayed = 0;
    for _ in 0..8 {
        bed.run_ms(500);
        let counters = bed.counters();
        assert!(counters.delayed_packets > delayed, "nothing was delayed");
        assert_eq!((counters.dropped_packets, counters.crossed_packets), (0, 0));
        delayed = counters.delayed_packets;
    }
    assert!(bed.in_flight() > in_flight + 200, "acks take no longer: {} after {in_flight}", bed.in_flight());
    bed.heal();
    assert_eq!(bed.counters().delayed_packets, delayed);
    bed.run_ms(3_000);
    let members = bed.members();
    assert!(members.values().all(|bits| *bits == 0b11_1110), "{members:?}");
    for lane in tally(&bed.finish().history) {
        assert_eq!((lane.missing, lane.reordered, lane.unknown.len()), (0, 0, 0));
    }
}

#[test]
fn what_is_held_crosses_only_once_it_is_over_and_then_all_of_it() {
    let setup = Setup::tour(4);
    let mut bed = Bed::start(&setup);
    bed.load(true);
    bed.run_ms(2_000);
    bed.impair(&Impairment::Hold(first_and_others(setup.nodes)));
    bed.run_ms(6_000);
    let counters = bed.counters();
    assert!(counters.held_back > 1_000 && counters.crossed_packets == 0, "{counters:?}");
    assert_eq!(counters.dropped_packets, 0, "there is room for all of it");
    let members = bed.members();
    assert_eq!(members[&1], 0b10, "nobody hears the first node, and it hears nobody: {members:?}");
    bed.heal();
    bed.run_ms(4_000);
    let lanes = tally(&bed.finish().history);
    // A cut would have lost what was published meanwhile; here it is only late.
    assert_eq!(lanes.iter().map(|lane| lane.missing).collect::<Vec<_>>(), [0, 0, 0]);
    assert_eq!((lanes[0].duplicates, lanes[2].duplicates), (0, 0));
    assert!(lanes[1].duplicates > 0, "what was sent again meanwhile arrives, too");
}

#[test]
fn one_way_is_held_and_the_other_goes_on() {
    let mut bed = Bed::start(&Setup::tour(5));
    bed.load(true);
    bed.run_ms(1_000);
    bed.impair(&Impairment::Hold((2..=5).map(|peer| (1, peer)).collect()));
    bed.run_ms(5_000);
    let members = bed.members();
    assert_eq!(members[&1], 0b11_1110, "the first node hears everybody: {members:?}");
    assert_eq!(members[&2] & 0b10, 0, "nobody hears it: {members:?}");
}
