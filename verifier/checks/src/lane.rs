//! One lane: every pass and property in turn, then the verdicts.

use std::collections::BTreeMap;

use delivery_history::manifest::{Lane, RunStatus, Workload};

use crate::audits::{AuditRun, Audits};
use crate::consumed::{GroupWork, read_group};
use crate::context::{Context, reason_words};
use crate::directory::{Directory, Outcome, outcome_of, state};
use crate::evidence::bite::FaultFacts;
use crate::evidence::breakable::{self, Chances};
use crate::evidence::segments::{Segments, Sides};
use crate::evidence::{comeback, label, load};
use crate::guarantees::{self, Doubts, LaneKind, Proved};
use crate::health::Health;
use crate::judge::{Options, Scope};
use crate::judgement::{FindingKind, LaneJudgement, Rebalances, Stats};
use crate::latency::Latencies;
use crate::picture::{Axis, LanePicture, draw_lane};
use crate::properties::committed::{Committed, ReadBack};
use crate::properties::liveness::{Comeback, Liveness};
use crate::properties::lost::Lost;
use crate::properties::undelivered::Leftover;
use crate::properties::{
    aborted_read, agreement, commit_back, committed, failed_but_stored, hanging_transaction, liveness, lost, outputs,
    processed_at_once, processed_twice, reordered, reordered_key, reordered_total, stored_twice, torn_transaction,
    undelivered,
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
    /// What groups were read back to have committed.
    pub(crate) read_back: &'b ReadBack,
    /// What was noted before lanes are judged.
    pub(crate) health: &'b Health,
    pub(crate) options: &'b Options,
    /// The stretches of time lanes are drawn in, where they are to be drawn.
    pub(crate) axis: Option<Axis>,
}

/// What there is of a lane once it is judged.
pub(crate) struct Judged {
    pub(crate) judgement: LaneJudgement,
    /// What was noted of its recordings meanwhile.
    pub(crate) notes: Health,
    /// The lane over time, where it was to be drawn.
    pub(crate) picture: Option<LanePicture>,
}

/// A lane between the pass over its producers and the rest.
pub(crate) struct Prepared {
    pub(crate) segments: Segments,
    pub(crate) sends: Sends,
    /// By fault: why it proves nothing about the lane.
    pub(crate) vacuous: Vec<Option<String>>,
    notes: Health,
}

impl Prepared {
    /// Takes its place after the lanes before it.
    pub(crate) fn enter(mut self, directory: &mut Directory, health: &mut Health) -> Self {
        self.sends.enter(directory);
        health.absorb(std::mem::take(&mut self.notes));
        self
    }
}

/// What the passes over groups came to.
struct Read {
    leftovers: Vec<Leftover>,
    undelivered: Tally,
    offset_back: Tally,
    offset_skipped: Tally,
    commit_back: Tally,
    output_twice: Tally,
    committed: Committed,
    refused: BTreeMap<u32, u64>,
    rebalances: Option<Rebalances>,
    rebalanced: u64,
    sessions_ended: u64,
    /// By segment in which a message was invoked: when the last of them was first delivered.
    caught_up_ns: Vec<u64>,
    end_to_end: Latencies,
    delivered: u64,
    processed: u64,
    /// What only queues have: findings and doubts.
    queues: Option<Queues>,
}

/// Judges one lane.
pub(crate) fn judge_lane(run: &Run<'_, '_>, number: u16, lane: &Lane, prepared: Prepared) -> Judged {
    let Prepared { segments, sends, vacuous, .. } = prepared;
    let mut noted = run.health.clone();
    let health = &mut noted;
    let context = run.context;
    let mut work = LaneWork {
        context,
        lane: number,
        workload: lane.workload,
        scope: run.options.scope,
        acknowledged: lane.acknowledged,
        destinations: context.destinations_of(number),
        directory: run.directory,
        sends,
        phantom: OnceTally::default(),
        corrupt: OnceTally::default(),
        disagreement: OnceTally::default(),
        processed_at_once: OnceTally::default(),
        aborted_read: OnceTally::default(),
        uncommitted_read: OnceTally::default(),
        dirty_read: OnceTally::default(),
        unattributed: 0,
        misplaced: false,
    };
    let audits = Audits::read(context, run.directory, run.audits, number);
    let comeback = Comeback::of(&context.manifest.status, context.timeline.went_past_recovery());
    let recovered = comeback.recovered();
    let (unproved, read) = if lane.workload == Workload::Queue {
        let queues = queue::read(&mut work, &audits, &segments, recovered, lane.automatic_ack, health);
        (queues.unproved, Read::of_queues(queues, &segments))
    } else {
        stored::mark_stored(&mut work, &audits, health);
        stored::settle_misplaced(&mut work, &audits);
        let unproved = match lane.workload {
            Workload::Log | Workload::Transactions => lost::mark_lost_from_log(&mut work, &audits, recovered),
            _ => 0,
        };
        (unproved, read_groups(&mut work, run.read_back, &audits, &segments, recovered, health))
    };
    let lost = lost::lost(&work, unproved);
    let live = liveness::judge(&work, &comeback, run.sentinels, &read.leftovers);
    let doubts = doubts(run, &work, &segments, &vacuous, &audits, &comeback, &lost, &read, &live, health);
    let picture = run.axis.map(|axis| draw_lane(&work, axis));
    let judgement = conclude(run, work, lane, vacuous, &audits, lost, read, live, doubts, &segments, recovered);
    Judged { judgement, notes: noted.beyond(run.health), picture }
}

fn read_groups(
    work: &mut LaneWork<'_, '_>,
    read_back: &ReadBack,
    audits: &Audits<'_>,
    segments: &Segments,
    recovered: bool,
    health: &mut Health,
) -> Read {
    let mut read = Read::new(segments);
    for group in work.context.groups_of(work.lane) {
        let seen = read_group(work, group, audits, segments, &mut read.end_to_end, health);
        read.delivered += seen.delivered;
        read.processed += seen.processed;
        let mut left = undelivered::classify(work, &seen, recovered, health, &mut read.undelivered);
        if seen.transforms {
            let twice = outputs::judge(work, &seen, audits, recovered, &mut left, &mut read.undelivered);
            read.output_twice.merge(twice);
        }
        read.leftovers.push(left);
        let committed = committed::find(work, &seen, read_back, audits, health);
        read.committed.unprocessed.merge(committed.unprocessed);
        read.committed.lost.merge(committed.lost);
        read.take(work, seen);
    }
    read
}

impl Read {
    fn new(segments: &Segments) -> Self {
        Self {
            leftovers: Vec::new(),
            undelivered: Tally::default(),
            offset_back: Tally::default(),
            offset_skipped: Tally::default(),
            commit_back: Tally::default(),
            output_twice: Tally::default(),
            committed: Committed::default(),
            refused: BTreeMap::new(),
            rebalances: None,
            rebalanced: 0,
            sessions_ended: 0,
            caught_up_ns: vec![0; segments.len()],
            end_to_end: Latencies::new("end-to-end"),
            delivered: 0,
            processed: 0,
            queues: None,
        }
    }

    fn of_queues(mut queues: Queues, segments: &Segments) -> Self {
        Self {
            leftovers: vec![std::mem::take(&mut queues.leftover)],
            undelivered: std::mem::take(&mut queues.undelivered),
            rebalanced: queues.members.assigned_again,
            sessions_ended: queues.members.sessions_ended,
            caught_up_ns: std::mem::take(&mut queues.members.caught_up_ns),
            end_to_end: std::mem::replace(&mut queues.end_to_end, Latencies::new("end-to-end")),
            delivered: queues.members.delivered,
            processed: queues.members.processed,
            queues: Some(queues),
            ..Self::new(segments)
        }
    }

    /// Takes over what one group showed beside its messages.
    fn take(&mut self, work: &mut LaneWork<'_, '_>, seen: GroupWork) {
        let mut at_once = std::mem::take(&mut work.processed_at_once);
        processed_at_once::find(work, &seen, &mut at_once);
        work.processed_at_once = at_once;
        if work.is_log() && work.scope == Scope::All {
            self.commit_back.merge(commit_back::find(work.context, &seen));
        }
        if work.is_log() {
            let all = self.rebalances.get_or_insert_default();
            all.assigned += seen.places.assigned;
            all.revoked += seen.places.revoked;
            all.lost += seen.places.lost;
            seen.refused.iter().for_each(|(reason, count)| *self.refused.entry(*reason).or_default() += count);
        }
        self.rebalanced += seen.rebalanced;
        self.sessions_ended += seen.sessions_ended;
        for (all_ns, one_ns) in self.caught_up_ns.iter_mut().zip(&seen.caught_up_ns) {
            *all_ns = (*all_ns).max(*one_ns);
        }
        let (back, skipped) = seen.jumps.into_tallies(seen.members.len() == 1);
        self.offset_back.merge(back);
        self.offset_skipped.merge(skipped);
    }
}

#[expect(clippy::too_many_arguments, reason = "each is a part of the evidence that doubts are about")]
fn doubts(
    run: &Run<'_, '_>,
    work: &LaneWork<'_, '_>,
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
    if work.is_log() {
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
    doubts.unbreakable = breakable::doubts(work, &chances(work, vacuous, read));
    doubts
}

fn chances(work: &LaneWork<'_, '_>, vacuous: &[Option<String>], read: &Read) -> Chances {
    let states = &work.sends.messages.state;
    Chances {
        windows: vacuous.iter().filter(|why| why.is_none()).count() as u64,
        unknown: how_many(states, |message| outcome_of(message) == Outcome::Unknown),
        rebalanced: read.rebalanced,
        redelivered: how_many(states, |message| message & (state::REDELIVERED | state::PROCESSED_TWICE) != 0),
        sessions_ended: read.sessions_ended + work.sends.sessions_ended,
    }
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
    segments: &Segments,
    recovered: bool,
) -> LaneJudgement {
    let torn = torn_transaction::find(&work, audits, recovered);
    let total = match work.is_log() && work.scope == Scope::All {
        true => reordered_total::find(&work, audits, &run.context.producers_of(work.lane)),
        false => Tally::default(),
    };
    let mut aborted_read = std::mem::take(&mut work.aborted_read);
    aborted_read::find_stored(&work, &mut aborted_read);
    work.aborted_read = aborted_read;
    let windows = vacuous.iter().filter(|why| why.is_none()).count() as u64;
    let mut counted = tallies(&mut work, &read);
    counted.push((FindingKind::Lost, lost.tally));
    counted.push((FindingKind::TornTransaction, torn));
    counted.push((FindingKind::ReorderedTotal, total));
    counted.push((FindingKind::NotRecovered, live.not_recovered));
    counted.extend(read.queues.iter().flat_map(|queues| queues.counted.iter().cloned()));
    let off = |kind: FindingKind| run.options.without.contains(&kind);
    counted.retain(|(kind, _)| !off(*kind));
    counted.sort_by_key(|(kind, _)| *kind);
    let proved = proved(&work, &counted, &read, live.violated.filter(|_| !off(FindingKind::NotRecovered)));
    let kind = LaneKind {
        scope: work.scope,
        workload: lane.workload,
        acknowledged: lane.acknowledged,
        calm: run.facts.is_empty(),
    };
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
    let drained = read.leftovers.iter().all(|left| left.not_drained.is_empty()) && !read.leftovers.is_empty();
    let recovery = comeback::of(&work, run.facts, segments, drained.then_some(&read.caught_up_ns[..]));
    let findings = story::findings(&work, audits, &read.leftovers, counted);
    LaneJudgement {
        lane: lane.name.clone(),
        stats,
        findings,
        guarantees,
        label,
        available_during_fault,
        longest_stall_ms,
        recovery,
        doubts: doubts.all(),
    }
}

/// What the counts prove against guarantees.
fn proved(work: &LaneWork<'_, '_>, counted: &[(FindingKind, Tally)], read: &Read, not_live: Option<String>) -> Proved {
    let tally = |kind: FindingKind| counted.iter().find(|(known, _)| *known == kind).map(|(_, tally)| tally);
    let count = |kind: FindingKind| tally(kind).map_or(0, Tally::count);
    let transformed = !work.context.outputs_of(work.lane).is_empty();
    let undelivered: u64 = read.leftovers.iter().map(|left| left.proved).sum();
    Proved {
        lost: count(FindingKind::Lost),
        undelivered: tally(FindingKind::Undelivered).map_or(0, |_| undelivered),
        stored_twice: count(FindingKind::StoredTwice),
        // Where messages are transformed, once is said of their outputs: readers of those commit on their own account.
        processed_twice: if transformed { 0 } else { count(FindingKind::ProcessedTwice) },
        reordered: count(FindingKind::Reordered),
        disagreement: count(FindingKind::Disagreement),
        phantom: count(FindingKind::Phantom),
        corrupt: count(FindingKind::Corrupt),
        failed_but_stored: count(FindingKind::FailedButStored),
        torn: count(FindingKind::TornTransaction),
        aborted_read: count(FindingKind::AbortedRead),
        uncommitted_read: count(FindingKind::UncommittedRead),
        output_twice: count(FindingKind::OutputTwice),
        hanging: count(FindingKind::HangingTransaction),
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
        (FindingKind::OffsetBack, read.offset_back.clone()),
        (FindingKind::OffsetSkipped, read.offset_skipped.clone()),
        (FindingKind::CommitBack, read.commit_back.clone()),
        (FindingKind::OutputTwice, read.output_twice.clone()),
        (FindingKind::HangingTransaction, hanging_transaction::find(there)),
        (FindingKind::CommitLost, read.committed.lost.clone()),
        (FindingKind::CommittedUnprocessed, read.committed.unprocessed.clone()),
        (FindingKind::ReorderedKey, when(state::REORDERED_KEY, &|| reordered_key::reordered_key(there))),
        (FindingKind::FailedButStored, when(state::FAILED, &|| failed_but_stored::failed_but_stored(there))),
    ];
    let once = [
        (FindingKind::Disagreement, std::mem::take(&mut work.disagreement)),
        (FindingKind::Phantom, std::mem::take(&mut work.phantom)),
        (FindingKind::Corrupt, std::mem::take(&mut work.corrupt)),
        (FindingKind::ProcessedAtOnce, std::mem::take(&mut work.processed_at_once)),
        (FindingKind::AbortedRead, std::mem::take(&mut work.aborted_read)),
        (FindingKind::UncommittedRead, std::mem::take(&mut work.uncommitted_read)),
        (FindingKind::DirtyRead, std::mem::take(&mut work.dirty_read)),
    ];
    counted.extend(once.into_iter().map(|(kind, tally)| (kind, tally.into_tally())));
    counted
}

fn stats(context: &Context<'_>, work: &LaneWork<'_, '_>, read: &Read) -> Stats {
    let mut stats = Stats { delivered: read.delivered, processed: read.processed, ..Stats::default() };
    let states = &work.sends.messages.state;
    for (reason, count) in &read.refused {
        *stats.commits_refused.entry(reason_words(*reason).to_owned()).or_default() += count;
    }
    stats.transactions = work.sends.transactions.counts();
    stats.rebalances = read.rebalances.filter(|all| *all != Rebalances::default());
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
pub(crate) fn prepare(context: &Context<'_>, facts: &[FaultFacts], number: u16, lane: &Lane, scope: Scope) -> Prepared {
    let destinations = context.destinations_of(number);
    let why = |fact: &FaultFacts| fact.why_vacuous(context, lane.workload, number, &destinations);
    let vacuous: Vec<Option<String>> = facts.iter().map(why).collect();
    let bit: Vec<bool> = vacuous.iter().map(Option::is_none).collect();
    let faults = context.manifest.faults.iter().zip(facts);
    let detection_ms: Vec<u64> = faults
        .map(|(fault, fact)| {
            fact.noticed_after_ms().map_or(fault.detection_ms, |noticed| noticed.min(fault.detection_ms))
        })
        .collect();
    let segments = Segments::new(&context.timeline, facts, &detection_ms, &destinations, &bit);
    let sides: Vec<Sides> =
        context.manifest.faults.iter().take(facts.len()).map(|fault| Sides::new(&fault.sides)).collect();
    let mut notes = Health::default();
    let sends = crate::sends::read_sends(context, number, lane, scope, &segments, &sides, &mut notes);
    Prepared { segments, sends, vacuous, notes }
}
