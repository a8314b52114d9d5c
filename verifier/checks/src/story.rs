//! The whole story of each witness: sent, acked by whom, leader then, faults, who read it, what
//! the audits say. One more pass over the lane's streams, only when there are witnesses.

use std::collections::{BTreeMap, BTreeSet};

use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED};
use delivery_history::manifest::{Role, Workload};
use delivery_history::{Event, EventKind, NO_NODE, NO_OFFSET};

use crate::audits::Audits;
use crate::context::{Context, reason_words};
use crate::evidence::bite;
use crate::evidence::timeline::Timeline;
use crate::judgement::{Finding, FindingKind, StoryStep, Witness};
use crate::properties::outputs;
use crate::properties::undelivered::Leftover;
use crate::queue::{self, is_queue};
use crate::tally::{Subject, Tally};
use crate::transactions::Ending;
use crate::work::LaneWork;

/// Longest story; a message delivered a thousand times says nothing more after this.
const MAX_STEPS: usize = 40;
/// Faults a story tells of.
const MAX_TOLD_FAULTS: usize = 6;

/// What happened to one subject, and to whom.
#[derive(Clone, Debug, Default)]
struct Trace {
    steps: Vec<(u64, String)>,
    /// Groups it was delivered to.
    delivered: BTreeSet<u16>,
    /// Groups that processed it.
    processed: BTreeSet<u16>,
    /// Replicas whose audit holds it, by destination.
    read: BTreeSet<(u16, u32)>,
}

impl Trace {
    fn tell(&mut self, at_ns: u64, what: String) {
        if self.steps.len() < MAX_STEPS {
            self.steps.push((at_ns, what));
        }
    }

    /// Tells that a handler finished; its start is only worth a line of its own where it did not.
    fn tell_processed(&mut self, at_ns: u64, who: &str) {
        let began = began_words(who);
        if self.steps.last().is_some_and(|(_, what)| *what == began) {
            self.steps.pop();
        }
        self.tell(at_ns, format!("processed by {who}"));
    }
}

/// Turns what was counted into findings with their stories; kinds nothing was found of are left out.
pub(crate) fn findings(
    work: &LaneWork<'_, '_>,
    audits: &Audits<'_>,
    groups: &[Leftover],
    counted: Vec<(FindingKind, Tally)>,
) -> Vec<Finding> {
    let counted: Vec<_> = counted.into_iter().filter(|(_, tally)| tally.count() > 0).collect();
    let subjects = counted.iter().flat_map(|(_, tally)| tally.witnesses().map(|(subject, _)| subject));
    let mut traces: BTreeMap<Subject, Trace> = subjects.map(|subject| (subject, Trace::default())).collect();
    if traces.is_empty() {
        return Vec::new();
    }
    trace_clients(work, &mut traces);
    trace_audits(work, audits, &mut traces);
    counted
        .into_iter()
        .map(|(kind, tally)| {
            let witness = |(subject, destination)| {
                let trace = traces.get(&subject).cloned().unwrap_or_default();
                tell(work, audits, groups, kind, subject, destination, trace)
            };
            Finding { kind, count: tally.count(), witnesses: tally.witnesses().map(witness).collect() }
        })
        .collect()
}

/// Rejects most events by one bit, before anything is looked up.
struct Filter([u64; 64]);

impl Filter {
    fn new(traces: &BTreeMap<Subject, Trace>) -> Self {
        let mut filter = Self([0; 64]);
        for subject in traces.keys() {
            let slot = match *subject {
                Subject::Message { sequence, .. } => Self::slot(u64::from(sequence)),
                Subject::Place { offset, .. } => Self::slot(offset),
                Subject::Moment { .. } | Subject::Commit { .. } | Subject::Kept { .. } | Subject::Destination(_) => {
                    continue;
                }
            };
            filter.0[slot.0] |= slot.1;
        }
        filter
    }

    fn slot(number: u64) -> (usize, u64) {
        let hashed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
        ((hashed >> 6) as usize, 1 << (hashed & 63))
    }

    fn may_hold(&self, number: u64) -> bool {
        let (word, bit) = Self::slot(number);
        self.0[word] & bit != 0
    }

    fn passes(&self, event: &Event) -> bool {
        self.may_hold(u64::from(event.sequence)) || self.may_hold(event.offset)
    }
}

fn trace_clients(work: &LaneWork<'_, '_>, traces: &mut BTreeMap<Subject, Trace>) {
    let filter = Filter::new(traces);
    let context = work.context;
    for (worker, role) in context.workers() {
        let group = match role.role {
            Role::Producer if role.lane == Some(work.lane) => role.group,
            Role::Consumer => {
                let group = role.group.and_then(|group| context.manifest.groups.get(usize::from(group)));
                if group.is_none_or(|group| group.lane != work.lane) {
                    continue;
                }
                role.group
            }
            _ => continue,
        };
        for event in context.stream(worker).iter().filter(|event| filter.passes(event)) {
            let message = Subject::Message { session: event.session, sequence: event.sequence };
            if let Some(trace) = traces.get_mut(&message) {
                trace_message(context, worker, role.host, group, event, trace);
            }
            let place = Subject::Place { destination: event.destination, offset: event.offset };
            if let (Some(EventKind::Delivered), Some(trace)) = (event.kind(), traces.get_mut(&place)) {
                let what = format!("{} was given {}", context.worker_name(worker), content(context, event));
                trace.tell(event.time_ns, what);
            }
        }
    }
}

fn trace_message(context: &Context<'_>, worker: u16, host: u32, group: Option<u16>, event: &Event, trace: &mut Trace) {
    let Some(kind) = event.kind() else { return };
    let name = context.worker_name(worker);
    // A subscriber's group is often its own name over again.
    let group_name = group.map(|group| context.group_name(group)).filter(|group| *group != name);
    let who = group_name.map_or_else(|| name.clone(), |group| format!("{name} (group {group})"));
    let what = match kind {
        EventKind::SendInvoked => {
            let place = context.destination_name(event.destination);
            trace.tell(event.time_ns, format!("sent by {name} on {} to {place}", context.host_name(host)));
            if let Some(led) = leader_words(context, event) {
                trace.tell(event.time_ns, led);
            }
            return;
        }
        EventKind::SendAcked if event.detail == NO_NODE => format!("acked{}", at_offset(event.offset)),
        EventKind::SendAcked => format!("acked by {}{}", context.host_name(event.detail), at_offset(event.offset)),
        EventKind::SendSent => String::from("taken by the client; no acknowledgement is asked for"),
        EventKind::SendFailed => format!("failed for certain: {}", reason_words(event.detail)),
        EventKind::SendUnknown => format!("not acked, may be stored: {}", reason_words(event.detail)),
        EventKind::Delivered => {
            trace.delivered.extend(group);
            let again = if event.has(FLAG_REDELIVERED) { ", flagged as redelivered" } else { "" };
            let queued = is_queue(context, event.destination);
            let at = if queued { queue::story::with_tag(event.offset) } else { at_offset(event.offset) };
            format!("delivered to {who}{at}{again}")
        }
        EventKind::Processing => began_words(&who),
        EventKind::Processed => {
            trace.processed.extend(group);
            trace.tell_processed(event.time_ns, &who);
            return;
        }
        _ if is_queue(context, event.destination) => match queue::story::client_words(event, &who) {
            Some(what) => what,
            None => return,
        },
        _ => return,
    };
    trace.tell(event.time_ns, what);
}

fn began_words(who: &str) -> String {
    format!("processing began in {who}")
}

/// ` at offset 4711`, or nothing where no offset is known.
fn at_offset(offset: u64) -> String {
    if offset == NO_OFFSET { String::new() } else { format!(" at offset {offset}") }
}

fn leader_words(context: &Context<'_>, event: &Event) -> Option<String> {
    let place = context.destination_name(event.destination);
    let leaders = context.observations.leaders_at(event.destination, event.time_ns);
    let told: Vec<String> = leaders
        .into_iter()
        .map(|(leader, by)| format!("{} according to {}", context.host_name(leader), context.host_names(by)))
        .collect();
    (!told.is_empty()).then(|| format!("leader of {place} then: {}", told.join("; ")))
}

fn content(context: &Context<'_>, event: &Event) -> String {
    if event.kind == EventKind::AuditControl as u8 {
        String::from("a control record")
    } else if event.has(FLAG_CORRUPT) {
        String::from("an altered payload")
    } else if event.has(FLAG_FOREIGN) {
        String::from("a payload nobody here wrote")
    } else {
        let name = context.message_name(event.session, event.sequence);
        match event.kind() {
            Some(EventKind::AuditAborted) => format!("{name}, of an aborted transaction"),
            Some(EventKind::AuditOpen) => format!("{name}, of a transaction that has not ended"),
            _ => name,
        }
    }
}

fn trace_audits(work: &LaneWork<'_, '_>, audits: &Audits<'_>, traces: &mut BTreeMap<Subject, Trace>) {
    let filter = Filter::new(traces);
    let context = work.context;
    for run in audits.runs() {
        let replica = context.host_name(run.replica);
        for event in run.reads.iter().filter(|event| filter.passes(event)) {
            let message = Subject::Message { session: event.session, sequence: event.sequence };
            if let Some(trace) = traces.get_mut(&message) {
                trace.read.insert((run.destination, run.replica));
                if let Some(found) = queue::story::found_words(work, event).filter(|_| work.workload == Workload::Queue)
                {
                    trace.tell(event.time_ns, found);
                    continue;
                }
                let place = context.destination_name(run.destination);
                let withheld = match event.kind() {
                    Some(EventKind::AuditAborted) => ", where its transaction aborted",
                    Some(EventKind::AuditOpen) => ", where its transaction has not ended",
                    _ => "",
                };
                let at = format!("at offset {} of {place}{withheld}", event.offset);
                trace.tell(event.time_ns, format!("audit: read from {replica} {at}"));
            }
        }
        let places = traces.iter_mut().filter_map(|(subject, trace)| match *subject {
            Subject::Place { destination, offset } if destination == run.destination => Some((offset, trace)),
            _ => None,
        });
        for (offset, trace) in places {
            let (at_ns, held) = match run.at(offset) {
                Some(event) => (event.time_ns, content(context, event)),
                None => (run.ended_ns, format!("nothing (it was read up to offset {})", run.end_offset())),
            };
            trace.tell(at_ns, format!("audit: {replica} holds {held}"));
        }
    }
}

fn tell(
    work: &LaneWork<'_, '_>,
    audits: &Audits<'_>,
    groups: &[Leftover],
    kind: FindingKind,
    subject: Subject,
    destination: u16,
    mut trace: Trace,
) -> Witness {
    let context = work.context;
    let message = match subject {
        Subject::Message { session, sequence } => {
            tell_absence(work, audits, groups, kind, destination, &mut trace);
            tell_transaction(work, session, sequence, &mut trace);
            context.message_name(session, sequence)
        }
        Subject::Place { destination, offset } => {
            format!("offset {offset} of {}", context.destination_name(destination))
        }
        Subject::Moment { worker, time_ns, .. } => {
            let name = if worker == u16::MAX { String::from("the audit") } else { context.worker_name(worker) };
            trace.steps.push((time_ns, format!("{name} was given a payload it cannot have been sent")));
            format!("a payload {name} was given")
        }
        Subject::Commit { worker, time_ns, destination, offset, before } => {
            let (name, place) = (context.worker_name(worker), context.destination_name(destination));
            trace.steps.push((time_ns, format!("{name} committed offset {offset}; its group had committed {before}")));
            format!("the commit of offset {offset} of {place}")
        }
        Subject::Kept { group, destination, worker, confirmed_ns, confirmed, read_ns, kept } => {
            let (name, group) = (context.worker_name(worker), context.group_name(group));
            trace.steps.push((confirmed_ns, format!("{name} was told that offset {confirmed} is committed")));
            trace.steps.push((read_ns, format!("read back: group {group} has committed offset {kept}")));
            format!("the commit of offset {confirmed} of {}", context.destination_name(destination))
        }
        Subject::Destination(index) => {
            let end_ns = context.timeline.end_ns;
            let what = match kind {
                FindingKind::HangingTransaction => "its last stable offset stood still until the limit ran out",
                _ => "had not come back when the limit ran out",
            };
            trace.steps.push((end_ns, what.to_owned()));
            context.destination_name(index)
        }
    };
    tell_faults(context, &context.timeline, &mut trace);
    trace.steps.sort_by_key(|(at_ns, _)| *at_ns);
    let story = trace.steps.into_iter().map(|(at_ns, what)| StoryStep { at_ms: context.at_ms(at_ns), what }).collect();
    Witness { message, destination: context.destination_name(destination), story }
}

/// What did not happen, where that is the point.
fn tell_absence(
    work: &LaneWork<'_, '_>,
    audits: &Audits<'_>,
    groups: &[Leftover],
    kind: FindingKind,
    destination: u16,
    trace: &mut Trace,
) {
    let context = work.context;
    if work.workload == Workload::Queue {
        let (delivered, processed) = (!trace.delivered.is_empty(), !trace.processed.is_empty());
        trace.steps.extend(queue::story::absence(work, audits, kind, destination, &trace.read, delivered, processed));
        return;
    }
    let complete = audits.of(destination).iter().filter(|run| run.is_complete());
    let absent: Vec<_> = complete.filter(|run| !trace.read.contains(&(destination, run.replica))).collect();
    if let Some(last_ns) = absent.iter().map(|run| run.ended_ns).max() {
        let replicas = context.host_names(absent.iter().map(|run| run.replica));
        trace.steps.push((last_ns, format!("audit: absent from {replicas}")));
    }
    let end_ns =
        context.timeline.entered_ns(delivery_history::manifest::Phase::Audit).unwrap_or(context.timeline.end_ns);
    let lost_in_fanout = kind == FindingKind::Lost && work.workload == Workload::Fanout;
    for left in groups.iter().filter(|left| left.reads.contains(&destination)) {
        let group = context.group_name(left.group);
        let drained = if left.not_drained.contains(&destination) {
            ", which had no live member at the drain"
        } else {
            ", which drained"
        };
        if lost_in_fanout && !trace.delivered.contains(&left.group) && drained.ends_with("drained") {
            trace.steps.push((end_ns, format!("never delivered to {group}{drained}")));
        } else if kind == FindingKind::Undelivered && !trace.processed.contains(&left.group) {
            trace.steps.push((end_ns, format!("never processed by group {group}{drained}")));
        }
    }
}

/// How the transaction ended that the message was sent in.
fn tell_transaction(work: &LaneWork<'_, '_>, session: u32, sequence: u32, trace: &mut Trace) {
    let Some((_, entry)) = work.directory.find(session, sequence) else { return };
    if !entry.judged || entry.lane != work.lane {
        return;
    }
    let index = entry.base as usize + sequence as usize;
    trace.steps.extend(outputs::story(work, index));
    let Some(transaction) = work.sends.transactions.of(index) else { return };
    if let Some(asked_ns) = transaction.commit_asked_ns {
        trace.steps.push((asked_ns, String::from("its transaction was asked to commit")));
    }
    let (ended_ns, what) = match transaction.ending {
        Ending::Committed => (transaction.ended_ns, "its transaction committed"),
        Ending::Aborted => (transaction.ended_ns, "its transaction aborted"),
        Ending::Unknown => (work.context.timeline.end_ns, "whether its transaction committed was never known"),
    };
    trace.steps.push((ended_ns, what.to_owned()));
}

fn tell_faults(context: &Context<'_>, timeline: &Timeline, trace: &mut Trace) {
    for (fault, window) in context.manifest.faults.iter().zip(&timeline.faults).take(MAX_TOLD_FAULTS) {
        let name =
            if fault.shape.is_empty() { fault.fault.clone() } else { format!("{}:{}", fault.fault, fault.shape) };
        let hit = bite::names(context, fault).join(", ");
        if let Some(at_ns) = window.started_ns {
            trace.steps.push((at_ns, format!("{name} on {hit} started")));
        }
        if let Some(at_ns) = window.healed_ns {
            trace.steps.push((at_ns, format!("{name} on {hit} healed")));
        }
    }
}
