//! This very program on a host's container.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use delivery_cluster::cluster::HostProcess;
use delivery_cluster::processes::Blow;
use delivery_history::event::ProcessState;

use crate::link::{Link, Status};
use crate::protocol::{Signal, Task};

/// Longest wait for the end of a process that was killed.
const END_LIMIT: Duration = Duration::from_secs(10);
/// Pause between looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A process of a host.
pub(crate) struct ContainerProcess {
    link: Arc<Link>,
    number: u32,
    lines: Option<Receiver<String>>,
    status: Status,
}

impl ContainerProcess {
    /// One that was started under this number.
    pub(crate) fn new(link: Arc<Link>, number: u32, lines: Receiver<String>, status: Status) -> Self {
        Self { link, number, lines: Some(lines), status }
    }

    fn status(&self) -> Option<ExitStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).map(ExitStatus::from_raw)
    }
}

impl HostProcess for ContainerProcess {
    fn say(&mut self, line: &str) -> io::Result<()> {
        let told = self.link.tell(Task::Say { process: self.number, line: line.to_owned() });
        if told { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn lines(&mut self) -> Option<Box<dyn Iterator<Item = String> + Send>> {
        Some(Box::new(self.lines.take()?.into_iter()))
    }

    fn strike(&mut self, blow: Blow) -> Result<(), String> {
        let signal = match blow {
            Blow::Kill => Signal::Kill,
            Blow::Terminate => Signal::Terminate,
            Blow::Stop => Signal::Stop,
            Blow::Continue => Signal::Continue,
            Blow::PowerLoss => return Err(String::from("a client has no disk")),
        };
        self.link.ask(Task::Strike { process: self.number, signal }).map(drop)
    }

    fn state(&self) -> ProcessState {
        let said = self.link.ask(Task::State { process: self.number });
        let states = [ProcessState::Gone, ProcessState::Running, ProcessState::Stopped];
        let number = said.ok().and_then(|text| text.parse::<u64>().ok());
        states.into_iter().find(|state| Some(*state as u64) == number).unwrap_or(ProcessState::Gone)
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match self.status() {
            Some(status) => Ok(Some(status)),
            None if self.link.is_gone() => Err(io::ErrorKind::BrokenPipe.into()),
            None => Ok(None),
        }
    }

    fn kill(&mut self) -> Option<ExitStatus> {
        if self.status().is_none() {
            // One that has ended meanwhile needs no signal.
            let _ = self.strike(Blow::Kill);
        }
        let until = Instant::now() + END_LIMIT;
        while self.status().is_none() && !self.link.is_gone() && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
        }
        self.status()
    }
}

impl Drop for ContainerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
