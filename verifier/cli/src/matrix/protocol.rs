//! What a matrix and the process that makes its runs tell each other: one JSON document a line.

use std::path::PathBuf;
use std::time::Duration;

use delivery_broker::Installation;
use delivery_matrix::Ahead;
use serde::{Deserialize, Serialize};

/// The first line: the matrix, as it stood in the file when it was read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Opening {
    /// Name of the file.
    pub(super) file: String,
    pub(super) text: String,
    /// `--repeat`.
    pub(super) repeat: Option<u32>,
    /// `--quiet`.
    pub(super) quiet: bool,
}

/// One run to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// Names of the cells that are its lanes.
    pub(super) cells: Vec<String>,
    pub(super) seed: u64,
    pub(super) number: usize,
    /// On a cluster nobody had before.
    pub(super) fresh: bool,
    /// Where run directories are made.
    pub(super) out: PathBuf,
    pub(super) installed: Installed,
    pub(super) standing: AheadOf,
}

/// A product that is ready to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Installed {
    rootfs: Option<PathBuf>,
    home: PathBuf,
    version: String,
    runtime: PathBuf,
}

impl From<&Installation> for Installed {
    fn from(installation: &Installation) -> Self {
        let Installation { rootfs, home, version, runtime, .. } = installation.clone();
        Self { rootfs, home, version, runtime }
    }
}

impl From<Installed> for Installation {
    fn from(installed: Installed) -> Self {
        let Installed { rootfs, home, version, runtime } = installed;
        Self { rootfs, home, version, runtime, image: None }
    }
}

/// What progress is told of the matrix around a run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct AheadOf {
    pub(super) settled: usize,
    pub(super) cells: usize,
    pub(super) spent: Duration,
    pub(super) left: Option<Duration>,
}

impl AheadOf {
    /// After this much time.
    pub(super) fn new(ahead: &Ahead, spent: Duration) -> Self {
        Self { settled: ahead.settled, cells: ahead.cells, spent, left: ahead.left }
    }
}

/// What comes back of an order: a name, then the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// The run has this name.
    Began(String),
    /// It is over.
    Ended(Told),
}

/// What a run says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// The user asked to stop.
    pub(super) stopped: bool,
    /// What keeps it from being judged.
    pub(super) trouble: Option<String>,
}

impl Told {
    /// Nothing can be judged.
    pub(super) fn trouble(text: String) -> Self {
        Self { stopped: false, trouble: Some(text) }
    }
}
