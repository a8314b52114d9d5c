//! A journal read back: by `--resume`, and by reports.

use std::collections::BTreeSet;
use std::path::Path;

use crate::file::{JournalError, read_records};
use crate::record::{Attempt, CellEntry, CellResult, MatrixEntry, Record};

/// What stands in a journal, put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// Which matrix; the first time it was started. None where it was killed before its first line.
    pub entry: Option<MatrixEntry>,
    /// Its cells, in the order of the file; a cell that a resumed matrix wrote again stands here once, as written last.
    pub cells: Vec<CellEntry>,
    /// Every attempt, in the order they ended.
    pub attempts: Vec<Attempt>,
    /// The last result of each cell that has one, in the order of the cells.
    pub results: Vec<CellResult>,
    /// Runs of which only `run.json` and `findings.json` are left.
    pub pruned: BTreeSet<String>,
    /// Every cell has its result.
    pub ended: bool,
}

impl Matrix {
    /// Reads the journal in `directory`.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn read(directory: &Path) -> Result<Self, JournalError> {
        Ok(Self::of(read_records(directory)?))
    }

    /// Puts records together.
    pub fn of(records: Vec<Record>) -> Self {
        let mut matrix = Self::default();
        let mut results: Vec<CellResult> = Vec::new();
        for record in records {
            match record {
                Record::Matrix(entry) => {
                    matrix.ended = false;
                    matrix.entry.get_or_insert(entry);
                }
                Record::Cell(cell) => match matrix.cells.iter_mut().find(|known| known.name == cell.name) {
                    Some(known) => *known = cell,
                    None => matrix.cells.push(cell),
                },
                Record::Attempt(attempt) => matrix.attempts.push(attempt),
                Record::Result(result) => {
                    results.retain(|known| known.cell != result.cell);
                    results.push(result);
                }
                Record::Pruned { runs } => matrix.pruned.extend(runs),
                Record::Ended { .. } => matrix.ended = true,
            }
        }
        for cell in &matrix.cells {
            matrix.results.extend(results.iter().find(|result| result.cell == cell.name).cloned());
        }
        matrix
    }

    /// The cell with this name.
    pub fn cell(&self, name: &str) -> Option<&CellEntry> {
        self.cells.iter().find(|cell| cell.name == name)
    }

    /// What the cell with this name came to, where it has come to anything.
    pub fn result(&self, name: &str) -> Option<&CellResult> {
        self.results.iter().find(|result| result.cell == name)
    }

    /// Attempts of the cell with this name.
    pub fn attempts_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.cell == name)
    }
}
