//! A node that runs in a container.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use delivery_broker::NodeSpec;
use delivery_cluster::cluster::{ClusterError, NodeEvent};
use delivery_cluster::local::group::missed;
use delivery_cluster::local::log_file::{LineSearch, last_lines};
use delivery_cluster::processes::{Blow, ProcessError};
use delivery_history::event::ProcessState;
use testcontainers::bollard::query_parameters::KillContainerOptionsBuilder;
use testcontainers::{ContainerAsync, GenericImage};

use crate::containers::{self, Exit};
use crate::error::EngineError;
use crate::run::Inner;

/// Added by a shell and by the engine to the number of the signal that ended a process.
const SIGNALLED: i64 = 128;
/// How often a container is frozen again that the kernel would not freeze.
const FREEZE_AGAIN: u32 = 5;
/// Longest wait for the end of a node that was killed.
const END_LIMIT: Duration = Duration::from_secs(20);
/// Pause between looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How long a node has to say that it is ready.
enum Readiness {
    Awaited { search: LineSearch, limit_ms: u64 },
    Known,
}

/// A node, and its container.
pub(crate) struct Node {
    pub(crate) spec: NodeSpec,
    run: Arc<Inner>,
    log: PathBuf,
    container: Option<ContainerAsync<GenericImage>>,
    id: String,
    started: Instant,
    readiness: Readiness,
    /// How its container ended; nothing while it runs, or once that was told.
    exit: Option<Exit>,
    /// A fault ends it: that it ends is no event of its own.
    struck_down: bool,
}

impl Node {
    /// One whose container was started just now.
    pub(crate) fn new(
        run: &Arc<Inner>,
        spec: NodeSpec,
        log: PathBuf,
        search: LineSearch,
        container: ContainerAsync<GenericImage>,
    ) -> Self {
        let id = container.id().to_owned();
        let readiness = Readiness::Awaited { search, limit_ms: spec.ready_limit_ms };
        let exit = Some(containers::watch(&run.engine, &id));
        Self {
            spec,
            run: Arc::clone(run),
            log,
            container: Some(container),
            id,
            started: Instant::now(),
            readiness,
            exit,
            struck_down: false,
        }
    }

    /// Its container, to be removed with others.
    pub(crate) fn take_container(&mut self) -> Option<ContainerAsync<GenericImage>> {
        self.container.take()
    }

    pub(crate) fn id(&self) -> u32 {
        self.spec.host.id
    }

    /// Does it to the node's container.
    pub(crate) fn strike(&mut self, blow: Blow) -> Result<(), ProcessError> {
        let engine = &self.run.engine;
        let docker = engine.docker();
        let signal = |name: &str| {
            let options = KillContainerOptionsBuilder::new().signal(name).build();
            engine.wait(docker.kill_container(&self.id, Some(options)))
        };
        let done = match blow {
            Blow::Kill => signal("SIGKILL"),
            Blow::Terminate => signal("SIGTERM"),
            Blow::Stop => self.pause(),
            Blow::Continue => engine.wait(docker.unpause_container(&self.id)),
            Blow::PowerLoss => return Err(missed(blow, self.spec.host.name.clone(), "its disk loses nothing")),
        };
        done.map_err(|error| missed(blow, self.spec.host.name.clone(), &error.to_string()))?;
        self.struck_down |= matches!(blow, Blow::Kill | Blow::Terminate);
        Ok(())
    }

    /// Freezes its container. The freezer of the kernel's first control groups gives up where processes come and go just
    /// then, and has let all of them go on when it says so.
    fn pause(&self) -> Result<(), testcontainers::bollard::errors::Error> {
        let engine = &self.run.engine;
        let mut done = engine.wait(engine.docker().pause_container(&self.id));
        for _ in 0..FREEZE_AGAIN {
            match &done {
                Err(error) if error.to_string().contains("unable to freeze") => {
                    done = engine.wait(engine.docker().pause_container(&self.id));
                }
                _ => break,
            }
        }
        done
    }

    /// What the engine says of its container.
    pub(crate) fn state(&self) -> ProcessState {
        let options = None::<testcontainers::bollard::query_parameters::InspectContainerOptions>;
        let found = self.run.engine.wait(self.run.engine.docker().inspect_container(&self.id, options));
        let state = found.ok().and_then(|found| found.state).unwrap_or_default();
        match (state.running, state.paused) {
            (Some(true), Some(true)) => ProcessState::Stopped,
            (Some(true), _) => ProcessState::Running,
            _ => ProcessState::Gone,
        }
    }

    /// Starts its container again on its data. One that was asked to end and has not is killed first.
    pub(crate) fn start_again(&mut self) -> Result<(), ClusterError> {
        if self.struck_down {
            // One that has ended meanwhile needs no signal.
            let _ = self.strike(Blow::Kill);
            self.await_end();
        }
        let write = |source| ClusterError::Write { path: self.log.clone(), source };
        // Only what the node itself writes from now on can say that it is ready.
        let written_bytes = fs::metadata(&self.log).map_err(write)?.len();
        let search = LineSearch::new(&self.log, written_bytes, &self.spec.ready_line).map_err(write)?;
        let started = self.run.engine.wait(containers::start_ended(&self.run, &self.id));
        let refused = |error| EngineError::refused(format!("start node {} again", self.spec.host.name), &error);
        started.map_err(refused)?;
        self.readiness = Readiness::Awaited { search, limit_ms: self.spec.ready_limit_ms };
        self.exit = Some(containers::watch(&self.run.engine, &self.id));
        (self.started, self.struck_down) = (Instant::now(), false);
        Ok(())
    }

    fn await_end(&self) {
        let until = Instant::now() + END_LIMIT;
        while self.state() != ProcessState::Gone && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Adds what has happened since the last call.
    pub(crate) fn poll(&mut self, events: &mut Vec<NodeEvent>) {
        let Some(exit) = &self.exit else { return };
        // Asked before the log is read: what a node wrote before its end is then there.
        let ended = *exit.lock().unwrap_or_else(PoisonError::into_inner);
        self.poll_readiness(ended.is_some(), events);
        if let Some(code) = ended {
            self.exit = None;
            if !self.struck_down {
                events.push(NodeEvent::Died { id: self.id(), status: describe(code), last_lines: self.last_words() });
            }
        }
    }

    /// The end of its log, or of what its container said where it wrote none.
    fn last_words(&self) -> Vec<String> {
        let logged = last_lines(&self.log);
        if logged.is_empty() {
            self.run.engine.wait(containers::said_by(&self.run, &self.id, containers::LAST_LINES))
        } else {
            logged
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
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            // What cannot be removed here is removed by the reaper.
            let _ = self.run.engine.wait(container.rm());
        }
    }
}

/// How a container ended, in the words of the local backend.
pub(crate) fn describe(code: i64) -> String {
    let signal =
        i32::try_from(code - SIGNALLED).ok().and_then(|number| nix::sys::signal::Signal::try_from(number).ok());
    match signal {
        Some(signal) => format!("signal {} ({})", signal as i32, signal.as_str()),
        None => format!("exit code {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::describe;

    #[test]
    fn a_status_beyond_128_is_a_signal() {
        assert_eq!(describe(137), "signal 9 (SIGKILL)");
        assert_eq!(describe(3), "exit code 3");
        assert_eq!(describe(128), "exit code 128");
        assert_eq!(describe(255), "exit code 255");
    }
}
