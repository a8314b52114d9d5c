//! Files whose names mean nothing, told with their place before anything is run; and how cells are put together.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use delivery_broker::System;
use delivery_matrix::{Carries, MatrixFile, cells, group};

static PUBSUB: delivery_pubsub::PubSub = delivery_pubsub::PubSub::new();
const SYSTEMS: &[&dyn System] = &[&PUBSUB];

/// What is told of a cell with these lines.
fn told(lines: &str) -> String {
    let text = format!("[[cell]]\nid = \"a\"\nsystem = \"pubsub\"\n{lines}\n");
    match MatrixFile::parse("m.toml", &text).and_then(|file| cells(&file, SYSTEMS, None)) {
        Ok(cells) => format!("{} cells", cells.run.len() + cells.listed.len()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_was_expected() {
    let preset = "preset = \"exactly-once\"\n";
    let with = |line: &str| told(&format!("{preset}{line}"));
    let all = [
        told(""),
        told("preset = [\"exactly-once\", \"exactly-twice\"]"),
        with("set = { \"broker.retri.ms\" = 300 }"),
        with("set = { \"retry.ms\" = [300, 5] }"),
        // Which other faults are near depends on how many there are.
        with("faults = [\"netsplit\", \"netsplt:leader\"]").split(", ").next().unwrap().to_owned(),
        with("faults = \"netsplit:leeder\""),
        with("faults = \"power-loss\""),
        with("faults = \"random\""),
        with("faults = \"netsplit@50s+20s\"\nduration = \"30s\""),
        with("version = \"1.0\""),
        with("timings = \"fast\""),
        with("rate = 0"),
        with("size = 3"),
        with("expect = { durabilty = \"holds\" }"),
        with("expect = { durability = [\"holds\", \"lost\"] }"),
        with("expect = { atomicity = \"holds\" }"),
        with("not-run = \" \""),
        with("repeat = 0"),
        with("limit = \"long\""),
        told("preset = \"exactly-once\"\nset = { \"retry.ms\" = [300, 300] }"),
        told("preset = \"exactly-once\"\n\n[[cell]]\nid = \"a b\"\nsystem = \"pubsub\"\npreset = \"exactly-once\""),
        told("preset = \"exactly-once\"\n\n[[cell]]\nid = \"b\"\nsystem = \"pubsbu\"\npreset = \"exactly-once\""),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn what_is_not_run_may_speak_of_what_nobody_knows() {
    assert_eq!(told("preset = \"exactly-n\"\nfaults = \"flood\"\nnot-run = \"there is no flood\""), "1 cells");
}

fn grouped(rows: &str, carries: Carries) -> Vec<Vec<String>> {
    let file = MatrixFile::parse("m.toml", rows).unwrap();
    let cells = cells(&file, SYSTEMS, None).unwrap();
    let groups = group(&cells.run, carries);
    groups.iter().map(|group| group.iter().map(|index| cells.run[*index].entry.lane.clone()).collect()).collect()
}

#[test]
fn what_a_machine_carries_and_what_clusters_allow_is_one_run() {
    let row = |id: &str, preset: &str, more: &str| {
        format!("[[cell]]\nid = \"{id}\"\nsystem = \"pubsub\"\npreset = {preset}\nfaults = \"netsplit\"\n{more}\n")
    };
    let tour = row("a", "[\"at-most-once\", \"at-least-once\", \"exactly-once\"]", "");
    let machine = |cores| Carries { cores, lanes: None };
    assert_eq!(grouped(&tour, machine(2)).len(), 1);
    assert_eq!(grouped(&tour, machine(1)), [vec!["at-most-once", "at-least-once"], vec!["exactly-once"]]);
    assert_eq!(grouped(&tour, Carries { cores: 2, lanes: Some(1) }).len(), 3);
    let fast = tour.replace("faults", "rate = 2000\nfaults");
    assert_eq!(grouped(&fast, machine(2)), [vec!["at-most-once", "at-least-once"], vec!["exactly-once"]]);
    let twice = [tour.clone(), row("b", "\"exactly-once\"", "")].concat();
    assert_eq!(grouped(&twice, machine(4)).len(), 2, "one run has no two lanes of one name");
    let apart = [row("a", "\"at-most-once\"", ""), row("b", "\"exactly-once\"", "alone = true")].concat();
    assert_eq!(grouped(&apart, machine(4)).len(), 2);
    let clusters = row("a", "[\"at-most-once\", \"exactly-once\"]", "set = { \"cluster.nodes\" = [3, 5] }");
    assert_eq!(
        grouped(&clusters, machine(4)),
        [vec!["at-most-once+nodes=3", "exactly-once+nodes=3"], vec!["at-most-once+nodes=5", "exactly-once+nodes=5"]]
    );
    let between = row("b", "\"at-least-once\"", "set = { \"cluster.nodes\" = 3 }");
    let back = [row("a", "\"at-most-once\"", ""), between, row("c", "\"exactly-once\"", "duration = \"60s\"")].concat();
    assert_eq!(
        grouped(&back, machine(4)),
        [vec!["at-most-once"], vec!["exactly-once"], vec!["at-least-once+nodes=3"]],
        "runs that can have the same cluster come behind each other"
    );
    let durations = [row("a", "\"at-most-once\"", "duration = \"60s\""), row("b", "\"exactly-once\"", "")].concat();
    assert_eq!(grouped(&durations, machine(4)).len(), 2);
}

#[test]
fn the_files_of_this_program_are_read() {
    for name in ["quick", "nightly", "truth"] {
        let path = format!("{}/../../workloads/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        MatrixFile::parse(name, &text).unwrap();
    }
}

/// Rows of the table of predictions, by what their ids begin with: Kafka, RabbitMQ, PubSub, Broadway, NATS, Mosquitto,
/// Redis, pgmq.
const ROWS: [(char, usize); 8] = [('K', 22), ('R', 24), ('P', 3), ('B', 3), ('N', 8), ('M', 2), ('S', 4), ('G', 3)];

#[test]
fn every_row_of_the_table_of_predictions_is_in_the_truth_matrix() {
    let path = format!("{}/../../workloads/truth.toml", env!("CARGO_MANIFEST_DIR"));
    let file: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    let rows = file["cell"].as_array().unwrap();
    let ids: BTreeSet<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let table: BTreeSet<String> =
        ROWS.iter().flat_map(|(system, rows)| (1..=*rows).map(move |row| format!("{system}{row}"))).collect();
    assert_eq!(table.len(), 69);
    assert_eq!(ids, table);
    for row in rows {
        assert!(row.get("expect").is_some(), "{} says what is expected", row["id"]);
        assert!(row.get("about").is_some(), "{} says what it is about", row["id"]);
    }
}
