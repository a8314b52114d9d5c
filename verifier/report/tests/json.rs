//! The JSON document: every field other people's programs may rely on.

mod common;

use delivery_report::{Document, Json, Report, SCHEMA, document as document_of};
use serde_json::Value;

fn document(sample: &common::Sample) -> Value {
    serde_json::from_str(&sample.export(&Json)).expect("the document is JSON")
}

fn assert_fields(value: &Value, fields: &[&str], whose: &str) {
    let object = value.as_object().unwrap_or_else(|| panic!("{whose} is no object"));
    for field in fields {
        assert!(object.contains_key(*field), "{whose} lacks `{field}`");
    }
}

#[test]
fn a_document_gives_back_what_it_was_made_of() {
    for sample in [common::losses().require(None, "ordering"), common::unnoticed(), common::held()] {
        let made = sample.with_report(document_of);
        let (judgement, verdict) = made.clone().read_back();
        assert_eq!((&judgement, &verdict), (&sample.judgement, &sample.verdict()));
        let report = Report { manifest: &sample.manifest, judgement: &judgement, verdict: &verdict };
        assert_eq!(document_of(&report), made);
    }
    let mut unjudged = common::held();
    unjudged.judgement.lanes.clear();
    assert_eq!(unjudged.with_report(document_of).read_back(), (unjudged.judgement.clone(), unjudged.verdict()));
}

#[test]
fn every_promised_field_is_there() {
    let document = document(&common::losses().require(None, "ordering"));
    assert_fields(&document, &["schema", "run", "verdict", "reasons", "faults", "lanes"], "document");
    assert_eq!(document["schema"], SCHEMA);
    let fault = &document["faults"][0];
    assert_fields(fault, &["fault", "target", "bit", "noticed", "healed", "packets_dropped"], "fault");
    let lanes = document["lanes"].as_array().unwrap();
    assert_eq!(lanes.len(), 4);
    for lane in lanes {
        let fields = ["lane", "config", "stats", "findings", "guarantees", "label", "claims"];
        assert_fields(lane, &fields, "lane");
        let stats = [
            "sent",
            "acked",
            "failed",
            "unknown",
            "delivered",
            "processed",
            "exposed",
            "windows",
            "rate_per_s",
            "latency_ms",
        ];
        assert_fields(&lane["stats"], &stats, "stats");
        assert_fields(&lane["label"], &["claimed", "observed"], "label");
        for guarantee in lane["guarantees"].as_array().unwrap() {
            assert_fields(guarantee, &["name", "verdict", "reason"], "guarantee");
        }
        for claim in lane["claims"].as_array().unwrap() {
            assert_fields(claim, &["id", "verdict", "source"], "claim");
        }
        for finding in lane["findings"].as_array().unwrap() {
            assert_fields(finding, &["kind", "count", "witnesses"], "finding");
        }
    }
    assert_eq!(lanes[2]["findings"][0]["kind"], "lost");
    assert_eq!(lanes[2]["findings"][0]["count"], 14_450);
    assert_eq!(lanes[2]["config"]["producer.acks"], "1");
}

#[test]
fn verdicts_are_the_documented_words() {
    let verdict = |sample: common::Sample| document(&sample)["verdict"].as_str().unwrap().to_owned();
    assert_eq!(verdict(common::losses()), "holds");
    assert_eq!(verdict(common::unnoticed()), "inconclusive");
    assert_eq!(verdict(common::losses().keep_lanes(&["fast"])), "not-judged");
    assert_eq!(verdict(common::losses().keep_lanes(&["fast"]).require(None, "durability")), "violated");
}

#[test]
fn findings_with_count_0_are_left_out() {
    use delivery_checks::judgement::{Finding, FindingKind};
    let mut sample = common::held();
    sample.judgement.lanes[0].findings = vec![Finding { kind: FindingKind::Lost, count: 0, witnesses: Vec::new() }];
    assert_eq!(document(&sample)["lanes"][0]["findings"], serde_json::json!([]));
}

#[test]
fn document_is_read_back_as_it_was_written() {
    let sample = common::losses();
    let written = sample.with_report(delivery_report::document);
    let read: Document = serde_json::from_str(&sample.export(&Json)).unwrap();
    assert_eq!(read, written);
}

#[test]
fn document_of_the_tour() {
    insta::assert_snapshot!(common::losses().keep_lanes(&["fast"]).export(&Json));
}
