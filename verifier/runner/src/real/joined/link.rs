//! The runner's end of the connection to one machine.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use delivery_history::clock::monotonic_ns;
use delivery_history::{ClockComparison, Event, TakenOver};

use super::clocks::Clocks;
use super::files::Incoming;
use super::frame::{Frame, read_frame, write_words};
use super::handshake::Joining;
use super::words::{FromMachine, ToMachine};

/// How often the clocks are compared.
const COMPARE_EVERY: Duration = Duration::from_millis(100);
/// A machine that says nothing for so long, though it is asked all the while, is gone.
pub(crate) const SILENCE_LIMIT: Duration = Duration::from_secs(20);
/// How long a machine may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long a machine may take to hand over what is left.
const FINISH_LIMIT: Duration = Duration::from_secs(60);
/// Comparisons of clocks that are not answered yet.
const MAX_UNANSWERED: usize = 1_024;

/// A process on the machine.
struct Known {
    /// Where its lines go, until it is gone.
    lines: Option<Sender<String>>,
    incoming: Incoming,
    /// It is gone, and how it ended (wait(2)) as far as that is known.
    ended: Option<Option<i32>>,
}

#[derive(Default)]
struct State {
    processes: BTreeMap<u32, Known>,
    answers: BTreeMap<u64, Sender<FromMachine>>,
    /// When comparisons were asked for.
    comparing: BTreeMap<u64, u64>,
    clocks: Clocks,
    logs: Vec<(String, String)>,
    /// Why nothing more comes.
    gone: Option<String>,
    /// Something it recorded was not taken over.
    torn: bool,
    /// It said that it handed over everything.
    done: bool,
}

/// One machine, from the runner's side.
pub(crate) struct Link {
    name: String,
    directory: PathBuf,
    writer: Mutex<TcpStream>,
    state: Mutex<State>,
    changed: Condvar,
    questions: AtomicU64,
}

/// What a machine handed over.
pub(crate) struct HandedOver {
    pub(crate) clock: Option<ClockComparison>,
    pub(crate) complete: bool,
    /// Of its processes: names, and what they wrote to their standard error.
    pub(crate) logs: Vec<(String, String)>,
}

impl Link {
    /// Begins to listen, and to compare the clocks.
    ///
    /// # Errors
    /// The system's refusal.
    pub(crate) fn open(stream: TcpStream, joining: &Joining) -> io::Result<Arc<Self>> {
        stream.set_read_timeout(Some(SILENCE_LIMIT))?;
        stream.set_write_timeout(Some(SILENCE_LIMIT))?;
        let reader = stream.try_clone()?;
        let link = Arc::new(Self {
            name: joining.name.clone(),
            directory: joining.directory.clone(),
            writer: Mutex::new(stream),
            state: Mutex::default(),
            changed: Condvar::new(),
            questions: AtomicU64::new(0),
        });
        let (listening, comparing) = (link.clone(), link.clone());
        std::thread::Builder::new().name(format!("hear {}", link.name)).spawn(move || listening.listen(reader))?;
        std::thread::Builder::new().name(format!("clock {}", link.name)).spawn(move || comparing.compare())?;
        Ok(link)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where a worker of this name records, on the machine.
    pub(crate) fn event_path(&self, worker: &str) -> PathBuf {
        self.directory.join(format!("{worker}.events"))
    }

    /// Starts this very program there as process `worker`; what it records comes into `path`, as that worker's. Gives back
    /// the lines it says.
    ///
    /// # Errors
    /// A machine that is gone, or a file that cannot be made.
    pub(super) fn start(
        &self,
        worker: u16,
        name: &str,
        arguments: &[String],
        path: &Path,
    ) -> Result<Receiver<String>, String> {
        let file = TakenOver::create(path, worker).map_err(|error| error.to_string())?;
        let process = u32::from(worker);
        let (lines, heard) = channel();
        let known = Known { lines: Some(lines), incoming: Incoming::new(file), ended: None };
        self.state().processes.insert(process, known);
        let start =
            ToMachine::Start { process, name: name.to_owned(), arguments: arguments.to_vec(), wants_access: true };
        self.send(&start).map_err(|error| format!("{} does not listen: {error}", self.name))?;
        Ok(heard)
    }

    /// Tells the machine something.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn send(&self, words: &ToMachine) -> io::Result<()> {
        if self.state().gone.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let sent = write_words(&mut *self.writer.lock().unwrap_or_else(PoisonError::into_inner), words);
        sent.inspect_err(|error| self.lose(&format!("the connection to {} broke: {error}", self.name)))
    }

    /// Asks the machine something, and waits for its answer.
    pub(crate) fn ask(&self, question: impl FnOnce(u64) -> ToMachine) -> Option<FromMachine> {
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = channel();
        self.state().answers.insert(number, sender);
        let sent = self.send(&question(number));
        let answer = sent.ok().and_then(|()| answer.recv_timeout(ANSWER_LIMIT).ok());
        self.state().answers.remove(&number);
        answer
    }

    /// How a process ended, if it is gone.
    ///
    /// # Errors
    /// When nothing more comes from the machine.
    pub(crate) fn ended(&self, process: u32) -> io::Result<Option<Option<i32>>> {
        let state = self.state();
        match (state.processes.get(&process).and_then(|known| known.ended), &state.gone) {
            (Some(ended), _) => Ok(Some(ended)),
            (None, None) => Ok(None),
            (None, Some(reason)) => Err(io::Error::other(reason.clone())),
        }
    }

    /// Waits until a process is gone.
    pub(crate) fn wait_for_end(&self, process: u32) -> Option<i32> {
        let over = |state: &State| state.processes.get(&process).is_none_or(|known| known.ended.is_some());
        let state = self.wait_until(ANSWER_LIMIT, over);
        state.processes.get(&process).and_then(|known| known.ended).flatten()
    }

    /// Waits until the clocks were compared for the first time; what that showed.
    pub(crate) fn first_comparison(&self) -> Option<ClockComparison> {
        self.wait_until(ANSWER_LIMIT, |state| state.clocks.comparison().is_some()).clocks.comparison()
    }

    /// Why nothing more comes from the machine, if so.
    pub(crate) fn gone(&self) -> Option<String> {
        self.state().gone.clone()
    }

    /// Has everything handed over that is left, and ends the connection.
    pub(crate) fn finish(&self) -> HandedOver {
        let _ = self.send(&ToMachine::Finish);
        let mut state = self.wait_until(FINISH_LIMIT, |state| state.done);
        let State { processes, clocks, torn, .. } = &mut *state;
        for known in processes.values_mut() {
            *torn |= known.incoming.finish(clocks).is_err() || known.ended.is_none();
        }
        let handed_over = HandedOver {
            clock: state.clocks.comparison(),
            complete: state.done && !state.torn,
            logs: std::mem::take(&mut state.logs),
        };
        drop(state);
        self.lose("the run is over");
        handed_over
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(&self, limit: Duration, over: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let until = Instant::now() + limit;
        let mut state = self.state();
        while !over(&state) && state.gone.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Nothing more comes: whoever waits for something is told.
    fn lose(&self, reason: &str) {
        let mut state = self.state();
        state.gone.get_or_insert_with(|| reason.to_owned());
        state.answers.clear();
        state.processes.values_mut().for_each(|known| known.lines = None);
        drop(state);
        self.changed.notify_all();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writer.shutdown(std::net::Shutdown::Both);
    }

    fn listen(&self, mut reader: TcpStream) {
        loop {
            let frame = read_frame::<FromMachine>(&mut reader);
            let now_ns = monotonic_ns();
            match frame {
                Ok(Frame::Words(words)) => self.take(words, now_ns),
                Ok(Frame::Events { process, events }) => self.take_events(process, events),
                Err(error) => return self.lose(&format!("nothing more comes from {}: {error}", self.name)),
            }
        }
    }

    fn take(&self, words: FromMachine, now_ns: u64) {
        let mut state = self.state();
        match words {
            FromMachine::Said { process, line } => {
                let lines = state.processes.get(&process).and_then(|known| known.lines.as_ref());
                if let Some(lines) = lines {
                    let _ = lines.send(line);
                }
            }
            FromMachine::Ended { process, status } => state.end(process, status),
            FromMachine::NotStarted { process, reason } => {
                state.end(process, None);
                state.gone.get_or_insert_with(|| format!("{} could not start a worker: {reason}", self.name));
            }
            FromMachine::Struck { question, .. } | FromMachine::Doing { question, .. } => {
                if let Some(asker) = state.answers.remove(&question) {
                    let _ = asker.send(words);
                }
            }
            FromMachine::Time { question, at_ns } => state.compare(question, at_ns, now_ns),
            FromMachine::Log { name, text } => state.logs.push((name, text)),
            FromMachine::Lost { reason } => {
                state.torn = true;
                state.gone.get_or_insert_with(|| format!("{} gave up: {reason}", self.name));
            }
            FromMachine::Done => state.done = true,
        }
        drop(state);
        self.changed.notify_all();
    }

    fn take_events(&self, process: u32, events: Vec<Event>) {
        let mut state = self.state();
        let State { processes, clocks, torn, gone, .. } = &mut *state;
        let Some(known) = processes.get_mut(&process) else { return };
        if let Err(error) = known.incoming.take(events, clocks) {
            *torn = true;
            gone.get_or_insert_with(|| error.to_string());
        }
    }

    /// Asks what time it is, again and again, until nothing more comes.
    fn compare(&self) {
        loop {
            let question = self.questions.fetch_add(1, Ordering::Relaxed);
            let mut state = self.state();
            if state.gone.is_some() {
                return;
            }
            while state.comparing.len() >= MAX_UNANSWERED {
                state.comparing.pop_first();
            }
            state.comparing.insert(question, monotonic_ns());
            drop(state);
            if self.send(&ToMachine::Compare { question }).is_err() {
                return;
            }
            std::thread::sleep(COMPARE_EVERY);
        }
    }
}

impl State {
    fn end(&mut self, process: u32, status: Option<i32>) {
        if let Some(known) = self.processes.get_mut(&process) {
            (known.ended, known.lines) = (Some(status), None);
        }
    }

    fn compare(&mut self, question: u64, theirs_ns: u64, now_ns: u64) {
        let Some(asked_ns) = self.comparing.remove(&question) else { return };
        self.clocks.take(asked_ns, theirs_ns, now_ns);
        for known in self.processes.values_mut() {
            if let Err(error) = known.incoming.settle(&self.clocks) {
                self.torn = true;
                self.gone.get_or_insert_with(|| error.to_string());
            }
        }
    }
}
