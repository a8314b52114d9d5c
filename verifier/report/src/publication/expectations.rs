//! Cells of a matrix against what was expected of them.

use std::collections::{BTreeMap, BTreeSet};

use delivery_journal::{CellEntry, CellStatus, Matrix, Window};
use serde::{Deserialize, Serialize};

use crate::words::percent;

/// A cell that was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Name of the matrix.
    pub matrix: String,
    /// The row it comes from.
    pub row: String,
    /// Its name, unique in the matrix.
    pub cell: String,
    /// What the row shows, in words; may be empty.
    pub about: String,
    /// Values that agree, by what they are expected of.
    pub expected: BTreeMap<String, Vec<String>>,
    /// How it stands; none where the matrix has not come to it yet.
    pub status: Option<CellStatus>,
    /// How often each expected thing was seen.
    pub windows: Vec<Window>,
    /// Why, where it is anything but agreed.
    pub reasons: Vec<String>,
    /// Runs it rests on, by their identity.
    pub runs: Vec<String>,
    /// When its matrix was started; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub started_at: String,
}

/// A cell that is listed and not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRun {
    /// Name of the matrix.
    pub matrix: String,
    /// The row it comes from.
    pub row: String,
    /// Its name, unique in the matrix.
    pub cell: String,
    /// What the row shows, in words; may be empty.
    pub about: String,
    /// What is missing.
    pub reason: String,
    /// When its matrix was started; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub started_at: String,
}

/// Cells of many matrices: of each the newest that came to anything. A cell has its row in its name, and is the same in
/// whatever matrix it stands: one that is run in parts has another name for each.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) expectations: Vec<Expectation>,
    pub(super) not_run: Vec<NotRun>,
}

impl Cells {
    /// Takes in what a matrix says. A row that one did not run is no longer listed so when another one has it.
    pub(super) fn take_in(&mut self, matrix: &Matrix) {
        let started_at = started_at(matrix);
        let rows: BTreeSet<&String> = matrix.cells.iter().map(|cell| &cell.row).collect();
        let is_earlier = |known: &NotRun| known.started_at <= started_at;
        self.not_run.retain(|known| !rows.contains(&known.row) || !is_earlier(known));
        Expectation::of(matrix).into_iter().for_each(|cell| self.put(cell));
        for cell in NotRun::of(matrix) {
            let was_run = self.expectations.iter().any(|known| known.cell == cell.cell);
            // What is left of this row is of a later matrix.
            let is_listed = self.not_run.iter().any(|known| known.row == cell.row && known.started_at > started_at);
            if !was_run && !is_listed {
                self.not_run.push(cell);
            }
        }
    }

    fn put(&mut self, cell: Expectation) {
        let same = |known: &&mut Expectation| known.cell == cell.cell;
        if let Some(known) = self.expectations.iter_mut().find(same) {
            let is_newer = cell.started_at >= known.started_at && cell.status.is_some();
            if is_newer || known.status.is_none() {
                *known = cell;
            }
            return;
        }
        // Beside the others of its row, else of its matrix.
        let last = |same: &dyn Fn(&Expectation) -> bool| self.expectations.iter().rposition(same);
        let of_row = last(&|known| known.row == cell.row);
        let place = of_row.or_else(|| last(&|known| known.matrix == cell.matrix));
        self.expectations.insert(place.map_or(self.expectations.len(), |place| place + 1), cell);
    }
}

impl Expectation {
    fn of(matrix: &Matrix) -> Vec<Self> {
        let run = matrix.cells.iter().filter(|cell| reason_not_run(matrix, cell).is_none());
        let expectation = |cell: &CellEntry| {
            let result = matrix.result(&cell.name);
            let of_result = |runs: &Vec<String>| runs.iter().map(|run| run_id(run).to_owned()).collect();
            Self {
                matrix: name_of(matrix),
                row: cell.row.clone(),
                cell: cell.name.clone(),
                about: cell.about.clone(),
                expected: cell.expected.clone(),
                status: result.map(|result| result.status),
                windows: result.map_or_else(Vec::new, |result| result.windows.clone()),
                reasons: result.map_or_else(Vec::new, |result| result.reasons.clone()),
                runs: result.map_or_else(Vec::new, |result| of_result(&result.runs)),
                started_at: started_at(matrix),
            }
        };
        run.map(expectation).collect()
    }

    /// `durability: violated; label: neither or AP, lossy`.
    pub fn expected_words(&self) -> String {
        let one = |(subject, values): (&String, &Vec<String>)| format!("{subject}: {}", values.join(" or "));
        self.expected.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// `durability violated in 3 of 3 (95 %: 29.2 % to 100.0 %)`.
    pub fn windows_words(&self) -> String {
        let one = |window: &Window| {
            let Window { subject, value, shown, of, low, high } = window;
            format!("{subject} {value} in {shown} of {of} (95 %: {} to {})", percent(*low), percent(*high))
        };
        self.windows.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

impl NotRun {
    fn of(matrix: &Matrix) -> Vec<Self> {
        let cells = matrix.cells.iter().filter_map(|cell| {
            let reason = reason_not_run(matrix, cell)?;
            Some(Self {
                matrix: name_of(matrix),
                row: cell.row.clone(),
                cell: cell.name.clone(),
                about: cell.about.clone(),
                reason,
                started_at: started_at(matrix),
            })
        });
        cells.collect()
    }
}

/// As it stands in tables.
pub(crate) const fn status_label(status: Option<CellStatus>) -> &'static str {
    match status {
        Some(CellStatus::Agreed) => "agreed",
        Some(CellStatus::Surprising) => "surprising",
        Some(CellStatus::Inconclusive) => "inconclusive",
        Some(CellStatus::Judged) => "judged",
        Some(CellStatus::NotRun) => "not run",
        None => "not yet run",
    }
}

/// Why a cell is not run, where it is not: as its file says, or as turned out.
fn reason_not_run(matrix: &Matrix, cell: &CellEntry) -> Option<String> {
    let turned_out = matrix.result(&cell.name).filter(|result| result.status == CellStatus::NotRun);
    let turned_out = turned_out.map(|result| result.reasons.first().cloned().unwrap_or_default());
    cell.not_run.clone().or(turned_out)
}

fn name_of(matrix: &Matrix) -> String {
    matrix.entry.as_ref().map_or_else(String::new, |entry| entry.name.clone())
}

fn started_at(matrix: &Matrix) -> String {
    matrix.entry.as_ref().map_or_else(String::new, |entry| entry.started_at.clone())
}

fn run_id(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
