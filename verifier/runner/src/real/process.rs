//! A worker process from the runner's side.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use delivery_cluster::cluster::{ClusterError, HostProcess};
use delivery_cluster::local::group;
use delivery_cluster::processes::{Blow, ProcessError};
use delivery_history::event::ProcessState;

use crate::real::protocol::{Command, Report, WorkerSpec};

/// What a worker said, or that it said its last word.
#[derive(Debug)]
pub(crate) enum Word {
    /// A report.
    Report(Report),
    /// Its standard output is closed: it has ended or is about to.
    End,
}

/// A running worker; killed when dropped.
pub(crate) struct WorkerProcess {
    name: String,
    process: Box<dyn HostProcess>,
    /// It hears what it is told.
    listens: bool,
    /// The reason it gave for not going on.
    pub(crate) failure: Option<String>,
    /// It said that it finished, or was told to.
    pub(crate) dismissed: bool,
    /// A fault killed it.
    pub(crate) struck_down: bool,
}

/// A worker that could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// The backend refused.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The machine it was to run on.
    #[error("{0}")]
    Machine(String),
    /// A file or pipe.
    #[error("could not start worker {name}: {cause}")]
    Io {
        /// Which.
        name: String,
        /// The system's error.
        cause: std::io::Error,
    },
}

impl WorkerProcess {
    /// Makes a worker of this very program, which runs; what it says goes into `words` with its number.
    pub(crate) fn start(
        mut process: Box<dyn HostProcess>,
        name: &str,
        spec: &WorkerSpec,
        words: &Sender<(u16, Word)>,
    ) -> Result<Self, SpawnError> {
        let failed = |cause| SpawnError::Io { name: name.to_owned(), cause };
        let line = serde_json::to_string(spec).map_err(|error| failed(error.into()))?;
        process.say(&line).map_err(failed)?;
        if let Some(access) = &spec.client.access {
            process.say(&access.to_line()).map_err(failed)?;
        }
        if let Some(lines) = process.lines() {
            let (words, worker) = (words.clone(), spec.worker);
            let thread = std::thread::Builder::new().name(format!("hear {name}"));
            thread.spawn(move || hear(lines, worker, &words)).map_err(failed)?;
        }
        Ok(Self { name: name.to_owned(), process, listens: true, failure: None, dismissed: false, struck_down: false })
    }

    /// Tells it something; a worker that is gone shows by its last word.
    pub(crate) fn tell(&mut self, command: &Command) {
        if *command == Command::Finish {
            self.dismissed = true;
        }
        if self.listens {
            let line = serde_json::to_string(command).unwrap_or_default();
            self.listens = self.process.say(&line).is_ok();
        }
    }

    /// Does it to the worker's process group.
    pub(crate) fn strike(&mut self, blow: Blow) -> Result<(), ProcessError> {
        self.process.strike(blow).map_err(|cause| group::missed(blow, self.name.clone(), &cause))?;
        self.struck_down |= matches!(blow, Blow::Kill | Blow::Terminate);
        Ok(())
    }

    /// What the system says of it.
    pub(crate) fn state(&self) -> ProcessState {
        self.process.state()
    }

    /// How it ended, waiting at most `limit`; a worker that takes longer is killed.
    pub(crate) fn end(&mut self, limit: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
                _ => break,
            }
        }
        self.process.kill()
    }
}

fn hear(lines: impl Iterator<Item = String>, worker: u16, words: &Sender<(u16, Word)>) {
    for line in lines {
        match serde_json::from_str(&line) {
            Ok(report) => {
                if words.send((worker, Word::Report(report))).is_err() {
                    return;
                }
            }
            // A client library that writes to standard output.
            Err(_) => eprintln!("{line}"),
        }
    }
    let _ = words.send((worker, Word::End));
}

/// `signal 9`, `exit status 1`; and the number for the history: the signal, or the exit status.
pub(crate) fn describe(status: ExitStatus) -> (String, u64) {
    match (status.signal(), status.code()) {
        (Some(signal), _) => (format!("was killed by signal {signal}"), signal as u64),
        (None, Some(code)) => (format!("ended with exit status {code}"), code as u64),
        (None, None) => (String::from("ended"), 0),
    }
}
