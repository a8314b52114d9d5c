//! Journals as a matrix leaves them, whole and torn.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use delivery_checks::judgement::{Guarantee, Verdict};
use delivery_claims::{Overall, Standing};
use delivery_journal::{
    Attempt, Cause, CellEntry, CellResult, CellStatus, Comparison, JOURNAL_FILE, JOURNAL_FORMAT, Journal, JournalError,
    Matrix, MatrixEntry, Observed, Record, Window,
};

fn entry() -> Record {
    Record::Matrix(MatrixEntry {
        format: JOURNAL_FORMAT,
        name: String::from("truth"),
        tool_version: String::from("0.1.0"),
        started_at: String::from("2026-11-25T09:00:00Z"),
        seed: 7,
    })
}

fn cell(name: &str) -> Record {
    Record::Cell(CellEntry {
        name: name.to_owned(),
        row: String::from("K2"),
        about: String::from("leader cut off"),
        system: String::from("kafka"),
        version: Some(String::from("4.1.1")),
        preset: String::from("fast"),
        settings: BTreeMap::from([(String::from("producer.acks"), String::from("1"))]),
        faults: String::from("netsplit:leader+15s"),
        timings: String::from("vendor"),
        lane: String::from("fast"),
        repeat: 3,
        expected: BTreeMap::from([(String::from("durability"), vec![String::from("violated")])]),
        not_run: None,
    })
}

fn attempt(cell: &str, repetition: u32) -> Record {
    Record::Attempt(Attempt {
        cell: cell.to_owned(),
        repetition,
        attempt: 1,
        cause: Cause::Due,
        run: Some(String::from("runs/kafka-1")),
        alone: false,
        saturated: false,
        observed: Some(Observed {
            verdict: Overall::NotJudged,
            standing: Standing::Documented,
            label: String::from("neither"),
            guarantees: BTreeMap::from([(Guarantee::Durability, Verdict::Violated)]),
            findings: BTreeMap::from([(String::from("lost"), 16_353)]),
            sent: 28_000,
            acked: 27_996,
        }),
        comparison: Comparison::Agreed,
        reasons: Vec::new(),
        took_ms: 41_000,
        at: String::from("2026-11-25T09:00:41Z"),
    })
}

fn result(cell: &str, status: CellStatus) -> Record {
    Record::Result(CellResult {
        cell: cell.to_owned(),
        status,
        runs: vec![String::from("runs/kafka-1")],
        windows: vec![Window {
            subject: String::from("durability"),
            value: String::from("violated"),
            shown: 3,
            of: 3,
            low: 0.292,
            high: 1.0,
        }],
        reasons: Vec::new(),
    })
}

fn written(directory: &Path, records: &[Record]) {
    let mut journal = Journal::create(directory).expect("the directory is empty");
    for record in records {
        journal.append(record).expect("there is room");
    }
}

#[test]
fn what_was_written_is_read_back_and_the_last_result_counts() {
    let directory = tempfile::tempdir().unwrap();
    let records = [
        entry(),
        cell("a"),
        cell("b"),
        attempt("a", 1),
        result("a", CellStatus::Inconclusive),
        entry(),
        cell("a"),
        attempt("a", 2),
        result("a", CellStatus::Agreed),
        Record::Pruned { runs: vec![String::from("runs/kafka-1")] },
        Record::Ended { at: String::from("2026-11-25T10:00:00Z") },
    ];
    written(directory.path(), &records);
    let matrix = Matrix::read(directory.path()).unwrap();
    assert_eq!(matrix.cells.iter().map(|cell| cell.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(matrix.attempts_of("a").map(|attempt| attempt.repetition).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(matrix.result("a").map(|result| result.status), Some(CellStatus::Agreed));
    assert_eq!(matrix.result("b"), None);
    assert!(matrix.ended && matrix.pruned.contains("runs/kafka-1"));
    assert_eq!(matrix, Matrix::of(records.to_vec()));
}

#[test]
fn a_line_a_killed_matrix_left_is_passed_over_and_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), &[entry(), cell("a")]);
    let path = directory.path().join(JOURNAL_FILE);
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"record\":\"att").unwrap();
    assert_eq!(Matrix::read(directory.path()).unwrap().cells.len(), 1);
    Journal::reopen(directory.path()).unwrap().append(&attempt("a", 1)).unwrap();
    let matrix = Matrix::read(directory.path()).unwrap();
    assert_eq!((matrix.cells.len(), matrix.attempts.len()), (1, 1));
}

#[test]
fn two_do_not_write_one_journal() {
    let directory = tempfile::tempdir().unwrap();
    let first = Journal::create(directory.path()).unwrap();
    assert!(matches!(Journal::reopen(directory.path()), Err(JournalError::Busy { .. })));
    drop(first);
    Journal::reopen(directory.path()).unwrap().append(&entry()).unwrap();
}

#[test]
fn what_is_no_journal_is_refused_with_the_place() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Matrix::read(directory.path()), Err(JournalError::Io { operation: "read", .. })));
    written(directory.path(), &[entry()]);
    assert!(matches!(Journal::create(directory.path()), Err(JournalError::Exists { .. })));
    let path = directory.path().join(JOURNAL_FILE);
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}{{}}\n")).unwrap();
    let error = Matrix::read(directory.path()).unwrap_err().to_string();
    assert!(error.contains("matrix.jsonl:2: "), "{error}");
    std::fs::write(&path, whole.replace("\"format\":1", "\"format\":2")).unwrap();
    let error = Matrix::read(directory.path()).unwrap_err().to_string();
    assert!(error.contains("matrix.jsonl:1: the journal has format 2, this program reads 1"), "{error}");
}

/// A kill or a crash may end the file at any byte: what had been synced as whole lines before is still there.
#[test]
fn a_journal_that_ends_anywhere_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let records = [entry(), cell("a"), attempt("a", 1), result("a", CellStatus::Agreed)];
    written(directory.path(), &records);
    let path = directory.path().join(JOURNAL_FILE);
    let text = std::fs::read(&path).unwrap();
    for end in 0..=text.len() {
        std::fs::write(&path, &text[..end]).unwrap();
        let lines = text[..end].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(Matrix::read(directory.path()).unwrap(), Matrix::of(records[..lines].to_vec()), "{end}");
    }
}
