//! The process that leaves nothing behind on a cluster of somebody else's: it calls the user's fault hook, heals what that
//! started and takes away what the run made, when it is told to, and when `verify` is gone, whatever ended it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use delivery_broker::{Access, Belongings, ClientSpec, System};
use delivery_cluster::local::group;
use delivery_cluster::processes::Blow;
use delivery_history::clock::monotonic_ns;
use delivery_history::manifest::{HookCall, HookStep};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::real::notes::Note;
use crate::real::process::describe;
use crate::real::protocol::PASSWORD_VARIABLE;
use crate::real::worker::say;

/// First argument that makes the program a caretaker.
pub(crate) const CARETAKER_ARGUMENT: &str = "__caretaker";

/// Bytes of a call's output that are read before secrets are taken out of it.
const READ_BYTES: usize = 65_536;
/// Characters of it that are kept then: cut first, the beginning of a secret would stand at the end.
const KEPT_CHARACTERS: usize = 2_048;
/// Between two looks at a call that is on.
const LOOK: Duration = Duration::from_millis(10);
/// How long output may still come once the command has ended: what it left in the background may hold its end open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// First line a caretaker reads. The second brings what clients prove themselves with.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Charge {
    /// System whose cluster it is.
    pub(crate) system: String,
    /// How to connect.
    pub(crate) client: ClientSpec,
    /// What the run makes there.
    pub(crate) belongings: Belongings,
    /// Which cluster it is.
    pub(crate) cluster: String,
    /// Where it is written down, for as long as something may stand there, what that is.
    pub(crate) note: PathBuf,
    /// The user's command, and how long a call of it may take, milliseconds.
    pub(crate) hook: Option<(String, u64)>,
}

/// What the runner wants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "order")]
pub(crate) enum Order {
    /// Call the hook with `start`.
    Start {
        /// Number of the fault.
        fault: u32,
        /// What follows `start`.
        arguments: Vec<String>,
        /// What it finds in its environment.
        environment: BTreeMap<String, String>,
    },
    /// Call it with `heal`, as it was called with `start`.
    Heal {
        /// Number of the fault.
        fault: u32,
    },
    /// Heal what is still on, take everything away, and end.
    Tidy,
}

/// What a caretaker tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "told")]
pub(crate) enum Told {
    /// It has written down what is to be taken away: from now on something may be made.
    Ready,
    /// It cannot do its work.
    Failed {
        /// Why.
        reason: String,
    },
    /// A call of the hook has ended.
    Called {
        /// Number of the fault.
        fault: u32,
        /// How it went.
        call: HookCall,
    },
    /// It took everything away, but for these, each with the reason.
    Tidied {
        /// What is left.
        left: Vec<(String, String)>,
    },
}

/// Does the work until it is told to end, or until nobody can tell it anything any more.
pub(crate) fn keep(systems: &[&dyn System]) -> ExitCode {
    match Caretaker::take_charge(systems) {
        Ok(mut caretaker) => caretaker.work(),
        Err(reason) => {
            say(&Told::Failed { reason });
            ExitCode::FAILURE
        }
    }
}

/// A call by which a fault is on.
struct Begun {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

struct Caretaker<'a> {
    system: &'a dyn System,
    charge: Charge,
    access: Arc<Access>,
    orders: Receiver<Order>,
    /// Orders that came in while a call was on.
    waiting: VecDeque<Order>,
    /// Faults that are on, as far as anybody knows.
    begun: BTreeMap<u32, Begun>,
    note: Note,
}

impl<'a> Caretaker<'a> {
    fn take_charge(systems: &[&'a dyn System]) -> Result<Self, String> {
        // Whoever ends the run by a signal means the run: its end shows by the end of standard input.
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let unread = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, unread).map_err(|error| error.to_string())?;
        }
        let mut lines = std::io::stdin().lock().lines();
        let mut line = || lines.next().and_then(Result::ok).ok_or_else(|| String::from("nobody told it what to do"));
        let mut charge: Charge = serde_json::from_str(&line()?).map_err(|error| error.to_string())?;
        let access = Access::from_line(&line()?).ok_or("it was given no way in")?;
        let access = Arc::new(access);
        charge.client.access = Some(access.clone());
        let system = systems.iter().find(|system| system.info().name == charge.system);
        let system = *system.ok_or_else(|| format!("this program has no system `{}`", charge.system))?;
        let note = Note::write(&charge.note, &charge.system, &charge.cluster, &charge.belongings)?;
        let (sender, orders) = channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                let Ok(order) = serde_json::from_str(&line) else { continue };
                if sender.send(order).is_err() {
                    return;
                }
            }
        });
        say(&Told::Ready);
        Ok(Self { system, charge, access, orders, waiting: VecDeque::new(), begun: BTreeMap::new(), note })
    }

    fn work(&mut self) -> ExitCode {
        loop {
            let next = self.waiting.pop_front();
            match next.map_or_else(|| self.orders.recv().ok(), Some) {
                Some(Order::Start { fault, arguments, environment }) => self.begin(fault, arguments, environment),
                Some(Order::Heal { fault }) => self.take_back(fault),
                Some(Order::Tidy) | None => break,
            }
        }
        for fault in self.begun.keys().copied().collect::<Vec<_>>() {
            self.take_back(fault);
        }
        let left = self.tidy();
        let code = if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        say(&Told::Tidied { left });
        code
    }

    fn tidy(&mut self) -> Vec<(String, String)> {
        let external = self.system.real().and_then(|real| real.external());
        let Some(external) = external else { return Vec::new() };
        let left = external.tidy(&self.charge.client, &self.charge.belongings);
        match left.is_empty() {
            true => self.note.tear_up(),
            // The next run finds it, and tries again.
            false => self.note.keep(left.iter().map(|(name, _)| name.as_str())),
        }
        left.into_iter().map(|(name, why)| (name, self.access.redact(&why))).collect()
    }

    fn begin(&mut self, fault: u32, arguments: Vec<String>, environment: BTreeMap<String, String>) {
        let begun = Begun { arguments, environment };
        // Before it is called: whatever becomes of this call, it is taken back.
        let call = self.call(HookStep::Start, &begun);
        self.begun.insert(fault, begun);
        say(&Told::Called { fault, call });
    }

    fn take_back(&mut self, fault: u32) {
        let Some(begun) = self.begun.remove(&fault) else { return };
        let call = self.call(HookStep::Heal, &begun);
        if !call.succeeded {
            self.begun.insert(fault, begun);
        }
        say(&Told::Called { fault, call });
    }

    fn call(&mut self, step: HookStep, begun: &Begun) -> HookCall {
        let began_ns = monotonic_ns();
        let (status, succeeded, output) = match self.run(step, begun) {
            Ok(ended) => ended,
            Err(error) => (format!("could not be called: {error}"), false, String::new()),
        };
        let output: String = self.access.redact(output.trim_end()).chars().take(KEPT_CHARACTERS).collect();
        let status = self.access.redact(&status);
        HookCall { step, began_ns, ended_ns: monotonic_ns(), succeeded, status, output }
    }

    fn run(&mut self, step: HookStep, begun: &Begun) -> std::io::Result<(String, bool, String)> {
        use std::os::unix::process::CommandExt;
        let (command, limit_ms) = self.charge.hook.clone().unwrap_or_default();
        let word = if step == HookStep::Start { "start" } else { "heal" };
        let mut program = Program::new("/bin/sh");
        program.arg("-c").arg(format!("{command} \"$@\"")).arg("fault-hook").arg(word).args(&begun.arguments);
        program.envs(&begun.environment).env_remove(PASSWORD_VARIABLE).process_group(0);
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn()?;
        let output = Output::of(&mut child);
        let ended = self.supervise(step, &mut child, Duration::from_millis(limit_ms))?;
        output.await_end();
        let said = output.text();
        Ok(match ended {
            Some(status) if status.success() => (String::from("exit status 0"), true, said),
            Some(status) => (describe(status).0, false, said),
            None => (format!("had not ended after {} s and was killed", limit_ms as f64 / 1e3), false, said),
        })
    }

    /// Waits for its end; nothing where it had to be killed. A `heal` goes on when the runner is gone, a `start` does not.
    fn supervise(
        &mut self,
        step: HookStep,
        child: &mut Child,
        limit: Duration,
    ) -> std::io::Result<Option<std::process::ExitStatus>> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            let is_alone = match self.orders.try_recv() {
                Ok(order) => {
                    self.waiting.push_back(order);
                    false
                }
                Err(TryRecvError::Disconnected) => step == HookStep::Start,
                Err(TryRecvError::Empty) => false,
            };
            if is_alone || Instant::now() >= until {
                // With all that it started.
                let _ = group::strike(child.id(), Blow::Kill);
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// What a command says, the beginning of it.
struct Output {
    kept: Arc<Mutex<Vec<u8>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Output {
    fn of(child: &mut Child) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let pipes: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        ];
        let readers = pipes.into_iter().flatten().map(|pipe| {
            let kept = kept.clone();
            std::thread::spawn(move || read_into(pipe, &kept))
        });
        Self { readers: readers.collect(), kept }
    }

    fn await_end(&self) {
        let until = Instant::now() + LAST_WORDS;
        while Instant::now() < until && !self.readers.iter().all(std::thread::JoinHandle::is_finished) {
            std::thread::sleep(LOOK);
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// Reads to the end, or the command would wait for room, and keeps the beginning.
fn read_into(mut pipe: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 1_024];
    while let Ok(read) = pipe.read(&mut buffer) {
        if read == 0 {
            return;
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = READ_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
}

/// Takes a file so that nobody else takes it while this process lives.
pub(crate) fn lock(path: &Path) -> std::io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    file.try_lock().map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(file)
}
