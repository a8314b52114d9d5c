//! The presets as they are really configured, held against the claims as they are really written: a
//! setting that is renamed on one side would make a promise silently stop to count.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use delivery_broker::{LaneRequest, System, Timings};
use delivery_checks::judgement::{
    EventCounts, Finding, FindingKind, Guarantee, GuaranteeJudgement, Judgement, Label, LaneJudgement, Stats, Verdict,
};
use delivery_claims::{Overall, RunVerdict, Standing, judge_claims};
use delivery_faults::FaultRequest;
use delivery_history::manifest::RunStatus;
use delivery_runner::{AuditMode, RunPlan, RunRequest, plan};
use delivery_verifier::systems;

fn planned(system: &dyn System, preset: &str) -> RunPlan {
    let request = RunRequest {
        lanes: vec![LaneRequest { preset: Some(preset.to_owned()), ..LaneRequest::default() }],
        faults: FaultRequest::parse_list("netsplit").unwrap(),
        duration_ms: None,
        rate_per_s: 100,
        size_bytes: 64,
        producers: None,
        consumers: 1,
        seed: 1,
        timings: Timings::Vendor,
        required: Some(Vec::new()),
        audit: AuditMode::Full,
        out: PathBuf::from("unused"),
        keep_data: false,
        name_suffix: String::new(),
        outside: None,
    };
    plan(system, &request).unwrap()
}

/// What the claims say where every guarantee was judged so.
fn verdict(system: &dyn System, preset: &str, verdict: Verdict) -> RunVerdict {
    let mut manifest = planned(system, preset).manifest;
    manifest.status = RunStatus::Finished { took_ms: 1 };
    let judged = |name: &Guarantee| GuaranteeJudgement { name: *name, verdict, reason: String::from("made up") };
    let findings =
        [FindingKind::Lost, FindingKind::StoredTwice].map(|kind| Finding { kind, count: 9, witnesses: vec![] });
    let lane = LaneJudgement {
        lane: preset.to_owned(),
        stats: Stats::default(),
        findings: if verdict == Verdict::Violated { findings.to_vec() } else { Vec::new() },
        guarantees: Guarantee::ALL.iter().map(judged).collect(),
        label: Label { observed: String::from("not shown"), ..Label::default() },
        available_during_fault: None,
        longest_stall_ms: 0,
        recovery: vec![],
        doubts: Vec::new(),
    };
    judge_claims(
        &manifest,
        &Judgement { faults: Vec::new(), lanes: vec![lane], doubts: Vec::new(), events: EventCounts::default() },
    )
}

/// Guarantees that a preset is promised to keep under a netsplit.
fn promised(system: &dyn System, preset: &str) -> Vec<Guarantee> {
    let lanes = verdict(system, preset, Verdict::Holds).lanes;
    let mut promised: Vec<Guarantee> =
        lanes[0].claims.iter().filter(|claim| claim.counts).filter_map(|claim| claim.guarantee).collect();
    promised.sort_unstable();
    promised.dedup();
    promised
}

#[cfg(feature = "kafka")]
#[test]
fn kafka_promises_durability_to_every_preset_that_waits_for_all_replicas() {
    let kafka = systems::find("kafka").unwrap();
    for preset in ["safe", "java"] {
        let expected = [Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::AtMostOnce, Guarantee::Ordering];
        assert_eq!(promised(kafka, preset), expected, "{preset}");
    }
    assert_eq!(promised(kafka, "default"), [Guarantee::Durability, Guarantee::AtLeastOnce]);
    for preset in ["fast", "none"] {
        assert_eq!(promised(kafka, preset), [], "{preset}");
        let lost = verdict(kafka, preset, Verdict::Violated);
        assert!(lost.lanes[0].violation(Guarantee::Durability).is_some());
        assert_eq!(lost.overall, Overall::NotJudged, "{preset}: {:?}", lost.reasons);
    }
    for preset in ["safe", "default", "java"] {
        let lost = verdict(kafka, preset, Verdict::Violated);
        assert_eq!((lost.overall, lost.lanes[0].standing), (Overall::Violated, Standing::Broken), "{preset}");
        assert_eq!(verdict(kafka, preset, Verdict::Inconclusive).overall, Overall::Inconclusive, "{preset}");
    }
}

#[cfg(feature = "kafka")]
#[test]
fn kafka_promises_atomicity_to_readers_of_committed_messages() {
    let kafka = systems::find("kafka").unwrap();
    let of_a_log = [Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::AtMostOnce];
    let expected = [&of_a_log[..], &[Guarantee::ExactlyOnce, Guarantee::Ordering, Guarantee::Atomicity]].concat();
    assert_eq!(promised(kafka, "transactions"), expected);
    assert!(!promised(kafka, "transactions-uncommitted").contains(&Guarantee::Atomicity));
}

#[cfg(feature = "kafka")]
#[test]
fn workers_that_transform_read_the_input_and_readers_its_output() {
    let plan = planned(systems::find("kafka").unwrap(), "transactions");
    let (manifest, worker) = (&plan.manifest, |name: &str| {
        let at = plan.manifest.workers.iter().position(|worker| worker.name == name);
        u16::try_from(at.unwrap()).unwrap()
    });
    let outputs: Vec<Option<u16>> = manifest.destinations.iter().map(|place| place.output_of).collect();
    assert_eq!(outputs, [None, None, Some(0), Some(1)]);
    for (name, places) in [
        ("transactions-producer-1", [0, 1]),
        ("transactions-transformer-2", [0, 1]),
        ("transactions-consumer-1", [2, 3]),
        ("transactions-consumer-uncommitted", [2, 3]),
        ("sentinel", [0, 1]),
        ("transactions-sentinel", [2, 3]),
    ] {
        assert_eq!(plan.destinations_for(worker(name)), places, "{name}");
    }
    let spec = |name: &str| plan.client_spec(worker(name), Vec::new());
    assert_eq!(spec("transactions-transformer-1").outputs.len(), 2);
    assert_eq!(spec("transactions-transformer-1").read_uncommitted, None);
    assert_eq!(spec("transactions-consumer-1").read_uncommitted, Some(false));
    assert_eq!(spec("transactions-consumer-uncommitted").read_uncommitted, Some(true));
    assert_eq!(plan.rate_for(worker("transactions-producer-1")), 100.0, "workers that transform are no load");
    let writers = plan.sentinels_for(worker("transactions-consumer-1"));
    assert_eq!(writers[&2].iter().copied().collect::<Vec<u16>>(), [worker("transactions-sentinel")]);
    assert_eq!(manifest.limits_ms["transactions"], 20_000);
    assert!(manifest.limits_ms["drain"] >= 50_000 + manifest.limits_ms["transactions"]);
}

#[test]
fn the_pubsub_promises_what_its_presets_are_named_for() {
    let pubsub = systems::find("pubsub").unwrap();
    let named = [
        ("at-most-once", Guarantee::AtMostOnce),
        ("at-least-once", Guarantee::AtLeastOnce),
        ("exactly-once", Guarantee::ExactlyOnce),
    ];
    for (preset, guarantee) in named {
        assert!(promised(pubsub, preset).contains(&guarantee), "{preset}: {:?}", promised(pubsub, preset));
        assert_eq!(verdict(pubsub, preset, Verdict::Violated).overall, Overall::Violated, "{preset}");
        assert_eq!(verdict(pubsub, preset, Verdict::Holds).overall, Overall::Holds, "{preset}");
    }
}
