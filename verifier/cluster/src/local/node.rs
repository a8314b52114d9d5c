//! A node that runs.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::Instant;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::log_file::{LineSearch, last_lines};

/// What happens to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// Its ready line appeared. Once a node.
    Ready {
        /// Its number.
        id: u32,
    },
    /// It ended by itself. Nothing else comes from it.
    Died {
        /// Its number.
        id: u32,
        /// How: `exit code 1`, `signal 9 (SIGKILL)`.
        status: String,
        /// Of its log.
        last_lines: Vec<String>,
    },
    /// Its limit ran out without the ready line. Once a node; it still runs.
    NotReady {
        /// Its number.
        id: u32,
        /// Time since its start, milliseconds.
        after_ms: u64,
        /// Of its log.
        last_lines: Vec<String>,
    },
}

/// How long a node has to say that it is ready.
enum Readiness {
    Awaited { search: LineSearch, limit_ms: u64 },
    Known,
}

/// A node's process.
pub(super) struct Node {
    id: u32,
    log: PathBuf,
    started: Instant,
    readiness: Readiness,
    child: Option<Child>,
}

impl Node {
    pub(super) fn new(id: u32, child: Child, log: PathBuf, search: LineSearch, limit_ms: u64) -> Self {
        let readiness = Readiness::Awaited { search, limit_ms };
        Self { id, log, started: Instant::now(), readiness, child: Some(child) }
    }

    /// Adds what has happened since the last call.
    pub(super) fn poll(&mut self, events: &mut Vec<NodeEvent>) {
        let Some(child) = &mut self.child else { return };
        // Asked before the log is read: what a node wrote before its end is then there.
        let ended = child.try_wait().ok().flatten();
        self.poll_readiness(ended.is_some(), events);
        if let Some(status) = ended {
            self.child = None;
            let last_lines = last_lines(&self.log);
            events.push(NodeEvent::Died { id: self.id, status: describe(status), last_lines });
        }
    }

    fn poll_readiness(&mut self, ended: bool, events: &mut Vec<NodeEvent>) {
        let Readiness::Awaited { search, limit_ms } = &mut self.readiness else { return };
        let after_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if search.poll() {
            events.push(NodeEvent::Ready { id: self.id });
        } else if !ended && after_ms >= *limit_ms {
            events.push(NodeEvent::NotReady { id: self.id, after_ms, last_lines: last_lines(&self.log) });
        } else {
            return;
        }
        self.readiness = Readiness::Known;
    }

    /// Kills the node with all of its session's first process group.
    pub(super) fn kill(&mut self) {
        if let Some(child) = &self.child {
            kill_group(child);
        }
    }

    /// Waits for the end of a node that was killed.
    pub(super) fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It was killed: only the kernel is still waited for.
            let _ = child.wait();
        }
    }
}

/// Kills the process group that `child`, not reaped yet, leads.
pub(super) fn kill_group(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // One that has ended meanwhile needs no signal.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// How a process ended, in words.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => {
            let name = Signal::try_from(number).map_or("unknown", Signal::as_str);
            format!("signal {number} ({name})")
        }
        (None, None) => status.to_string(),
    }
}
