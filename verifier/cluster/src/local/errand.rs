//! This very program on a host of the local backend.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use delivery_history::event::ProcessState;

use super::{ClusterError, LocalCluster, group};
use crate::cluster::{Errand, HostProcess};
use crate::processes::Blow;

/// A process of this machine that leads a group.
struct LocalProcess {
    child: Child,
    input: Option<ChildStdin>,
}

/// Starts it.
pub(super) fn run(cluster: &LocalCluster, host: u32, errand: &Errand) -> Result<Box<dyn HostProcess>, ClusterError> {
    let log = File::create(&errand.log).map_err(|source| ClusterError::Write { path: errand.log.clone(), source })?;
    let mut program = Command::new("/proc/self/exe");
    program.args(&errand.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    let mut child = cluster.spawn(host, program)?;
    let input = child.stdin.take();
    Ok(Box::new(LocalProcess { child, input }))
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
