//! A run that is watched, and met with, while it goes on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use super::verify;

/// In the environment of a run and so of all its workers; nodes have it in their paths.
const MARK: &str = "VERIFY_TEST_MARK";

/// A run in the background.
pub(crate) struct Running {
    pub(crate) child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    mark: String,
    heard: Vec<String>,
}

/// Starts a run of `system`.
pub(crate) fn start(system: &str, arguments: &[&str], out: &Path) -> Running {
    let mark = out.to_str().unwrap().to_owned();
    let mut child = verify()
        .arg(system)
        .args(arguments)
        .arg("--out")
        .arg(out)
        .env(MARK, &mark)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    Running { child, stderr, mark, heard: Vec::new() }
}

impl Running {
    /// Reads its progress until `phase` begins.
    pub(crate) fn wait_for(&mut self, phase: &str) {
        let begins = |line: &str| line.split("] ").nth(1).is_some_and(|rest| rest.split(' ').next() == Some(phase));
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "ended before {phase}: {:#?}", self.heard);
            self.heard.push(line.trim_end().to_owned());
            if begins(line.trim_end()) {
                return;
            }
        }
    }

    /// Live processes of this run whose command line `matches`.
    pub(crate) fn processes(&self, matches: impl Fn(&str) -> bool) -> Vec<i32> {
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &i32| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let text = |file: &str| String::from_utf8_lossy(&read(file)).replace('\0', " ");
            let of_this_run =
                text("environ").contains(&format!("{MARK}={}", self.mark)) || text("cmdline").contains(&self.mark);
            let zombie = text("stat").rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
            of_this_run && !zombie && matches(&text("cmdline"))
        })
        .collect()
    }

    /// Reads its progress until a line that begins so.
    pub(crate) fn wait_for_line(&mut self, beginning: &str) {
        let mut line = String::new();
        while !line.starts_with(beginning) {
            line.clear();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "ended before {beginning}: {:#?}", self.heard);
            self.heard.push(line.trim_end().to_owned());
        }
    }

    /// Standard output and exit code at its end.
    pub(crate) fn finish(mut self) -> (String, Option<i32>) {
        // Both pipes are read, or the run could wait for us while we wait for it.
        let mut stderr = self.stderr;
        let rest = std::thread::spawn(move || std::io::read_to_string(&mut stderr));
        let stdout = std::io::read_to_string(self.child.stdout.take().unwrap()).unwrap();
        let status = self.child.wait().unwrap();
        rest.join().unwrap().unwrap();
        (stdout, status.code())
    }
}
