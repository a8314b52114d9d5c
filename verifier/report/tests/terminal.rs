//! The terminal table, as it is printed.

mod common;

use common::{ASCII, COLOUR, Sample, UNICODE, judged, lane, losses, with};
use delivery_checks::judgement::{
    FaultJudgement, Finding, FindingKind, Guarantee, PacketsHit, SideWrites, StoryStep, Verdict, Witness,
};
use delivery_history::manifest::{RunStatus, Workload};
use delivery_report::{MAX_COLUMNS, Style, exit_line};
use unicode_width::UnicodeWidthStr;

fn page(sample: &Sample, style: Style) -> String {
    let line = sample.with_report(exit_line).1;
    format!("{}{line}\n", sample.table(style))
}

#[test]
fn tour_with_documented_losses() {
    insta::assert_snapshot!(page(&losses(), UNICODE));
}

#[test]
fn tour_in_ascii() {
    let text = page(&losses(), ASCII);
    assert!(text.is_ascii());
    insta::assert_snapshot!(text);
}

#[test]
fn tour_in_colour() {
    let text = losses().table(COLOUR);
    insta::assert_snapshot!(text.replace('\u{1b}', "ESC"));
}

#[test]
fn colours_say_nothing_that_the_text_does_not() {
    let plain = losses().table(UNICODE);
    let mut coloured = losses().table(COLOUR);
    assert_ne!(plain, coloured);
    for code in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[36m", "\u{1b}[39m", "\u{1b}[0m"] {
        coloured = coloured.replace(code, "");
    }
    assert_eq!(plain, coloured);
}

#[test]
fn required_loss_is_red_and_documented_loss_is_yellow() {
    let row = |sample: &Sample| {
        let text = sample.table(COLOUR);
        text.lines().find(|line| line.contains("acks=1")).unwrap().to_owned()
    };
    assert!(row(&losses()).starts_with("\u{1b}[33m"));
    assert!(row(&losses().require(Some("fast"), "durability")).starts_with("\u{1b}[31m"));
    assert!(losses().require(Some("fast"), "durability").table(COLOUR).starts_with("\u{1b}[31mLOST"));
    assert!(losses().table(COLOUR).starts_with("\u{1b}[33mLOST"));
}

#[test]
fn preset_fast_with_durability_required() {
    insta::assert_snapshot!(page(&losses().keep_lanes(&["fast"]).require(None, "durability"), UNICODE));
}

#[test]
fn preset_fast_with_nothing_required() {
    insta::assert_snapshot!(page(&losses().keep_lanes(&["fast"]), UNICODE));
}

#[test]
fn everything_held() {
    insta::assert_snapshot!(page(&common::held(), UNICODE));
}

#[test]
fn fault_that_bit_nothing() {
    insta::assert_snapshot!(page(&common::unnoticed(), UNICODE));
}

#[test]
fn faults_that_do_more_than_drop_packets() {
    let mut sample = common::held();
    let hit = |fault: &str, how: &str, count: u64, packets_dropped: u64| FaultJudgement {
        fault: fault.to_owned(),
        packets_dropped,
        dropped_by_third: [packets_dropped, 0, 0],
        packets_hit: Some(PacketsHit { how: how.to_owned(), count, by_third: [count - 2, 1, 1] }),
        ..common::bitten()
    };
    sample.judgement.faults = vec![
        hit("reset:leader", "answered with a reset", 1_246, 0),
        hit("bandwidth:leader", "held back", 1_973, 68),
        hit("delay:follower", "delayed", 9_000, 0),
    ];
    insta::assert_snapshot!(page(&sample, UNICODE));
}

#[test]
fn broken_promise_and_other_violations() {
    let mut sample = losses();
    let mut safe =
        with(judged("safe", 17_320), Guarantee::AtMostOnce, Verdict::Violated, "4 messages are stored twice");
    safe = with(safe, Guarantee::Ordering, Verdict::Violated, "31 messages come after later ones");
    safe.findings = vec![
        Finding { kind: FindingKind::StoredTwice, count: 4, witnesses: vec![long_witness()] },
        Finding { kind: FindingKind::ProcessedTwice, count: 9, witnesses: Vec::new() },
        Finding { kind: FindingKind::Reordered, count: 31, witnesses: Vec::new() },
    ];
    sample.judgement.lanes[0] = safe;
    insta::assert_snapshot!(page(&sample, UNICODE));
}

fn long_witness() -> Witness {
    let story =
        (0..20).map(|step| StoryStep { at_ms: step * 250 - 500, what: format!("delivered to consumer {step}") });
    Witness { message: String::from("65536/77"), destination: String::from("safe-0"), story: story.collect() }
}

#[test]
fn simulated_bus() {
    let mut sample = losses().keep_lanes(&["safe", "none"]);
    let manifest = &mut sample.manifest;
    manifest.system = String::from("pubsub");
    manifest.broker_version = String::from("0.1.0");
    manifest.client = String::from("in-process");
    manifest.backend = String::from("simulated");
    manifest.simulated = true;
    manifest.status = RunStatus::Finished { took_ms: 640 };
    for (lane, delivery) in manifest.lanes.iter_mut().zip(["exactly-once", "at-most-once"]) {
        lane.name = delivery.to_owned();
        lane.workload = Workload::Fanout;
        lane.settings = format!("delivery={delivery}");
        lane.config = [(String::from("topic.delivery"), delivery.to_owned())].into();
    }
    for (lane, delivery) in sample.judgement.lanes.iter_mut().zip(["exactly-once", "at-most-once"]) {
        lane.lane = delivery.to_owned();
        lane.guarantees.retain(|found| found.name != Guarantee::Agreement);
    }
    insta::assert_snapshot!(page(&sample, UNICODE));
}

fn queue_lanes() -> Sample {
    let mut sample = losses().keep_lanes(&["safe", "fast"]);
    let manifest = &mut sample.manifest;
    manifest.system = String::from("rabbitmq");
    manifest.broker_version = String::from("4.2.1");
    manifest.client = String::from("lapin 3.7.2");
    for (lane, (name, settings)) in manifest.lanes.iter_mut().zip(QUEUE_LANES) {
        lane.name = name.to_owned();
        lane.workload = Workload::Queue;
        lane.settings = settings.to_owned();
        lane.config.clear();
        lane.defaults_of = String::from("RabbitMQ 4.2");
    }
    manifest.lanes[1].automatic_ack = true;
    let found = |kinds: &[(FindingKind, u64)]| {
        kinds.iter().map(|(kind, count)| Finding { kind: *kind, count: *count, witnesses: Vec::new() }).collect()
    };
    let gone = "3 messages gone without a trace: the broker counts as settled what it hands out, and the connection of \
                c1 ended, so this is no proof of loss";
    let kept = judged("quorum", 17_320);
    let mut dropped = judged("classic-auto", 18_110);
    for guarantee in [Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        dropped = with(dropped, guarantee, Verdict::Inconclusive, gone);
    }
    (dropped.stats.bound, dropped.doubts) = (None, vec![gone.to_owned()]);
    sample.judgement.lanes = vec![kept, dropped];
    for lane in &mut sample.judgement.lanes {
        lane.guarantees.retain(|found| !matches!(found.name, Guarantee::Agreement | Guarantee::Atomicity));
    }
    sample.judgement.lanes[0].findings = found(&[
        (FindingKind::Redelivered, 1_460),
        (FindingKind::RedeliveredUnflagged, 2),
        (FindingKind::RedeliveredSettled, 1),
        (FindingKind::ReorderedRequeued, 31),
        (FindingKind::DeadLettered, 12),
    ]);
    let never = [(FindingKind::Undelivered, 3), (FindingKind::LeftInQueue, 2)];
    sample.judgement.lanes[1].findings = found(&never);
    sample
}

const QUEUE_LANES: [(&str, &str); 2] =
    [("quorum", "quorum confirms manual-ack"), ("classic-auto", "classic confirms automatic-ack")];

#[test]
fn queues_that_gave_again_and_left() {
    insta::assert_snapshot!(page(&queue_lanes(), UNICODE));
}

#[test]
fn queues_with_nothing_to_say_are_left_out() {
    let mut sample = queue_lanes();
    sample.judgement.lanes[0].findings.clear();
    let text = sample.table(UNICODE);
    let said = text.lines().filter(|line| line.starts_with("  quorum: ") && line.contains("given again")).count();
    assert_eq!((said, text.contains("Queues (messages):")), (0, true));
    sample.judgement.lanes[1].findings.clear();
    assert!(!sample.table(UNICODE).contains("Queues (messages):"));
}

#[test]
fn run_cut_short() {
    let mut sample = common::unnoticed().keep_lanes(&["safe"]);
    let reason = "n3 ended by itself (exit status 137): java.lang.OutOfMemoryError: Java heap space";
    sample.manifest.status = RunStatus::CutShort { reason: reason.to_owned(), took_ms: 130_000 };
    sample.judgement.doubts = vec![format!("the run was cut short: {reason}")];
    insta::assert_snapshot!(page(&sample, UNICODE));
}

#[test]
fn tuned_timings_user_settings_and_doubts() {
    let mut sample = losses().keep_lanes(&["safe", "fast"]).require(None, "durability").require(None, "ordering");
    sample.manifest.timings = String::from("short");
    sample.manifest.tuned =
        vec![String::from("broker.session.timeout.ms=3000"), String::from("replica.lag.time.max.ms=5000")];
    sample.manifest.lanes[0].name = String::from("mine");
    sample.judgement.lanes[0].lane = String::from("mine");
    sample.manifest.lanes[0].not_applied = vec![String::from("key.serializer"), String::from("interceptor.classes")];
    for lane in &mut sample.judgement.lanes {
        lane.doubts = vec![String::from("the audit of n2 did not end")];
        lane.label.sides[0] = SideWrites { attempts: 900, ..lane.label.sides[0].clone() };
    }
    insta::assert_snapshot!(page(&sample, UNICODE));
}

#[test]
fn wide_names_and_big_numbers() {
    let name = "default+queue.buffering.max.messages=100000+message.timeout.ms=8000";
    let mut sample = losses();
    sample.manifest.lanes.truncate(1);
    sample.manifest.lanes[0] = lane(name, &"compression.codec=zstd ".repeat(6), "all", false, "1");
    let mut wide = judged(name, 123_456_789_012);
    wide.stats.unknown = 98_765_432_109;
    wide.findings = vec![Finding { kind: FindingKind::Lost, count: 3, witnesses: Vec::new() }];
    sample.judgement.lanes = vec![with(wide, Guarantee::Durability, Verdict::Violated, "3 messages are nowhere")];
    insta::assert_snapshot!(page(&sample, UNICODE));
}

#[test]
fn run_without_a_fault() {
    let mut sample = common::held();
    sample.manifest.faults.clear();
    sample.judgement.faults.clear();
    for lane in &mut sample.judgement.lanes {
        lane.label.sides.clear();
        (lane.stats.windows, lane.stats.exposed, lane.stats.bound) = (0, 0, None);
    }
    insta::assert_snapshot!(page(&sample, UNICODE));
}

#[test]
fn lost_is_never_printed_as_0_where_nothing_was_shown() {
    let text = common::unnoticed().table(UNICODE);
    let row = text.lines().find(|line| line.contains("min.isr=2")).unwrap();
    assert!(!row.split_whitespace().any(|cell| cell == "0") && row.contains('?'), "{row}");
}

#[test]
fn names_cannot_drive_the_terminal() {
    let mut sample = losses();
    sample.manifest.lanes[0].settings = String::from("acks=all\u{1b}]0;owned\u{7}\nexit 0");
    let text = sample.table(UNICODE);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains("\nexit 0"));
}

#[test]
fn exit_line_says_code_and_reason_on_one_line() {
    let (code, line) = common::unnoticed().with_report(exit_line);
    assert_eq!(code, 3);
    assert!(
        line.starts_with("exit 3: inconclusive: netsplit:leader was over after 1.0 s") && line.width() <= MAX_COLUMNS,
        "{line}"
    );
    assert!(!line.contains('\n'));
    let (code, line) = losses().keep_lanes(&["fast"]).with_report(exit_line);
    assert_eq!((code, line.as_str()), (0, "exit 0: nothing was claimed or required"));
    let (code, line) = losses().keep_lanes(&["fast"]).require(None, "durability").with_report(exit_line);
    assert_eq!(code, 1);
    assert!(line.starts_with("exit 1: violated: fast: durability (required): 14450"), "{line}");
}
