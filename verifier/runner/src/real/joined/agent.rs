//! `verify worker`: a machine that joins a run, starts the workers it is told to and hands over what they record.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use delivery_broker::Access;
use delivery_cluster::cluster::{Errand, HostProcess};
use delivery_cluster::external;
use delivery_history::clock::monotonic_ns;
use delivery_history::event::ProcessState;
use delivery_history::{Event, Tail};
use serde::Serialize;
use tempfile::TempDir;

use super::dial::{AgentError, WorkerRequest, dial};
use super::frame::{Frame, read_frame, write_events, write_words};
use super::handshake::Errands;
use super::link::SILENCE_LIMIT;
use super::reception::is_name;
use super::words::{FromMachine, ToMachine};
use crate::real::protocol::{PASSWORD_VARIABLE, TOKEN_VARIABLE, WORKER_ARGUMENT};

/// How often what was recorded is handed over.
const HAND_OVER_EVERY: Duration = Duration::from_millis(50);
/// Most of a log that is handed over, bytes: as JSON it may come to six times that, and must fit into a frame.
const MAX_LOG: usize = 128 * 1024;

/// Joins a run and does its part until the run is over.
///
/// # Errors
/// See [`AgentError`]. Nothing it started is left.
pub fn serve(
    request: &WorkerRequest,
    access: impl FnOnce(&Errands) -> Result<Arc<Access>, String>,
    tell: &mut dyn FnMut(&str),
) -> Result<(), AgentError> {
    let made = match &request.directory {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    };
    let directory = made.map_err(AgentError::Directory)?;
    let (stream, errands) = dial(request, directory.path())?;
    tell(&format!("joined the run of {} at {} as {}", errands.system, request.runner, request.name));
    let gone = |error: io::Error| AgentError::RunnerGone { runner: request.runner.clone(), cause: error.to_string() };
    let mut agent = Agent::new(stream, directory).map_err(gone)?;
    match access(&errands) {
        Ok(access) => agent.access = Some(access),
        Err(reason) => {
            let _ = agent.out.say(&FromMachine::Lost { reason: reason.clone() });
            return Err(AgentError::Access(reason));
        }
    }
    agent.work().map_err(gone)
}

/// The way to the runner, for every thread.
#[derive(Clone)]
struct Out(Arc<Mutex<TcpStream>>);

impl Out {
    fn say(&self, words: &impl Serialize) -> io::Result<()> {
        write_words(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), words)
    }

    fn hand_over(&self, process: u32, events: &[Event]) -> io::Result<()> {
        write_events(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), process, events)
    }
}

/// What comes to the thread that owns the processes.
enum News {
    Asked(ToMachine),
    /// A process has closed its standard output.
    Silent(u32),
    RunnerGone(io::Error),
}

struct Worker {
    process: Box<dyn HostProcess>,
    name: String,
    log: PathBuf,
    tail: Tail,
    /// It is told after its first line.
    awaits_access: bool,
    is_silent: bool,
}

struct Agent {
    out: Out,
    access: Option<Arc<Access>>,
    news: Receiver<News>,
    to_me: Sender<News>,
    workers: BTreeMap<u32, Worker>,
    // After the workers, who record there.
    directory: TempDir,
}

impl Agent {
    fn new(stream: TcpStream, directory: TempDir) -> io::Result<Self> {
        stream.set_read_timeout(Some(SILENCE_LIMIT))?;
        stream.set_write_timeout(Some(SILENCE_LIMIT))?;
        let reader = stream.try_clone()?;
        let out = Out(Arc::new(Mutex::new(stream)));
        let (to_me, news) = channel();
        let (to_main, answers) = (to_me.clone(), out.clone());
        std::thread::Builder::new().name(String::from("hear")).spawn(move || hear(reader, &answers, &to_main))?;
        Ok(Self { out, access: None, news, to_me, workers: BTreeMap::new(), directory })
    }

    /// Until the run is over.
    fn work(mut self) -> io::Result<()> {
        let mut handed_over = Instant::now();
        loop {
            match self.news.recv_timeout(HAND_OVER_EVERY) {
                Ok(News::Asked(ToMachine::Finish)) => return self.finish(),
                Ok(News::Asked(words)) => self.obey(words)?,
                Ok(News::Silent(process)) => {
                    if let Some(worker) = self.workers.get_mut(&process) {
                        worker.is_silent = true;
                    }
                }
                Ok(News::RunnerGone(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            self.bury()?;
            if handed_over.elapsed() >= HAND_OVER_EVERY {
                handed_over = Instant::now();
                for (process, worker) in &mut self.workers {
                    hand_over(&self.out, *process, worker)?;
                }
            }
        }
    }

    fn obey(&mut self, words: ToMachine) -> io::Result<()> {
        match words {
            ToMachine::Start { process, name, arguments, wants_access } => {
                match self.start(process, &name, arguments, wants_access) {
                    Ok(worker) => drop(self.workers.insert(process, worker)),
                    Err(reason) => self.out.say(&FromMachine::NotStarted { process, reason })?,
                }
            }
            ToMachine::Say { process, line } => {
                if let Some(worker) = self.workers.get_mut(&process) {
                    // One that listens no more is about to end.
                    let _ = worker.process.say(&line);
                    if std::mem::take(&mut worker.awaits_access)
                        && let Some(access) = &self.access
                    {
                        let _ = worker.process.say(&access.to_line());
                    }
                }
            }
            ToMachine::Strike { process, blow, question } => {
                let struck = match self.workers.get_mut(&process) {
                    Some(worker) => worker.process.strike(blow.blow()),
                    None => Err(String::from("it does not run")),
                };
                self.out.say(&FromMachine::Struck { question, missed: struck.err() })?;
            }
            ToMachine::Look { process, question } => {
                let state = self.workers.get(&process).map(|worker| worker.process.state());
                let state = state.unwrap_or(ProcessState::Gone) as u64;
                self.out.say(&FromMachine::Doing { question, state })?;
            }
            ToMachine::Kill { process } => {
                if let Some(worker) = self.workers.get_mut(&process) {
                    worker.process.kill();
                }
            }
            ToMachine::Compare { .. } | ToMachine::Finish => {}
        }
        Ok(())
    }

    /// Starts this very program as a worker, and as nothing else.
    fn start(&self, number: u32, name: &str, arguments: Vec<String>, awaits_access: bool) -> Result<Worker, String> {
        if !is_name(name) || arguments.first().is_none_or(|first| first != WORKER_ARGUMENT) {
            return Err(format!("`{name}` is not started as a worker"));
        }
        let log = self.directory.path().join(format!("{name}.log"));
        let not_inherited = vec![String::from(PASSWORD_VARIABLE), String::from(TOKEN_VARIABLE)];
        let errand = Errand { arguments, log: log.clone(), not_inherited };
        let mut process = external::run(&errand).map_err(|error| error.to_string())?;
        if let Some(lines) = process.lines() {
            let (out, to_me) = (self.out.clone(), self.to_me.clone());
            let thread = std::thread::Builder::new().name(format!("hear {name}"));
            let relay = move || {
                for line in lines {
                    if out.say(&FromMachine::Said { process: number, line }).is_err() {
                        break;
                    }
                }
                let _ = to_me.send(News::Silent(number));
            };
            thread.spawn(relay).map_err(|error| error.to_string())?;
        }
        let tail = Tail::new(&self.directory.path().join(format!("{name}.events")));
        Ok(Worker { process, name: name.to_owned(), log, tail, awaits_access, is_silent: false })
    }

    /// Hands over what is left of those that have ended.
    fn bury(&mut self) -> io::Result<()> {
        let mut over = Vec::new();
        for (process, worker) in self.workers.iter_mut().filter(|(_, worker)| worker.is_silent) {
            match worker.process.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => over.push((*process, Some(status.into_raw()))),
                Err(_) => over.push((*process, None)),
            }
        }
        for (process, status) in over {
            if let Some(worker) = self.workers.remove(&process) {
                self.part(process, worker, status)?;
            }
        }
        Ok(())
    }

    fn part(&self, process: u32, mut worker: Worker, status: Option<i32>) -> io::Result<()> {
        hand_over(&self.out, process, &mut worker)?;
        self.out.say(&FromMachine::Ended { process, status })?;
        let said = fs::read(&worker.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&said[said.len().saturating_sub(MAX_LOG)..]).into_owned();
        let text = self.access.as_ref().map_or_else(|| text.clone(), |access| access.redact(&text));
        self.out.say(&FromMachine::Log { name: worker.name, text })
    }

    /// Kills whoever still runs, and hands over everything.
    fn finish(mut self) -> io::Result<()> {
        for (process, mut worker) in std::mem::take(&mut self.workers) {
            let status = worker.process.kill().map(ExitStatusExt::into_raw);
            self.part(process, worker, status)?;
        }
        self.out.say(&FromMachine::Done)?;
        let stream = self.out.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.shutdown(Shutdown::Write)
    }
}

fn hand_over(out: &Out, process: u32, worker: &mut Worker) -> io::Result<()> {
    loop {
        let events = match worker.tail.next_events() {
            Ok(events) => events,
            Err(error) => {
                let reason = format!("what {} recorded cannot be read: {error}", worker.name);
                return out.say(&FromMachine::Lost { reason });
            }
        };
        if events.is_empty() {
            return Ok(());
        }
        out.hand_over(process, &events)?;
    }
}

/// Clocks are compared at once, whatever else goes on.
fn hear(mut reader: TcpStream, out: &Out, to_main: &Sender<News>) {
    loop {
        let news = match read_frame::<ToMachine>(&mut reader) {
            Ok(Frame::Words(ToMachine::Compare { question })) => {
                let told = out.say(&FromMachine::Time { question, at_ns: monotonic_ns() });
                match told {
                    Ok(()) => continue,
                    Err(error) => News::RunnerGone(error),
                }
            }
            Ok(Frame::Words(words)) => News::Asked(words),
            Ok(Frame::Events { .. }) => continue,
            Err(error) => News::RunnerGone(error),
        };
        let is_over = matches!(news, News::RunnerGone(_));
        if to_main.send(news).is_err() || is_over {
            return;
        }
    }
}
