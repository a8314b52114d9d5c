//! This very program, run again on this machine.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use delivery_history::event::ProcessState;

use super::{ClusterError, group};
use crate::cluster::{Errand, HostProcess};
use crate::processes::Blow;

/// A process of this machine that leads a group.
struct LocalProcess {
    child: Child,
    input: Option<ChildStdin>,
}

/// Starts it with `spawn`, which says where.
pub(crate) fn run(
    errand: &Errand,
    spawn: impl FnOnce(Command) -> Result<Child, ClusterError>,
) -> Result<Box<dyn HostProcess>, ClusterError> {
    let log = File::create(&errand.log).map_err(|source| ClusterError::Write { path: errand.log.clone(), source })?;
    let mut program = Command::new(this_program());
    program.args(&errand.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    for name in &errand.not_inherited {
        program.env_remove(name);
    }
    let mut child = spawn(program)?;
    let input = child.stdin.take();
    Ok(Box::new(LocalProcess { child, input }))
}

/// This very program, to be started again: on Linux even where its file was replaced meanwhile.
pub fn this_program() -> PathBuf {
    let by_link = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") { by_link } else { std::env::current_exe().unwrap_or(by_link) }
}

impl HostProcess for LocalProcess {
    fn say(&mut self, line: &str) -> io::Result<()> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{line}").inspect_err(|_| self.input = None)
    }

    fn lines(&mut self) -> Option<Box<dyn Iterator<Item = String> + Send>> {
        let output = self.child.stdout.take()?;
        Some(Box::new(BufReader::new(output).lines().map_while(Result::ok)))
    }

    fn strike(&mut self, blow: Blow) -> Result<(), String> {
        group::strike(self.child.id(), blow).map_err(|errno| errno.desc().to_owned())
    }

    fn state(&self) -> ProcessState {
        group::state(self.child.id())
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    fn kill(&mut self) -> Option<ExitStatus> {
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for LocalProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
