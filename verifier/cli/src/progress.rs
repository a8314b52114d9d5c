//! Progress on standard error: bars on a terminal, plain lines elsewhere, nothing with `--quiet`.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use delivery_history::manifest::Phase;
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
