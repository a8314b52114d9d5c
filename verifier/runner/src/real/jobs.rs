//! What each kind of worker does until it is told to finish.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use delivery_broker::{Admin, ChangeAnswer, Changed, ClientError, ClientSpec, DestinationRef, RealSystem};
use delivery_history::read_events;
use delivery_workloads::{
    ConsumePlan, ConsumerLoop, ProducePlan, ProducerLoop, QueueLoop, QueuePlan, SentinelLoop, WorkloadError,
    left_without_outcome, observation_event,
};

use crate::real::protocol::{Command, Report};
use crate::real::worker::{Bench, failed, report};

/// Producer sessions one worker may go through; more fatal errors than that end it.
const MAX_SESSIONS: u32 = 1_000;
/// Longest wait of a consumer for its next message.
const CONSUMER_WAIT: Duration = Duration::from_millis(20);
/// Wait of a worker that has nothing else to do.
const IDLE_WAIT: Duration = Duration::from_millis(10);
/// From one round of questions to the next. Together with the time limit of the questions it
/// stays below the 500 ms between observations that a verdict rests on.
const OBSERVE_INTERVAL: Duration = Duration::from_millis(250);

/// Sends at a fixed rate.
pub(crate) fn produce(
    bench: &mut Bench<'_>,
    plan: ProducePlan,
    predecessor: Option<(u16, PathBuf)>,
) -> Result<(), WorkloadError> {
    let mut producer = bench.system.producer(&bench.spec.client)?;
    let resends = plan.resend > 0;
    let mut sending = ProducerLoop::new(plan);
    if let Some((worker, path)) = predecessor.filter(|_| resends) {
        let events = read_events(&path, worker).map_err(|error| {
            let operation = String::from("reading what the predecessor had sent");
            ClientError::Refused { operation, cause: error.to_string() }
        })?;
        sending.take_over(left_without_outcome(&events));
    }
    report(&Report::Ready);
    let mut sessions = 1;
    let mut flush_until: Option<Instant> = None;
    loop {
        match bench.command() {
            Some(Command::StartLoad) => sending.start(bench.recorder.now_ns()),
            Some(Command::StopLoad) => sending.stop(),
            Some(Command::AddDestination { destination }) => {
                producer.look_again();
                sending.add_destination(destination);
            }
            Some(Command::Flush { limit_ms }) => {
                sending.stop();
                flush_until = Some(Instant::now() + Duration::from_millis(limit_ms));
            }
            Some(Command::Finish) => return Ok(()),
            _ => {}
        }
        sending.step(producer.as_mut(), &mut bench.recorder)?;
        if let Some(reason) = producer.fatal() {
            sending.end_session(producer.as_mut(), reason, &mut bench.recorder)?;
            if sessions == MAX_SESSIONS {
                return Err(ClientError::Fatal(format!("{MAX_SESSIONS} sessions, the last: {}", reason.label())).into());
            }
            sessions += 1;
            producer = bench.system.producer(&bench.spec.client)?;
        }
        if let Some(until) = flush_until
            && ((producer.in_flight() == 0 && !sending.has_resends()) || Instant::now() >= until)
        {
            let purged = producer.in_flight() as u64;
            sending.close(producer.as_mut(), &mut bench.recorder)?;
            report(&Report::Flushed { purged });
            flush_until = None;
        }
    }
}

/// Reads as a member of its group.
pub(crate) fn consume(
    bench: &mut Bench<'_>,
    subscriber: bool,
    sentinels: BTreeMap<u16, BTreeSet<u16>>,
) -> Result<(), WorkloadError> {
    let mut consumer = bench.system.consumer(&bench.spec.client)?;
    let mut reading = ConsumerLoop::new(ConsumePlan::of(&bench.spec.client.config, subscriber, sentinels));
    report(&Report::Ready);
    let (mut positioned, mut drained) = (BTreeSet::new(), BTreeSet::new());
    loop {
        if bench.command() == Some(Command::Finish) {
            reading.finish(consumer.as_mut(), &mut bench.recorder)?;
            return Ok(());
        }
        reading.step(consumer.as_mut(), &mut bench.recorder, CONSUMER_WAIT)?;
        if *reading.positioned() != positioned {
            positioned.clone_from(reading.positioned());
            report(&Report::Positioned { destinations: positioned.clone() });
        }
        if *reading.drained() != drained {
            drained.clone_from(reading.drained());
            report(&Report::Drained { destinations: drained.clone() });
        }
        // Commands are looked at however long one message takes.
        std::thread::sleep(reading.busy_for(bench.recorder.now_ns()).min(IDLE_WAIT));
    }
}

/// Takes messages from a queue, in competition with others.
pub(crate) fn consume_queue(bench: &mut Bench<'_>, seed: u64) -> Result<(), WorkloadError> {
    let mut consumer = bench.system.consumer(&bench.spec.client)?;
    let mut working = QueueLoop::new(QueuePlan::of(&bench.spec.client.config, seed));
    report(&Report::Ready);
    let mut positioned = BTreeSet::new();
    loop {
        if bench.command() == Some(Command::Finish) {
            working.finish(consumer.as_mut(), &mut bench.recorder)?;
            return Ok(());
        }
        working.step(consumer.as_mut(), &mut bench.recorder, CONSUMER_WAIT)?;
        if *working.positioned() != positioned {
            positioned.clone_from(working.positioned());
            report(&Report::Positioned { destinations: positioned.clone() });
        }
    }
}

/// Writes a sentinel to every destination.
pub(crate) fn sentinel(bench: &mut Bench<'_>, size_bytes: u32) -> Result<(), WorkloadError> {
    let mut producer = bench.system.sentinel(&bench.spec.client)?;
    let (worker, run_tag) = (bench.spec.worker, bench.spec.client.run_tag);
    let mut writing = SentinelLoop::new(worker, run_tag, size_bytes as usize, &bench.destinations());
    report(&Report::Ready);
    while !writing.done() {
        if bench.command() == Some(Command::Finish) {
            return Ok(());
        }
        writing.step(producer.as_mut(), &mut bench.recorder, IDLE_WAIT)?;
        if producer.fatal().is_some() {
            producer = bench.system.sentinel(&bench.spec.client)?;
        }
    }
    report(&Report::SentinelsWritten);
    wait_for_finish(bench);
    Ok(())
}

/// Asks every node what it believes, again and again; administers on a thread of its own, so that
/// a slow answer there leaves no gap in the observations.
pub(crate) fn observe(bench: &mut Bench<'_>, groups: &[(u16, String)]) -> Result<(), WorkloadError> {
    let mut observer = bench.system.observer(&bench.spec.client, groups)?;
    report(&Report::Ready);
    std::thread::scope(|scope| {
        let (to_admin, for_admin) = channel();
        let (system, client) = (bench.system, bench.spec.client.clone());
        scope.spawn(move || administer(system, &client, &for_admin));
        loop {
            let round = Instant::now();
            let mut unwritten = Ok(());
            observer.observe(&mut |observation| {
                if unwritten.is_ok() {
                    unwritten = bench.recorder.record(observation_event(&observation));
                }
                report(&Report::Observed { observation });
            });
            unwritten?;
            match bench.commands.recv_timeout(OBSERVE_INTERVAL.saturating_sub(round.elapsed())) {
                Ok(Command::Finish) => return Ok(()),
                // The other end lives as long as this scope.
                Ok(command) => drop(to_admin.send(command)),
                Err(_) => {}
            }
        }
    })
}

fn administer(system: &dyn RealSystem, client: &ClientSpec, commands: &Receiver<Command>) {
    let mut admin: Option<Box<dyn Admin>> = None;
    while let Ok(command) = commands.recv() {
        let answer = match connected(system, client, &mut admin) {
            Err(error) => Err(error),
            Ok(admin) => carry_out(admin, client, command),
        };
        match answer {
            Ok(Some(answer)) => report(&answer),
            Ok(None) => {}
            Err(error) => {
                report(&failed(&error.into(), client.access.as_deref()));
                std::process::exit(1);
            }
        }
    }
}

fn connected<'a>(
    system: &dyn RealSystem,
    client: &ClientSpec,
    admin: &'a mut Option<Box<dyn Admin>>,
) -> Result<&'a mut Box<dyn Admin>, ClientError> {
    match admin {
        Some(admin) => Ok(admin),
        None => Ok(admin.insert(system.admin(client)?)),
    }
}

fn carry_out(admin: &mut Box<dyn Admin>, client: &ClientSpec, command: Command) -> Result<Option<Report>, ClientError> {
    match command {
        Command::Prepare { topics } => Ok(Some(Report::Prepared { prepared: admin.prepare(&topics)? })),
        Command::AddPartition { destination, name, partitions } => {
            admin.add_partition(&name, partitions)?;
            Ok(Some(Report::Added { destination }))
        }
        Command::Change { number, change } => {
            // That nobody could be asked is an answer, too: the fault did not bite, and the run goes on.
            let changed = admin.change(change, &client.destinations);
            let changed = changed.unwrap_or_else(|error| Changed {
                answers: ChangeAnswer::all_refused(&client.destinations, &error.to_string()),
                wiped_bytes: None,
            });
            Ok(Some(Report::Changed { number, changed }))
        }
        Command::AskRecovered => Ok(Some(Report::Recovered { recovery: admin.recovered(&client.destinations) })),
        _ => Ok(None),
    }
}

/// Reads every replica of every log, drains every queue, and asks what groups have committed.
pub(crate) fn audit(
    bench: &mut Bench<'_>,
    replicas: &[u32],
    queues: &BTreeSet<u16>,
    groups: &[(u16, String, BTreeSet<u16>)],
) -> Result<(), WorkloadError> {
    let mut auditor = bench.system.auditor(&bench.spec.client)?;
    report(&Report::Ready);
    let destinations = bench.spec.client.destinations.clone();
    let (queues, logs): (Vec<DestinationRef>, Vec<DestinationRef>) =
        destinations.iter().cloned().partition(|destination| queues.contains(&destination.index));
    let undrained = delivery_workloads::drain(auditor.as_mut(), &queues, &mut bench.recorder)?;
    let unread = delivery_workloads::audit(auditor.as_mut(), &logs, replicas, &mut bench.recorder)?;
    let name = |index: u16| destinations.iter().find(|known| known.index == index).map_or("?", |known| &known.name);
    let undrained = undrained.into_iter().map(|(destination, error)| format!("{}: {error}", name(destination)));
    let unread =
        unread.into_iter().map(|(destination, replica, error)| format!("{} on n{replica}: {error}", name(destination)));
    let mut incomplete: Vec<String> = undrained.chain(unread).collect();
    let asked: Vec<(u16, String, Vec<DestinationRef>)> = groups
        .iter()
        .map(|(group, name, wanted)| {
            let read = destinations.iter().filter(|known| wanted.contains(&known.index));
            (*group, name.clone(), read.cloned().collect())
        })
        .collect();
    let untold = delivery_workloads::committed(auditor.as_mut(), &asked, &mut bench.recorder)?;
    incomplete.extend(untold.into_iter().map(|(_, error)| error.to_string()));
    report(&Report::Audited { incomplete });
    wait_for_finish(bench);
    Ok(())
}

fn wait_for_finish(bench: &Bench<'_>) {
    while let Ok(command) = bench.commands.recv() {
        if command == Command::Finish {
            return;
        }
    }
}
