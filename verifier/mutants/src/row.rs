//! One row of the table: a history, what is wrong with it, and what a judge must say of it.

use std::collections::BTreeMap;

use delivery_checks::{FindingKind, Guarantee, LaneJudgement, Verdict};

use crate::buses::Bus;
use crate::recorded::Recorded;
use crate::scene::Scene;

/// What a row is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Something is broken, and must be found.
    Broken,
    /// Nothing is known to be broken, but nothing proves that it is whole: what cannot be shown must stay open.
    Doubtful,
    /// Everything is as its configuration promises, and must be left alone.
    Correct,
}

impl Nature {
    /// In one word.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Doubtful => "doubtful",
            Self::Correct => "correct",
        }
    }
}

/// What must be found: this exactly. A guarantee that is not named must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Kinds of findings with their counts, in the order of [`FindingKind::ALL`].
    pub findings: Vec<(FindingKind, u64)>,
    /// Guarantees that must not hold.
    pub not_held: BTreeMap<Guarantee, Verdict>,
    /// Words in the reason of every guarantee that must stay open; empty where none must.
    pub reason: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Kinds of findings with their counts, in the order of [`FindingKind::ALL`].
    pub findings: Vec<(FindingKind, u64)>,
    /// Guarantees that do not hold, with the reason.
    pub not_held: BTreeMap<Guarantee, (Verdict, String)>,
}

impl Found {
    /// What a lane was found to do.
    pub fn of(lane: &LaneJudgement) -> Self {
        let not_held = lane.guarantees.iter().filter(|judged| judged.verdict != Verdict::Holds);
        Self {
            findings: lane.findings.iter().map(|finding| (finding.kind, finding.count)).collect(),
            not_held: not_held.map(|judged| (judged.name, (judged.verdict, judged.reason.clone()))).collect(),
        }
    }
}

/// Where a row's history comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Written by hand.
    Hand(Box<Scene>),
    /// A run of the embedded PubSub.
    Bus(Bus),
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// `log/lost`.
    pub name: String,
    /// What is broken, in one line.
    pub broken: String,
    /// What it is to show.
    pub nature: Nature,
    /// What must be found.
    pub expected: Expected,
    pub(crate) source: Source,
}

/// A history that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the history of row {row} could not be made: {cause}. Report it together with the version")]
pub struct RowError {
    /// Which row.
    pub row: String,
    /// What happened.
    pub cause: String,
}

impl Row {
    /// Makes the history: writes it down, or runs the bus.
    ///
    /// # Errors
    /// When the simulated run cannot be planned, recorded or read back, or does not come to its end.
    pub fn history(&self) -> Result<Recorded, RowError> {
        match &self.source {
            Source::Hand(scene) => Ok(scene.recorded()),
            Source::Bus(bus) => bus.run().map_err(|cause| RowError { row: self.name.clone(), cause }),
        }
    }
}
