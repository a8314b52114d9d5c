//! A node that runs.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use delivery_broker::NodeSpec;
use delivery_history::event::ProcessState;
use nix::sys::signal::Signal;

use super::disks::NodeDisks;
use super::group;
use super::log_file::{LineSearch, last_lines};
use super::{ClusterError, start, storage};
use crate::clock::FakeClock;
pub use crate::cluster::NodeEvent;
use crate::disk::{Dropped, UnsyncedDisk};
use crate::process::Place;
use crate::processes::{Blow, ProcessError};

/// What the machine of a node is set to: the default is one that nobody has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineState {
    /// How much longer writes and syncs take.
    pub disk_delay: Duration,
    /// What its clock was set to, as written; empty where it goes right.
    pub clock: String,
}

/// How long a node has to say that it is ready.
enum Readiness {
    Awaited { search: LineSearch, limit_ms: u64 },
    Known,
}

/// A node, and its process where it runs.
pub(super) struct Node {
    spec: NodeSpec,
    place: Place,
    log: PathBuf,
    /// After the place, whose files are bound to it.
    disks: NodeDisks,
    clock: Option<FakeClock>,
    started: Instant,
    readiness: Readiness,
    child: Option<Child>,
    /// A fault ends it: that it ends is no event of its own.
    struck_down: bool,
    /// What it stored is gone: it is prepared again before it starts.
    is_wiped: bool,
    /// How it ended while its disk was full, until that is told.
    halted: Option<String>,
}

impl Node {
    pub(super) fn new(spec: NodeSpec, place: Place, log: PathBuf, child: Child, search: LineSearch) -> Self {
        let readiness = Readiness::Awaited { search, limit_ms: spec.ready_limit_ms };
        let (started, child) = (Instant::now(), Some(child));
        Self {
            spec,
            place,
            log,
            disks: NodeDisks::default(),
            clock: None,
            started,
            readiness,
            child,
            struck_down: false,
            is_wiped: false,
            halted: None,
        }
    }

    /// Its data is on these disks, and it goes by this clock.
    pub(super) fn on(mut self, disks: NodeDisks, clock: Option<FakeClock>) -> Self {
        (self.disks, self.clock) = (disks, clock);
        self
    }

    /// What its machine is set to.
    pub(super) fn machine_state(&self) -> MachineState {
        let clock = self.clock.as_ref().map(FakeClock::is_set_to).filter(|set| set.as_str() != FakeClock::RIGHT);
        MachineState { disk_delay: self.disks.delay(), clock: clock.unwrap_or_default() }
    }

    /// Its clock, where it has one of its own.
    pub(super) fn clock(&self) -> Option<&FakeClock> {
        self.clock.as_ref()
    }

    /// Its disks, for faults of theirs.
    pub(super) fn disks(&mut self) -> &mut NodeDisks {
        &mut self.disks
    }

    /// Takes everything it has written so far for synced.
    pub(super) fn settle(&self) {
        self.disks.settle();
    }

    /// What it lost to cuts of its power so far.
    pub(super) fn dropped(&self) -> Option<Dropped> {
        self.disks.layered.as_ref().map(UnsyncedDisk::dropped)
    }

    pub(super) fn id(&self) -> u32 {
        self.spec.host.id
    }

    /// Does it to the node's process group.
    pub(super) fn strike(&mut self, blow: Blow) -> Result<(), ProcessError> {
        let missed = |cause: &str| group::missed(blow, self.spec.host.name.clone(), cause);
        let Some(child) = &self.child else { return Err(missed("it does not run")) };
        if blow == Blow::PowerLoss && self.disks.layered.is_none() {
            return Err(missed("its disk loses nothing"));
        }
        group::strike(child.id(), blow).map_err(|errno| missed(errno.desc()))?;
        self.struck_down |= matches!(blow, Blow::Kill | Blow::Terminate | Blow::PowerLoss);
        // Only after the signal: no process goes on to acknowledge what it could no longer write or sync.
        if let Some(disk) = self.disks.layered.as_ref().filter(|_| blow == Blow::PowerLoss) {
            disk.cut_power().map_err(|error| missed(&error.to_string()))?;
        }
        Ok(())
    }

    pub(super) fn stores_apart(&self) -> bool {
        self.spec.storage.is_some()
    }

    /// Takes all that it has stored; it must not run.
    pub(super) fn wipe(&mut self) -> Result<u64, ProcessError> {
        let failed = |cause: &str| storage::not_wiped(self.spec.host.name.clone(), cause);
        if self.state() != ProcessState::Gone {
            return Err(failed("it still runs"));
        }
        let bytes = storage::wipe(&self.spec).map_err(|error| failed(&error.to_string()))?;
        self.is_wiped = true;
        Ok(bytes)
    }

    pub(super) fn state(&self) -> ProcessState {
        self.child.as_ref().map_or(ProcessState::Gone, |child| group::state(child.id()))
    }

    /// Starts it again on its data. One that was asked to end and has not is killed first.
    pub(super) fn start_again(&mut self) -> Result<(), ClusterError> {
        if self.struck_down {
            self.kill();
            self.reap();
        }
        if let Some(disk) = &self.disks.layered {
            let node = self.spec.host.name.clone();
            disk.restore_power().map_err(|source| ClusterError::Disk { node, source })?;
        }
        let command = match self.is_wiped {
            true => storage::prepare_and_run(&self.spec),
            false => self.spec.command.clone(),
        };
        let (child, search) = start::start_command(&self.spec, &command, &self.place, &self.log, self.clock.as_ref())?;
        self.is_wiped = false;
        self.readiness = Readiness::Awaited { search, limit_ms: self.spec.ready_limit_ms };
        (self.child, self.started, self.struck_down) = (Some(child), Instant::now(), false);
        self.halted = None;
        self.disks.forgive();
        Ok(())
    }

    /// Whether its process has ended, by itself or not.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().ok().flatten().is_some())
    }

    /// Adds what has happened since the last call.
    pub(super) fn poll(&mut self, events: &mut Vec<NodeEvent>) {
        if !self.disks.is_filled()
            && let Some(status) = self.halted.take()
        {
            events.push(NodeEvent::Halted { id: self.id(), status });
        }
        let Some(child) = &mut self.child else { return };
        // Asked before the log is read: what a node wrote before its end is then there.
        let ended = child.try_wait().ok().flatten();
        self.poll_readiness(ended.is_some(), events);
        if let Some(status) = ended {
            self.child = None;
            let (id, status) = (self.id(), describe(status));
            if self.disks.was_full() && !self.struck_down {
                // Whoever starts it again takes it for one that a fault ended.
                self.struck_down = true;
                self.halted = Some(status);
            } else if !self.struck_down {
                events.push(NodeEvent::Died { id, status, last_lines: last_lines(&self.log) });
            }
        }
    }

    fn poll_readiness(&mut self, ended: bool, events: &mut Vec<NodeEvent>) {
        let id = self.id();
        let Readiness::Awaited { search, limit_ms } = &mut self.readiness else { return };
        let after_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if search.poll() {
            events.push(NodeEvent::Ready { id });
        } else if !ended && !self.struck_down && after_ms >= *limit_ms {
            events.push(NodeEvent::NotReady { id, after_ms, last_lines: last_lines(&self.log) });
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
    // One that has ended meanwhile needs no signal.
    let _ = group::strike(child.id(), Blow::Kill);
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
