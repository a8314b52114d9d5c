//! The whole run: shared evidence first, then lane by lane.

use delivery_history::HistoryView;
use delivery_history::manifest::{Lane, Phase, Role, RunStatus};
use delivery_history::plain::MessageNames;

use crate::audits::read_runs;
use crate::context::Context;
use crate::directory::Directory;
use crate::evidence::bite::FaultFacts;
use crate::evidence::timeline::MAX_FAULTS;
use crate::health::Health;
use crate::judgement::{EventCounts, FaultJudgement, FindingKind, Judgement};
use crate::lane::{Prepared, Run, judge_lane, prepare};
use crate::picture::{Axis, Picture, draw_run};
use crate::properties::committed::{self, ReadBack};
use crate::sends::read_sentinels;
use crate::side_by_side::side_by_side;

/// How much is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything that applies.
    #[default]
    All,
    /// Only whether messages arrive: lost, undelivered, stored and processed twice, redelivered, phantom, corrupt, failed
    /// but stored. No order, no jumps, no transactions; no latencies, availability or label.
    Delivery,
}

/// How a history is judged.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much is judged.
    pub scope: Scope,
    /// Threads that judge lanes side by side; 0 is one a core. What is found does not depend on it.
    pub threads: usize,
    /// Checks that are left out: what they would find is neither reported nor held against a guarantee.
    /// For trying out what depends on a check; no verdict is published without any.
    pub without: Vec<FindingKind>,
}

/// Judges a history with every check.
pub fn judge(history: &HistoryView<'_>) -> Judgement {
    judge_with(history, &Options::default())
}

/// Judges a history: pure, without a clock; the same on one thread as on many.
///
/// Nothing a history claims makes this panic or take more memory than the history itself is
/// large: damaged, cut off and contradictory recordings are judged as far as they go, and say so.
pub fn judge_with(history: &HistoryView<'_>, options: &Options) -> Judgement {
    judge_named(history, options, None)
}

/// Judges a history whose messages have names of their own, which stories then use.
pub fn judge_named(history: &HistoryView<'_>, options: &Options, names: Option<&MessageNames>) -> Judgement {
    judge_whole(history, options, names, false).0
}

/// Judges a history as [`judge`] does, and draws it over time.
pub fn judge_and_draw(history: &HistoryView<'_>) -> (Judgement, Picture) {
    let (judgement, picture) = judge_whole(history, &Options::default(), None, true);
    (judgement, picture.unwrap_or_default())
}

fn judge_whole(
    history: &HistoryView<'_>,
    options: &Options,
    names: Option<&MessageNames>,
    draw: bool,
) -> (Judgement, Option<Picture>) {
    let mut health = Health::new(history);
    let mut context = Context::read(history, &mut health);
    context.names = names;
    let manifest = history.manifest;
    let faults = manifest.faults.iter().enumerate().take(MAX_FAULTS);
    let facts: Vec<FaultFacts> = faults.map(|(index, fault)| FaultFacts::collect(&context, index, fault)).collect();
    let lanes = manifest.lanes.iter().enumerate();
    let lanes: Vec<(u16, &Lane)> =
        lanes.map_while(|(number, lane)| Some((u16::try_from(number).ok()?, lane))).collect();
    let prepared = side_by_side(options.threads, lanes.clone(), |(number, lane)| {
        prepare(&context, &facts, number, lane, options.scope)
    });
    let mut directory = Directory::new(manifest.workers.len());
    let prepared: Vec<Prepared> = prepared.into_iter().map(|lane| lane.enter(&mut directory, &mut health)).collect();
    let sentinels = read_sentinels(&context, &mut directory, &mut health);
    let (audits, mut commits) = read_runs(&context, &mut health);
    commits.extend(committed::observed(&context));
    let read_back = ReadBack::of(&context, commits);
    let last_ack_ns = prepared.iter().map(|lane| lane.sends.last_ack_ns).fold(sentinels.last_ack_ns, u64::max);
    let faults = judge_faults(&context, &facts, last_ack_ns);
    let axis = draw.then(|| Axis::of(&context.timeline));
    let run = Run {
        context: &context,
        directory: &directory,
        facts: &facts,
        sentinels: &sentinels,
        audits: &audits,
        read_back: &read_back,
        health: &health,
        options,
        axis,
    };
    let work = lanes.into_iter().zip(prepared).collect();
    let judged =
        side_by_side(options.threads, work, |((number, lane), prepared)| judge_lane(&run, number, lane, prepared));
    let (mut lanes, mut pictures) = (Vec::with_capacity(judged.len()), Vec::new());
    for lane in judged {
        health.absorb(lane.notes);
        lanes.push(lane.judgement);
        pictures.extend(lane.picture);
    }
    let picture = axis.map(|axis| draw_run(&context, &axis, pictures));
    let all: u64 = history.streams.iter().map(|stream| stream.events.len() as u64).sum();
    let not_judged = health.not_judged().min(all);
    let events = EventCounts { judged: all - not_judged, not_judged };
    (Judgement { faults, lanes, doubts: run_doubts(&context, &health), events }, picture)
}

fn judge_faults(context: &Context<'_>, facts: &[FaultFacts], last_ack_ns: u64) -> Vec<FaultJudgement> {
    let pairs = context.manifest.faults.iter().zip(facts).enumerate();
    pairs
        .map(|(index, (fault, fact))| {
            let healed_ns = context.timeline.faults.get(index).and_then(|window| window.healed_ns);
            fact.judgement(context, index, fault, healed_ns.is_some_and(|healed_ns| last_ack_ns > healed_ns))
        })
        .collect()
}

/// Doubts about the run as a whole. Not all of them keep a verdict open: those that do are also the lanes'.
fn run_doubts(context: &Context<'_>, health: &Health) -> Vec<String> {
    let mut doubts = Vec::new();
    match &context.manifest.status {
        RunStatus::Running => {
            let phase = Phase::ALL.into_iter().rev().find(|phase| context.timeline.entered_ns(*phase).is_some());
            let phase = phase.map_or("the start", Phase::label);
            doubts.push(format!("the run never ended: its last phase was {phase}"));
        }
        RunStatus::CutShort { reason, .. } => doubts.push(format!("the run was cut short: {reason}")),
        RunStatus::Finished { .. } => {}
    }
    doubts.extend(health.of_run(context.manifest));
    for (node, at_ns) in &context.observations.alarms {
        doubts.push(format!(
            "{} raised a resource alarm {} ms after the load began: publishers were held back from then on",
            context.host_name(*node),
            context.at_ms(*at_ns)
        ));
    }
    for (worker, crash) in context.timeline.crashes.iter().filter(|(_, crash)| !crash.by_fault) {
        let name = context.worker_name(*worker);
        let role = context.manifest.workers.get(usize::from(*worker)).map(|worker| worker.role);
        let then = match role {
            Some(Role::Producer) => "its sends in flight are unknown",
            Some(Role::Consumer) => "what only it was given counts as never processed",
            Some(Role::Observer) => "nobody saw what the cluster believed from then on",
            Some(Role::Audit) => "what it had not read is not audited",
            Some(Role::Sentinel) => "the drain may not be proved",
            Some(Role::Runner) | None => "it is none of the clients",
        };
        doubts.push(format!(
            "{name} crashed {} ms after the load began, by no fault's doing: {then}",
            context.at_ms(crash.at_ns)
        ));
    }
    doubts
}
