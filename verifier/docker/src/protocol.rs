//! What a host's container is told and says, one JSON document a line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Makes this program what process 1 of a host's container is.
pub(crate) const HOST_ARGUMENT: &str = "__docker-host";
/// Makes this program what removes what a run leaves.
pub(crate) const REAPER_ARGUMENT: &str = "__docker-reaper";
/// Makes this program take what a node stored.
pub(crate) const WIPE_ARGUMENT: &str = "__docker-wipe";

/// What is done to a process of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Signal {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Terminate,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// Say who it is.
    Hello,
    /// Wait until this address answers by TCP, if only with a refusal.
    Reach {
        /// The address.
        address: String,
    },
    /// Call `nft`.
    Nft {
        /// Its arguments.
        arguments: Vec<String>,
        /// Its standard input.
        input: String,
    },
    /// Run this very program in another role.
    Run {
        /// The number it goes by.
        process: u32,
        /// Its arguments.
        arguments: Vec<String>,
        /// Where its standard error goes; there already.
        log: PathBuf,
        /// Whom it runs as: user and group.
        owner: (u32, u32),
    },
    /// Say a line to a process.
    Say {
        /// Which.
        process: u32,
        /// The line.
        line: String,
    },
    /// Send a signal to a process with all that belongs to it.
    Strike {
        /// Which.
        process: u32,
        /// What.
        signal: Signal,
    },
    /// What a process does.
    State {
        /// Which.
        process: u32,
    },
}

/// A task with the number its answer goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The number.
    pub(crate) id: u64,
    /// The task.
    pub(crate) task: Task,
}

/// What a host says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// Address of its link.
    pub(crate) mac: String,
    /// What its clock shows, nanoseconds.
    pub(crate) now_ns: u64,
}

/// What a host says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Word {
    /// An answer: text, or what went wrong.
    Answer {
        /// The number of the request.
        id: u64,
        /// The answer.
        answer: Result<String, String>,
    },
    /// A process said a line.
    Said {
        /// Which.
        process: u32,
        /// The line.
        line: String,
    },
    /// A process ended.
    Ended {
        /// Which.
        process: u32,
        /// Its status as wait(2) gives it.
        status: i32,
    },
}
