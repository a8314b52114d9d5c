//! Progress on standard error: bars on a terminal, plain lines elsewhere, nothing with `--quiet`.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use delivery_history::manifest::Phase;
use delivery_matrix::length;
use delivery_runner::{Progress, Quiet};
use indicatif::{ProgressBar, ProgressStyle};

/// The progress that fits where standard error goes.
pub fn progress(quiet: bool) -> Box<dyn Progress> {
    if quiet {
        Box::new(Quiet)
    } else if std::io::stderr().is_terminal() {
        Box::new(Bars::new())
    } else {
        Box::new(Lines { began: Instant::now() })
    }
}

/// One run of a matrix, and what lies around it.
pub struct MatrixProgress {
    /// Tell nothing.
    pub quiet: bool,
    /// What runs.
    pub title: String,
    /// Cells that have their results.
    pub settled: usize,
    /// Cells there are.
    pub cells: usize,
    /// Time the matrix has taken so far.
    pub spent: Duration,
    /// Length of this run as expected; nothing of a simulated one.
    pub expected: Option<Duration>,
    /// What is left after this run; nothing where nobody knows.
    pub left: Option<Duration>,
}

impl MatrixProgress {
    /// `3 of 12 cells, about 9 min 3 s left`.
    fn standing(&self, run_left: Option<Duration>) -> String {
        let left = match (run_left, self.left) {
            (Some(run), Some(rest)) => format!(", about {} left", length(run + rest)),
            _ => String::new(),
        };
        format!("{} of {} cells{left}", self.settled, self.cells)
    }
}

/// The progress of a matrix during one of its runs: a bar over the whole of it on a terminal, else a line a run.
pub fn matrix_progress(of: MatrixProgress) -> Box<dyn Progress> {
    if of.quiet {
        return Box::new(Quiet);
    }
    if !std::io::stderr().is_terminal() {
        eprintln!("[{}] {}", of.standing(of.expected), of.title);
        return Box::new(Quiet);
    }
    let total = of.spent + of.expected.unwrap_or_default() + of.left.unwrap_or_default();
    let bar = ProgressBar::new((total.as_millis() as u64).max(1));
    bar.set_style(style(true));
    bar.set_prefix("matrix");
    Box::new(MatrixBar { of, bar, entered: Instant::now() })
}

/// One bar, over all runs of a matrix. No thread of its own draws it: runs are made by processes of one thread.
struct MatrixBar {
    of: MatrixProgress,
    bar: ProgressBar,
    entered: Instant,
}

impl Progress for MatrixBar {
    fn phase(&mut self, phase: Phase, _expected_ms: Option<u64>) {
        let run_left = self.of.expected.map(|expected| expected.saturating_sub(self.entered.elapsed()));
        self.bar.set_message(format!("{} · {}: {}", self.of.standing(run_left), self.of.title, phase.label()));
        self.tick();
    }

    fn note(&mut self, _text: &str) {}

    fn tick(&mut self) {
        // A run that takes longer than expected must not run into the others' share.
        let of_run = self.entered.elapsed().min(self.of.expected.unwrap_or_default());
        self.bar.set_position((self.of.spent + of_run).as_millis() as u64);
    }
}

impl Drop for MatrixBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// One line a phase.
struct Lines {
    began: Instant,
}

impl Progress for Lines {
    fn phase(&mut self, phase: Phase, expected_ms: Option<u64>) {
        let expected = expected_ms.map(|ms| format!(" ({:.0} s)", ms as f64 / 1e3)).unwrap_or_default();
        eprintln!("[{:>5.1} s] {}{expected}", self.began.elapsed().as_secs_f64(), phase.label());
    }

    fn note(&mut self, text: &str) {
        eprintln!("[{:>5.1} s]   {text}", self.began.elapsed().as_secs_f64());
    }
}

/// One bar, over the phase that is on.
struct Bars {
    bar: ProgressBar,
    entered: Instant,
}

impl Bars {
    fn new() -> Self {
        Self { bar: ProgressBar::hidden(), entered: Instant::now() }
    }
}

/// With a length: how much of the phase is over; without: only that time goes on.
fn style(with_length: bool) -> ProgressStyle {
    let template =
        if with_length { "{prefix:>9} [{bar:30}] {elapsed} {msg}" } else { "{prefix:>9} {spinner} {elapsed} {msg}" };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

impl Progress for Bars {
    fn phase(&mut self, phase: Phase, expected_ms: Option<u64>) {
        self.bar.finish();
        self.bar = match expected_ms {
            Some(ms) => ProgressBar::new(ms),
            None => ProgressBar::new_spinner(),
        };
        self.bar.set_style(style(expected_ms.is_some()));
        self.bar.set_prefix(phase.label());
        self.bar.enable_steady_tick(Duration::from_millis(100));
        self.entered = Instant::now();
    }

    fn note(&mut self, text: &str) {
        self.bar.set_message(text.lines().next().unwrap_or_default().to_owned());
        if text.contains('\n') {
            self.bar.println(text);
        }
    }

    fn tick(&mut self) {
        if self.bar.length().is_some() {
            self.bar.set_position(self.entered.elapsed().as_millis() as u64);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.bar.finish();
    }
}
