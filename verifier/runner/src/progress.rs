//! What a run tells while it runs.

use delivery_history::manifest::Phase;

/// Receives what there is to tell; prints nothing by itself.
pub trait Progress {
    /// A phase begins; it is expected to last `expected_ms` (nothing where nobody knows).
    fn phase(&mut self, phase: Phase, expected_ms: Option<u64>);

    /// Something worth a line.
    fn note(&mut self, text: &str);

    /// Time went on.
    fn tick(&mut self) {}
}

/// Tells nobody.
pub struct Quiet;

impl Progress for Quiet {
    fn phase(&mut self, _phase: Phase, _expected_ms: Option<u64>) {}
    fn note(&mut self, _text: &str) {}
}
