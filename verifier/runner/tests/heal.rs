//! Every fault, on every way out: what it did is taken back, and nothing of it is left on the machine.
//!
//! A run of its own for each: the loop and the machine of real runs, in an enclosure, over three nodes that do nothing
//! but run. It says when the fault is seen to be in force, and leaves in the way it is told to.
#![allow(clippy::unwrap_used)]

#[path = "heal/machine.rs"]
mod machine;
#[path = "heal/run.rs"]
mod run;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use delivery_cluster::enclosure::enclose;
use delivery_faults::{FaultRequest, find_fault, kind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use machine::{Machine, Traces};

/// One way a run can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By its schedule.
    End,
    /// Something else went wrong while the fault was on.
    Error,
    /// Ctrl-C.
    Interrupt,
    /// A bug.
    Panic,
    /// `kill -9` of `verify`.
    Kill,
}

const WAYS: [Way; 5] = [Way::End, Way::Error, Way::Interrupt, Way::Panic, Way::Kill];

/// What is tried of each fault. A fault without a row fails the test.
const TABLE: &[(&str, &[&str])] = &[
    ("netsplit", &["netsplit", "netsplit:flap"]),
    ("loss", &["loss"]),
    ("reset", &["reset"]),
    ("bandwidth", &["bandwidth"]),
    ("delay", &["delay"]),
    ("hold", &["hold"]),
    ("kill", &["kill"]),
    ("stop", &["stop"]),
    ("restart", &["restart"]),
    ("pause", &["pause"]),
    ("limp", &["limp"]),
    ("power-loss", &["power-loss"]),
    ("disk-full", &["disk-full"]),
    ("slow-disk", &["slow-disk"]),
    ("clock", &["clock"]),
    ("add-partition", &["add-partition"]),
    ("leader-transfer", &["leader-transfer"]),
    ("unclean-election", &["unclean-election"]),
    ("rebalance-queues", &["rebalance-queues"]),
    ("reassign", &["reassign"]),
    ("leave", &["leave"]),
];

/// Runs side by side.
const AT_ONCE: usize = 6;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, fault, way, directory] = &arguments[..]
        && role == "--role"
    {
        let way = WAYS.into_iter().find(|known| format!("{known:?}") == *way).unwrap();
        return ExitCode::from(play(fault, way, Path::new(directory)));
    }
    if arguments.iter().any(|argument| argument == "--list") {
        println!("every_fault_heals_on_every_way_out: test");
        return ExitCode::SUCCESS;
    }
    if let Err(error) = enclose(|| 0) {
        println!("skipped: no namespaces here: {error}");
        let required = std::env::var("VERIFY_REQUIRE").unwrap_or_default();
        return ExitCode::from(u8::from(["local", "kafka", "rabbitmq"].iter().any(|word| required.contains(word))));
    }
    every_fault_has_a_row();
    every_fault_heals_on_every_way_out();
    ExitCode::SUCCESS
}

/// What a run inside does; its exit code says how it ended.
fn play(fault: &str, way: Way, directory: &Path) -> u8 {
    let code = enclose(|| run::run(fault, way, directory)).unwrap_or(99);
    u8::try_from(code).unwrap_or(98)
}

fn every_fault_has_a_row() {
    let rows: Vec<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    let faults: Vec<&str> = kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(rows, faults, "a row for each fault, in the order of `kind::ALL`");
    for (name, tried) in TABLE {
        assert!(!tried.is_empty());
        tried.iter().for_each(|text| assert_eq!(FaultRequest::parse(text).unwrap().fault, *name));
    }
}

fn every_fault_heals_on_every_way_out() {
    let mut cases: Vec<(&str, Way)> = Vec::new();
    for (name, tried) in TABLE {
        match find_fault(name).unwrap().refusal() {
            Some(reason) => {
                assert!(!is_required(name), "VERIFY_REQUIRE asks for {name}: {reason}");
                println!("test {name} ... skipped: this machine cannot give it: {reason}");
            }
            None => cases.extend(tried.iter().flat_map(|text| WAYS.map(|way| (*text, way)))),
        }
    }
    let before = Machine::look();
    for batch in cases.chunks(AT_ONCE) {
        let begun: Vec<Begun> = batch.iter().map(|(fault, way)| Begun::begin(fault, *way)).collect();
        // They end side by side, too: each waits for what is its own.
        std::thread::scope(|scope| begun.into_iter().for_each(|begun| drop(scope.spawn(|| begun.leave()))));
    }
    assert_eq!(Machine::look(), before, "the machine is as it was");
    println!("test every_fault_heals_on_every_way_out ... ok ({} cases)", cases.len());
}

/// Whether `VERIFY_REQUIRE` has the word for what a fault needs of the machine.
fn is_required(fault: &str) -> bool {
    let word = match fault {
        "power-loss" | "slow-disk" => "fuse",
        "clock" => "clock",
        "reset" | "bandwidth" => "links",
        _ => return false,
    };
    std::env::var("VERIFY_REQUIRE").is_ok_and(|required| required.split(',').any(|name| name == word))
}

/// A run that was begun.
struct Begun {
    label: String,
    way: Way,
    process: Child,
    output: BufReader<ChildStdout>,
    directory: tempfile::TempDir,
}

impl Begun {
    fn begin(fault: &str, way: Way) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Not the link in /proc: it would be resolved by whoever starts it.
        let program = std::env::current_exe().unwrap();
        // A test that was started in the background ignores Ctrl-C, and so would the run.
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(program);
        command.args(["--role", fault, &format!("{way:?}")]).arg(directory.path());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { label: format!("{fault}, {way:?}"), way, process, output, directory }
    }

    /// Waits until the fault is in force, lets the run end, and sees that nothing is left of it.
    fn leave(mut self) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let traces = Traces::of(self.process.id());
        assert_eq!(line, "in force\n", "{}", self.label);
        assert!(traces.namespaces() > 4 * 2, "{}: hosts have namespaces of their own: {traces:?}", self.label);
        let pid = Pid::from_raw(self.process.id().cast_signed());
        match self.way {
            Way::Interrupt => kill(pid, Signal::SIGINT).unwrap(),
            Way::Kill => kill(pid, Signal::SIGKILL).unwrap(),
            Way::End | Way::Error | Way::Panic => {}
        }
        // It waits for that, so that the traces are those of a fault in force.
        if self.way != Way::Kill {
            self.process.stdin.take().unwrap().write_all(b"go\n").unwrap();
        }
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        let code = self.process.wait().unwrap().code();
        let expected = match self.way {
            Way::End | Way::Interrupt => (Some(0), "healed: finished\n"),
            Way::Error => (Some(0), "healed: cut short by something else\n"),
            Way::Panic => (Some(101), ""),
            Way::Kill => (None, ""),
        };
        assert_eq!((code, said.as_str()), expected, "{}", self.label);
        traces.wait_until_gone(&self.label);
        // Nothing is mounted here any more: it would be deleted along with the directory.
        assert!(!machine::has_mount_below(self.directory.path()), "{}", self.label);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // Where an assertion failed it may still run.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
