//! The registry of claims against the systems as they really are, and as it is printed.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::{told, verify};
use delivery_broker::config::split_scope;
use delivery_broker::{LaneRequest, System};
use delivery_claims::{Accepted, Claim, registry};
use delivery_faults::{find_fault, kind};
use delivery_verifier::systems;

/// Every value each setting has in some preset, by full name.
fn stated(system: &dyn System) -> BTreeMap<String, Vec<String>> {
    let mut stated: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for preset in system.info().presets {
        let request = LaneRequest { preset: Some(preset.name.to_owned()), ..LaneRequest::default() };
        for (name, value) in system.lane(&request).unwrap().lane.config {
            stated.entry(name).or_default().push(value);
        }
    }
    stated
}

/// Whether the adapter takes the setting with this value, on one of its presets.
fn takes(system: &dyn System, name: &str, value: &str) -> bool {
    let with = |preset: &str| {
        let overrides = vec![(name.to_owned(), value.to_owned())];
        let request = LaneRequest { preset: Some(preset.to_owned()), overrides, files: Vec::new() };
        system.lane(&request).is_ok_and(|plan| plan.lane.config.contains_key(name))
    };
    system.info().presets.iter().any(|preset| with(preset.name))
}

/// Values of a claim that no lane of the system can have.
fn impossible(
    system: &dyn System,
    name: &str,
    accepted: &Accepted,
    stated: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let known = stated.get(name);
    let values = accepted.values().iter().map(|value| value.trim_start_matches('!'));
    let possible =
        |value: &str| known.is_some_and(|known| known.iter().any(|known| known == value)) || takes(system, name, value);
    values.filter(|value| !possible(value)).map(str::to_owned).collect()
}

#[test]
fn every_expression_is_over_settings_and_values_a_lane_can_have() {
    let mut wrong = Vec::new();
    for system in systems::ALL {
        let stated = stated(*system);
        let claims: Vec<&Claim> = registry().of_system(system.info().name).collect();
        assert!(!claims.is_empty(), "{}", system.info().name);
        for claim in claims {
            for (name, accepted) in claim.when.iter().chain(&claim.unless) {
                assert!(split_scope(name).0.is_some(), "{}: {name} has no scope that there is", claim.id);
                for value in impossible(*system, name, accepted, &stated) {
                    wrong.push(format!("{}: {name}={value}", claim.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_fault_a_claim_covers_is_one() {
    for claim in &registry().claims {
        // A documented loss may cover every fault there is.
        for covered in claim.faults.iter().chain(&claim.with).filter(|covered| *covered != "any") {
            let (name, shape) =
                covered.split_once(':').map_or((covered.as_str(), None), |(name, shape)| (name, Some(shape)));
            let fault = find_fault(name).unwrap();
            assert!(kind::ALL.iter().any(|known| known.name() == name), "{}: {name} is an alias", claim.id);
            assert!(shape.is_none_or(|shape| fault.shapes().iter().any(|known| known.name == shape)), "{covered}");
        }
    }
}

#[test]
fn there_are_enough_and_each_says_where_it_stands() {
    let counts = ["kafka", "rabbitmq", "pubsub"].map(|system| registry().of_system(system).count());
    assert!(counts.iter().sum::<usize>() >= 40 && counts.iter().all(|count| *count >= 8), "{counts:?}");
    for claim in &registry().claims {
        let document = registry().document(&claim.source);
        assert!(claim.source.starts_with("own: ") || document.is_some_and(|of| !of.section.is_empty()), "{}", claim.id);
    }
}

fn claims(arguments: &[&str]) -> String {
    let output = verify().arg("claims").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn claims_are_printed_with_their_sources() {
    insta::assert_snapshot!("pubsub", claims(&["pubsub", "--for", "topic.delivery=at-most-once"]));
    let narrowed = claims(&[
        "rabbitmq",
        "--for",
        "queue.type=classic,producer.mandatory=true,producer.confirms=true,version=4.0.5,fault=kill:leader",
    ]);
    insta::assert_snapshot!("rabbitmq", narrowed);
}

#[test]
fn claims_are_printed_as_json_with_their_documents() {
    let document: serde_json::Value = serde_json::from_str(&claims(&["kafka", "--json"])).unwrap();
    let all = document["claims"].as_array().unwrap();
    assert_eq!(all.len(), registry().of_system("kafka").count());
    let label = all.iter().find(|claim| claim["id"] == "kafka-label-ca").unwrap();
    assert_eq!(label["document"]["edition"], "2013");
    assert!(label["contradicted"][0]["quote"].as_str().unwrap().contains("network partitions"));
}

#[test]
fn what_nothing_is_known_of_is_refused_with_the_nearest_names() {
    let refused = |arguments: &[&str]| {
        let output = verify().arg("claims").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        String::from_utf8(output.stderr).unwrap()
    };
    let all = [
        refused(&["kafak"]),
        refused(&["kafka", "--for", "producer.ack=all"]),
        refused(&["kafka", "--for", "version=new"]),
    ];
    insta::assert_snapshot!("refused", all.concat());
    let fault = refused(&["kafka", "--for", "fault=netsplt"]);
    assert!(fault.starts_with("error: there is no fault `netsplt`; nearest: netsplit"), "{fault}");
}
