//! The worker process: one client, one event file, one thread that polls.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};

use delivery_broker::{Access, ClientError, RealSystem, System};
use delivery_history::{Clock, Event, EventKind, Recorder};
use delivery_workloads::{ProducePlan, WorkloadError};
use serde::Serialize;

use crate::real::caretaker::{CARETAKER_ARGUMENT, keep};
use crate::real::protocol::{Command, Job, Report, WORKER_ARGUMENT, WorkerSpec};
use crate::real::{jobs, transform};

/// Makes this process a worker (or a caretaker) if the runner started it as one, and then never returns.
///
/// Call it first thing in `main`, with every system the program knows: workers are this very
/// program, started again.
pub fn init(systems: &[&dyn System]) {
    let code = match std::env::args().nth(1).as_deref() {
        Some(WORKER_ARGUMENT) => work(systems),
        Some(CARETAKER_ARGUMENT) => keep(systems),
        _ => return,
    };
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

/// What every job works with.
pub(crate) struct Bench<'a> {
    /// Makes clients.
    pub(crate) system: &'a dyn RealSystem,
    /// Who it is and how it connects.
    pub(crate) spec: WorkerSpec,
    /// Where it records.
    pub(crate) recorder: Recorder,
    /// What the runner wants.
    pub(crate) commands: Receiver<Command>,
}

impl Bench<'_> {
    /// The next command, if there is one.
    pub(crate) fn command(&self) -> Option<Command> {
        self.commands.try_recv().ok()
    }

    /// Indices of the destinations it works on.
    pub(crate) fn destinations(&self) -> Vec<u16> {
        self.spec.client.destinations.iter().map(|destination| destination.index).collect()
    }
}

/// Tells the runner something. A runner that is gone takes this process with it.
pub(crate) fn report(report: &Report) {
    if !say(report) {
        std::process::exit(1);
    }
}

/// One document a line, on standard output; whether anybody took it.
pub(crate) fn say(words: &impl Serialize) -> bool {
    let mut line = serde_json::to_string(words).unwrap_or_default();
    line.push('\n');
    let mut output = std::io::stdout().lock();
    output.write_all(line.as_bytes()).and_then(|()| output.flush()).is_ok()
}

/// What a job failed of, in words without what clients prove themselves with.
pub(crate) fn failed(error: &WorkloadError, access: Option<&Access>) -> Report {
    let message = error.to_string();
    let message = access.map(|access| access.redact(&message)).unwrap_or(message);
    Report::Failed { message, history_lost: matches!(error, WorkloadError::Record(_)) }
}

fn work(systems: &[&dyn System]) -> ExitCode {
    let bench = match prepare(systems) {
        Ok(bench) => bench,
        Err(error) => {
            report(&failed(&error, None));
            return ExitCode::FAILURE;
        }
    };
    let access = bench.spec.client.access.clone();
    match run_job(bench) {
        Ok(()) => {
            report(&Report::Finished);
            ExitCode::SUCCESS
        }
        Err(error) => {
            report(&failed(&error, access.as_deref()));
            ExitCode::FAILURE
        }
    }
}

fn prepare<'a>(systems: &[&'a dyn System]) -> Result<Bench<'a>, WorkloadError> {
    let refused = |reason: String| ClientError::Configuration(reason);
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| refused(error.to_string()))?;
    let mut spec: WorkerSpec = serde_json::from_str(&line)
        .map_err(|error| refused(format!("`{WORKER_ARGUMENT}` is for verify's own use ({error})")))?;
    if spec.access_follows {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(|error| refused(error.to_string()))?;
        let access = Access::from_line(&line).ok_or_else(|| refused(String::from("it was given no way in")))?;
        spec.client.access = Some(access.into());
    }
    let system = systems
        .iter()
        .find(|system| system.info().name == spec.system)
        .and_then(|system| system.real())
        .ok_or_else(|| refused(format!("this program has no system `{}`", spec.system)))?;
    let recorder = Recorder::create(&spec.event_path, spec.worker, Clock::Monotonic)?;
    let (sender, commands) = channel();
    std::thread::spawn(move || read_commands(&sender));
    Ok(Bench { system, spec, recorder, commands })
}

/// The end of standard input means that the runner is gone: a worker never outlives it.
fn read_commands(commands: &Sender<Command>) {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str(&line) {
            Ok(command) => {
                if commands.send(command).is_err() {
                    return;
                }
            }
            Err(error) => eprintln!("not a command: {line} ({error})"),
        }
    }
    std::process::exit(1);
}

fn run_job(mut bench: Bench<'_>) -> Result<(), WorkloadError> {
    bench.recorder.record(Event::new(EventKind::WorkerStarted))?;
    match bench.spec.job.clone() {
        Job::Produce { destinations, rate_per_s, size_bytes, keys, resend, predecessor } => {
            let plan = ProducePlan {
                worker: bench.spec.worker,
                destinations,
                rate_per_s,
                size_bytes: size_bytes as usize,
                keys,
                run_tag: bench.spec.client.run_tag,
                resend,
            };
            jobs::produce(&mut bench, plan, predecessor)?;
        }
        Job::Consume { subscriber, sentinels } => jobs::consume(&mut bench, subscriber, sentinels)?,
        Job::ConsumeQueue { seed } => jobs::consume_queue(&mut bench, seed)?,
        Job::Transform(job) => transform::transform(&mut bench, job)?,
        Job::Sentinel { size_bytes } => jobs::sentinel(&mut bench, size_bytes)?,
        Job::Observe { groups } => jobs::observe(&mut bench, &groups)?,
        Job::Audit { replicas, queues, groups } => jobs::audit(&mut bench, &replicas, &queues, &groups)?,
    }
    bench.recorder.record(Event::new(EventKind::WorkerFinished))?;
    bench.recorder.close()?;
    Ok(())
}
