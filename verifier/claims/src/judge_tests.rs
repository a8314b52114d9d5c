use delivery_checks::judgement::{
    EventCounts, FaultJudgement, Finding, FindingKind, Guarantee, GuaranteeJudgement, Judgement, Label, LaneJudgement,
    Stats, Verdict,
};
use delivery_history::RunManifest;
use delivery_history::manifest::{BiteProof, Fault, Lane, Requirement, RunStatus, Workload};
use proptest::prelude::*;

use super::judge_claims;
use crate::verdict::{ClaimKind, ClaimOutcome, DecidedBy, LaneVerdict, Overall, RunVerdict, Standing};

const SAFE: &[(&str, &str)] = &[
    ("producer.acks", "all"),
    ("producer.enable.idempotence", "true"),
    ("topic.min.insync.replicas", "2"),
    ("consumer.commit", "after-processing"),
    ("consumer.auto.offset.reset", "earliest"),
];
const DEFAULT: &[(&str, &str)] = &[
    ("producer.acks", "-1"),
    ("producer.enable.idempotence", "false"),
    ("topic.min.insync.replicas", "1"),
    ("consumer.commit", "after-processing"),
    ("consumer.auto.offset.reset", "earliest"),
];
const FAST: &[(&str, &str)] = &[
    ("producer.acks", "1"),
    ("producer.enable.idempotence", "false"),
    ("topic.min.insync.replicas", "1"),
    ("consumer.commit", "after-processing"),
    ("consumer.auto.offset.reset", "earliest"),
];
const NONE: &[(&str, &str)] = &[
    ("producer.acks", "0"),
    ("producer.enable.idempotence", "false"),
    ("topic.min.insync.replicas", "1"),
    ("consumer.commit", "after-processing"),
    ("consumer.auto.offset.reset", "earliest"),
];

fn lane(name: &str, config: &[(&str, &str)]) -> Lane {
    Lane {
        name: name.to_owned(),
        workload: Workload::Log,
        config: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        settings: String::new(),
        defaults_of: String::new(),
        acknowledged: name != "none",
        resends: false,
        automatic_ack: false,
        not_applied: Vec::new(),
    }
}

fn netsplit(shape: &str) -> Fault {
    Fault {
        fault: String::from("netsplit"),
        shape: shape.to_owned(),
        start_ms: 4_000,
        duration_ms: 15_000,
        targets: vec![2],
        cut: Vec::new(),
        full_cut: true,
        sides: Vec::new(),
        detection_ms: 11_000,
        workers: Vec::new(),
        bites_by: BiteProof::default(),
        adds: Vec::new(),
        amount: None,
        gray: false,
        hook_calls: Vec::new(),
    }
}

fn manifest(lanes: Vec<Lane>) -> RunManifest {
    RunManifest {
        broker_version: String::from("4.1.1"),
        client: String::from("librdkafka 2.12.1"),
        backend: String::from("local"),
        rate_per_s: 1_000,
        size_bytes: 128,
        load_ms: 24_000,
        lanes,
        faults: vec![netsplit("leader")],
        status: RunStatus::Finished { took_ms: 58_000 },
        ..RunManifest::blank("r1", "kafka")
    }
}

fn judged(name: &str) -> LaneJudgement {
    let holds = |name: &Guarantee| GuaranteeJudgement { name: *name, verdict: Verdict::Holds, reason: String::new() };
    LaneJudgement {
        lane: name.to_owned(),
        stats: Stats::default(),
        findings: Vec::new(),
        guarantees: Guarantee::ALL.iter().map(holds).collect(),
        label: Label { observed: String::from("not shown"), ..Label::default() },
        available_during_fault: None,
        longest_stall_ms: 0,
        recovery: vec![],
        doubts: Vec::new(),
    }
}

fn with(mut lane: LaneJudgement, guarantee: Guarantee, verdict: Verdict, reason: &str) -> LaneJudgement {
    for judged in lane.guarantees.iter_mut().filter(|judged| judged.name == guarantee) {
        (judged.verdict, judged.reason) = (verdict, reason.to_owned());
    }
    lane
}

fn losing(name: &str) -> LaneJudgement {
    let mut lane = judged(name);
    for guarantee in [Guarantee::Durability, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        lane = with(lane, guarantee, Verdict::Violated, "28,900 of 47,380 lost");
    }
    lane.findings = vec![Finding { kind: FindingKind::Lost, count: 28_900, witnesses: Vec::new() }];
    lane
}

fn unshown(name: &str) -> LaneJudgement {
    let mut lane = judged(name);
    for guarantee in Guarantee::ALL {
        lane = with(lane, *guarantee, Verdict::Inconclusive, "nothing noticed the cut");
    }
    lane
}

fn tour() -> RunManifest {
    manifest(vec![lane("safe", SAFE), lane("default", DEFAULT), lane("fast", FAST), lane("none", NONE)])
}

fn judge(manifest: &RunManifest, lanes: Vec<LaneJudgement>) -> RunVerdict {
    judge_claims(manifest, &Judgement { faults: Vec::new(), lanes, doubts: Vec::new(), events: EventCounts::default() })
}

fn require(manifest: &mut RunManifest, lane: Option<&str>, guarantee: &str) {
    manifest.required.push(Requirement { lane: lane.map(str::to_owned), guarantee: guarantee.to_owned() });
}

#[test]
fn tour_exits_0_on_losses_the_vendor_documents() {
    let verdict = judge(&tour(), vec![judged("safe"), judged("default"), losing("fast"), losing("none")]);
    assert_eq!((verdict.overall, verdict.overall.exit_code()), (Overall::Holds, 0));
    let standings: Vec<Standing> = verdict.lanes.iter().map(|lane| lane.standing).collect();
    assert_eq!(standings, [Standing::Held, Standing::Held, Standing::Documented, Standing::Documented]);
    let fast = verdict.lane("fast").unwrap();
    assert!(fast.violations.len() == 3 && fast.violations.iter().all(|violation| violation.is_excused()));
    assert!(fast.claims.iter().all(|claim| claim.kind != ClaimKind::Promise));
    assert!(verdict.lane("safe").unwrap().claims.iter().filter(|claim| claim.counts).count() >= 4);
}

#[test]
fn tour_whose_fault_bit_nothing_exits_3_and_says_why() {
    let verdict = judge(&tour(), vec![unshown("safe"), unshown("default"), unshown("fast"), unshown("none")]);
    assert_eq!((verdict.overall, verdict.overall.exit_code()), (Overall::Inconclusive, 3));
    assert_eq!(
        verdict.reasons,
        ["inconclusive: nothing noticed the cut [safe: durability, at-least-once, at-most-once, ordering; \
          default: durability, at-least-once]"]
    );
    assert!(verdict.lanes.iter().all(|lane| lane.standing == Standing::Unshown));
}

#[test]
fn loss_with_acks_all_breaks_a_promise() {
    let verdict = judge(&tour(), vec![judged("safe"), losing("default"), losing("fast"), losing("none")]);
    assert_eq!((verdict.overall, verdict.overall.exit_code()), (Overall::Violated, 1));
    let default = verdict.lane("default").unwrap();
    assert_eq!(default.standing, Standing::Broken);
    assert_eq!(default.violation(Guarantee::Durability).unwrap().breaks, ["kafka-acks-all-durability"]);
    assert_eq!(default.violation(Guarantee::AtLeastOnce).unwrap().breaks, ["kafka-at-least-once"]);
    assert!(verdict.reasons[0].contains("28,900 of 47,380 lost"));
}

#[test]
fn preset_fast_exits_1_and_without_requirements_0() {
    let mut required = manifest(vec![lane("fast", FAST)]);
    require(&mut required, None, "durability");
    let verdict = judge(&required, vec![losing("fast")]);
    assert_eq!((verdict.overall.exit_code(), verdict.lanes[0].standing), (1, Standing::Broken));
    assert!(verdict.reasons[0].starts_with("violated: fast: durability (required)"));
    let free = manifest(vec![lane("fast", FAST)]);
    let verdict = judge(&free, vec![losing("fast")]);
    assert_eq!((verdict.overall, verdict.overall.exit_code()), (Overall::NotJudged, 0));
    assert_eq!(verdict.lanes[0].standing, Standing::Documented);
}

#[test]
fn preset_safe_exits_0() {
    let mut required = manifest(vec![lane("safe", SAFE)]);
    require(&mut required, None, "durability");
    let verdict = judge(&required, vec![judged("safe")]);
    assert_eq!((verdict.overall.exit_code(), verdict.required()), (0, 1));
    assert!(verdict.reasons[0].ends_with("and 1 required guarantee hold"), "{:?}", verdict.reasons);
}

#[test]
fn violated_beats_inconclusive_beats_holds() {
    let mut mixed = tour();
    require(&mut mixed, Some("fast"), "durability");
    let verdict = judge(&mixed, vec![judged("safe"), unshown("default"), losing("fast"), judged("none")]);
    assert_eq!(verdict.overall, Overall::Violated);
    assert!(verdict.reasons[0].starts_with("violated: fast:") && verdict.reasons[1].contains("[default:"));
}

#[test]
fn run_that_did_not_finish_is_never_better_than_inconclusive() {
    let mut killed = manifest(vec![lane("fast", FAST)]);
    killed.status = RunStatus::Running;
    assert_eq!(judge(&killed, vec![losing("fast")]).overall, Overall::Inconclusive);
    killed.status = RunStatus::CutShort { reason: String::from("n3 died"), took_ms: 9 };
    let verdict = judge(&killed, vec![losing("fast")]);
    assert_eq!(verdict.reasons, ["inconclusive: the run was cut short: n3 died"]);
    require(&mut killed, None, "durability");
    assert_eq!(judge(&killed, vec![losing("fast")]).overall, Overall::Violated);
}

#[test]
fn processing_twice_does_not_break_the_promise_to_store_once() {
    let twice = |kind, count| {
        let mut lane = with(judged("safe"), Guarantee::AtMostOnce, Verdict::Violated, "twice");
        lane.findings = vec![Finding { kind, count, witnesses: Vec::new() }];
        judge(&manifest(vec![self::lane("safe", SAFE)]), vec![lane])
    };
    let processed = twice(FindingKind::ProcessedTwice, 5);
    assert_eq!((processed.overall, processed.lanes[0].standing), (Overall::Holds, Standing::Documented));
    let stored = twice(FindingKind::StoredTwice, 5);
    assert_eq!((stored.overall, stored.lanes[0].standing), (Overall::Violated, Standing::Broken));
    assert_eq!(stored.lanes[0].violation(Guarantee::AtMostOnce).unwrap().breaks, ["kafka-idempotent-stored-once"]);
}

#[test]
fn absence_of_a_finding_is_not_taken_from_a_lane_that_showed_nothing() {
    let lane = with(unshown("safe"), Guarantee::AtMostOnce, Verdict::Violated, "processed twice");
    let verdict = judge(&manifest(vec![self::lane("safe", SAFE)]), vec![lane]);
    let stored_once = verdict.lanes[0].claims.iter().find(|claim| claim.id == "kafka-idempotent-stored-once").unwrap();
    assert_eq!(stored_once.verdict, Verdict::Inconclusive);
}

/// A lane after the power failed everywhere.
fn after_power_loss(config: &[(&str, &str)]) -> LaneVerdict {
    let mut run = manifest(vec![lane("safe", config)]);
    run.faults = vec![Fault { fault: String::from("power-loss"), ..netsplit("all") }];
    judge(&run, vec![losing("safe")]).lanes.remove(0)
}

#[test]
fn a_promise_that_another_document_takes_back_is_broken_and_shown_with_both() {
    let lane = after_power_loss(SAFE);
    assert_eq!(lane.standing, Standing::Broken);
    let durability = lane.violation(Guarantee::Durability).unwrap();
    assert_eq!(durability.breaks, ["kafka-full-recovery"]);
    assert_eq!(durability.documented_by, ["kafka-power-loss-may-lose"]);
    let promise = lane.claims.iter().find(|claim| claim.id == "kafka-full-recovery").unwrap();
    assert_eq!(promise.outcome, ClaimOutcome::Violated);
    assert!(promise.contradicted[0].documented_in.starts_with("KIP-966"), "{:?}", promise.contradicted);
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        assert!(lane.violation(guarantee).unwrap().is_excused(), "{guarantee:?} is given up by KIP-966");
    }
    // What is flushed for every message is no matter of either document.
    let flushed = after_power_loss(&[SAFE, &[("topic.flush.messages", "1")]].concat());
    let durability = flushed.violation(Guarantee::Durability).unwrap();
    assert!(durability.breaks.is_empty() && durability.documented_by.is_empty());
    assert_eq!(flushed.standing, Standing::Broken, "nobody warns of that");
}

#[test]
fn claims_apply_only_to_what_they_speak_of() {
    let safe = || manifest(vec![lane("safe", SAFE)]);
    let counted = |manifest: &RunManifest| judge(manifest, vec![losing("safe")]).counted_claims();
    assert!(counted(&safe()) > 0);
    let mut other = safe();
    other.faults = vec![Fault { fault: String::from("slow-disk"), ..netsplit("") }];
    assert_eq!(counted(&other), 0, "a fault no claim covers");
    other.faults.push(netsplit("leader"));
    assert_eq!(counted(&other), 0, "every fault of the run must be covered");
    let mut other = safe();
    other.faults.clear();
    assert!(counted(&other) > 0, "promises hold in calm weather too");
    let mut other = safe();
    other.broker_version = String::from("3.2.3");
    assert_eq!(counted(&other), 0, "a version no claim is about");
    let mut other = safe();
    other.lanes[0].config.insert(String::from("topic.unclean.leader.election.enable"), String::from("TRUE"));
    let verdict = judge(&other, vec![losing("safe")]);
    assert!(verdict.lanes[0].violations.iter().all(|violation| violation.is_excused()), "{:?}", verdict.lanes[0]);
    let mut other = safe();
    other.client = String::from("sarama 1.45");
    let verdict = judge(&other, vec![judged("safe")]);
    assert!(verdict.lanes[0].claims.iter().all(|claim| claim.id != "kafka-idempotent-order"));
}

#[test]
fn application_that_sends_again_breaks_no_promise_against_repeats() {
    let mut resending = manifest(vec![lane("safe", SAFE)]);
    resending.lanes[0].resends = true;
    let mut safe = with(judged("safe"), Guarantee::AtMostOnce, Verdict::Violated, "twice");
    safe.findings = vec![Finding { kind: FindingKind::StoredTwice, count: 5, witnesses: Vec::new() }];
    let verdict = judge(&resending, vec![safe]);
    assert_eq!(verdict.overall, Overall::Holds);
    assert!(verdict.lanes[0].claims.iter().any(|claim| claim.counts && claim.guarantee == Some(Guarantee::Durability)));
}

#[test]
fn compaction_takes_records_away_without_breaking_a_promise() {
    let mut compacted = manifest(vec![lane("safe", SAFE)]);
    compacted.lanes[0].config.insert(String::from("topic.cleanup.policy"), String::from("compact"));
    assert!(
        judge(&compacted, vec![losing("safe")]).lanes[0].violation(Guarantee::Durability).unwrap().breaks.is_empty()
    );
}

#[test]
fn unreadable_version_is_inconclusive_and_not_a_pass() {
    let mut trunk = manifest(vec![lane("safe", SAFE)]);
    trunk.broker_version = String::from("trunk");
    let verdict = judge(&trunk, vec![judged("safe")]);
    assert_eq!(verdict.overall, Overall::Inconclusive);
    assert!(verdict.reasons[0].contains("version `trunk` names no release"), "{:?}", verdict.reasons);
}

#[test]
fn requirements_that_cannot_be_judged_are_inconclusive() {
    let run = |lane_name: Option<&str>, guarantee: &str| {
        let mut run = manifest(vec![lane("fast", FAST)]);
        require(&mut run, lane_name, guarantee);
        let mut fast = judged("fast");
        fast.guarantees.retain(|found| found.name != Guarantee::Agreement);
        judge(&run, vec![fast])
    };
    assert!(run(None, "agreement").reasons[0].contains("does not apply"));
    assert!(run(None, "promptness").reasons[0].contains("no guarantee of this name"));
    assert!(run(Some("safe"), "durability").reasons[0].contains("the lane is not in this run [safe: durability]"));
    for verdict in [run(None, "agreement"), run(None, "promptness"), run(Some("safe"), "durability")] {
        assert_eq!(verdict.overall, Overall::Inconclusive);
    }
    assert_eq!(run(Some("fast"), "durability").overall, Overall::Holds);
}

#[test]
fn lane_without_a_judgement_is_inconclusive() {
    let verdict = judge(&tour(), vec![judged("safe")]);
    assert_eq!(verdict.overall, Overall::Inconclusive);
    assert_eq!(verdict.lane("none").unwrap().standing, Standing::Unshown);
}

#[test]
fn undocumented_violation_is_red_even_where_nobody_promised() {
    let fast = with(judged("fast"), Guarantee::Integrity, Verdict::Violated, "1 phantom");
    let verdict = judge(&manifest(vec![lane("fast", FAST)]), vec![fast]);
    assert_eq!((verdict.overall, verdict.lanes[0].standing), (Overall::NotJudged, Standing::Broken));
}

#[test]
fn ca_is_shown_and_never_counted() {
    let mut safe = judged("safe");
    safe.label.observed = String::from("neither");
    let verdict = judge(&manifest(vec![lane("safe", SAFE)]), vec![safe]);
    assert_eq!((verdict.overall, verdict.lanes[0].claimed_label.as_deref()), (Overall::Holds, Some("CA")));
}

#[test]
fn labels_are_judged_by_what_was_observed() {
    let judge_label = |claimed: &str, observed: &str| {
        let mut lane = judged("x");
        lane.label.observed = observed.to_owned();
        let (verdict, _, counts) = super::label(&lane, claimed);
        (verdict, counts)
    };
    assert_eq!(judge_label("CP", "CP"), (Verdict::Holds, true));
    assert_eq!(judge_label("CP", "AP, lossy"), (Verdict::Violated, true));
    assert_eq!(judge_label("CP", "neither"), (Verdict::Violated, true));
    assert_eq!(judge_label("CP", "unavailable"), (Verdict::Inconclusive, true));
    assert_eq!(judge_label("AP", "AP"), (Verdict::Holds, true));
    assert_eq!(judge_label("AP", "unavailable"), (Verdict::Violated, true));
    assert_eq!(judge_label("CP", "not shown"), (Verdict::Inconclusive, false));
    assert_eq!(judge_label("CA", "CP"), (Verdict::Inconclusive, false));
}

#[test]
fn pubsub_presets_keep_what_they_promise_and_no_more() {
    let bus = |delivery: &str, lane_judged: LaneJudgement| {
        let mut run = manifest(vec![lane("bus", &[("topic.delivery", delivery)])]);
        run.system = String::from("pubsub");
        run.broker_version = String::from("0.1.0");
        run.client = String::from("in-process");
        let verdict = judge(&run, vec![lane_judged]);
        (verdict.overall, verdict.lanes[0].standing)
    };
    let twice = || {
        let lane = with(judged("bus"), Guarantee::AtMostOnce, Verdict::Violated, "twice");
        with(lane, Guarantee::ExactlyOnce, Verdict::Violated, "twice")
    };
    assert_eq!(bus("at-most-once", losing("bus")), (Overall::Holds, Standing::Documented));
    assert_eq!(bus("at-most-once", twice()).0, Overall::Violated);
    assert_eq!(bus("at-least-once", twice()), (Overall::Holds, Standing::Documented));
    assert_eq!(bus("at-least-once", losing("bus")).0, Overall::Violated);
    assert_eq!(bus("exactly-once", twice()).0, Overall::Violated);
    assert_eq!(bus("exactly-once", losing("bus")).0, Overall::Violated);
    assert_eq!(bus("exactly-once", judged("bus")), (Overall::Holds, Standing::Held));
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Holds), Just(Verdict::Inconclusive), Just(Verdict::Violated)]
}

proptest! {
    /// Whatever the lanes say: no green without every counted thing holding, no red without one violated.
    #[test]
    fn overall_follows_from_what_counts(
        verdicts in proptest::collection::vec(any_verdict(), 4 * Guarantee::ALL.len()),
        required in proptest::option::of(0..Guarantee::ALL.len()),
        finished in any::<bool>(),
    ) {
        let mut run = tour();
        if let Some(index) = required {
            require(&mut run, None, Guarantee::ALL[index].label());
        }
        if !finished {
            run.status = RunStatus::Running;
        }
        let lanes: Vec<LaneJudgement> = run.lanes.iter().enumerate().map(|(number, lane)| {
            let verdicts = &verdicts[number * Guarantee::ALL.len()..];
            let zipped = Guarantee::ALL.iter().zip(verdicts);
            zipped.fold(judged(&lane.name), |lane, (guarantee, verdict)| with(lane, *guarantee, *verdict, "why"))
        }).collect();
        let verdict = judge(&run, lanes);
        let counted: Vec<Verdict> = verdict.lanes.iter().flat_map(|lane| {
            let claims = lane.claims.iter().filter(|claim| claim.counts).map(|claim| claim.verdict);
            claims.chain(lane.required.iter().map(|required| required.verdict)).collect::<Vec<_>>()
        }).collect();
        let expected = if counted.contains(&Verdict::Violated) {
            Overall::Violated
        } else if !finished || counted.contains(&Verdict::Inconclusive) {
            Overall::Inconclusive
        } else {
            Overall::Holds
        };
        prop_assert_eq!(verdict.overall, expected);
        prop_assert!(!verdict.reasons.is_empty());
        for lane in &verdict.lanes {
            prop_assert_eq!(lane.standing == Standing::Broken, lane.violations.iter().any(|v| !v.is_excused())
                || lane.claims.iter().any(|c| c.counts && c.verdict == Verdict::Violated));
        }
    }
}

fn fault_that(bit: bool) -> FaultJudgement {
    FaultJudgement {
        fault: String::from("netsplit:leader"),
        bit,
        noticed: bit,
        healed: true,
        ..FaultJudgement::default()
    }
}

/// What is said of every claim about a lane, under a fault that bit or did not, or without any.
fn outcomes(config: &[(&str, &str)], lane_judged: LaneJudgement, bit: Option<bool>) -> Vec<(String, ClaimOutcome)> {
    let mut manifest = manifest(vec![lane("l", config)]);
    if bit.is_none() {
        manifest.faults.clear();
    }
    let faults = bit.map(fault_that).into_iter().collect();
    let judgement = Judgement { faults, lanes: vec![lane_judged], doubts: Vec::new(), events: EventCounts::default() };
    let verdict = judge_claims(&manifest, &judgement);
    verdict.lanes[0].claims.iter().map(|claim| (claim.id.clone(), claim.outcome)).collect()
}

fn outcome_of(outcomes: &[(String, ClaimOutcome)], id: &str) -> ClaimOutcome {
    outcomes.iter().find(|(known, _)| known == id).unwrap().1
}

#[test]
fn a_promise_holds_only_where_something_put_it_to_the_test() {
    let of = |judged: LaneJudgement, bit| outcome_of(&outcomes(SAFE, judged, bit), "kafka-acks-all-durability");
    assert_eq!(of(judged("l"), Some(true)), ClaimOutcome::Holds);
    assert_eq!(of(judged("l"), None), ClaimOutcome::NotExercised, "calm weather");
    assert_eq!(of(unshown("l"), Some(false)), ClaimOutcome::NotExercised, "the fault bit nothing");
    assert_eq!(of(unshown("l"), Some(true)), ClaimOutcome::Inconclusive);
    assert_eq!(of(losing("l"), Some(true)), ClaimOutcome::Violated);
    assert_eq!(of(losing("l"), Some(false)), ClaimOutcome::Violated, "a loss is a loss");
}

#[test]
fn a_loss_the_vendor_warns_of_is_as_advertised_and_says_where() {
    let of = |judged: LaneJudgement| outcome_of(&outcomes(FAST, judged, Some(true)), "kafka-acks-1-may-lose");
    assert_eq!(of(losing("l")), ClaimOutcome::AsAdvertised);
    assert_eq!(of(judged("l")), ClaimOutcome::NotExercised, "a warning that did not come true");
    let verdict = judge(&manifest(vec![lane("l", FAST)]), vec![losing("l")]);
    let claim = verdict.lanes[0].claims.iter().find(|claim| claim.id == "kafka-acks-1-may-lose").unwrap();
    assert_eq!(claim.decided_by, Some(DecidedBy { kind: FindingKind::Lost, count: 28_900 }));
    assert!(claim.documented_in.contains("Producer Configs: acks"), "{}", claim.documented_in);
}

#[test]
fn the_finding_with_the_most_messages_decides() {
    let mut lane_judged = losing("l");
    lane_judged.findings.push(Finding { kind: FindingKind::Undelivered, count: 30_000, witnesses: Vec::new() });
    let verdict = judge(&manifest(vec![lane("l", SAFE)]), vec![lane_judged]);
    let decided = |id: &str| verdict.lanes[0].claims.iter().find(|claim| claim.id == id).unwrap().decided_by;
    assert_eq!(decided("kafka-at-least-once").unwrap().kind, FindingKind::Undelivered);
    assert_eq!(decided("kafka-acks-all-durability").unwrap().kind, FindingKind::Lost);
    assert_eq!(decided("kafka-idempotent-order"), None);
}

#[test]
fn a_label_is_shown_with_what_contradicts_it_in_another_document() {
    let verdict = judge(&manifest(vec![lane("l", SAFE)]), vec![judged("l")]);
    let label = verdict.lanes[0].claims.iter().find(|claim| claim.kind == ClaimKind::Label).unwrap();
    assert_eq!(label.outcome, ClaimOutcome::NotExercised, "no side of a cut was seen");
    assert!(label.contradicted[0].documented_in.contains("Apache Kafka: Design, Replication (commit e8e4f2a)"));
    let mut shown = judged("l");
    shown.label.observed = String::from("neither");
    let outcomes = outcomes(SAFE, shown, Some(true));
    assert_eq!(outcome_of(&outcomes, "kafka-label-ca"), ClaimOutcome::Inconclusive, "CA says nothing of a partition");
}
