//! A run's side of its caretaker: what it is told, and what it tells.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command as Program, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use delivery_broker::{Access, Belongings, ClientSpec};
use delivery_cluster::local::this_program;
use delivery_faults::{Hooks, Resolved};
use delivery_history::clock::monotonic_ns;
use delivery_history::manifest::{Amount, Fault, HookCall, HookStep, Host, RunManifest};

use crate::real::caretaker::{CARETAKER_ARGUMENT, Charge, Order, Told};
use crate::real::joined::machine::Joined;
use crate::real::protocol::{PASSWORD_VARIABLE, TOKEN_VARIABLE};

/// How long it may take to write its note.
const READY_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to take everything away, beyond what hooks take.
const TIDY_LIMIT: Duration = Duration::from_secs(100);
/// More than a call's own limit that its end is waited for.
const GRACE: Duration = Duration::from_secs(10);

/// The user's command that injects faults of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultHook {
    /// For `/bin/sh`.
    pub command: String,
    /// How long one call may take, milliseconds.
    pub limit_ms: u64,
}

/// What a run needs beside its plan where somebody else runs the cluster.
#[derive(Clone, Debug)]
pub struct Outside {
    /// What clients prove themselves with.
    pub access: Arc<Access>,
    /// Identity of the cluster.
    pub cluster: String,
    /// Injects faults of nodes.
    pub hook: Option<FaultHook>,
    /// Folder for the note of what may stand there.
    pub notes_dir: PathBuf,
    /// Machines that run the clients; without them, this one does.
    pub joined: Option<Arc<Joined>>,
}

/// The caretaker of a run that goes on.
pub(crate) struct Steward {
    child: Child,
    orders: Option<ChildStdin>,
    told: Receiver<Told>,
    call_limit: Duration,
    /// Nodes by number, as the plan has them.
    nodes: Vec<Host>,
    run_id: String,
    calls: BTreeMap<u32, Vec<HookCall>>,
    /// Faults with a call that has not ended.
    open: BTreeMap<u32, HookStep>,
    left: Option<Vec<(String, String)>>,
    faults: u32,
}

impl Steward {
    /// Starts it, and waits until it has written down what the run is going to make.
    pub(crate) fn hire(outside: &Outside, manifest: &RunManifest, client: &ClientSpec) -> Result<Self, String> {
        let charge = Charge {
            system: manifest.system.clone(),
            client: client.clone(),
            belongings: belongings(manifest),
            cluster: outside.cluster.clone(),
            note: outside.notes_dir.join(format!("{}.json", manifest.run_id)),
            hook: outside.hook.clone().map(|hook| (hook.command, hook.limit_ms)),
        };
        let (mut child, told) =
            start(&manifest.system).map_err(|error| format!("cannot start the caretaker: {error}"))?;
        let mut orders = child.stdin.take();
        let charge = serde_json::to_string(&charge).map_err(|error| error.to_string())?;
        let written = orders.as_mut().map(|orders| writeln!(orders, "{charge}\n{}", outside.access.to_line()));
        written.unwrap_or(Ok(())).map_err(|error| format!("cannot tell the caretaker anything: {error}"))?;
        match told.recv_timeout(READY_LIMIT) {
            Ok(Told::Ready) => {}
            Ok(Told::Failed { reason }) => return Err(format!("the caretaker cannot work: {reason}")),
            _ => return Err(String::from("the caretaker does not answer")),
        }
        Ok(Self {
            child,
            orders,
            told,
            call_limit: outside.hook.as_ref().map_or(Duration::ZERO, |hook| Duration::from_millis(hook.limit_ms)),
            nodes: manifest.nodes.clone(),
            run_id: manifest.run_id.clone(),
            calls: BTreeMap::new(),
            open: BTreeMap::new(),
            left: None,
            faults: 0,
        })
    }

    /// Whether it ended before it was told to.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.left.is_none() && !matches!(self.child.try_wait(), Ok(None))
    }

    /// Has everything taken away. Gives back what is left, each with the reason.
    pub(crate) fn tidy(&mut self) -> Vec<(String, String)> {
        self.order(&Order::Tidy);
        let until = Instant::now() + TIDY_LIMIT + self.call_limit * 2;
        while self.left.is_none() {
            match self.told.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(told) => self.take(told),
                Err(_) => break,
            }
        }
        self.left.clone().unwrap_or_else(|| {
            let why = String::from("nobody told whether it was taken away; the next run on this machine tries again");
            vec![(format!("what {} made", self.run_id), why)]
        })
    }

    fn order(&mut self, order: &Order) {
        let line = serde_json::to_string(order).unwrap_or_default();
        if self.orders.as_mut().is_some_and(|orders| writeln!(orders, "{line}").is_err()) {
            self.orders = None;
        }
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Called { fault, call } => {
                self.open.remove(&fault);
                self.calls.entry(fault).or_default().push(call);
            }
            Told::Tidied { left } => self.left = Some(left),
            Told::Ready | Told::Failed { .. } => {}
        }
    }

    fn host(&self, id: u32) -> Option<&Host> {
        self.nodes.iter().find(|node| node.id == id)
    }

    fn addresses(&self, ids: impl Iterator<Item = u32>) -> String {
        let known: Vec<&str> = ids.filter_map(|id| Some(self.host(id)?.address.as_str())).collect();
        known.join(",")
    }

    fn environment(&self, fault: &Fault, resolved: &Resolved) -> BTreeMap<String, String> {
        let list = |ids: &[u32]| ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let others: Vec<u32> =
            self.nodes.iter().map(|node| node.id).filter(|id| !resolved.targets.contains(id)).collect();
        let pairs: Vec<String> = resolved.cut.iter().map(|(from, to)| format!("{from}>{to}")).collect();
        let amount = match fault.amount {
            None => String::new(),
            Some(Amount::Percent(percent)) => format!("{percent}%"),
            Some(Amount::KbitPerS(kbit)) => format!("{kbit}kbit"),
            Some(Amount::Delay { ms, jitter_ms }) => format!("{ms}ms~{jitter_ms}ms"),
        };
        [
            ("RUN", self.run_id.clone()),
            ("FAULT", fault.fault.clone()),
            ("SHAPE", fault.shape.clone()),
            ("AMOUNT", amount),
            ("DURATION_MS", fault.duration_ms.to_string()),
            ("TARGETS", list(&resolved.targets)),
            ("TARGET_ADDRESSES", self.addresses(resolved.targets.iter().copied())),
            ("OTHERS", list(&others)),
            ("OTHER_ADDRESSES", self.addresses(others.iter().copied())),
            ("CUT", pairs.join(" ")),
        ]
        .into_iter()
        .map(|(name, value)| (format!("VERIFY_{name}"), value))
        .collect()
    }
}

impl Hooks for Steward {
    fn start(&mut self, fault: &Fault, resolved: &Resolved) -> u32 {
        self.faults += 1;
        let targets = resolved.targets.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let addresses = self.addresses(resolved.targets.iter().copied());
        let arguments = vec![format!("{}:{}", fault.fault, fault.shape), targets, addresses];
        let environment = self.environment(fault, resolved);
        self.open.insert(self.faults, HookStep::Start);
        self.order(&Order::Start { fault: self.faults, arguments, environment });
        self.faults
    }

    fn heal(&mut self, fault: u32) {
        self.open.insert(fault, HookStep::Heal);
        self.order(&Order::Heal { fault });
    }

    fn ended(&mut self, fault: u32) -> Vec<HookCall> {
        while let Ok(told) = self.told.try_recv() {
            self.take(told);
        }
        self.calls.remove(&fault).unwrap_or_default()
    }

    fn wait(&mut self, fault: u32) {
        let until = Instant::now() + self.call_limit + GRACE;
        while self.open.contains_key(&fault) {
            match self.told.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(told) => self.take(told),
                Err(error) => {
                    let Some(step) = self.open.remove(&fault) else { return };
                    let status = match error {
                        RecvTimeoutError::Timeout => "the caretaker did not tell of its end",
                        RecvTimeoutError::Disconnected => "the caretaker is gone",
                    };
                    let (began_ns, ended_ns) = (monotonic_ns(), monotonic_ns());
                    let (status, output) = (status.to_owned(), String::new());
                    let call = HookCall { step, began_ns, ended_ns, succeeded: false, status, output };
                    self.calls.entry(fault).or_default().push(call);
                }
            }
        }
    }
}

impl Drop for Steward {
    fn drop(&mut self) {
        // The end of its standard input: it heals, takes everything away, and ends, with nobody waiting for it.
        self.orders = None;
        if self.left.is_some() {
            let _ = self.child.wait();
        }
    }
}

fn start(system: &str) -> std::io::Result<(Child, Receiver<Told>)> {
    use std::os::unix::process::CommandExt;
    let mut program = Program::new(this_program());
    program.arg(CARETAKER_ARGUMENT).arg(system).env_remove(PASSWORD_VARIABLE).env_remove(TOKEN_VARIABLE);
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    let mut child = program.spawn()?;
    let (sender, told) = channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(words) = serde_json::from_str(&line) else { continue };
                if sender.send(words).is_err() {
                    return;
                }
            }
        });
    }
    Ok((child, told))
}

/// What the run of this manifest makes.
pub(crate) fn belongings(manifest: &RunManifest) -> Belongings {
    let mut destinations: Vec<String> = manifest.destinations.iter().map(|one| one.name.clone()).collect();
    destinations.sort_unstable();
    destinations.dedup();
    Belongings { destinations, groups: manifest.groups.iter().map(|group| group.name.clone()).collect() }
}
