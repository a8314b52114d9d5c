//! Matrices run on the embedded PubSub, in memory, with trouble made where a test wants some.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use delivery_broker::System;
use delivery_checks::judgement::{SATURATED, Verdict};
use delivery_checks::{Options as JudgeOptions, judge_with};
use delivery_claims::judge_claims;
use delivery_journal::{
    Cause, CellEntry, CellResult, CellStatus, Comparison, JOURNAL_FORMAT, Journal, Matrix, MatrixEntry, Record,
};
use delivery_matrix::{
    Ahead, Bench, Carries, Cells, Engine, Job, Keep, MatrixFile, Options, Outcome, Ran, Watcher, cells,
};
use delivery_report::{Document, Report, document};
use delivery_runner::{Interrupts, plan, simulate};

static PUBSUB: delivery_pubsub::PubSub = delivery_pubsub::PubSub::new();

const HEAD: &str = "[defaults]\nrate = 50\nduration = \"10s\"\n";

fn row(id: &str, preset: &str, expect: &str) -> String {
    format!(
        "[[cell]]\nid = \"{id}\"\nsystem = \"pubsub\"\npreset = {preset}\nset = {{ \"cluster.nodes\" = 3 }}\nfaults = \"netsplit@2s+5s\"\nexpect = {{ {expect} }}\n"
    )
}

fn cells_of(rows: &str) -> Cells {
    let systems: &[&'static dyn System] = &[&PUBSUB];
    cells(&MatrixFile::parse("m.toml", &format!("{HEAD}{rows}")).unwrap(), systems, None).unwrap()
}

/// Makes something else of what a run came to.
type Spoil = fn(&mut Ran);

/// Runs in memory, and writes down what it was asked for.
#[derive(Default)]
struct Memory {
    /// Lanes of each run, in order.
    asked: Vec<Vec<String>>,
    judged: BTreeMap<Vec<String>, Document>,
    /// What is made of the n-th run, from 0.
    spoil: BTreeMap<usize, Spoil>,
    /// Where runs leave directories, if anywhere.
    directory: Option<std::path::PathBuf>,
}

impl Memory {
    fn spoiling(spoil: &[(usize, Spoil)]) -> Self {
        Self { spoil: spoil.iter().copied().collect(), ..Self::default() }
    }

    /// The same lanes are simulated once: one seed is one history.
    fn document(&mut self, job: &Job<'_>, lanes: &[String]) -> Document {
        if let Some(known) = self.judged.get(lanes) {
            return known.clone();
        }
        let mut request = job.request.clone();
        request.seed = 3;
        let planned = plan(job.cells[0].system, &request).unwrap();
        let ran = simulate(&planned, PUBSUB.simulated().unwrap(), &Interrupts::default()).unwrap();
        let judgement = judge_with(&ran.view(), &JudgeOptions { threads: 1, ..JudgeOptions::default() });
        let verdict = judge_claims(&ran.manifest, &judgement);
        let made = document(&Report { manifest: &ran.manifest, judgement: &judgement, verdict: &verdict });
        self.judged.insert(lanes.to_vec(), made.clone());
        made
    }
}

impl Bench for Memory {
    fn run(&mut self, job: &Job<'_>, _ahead: &Ahead) -> Ran {
        let lanes: Vec<String> = job.cells.iter().map(|cell| cell.entry.lane.clone()).collect();
        let document = self.document(job, &lanes);
        let number = self.asked.len();
        self.asked.push(lanes);
        let run = format!("runs/{number}");
        if let Some(directory) = &self.directory {
            let history = directory.join(&run).join("history");
            std::fs::create_dir_all(&history).unwrap();
            std::fs::write(directory.join(&run).join("run.json"), "{}").unwrap();
        }
        let mut ran = Ran { run: Some(run), document: Some(document), trouble: None, stopped: false };
        if let Some(spoil) = self.spoil.get(&number) {
            spoil(&mut ran);
        }
        ran
    }
}

#[derive(Default)]
struct Told(Vec<(String, CellStatus)>);

impl Watcher for Told {
    fn settled(&mut self, cell: &CellEntry, result: &CellResult, _took: Duration) {
        self.0.push((cell.row.clone(), result.status));
    }
}

fn options(directory: &Path) -> Options {
    Options {
        retries: 1,
        seed: 1,
        carries: Carries { cores: 2, lanes: None },
        budget: None,
        keep: Keep::All,
        directory: directory.to_owned(),
    }
}

fn begun(directory: &Path, cells: &Cells) -> Journal {
    let mut journal = Journal::create(directory).unwrap();
    let entry = MatrixEntry {
        format: JOURNAL_FORMAT,
        name: String::from("m"),
        tool_version: String::new(),
        started_at: String::new(),
        seed: 1,
    };
    journal.append(&Record::Matrix(entry)).unwrap();
    for cell in &cells.run {
        journal.append(&Record::Cell(cell.entry.clone())).unwrap();
    }
    journal
}

fn ran(cells: &Cells, options: &Options, bench: &mut Memory) -> (Outcome, Matrix) {
    let mut journal = begun(&options.directory, cells);
    let outcome =
        Engine::new(cells, options, &mut journal, Matrix::default()).run(bench, &mut Told::default()).unwrap();
    (outcome, Matrix::read(&options.directory).unwrap())
}

fn statuses(matrix: &Matrix) -> Vec<(&str, CellStatus)> {
    matrix.results.iter().map(|result| (matrix.cell(&result.cell).unwrap().row.as_str(), result.status)).collect()
}

#[test]
fn cells_that_share_a_schedule_are_lanes_of_one_run_and_a_surprise_is_run_again_alone() {
    let rows = [
        row("keeps", "\"exactly-once\"", "durability = \"holds\""),
        row("loses", "\"at-most-once\"", "durability = \"violated\""),
        row("wrong", "\"at-least-once\"", "durability = \"violated\""),
    ];
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Memory::default();
    let (_, matrix) = ran(&cells_of(&rows.concat()), &options(directory.path()), &mut bench);
    let all = ["exactly-once", "at-most-once", "at-least-once"].map(|lane| format!("{lane}+nodes=3"));
    assert_eq!(bench.asked, [all.to_vec(), vec![all[2].clone()]]);
    assert_eq!(
        statuses(&matrix),
        [("keeps", CellStatus::Agreed), ("loses", CellStatus::Agreed), ("wrong", CellStatus::Surprising)]
    );
    let last = matrix.attempts.last().unwrap();
    assert_eq!((last.cause, last.alone, last.attempt, last.repetition), (Cause::Surprise, true, 2, 1));
    assert_eq!(last.comparison, Comparison::Surprising);
    assert_eq!(last.reasons, ["durability: expected violated, saw holds"]);
    let result = matrix.result(&last.cell).unwrap();
    assert_eq!((result.windows[0].shown, result.windows[0].of), (0, 2));
    assert!(matrix.ended);
}

fn saturate(ran: &mut Ran) {
    for lane in &mut ran.document.as_mut().unwrap().lanes {
        lane.doubts.push(format!("{SATURATED} before the fault: 3 sends"));
        lane.guarantees.iter_mut().for_each(|judged| judged.verdict = Verdict::Inconclusive);
    }
}

#[test]
fn cells_beside_which_a_machine_is_saturated_are_run_again_alone() {
    let rows = row("keeps", "[\"exactly-once\", \"at-least-once\"]", "durability = \"holds\"");
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Memory::spoiling(&[(0, saturate)]);
    let (_, matrix) = ran(&cells_of(&rows), &options(directory.path()), &mut bench);
    assert_eq!(bench.asked.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1]);
    assert!(matrix.results.iter().all(|result| result.status == CellStatus::Agreed));
    let causes: Vec<Cause> = matrix.attempts.iter().map(|attempt| attempt.cause).collect();
    assert_eq!(causes, [Cause::Due, Cause::Due, Cause::Saturated, Cause::Saturated]);
}

fn fail(ran: &mut Ran) {
    (ran.document, ran.trouble) = (None, Some(String::from("the cluster did not come up")));
}

#[test]
fn a_run_that_fails_is_tried_again_and_is_that_cells_trouble_only() {
    let rows = [
        row("first", "\"exactly-once\"", "durability = \"holds\""),
        row("second", "\"at-most-once\"", "durability = \"violated\"").replace("@2s", "@3s"),
    ];
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Memory::spoiling(&[(0, fail), (1, fail)]);
    let (_, matrix) = ran(&cells_of(&rows.concat()), &options(directory.path()), &mut bench);
    assert_eq!(statuses(&matrix), [("first", CellStatus::Inconclusive), ("second", CellStatus::Agreed)]);
    assert_eq!(matrix.results[0].reasons, ["the cluster did not come up"]);
    assert_eq!(matrix.attempts.iter().filter(|attempt| attempt.observed.is_none()).count(), 2, "both are recorded");
}

fn stop(ran: &mut Ran) {
    ran.stopped = true;
}

#[test]
fn a_matrix_that_was_stopped_goes_on_where_it_was() {
    let rows = row("many", "[\"exactly-once\", \"at-least-once\"]", "durability = \"holds\"")
        .replace("expect", "alone = true\nrepeat = 3\nexpect");
    let cells = cells_of(&rows);
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let mut first = Memory::spoiling(&[(4, stop)]);
    let (outcome, matrix) = ran(&cells, &options, &mut first);
    assert!(outcome.stopped && !matrix.ended);
    assert_eq!((matrix.attempts.len(), matrix.results.len()), (4, 1), "what was stopped is not recorded");

    let mut second = Memory::default();
    let mut told = Told::default();
    let mut journal = Journal::reopen(directory.path()).unwrap();
    let outcome = Engine::new(&cells, &options, &mut journal, matrix).run(&mut second, &mut told).unwrap();
    assert_eq!(second.asked.len(), 2);
    assert_eq!(told.0, [(String::from("many"), CellStatus::Agreed)], "the other one was told before");
    assert!(!outcome.stopped && outcome.results.iter().all(|(_, result)| result.is_some()));
    let matrix = Matrix::read(directory.path()).unwrap();
    assert_eq!(matrix.attempts.len(), 6);
    assert!(matrix.ended && matrix.results.iter().all(|result| result.windows[0].of == 3));
}

#[test]
fn what_the_time_does_not_suffice_for_is_not_run_and_says_so() {
    let cells = cells_of(&row("late", "\"exactly-once\"", "durability = \"holds\""));
    let directory = tempfile::tempdir().unwrap();
    let options = Options { budget: Some(Duration::ZERO), ..options(directory.path()) };
    let mut bench = Memory::default();
    let (_, matrix) = ran(&cells, &options, &mut bench);
    assert!(bench.asked.is_empty());
    assert_eq!(statuses(&matrix), [("late", CellStatus::NotRun)]);
    assert!(matrix.results[0].reasons[0].contains("the time of the matrix was up"));
}

#[test]
fn rows_that_are_listed_have_their_reason_in_the_journal() {
    let cells = cells_of("[[cell]]\nid = \"N1\"\nsystem = \"nats\"\nnot-run = \"there is no adapter\"\n");
    let directory = tempfile::tempdir().unwrap();
    let (outcome, matrix) = ran(&cells, &options(directory.path()), &mut Memory::default());
    let result = outcome.results[0].1.as_ref().unwrap();
    assert_eq!((result.status, &result.reasons[..]), (CellStatus::NotRun, &[String::from("there is no adapter")][..]));
    assert!(matrix.ended);
}

#[test]
fn runs_that_came_out_as_expected_are_cut_down_where_only_failing_ones_are_kept() {
    let rows = [
        row("agrees", "\"exactly-once\"", "durability = \"holds\""),
        row("fails", "\"at-least-once\"", "durability = \"violated\"").replace("@2s", "@3s"),
    ];
    let directory = tempfile::tempdir().unwrap();
    let options = Options { keep: Keep::Failing, ..options(directory.path()) };
    let mut bench = Memory { directory: Some(directory.path().to_owned()), ..Memory::default() };
    let (_, matrix) = ran(&cells_of(&rows.concat()), &options, &mut bench);
    let kept = |run: &str| directory.path().join(run).join("history").exists();
    assert_eq!(["runs/0", "runs/1", "runs/2"].map(kept), [false, true, true]);
    assert!(directory.path().join("runs/0/run.json").exists());
    assert_eq!(matrix.pruned.iter().collect::<Vec<_>>(), ["runs/0"]);
}
