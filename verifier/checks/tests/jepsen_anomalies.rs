//! Each anomaly of an operation history by itself, and each way in which this project means to answer differently.
#![allow(clippy::unwrap_used)]

mod operations;

use delivery_checks::jepsen::Anomaly;
use delivery_checks::judgement::{Guarantee, Verdict};
use operations::Operations;
use serde_json::json;

fn empty() -> Operations {
    Operations::default()
}

/// Values 1 to 3 of key 0, stored in that order by three processes.
fn three() -> Operations {
    empty().sent(0, 0, 0, 1).sent(1, 0, 1, 2).sent(2, 0, 2, 3)
}

fn verdict(history: &Operations, guarantee: Guarantee) -> (Verdict, String) {
    let judged = history.judge(true).into_judgement("history");
    let found = judged.lanes[0].verdict(guarantee).unwrap();
    (found.verdict, found.reason.clone())
}

#[test]
fn a_clean_history_shows_nothing() {
    let clean = three().polled(7, 0, &[(0, 1), (1, 2), (2, 3)]);
    assert_eq!(clean.found(true), []);
    for judged in &clean.judge(true).into_judgement("history").lanes[0].guarantees {
        assert_eq!(judged.verdict, Verdict::Holds, "{judged:?}");
        assert!(judged.reason.contains("calm weather"), "{judged:?}");
    }
}

#[test]
fn inconsistent_offsets() {
    let history = empty().sent(0, 0, 0, 1).sent(1, 0, 0, 2).polled(2, 0, &[(0, 1)]).polled(3, 0, &[(0, 2)]);
    assert_eq!(history.found(false), [("inconsistent-offsets", 1)]);
    assert_eq!(verdict(&history, Guarantee::Agreement).0, Verdict::Violated);
    // The same offset in another key is another place.
    assert_eq!(empty().sent(0, 0, 0, 1).sent(1, 1, 0, 2).found(false), [("unseen", 2)]);
}

#[test]
fn duplicate() {
    let history = empty().sent(0, 0, 0, 1).polled(2, 0, &[(0, 1), (3, 1)]);
    assert!(history.found(false).contains(&("duplicate", 1)));
    assert_eq!(verdict(&history, Guarantee::AtMostOnce).0, Verdict::Violated);
    assert_eq!(verdict(&history, Guarantee::ExactlyOnce).0, Verdict::Violated);
}

#[test]
fn aborted_read() {
    let history = empty().op(0, "fail", "send", json!([["send", 0, 1]])).polled(1, 0, &[(0, 1)]);
    assert_eq!(history.found(false), [("G1a", 1)]);
    assert_eq!(verdict(&history, Guarantee::Integrity).0, Verdict::Violated);
}

#[test]
fn precommitted_read() {
    let history = empty().op(0, "ok", "txn", json!([["send", 0, [0, 1]], ["poll", { "0": [[0, 1]] }]]));
    assert_eq!(history.found(false), [("precommitted-read", 1)]);
    assert_eq!(verdict(&history, Guarantee::Atomicity).0, Verdict::Violated);
}

#[test]
fn lost_write_is_one_below_the_highest_that_was_read() {
    let lost = empty().sent(0, 0, 0, 1).sent(1, 0, 1, 2).polled(2, 0, &[(1, 2)]);
    assert_eq!(lost.found(false), [("lost-write", 1), ("unseen", 1)]);
    assert_eq!(verdict(&lost, Guarantee::Durability).0, Verdict::Violated);
    assert_eq!(verdict(&lost, Guarantee::AtLeastOnce).0, Verdict::Violated);
    // Above it nothing is proved.
    let unseen = empty().sent(0, 0, 0, 1).sent(1, 0, 1, 2).polled(2, 0, &[(0, 1)]);
    assert_eq!(unseen.found(false), [("unseen", 1)]);
    assert_eq!(verdict(&unseen, Guarantee::AtLeastOnce).0, Verdict::Inconclusive);
    assert_eq!(verdict(&unseen, Guarantee::Durability).0, Verdict::Inconclusive);
}

#[test]
fn an_unknown_send_is_lost_only_if_its_operation_is_known_to_have_happened() {
    let info =
        |values: serde_json::Value| empty().op(0, "info", "txn", values).sent(1, 0, 5, 9).polled(2, 0, &[(5, 9)]);
    assert_eq!(info(json!([["send", 0, [0, 1]]])).found(false), []);
    let committed = empty()
        .op(0, "info", "txn", json!([["send", 0, [0, 1]], ["send", 1, [0, 2]]]))
        .sent(1, 0, 5, 9)
        .polled(2, 0, &[(5, 9)])
        .polled(2, 1, &[(0, 2)]);
    assert_eq!(committed.found(false), [("lost-write", 1)]);
}

#[test]
fn skips_and_repeats_within_one_poll() {
    let skip = three().polled(7, 0, &[(0, 1), (2, 3)]).polled(8, 0, &[(1, 2)]);
    assert_eq!(skip.found(false), [("int-poll-skip", 1)]);
    let back = three().polled(7, 0, &[(1, 2), (0, 1)]).polled(8, 0, &[(2, 3)]);
    assert_eq!(back.found(false), [("int-nonmonotonic-poll", 1)]);
    assert_eq!(verdict(&back, Guarantee::Ordering).0, Verdict::Violated);
    let excused = three().polled(7, 0, &[(1, 2), (0, 1)]).with("rebalance-log", json!([{ "keys": [0] }]));
    assert_eq!(excused.polled(8, 0, &[(2, 3)]).found(false), []);
}

#[test]
fn skips_and_repeats_within_the_sends_of_one_operation() {
    let both = |first: u64, second: u64, other: u64| {
        empty()
            .op(0, "ok", "txn", json!([["send", 0, [first, 1]], ["send", 0, [second, 2]]]))
            .sent(1, 0, other, 3)
            .polled(8, 0, &[(0, [(first, 1), (second, 2), (other, 3)].iter().find(|one| one.0 == 0).unwrap().1)])
    };
    assert!(both(0, 2, 1).found(false).contains(&("int-send-skip", 1)));
    assert!(both(1, 0, 2).found(false).contains(&("int-nonmonotonic-send", 1)));
    assert!(!both(0, 1, 2).found(false).iter().any(|(kind, _)| kind.contains("send")));
}

#[test]
fn skips_and_repeats_from_one_poll_to_the_next() {
    let rest = |history: Operations| history.polled(8, 0, &[(1, 2)]);
    assert_eq!(rest(three().polled(7, 0, &[(0, 1)]).polled(7, 0, &[(2, 3)])).found(false), [("poll-skip", 1)]);
    let back = three().polled(7, 0, &[(1, 2)]).polled(7, 0, &[(0, 1)]).polled(8, 0, &[(2, 3)]);
    assert_eq!(back.found(false), [("nonmonotonic-poll", 1)]);
    let again = three().polled(7, 0, &[(0, 1)]).polled(7, 0, &[(0, 1)]);
    assert!(again.found(false).contains(&("nonmonotonic-poll", 1)));
    // What an operation of unknown end read does not move the process on, and other processes are no matter.
    let info = three().polled(7, 0, &[(0, 1)]).op(7, "info", "poll", json!([["poll", { "0": [[1, 2]] }]]));
    assert_eq!(rest(info.polled(7, 0, &[(1, 2), (2, 3)])).found(false), []);
}

#[test]
fn an_assignment_keeps_only_the_keys_it_lists() {
    let seen = |keys: serde_json::Value, kind: &str, function: &str| {
        let history = three().polled(7, 0, &[(0, 1)]).op(7, kind, function, keys).polled(7, 0, &[(2, 3)]);
        history.polled(8, 0, &[(1, 2)]).found(false)
    };
    for function in ["assign", "subscribe"] {
        assert_eq!(seen(json!([1]), "ok", function), [], "{function}");
        assert_eq!(seen(json!([1]), "info", function), [], "{function}");
        assert_eq!(seen(json!([0, 1]), "ok", function), [("poll-skip", 1)], "{function}");
        assert_eq!(seen(json!([1]), "fail", function), [("poll-skip", 1)], "{function}");
    }
}

#[test]
fn sends_that_go_back_from_one_operation_to_the_next() {
    let read = |history: Operations| history.polled(8, 0, &[(0, 2), (1, 1)]).found(false);
    assert_eq!(read(empty().sent(0, 0, 1, 1).sent(0, 0, 0, 2)), [("nonmonotonic-send", 1)]);
    assert_eq!(read(empty().sent(0, 0, 1, 1).sent(1, 0, 0, 2)), []);
    // Unknown sends move a process on as well; a skip is none.
    let info = empty().op(0, "info", "send", json!([["send", 0, [1, 1]]])).sent(0, 0, 0, 2);
    assert_eq!(read(info), [("nonmonotonic-send", 1)]);
    assert_eq!(three().sent(0, 0, 3, 4).polled(8, 0, &[(0, 1), (1, 2), (2, 3), (3, 4)]).found(false), []);
}

#[test]
fn writes_alone_in_a_cycle_are_g0_with_write_write_dependencies_only() {
    let history = empty()
        .begin(0, "txn")
        .begin(1, "txn")
        .end(0, "ok", "txn", json!([["send", 0, [0, 1]], ["send", 1, [1, 4]]]))
        .end(1, "ok", "txn", json!([["send", 0, [1, 2]], ["send", 1, [0, 3]]]))
        .polled(8, 0, &[(0, 1), (1, 2)])
        .polled(8, 1, &[(0, 3), (1, 4)]);
    assert_eq!(history.found(true), [("G0", 1)]);
    assert_eq!(history.found(false), []);
    assert_eq!(verdict(&history, Guarantee::Atomicity).0, Verdict::Violated);
}

#[test]
fn two_transactions_that_read_each_other_are_g1c() {
    let history = empty()
        .begin(0, "txn")
        .begin(1, "txn")
        .end(0, "ok", "txn", json!([["send", 0, [0, 1]], ["poll", { "1": [[0, 2]] }]]))
        .end(1, "ok", "txn", json!([["send", 1, [0, 2]], ["poll", { "0": [[0, 1]] }]]));
    assert_eq!(history.found(false), [("G1c", 1)]);
    assert_eq!(history.found(true), [("G1c", 1)]);
}

#[test]
fn a_write_stored_before_one_that_had_ended_is_g0_realtime() {
    let history = empty().sent(0, 0, 1, 1).sent(1, 0, 0, 2).polled(8, 0, &[(0, 2), (1, 1)]);
    assert_eq!(history.found(true), [("G0-realtime", 1)]);
    assert_eq!(history.found(false), []);
}

#[test]
fn a_read_of_what_was_not_yet_sent_is_g1c_realtime() {
    let history = empty().polled(8, 0, &[(0, 1)]).sent(0, 0, 0, 1);
    assert_eq!(history.found(false), [("G1c-realtime", 1)]);
}

#[test]
fn difference_1_what_the_last_operation_polls_is_not_unseen() {
    let history = empty()
        .sent(0, 0, 0, 1)
        .polled(8, 0, &[(0, 1)])
        .op(1, "info", "send", json!([["send", 1, 2]]))
        .polled(8, 1, &[(0, 2)]);
    assert_eq!(history.found(false), []);
}

#[test]
fn difference_2_what_nobody_sent_is_a_phantom() {
    let history = empty().sent(0, 0, 0, 1).polled(8, 0, &[(0, 1), (1, 99)]);
    assert_eq!(history.found(false), [("phantom", 1)]);
    assert_eq!(verdict(&history, Guarantee::Integrity).0, Verdict::Violated);
    let sent_somewhere = empty().sent(0, 1, 0, 99).polled(8, 0, &[(0, 99)]);
    assert!(sent_somewhere.found(false).contains(&("phantom", 1)), "the same value of another key is another message");
    // A send that never ended may have sent it.
    let open = empty().end(0, "invoke", "send", json!([["send", 0, 1]])).polled(8, 0, &[(0, 1)]);
    assert_eq!(open.found(false), []);
}

#[test]
fn difference_3_a_value_without_an_offset_is_read_all_the_same() {
    let history = empty().op(0, "ok", "send", json!([["send", 0, [null, 1]]])).op(
        8,
        "ok",
        "poll",
        json!([["poll", { "0": [[null, 1]] }]]),
    );
    assert_eq!(history.found(true), []);
    let in_no_log = empty().op(8, "ok", "poll", json!([["poll", { "0": [[null, 1]] }]]));
    assert_eq!(in_no_log.found(true), [("phantom", 1)]);
}

#[test]
fn difference_4_offsets_may_be_as_large_as_they_like() {
    let at = |offset: u64| {
        three().sent(0, 0, offset, 4).polled(7, 0, &[(0, 1), (1, 2), (2, 3), (offset, 4)]).polled(7, 0, &[(1, 2)])
    };
    let near = at(3).found(true);
    assert_eq!(near, [("nonmonotonic-poll", 1)]);
    for offset in [200_000_000, 1 << 62, i64::MAX as u64] {
        assert_eq!(at(offset).found(true), near, "{offset}");
    }
}

#[test]
fn difference_5_a_rebalance_excuses_a_skip_from_poll_to_poll() {
    let history = |keys: serde_json::Value| {
        let history =
            three().polled(7, 0, &[(0, 1)]).polled(7, 0, &[(2, 3)]).with("rebalance-log", json!([{ "keys": keys }]));
        history.polled(8, 0, &[(1, 2)]).found(false)
    };
    assert_eq!(history(json!([0])), []);
    assert_eq!(history(json!([1])), [("poll-skip", 1)]);
}

#[test]
fn difference_6_what_two_members_of_the_group_are_given_breaks_at_most_once() {
    let members = |second: &str| {
        empty()
            .op(7, "ok", "subscribe", json!([0]))
            .op(8, "ok", second, json!([0]))
            .sent(0, 0, 0, 1)
            .polled(7, 0, &[(0, 1)])
            .polled(8, 0, &[(0, 1)])
    };
    let history = members("subscribe");
    assert_eq!(history.found(true), [], "it has no name among the workload's anomalies");
    assert_eq!(history.judge(true).given_to_two_members, 1);
    let (verdict_, reason) = verdict(&history, Guarantee::AtMostOnce);
    assert_eq!(verdict_, Verdict::Violated);
    assert!(reason.contains("1 of key 0"), "{reason}");
    assert_eq!(verdict(&history, Guarantee::ExactlyOnce).0, Verdict::Violated);
    // Whoever is assigned a key reads it for itself.
    assert_eq!(verdict(&members("assign"), Guarantee::AtMostOnce).0, Verdict::Holds);
}

#[test]
fn difference_7_what_an_unknown_poll_read_of_an_aborted_send_counts() {
    let history = empty().op(0, "fail", "send", json!([["send", 0, 1]])).op(
        8,
        "info",
        "poll",
        json!([["poll", { "0": [[0, 1]] }]]),
    );
    assert_eq!(history.found(false), [("G1a", 1)]);
    let failed = empty().op(0, "fail", "send", json!([["send", 0, 1]])).op(
        8,
        "fail",
        "poll",
        json!([["poll", { "0": [[0, 1]] }]]),
    );
    assert_eq!(failed.found(false), [], "a poll that failed delivered nothing");
}

#[test]
fn difference_8_a_send_without_an_offset_takes_no_other_with_it() {
    let history = empty().op(0, "ok", "txn", json!([["send", 0, [null, 1]], ["send", 0, [0, 2]]])).sent(1, 0, 0, 3).op(
        8,
        "ok",
        "poll",
        json!([["poll", { "0": [[null, 1]] }]]),
    );
    assert!(history.found(false).contains(&("inconsistent-offsets", 1)), "{:?}", history.found(false));
}

#[test]
fn every_anomaly_breaks_a_guarantee_but_unseen() {
    for anomaly in Anomaly::ALL {
        assert_eq!(anomaly.breaks().is_none(), *anomaly == Anomaly::Unseen, "{}", anomaly.label());
    }
}

#[test]
fn an_empty_history_shows_nothing_to_hold() {
    for judged in &empty().judge(true).into_judgement("history").lanes[0].guarantees {
        assert_eq!(judged.verdict, Verdict::Inconclusive, "{judged:?}");
    }
}

#[test]
fn witnesses_are_a_few_and_counts_are_all() {
    let mut history = empty();
    for value in 0..100 {
        history = history.polled(8, 0, &[(value as u64, value)]);
    }
    let judged = history.judge(false);
    assert_eq!(judged.count(Anomaly::Phantom), 100);
    assert_eq!(judged.findings[0].witnesses.len(), 8);
    assert_eq!(judged.findings[0].witnesses[0].destination, "key 0");
}
