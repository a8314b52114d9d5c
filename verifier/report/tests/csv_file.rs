//! The CSV file that many runs share.

mod common;

use std::fs;

use delivery_report::{Csv, ReportError, append_csv};

fn records(path: &std::path::Path) -> Vec<csv::StringRecord> {
    csv::Reader::from_path(path).expect("the file is there").records().map(|row| row.expect("rows are whole")).collect()
}

fn append(path: &std::path::Path, sample: &common::Sample) -> Result<(), ReportError> {
    sample.with_report(|report| append_csv(path, report))
}

#[test]
fn runs_append_one_row_a_lane_under_one_header() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.csv");
    append(&path, &common::losses()).unwrap();
    append(&path, &common::held()).unwrap();
    let rows = records(&path);
    assert_eq!(rows.len(), 4 + 2);
    let headers = csv::Reader::from_path(&path).unwrap().headers().unwrap().clone();
    let at = |name: &str| headers.iter().position(|header| header == name).unwrap_or_else(|| panic!("no `{name}`"));
    let cell = |row: usize, name: &str| rows[row].get(at(name)).unwrap();
    assert_eq!((cell(2, "lane"), cell(2, "lost"), cell(2, "durability")), ("fast", "14450", "violated"));
    assert_eq!((cell(3, "acked"), cell(3, "sent_unacknowledged"), cell(3, "acknowledged")), ("0", "24080", "false"));
    assert_eq!((cell(0, "run_verdict"), cell(2, "standing"), cell(0, "standing")), ("holds", "documented", "held"));
    assert_eq!((cell(0, "send_before_p50_ms"), cell(0, "send_after_p50_ms")), ("2.5", ""));
    assert_eq!(cell(0, "faults"), "netsplit:leader@4000ms+15000ms");
    assert_eq!((cell(0, "bound"), cell(2, "bound")), ("0.95", ""));
}

#[test]
fn header_has_no_column_twice() {
    let text = common::losses().export(&Csv);
    let mut names: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn empty_file_gets_a_header() {
    let file = tempfile::NamedTempFile::new().unwrap();
    append(file.path(), &common::held()).unwrap();
    assert!(fs::read_to_string(file.path()).unwrap().starts_with("run_id,"));
}

#[test]
fn file_with_other_columns_is_refused_by_name_and_left_alone() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (before, what) in [
        ("name,age\nx,3\n", "column 1 is `name`, not `run_id`"),
        ("run_id,started_at\n", "column 3 is nothing, not `tool_version`"),
    ] {
        fs::write(file.path(), before).unwrap();
        let error = append(file.path(), &common::held()).unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()) && error.contains(what), "{error}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), before);
    }
}

#[test]
fn file_whose_last_line_has_no_end_is_continued_on_a_new_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    append(file.path(), &common::held()).unwrap();
    let text = fs::read_to_string(file.path()).unwrap();
    fs::write(file.path(), text.trim_end()).unwrap();
    append(file.path(), &common::held()).unwrap();
    assert_eq!(records(file.path()).len(), 4);
}

#[test]
fn awkward_names_come_back_as_they_were() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut sample = common::held();
    let settings = "a,\"b\"\r\nc = d";
    sample.manifest.lanes[0].settings = settings.to_owned();
    append(file.path(), &sample).unwrap();
    append(file.path(), &sample).unwrap();
    assert!(records(file.path()).iter().step_by(2).all(|row| row.iter().any(|cell| cell == settings)));
}

#[test]
fn directory_that_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing").join("runs.csv");
    let error = append(&path, &common::held()).unwrap_err();
    assert!(matches!(&error, ReportError::CsvFile { .. }) && error.to_string().contains("missing"));
}
