//! A worker process on another machine, as a process of a host.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use delivery_cluster::cluster::HostProcess;
use delivery_cluster::local::group;
use delivery_cluster::processes::Blow;
use delivery_history::event::ProcessState;

use super::link::Link;
use super::words::{FromMachine, Strike, ToMachine, state_of};

/// Killed when dropped.
pub(crate) struct RemoteProcess {
    link: Arc<Link>,
    process: u32,
    lines: Option<Receiver<String>>,
}

impl RemoteProcess {
    /// Starts this very program on a machine; what it records comes into `path`, as worker number `worker`.
    ///
    /// # Errors
    /// A machine that is gone, or a file that cannot be made.
    pub(crate) fn start(
        link: &Arc<Link>,
        worker: u16,
        name: &str,
        arguments: &[String],
        path: &Path,
    ) -> Result<Self, String> {
        let lines = link.start(worker, name, arguments, path)?;
        Ok(Self { link: link.clone(), process: worker.into(), lines: Some(lines) })
    }

    fn is_over(&self) -> bool {
        matches!(self.link.ended(self.process), Ok(Some(_)))
    }
}

impl HostProcess for RemoteProcess {
    fn say(&mut self, line: &str) -> io::Result<()> {
        self.link.send(&ToMachine::Say { process: self.process, line: line.to_owned() })
    }

    fn lines(&mut self) -> Option<Box<dyn Iterator<Item = String> + Send>> {
        Some(Box::new(self.lines.take()?.into_iter()))
    }

    fn strike(&mut self, blow: Blow) -> Result<(), String> {
        let process = self.process;
        let strike = Strike::of(blow).ok_or_else(|| format!("nobody can {} a client", group::operation(blow)))?;
        match self.link.ask(|question| ToMachine::Strike { process, blow: strike, question }) {
            Some(FromMachine::Struck { missed: None, .. }) => Ok(()),
            Some(FromMachine::Struck { missed: Some(why), .. }) => Err(why),
            _ => Err(format!("{} gave no answer", self.link.name())),
        }
    }

    fn state(&self) -> ProcessState {
        if self.is_over() {
            return ProcessState::Gone;
        }
        let process = self.process;
        match self.link.ask(|question| ToMachine::Look { process, question }) {
            // Of what cannot be seen nothing is claimed that would prove a fault.
            Some(FromMachine::Doing { state, .. }) => state_of(state).unwrap_or(ProcessState::Running),
            _ => ProcessState::Running,
        }
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match self.link.ended(self.process)? {
            None => Ok(None),
            Some(Some(status)) => Ok(Some(ExitStatus::from_raw(status))),
            Some(None) => Err(io::Error::other("how it ended is not known")),
        }
    }

    fn kill(&mut self) -> Option<ExitStatus> {
        let _ = self.link.send(&ToMachine::Kill { process: self.process });
        self.link.wait_for_end(self.process).map(ExitStatus::from_raw)
    }
}

impl Drop for RemoteProcess {
    fn drop(&mut self) {
        if !self.is_over() {
            let _ = self.link.send(&ToMachine::Kill { process: self.process });
        }
    }
}
