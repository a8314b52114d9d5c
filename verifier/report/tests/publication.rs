//! Published tables: what stands in them, that they come out the same again, and what changed against earlier ones.

#![allow(clippy::unwrap_used, reason = "a page or a table that lacks what a test looks for is broken")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::published::{judged_run, named, publication};
use common::xml::{Element, parse};
use common::{Sample, held, losing, losses, unnoticed};
use delivery_checks::judgement::{FindingKind, Guarantee, Verdict};
use delivery_claims::ClaimOutcome;
use delivery_history::manifest::RunStatus;
use delivery_journal::{CellEntry, CellResult, CellStatus, Matrix, MatrixEntry, Window};
use delivery_report::{
    ChangeKind, Changes, LeftOut, Outcome, Publication, PublicationError, Results, Style, annotations, read_earlier,
    read_results, step_summary, write_files,
};

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn text(publication: &Publication, name: &str) -> String {
    let out = tempfile::tempdir().unwrap();
    write_files(publication, out.path()).unwrap();
    fs::read_to_string(out.path().join(name)).unwrap()
}

/// A run that broke a promise: `safe` lost messages.
fn broken() -> Sample {
    let mut sample = named(losses(), "2026-11-25-bad0", "2026-11-25T02:00:00Z");
    sample.judgement.lanes[0] = losing("safe", 17_320, 3);
    sample
}

/// A matrix: a cell that agreed, one that surprised, one not yet run, one that is not run.
fn matrix() -> Matrix {
    let cell = |row: &str, lane: &str, not_run: Option<&str>| CellEntry {
        name: format!("{row}/kafka/{lane}/netsplit:leader+15s"),
        row: row.to_owned(),
        about: if lane == "fast" { String::from("leader cut | off") } else { String::new() },
        system: String::from("kafka"),
        version: Some(String::from("4.1.1")),
        preset: lane.to_owned(),
        settings: BTreeMap::new(),
        faults: String::from("netsplit:leader+15s"),
        timings: String::from("vendor"),
        lane: lane.to_owned(),
        repeat: 3,
        expected: BTreeMap::from([(String::from("durability"), vec![String::from("violated")])]),
        not_run: not_run.map(str::to_owned),
    };
    let result = |cell: &CellEntry, status, shown| CellResult {
        cell: cell.name.clone(),
        status,
        runs: vec![String::from("runs/2026-11-24-a1b2")],
        windows: vec![Window {
            subject: String::from("durability"),
            value: String::from("violated"),
            shown,
            of: 3,
            low: 0.292,
            high: 1.0,
        }],
        reasons: if shown == 3 { Vec::new() } else { vec![String::from("durability holds")] },
    };
    let cells = vec![
        cell("K2", "fast", None),
        cell("K3", "safe", None),
        cell("K4", "default", None),
        cell("K9", "zookeeper", Some("needs ZooKeeper")),
    ];
    let results = vec![result(&cells[0], CellStatus::Agreed, 3), result(&cells[1], CellStatus::Surprising, 0)];
    let entry = MatrixEntry {
        format: 1,
        name: String::from("truth"),
        tool_version: String::from("0.1.0"),
        started_at: String::from("2026-11-24T02:00:00Z"),
        seed: 7,
    };
    Matrix { entry: Some(entry), cells, results, ..Matrix::default() }
}

/// One of everything.
fn everything() -> Publication {
    let mut short = named(unnoticed(), "2026-11-24-0003", "2026-11-24T05:00:00Z").keep_lanes(&["safe"]);
    short.manifest.timings = String::from("short");
    short.manifest.tool_commit = String::from("0123456789ab");
    let mut other = named(held(), "2026-11-24-0004", "2026-11-24T06:00:00Z");
    (other.manifest.system, other.manifest.broker_version) = (String::from("rabbitmq"), String::from("3.10.8"));
    other.manifest.faults.clear();
    other.judgement.faults.clear();
    let mut cut = named(unnoticed(), "2026-11-24-0005", "2026-11-24T07:00:00Z").keep_lanes(&["safe"]);
    cut.manifest.broker_version = String::from("3.9.1");
    cut.manifest.status = RunStatus::CutShort { reason: String::from("node n2 died\nby itself"), took_ms: 9_000 };
    let mut publication = publication([
        named(losses(), "2026-11-23-0001", "2026-11-23T02:00:00Z"),
        losses(),
        short,
        other,
        cut,
        broken(),
    ]);
    publication.matrices.push(matrix());
    publication
        .left_out
        .push(LeftOut { directory: String::from("20261101"), reason: String::from("it has no run.json") });
    publication
}

#[test]
fn the_same_runs_give_the_same_bytes_whatever_order_they_are_found_in() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_files(&everything(), one.path()).unwrap();
    let mut shuffled = everything();
    shuffled.runs.reverse();
    shuffled.runs.push(judged_run(broken()));
    shuffled.sort();
    write_files(&shuffled, other.path()).unwrap();
    assert_eq!(files(one.path()), files(other.path()));
    write_files(&everything(), one.path()).unwrap();
    assert_eq!(files(one.path()), files(other.path()), "and again over what stands there");
    let names: Vec<String> = files(one.path()).into_keys().collect();
    assert_eq!(
        names,
        ["README.md", "columns.md", "index.html", "junit.xml", "kafka.csv", "rabbitmq.csv", "results.json"]
    );
}

#[test]
fn the_newest_run_of_each_configuration_is_the_result() {
    let results =
        publication([broken(), losses(), named(losses(), "2026-11-23-0001", "2026-11-23T02:00:00Z")]).results();
    assert_eq!((results.results.len(), results.runs), (4, 3));
    let safe = &results.results[0];
    assert_eq!(
        (safe.lane.as_str(), safe.run.id.as_str(), safe.outcome),
        ("safe", "2026-11-25-bad0", Outcome::Violated)
    );
    assert_eq!((safe.lost, safe.counted, safe.runs, safe.runs_that_lost), (Some(3), 17_320, 3, 1));
    assert_eq!(safe.statements["kafka-acks-all-durability"], ClaimOutcome::Violated);
    let fast = &results.results[2];
    assert_eq!((fast.lane.as_str(), fast.outcome, fast.runs_that_lost), ("fast", Outcome::AsAdvertised, 3));
}

#[test]
fn none_lost_is_said_only_where_it_was_shown() {
    let results = publication([unnoticed()]).results();
    assert!(results.results.iter().all(|row| row.lost.is_none() && row.outcome == Outcome::Inconclusive));
    assert!(results.results[0].meaning.starts_with("Not shown either way: "), "{}", results.results[0].meaning);
}

#[test]
fn what_no_document_warns_of_is_red() {
    let mut sample = held();
    sample.manifest.system = String::from("somebody's");
    sample.judgement.lanes[0] = losing("safe", 17_320, 3);
    let row = publication([sample]).results().results.remove(0);
    assert_eq!((row.outcome, row.statements["undocumented:durability"]), (Outcome::Violated, ClaimOutcome::Violated));
    assert!(row.meaning.contains("of which no document in the registry warns"), "{}", row.meaning);
}

#[test]
fn pages_and_tables() {
    let publication = everything();
    insta::assert_snapshot!("readme", text(&publication, "README.md"));
    insta::assert_snapshot!("results", text(&publication, "results.json"));
    insta::assert_snapshot!("junit", text(&publication, "junit.xml").replace("><", ">\n<"));
    insta::assert_snapshot!("columns", text(&publication, "columns.md"));
    insta::assert_snapshot!("rows", text(&publication, "rabbitmq.csv"));
}

#[test]
fn junit_counts_what_is_in_it() {
    let root = parse(&text(&everything(), "junit.xml")).unwrap();
    let count = |element: &Element, name: &str| element.attribute(name).unwrap().parse::<usize>().unwrap();
    for element in [vec![&root], root.named("testsuite")].concat() {
        let of = |name: &str| element.named(name).len();
        assert_eq!(count(element, "tests"), of("testcase"));
        assert_eq!(
            (count(element, "failures"), count(element, "errors"), count(element, "skipped")),
            (of("failure"), of("error"), of("skipped"))
        );
    }
    assert_eq!((count(&root, "failures"), count(&root, "errors"), count(&root, "skipped")), (1, 2, 1));
}

#[test]
fn every_run_has_its_rows_in_the_file_of_its_system() {
    let publication = everything();
    let csv = text(&publication, "kafka.csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let at = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4 + 4 + 1 + 1 + 4);
    let short = rows.iter().find(|row| row.get(at("timings")) == Some("short")).unwrap();
    for (name, value) in [
        ("run_id", "2026-11-24-0003"),
        ("tool_version", "0.1.0"),
        ("tool_commit", "0123456789ab"),
        ("client", "librdkafka 2.12.1"),
        ("started_at", "2026-11-24T05:00:00Z"),
        ("machine", "2 cores, 24 GiB, Linux 6.18"),
        ("seed", "7"),
    ] {
        assert_eq!(short.get(at(name)), Some(value), "{name}");
    }
    let described = text(&publication, "columns.md");
    let mut told = described.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert!(headers.iter().all(|header| told.next() == Some(header)), "every column is described, in its order");
}

#[test]
fn tables_of_an_earlier_publication_do_not_stay_behind() {
    let out = tempfile::tempdir().unwrap();
    write_files(&everything(), out.path()).unwrap();
    fs::write(out.path().join("notes.txt"), "mine").unwrap();
    write_files(&publication([losses()]), out.path()).unwrap();
    let names: Vec<String> = files(out.path()).into_keys().collect();
    assert_eq!(names, ["README.md", "columns.md", "index.html", "junit.xml", "kafka.csv", "notes.txt", "results.json"]);
}

#[test]
fn a_page_that_somebody_wrote_is_not_lost() {
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("README.md"), "# Mine\n").unwrap();
    let error = write_files(&publication([losses()]), out.path()).unwrap_err();
    assert!(matches!(error, PublicationError::Foreign { .. }), "{error}");
    assert_eq!(files(out.path()).len(), 1, "nothing was written");
}

#[test]
fn results_are_read_back_and_those_of_another_version_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let written = write_files(&everything(), out.path()).unwrap();
    assert_eq!(read_results(out.path()).unwrap(), written);
    let path = out.path().join("results.json");
    for (text, problem) in [("{\"schema\": 99}", "schema 99"), ("{", "EOF"), ("[]", "invalid")] {
        fs::write(&path, text).unwrap();
        let error = read_results(out.path()).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    // A list of files that leads elsewhere is not followed.
    let mut forged: serde_json::Value = serde_json::to_value(&written).unwrap();
    let elsewhere = out.path().join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    let name = elsewhere.file_name().unwrap().to_str().unwrap();
    forged["files"] = serde_json::json!([format!("../{}/{name}", out.path().file_name().unwrap().to_str().unwrap())]);
    fs::write(&path, forged.to_string()).unwrap();
    write_files(&publication([losses()]), out.path()).unwrap();
    assert!(elsewhere.exists());
}

fn between(earlier: Sample, now: Sample) -> Changes {
    Changes::between(&publication([earlier]).results(), &publication([now]).results())
}

#[test]
fn changes_are_told_by_what_they_mean() {
    let kinds = |changes: &Changes| -> Vec<ChangeKind> { changes.all.iter().map(|change| change.kind).collect() };
    assert!(between(losses(), named(losses(), "again", "2027-01-01T00:00:00Z")).is_empty(), "another run is no change");

    let worse = between(losses(), broken());
    assert!(worse.count(ChangeKind::NewlyViolated) > 0 && worse.count(ChangeKind::NewlyHeld) == 0, "{worse:?}");
    assert!(worse.all[0].what.contains("was holds, is violated"), "{:?}", worse.all[0]);
    let better = between(broken(), losses());
    assert_eq!(better.count(ChangeKind::NewlyHeld), worse.count(ChangeKind::NewlyViolated));
    assert_eq!(better.count(ChangeKind::NewlyViolated), 0);

    let mut unseen = unnoticed().keep_lanes(&["safe", "default"]);
    unseen.manifest.faults = held().manifest.faults;
    let lost_sight = between(held(), unseen.clone());
    assert!(kinds(&lost_sight).iter().all(|kind| *kind == ChangeKind::NoLongerShown) && !lost_sight.is_empty());
    let regained = between(unseen, held());
    assert!(kinds(&regained).iter().all(|kind| *kind == ChangeKind::NowShown) && !regained.is_empty());

    assert_eq!(kinds(&between(losses(), held())), [ChangeKind::Gone, ChangeKind::Gone]);
    assert_eq!(kinds(&between(held(), losses())), [ChangeKind::Added, ChangeKind::Added]);
    let mut calm = losses();
    calm.judgement.lanes[2] = common::judged("fast", 23_690);
    assert_eq!(kinds(&between(losses(), calm)), [ChangeKind::SeenOtherwise]);
    let first = Changes::between(
        &publication([held()]).results(),
        &publication([held(), {
            let mut new = broken();
            new.manifest.broker_version = String::from("4.2.0");
            new
        }])
        .results(),
    );
    assert!(first.count(ChangeKind::NewlyViolated) > 0, "a result that was not there can be violated, too");
}

#[test]
fn changes_as_they_are_told() {
    let changes = between(losses(), broken());
    insta::assert_snapshot!("changes_text", changes.to_text(Style { colour: false, unicode: true }));
    insta::assert_snapshot!("changes_markdown", changes.to_markdown());
    insta::assert_snapshot!("no_changes", Changes::default().to_text(Style::default()));
    let results = publication([broken()]).results();
    insta::assert_snapshot!("annotations", annotations(&results, Some(&changes)).join("\n"));
    insta::assert_snapshot!("step_summary", step_summary(&results, Some(&changes)));
}

#[test]
fn annotations_are_few_and_one_line_each_whatever_a_lane_is_called() {
    let mut sample = broken();
    sample.manifest.lanes[0].name = String::from("a::error::b\n::warning::c%0A,d:e");
    sample.judgement.lanes[0].lane = sample.manifest.lanes[0].name.clone();
    let results = publication([sample.clone()]).results();
    let told = annotations(&results, None);
    assert_eq!(told.len(), 1);
    let title = told[0].strip_prefix("::error title=").unwrap().split("::").next().unwrap();
    assert!(!title.contains([':', ',', '\n']) && !told[0].contains('\n') && title.contains("%250A"), "{}", told[0]);
    let many: Vec<Sample> = (0..30)
        .map(|number| {
            let mut one = sample.clone();
            one.manifest.run_id = format!("run-{number}");
            one.manifest.broker_version = format!("4.{number}");
            one
        })
        .collect();
    let told = annotations(&publication(many).results(), None);
    assert_eq!(told.len(), 10);
    assert!(told[9].ends_with("21 more in the summary and in the tables."), "{}", told[9]);
}

#[test]
fn a_summary_that_github_would_not_take_is_short() {
    let results = publication([losses()]).results();
    let mut many: Results = results.clone();
    many.results = std::iter::repeat_n(results.results[0].clone(), 5_000).collect();
    let summary = step_summary(&many, None);
    assert!(summary.len() < 1_000 && summary.contains("too long"), "{} bytes", summary.len());
    assert!(step_summary(&results, None).contains("14,450"));
}

#[test]
fn a_run_whose_history_was_thrown_away_keeps_its_rows() {
    let whole = judged_run(losses());
    let mut pruned = whole.clone();
    pruned.picture = None;
    let of = |run| {
        let publication = Publication { runs: vec![run], ..Publication::default() };
        (publication.results().results, text(&publication, "kafka.csv"))
    };
    let ((mut kept_rows, kept), (pruned_rows, left)) = (of(whole.clone()), of(pruned.clone()));
    assert_eq!(kept, left);
    assert!(pruned_rows.iter().all(|row| !row.run.judged_again) && kept_rows.iter().all(|row| row.run.judged_again));
    kept_rows.iter_mut().for_each(|row| row.run.judged_again = false);
    assert_eq!(kept_rows, pruned_rows);
    let mut both = Publication { runs: vec![pruned, whole], ..Publication::default() };
    both.sort();
    assert!(both.runs.len() == 1 && both.runs[0].picture.is_some(), "of two copies the one with its history counts");
}

#[test]
fn a_finding_of_every_kind_has_a_place_in_the_document() {
    let results = publication([broken()]).results();
    assert_eq!(results.results[0].findings[FindingKind::Lost.label()], 3);
    assert_eq!(results.results[0].guarantees[&Guarantee::Durability], Verdict::Violated);
}

/// A part of the matrix, later and under a name of its own: a cell that was not run is, one that agreed surprises, one has not come to anything yet.
fn later_matrix() -> Matrix {
    let mut later = matrix();
    let entry = later.entry.as_mut().unwrap();
    (entry.name, entry.started_at) = (String::from("truth-a"), String::from("2026-11-26T02:00:00Z"));
    later.cells[3].not_run = None;
    later.cells.remove(1);
    later.results = vec![CellResult { status: CellStatus::Surprising, ..later.results[0].clone() }, {
        CellResult { cell: later.cells[2].name.clone(), ..later.results[1].clone() }
    }];
    later.results[0].runs = vec![String::from("runs/2026-11-26-0001")];
    later
}

/// Newer runs: one of what is there already, one of a version that is not.
fn later() -> Publication {
    let mut new = named(held(), "2026-11-26-0002", "2026-11-26T03:00:00Z");
    new.manifest.broker_version = String::from("4.2.0");
    let mut later = publication([named(losses(), "2026-11-26-0001", "2026-11-26T02:00:00Z"), new]);
    later.matrices.push(later_matrix());
    later
}

fn published(publication: &Publication) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    write_files(publication, out.path()).unwrap();
    out
}

fn onto(directory: &Path, publication: Publication) -> Publication {
    Publication { onto: Some(read_earlier(directory).unwrap()), ..publication }
}

#[test]
fn runs_published_onto_earlier_tables_give_the_bytes_of_all_runs_together() {
    let (out, mut both) = (published(&everything()), everything());
    both.runs.extend(later().runs);
    both.matrices.extend(later().matrices);
    both.sort();
    let together = files(published(&both).path());
    write_files(&onto(out.path(), later()), out.path()).unwrap();
    let once = files(out.path());
    assert!(once == together, "{}", first_difference(&once, &together));
    // The same runs again, onto tables that have them: nothing counts twice.
    write_files(&onto(out.path(), later()), out.path()).unwrap();
    let again = files(out.path());
    assert!(again == together, "{}", first_difference(&again, &together));
    // And with no run at all.
    write_files(&onto(out.path(), Publication::default()), out.path()).unwrap();
    assert!(files(out.path()) == together, "tables written anew stay as they are");
}

fn first_difference(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let names = one.keys().chain(other.keys()).find(|name| one.get(*name) != other.get(*name));
    let Some(name) = names else { return String::from("none") };
    let (one, other) = (text(&one[name]), text(&other[name]));
    let line = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    format!("{name}: {line:?}")
}

#[test]
fn what_nothing_newer_is_about_stays_as_it_was_published() {
    let out = published(&everything());
    let before = read_results(out.path()).unwrap();
    let results = onto(out.path(), later()).results();
    for known in &before.results {
        let row = results.results.iter().find(|row| row.subject() == known.subject()).unwrap();
        let is_newer = row.run.id == "2026-11-26-0001";
        assert!(if is_newer { row.runs == known.runs + 1 } else { row == known }, "{} {row:?}", known.subject());
    }
    assert!(results.results.iter().any(|row| row.run.id == "2026-11-26-0002"));
    assert_eq!(results.runs, before.runs + 2);
    assert_eq!(results.left_out, before.left_out);
    insta::assert_snapshot!("cells_onto_cells", cells_told(&results));
    let changes = Changes::between(&before, &results);
    assert_eq!(changes.count(ChangeKind::Gone), 0);
    assert!(changes.count(ChangeKind::Added) > 0);
    let page = text(&onto(out.path(), later()), "index.html");
    let wanted = ["2026-11-23-0001", "2026-11-24-0004", "2026-11-26-0001", "2026-11-26-0002"];
    let places = wanted.map(|run| page.find(&format!("<article id=\"run-{run}\"")));
    assert!(places[0].is_none(), "no row rests on it any more");
    assert!(places[1..].is_sorted() && places[1..].iter().all(Option::is_some), "{places:?}");
    parse(&page).unwrap();
}

fn cells_told(results: &Results) -> String {
    let told = |cell: &delivery_report::Expectation| {
        format!("{} {:?} by {} in {}\n", cell.cell, cell.status, cell.runs.join(","), cell.started_at)
    };
    let cells: String = results.expectations.iter().map(told).collect();
    let not_run: String =
        results.not_run.iter().map(|cell| format!("{} not run: {}\n", cell.cell, cell.reason)).collect();
    format!("{cells}{not_run}")
}

#[test]
fn an_older_run_takes_no_newer_ones_place_and_one_judged_again_does() {
    let out = published(&publication([named(broken(), "2026-11-25-0001", "2026-11-25T02:00:00Z")]));
    let known = |results: &Results| results.results.iter().find(|row| row.lane == "safe").unwrap().clone();
    let older = onto(out.path(), publication([named(losses(), "2026-11-23-0001", "2026-11-23T02:00:00Z")]));
    let row = known(&older.results());
    assert_eq!(
        (row.run.id.as_str(), row.outcome, row.runs, row.runs_that_lost),
        ("2026-11-25-0001", Outcome::Violated, 2, 1)
    );
    // Judged again it comes to something else: so do the counts, and its row in the file.
    let again = onto(out.path(), publication([named(losses(), "2026-11-25-0001", "2026-11-25T02:00:00Z")]));
    let row = known(&again.results());
    assert_eq!((row.outcome, row.runs, row.runs_that_lost), (Outcome::Holds, 1, 0));
    assert_eq!(again.results().runs, 1);
    let csv = text(&again, "kafka.csv");
    assert_eq!(csv.lines().count(), 1 + 4, "{csv}");
    // Under another version it is about something else, and what it was about before is nothing that was run.
    let mut elsewhere = named(losses(), "2026-11-25-0001", "2026-11-25T02:00:00Z");
    elsewhere.manifest.broker_version = String::from("4.2.0");
    let results = onto(out.path(), publication([elsewhere])).results();
    assert!(results.results.iter().all(|row| row.version == "4.2.0"));
}

#[test]
fn earlier_tables_that_lack_a_part_are_refused() {
    let refused = |out: &Path| read_earlier(out).unwrap_err().to_string().replace(&*out.to_string_lossy(), "OUT");
    let out = published(&everything());
    let csv = fs::read_to_string(out.path().join("kafka.csv")).unwrap();
    // A column that is not there yet is no harm.
    let mut writer = csv::Writer::from_path(out.path().join("kafka.csv")).unwrap();
    for record in csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes()).records().map(Result::unwrap)
    {
        writer.write_record(record.iter().take(record.len() - 1)).unwrap();
    }
    writer.flush().unwrap();
    drop(writer);
    assert!(read_earlier(out.path()).is_ok());
    let mut told = Vec::new();
    fs::write(out.path().join("kafka.csv"), csv.replacen("run_id", "run", 1)).unwrap();
    told.push(refused(out.path()));
    fs::write(out.path().join("kafka.csv"), csv.replacen("started_at,", "", 1)).unwrap();
    told.push(refused(out.path()));
    fs::write(out.path().join("kafka.csv"), csv + "1,2\n").unwrap();
    told.push(refused(out.path()));
    fs::remove_file(out.path().join("kafka.csv")).unwrap();
    told.push(refused(out.path()));
    insta::assert_snapshot!("earlier_tables_refused", told.join("\n"));
}
