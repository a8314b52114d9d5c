//! The file: appended and synced a record at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::record::{JOURNAL_FORMAT, Record};

/// Name of the journal in a matrix's directory.
pub const JOURNAL_FILE: &str = "matrix.jsonl";

/// A journal that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file failed.
    #[error("cannot {operation} {path}: {cause}")]
    Io {
        /// `create`, `write`, `read`.
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A matrix stands there already.
    #[error("{path} is there already: go on with it (--resume), or give another directory")]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// Another process writes it.
    #[error("{path} is being written by another `verify matrix`: wait for it, or give another directory")]
    Busy {
        /// Which file.
        path: PathBuf,
    },
    /// A line that is no record.
    #[error("{path}:{line}: {reason}. Use the `verify` that wrote it, or another directory.")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

impl JournalError {
    fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { operation, path, cause }
    }
}

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Begins a journal in `directory`, which is made where it is missing.
    ///
    /// # Errors
    /// When one stands there, or the file cannot be made.
    pub fn create(directory: &Path) -> Result<Self, JournalError> {
        std::fs::create_dir_all(directory).map_err(JournalError::io("create", directory))?;
        let path = directory.join(JOURNAL_FILE);
        let made = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = made.map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => JournalError::Exists { path: path.clone() },
            _ => JournalError::io("create", &path)(cause),
        })?;
        lock(&file, &path)?;
        // The name must be there after a crash, too.
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(JournalError::io("write", directory))?;
        Ok(Self { file, path })
    }

    /// Goes on with the journal of `directory`; what a killed matrix left of its last line is cut off.
    ///
    /// # Errors
    /// When there is none, or it cannot be written.
    pub fn reopen(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join(JOURNAL_FILE);
        let open = OpenOptions::new().read(true).write(true).open(&path);
        let mut file = open.map_err(JournalError::io("read", &path))?;
        lock(&file, &path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(JournalError::io("read", &path))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        file.set_len(whole as u64).map_err(JournalError::io("write", &path))?;
        file.seek(SeekFrom::End(0)).map_err(JournalError::io("write", &path))?;
        Ok(Self { file, path })
    }

    /// Appends a record; once this returns it is on the disk.
    ///
    /// # Errors
    /// When the disk takes no more. A part of the line may stand there: it is taken back.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        let mut line = serde_json::to_string(record).map_err(|error| JournalError::Line {
            path: self.path.clone(),
            line: 0,
            reason: error.to_string(),
        })?;
        line.push('\n');
        let before = self.file.metadata().map_err(JournalError::io("write", &self.path))?.len();
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|cause| {
            // The next record must not begin within this one's line; where even that fails, nothing more can be done.
            let _ = self.file.set_len(before).and_then(|()| self.file.seek(SeekFrom::End(0)).map(drop));
            JournalError::io("write", &self.path)(cause)
        })
    }
}

/// Keeps others from writing the journal as long as the file is open.
fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => JournalError::Busy { path: path.to_owned() },
        TryLockError::Error(cause) => JournalError::io("write", path)(cause),
    })
}

/// The records of the journal of `directory`, in order. A last line without its end is what a killed matrix left: it is passed over.
///
/// # Errors
/// When there is none, a line is no record, or it was written in another format.
pub(crate) fn read_records(directory: &Path) -> Result<Vec<Record>, JournalError> {
    let path = directory.join(JOURNAL_FILE);
    let text = std::fs::read(&path).map_err(JournalError::io("read", &path))?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let lines = text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(index, line)| {
            read_line(line).map_err(|reason| JournalError::Line { path: path.clone(), line: index + 1, reason })
        })
        .collect()
}

fn read_line(line: &[u8]) -> Result<Record, String> {
    let record: Record = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match &record {
        Record::Matrix(entry) if entry.format != JOURNAL_FORMAT => {
            Err(format!("the journal has format {}, this program reads {JOURNAL_FORMAT}", entry.format))
        }
        _ => Ok(record),
    }
}
