//! One lane: every pass and property in turn, then the verdicts.

use delivery_history::manifest::{Lane, RunStatus, Workload};

use crate::audits::{AuditRun, Audits};
use crate::consumed::read_group;
use crate::context::Context;
use crate::directory::{Directory, Outcome, outcome_of, state};
use crate::evidence::bite::FaultFacts;
use crate::evidence::segments::{Segments, Sides};
use crate::evidence::{label, load};
use crate::guarantees::{self, Doubts, LaneKind, Proved};
use crate::health::Health;
use crate::judge::Options;
use crate::judgement::{FindingKind, LaneJudgement, Stats};
use crate::latency::Latencies;
use crate::properties::liveness::{Comeback, Liveness};
use crate::properties::lost::Lost;
use crate::properties::undelivered::Leftover;
use crate::properties::{
    agreement, failed_but_stored, liveness, lost, processed_twice, reordered, stored_twice, undelivered,
};
use crate::queue::{self, Queues};
use crate::sends::{Sends, Sentinels};
use crate::stored;
use crate::story;
use crate::strength;
use crate::tally::{OnceTally, Tally};
use crate::work::LaneWork;

/// What is shared by all lanes of a run.
pub(crate) struct Run<'a, 'b> {
    pub(crate) context: &'b Context<'a>,
    pub(crate) directory: &'b Directory,
    pub(crate) facts: &'b [FaultFacts],
    pub(crate) sentinels: &'b Sentinels,
    pub(crate) audits: &'b [AuditRun<'a>],
    pub(crate) options: &'b Options,
}

/// A lane between the pass over its producers and the rest.
pub(crate) struct Prepared {
    pub(crate) segments: Segments,
    pub(crate) sends: Sends,
    /// By fault: why it proves nothing about the lane.
    pub(crate) vacuous: Vec<Option<String>>,
}

/// What the passes over groups came to.
struct Read {
    leftovers: Vec<Leftover>,
    undelivered: Tally,
    end_to_end: Latencies,
    delivered: u64,
    processed: u64,
    /// What only queues have: findings and doubts.
    queues: Option<Queues>,
}

/// Judges one lane.
pub(crate) fn judge_lane(
    run: &Run<'_, '_>,
    number: u16,
    lane: &Lane,
    prepared: Prepared,
    health: &mut Health,
) -> LaneJudgement {
    let Prepared { segments, sends, vacuous } = prepared;
    let context = run.context;
    let mut work = LaneWork {
        context,
        lane: number,
        workload: lane.workload,
        acknowledged: lane.acknowledged,
        destinations: context.destinations_of(number),
        directory: run.directory,
        sends,
        phantom: OnceTally::default(),
        corrupt: OnceTally::default(),
        disagreement: OnceTally::default(),
        unattributed: 0,
        misplaced: false,
    };
    let audits = Audits::read(context, run.directory, run.audits, number);
    let comeback = Comeback::of(&context.manifest.status, context.timeline.went_past_recovery());
    let recovered = comeback.recovered();
    let (unproved, read) = if lane.workload == Workload::Queue {
        let queues = queue::read(&mut work, &audits, &segments, recovered, lane.automatic_ack, health);
        (queues.unproved, Read::of_queues(queues))
    } else {
        stored::mark_stored(&mut work, &audits, health);
        stored::settle_misplaced(&mut work, &audits);
        let unproved = match lane.workload {
            Workload::Log => lost::mark_lost_from_log(&mut work, &audits, recovered),
            _ => 0,
        };
        (unproved, read_groups(&mut work, &audits, &segments, recovered, health))
    };
    let lost = lost::lost(&work, unproved);
    let live = liveness::judge(&work, &comeback, run.sentinels, &read.leftovers);
    let doubts = doubts(run, &work, lane, &segments, &vacuous, &audits, &comeback, &lost, &read, &live, health);
    conclude(run, work, lane, vacuous, &audits, lost, read, live, doubts)
}

impl Read {
    fn of_queues(mut queues: Queues) -> Self {
        Self {
            leftovers: vec![std::mem::take(&mut queues.leftover)],
            undelivered: std::mem::take(&mut queues.undelivered),
            end_to_end: std::mem::replace(&mut queues.end_to_end, Latencies::new("end-to-end")),
            delivered: queues.delivered,
            processed: queues.processed,
            queues: Some(queues),
        }
    }
}

fn read_groups(
    work: &mut LaneWork<'_, '_>,
    audits: &Audits<'_>,
    segments: &Segments,
    recovered: bool,
    health: &mut Health,
) -> Read {
    let mut read = Read {
        leftovers: Vec::new(),
        undelivered: Tally::default(),
        end_to_end: Latencies::new("end-to-end"),
        delivered: 0,
        processed: 0,
        queues: None,
    };
    for group in work.context.groups_of(work.lane) {
        let seen = read_group(work, group, audits, segments, &mut read.end_to_end, health);
        read.delivered += seen.delivered;
        read.processed += seen.processed;
        read.leftovers.push(undelivered::classify(work, &seen, recovered, health, &mut read.undelivered));
    }
    read
}

#[expect(clippy::too_many_arguments, reason = "each is a part of the evidence that doubts are about")]
fn doubts(
    run: &Run<'_, '_>,
    work: &LaneWork<'_, '_>,
    lane: &Lane,
    segments: &Segments,
    vacuous: &[Option<String>],
    audits: &Audits<'_>,
    comeback: &Comeback,
    lost: &Lost,
    read: &Read,
    live: &Liveness,
    health: &Health,
) -> Doubts {
    let manifest = run.context.manifest;
    let mut doubts = Doubts::default();
    match &manifest.status {
        RunStatus::Running => {
            doubts.general.push(String::from("the run never ended: `verify` was killed or is still at it"))
        }
        RunStatus::CutShort { reason, .. } => doubts.general.push(format!("the run was cut short: {reason}")),
        RunStatus::Finished { .. } => {}
    }
    if lane.workload == Workload::Transactions {
        doubts.general.push(String::from("this version judges no lanes of this workload"));
    }
    doubts.general.extend(health.of_run(manifest));
    doubts.general.extend(health.of_lane(manifest, work.lane));
    doubts.general.extend(vacuous.iter().flatten().cloned());
    doubts.general.extend(load::doubts(run.context, &work.sends, segments, run.facts));
    if work.unattributed > 0 {
        let words = "may be phantoms, but the stream of their producer is damaged";
        doubts.general.push(format!("{} messages {words}", work.unattributed));
    }
    if let Comeback::NotRecovered(words) = comeback {
        doubts.storage.push(format!("{words}: what is missing is not proved lost"));
    }
    if lane.workload == Workload::Log {
        doubts.storage.extend(storage_doubts(work, audits, lost));
        doubts.replicas = agreement::doubts(work, audits);
    }
    doubts.readers = match &read.queues {
        Some(queues) => queues.readers.clone(),
        None => reader_doubts(work, read),
    };
    doubts.storage.extend(read.queues.iter().flat_map(|queues| queues.storage.iter().cloned()));
    doubts.missing.extend(read.queues.iter().flat_map(|queues| queues.missing.iter().cloned()));
    doubts.comeback = live.doubts.clone();
    doubts
}

fn storage_doubts(work: &LaneWork<'_, '_>, audits: &Audits<'_>, lost: &Lost) -> Vec<String> {
    let mut doubts = Vec::new();
    for destination in work.destinations.iter().filter(|destination| !audits.prove_absence(**destination)) {
        let place = work.context.destination_name(*destination);
        let why = match audits.of(*destination).first() {
            None => String::from("it was not audited"),
            Some(run) => match &run.flaw {
                Some(flaw) => format!("its audit on {} {flaw}", work.context.host_name(run.replica)),
                None if run.start_offset > 0 => {
                    format!("its log starts at offset {}: what was before is gone", run.start_offset)
                }
                None => {
                    String::from("its audit does not hold the sentinel, so it was not read to the end of the drain")
                }
            },
        };
        doubts.push(format!("what {place} holds is not known whole: {why}"));
    }
    if lost.unproved > 0 {
        doubts.push(format!("{} messages were in no audit, but that proves no loss here", lost.unproved));
    }
    doubts
}

fn reader_doubts(work: &LaneWork<'_, '_>, read: &Read) -> Vec<String> {
    let mut doubts: Vec<String> = Vec::new();
    for left in &read.leftovers {
        let group = work.context.group_name(left.group);
        doubts.extend(liveness::not_drained_words(work, left));
        if !left.sound {
            doubts.push(format!("group {group} has no member, or one whose recording is damaged"));
        }
        if left.unproved > 0 && left.not_drained.is_empty() {
            doubts.push(format!("{} messages group {group} has not processed prove nothing here", left.unproved));
        }
    }
    if read.leftovers.is_empty() {
        doubts.push(String::from("nobody read this lane"));
    }
    doubts
}

#[expect(clippy::too_many_arguments, reason = "the last step takes what every step before it found")]
fn conclude(
    run: &Run<'_, '_>,
    mut work: LaneWork<'_, '_>,
    lane: &Lane,
    vacuous: Vec<Option<String>>,
    audits: &Audits<'_>,
    lost: Lost,
    read: Read,
    live: Liveness,
    doubts: Doubts,
) -> LaneJudgement {
    let windows = vacuous.iter().filter(|why| why.is_none()).count() as u64;
    let mut counted = tallies(&mut work, &read);
    counted.push((FindingKind::Lost, lost.tally));
    counted.push((FindingKind::NotRecovered, live.not_recovered));
    counted.extend(read.queues.iter().flat_map(|queues| queues.counted.iter().cloned()));
    let off = |kind: FindingKind| run.options.without.contains(&kind);
    counted.retain(|(kind, _)| !off(*kind));
    counted.sort_by_key(|(kind, _)| *kind);
    let proved = proved(&counted, &read, live.violated.filter(|_| !off(FindingKind::NotRecovered)));
    let kind = LaneKind { workload: lane.workload, acknowledged: lane.acknowledged, calm: run.facts.is_empty() };
    let guarantees = guarantees::judge(kind, &proved, &doubts);
    let shown_whole = doubts.storage.is_empty() && doubts.missing.is_empty() && doubts.comeback.is_empty();
    let unseen: Vec<String> =
        [&doubts.general, &doubts.storage, &doubts.missing, &doubts.comeback].into_iter().flatten().cloned().collect();
    let outcome = label::Outcome {
        lost: &lost.by_destination,
        disagreements: proved.disagreement,
        doubts: &unseen,
        vacuous: &vacuous,
    };
    let label = label::judge(&work, run.facts, &outcome);
    let mut stats = stats(run.context, &work, &read);
    stats.windows = windows;
    stats.bound = strength::bound(windows, proved.lost, shown_whole);
    let (available_during_fault, longest_stall_ms) = availability(&work, run.facts);
    let findings = story::findings(&work, audits, &read.leftovers, counted);
    LaneJudgement {
        lane: lane.name.clone(),
        stats,
        findings,
        guarantees,
        label,
        available_during_fault,
        longest_stall_ms,
        doubts: doubts.all(),
    }
}

/// What the counts prove against guarantees.
fn proved(counted: &[(FindingKind, Tally)], read: &Read, not_live: Option<String>) -> Proved {
    let tally = |kind: FindingKind| counted.iter().find(|(known, _)| *known == kind).map(|(_, tally)| tally);
    let count = |kind: FindingKind| tally(kind).map_or(0, Tally::count);
    let undelivered: u64 = read.leftovers.iter().map(|left| left.proved).sum();
    Proved {
        lost: count(FindingKind::Lost),
        undelivered: tally(FindingKind::Undelivered).map_or(0, |_| undelivered),
        stored_twice: count(FindingKind::StoredTwice),
        processed_twice: count(FindingKind::ProcessedTwice),
        reordered: count(FindingKind::Reordered),
        disagreement: count(FindingKind::Disagreement),
        phantom: count(FindingKind::Phantom),
        corrupt: count(FindingKind::Corrupt),
        failed_but_stored: count(FindingKind::FailedButStored),
        not_live,
    }
}

fn tallies(work: &mut LaneWork<'_, '_>, read: &Read) -> Vec<(FindingKind, Tally)> {
    let any = work.sends.messages.state.iter().fold(0, |all, message| all | message);
    let when = |bits: u16, count: &dyn Fn() -> Tally| if any & bits != 0 { count() } else { Tally::default() };
    let there = &*work;
    let mut counted = vec![
        (FindingKind::Undelivered, read.undelivered.clone()),
        (FindingKind::StoredTwice, when(state::STORED_TWICE, &|| stored_twice::stored_twice(there))),
        (FindingKind::ProcessedTwice, when(state::PROCESSED_TWICE, &|| processed_twice::processed_twice(there))),
        (FindingKind::Redelivered, when(state::REDELIVERED, &|| processed_twice::redelivered(there))),
        (FindingKind::Reordered, when(state::REORDERED, &|| reordered::reordered(there))),
        (FindingKind::FailedButStored, when(state::FAILED, &|| failed_but_stored::failed_but_stored(there))),
    ];
    let once = [
        (FindingKind::Disagreement, std::mem::take(&mut work.disagreement)),
        (FindingKind::Phantom, std::mem::take(&mut work.phantom)),
        (FindingKind::Corrupt, std::mem::take(&mut work.corrupt)),
    ];
    counted.extend(once.into_iter().map(|(kind, tally)| (kind, tally.into_tally())));
    counted
}

fn stats(context: &Context<'_>, work: &LaneWork<'_, '_>, read: &Read) -> Stats {
    let mut stats = Stats { delivered: read.delivered, processed: read.processed, ..Stats::default() };
    let states = &work.sends.messages.state;
    stats.sent = states.len() as u64;
    stats.acked = how_many(states, |message| outcome_of(message) == Outcome::Acked);
    stats.sent_unacknowledged = how_many(states, |message| outcome_of(message) == Outcome::Sent);
    stats.failed = how_many(states, |message| outcome_of(message) == Outcome::Failed);
    stats.unknown = stats.sent - stats.acked - stats.sent_unacknowledged - stats.failed;
    stats.stored = how_many(states, |message| message & (state::STORED | state::MISPLACED) != 0);
    stats.exposed = work.sends.exposed;
    let load_ns = context.timeline.load_end_ns - context.timeline.load_start_ns;
    if load_ns > 0 {
        stats.rate_per_s = stats.sent as f64 / (load_ns as f64 / 1e9);
    }
    work.sends.latency.percentiles(&mut stats.latency_ms);
    read.end_to_end.percentiles(&mut stats.latency_ms);
    stats
}

/// Counts states in blocks that small sums can hold, which compilers turn into vector instructions.
fn how_many(states: &[u16], which: impl Fn(u16) -> bool) -> u64 {
    let blocks = states.chunks(1 << 15);
    blocks.map(|block| u64::from(block.iter().map(|message| u16::from(which(*message))).sum::<u16>())).sum()
}

fn availability(work: &LaneWork<'_, '_>, facts: &[FaultFacts]) -> (Option<f64>, u64) {
    let spans = facts.iter().filter_map(|fact| fact.span_ns);
    let (with_ack, all) = spans
        .map(|(from_ns, to_ns)| work.sends.acks.available(from_ns, to_ns))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let available = (work.acknowledged && all > 0).then(|| with_ack as f64 / all as f64);
    let stall_ns = work
        .sends
        .first_send_ns
        .map_or(0, |first_ns| work.sends.acks.longest_stall_ns(first_ns, work.sends.last_send_ns));
    (available, stall_ns / 1_000_000)
}

/// Reads the producers of a lane, once it is known which faults bit it.
pub(crate) fn prepare(
    context: &Context<'_>,
    facts: &[FaultFacts],
    number: u16,
    lane: &Lane,
    directory: &mut Directory,
    health: &mut Health,
) -> Prepared {
    let destinations = context.destinations_of(number);
    let why = |fact: &FaultFacts| fact.why_vacuous(context, lane.workload, &destinations);
    let vacuous: Vec<Option<String>> = facts.iter().map(why).collect();
    let bit: Vec<bool> = vacuous.iter().map(Option::is_none).collect();
    let detection_ms: Vec<u64> = context.manifest.faults.iter().map(|fault| fault.detection_ms).collect();
    let segments = Segments::new(&context.timeline, facts, &detection_ms, &destinations, &bit);
    let sides: Vec<Sides> =
        context.manifest.faults.iter().take(facts.len()).map(|fault| Sides::new(&fault.sides)).collect();
    let sends = crate::sends::read_sends(context, number, lane, &segments, &sides, directory, health);
    Prepared { segments, sends, vacuous }
}
