//! Writing a publication, and reading an earlier one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Publication;
use super::columns::columns;
use super::junit::junit;
use super::names::{COLUMNS, INDEX, JUNIT, README, csv_name};
use super::readme::{MARKER, readme};
use super::results::{RESULTS_FILE, RESULTS_SCHEMA, Results};
use crate::csv_rows::{self, Row};
use crate::html::index_page;

/// A publication that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PublicationError {
    /// A file failed.
    #[error("cannot {operation} {path}: {cause}")]
    Io {
        /// `create`, `write`, `read`, `remove`.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Somebody else's page stands there.
    #[error("{path} was not written by `verify report`, and would be lost: give another directory to --out")]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// No results of an earlier publication, or of another version.
    #[error("cannot read {path}: {reason}. Give a directory that this version of `verify report` wrote.")]
    Results {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl PublicationError {
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { operation, path, cause }
    }
}

impl Publication {
    /// Every file with its name, and the results they are made from.
    fn files(&self) -> (Results, Vec<(String, String)>) {
        let mut results = self.results();
        let mut files: Vec<(String, String)> = Vec::new();
        for system in results.systems() {
            files.push((csv_name(system), self.csv(system)));
        }
        files.push((README.to_owned(), readme(&results)));
        files.push((COLUMNS.to_owned(), columns()));
        files.push((JUNIT.to_owned(), junit(&results)));
        files.push((INDEX.to_owned(), index_page(self, &results)));
        results.files = files.iter().map(|(name, _)| name.clone()).collect();
        results.files.sort();
        (results, files)
    }

    fn csv(&self, system: &str) -> String {
        let again = self.run_ids();
        let kept = self.onto.iter().flat_map(|earlier| earlier.rows(&again)).cloned();
        let fresh = self.runs.iter().flat_map(|run| csv_rows::rows_of(&run.report()));
        let mut rows: Vec<Row> = kept.chain(fresh).filter(|row| row.system == system).collect();
        // Lanes of one run stay in its order.
        rows.sort_by(|one, next| (&one.started_at, &one.run_id).cmp(&(&next.started_at, &next.run_id)));
        // Writing to memory does not fail.
        String::from_utf8_lossy(&csv_rows::file_of(&rows).unwrap_or_default()).into_owned()
    }
}

/// Writes every file of the publication into `directory`, and takes away those of the publication that stood there before
/// and are none of this one. Returns the results.
///
/// # Errors
/// A page there that somebody else wrote, or a file that cannot be written.
pub fn write_files(publication: &Publication, directory: &Path) -> Result<Results, PublicationError> {
    fs::create_dir_all(directory).map_err(PublicationError::io("create", directory))?;
    refuse_foreign(directory)?;
    let earlier = read_results(directory).ok();
    let (results, files) = publication.files();
    for (name, text) in &files {
        write(directory, name, text)?;
    }
    let mut json = serde_json::to_string_pretty(&results)
        .map_err(|error| PublicationError::Results { path: directory.join(RESULTS_FILE), reason: error.to_string() })?;
    json.push('\n');
    write(directory, RESULTS_FILE, &json)?;
    let is_name = |name: &&String| Path::new(name).file_name().is_some_and(|file| file == name.as_str());
    let stale = earlier.iter().flat_map(|earlier| &earlier.files).filter(is_name);
    for name in stale.filter(|name| !results.files.contains(name) && *name != RESULTS_FILE) {
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(PublicationError::Io { operation: "remove", path, cause });
            }
            _ => {}
        }
    }
    Ok(results)
}

/// Reads the results of an earlier publication.
///
/// # Errors
/// When there are none, or they are of another version.
pub fn read_results(directory: &Path) -> Result<Results, PublicationError> {
    #[derive(serde::Deserialize)]
    struct Version {
        schema: u32,
    }
    let path = directory.join(RESULTS_FILE);
    let failed = |reason: String| PublicationError::Results { path: path.clone(), reason };
    let text = fs::read(&path).map_err(PublicationError::io("read", &path))?;
    let version: Version = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    if version.schema != RESULTS_SCHEMA {
        return Err(failed(format!("it has schema {}, this version reads {RESULTS_SCHEMA}", version.schema)));
    }
    serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))
}

fn refuse_foreign(directory: &Path) -> Result<(), PublicationError> {
    let path = directory.join(README);
    match fs::read(&path) {
        Ok(text) if !text.starts_with(MARKER.as_bytes()) => Err(PublicationError::Foreign { path }),
        Ok(_) => Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(PublicationError::Io { operation: "read", path, cause }),
    }
}

/// Writes a file in one step: a reader sees the old one or the new one, never a part.
fn write(directory: &Path, name: &str, text: &str) -> Result<(), PublicationError> {
    let (path, partial) = (directory.join(name), directory.join(format!(".{name}.part")));
    fs::write(&partial, text).map_err(PublicationError::io("write", &partial))?;
    fs::rename(&partial, &path).map_err(PublicationError::io("write", &path))
}
