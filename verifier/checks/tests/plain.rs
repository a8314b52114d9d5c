//! Histories in the plain format: written and read back they are the same, and a person's own log is judged by the same
//! checks as any run.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Ended, P0, Scene};
use delivery_broker::{Reason, Settle};
use delivery_checks::judgement::{FindingKind, Guarantee, Judgement, LaneJudgement, Verdict};
use delivery_checks::{Options, judge, judge_named};
use delivery_history::event::{FLAG_CORRUPT, FLAG_REDELIVERED};
use delivery_history::manifest::{Role, Workload, first_session};
use delivery_history::plain::words::{REASONS, SETTLES};
use delivery_history::plain::{PlainHistory, read_plain, write_csv, write_jsonl};
use delivery_history::{Event, EventKind, HistoryView, StreamView};

fn view<'a>(scene: &'a Scene, streams: &'a [Vec<Event>]) -> HistoryView<'a> {
    let views = (0u16..).zip(streams).map(|(worker, events)| StreamView { worker, events }).collect();
    HistoryView { manifest: &scene.manifest, streams: views, damage: scene.damage.clone() }
}

/// Written and read back: the same events, and the same judgement.
fn assert_round_trip(scene: &Scene) {
    let streams = scene.streams();
    let history = view(scene, &streams);
    let mut text = Vec::new();
    write_jsonl(&history, &mut text).unwrap();
    let again = read_plain(&text, "run.jsonl").unwrap();
    assert_eq!(again.manifest, scene.manifest);
    assert_eq!(again.streams, streams);
    assert_eq!(judge(&again.view()), judge(&history));
}

#[test]
fn a_log_written_and_read_back_judges_the_same() {
    let mut scene = Scene::log();
    assert_round_trip(&scene);
    scene.lose((first_session(P0), 3));
    scene.message((first_session(P0), 5)).ended = Ended::AckedAndFailed;
    scene.damage.push(String::from("worker c1 left no events"));
    assert_round_trip(&scene);
}

#[test]
fn a_fan_out_written_and_read_back_judges_the_same() {
    assert_round_trip(&Scene::fanout());
}

#[test]
fn a_queue_written_and_read_back_judges_the_same() {
    let mut scene = Scene::log();
    scene.manifest.lanes[0].workload = Workload::Queue;
    scene.manifest.lanes[0].automatic_ack = true;
    let id = (first_session(P0), 3);
    let event = |kind: EventKind| Event::new(kind).message(id.0, id.1).destination(0).offset(7);
    scene.extra = vec![
        (common::C0, common::at(event(EventKind::SettleInvoked).detail(Settle::RejectRequeue as u32), 9_000)),
        (common::C0, common::at(event(EventKind::SettleFailed).detail(Reason::Transport as u32), 9_001)),
        (common::C1, common::at(event(EventKind::Delivered).flags(FLAG_REDELIVERED), 9_002)),
        (common::C1, common::at(Event::new(EventKind::Delivered).destination(0).flags(FLAG_CORRUPT), 9_003)),
        (common::C1, common::at(Event::new(EventKind::SessionEnded).detail(Reason::Other as u32), 9_004)),
    ];
    assert_round_trip(&scene);
}

#[test]
fn a_history_cut_off_between_two_lines_is_told() {
    let scene = Scene::log();
    let streams = scene.streams();
    let mut text = Vec::new();
    write_jsonl(&view(&scene, &streams), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let short = lines[..lines.len() - 1].join("\n");
    let history = read_plain(short.as_bytes(), "run.jsonl").unwrap();
    assert!(history.damage[0].contains("it is not whole"), "{:?}", history.damage);
    assert!(judge(&history.view()).lanes[0].guarantees.iter().all(|judged| judged.verdict != Verdict::Holds));
}

#[test]
fn rows_have_the_fields_of_lines() {
    let scene = Scene::log();
    let streams = scene.streams();
    let history = view(&scene, &streams);
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    write_csv(&history, &mut rows).unwrap();
    write_jsonl(&history, &mut lines).unwrap();
    let rows = String::from_utf8(rows).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(rows.lines().count(), lines.lines().count(), "a header each, and every event");
    let columns: Vec<&str> = rows.lines().next().unwrap().split(',').collect();
    for (row, line) in rows.lines().zip(lines.lines()).skip(1).step_by(97) {
        let cells = cells(row);
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for (field, value) in line.as_object().unwrap() {
            let at = columns.iter().position(|column| column == field).unwrap_or_else(|| panic!("no column {field}"));
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(cells[at], value, "{field} of {row}");
        }
        let told = cells.iter().filter(|cell| !cell.is_empty()).count();
        assert_eq!(told, line.as_object().unwrap().len(), "{row} says no more than {line}");
    }
}

/// The cells of a row; a comma in quotes parts none.
fn cells(row: &str) -> Vec<String> {
    let parts = row.split('"').enumerate();
    let marked: String =
        parts.map(|(at, part)| if at % 2 == 0 { part.replace(',', "\n") } else { part.to_owned() }).collect();
    marked.split('\n').map(str::to_owned).collect()
}

#[test]
fn words_are_those_of_the_broker_traits() {
    let reasons: Vec<u32> = Reason::ALL.iter().map(|reason| *reason as u32).collect();
    assert_eq!(reasons, REASONS.iter().map(|(number, _)| *number).collect::<Vec<_>>());
    assert_eq!(REASONS.iter().find(|(_, word)| *word == "not-leader").unwrap().0, Reason::NotLeader as u32);
    let settles = [
        (Settle::Ack, "ack"),
        (Settle::NackRequeue, "nack-requeue"),
        (Settle::Reject, "reject"),
        (Settle::Commit, "commit"),
        (Settle::RejectRequeue, "reject-requeue"),
        (Settle::NackDrop, "nack-drop"),
    ];
    assert_eq!(settles.map(|(settle, word)| (settle as u32, word)).as_slice(), SETTLES);
}

fn read(text: &str) -> PlainHistory {
    read_plain(text.as_bytes(), "log.jsonl").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn judged(text: &str) -> Judgement {
    let history = read(text);
    judge_named(&history.view(), &Options::default(), history.names.as_ref())
}

fn witnesses(lane: &LaneJudgement, kind: FindingKind) -> Vec<String> {
    let finding = lane.findings.iter().find(|finding| finding.kind == kind);
    finding.map_or_else(Vec::new, |found| found.witnesses.iter().map(|witness| witness.message.clone()).collect())
}

const ORDERS: &str = r#"
{"time_ms": 0,  "worker": "shop", "event": "send-invoked", "message": "order-1", "destination": "orders"}
{"time_ms": 2,  "worker": "shop", "event": "send-acked", "message": "order-1"}
{"time_ms": 5,  "worker": "shop", "event": "send-invoked", "message": 2, "destination": "orders"}
{"time_ms": 7,  "worker": "shop", "event": "send-acked", "message": "2"}
{"time_ms": 10, "worker": "billing-1", "event": "processed", "message": "order-1"}
{"time_ms": 12, "worker": "billing-2", "event": "processed", "message": "order-1"}
{"time_ms": 14, "worker": "billing-1", "event": "processed", "message": "order-9"}
"#;

#[test]
fn a_log_written_by_hand_is_judged_and_shown_under_its_own_names() {
    let judgement = judged(ORDERS);
    let lane = &judgement.lanes[0];
    assert_eq!(witnesses(lane, FindingKind::ProcessedTwice), ["order-1"]);
    assert_eq!(witnesses(lane, FindingKind::Phantom), ["order-9"]);
    assert_eq!((lane.stats.sent, lane.stats.acked, lane.stats.processed), (2, 2, 2));
    assert_eq!(lane.verdict(Guarantee::AtMostOnce).unwrap().verdict, Verdict::Violated);
    assert_eq!(lane.verdict(Guarantee::Integrity).unwrap().verdict, Verdict::Violated);
    let durability = lane.verdict(Guarantee::Durability).unwrap();
    assert_eq!(durability.verdict, Verdict::Inconclusive);
    assert!(durability.reason.contains("not audited"), "{}", durability.reason);
    assert!(lane.guarantees.iter().all(|judged| judged.verdict != Verdict::Holds));
}

#[test]
fn who_took_part_is_seen_from_what_they_recorded() {
    let text = format!(
        "{ORDERS}{}",
        r#"{"time_ms": 20, "worker": "billing-1", "event": "send-invoked", "message": "bill", "destination": "bills"}
{"time_ms": 21, "worker": "watch", "event": "observed-leader", "destination": "orders", "by": "n1", "node": "n2"}
{"time_ms": 22, "worker": "reader", "event": "audit-start", "destination": "orders", "offset": 0, "node": "n2"}
{"time_ms": 23, "worker": "script", "event": "phase-entered", "phase": "drain"}"#
    );
    let history = read(&text);
    let workers: Vec<(&str, Role)> =
        history.manifest.workers.iter().map(|worker| (worker.name.as_str(), worker.role)).collect();
    let wanted = [
        ("shop", Role::Producer),
        ("billing-1", Role::Consumer),
        ("billing-1", Role::Producer),
        ("billing-2", Role::Consumer),
        ("watch", Role::Observer),
        ("reader", Role::Audit),
        ("script", Role::Runner),
    ];
    assert_eq!(workers, wanted);
    assert!(history.damage.is_empty(), "{:?}", history.damage);
    assert_eq!(history.manifest.groups.len(), 1);
}

#[test]
fn a_queue_and_a_fan_out_are_seen_from_their_events() {
    let settled = format!(
        "{ORDERS}{}",
        r#"{"time_ms": 30, "worker": "billing-1", "event": "settle-ok", "message": "order-1", "settle": "ack"}"#
    );
    assert_eq!(read(&settled).manifest.lanes[0].workload, Workload::Queue);
    let fanout = format!(
        "{}{ORDERS}",
        r#"{"time_ms": 0, "worker": "billing-1", "event": "subscribed", "destination": "orders"}"#
    );
    let fanout = read(&fanout);
    assert_eq!(fanout.manifest.lanes[0].workload, Workload::Fanout);
    let groups: Vec<&str> = fanout.manifest.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(groups, ["billing-1", "billing-2"], "each subscriber is a group of its own");
    let declared =
        format!("{}\n{ORDERS}", r#"{"declare": "lane", "name": "mine", "workload": "fanout", "acknowledged": false}"#);
    let declared = read(&declared);
    assert_eq!(
        (declared.manifest.lanes[0].workload, declared.manifest.lanes[0].acknowledged),
        (Workload::Fanout, false)
    );
    let commits = format!(
        "{ORDERS}{}",
        r#"{"time_ms": 30, "worker": "billing-1", "event": "settle-ok", "offset": 5, "settle": "commit"}"#
    );
    assert_eq!(read(&commits).manifest.lanes[0].workload, Workload::Log);
}

#[test]
fn groups_keep_their_consumers_apart() {
    let text = ORDERS.replace(r#""worker": "billing-2""#, r#""group": "audit", "worker": "billing-2""#);
    let judgement = judged(&text);
    assert_eq!(witnesses(&judgement.lanes[0], FindingKind::ProcessedTwice), [""; 0]);
}

#[test]
fn a_session_that_ended_begins_another_one() {
    let text = r#"
{"time_ms": 0, "worker": "p", "event": "send-invoked", "message": "a", "destination": "q"}
{"time_ms": 1, "worker": "p", "event": "session-ended", "reason": "fatal"}
{"time_ms": 2, "worker": "p", "event": "send-invoked", "message": "b", "destination": "q"}
"#;
    let history = read(text);
    let sessions: Vec<u32> = history.streams[0].iter().map(|event| event.session).collect();
    assert_eq!(sessions, [0, 0, 1]);
}

#[test]
fn contradictions_are_told_with_their_lines_and_keep_verdicts_open() {
    let line = |more: &str| format!("{ORDERS}{more}");
    let cases = [
        (
            line(r#"{"time_ms": 20, "worker": "shop", "event": "send-failed", "message": "order-1"}"#),
            "log.jsonl line 9: shop says `send-failed` of `order-1`, but line 3 says `send-acked`",
        ),
        (
            line(r#"{"time_ms": 20, "worker": "shop", "event": "send-acked", "message": "order-1"}"#),
            "log.jsonl line 9: shop says `send-acked` of `order-1`, again, as line 3 says `send-acked`",
        ),
        (
            line(r#"{"time_ms": 20, "worker": "shop", "event": "send-acked", "message": "order-7"}"#),
            "log.jsonl line 9: shop says `send-acked` of `order-7`, which nobody sent",
        ),
        (
            line(r#"{"time_ms": 20, "worker": "other", "event": "send-acked", "message": "order-1"}"#),
            "log.jsonl line 9: other says `send-acked` of `order-1`, which shop sent (line 2)",
        ),
        (
            line(
                r#"{"time_ms": 20, "worker": "shop", "event": "send-invoked", "message": "order-1", "destination": "orders"}"#,
            ),
            "log.jsonl line 9: shop sends `order-1` again, which line 2 had sent",
        ),
        (
            line(r#"{"time_ms": 3, "worker": "shop", "event": "send-unknown", "message": "order-1"}"#),
            "log.jsonl line 9: shop goes back 4 ms from line 5",
        ),
        (
            line(r#"{"time_ms": 14, "worker": "billing-1", "event": "processed", "message": "order-9"}"#),
            "log.jsonl line 9: billing-1 says the same as on line 8: it is judged once",
        ),
        (
            line(r#"{"time_ms": 14, "worker": "ghost", "event": "worker-started"}"#),
            "log.jsonl line 9: ghost only started or ended: nothing says what it does (declare its role)",
        ),
        (
            line(r#"{"time_ms": 14, "worker": "script", "event": "worker-crashed", "target": "ghost"}"#),
            "log.jsonl line 9: script tells of a crash of `ghost`, who recorded nothing",
        ),
        (
            ORDERS
                .replace(r#"{"time_ms": 2,  "worker": "shop", "event": "send-acked", "message": "order-1"}"#, "")
                .replacen('{', r#"{"time_ms": 0, "worker": "shop", "event": "send-acked", "message": "order-1"}{"#, 1)
                .replacen("}{", "}\n{", 1),
            "log.jsonl line 2: shop says `send-acked` of `order-1`, which is only sent on line 3: out of order",
        ),
    ];
    for (text, wanted) in cases {
        let judgement = judged(&text);
        assert!(judgement.doubts.iter().any(|doubt| doubt == wanted), "{wanted}\n{:#?}", judgement.doubts);
        assert!(judgement.lanes[0].guarantees.iter().all(|judged| judged.verdict != Verdict::Holds));
    }
    let resent = line(
        r#"{"time_ms": 20, "worker": "shop", "event": "send-invoked", "message": "order-1", "destination": "orders"}"#,
    );
    let meant = format!("{}{resent}", r#"{"declare": "lane", "name": "l", "resends": true}"#);
    assert!(judged(&meant).doubts.is_empty(), "what is declared to be meant is none");
}

#[test]
fn a_line_over_again_is_judged_once() {
    let again = format!("{ORDERS}{}", ORDERS.lines().last().unwrap());
    assert_eq!(read(&again).not_judged, 1);
    assert_eq!(witnesses(&judged(&again).lanes[0], FindingKind::ProcessedTwice), ["order-1"]);
}

#[test]
fn what_is_no_event_is_refused_with_its_line_and_byte() {
    let cases = [
        (r#"{"time_ms": 1, "worker": "p", "event": "snd-invoked"}"#, "line 1, byte 0: `event` is `snd-invoked`"),
        (r#"{"time_ms": 1, "worker": "p", "evnt": "send-invoked"}"#, "line 1, byte 35: unknown field `evnt`"),
        (r#"{"time_ms": 1, "event": "send-invoked", "message": 1}"#, "an event without `worker`"),
        (r#"{"worker": "p", "event": "processed", "message": 1}"#, "an event without `time_ms`"),
        (r#"{"time_ms": 1, "worker": "p", "event": "send-invoked", "message": 1}"#, "an event without `destination`"),
        (r#"{"time_ms": 1, "worker": "p", "event": "processed"}"#, "an event without `message`"),
        (r#"{"time_ms": 1e300, "worker": "p", "event": "processed", "message": 1}"#, "a time that is out of range"),
        (
            r#"{"time_ns": 99999999999999999999, "worker": "p", "event": "processed", "message": 1}"#,
            "a time that is out of range",
        ),
        (
            r#"{"time_ms": 1, "worker": "p", "event": "delivered", "message": 1, "offset": 99999999999999999999}"#,
            "line 1, byte",
        ),
        (r#"{"time_ms": 1, "worker": "p", "event": "delivered", "message": 1, "offset": -1}"#, "line 1, byte"),
        (r#"{"time_ms": 1, "worker": "p", "event": "processed", "message": 1.5}"#, "line 1, byte"),
        (
            r#"{"time_ms": 1, "worker": "p", "event": "processed", "message": 1, "reason": "other"}"#,
            "`reason` says nothing",
        ),
        (
            r#"{"time_ms": 1, "worker": "p", "event": "send-failed", "message": 1, "reason": "bad luck"}"#,
            "`reason` is `bad luck`",
        ),
        (
            r#"{"time_ms": 1, "worker": "p", "event": "processed", "message": 1, "session": 4}"#,
            "`session` says nothing",
        ),
        (
            r#"{"time_ms": 1, "worker": "s", "event": "fault-started", "fault": 0}"#,
            "there is no fault declared before as `0`",
        ),
        (r#"{"declare": "destination", "name": "q", "lane": "x"}"#, "there is no lane `x`"),
        (r#"{"declare": "worker", "name": "p", "roll": "producer"}"#, "unknown field `roll`"),
        (
            "{\"declare\": \"node\", \"name\": \"n\"}\n{\"declare\": \"lane\", \"name\": \"l\"}\n{\"declare\": \"lane\", \"name\": \"l\"}",
            "line 3, byte 66: lane `l` is declared twice",
        ),
        (r#"[1, 2]"#, "line 1, byte"),
    ];
    for (text, wanted) in cases {
        let error = read_plain(text.as_bytes(), "log.jsonl").unwrap_err().to_string();
        assert!(error.starts_with("line ") && error.contains(wanted), "{wanted}: {error}");
    }
    let cut = &ORDERS.trim_end()[..ORDERS.trim_end().len() - 9];
    let error = read_plain(cut.as_bytes(), "log.jsonl").unwrap_err().to_string();
    assert!(error.starts_with("line 8, byte ") && error.contains("cut off"), "{error}");
}

#[test]
fn nothing_is_allocated_for_what_is_only_claimed() {
    let far = ORDERS.replace(r#""message": "order-9""#, r#""message": "order-9", "offset": 4611686018427387904"#);
    assert_eq!(witnesses(&judged(&far).lanes[0], FindingKind::Phantom), ["order-9"]);
    let long =
        format!(r#"{{"time_ms": 1, "worker": "p", "event": "processed", "message": "{}"}}"#, "m".repeat(1 << 20));
    let error = read_plain(long.as_bytes(), "log.jsonl").unwrap_err().to_string();
    assert_eq!(error, "line 1, byte 0: a line of more than 1048576 bytes: no event is that long");
    // An exported run that claims a message with the largest number there is.
    let scene = Scene::log();
    let stream =
        [common::at(Event::new(EventKind::SendInvoked).message(first_session(P0), u32::MAX - 1).destination(0), 0)];
    let history = HistoryView {
        manifest: &scene.manifest,
        streams: vec![StreamView { worker: P0, events: &stream }],
        damage: Vec::new(),
    };
    let mut text = Vec::new();
    write_jsonl(&history, &mut text).unwrap();
    let judgement = judge(&read_plain(&text, "run.jsonl").unwrap().view());
    assert_eq!((judgement.lanes[0].stats.sent, judgement.events.not_judged), (0, 1));
}

#[test]
fn an_exported_run_names_nobody_it_does_not_know() {
    let scene = Scene::log();
    let mut text = Vec::new();
    write_jsonl(&view(&scene, &scene.streams()), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let refused = |from: &str, to: &str| {
        let text = text.replacen(from, to, 1);
        read_plain(text.as_bytes(), "run.jsonl").unwrap_err().to_string()
    };
    let unknown = refused(r#""worker":"runner","event""#, r#""worker":"nobody","event""#);
    assert!(unknown.contains("there is no worker `nobody`") && unknown.starts_with("line 2, byte "), "{unknown}");
    assert!(refused(r#""message":"p0/0""#, r#""message":"p9/0""#).contains("there is no message `p9/0`"));
    assert!(refused(r#""destination":"orders-0""#, r#""destination":"x""#).contains("there is no destination `x`"));
    assert!(refused(r#""format":1"#, r#""format":7"#).contains("format version 7"));
    assert!(refused(r#""time_ns":1000000,"#, r#""time_ns":0,"#).contains("time"));
}

#[test]
fn every_event_is_counted() {
    let scene = Scene::log();
    let streams = scene.streams();
    let all: u64 = streams.iter().map(|stream| stream.len() as u64).sum();
    let events = judge(&view(&scene, &streams)).events;
    assert_eq!((events.judged, events.not_judged), (all, 0));
    let mut odd = scene.clone();
    let unknown = Event { kind: 200, ..Event::new(EventKind::Delivered) };
    odd.extra.push((common::C0, common::at(unknown, 100)));
    odd.extra.push((
        P0,
        common::at(Event::new(EventKind::SendAcked).message(first_session(P0), 77_777).destination(0), 100),
    ));
    let events = judge(&view(&odd, &odd.streams())).events;
    assert_eq!((events.judged, events.not_judged), (all, 2));
}

#[test]
fn what_the_documentation_shows_can_be_judged() {
    let page = include_str!("../../../docs/history-format.md");
    let blocks: Vec<&str> = page.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    let [log, declared] = blocks[..] else { panic!("two blocks are shown") };
    let judgement = judged(log);
    assert_eq!(witnesses(&judgement.lanes[0], FindingKind::ProcessedTwice), ["order-1"]);
    assert_eq!(witnesses(&judgement.lanes[0], FindingKind::Phantom), ["order-9"]);
    let said = read(&format!("{declared}{log}"));
    assert_eq!(said.manifest.lanes[0].workload, Workload::Queue);
    assert_eq!(said.manifest.destinations[1].dead_letters_of, Some(0));
    assert_eq!(said.manifest.faults[0].targets, [said.manifest.nodes[0].id]);
    assert_eq!(said.manifest.groups[0].session_timeout_ms, 45_000);
    for kind in EventKind::ALL {
        let label = kind.label();
        let short = label.split_once('-').map_or(label, |(_, rest)| rest);
        assert!(
            page.contains(&format!("`{label}`")) || page.contains(&format!("`-{short}`")),
            "{label} is not documented"
        );
    }
    for (_, word) in REASONS.iter().chain(SETTLES) {
        assert!(page.contains(&format!("`{word}`")), "{word} is not documented");
    }
}
