//! Made-up runs for the tests of every format.
#![allow(dead_code)] // each test program uses its own part

pub(crate) mod published;
pub(crate) mod xml;

use std::collections::BTreeMap;

use delivery_checks::judgement::{
    EventCounts, FaultJudgement, Finding, FindingKind, Guarantee, GuaranteeJudgement, Judgement, Label, LaneJudgement,
    Percentiles, Recovery, SideWrites, Stats, StoryStep, Verdict, Witness,
};
use delivery_claims::{RunVerdict, judge_claims};
use delivery_history::RunManifest;
use delivery_history::manifest::{BiteProof, Fault, Host, Lane, Requirement, RunStatus, Workload};
use delivery_report::{Exporter, Report, Style, Terminal};

/// A run, judged.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) manifest: RunManifest,
    pub(crate) judgement: Judgement,
}

impl Sample {
    pub(crate) fn verdict(&self) -> RunVerdict {
        judge_claims(&self.manifest, &self.judgement)
    }

    pub(crate) fn with_report<T>(&self, use_it: impl FnOnce(&Report<'_>) -> T) -> T {
        let verdict = self.verdict();
        use_it(&Report { manifest: &self.manifest, judgement: &self.judgement, verdict: &verdict })
    }

    pub(crate) fn export(&self, exporter: &dyn Exporter) -> String {
        let mut out = Vec::new();
        self.with_report(|report| exporter.export(report, &mut out)).expect("the exporter writes to memory");
        String::from_utf8(out).expect("reports are UTF-8")
    }

    pub(crate) fn table(&self, style: Style) -> String {
        self.export(&Terminal { style, run_dir: Some(String::from("runs/2026-11-24-a1b2")), file: None })
    }

    pub(crate) fn require(mut self, lane: Option<&str>, guarantee: &str) -> Self {
        let lane = lane.map(str::to_owned);
        self.manifest.required.push(Requirement { lane, guarantee: guarantee.to_owned() });
        self
    }

    pub(crate) fn keep_lanes(mut self, names: &[&str]) -> Self {
        self.manifest.lanes.retain(|lane| names.contains(&lane.name.as_str()));
        self.judgement.lanes.retain(|lane| names.contains(&lane.lane.as_str()));
        self
    }
}

pub(crate) const UNICODE: Style = Style { colour: false, unicode: true };
pub(crate) const ASCII: Style = Style { colour: false, unicode: false };
pub(crate) const COLOUR: Style = Style { colour: true, unicode: true };

pub(crate) fn lane(name: &str, settings: &str, acks: &str, idempotent: bool, min_isr: &str) -> Lane {
    let config = [
        ("producer.acks", acks),
        ("producer.enable.idempotence", if idempotent { "true" } else { "false" }),
        ("topic.min.insync.replicas", min_isr),
        ("consumer.commit", "after-processing"),
        ("consumer.auto.offset.reset", "earliest"),
    ];
    Lane {
        name: name.to_owned(),
        workload: Workload::Log,
        config: config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        settings: settings.to_owned(),
        defaults_of: String::from("librdkafka 2.12.1 on Apache Kafka's broker defaults"),
        acknowledged: acks != "0",
        resends: false,
        automatic_ack: false,
        not_applied: Vec::new(),
    }
}

pub(crate) fn manifest(lanes: Vec<Lane>) -> RunManifest {
    let node = |id: u32| Host { id, name: format!("n{id}"), address: format!("198.18.0.{id}") };
    RunManifest {
        broker_version: String::from("4.1.1"),
        client: String::from("librdkafka 2.12.1"),
        backend: String::from("local"),
        seed: 7,
        started_at: String::from("2026-11-24T02:18:30Z"),
        machine: String::from("2 cores, 24 GiB, Linux 6.18"),
        rate_per_s: 1_000,
        size_bytes: 128,
        load_ms: 24_000,
        lanes,
        nodes: (1..=3).map(node).collect(),
        faults: vec![Fault {
            fault: String::from("netsplit"),
            shape: String::from("leader"),
            start_ms: 4_000,
            duration_ms: 15_000,
            targets: vec![2],
            cut: Vec::new(),
            full_cut: true,
            sides: vec![vec![2], vec![1, 3]],
            detection_ms: 11_000,
            workers: Vec::new(),
            bites_by: BiteProof::default(),
            adds: Vec::new(),
            amount: None,
            gray: false,
            hook_calls: Vec::new(),
        }],
        status: RunStatus::Finished { took_ms: 57_800 },
        ..RunManifest::blank("2026-11-24-a1b2", "kafka")
    }
}

pub(crate) fn bitten() -> FaultJudgement {
    FaultJudgement {
        fault: String::from("netsplit:leader"),
        targets: vec![String::from("n2")],
        start_ms: 4_000,
        lasted_ms: 15_004,
        bit: true,
        noticed: true,
        healed: true,
        packets_dropped: 12_345,
        packets_crossed: 0,
        dropped_by_third: [4_101, 4_100, 4_144],
        packets_hit: None,
        looks: None,
        writes_lost: None,
        confirmed: None,
        restarted: None,
        clock_readings: None,
        operations_held: None,
        hook: None,
        evidence: vec![String::from("n1 said leader n2 -> n3 after 9.4 s")],
        reasons: Vec::new(),
    }
}

pub(crate) fn judged(name: &str, acked: u64) -> LaneJudgement {
    let holds = |name: &Guarantee| GuaranteeJudgement { name: *name, verdict: Verdict::Holds, reason: String::new() };
    let side = |side: &str, acks_during_fault, acks| SideWrites {
        side: side.to_owned(),
        attempts: 0,
        acks,
        acks_during_fault,
        available: Some(if acks > 0 { 0.72 } else { 0.0 }),
        longest_stall_ms: if acks > 0 { 4_200 } else { 15_000 },
    };
    LaneJudgement {
        lane: name.to_owned(),
        stats: Stats {
            sent: acked + 120,
            acked,
            unknown: 120,
            delivered: acked,
            processed: acked,
            stored: acked,
            exposed: acked / 2,
            windows: 1,
            bound: Some(0.95),
            rate_per_s: 998.5,
            latency_ms: latencies(),
            ..Stats::default()
        },
        findings: Vec::new(),
        guarantees: Guarantee::ALL.iter().map(holds).collect(),
        label: Label {
            observed: String::from("not shown"),
            reason: String::from("clients reach every node"),
            sides: vec![side("leader side (n2)", 410, 0), side("majority side (n1, n3)", 5_800, 5_790)],
        },
        available_during_fault: Some(0.41),
        longest_stall_ms: 9_420,
        recovery: vec![Recovery {
            fault: "netsplit@8s+15s".into(),
            first_ack_ms: Some(312),
            caught_up_ms: Some(1_480),
        }],
        doubts: Vec::new(),
    }
}

fn latencies() -> BTreeMap<String, Percentiles> {
    let measured = |p50| Percentiles { count: 4_000, p50, p99: p50 * 4.0, max: p50 * 10.0 };
    BTreeMap::from([(String::from("send-before"), measured(2.5)), (String::from("send-during"), measured(40.0))])
}

pub(crate) fn with(mut lane: LaneJudgement, guarantee: Guarantee, verdict: Verdict, reason: &str) -> LaneJudgement {
    for judged in lane.guarantees.iter_mut().filter(|judged| judged.name == guarantee) {
        (judged.verdict, judged.reason) = (verdict, reason.to_owned());
    }
    lane
}

pub(crate) fn losing(name: &str, acked: u64, lost: u64) -> LaneJudgement {
    let mut lane = judged(name, acked);
    for guarantee in [Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        lane = with(lane, guarantee, Verdict::Violated, &format!("{lost} messages are in no replica's log"));
    }
    lane.stats.bound = None;
    lane.findings = vec![Finding { kind: FindingKind::Lost, count: lost, witnesses: vec![lost_witness(name)] }];
    lane
}

fn lost_witness(lane: &str) -> Witness {
    let step = |at_ms, what: &str| StoryStep { at_ms, what: what.to_owned() };
    Witness {
        message: String::from("131072/3170"),
        destination: format!("{lane}-0"),
        story: vec![
            step(4_000, "netsplit:leader started: n2 cut from n1, n3"),
            step(4_127, "sent by producer-fast on c1; leader then: n2, say n1, n2 and n3"),
            step(4_129, "acked by n2 at offset 3170"),
            step(13_404, "n1 said leader n2 -> n3"),
            step(19_004, "netsplit:leader healed"),
            step(31_870, "audit: offset 3170 holds 131072/9021 on n1, n2 and n3; this message is nowhere"),
        ],
    }
}

pub(crate) fn unacknowledged(mut lane: LaneJudgement) -> LaneJudgement {
    lane.stats.sent_unacknowledged = std::mem::take(&mut lane.stats.acked);
    lane.stats.unknown = 0;
    lane
}

pub(crate) fn unshown(name: &str, reason: &str) -> LaneJudgement {
    let mut lane = judged(name, 5_900);
    for guarantee in Guarantee::ALL {
        lane = with(lane, *guarantee, Verdict::Inconclusive, reason);
    }
    (lane.stats.windows, lane.stats.bound) = (0, None);
    lane.label.sides.clear();
    lane
}

pub(crate) fn tour_lanes() -> Vec<Lane> {
    vec![
        lane("safe", "acks=all min.isr=2 idempotent", "all", true, "2"),
        lane("default", "acks=all min.isr=1", "all", false, "1"),
        lane("fast", "acks=1", "1", false, "1"),
        lane("none", "acks=0", "0", false, "1"),
    ]
}

/// The tour as it goes: `fast` and `none` lose.
pub(crate) fn losses() -> Sample {
    let lanes = vec![
        judged("safe", 17_320),
        judged("default", 18_110),
        losing("fast", 23_690, 14_450),
        unacknowledged(losing("none", 24_080, 14_900)),
    ];
    Sample {
        manifest: manifest(tour_lanes()),
        judgement: Judgement { faults: vec![bitten()], lanes, doubts: Vec::new(), events: EventCounts::default() },
    }
}

/// Nothing lost, everything shown.
pub(crate) fn held() -> Sample {
    losses().keep_lanes(&["safe", "default"])
}

/// A cut that was over before anybody noticed.
pub(crate) fn unnoticed() -> Sample {
    let mut sample = losses();
    let reason = "netsplit:leader was over after 1.0 s, before detection (11.0 s): no leader, ISR or membership change";
    sample.judgement.lanes = tour_lanes().iter().map(|lane| unshown(&lane.name, reason)).collect();
    sample.judgement.faults = vec![FaultJudgement {
        lasted_ms: 1_003,
        noticed: false,
        packets_dropped: 212,
        dropped_by_third: [70, 71, 71],
        packets_hit: None,
        looks: None,
        writes_lost: None,
        confirmed: None,
        restarted: None,
        clock_readings: None,
        operations_held: None,
        hook: None,
        evidence: Vec::new(),
        reasons: vec![reason.to_owned()],
        ..bitten()
    }];
    sample.manifest.faults[0].duration_ms = 1_000;
    sample
}
