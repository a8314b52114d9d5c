//! A worker process from the runner's side.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command as Program, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use delivery_cluster::external::Hosts;
use delivery_cluster::local::{ClusterError, group};
use delivery_cluster::processes::{Blow, ProcessError};
use delivery_history::event::ProcessState;

use crate::real::protocol::{Command, PASSWORD_VARIABLE, Report, WORKER_ARGUMENT, WorkerSpec};

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
    child: Child,
    commands: Option<ChildStdin>,
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
    /// Starts this very program as a worker on `host`; what it says goes into `words` with its number.
    pub(crate) fn start(
        hosts: &dyn Hosts,
        host: u32,
        name: &str,
        spec: &WorkerSpec,
        logs_dir: &Path,
        words: &Sender<(u16, Word)>,
    ) -> Result<Self, SpawnError> {
        let failed = |cause| SpawnError::Io { name: name.to_owned(), cause };
        let log = File::create(logs_dir.join(format!("{name}.log"))).map_err(failed)?;
        let mut program = Program::new(this_program());
        // The name is there for whoever looks at a process list.
        program.arg(WORKER_ARGUMENT).arg(&spec.system).arg(name);
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        program.env_remove(PASSWORD_VARIABLE);
        let mut child = hosts.spawn(host, program)?;
        let mut commands = child.stdin.take();
        if let Some(commands) = commands.as_mut() {
            let line = serde_json::to_string(spec).map_err(|error| failed(error.into()))?;
            writeln!(commands, "{line}").map_err(failed)?;
            if let Some(access) = &spec.client.access {
                writeln!(commands, "{}", access.to_line()).map_err(failed)?;
            }
        }
        if let Some(output) = child.stdout.take() {
            let (words, worker) = (words.clone(), spec.worker);
            let thread = std::thread::Builder::new().name(format!("hear {name}"));
            thread.spawn(move || hear(BufReader::new(output), worker, &words)).map_err(failed)?;
        }
        Ok(Self { name: name.to_owned(), child, commands, failure: None, dismissed: false, struck_down: false })
    }

    /// Tells it something; a worker that is gone shows by its last word.
    pub(crate) fn tell(&mut self, command: &Command) {
        if *command == Command::Finish {
            self.dismissed = true;
        }
        let Some(commands) = self.commands.as_mut() else { return };
        let line = serde_json::to_string(command).unwrap_or_default();
        if writeln!(commands, "{line}").is_err() {
            self.commands = None;
        }
    }

    /// Does it to the worker's process group.
    pub(crate) fn strike(&mut self, blow: Blow) -> Result<(), ProcessError> {
        group::strike(self.child.id(), blow).map_err(|errno| group::missed(blow, self.name.clone(), errno.desc()))?;
        self.struck_down |= matches!(blow, Blow::Kill | Blow::Terminate);
        Ok(())
    }

    /// What the kernel says of it.
    pub(crate) fn state(&self) -> ProcessState {
        group::state(self.child.id())
    }

    /// How it ended, waiting at most `limit`; a worker that takes longer is killed.
    pub(crate) fn end(&mut self, limit: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
                _ => break,
            }
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hear(output: impl BufRead, worker: u16, words: &Sender<(u16, Word)>) {
    for line in output.lines().map_while(Result::ok) {
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

/// This very program, started again: on Linux even where its file was replaced meanwhile.
pub(crate) fn this_program() -> PathBuf {
    let by_link = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") { by_link } else { std::env::current_exe().unwrap_or(by_link) }
}

/// `signal 9`, `exit status 1`; and the number for the history: the signal, or the exit status.
pub(crate) fn describe(status: ExitStatus) -> (String, u64) {
    match (status.signal(), status.code()) {
        (Some(signal), _) => (format!("was killed by signal {signal}"), signal as u64),
        (None, Some(code)) => (format!("ended with exit status {code}"), code as u64),
        (None, None) => (String::from("ended"), 0),
    }
}
