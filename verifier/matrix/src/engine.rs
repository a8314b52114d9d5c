//! Runs the cells of a matrix, group by group, and writes down what comes of each at once.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use delivery_checks::judgement::SATURATED;
use delivery_journal::{
    Attempt, Cause, CellEntry, CellResult, CellStatus, Comparison, Journal, JournalError, Matrix, Record,
};
use delivery_report::{Document, LaneEntry};
use delivery_runner::RunRequest;

use crate::cell::{Cell, Cells};
use crate::expectation::{Subject, compare};
use crate::group::{Carries, group};
use crate::observe::observed;
use crate::prune::{Keep, cut_down};
use crate::settle::{Next, next, settle};

/// One run to be made.
pub struct Job<'a> {
    /// The cells that are its lanes.
    pub cells: Vec<&'a Cell>,
    /// The run.
    pub request: RunRequest,
    /// How many runs were made before it, and one.
    pub number: usize,
    /// A run that takes longer is stopped.
    pub limit: Duration,
    /// Its length as expected; nothing of a simulated one.
    pub expected: Option<Duration>,
    /// It needs a cluster nobody had before: it is to show whether something was the cluster's doing.
    pub fresh: bool,
}

impl<'a> Job<'a> {
    /// The run in which each of these cells is a lane. `number` tells it apart from the runs before it on its cluster.
    pub fn of(cells: Vec<&'a Cell>, out: PathBuf, seed: u64, number: usize, fresh: bool) -> Self {
        let mut request = cells[0].request.clone();
        request.lanes = cells.iter().flat_map(|cell| cell.request.lanes.clone()).collect();
        (request.out, request.seed) = (out, seed);
        request.name_suffix = format!("-{number}");
        let limit_ms = cells.iter().map(|cell| cell.limit_ms).max().unwrap_or_default();
        let expected = length(cells[0]);
        Self { cells, request, limit: Duration::from_millis(limit_ms), expected, fresh, number }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// Its directory, relative to the matrix's own, where it got that far.
    pub run: Option<String>,
    /// What it was found to show; nothing where there was nothing to judge.
    pub document: Option<Document>,
    /// Why there is nothing to judge, or what else kept the run from going as it should.
    pub trouble: Option<String>,
    /// Somebody asked to stop: the matrix ends here, and can be resumed.
    pub stopped: bool,
}

/// Makes runs.
pub trait Bench {
    /// Makes one run, and judges it. Whatever goes wrong is in what it returns: it is this run's trouble only.
    fn run(&mut self, job: &Job<'_>, ahead: &Ahead) -> Ran;
}

/// Is told how things go.
pub trait Watcher {
    /// A cell has come to its result; `took` is the length of all of its runs.
    fn settled(&mut self, cell: &CellEntry, result: &CellResult, took: Duration);
}

/// How much lies behind and ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Cells that have their results.
    pub settled: usize,
    /// Cells there are.
    pub cells: usize,
    /// What is left after this run, as expected from what runs have taken so far; nothing where all are simulated.
    pub left: Option<Duration>,
}

/// How a matrix is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Runs that are made again where a cell is inconclusive.
    pub retries: u32,
    /// Number that every seed is drawn from.
    pub seed: u64,
    /// What the machine carries.
    pub carries: Carries,
    /// No run is started after this time.
    pub budget: Option<Duration>,
    /// Which runs keep their histories.
    pub keep: Keep,
    /// The matrix's directory.
    pub directory: PathBuf,
}

/// A matrix that cannot go on: its journal takes no more.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What a matrix came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Every cell with its result, in the order of the file; those without one were not reached.
    pub results: Vec<(CellEntry, Option<CellResult>)>,
    /// Somebody asked to stop.
    pub stopped: bool,
}

/// Runs a matrix.
pub struct Engine<'a> {
    cells: &'a Cells,
    options: &'a Options,
    journal: &'a mut Journal,
    /// Records that the disk did not take yet, in order.
    unwritten: Vec<Record>,
    matrix: Matrix,
    began: Instant,
    /// Expected and real length of the runs so far.
    pace: (Duration, Duration),
}

impl<'a> Engine<'a> {
    /// Goes on from what stands in the journal: `matrix`.
    pub fn new(cells: &'a Cells, options: &'a Options, journal: &'a mut Journal, matrix: Matrix) -> Self {
        let pace = (Duration::ZERO, Duration::ZERO);
        Self { cells, options, journal, unwritten: Vec::new(), matrix, began: Instant::now(), pace }
    }

    /// Runs every cell that has no result yet.
    ///
    /// # Errors
    /// When the journal cannot be written at the end. While it cannot, what is to be written is kept and tried again with
    /// the next record.
    pub fn run(mut self, bench: &mut dyn Bench, watcher: &mut dyn Watcher) -> Result<Outcome, EngineError> {
        for entry in &self.cells.listed {
            if self.matrix.result(&entry.name).is_none() {
                let reasons = entry.not_run.iter().cloned().collect();
                self.publish(entry, not_run(entry, reasons), watcher);
            }
        }
        let mut stopped = false;
        let groups = group(&self.cells.run, self.options.carries);
        for (index, group) in groups.iter().enumerate() {
            let rest: Duration = groups[index + 1..].iter().map(|group| self.expected(group)).sum();
            if self.run_group(group, rest, bench, watcher) {
                stopped = true;
                break;
            }
        }
        let results: Vec<(CellEntry, Option<CellResult>)> =
            self.entries().map(|entry| (entry.clone(), self.matrix.result(&entry.name).cloned())).collect();
        if !stopped {
            self.append(Record::Ended { at: jiff::Timestamp::now().to_string() });
        }
        self.write_out()?;
        Ok(Outcome { results, stopped })
    }

    fn entries(&self) -> impl Iterator<Item = &'a CellEntry> + use<'a> {
        let cells = self.cells;
        cells.run.iter().map(|cell| &cell.entry).chain(&cells.listed)
    }

    /// What is left of a group, as expected.
    fn expected(&self, group: &[usize]) -> Duration {
        let cells = group.iter().map(|index| &self.cells.run[*index]);
        let open = cells.filter(|cell| self.matrix.result(&cell.entry.name).is_none());
        let of = |cell: &Cell| length(cell).unwrap_or_default() * cell.entry.repeat;
        open.map(of).max().unwrap_or_default()
    }

    /// Runs a group until each of its cells has its result; says whether somebody asked to stop.
    fn run_group(&mut self, group: &[usize], rest: Duration, bench: &mut dyn Bench, watcher: &mut dyn Watcher) -> bool {
        let cells: Vec<&'a Cell> = group.iter().map(|index| &self.cells.run[*index]).collect();
        let open = |matrix: &Matrix, cell: &Cell| matrix.result(&cell.entry.name).is_none();
        let repetitions = cells.iter().map(|cell| cell.entry.repeat).max().unwrap_or(0);
        for repetition in 1..=repetitions {
            while let Some((lanes, cause)) = self.due(&cells, repetition) {
                if self.is_over_budget(&lanes) {
                    break;
                }
                if self.make(&lanes, repetition, cause, rest, bench) {
                    return true;
                }
            }
        }
        for cell in cells {
            if open(&self.matrix, cell) {
                let result = self.result(cell);
                self.publish(&cell.entry, result, watcher);
            }
        }
        self.prune(group);
        false
    }

    /// The next run of a repetition: everything that is due together, then one after the other what is to be run alone.
    fn due(&self, cells: &[&'a Cell], repetition: u32) -> Option<(Vec<&'a Cell>, Cause)> {
        let cells = cells
            .iter()
            .copied()
            .filter(|cell| repetition <= cell.entry.repeat && self.matrix.result(&cell.entry.name).is_none());
        let mut together = Vec::new();
        let mut alone = None;
        for cell in cells {
            let attempts: Vec<&Attempt> =
                self.matrix.attempts_of(&cell.entry.name).filter(|attempt| attempt.repetition == repetition).collect();
            match next(&attempts, self.options.retries) {
                Next::Again(Cause::Due) => together.push(cell),
                Next::Again(cause) => alone = alone.or(Some((vec![cell], cause))),
                Next::Done => {}
            }
        }
        if together.is_empty() { alone } else { Some((together, Cause::Due)) }
    }

    fn is_over_budget(&self, lanes: &[&Cell]) -> bool {
        let needed = lanes.first().and_then(|cell| length(cell)).unwrap_or_default();
        self.options.budget.is_some_and(|budget| self.began.elapsed() + needed > budget)
    }

    /// Makes one run and writes down what it showed of each cell; says whether somebody asked to stop.
    fn make(
        &mut self,
        lanes: &[&'a Cell],
        repetition: u32,
        cause: Cause,
        rest: Duration,
        bench: &mut dyn Bench,
    ) -> bool {
        let job = self.job(lanes, repetition, cause);
        let ahead = self.ahead(rest);
        let began = Instant::now();
        let ran = bench.run(&job, &ahead);
        let took = began.elapsed();
        if ran.stopped {
            return true;
        }
        if let Some(expected) = job.expected {
            self.pace = (self.pace.0 + expected, self.pace.1 + took);
        }
        for cell in lanes {
            let mut attempt = attempt(cell, &ran, took);
            let earlier = self.matrix.attempts_of(&cell.entry.name).filter(|known| known.repetition == repetition);
            attempt.attempt = earlier.count() as u32 + 1;
            (attempt.repetition, attempt.cause, attempt.alone) = (repetition, cause, lanes.len() == 1);
            self.matrix.attempts.push(attempt.clone());
            self.append(Record::Attempt(attempt));
        }
        false
    }

    fn job(&self, lanes: &[&'a Cell], repetition: u32, cause: Cause) -> Job<'a> {
        let seed = seed(self.options.seed, &lanes[0].entry.name, repetition, cause);
        let number = self.matrix.attempts.len() + 1;
        Job::of(lanes.to_vec(), self.options.directory.join("runs"), seed, number, cause != Cause::Due)
    }

    fn ahead(&self, rest: Duration) -> Ahead {
        let (expected, real) = self.pace;
        // Before the first run has ended, what is expected is all there is.
        let pace = if expected.is_zero() { 1.0 } else { real.as_secs_f64() / expected.as_secs_f64() };
        let any_real = self.cells.run.iter().any(|cell| cell.expected_ms.is_some());
        Ahead {
            settled: self.matrix.results.len(),
            cells: self.entries().count(),
            left: any_real.then(|| rest.mul_f64(pace)),
        }
    }

    fn result(&self, cell: &Cell) -> CellResult {
        let attempts: Vec<&Attempt> = self.matrix.attempts_of(&cell.entry.name).collect();
        if attempts.is_empty() {
            return not_run(&cell.entry, vec![String::from("the time of the matrix was up: give it a greater budget")]);
        }
        settle(&cell.entry.name, &cell.expected, &attempts)
    }

    fn publish(&mut self, entry: &CellEntry, result: CellResult, watcher: &mut dyn Watcher) {
        let took_ms = self.matrix.attempts_of(&entry.name).map(|attempt| attempt.took_ms).sum();
        watcher.settled(entry, &result, Duration::from_millis(took_ms));
        self.matrix.results.push(result.clone());
        self.append(Record::Result(result));
    }

    /// Cuts down the runs of a group that are not worth keeping whole.
    fn prune(&mut self, group: &[usize]) {
        if self.options.keep == Keep::All {
            return;
        }
        let names: Vec<&str> = group.iter().map(|index| self.cells.run[*index].entry.name.as_str()).collect();
        let of_group = |attempt: &&Attempt| names.contains(&attempt.cell.as_str());
        let attempts: Vec<&Attempt> = self.matrix.attempts.iter().filter(of_group).collect();
        let failing: Vec<&String> =
            attempts.iter().filter(|attempt| is_failing(attempt)).filter_map(|attempt| attempt.run.as_ref()).collect();
        let mut runs: Vec<String> = attempts.iter().filter_map(|attempt| attempt.run.clone()).collect();
        runs.sort_unstable();
        runs.dedup();
        runs.retain(|run| !failing.contains(&run) && !self.matrix.pruned.contains(run));
        // A directory that stays costs space, not truth.
        runs.retain(|run| cut_down(&self.options.directory.join(run)).is_ok());
        if !runs.is_empty() {
            self.matrix.pruned.extend(runs.iter().cloned());
            self.append(Record::Pruned { runs });
        }
    }

    /// Writes a record; what the disk does not take is kept, and tried again before the next one.
    fn append(&mut self, record: Record) {
        self.unwritten.push(record);
        let _ = self.write_out();
    }

    fn write_out(&mut self) -> Result<(), JournalError> {
        while let Some(record) = self.unwritten.first() {
            self.journal.append(record)?;
            self.unwritten.remove(0);
        }
        Ok(())
    }
}

fn length(cell: &Cell) -> Option<Duration> {
    cell.expected_ms.map(Duration::from_millis)
}

fn not_run(entry: &CellEntry, reasons: Vec<String>) -> CellResult {
    CellResult { cell: entry.name.clone(), status: CellStatus::NotRun, runs: Vec::new(), windows: Vec::new(), reasons }
}

/// Worth looking at: not what was expected, or, with nothing expected, a promise that is broken or not shown.
fn is_failing(attempt: &Attempt) -> bool {
    use delivery_claims::Overall;
    let open = |attempt: &Attempt| {
        attempt.observed.as_ref().is_none_or(|seen| matches!(seen.verdict, Overall::Violated | Overall::Inconclusive))
    };
    match attempt.comparison {
        Comparison::Agreed => false,
        Comparison::NotExpected => open(attempt),
        Comparison::Surprising | Comparison::Inconclusive => true,
    }
}

/// What a run showed of one of its cells.
fn attempt(cell: &Cell, ran: &Ran, took: Duration) -> Attempt {
    let lane = ran.document.as_ref().and_then(|document| {
        document.lanes.iter().find(|lane| lane.lane == cell.entry.lane && !lane.guarantees.is_empty())
    });
    let seen = lane.map(observed);
    let (comparison, mut reasons) = match (&seen, lane) {
        (Some(seen), Some(lane)) => compare(&cell.expected, seen, |subject| why(lane, subject)),
        _ => (Comparison::Inconclusive, Vec::new()),
    };
    reasons.splice(0..0, ran.trouble.clone());
    if reasons.is_empty() && lane.is_none() {
        reasons.push(String::from("there was nothing to judge"));
    }
    let doubts = lane.map_or(&[][..], |lane| &lane.doubts);
    Attempt {
        cell: cell.entry.name.clone(),
        repetition: 0,
        attempt: 0,
        cause: Cause::Due,
        run: ran.run.clone(),
        alone: false,
        saturated: doubts.iter().any(|doubt| doubt.contains(SATURATED)),
        observed: seen,
        comparison,
        reasons,
        took_ms: took.as_millis() as u64,
        at: jiff::Timestamp::now().to_string(),
    }
}

/// What a verdict rests on, in words.
fn why(lane: &LaneEntry, subject: Subject) -> String {
    match subject {
        Subject::Guarantee(guarantee) => {
            let judged = lane.guarantees.iter().find(|judged| judged.name == guarantee);
            judged.map_or_else(|| String::from("it is not judged for this lane"), |judged| judged.reason.clone())
        }
        Subject::Label => lane.label.reason.clone(),
        Subject::Finding(kind) => {
            let count = lane.findings.iter().find(|finding| finding.kind == kind).map_or(0, |finding| finding.count);
            if count > 0 { format!("{count} messages") } else { lane.doubts.first().cloned().unwrap_or_default() }
        }
        Subject::Standing | Subject::Verdict => lane.doubts.first().cloned().unwrap_or_default(),
    }
}

/// FNV-1a over what makes a run; small enough to be typed again.
fn seed(matrix: u64, cell: &str, repetition: u32, cause: Cause) -> u64 {
    let text = format!("{matrix} {cell} {repetition} {cause:?}");
    let mixed = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |mixed, byte| (mixed ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    mixed >> 32
}
