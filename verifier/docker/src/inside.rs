//! Process 1 of a host's container: does what it is told on standard input, and says so on standard output.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use delivery_cluster::local::group;
use delivery_cluster::processes::Blow;
use delivery_history::clock::monotonic_ns;
use delivery_history::event::ProcessState;

use crate::protocol::{Greeting, Request, Signal, Task, Word};
use crate::rules::DEVICE;

/// A port nothing listens on: the refusal is the answer.
const UNUSED_PORT: u16 = 9;
/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_millis(50);
/// Longest wait for a link.
const LINK_LIMIT: Duration = Duration::from_secs(10);

/// Processes that run, by the number they go by.
type Processes = Arc<Mutex<BTreeMap<u32, Running>>>;

struct Running {
    leader: u32,
    input: Option<ChildStdin>,
}

/// Works until standard input ends: then the run is gone, and with this process everything on the host.
pub(crate) fn work() {
    let processes = Processes::default();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match serde_json::from_str::<Request>(&line) {
            Ok(Request { task: Task::Say { process, line }, .. }) => pass_on(&processes, process, &line),
            Ok(Request { id, task: Task::Reach { address } }) => {
                thread::spawn(move || say(&Word::Answer { id, answer: reach(&address) }));
            }
            Ok(Request { id, task }) => say(&Word::Answer { id, answer: carry_out(&processes, task) }),
            Err(error) => eprintln!("not a request: {error}"),
        }
    }
}

fn say(word: &Word) {
    let mut line = serde_json::to_string(word).unwrap_or_default();
    line.push('\n');
    let mut output = std::io::stdout().lock();
    if output.write_all(line.as_bytes()).and_then(|()| output.flush()).is_err() {
        std::process::exit(1);
    }
}

fn locked(processes: &Processes) -> MutexGuard<'_, BTreeMap<u32, Running>> {
    processes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process that listens no more shows by its end.
fn pass_on(processes: &Processes, process: u32, line: &str) {
    if let Some(running) = locked(processes).get_mut(&process)
        && let Some(input) = running.input.as_mut()
        && writeln!(input, "{line}").is_err()
    {
        running.input = None;
    }
}

fn carry_out(processes: &Processes, task: Task) -> Result<String, String> {
    match task {
        Task::Hello => greet(),
        Task::Nft { arguments, input } => nft(&arguments, &input),
        Task::Run { process, arguments, log, owner } => {
            let log =
                OpenOptions::new().append(true).open(&log).map_err(|error| format!("{}: {error}", log.display()))?;
            let mut command = Command::new("/proc/self/exe");
            command.args(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
            command.process_group(0).uid(owner.0).gid(owner.1);
            let child = command.spawn().map_err(|error| error.to_string())?;
            follow(processes, process, child);
            Ok(String::new())
        }
        Task::Strike { process, signal } => {
            let leader = locked(processes).get(&process).map(|running| running.leader);
            let leader = leader.ok_or_else(|| String::from("it does not run"))?;
            group::strike(leader, blow_of(signal)).map(|()| String::new()).map_err(|errno| errno.desc().to_owned())
        }
        Task::State { process } => {
            let leader = locked(processes).get(&process).map(|running| running.leader);
            let state = leader.map_or(ProcessState::Gone, group::state);
            Ok((state as u64).to_string())
        }
        Task::Say { .. } | Task::Reach { .. } => Ok(String::new()),
    }
}

fn blow_of(signal: Signal) -> Blow {
    match signal {
        Signal::Kill => Blow::Kill,
        Signal::Terminate => Blow::Terminate,
        Signal::Stop => Blow::Stop,
        Signal::Continue => Blow::Continue,
    }
}

fn greet() -> Result<String, String> {
    let path = format!("/sys/class/net/{DEVICE}/address");
    let mac = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let greeting = Greeting { mac: mac.trim().to_owned(), now_ns: monotonic_ns() };
    serde_json::to_string(&greeting).map_err(|error| error.to_string())
}

fn reach(address: &str) -> Result<String, String> {
    let address: std::net::IpAddr = address.parse().map_err(|_| format!("{address} is no address"))?;
    let start = Instant::now();
    loop {
        match TcpStream::connect_timeout(&SocketAddr::from((address, UNUSED_PORT)), ANSWER_LIMIT) {
            Ok(_) => return Ok(String::new()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return Ok(String::new()),
            Err(error) if start.elapsed() >= LINK_LIMIT => return Err(format!("{address} does not answer: {error}")),
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn nft(arguments: &[String], input: &str) -> Result<String, String> {
    let mut command = Command::new("nft");
    command.args(arguments).env("LC_ALL", "C");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("nft could not be started: {error}"))?;
    if let Some(mut standard_input) = child.stdin.take() {
        // What it could not take shows by how it ends.
        let _ = standard_input.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("nft ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

/// Tells all that the process says, and its end.
fn follow(processes: &Processes, process: u32, mut child: Child) {
    let running = Running { leader: child.id(), input: child.stdin.take() };
    locked(processes).insert(process, running);
    let processes = Arc::clone(processes);
    thread::spawn(move || {
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                say(&Word::Said { process, line });
            }
        }
        let status = child.wait().map_or(0, ExitStatusExt::into_raw);
        locked(&processes).remove(&process);
        say(&Word::Ended { process, status });
    });
}
