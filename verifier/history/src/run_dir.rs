//! `runs/<id>/`: everything a run leaves, and all that judging it again needs.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::manifest::{MANIFEST_FORMAT, RunManifest};

/// Name of the link to the newest run.
const LATEST: &str = "latest";
/// Name of the manifest.
const MANIFEST: &str = "run.json";

/// A run directory that cannot be made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// A file or directory failed.
    #[error("cannot {operation} {path}: {cause}")]
    Io {
        /// `create`, `write`, `read`.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// No run stands there.
    #[error("{path} is no run directory: it has no run.json. Give the directory of one run, such as runs/latest.")]
    NoRun {
        /// Where.
        path: PathBuf,
    },
    /// The manifest is not what it should be.
    #[error("cannot read {path}: {reason}")]
    Manifest {
        /// Which.
        path: PathBuf,
        /// Line, column and what is wrong.
        reason: String,
    },
    /// The manifest has another version.
    #[error(
        "{path} has format version {found}, this program reads version {MANIFEST_FORMAT}; use the `verify` that wrote it"
    )]
    Version {
        /// Which.
        path: PathBuf,
        /// Version it has.
        found: u32,
    },
}

impl RunDirError {
    fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { operation, path, cause }
    }

    /// Whether the disk was full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == io::ErrorKind::StorageFull)
    }
}

/// The directory of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes `runs/<run_id>/` with its subdirectories, and points `runs/latest` to it.
    ///
    /// # Errors
    /// When it exists already, or cannot be made.
    pub fn create(runs: &Path, run_id: &str) -> Result<Self, RunDirError> {
        fs::create_dir_all(runs).map_err(RunDirError::io("create", runs))?;
        let path = runs.join(run_id);
        for directory in [path.clone(), path.join("history"), path.join("logs")] {
            fs::create_dir(&directory).map_err(RunDirError::io("create", &directory))?;
        }
        let link = runs.join(format!(".{run_id}.link"));
        symlink(run_id, &link).map_err(RunDirError::io("create", &link))?;
        let latest = runs.join(LATEST);
        fs::rename(&link, &latest).map_err(RunDirError::io("create", &latest))?;
        let path = path.canonicalize().map_err(RunDirError::io("read", &path))?;
        Ok(Self { path })
    }

    /// Opens the directory of a run that was recorded before.
    ///
    /// # Errors
    /// When no run stands there.
    pub fn open(path: &Path) -> Result<Self, RunDirError> {
        if !path.join(MANIFEST).is_file() {
            return Err(RunDirError::NoRun { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the events of the worker with this name stand.
    pub fn event_path(&self, worker: &str) -> PathBuf {
        self.path.join("history").join(format!("{worker}.events"))
    }

    /// Where nodes and workers leave their output.
    pub fn logs_dir(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Writes the manifest; a reader sees the old one or the new one, never a part.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_manifest(&self, manifest: &RunManifest) -> Result<(), RunDirError> {
        let text = serde_json::to_string_pretty(manifest)
            .map_err(|error| RunDirError::Manifest { path: self.path.join(MANIFEST), reason: error.to_string() })?;
        self.write_text(MANIFEST, &text)
    }

    /// Writes a file of the run in one step.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_text(&self, name: &str, text: &str) -> Result<(), RunDirError> {
        let (path, partial) = (self.path.join(name), self.path.join(format!(".{name}.part")));
        fs::write(&partial, text).map_err(RunDirError::io("write", &partial))?;
        fs::rename(&partial, &path).map_err(RunDirError::io("write", &path))
    }

    /// Reads the manifest.
    ///
    /// # Errors
    /// When it is missing, damaged or of another version.
    pub fn read_manifest(&self) -> Result<RunManifest, RunDirError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let path = self.path.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(RunDirError::io("read", &path))?;
        let damaged =
            |error: serde_json::Error| RunDirError::Manifest { path: path.clone(), reason: error.to_string() };
        let version: Version = serde_json::from_str(&text).map_err(damaged)?;
        if version.format != MANIFEST_FORMAT {
            return Err(RunDirError::Version { path, found: version.format });
        }
        serde_json::from_str(&text).map_err(damaged)
    }
}
