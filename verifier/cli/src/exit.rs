//! Exit codes, and what ends the program without a verdict.

use delivery_broker::{ConfigError, InstallError};
use delivery_faults::ScheduleFileError;
use delivery_history::import::ImportError;
use delivery_history::plain::ExportError;
use delivery_history::{ReadError, RunDirError};
use delivery_journal::JournalError;
use delivery_matrix::{EngineError, MatrixFileError};
use delivery_report::{PublicationError, ReportError};
use delivery_runner::{PlanError, RunError};

/// What was asked for holds, or nothing was asked for.
pub const HOLDS: i32 = 0;
/// Something that was asked for is violated.
pub const VIOLATED: i32 = 1;
/// Bad usage or input: nothing was started.
pub const BAD_INPUT: i32 = 2;
/// Nothing is violated, and something that was asked for could not be shown.
pub const INCONCLUSIVE: i32 = 3;
/// The machine cannot run it.
pub const COULD_NOT_RUN: i32 = 4;
/// The user stopped it.
pub const STOPPED: i32 = 130;

/// What ends the program without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A name or value.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A request that cannot be run as it stands.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A combination of options.
    #[error("{0}")]
    Usage(String),
    /// A file the user named.
    #[error("cannot read {path}: {cause}")]
    Input {
        /// Which.
        path: std::path::PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// A mistake in a schedule file.
    #[error(transparent)]
    ScheduleFile(#[from] ScheduleFileError),
    /// A mistake in a matrix file.
    #[error(transparent)]
    MatrixFile(#[from] MatrixFileError),
    /// A matrix's journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A matrix that cannot go on.
    #[error(transparent)]
    Matrix(#[from] EngineError),
    /// A history that cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A history of others' that cannot be read.
    #[error("{}: {cause}", path.display())]
    Import {
        /// Which.
        path: std::path::PathBuf,
        /// Where it goes wrong, and how.
        cause: ImportError,
    },
    /// A file the user named, to write to.
    #[error("cannot write {path}: {cause}")]
    Create {
        /// Which.
        path: std::path::PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// A history that cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A run directory that cannot be read.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The product cannot be made ready.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// Namespaces are refused.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Enclose(#[from] delivery_cluster::enclosure::EncloseError),
    /// A history as Parquet.
    #[cfg(feature = "parquet")]
    #[error(transparent)]
    Parquet(#[from] delivery_parquet::ParquetError),
    /// An engine that runs containers.
    #[cfg(all(feature = "docker", target_os = "linux"))]
    #[error(transparent)]
    Docker(#[from] delivery_docker::EngineError),
    /// The run itself.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run came to an end before there was anything to judge.
    #[error("{0}")]
    CouldNotRun(String),
    /// A report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Published tables.
    #[error(transparent)]
    Publication(#[from] PublicationError),
    /// Standard output.
    #[error("cannot write to standard output: {0}")]
    Output(std::io::Error),
    /// Two Ctrl-C, or one before the load.
    #[error("stopped by the user")]
    Stopped,
}

impl CliError {
    /// The exit code and why, in words.
    pub fn code(&self) -> (i32, &'static str) {
        match self {
            Self::Config(_)
            | Self::Plan(_)
            | Self::Usage(_)
            | Self::ScheduleFile(_)
            | Self::MatrixFile(_)
            | Self::Journal(JournalError::Exists { .. } | JournalError::Busy { .. } | JournalError::Line { .. })
            | Self::Input { .. }
            | Self::Create { .. }
            | Self::Read(_)
            | Self::Import { .. } => (BAD_INPUT, "bad usage or input; nothing was started"),
            Self::Publication(PublicationError::Foreign { .. } | PublicationError::Results { .. })
            | Self::Publication(PublicationError::Io { operation: "read", .. }) => {
                (BAD_INPUT, "bad usage or input; nothing was started")
            }
            Self::RunDir(error) if error.is_disk_full() => (COULD_NOT_RUN, "could not run"),
            Self::RunDir(_) | Self::Install(InstallError::Config(_)) => {
                (BAD_INPUT, "bad usage or input; nothing was started")
            }
            Self::Journal(JournalError::Io { operation: "read", .. }) => {
                (BAD_INPUT, "bad usage or input; nothing was started")
            }
            #[cfg(all(feature = "docker", target_os = "linux"))]
            Self::Docker(delivery_docker::EngineError::BadImage { .. }) => {
                (BAD_INPUT, "bad usage or input; nothing was started")
            }
            #[cfg(target_os = "linux")]
            Self::Enclose(_) => (COULD_NOT_RUN, "could not run"),
            #[cfg(feature = "parquet")]
            Self::Parquet(_) => (COULD_NOT_RUN, "could not run"),
            #[cfg(all(feature = "docker", target_os = "linux"))]
            Self::Docker(_) => (COULD_NOT_RUN, "could not run"),
            Self::Install(_)
            | Self::Journal(_)
            | Self::Matrix(_)
            | Self::Run(_)
            | Self::CouldNotRun(_)
            | Self::Report(_)
            | Self::Publication(_)
            | Self::Export(_)
            | Self::Output(_) => (COULD_NOT_RUN, "could not run"),
            Self::Stopped => (STOPPED, "stopped by the user"),
        }
    }
}

/// Prints the error, what is behind it and, last, the exit code; returns that code.
pub fn report(error: &CliError) -> i32 {
    let (code, why) = error.code();
    eprintln!("error: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    eprintln!("exit {code}: {why}");
    code
}
