//! An earlier publication that a later one goes on with: what it says stays until a newer run is about the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::files::{PublicationError, read_results};
use super::names::INDEX;
use super::results::{Fresh, ResultRow, Results};
use crate::csv_rows::{self, Row};
use crate::html::{articles, run_anchor};

/// An earlier publication, read whole: its tables, the rows of its runs, and their pictures.
#[derive(Clone, Debug)]
pub struct Earlier {
    pub(super) results: Results,
    rows: Vec<Row>,
    articles: BTreeMap<String, String>,
}

/// Reads the publication in `directory` to go on with it.
///
/// # Errors
/// When one of its files is not there, or is not as this version or an earlier one wrote it.
pub fn read_earlier(directory: &Path) -> Result<Earlier, PublicationError> {
    let results = read_results(directory)?;
    let mut rows = Vec::new();
    for name in results.files.iter().filter(|name| is_csv(name)) {
        let path = directory.join(name);
        let file = fs::read(&path).map_err(PublicationError::io("read", &path))?;
        let read = csv_rows::read_rows(&file);
        rows.extend(read.map_err(|reason| PublicationError::Results { path, reason })?);
    }
    let path = directory.join(INDEX);
    let page = fs::read_to_string(&path).map_err(PublicationError::io("read", &path))?;
    Ok(Earlier { results, rows, articles: articles(&page) })
}

/// A name from a file leads nowhere but into the directory the file is in.
fn is_csv(name: &str) -> bool {
    let path = Path::new(name);
    path.file_name().is_some_and(|file| file == name) && path.extension().is_some_and(|extension| extension == "csv")
}

impl Earlier {
    /// Rows of runs that are not among `runs`, which are told of anew.
    pub(super) fn rows<'a>(&'a self, runs: &'a BTreeSet<&str>) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(|row| !runs.contains(row.run_id.as_str()))
    }

    /// A run as it stood in the page, and when it was started.
    pub(crate) fn article(&self, run_id: &str) -> Option<(&str, &str)> {
        let article = self.articles.get(&run_anchor(run_id))?;
        let row = self.rows.iter().find(|row| row.run_id == run_id);
        Some((row.map_or("", |row| &row.started_at), article))
    }

    /// Runs that `runs` adds to those it rests on.
    pub(super) fn count_new(&self, runs: &BTreeSet<&str>) -> usize {
        let known: BTreeSet<&str> = self.rows.iter().map(|row| row.run_id.as_str()).collect();
        runs.difference(&known).count()
    }

    /// Puts its results beside or under `fresh` ones.
    pub(super) fn keep_results(&self, fresh: &mut Vec<Fresh>, runs: &BTreeSet<&str>) {
        for known in &self.results.results {
            let again = runs.contains(known.run.id.as_str());
            match fresh.iter_mut().find(|fresh| fresh.row.key() == known.key()) {
                Some(fresh) => fresh.row = self.under(known, fresh, again),
                // A run that is judged again to be about something else says nothing of this any more.
                None if again => {}
                None => fresh.push(Fresh { row: known.clone(), runs: Vec::new() }),
            }
        }
    }

    /// The newer of two results of the same, with the runs of both. No run counts twice.
    fn under(&self, known: &ResultRow, fresh: &Fresh, again: bool) -> ResultRow {
        let Fresh { row, runs } = fresh;
        let told_anew: Vec<&Row> =
            self.rows.iter().filter(|kept| kept.lane == row.lane && runs.contains(&kept.run_id)).collect();
        let lost = told_anew.iter().filter(|kept| kept.lost).count() as u32;
        let when = |row: &ResultRow| (row.run.started_at.clone(), row.run.id.clone());
        let newest = if !again && when(known) > when(row) { known } else { row };
        ResultRow {
            runs: (known.runs + row.runs).saturating_sub(told_anew.len() as u32),
            runs_that_lost: (known.runs_that_lost + row.runs_that_lost).saturating_sub(lost),
            ..newest.clone()
        }
    }
}
