//! `verify worker` on other machines than the run's: network namespaces of their own, with clocks that stand hours apart.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::stage::{RUNNER, Run, Stage};

/// What both sides know.
pub(crate) const TOKEN: &str = "a token that both sides know";
/// How far ahead of the runner's the clocks of the two machines stand, seconds.
pub(crate) const AHEAD_S: [u64; 2] = [7_200, 77];
/// Longest wait for any condition: reaching it is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(120);

/// A machine that does its part.
pub(crate) struct Machine {
    pub(crate) child: Child,
    output: PathBuf,
    /// Where its clients record.
    pub(crate) folder: PathBuf,
}

impl Machine {
    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// How it ends.
    pub(crate) fn ends(mut self) -> (ExitStatus, String) {
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
        (self.child.wait().unwrap(), self.said())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `verify worker` on machine 1 or 2.
pub(crate) fn join(stage: &mut Stage, machine: u32, arguments: &[&str], token: &str) -> Machine {
    let folder = tempfile::tempdir_in(&stage.directory).unwrap().keep();
    let mut program = Command::new(env!("CARGO_BIN_EXE_verify"));
    program.args(["worker", &format!("{RUNNER}:7654"), "--name", &format!("m{machine}"), "--dir"]).arg(&folder);
    program.args(arguments).env("VERIFY_WORKER_TOKEN", token);
    let output = folder.with_extension("said");
    let child = stage.on_machine(machine, AHEAD_S[machine as usize - 1], &program, &output);
    Machine { child, output, folder }
}

/// The same on both.
pub(crate) fn join_both(stage: &mut Stage, arguments: &[&str]) -> [Machine; 2] {
    [1, 2].map(|machine| join(stage, machine, arguments, TOKEN))
}

/// A run that waits for both.
pub(crate) fn begin(stage: &mut Stage, port: u16, arguments: &[&str]) -> Run {
    let arguments = [&["--machines", "2", "--require", "none", "--json"], arguments].concat();
    stage.begin(port, &arguments, &[("VERIFY_WORKER_TOKEN", TOKEN)])
}
