//! No line is ever wider than the page, whatever a run is called and however much it counted.

mod common;

use common::{Sample, judged, lane, manifest};
use delivery_checks::judgement::{
    EventCounts, FaultJudgement, Finding, FindingKind, Guarantee, Judgement, LaneJudgement, ProcessLooks, StoryStep,
    Verdict, Witness,
};
use delivery_claims::Overall;
use delivery_history::manifest::RunStatus;
use delivery_report::{Csv, Json, MAX_COLUMNS, Style, exit_line};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

const KINDS: &[FindingKind] = &[
    FindingKind::Lost,
    FindingKind::Undelivered,
    FindingKind::StoredTwice,
    FindingKind::ProcessedTwice,
    FindingKind::Reordered,
    FindingKind::Phantom,
];

prop_compose! {
    fn any_text()(text in prop_oneof![".{0,60}", "[a-z=+.0-9]{0,200}", "(\\PC ?){0,80}"]) -> String { text }
}

prop_compose! {
    fn any_lane()(
        name in any_text(),
        reason in any_text(),
        counts in proptest::collection::vec(any::<u64>(), 8),
        verdicts in proptest::collection::vec(0..3_u8, Guarantee::ALL.len()),
        findings in proptest::collection::vec((0..KINDS.len(), 1..u64::MAX, any::<i64>()), 0..4),
        label in any_text(),
        bound in proptest::option::of(0.0..1.0),
    ) -> (String, LaneJudgement) {
        let mut lane = judged(&name, counts[0]);
        lane.stats.sent_unacknowledged = counts[1];
        lane.stats.unknown = counts[2];
        lane.stats.exposed = counts[3];
        lane.stats.windows = counts[4];
        lane.stats.bound = bound;
        lane.label.observed = label.clone();
        for side in &mut lane.label.sides {
            (side.side, side.attempts, side.acks, side.acks_during_fault) =
                (label.clone(), counts[5], counts[6], counts[7]);
        }
        for (judged, verdict) in lane.guarantees.iter_mut().zip(verdicts) {
            judged.verdict = [Verdict::Holds, Verdict::Inconclusive, Verdict::Violated][usize::from(verdict)];
            judged.reason = reason.clone();
        }
        lane.findings = findings.into_iter().map(|(kind, count, at_ms)| {
            let story = (0..14).map(|_| StoryStep { at_ms, what: reason.clone() }).collect();
            let witness = Witness { message: name.clone(), destination: label.clone(), story };
            Finding { kind: KINDS[kind], count, witnesses: vec![witness] }
        }).collect();
        lane.doubts = vec![reason];
        (name, lane)
    }
}

prop_compose! {
    fn any_sample()(
        lanes in proptest::collection::vec(any_lane(), 0..5),
        text in any_text(),
        numbers in proptest::collection::vec(any::<u64>(), 6),
        acks in "all|1|0",
        simulated in any::<bool>(),
    ) -> Sample {
        // Names of one run differ: a lane is found by its name.
        let lanes: Vec<(String, LaneJudgement)> = lanes.into_iter().enumerate().map(|(number, (name, mut lane))| {
            lane.lane = format!("{number}{name}");
            (lane.lane.clone(), lane)
        }).collect();
        let mut manifest = manifest(lanes.iter().map(|(name, _)| lane(name, &text, &acks, false, "1")).collect());
        manifest.client = text.clone();
        manifest.tuned = vec![text.clone(), text.clone()];
        manifest.simulated = simulated;
        manifest.run_id = text.clone();
        manifest.status = RunStatus::CutShort { reason: text.clone(), took_ms: numbers[0] };
        let fault = FaultJudgement {
            targets: vec![text.clone()],
            lasted_ms: numbers[1],
            packets_dropped: numbers[2],
            packets_crossed: numbers[3],
            dropped_by_third: [numbers[4], numbers[5], 0],
            looks: Some(ProcessLooks { expected: text.clone(), as_expected: numbers[0], of: numbers[1] })
                .filter(|looks| looks.of % 2 == 0),
            evidence: vec![text.clone(); 5],
            reasons: vec![text.clone()],
            ..common::bitten()
        };
        let lanes = lanes.into_iter().map(|(_, lane)| lane).collect();
        Sample { manifest, judgement: Judgement { faults: vec![fault], lanes, doubts: vec![text; 9], events: EventCounts::default() } }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_line_fits(sample in any_sample(), unicode in any::<bool>()) {
        let text = sample.table(Style { colour: false, unicode });
        for line in text.lines() {
            prop_assert!(line.width() <= MAX_COLUMNS, "{} columns: {line:?}", line.width());
        }
        prop_assert!(unicode || text.is_ascii());
        prop_assert!(!text.contains("\n\n\n"));
        let (_, line) = sample.with_report(exit_line);
        prop_assert!(line.width() <= MAX_COLUMNS && !line.contains('\n'), "{line:?}");
    }

    /// The first word is the verdict most people read: it must follow from what was judged.
    #[test]
    fn first_word_is_never_kinder_than_the_verdict(sample in any_sample(), finished in any::<bool>()) {
        let mut sample = sample;
        if finished {
            sample.manifest.status = RunStatus::Finished { took_ms: 1 };
        }
        let text = sample.table(Style::default());
        let durable = |lane: &LaneJudgement| lane.verdict(Guarantee::Durability).unwrap().verdict == Verdict::Holds;
        let any_lost = sample.judgement.lanes.iter().any(|lane| lane.count(FindingKind::Lost) > 0);
        let overall = sample.verdict().overall;
        if text.starts_with("HELD") {
            prop_assert!(finished && !any_lost && sample.judgement.lanes.iter().all(durable), "{text}");
            prop_assert!(matches!(overall, Overall::Holds | Overall::NotJudged), "{text}");
        }
        prop_assert_eq!(any_lost, text.starts_with("LOST"));
        if overall == Overall::Inconclusive {
            prop_assert!(text.contains("INCONCLUSIVE:"), "{text}");
        }
    }

    #[test]
    fn every_format_takes_every_run(sample in any_sample()) {
        let json: serde_json::Value = serde_json::from_str(&sample.export(&Json)).unwrap();
        prop_assert_eq!(json["lanes"].as_array().unwrap().len(), sample.manifest.lanes.len());
        let csv = sample.export(&Csv);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        prop_assert_eq!(reader.records().map(Result::unwrap).count(), sample.manifest.lanes.len());
    }
}
