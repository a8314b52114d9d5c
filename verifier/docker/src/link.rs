//! A host's container as the run sees it: what is asked of it and what it says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use testcontainers::bollard::container::{AttachContainerResults, LogOutput};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::engine::Engine;
use crate::protocol::{Request, Task, Word};

/// Longest wait for an answer; a usual one takes milliseconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Bytes kept of what a host complains of.
const COMPLAINT_BYTES: usize = 4096;

/// What became of a process.
pub(crate) type Status = Arc<Mutex<Option<i32>>>;

/// Takes what a process says.
struct Listener {
    lines: Sender<String>,
    status: Status,
}

#[derive(Default)]
struct Waiting {
    answers: BTreeMap<u64, Sender<Result<String, String>>>,
    listeners: BTreeMap<u32, Listener>,
    complaints: String,
    gone: bool,
}

/// The line to a host's process 1.
pub(crate) struct Link {
    host: String,
    requests: UnboundedSender<String>,
    waiting: Arc<Mutex<Waiting>>,
    next: AtomicU64,
}

/// An answer that is to come.
pub(crate) struct Asked {
    host: String,
    answer: Receiver<Result<String, String>>,
}

impl Asked {
    /// Waits for it.
    pub(crate) fn wait(self) -> Result<String, String> {
        self.answer
            .recv_timeout(ANSWER_LIMIT)
            .unwrap_or_else(|_| Err(format!("the container of host {} does not answer", self.host)))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Over the streams of the container's process 1.
    pub(crate) fn new(engine: &Engine, host: &str, streams: AttachContainerResults) -> Self {
        let (requests, mut to_send) = unbounded_channel::<String>();
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let AttachContainerResults { mut output, mut input } = streams;
        engine.spawn(async move {
            while let Some(line) = to_send.recv().await {
                if input.write_all(line.as_bytes()).await.is_err() || input.flush().await.is_err() {
                    break;
                }
            }
            // The end of its standard input ends the host.
            let _ = input.shutdown().await;
        });
        let heard = Arc::clone(&waiting);
        engine.spawn(async move {
            let mut unfinished = Vec::new();
            while let Some(Ok(piece)) = output.next().await {
                match piece {
                    LogOutput::StdErr { message } => complain(&heard, &message),
                    other => take(&mut unfinished, &other.into_bytes(), &heard),
                }
            }
            // Nobody waits for what will not come.
            let mut waiting = locked(&heard);
            waiting.gone = true;
            waiting.answers.clear();
            waiting.listeners.clear();
        });
        Self { host: host.to_owned(), requests, waiting, next: AtomicU64::new(1) }
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&self, task: Task) -> Result<String, String> {
        self.begin(task).wait()
    }

    /// Asks.
    pub(crate) fn begin(&self, task: Task) -> Asked {
        let (sender, answer) = channel();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut waiting = locked(&self.waiting);
        if waiting.gone {
            let said = waiting.complaints.trim();
            let _ = sender.send(Err(format!("the container of host {} is gone. {said}", self.host)));
        } else {
            waiting.answers.insert(id, sender);
            drop(waiting);
            self.send(&Request { id, task });
        }
        Asked { host: self.host.clone(), answer }
    }

    /// Tells it something that has no answer; false where it is gone.
    pub(crate) fn tell(&self, task: Task) -> bool {
        let gone = locked(&self.waiting).gone;
        !gone && self.send(&Request { id: 0, task })
    }

    /// Takes what a process that is to be started says: its lines, and its status.
    pub(crate) fn listen(&self, process: u32) -> (Receiver<String>, Status) {
        let (lines, heard) = channel();
        let status = Status::default();
        locked(&self.waiting).listeners.insert(process, Listener { lines, status: Arc::clone(&status) });
        (heard, status)
    }

    /// Whether its container is gone.
    pub(crate) fn is_gone(&self) -> bool {
        locked(&self.waiting).gone
    }

    fn send(&self, request: &Request) -> bool {
        let mut line = serde_json::to_string(request).unwrap_or_default();
        line.push('\n');
        self.requests.send(line).is_ok()
    }
}

fn complain(waiting: &Mutex<Waiting>, message: &[u8]) {
    let mut waiting = locked(waiting);
    if waiting.complaints.len() < COMPLAINT_BYTES {
        let text = String::from_utf8_lossy(message).into_owned();
        waiting.complaints.push_str(&text);
    }
}

/// Hands out the lines that are whole.
fn take(unfinished: &mut Vec<u8>, fresh: &[u8], waiting: &Mutex<Waiting>) {
    for piece in fresh.split_inclusive(|byte| *byte == b'\n') {
        unfinished.extend_from_slice(piece);
        if !piece.ends_with(b"\n") {
            continue;
        }
        match serde_json::from_slice::<Word>(unfinished) {
            Ok(word) => hear(word, waiting),
            Err(_) => complain(waiting, unfinished),
        }
        unfinished.clear();
    }
}

fn hear(word: Word, waiting: &Mutex<Waiting>) {
    let mut waiting = locked(waiting);
    match word {
        Word::Answer { id, answer } => {
            if let Some(asked) = waiting.answers.remove(&id) {
                let _ = asked.send(answer);
            }
        }
        Word::Said { process, line } => {
            if let Some(listener) = waiting.listeners.get(&process) {
                let _ = listener.lines.send(line);
            }
        }
        Word::Ended { process, status } => {
            if let Some(listener) = waiting.listeners.remove(&process) {
                // Before its lines end: whoever hears the last one asks how it ended.
                *locked(&listener.status) = Some(status);
            }
        }
    }
}
