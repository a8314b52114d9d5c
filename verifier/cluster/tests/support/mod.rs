//! A test harness that stays single-threaded, so that its cases can make namespaces; it runs them as
//! whoever calls and, when that is root, as a plain user too.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use delivery_cluster::enclosure::enclose;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Number of the user who owns nothing.
const NOBODY: u32 = 65_534;
/// Longest time any condition is waited for; reaching it is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

/// A test case.
pub(crate) type Case = (&'static str, fn());

/// One that knows something.
pub(crate) type BoxedCase = (&'static str, Box<dyn Fn()>);

/// Runs the cases whose names hold a word given on the command line (all without one).
pub(crate) fn run(cases: &[Case]) {
    let boxed = |(name, case): &Case| (*name, Box::new(*case) as Box<dyn Fn()>);
    run_boxed(&cases.iter().map(boxed).collect::<Vec<_>>());
}

/// As [`run`], with cases that know something.
pub(crate) fn run_boxed(cases: &[BoxedCase]) {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen: Vec<&BoxedCase> =
        cases.iter().filter(|(name, _)| words.is_empty() || words.iter().any(|word| name.contains(word))).collect();
    if std::env::args().any(|word| word == "--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let user = if nix::unistd::geteuid().is_root() { "root" } else { "plain user" };
    if let Err(error) = enclose(|| 0) {
        let required = std::env::var("VERIFY_REQUIRE").unwrap_or_default();
        println!("skipped as {user}: no namespaces here: {error}");
        if ["local", "kafka", "rabbitmq"].iter().any(|word| required.contains(word)) {
            println!("VERIFY_REQUIRE={required} makes that a failure");
            std::process::exit(1);
        }
        return;
    }
    let failed = chosen.iter().filter(|case| !passes(case, user)).count();
    let failed_as_nobody = user == "root" && !passes_as_nobody(&words);
    println!("{} cases as {user}, {failed} failed", chosen.len());
    if failed > 0 || failed_as_nobody {
        std::process::exit(1);
    }
}

fn passes((name, case): &BoxedCase, user: &str) -> bool {
    let passed = catch_unwind(AssertUnwindSafe(case)).is_ok();
    println!("test {name} as {user} ... {}", if passed { "ok" } else { "FAILED" });
    passed
}

/// Runs a copy of this program, which a plain user may read, as a plain user.
fn passes_as_nobody(words: &[String]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join("tests");
    fs::copy(this_program(), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(copy);
    command.args(words).uid(NOBODY).gid(NOBODY).current_dir("/").env("HOME", "/").env("PATH", "/usr/bin:/bin");
    command.status().unwrap().success()
}

/// The running test program.
pub(crate) fn this_program() -> PathBuf {
    // Not the link in /proc: it would be resolved by whoever starts it.
    std::env::current_exe().unwrap()
}

/// A command that runs this program in another role.
pub(crate) fn role(arguments: &[&str]) -> Command {
    // Signals act as they do by themselves, even where this test runs under `nohup`.
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT,TERM").arg(this_program()).arg("--role").args(arguments);
    command
}

/// The role this process was started in, if it is not the harness.
pub(crate) fn asked_role() -> Option<Vec<String>> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next().as_deref() == Some("--role")).then(|| arguments.collect())
}

/// Runs `inside` enclosed; what panics there fails the case.
pub(crate) fn enclosed(inside: impl FnOnce()) {
    let code = enclose(|| {
        inside();
        0
    });
    assert_eq!(code, Ok(0));
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Processes whose command line holds the marker (zombies have none).
pub(crate) fn processes_with(marker: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    })
    .collect()
}

/// A word no other process has on its command line.
pub(crate) fn marker(name: &str) -> String {
    let since_boot = fs::read_to_string("/proc/uptime").unwrap();
    let since_boot: String = since_boot.chars().take_while(|letter| !letter.is_whitespace()).collect();
    format!("marker-{name}-{}-{since_boot}", std::process::id())
}

/// A process that is talked to line by line.
pub(crate) struct Talker {
    /// The process.
    pub(crate) child: Child,
    input: ChildStdin,
    output: ChildStdout,
    heard: Vec<u8>,
}

/// Makes a command's streams pipes.
pub(crate) fn piped(mut command: Command) -> Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

impl Talker {
    /// Talks to a process started with [`piped`] streams.
    pub(crate) fn new(mut child: Child) -> Self {
        let input = child.stdin.take().unwrap();
        let output = child.stdout.take().unwrap();
        Self { child, input, output, heard: Vec::new() }
    }

    /// Says a line.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The next line it says; empty when it has ended.
    pub(crate) fn hear(&mut self) -> String {
        let start = Instant::now();
        while !self.heard.contains(&b'\n') {
            assert!(start.elapsed() < PATIENCE, "waited in vain for a line");
            let mut watched = [PollFd::new(self.output.as_fd(), PollFlags::POLLIN)];
            if poll(&mut watched, PollTimeout::from(100_u8)).unwrap() == 0 {
                continue;
            }
            let mut buffer = [0; 256];
            match self.output.read(&mut buffer).unwrap() {
                0 => break,
                count => self.heard.extend_from_slice(&buffer[..count]),
            }
        }
        let end = self.heard.iter().position(|byte| *byte == b'\n').map_or(self.heard.len(), |at| at + 1);
        let line: Vec<u8> = self.heard.drain(..end).collect();
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    /// Asks and hears the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
