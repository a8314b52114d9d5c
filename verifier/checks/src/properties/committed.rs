//! What a group was read back to have committed, held against what it did.
//!
//! Committed and unprocessed: the group goes on behind a message nobody of it ever processed. Commit lost: the broker
//! keeps less than it had confirmed.

use std::collections::{BTreeMap, HashMap};

use delivery_broker::Reason;
use delivery_history::manifest::{Phase, Role};
use delivery_history::{Event, NO_OFFSET};

use super::commit_back::InOrder;
use crate::audits::Audits;
use crate::consumed::{GroupWork, mark};
use crate::context::Context;
use crate::health::{Health, kind};
use crate::judge::Scope;
use crate::tally::{Subject, Tally};
use crate::work::{Found, LaneWork};

/// What a group had committed when it was asked last.
#[derive(Clone, Copy, Debug)]
struct Told {
    /// Up to here (exclusive): 0 where nothing was committed.
    offset: u64,
    at_ns: u64,
}

/// What groups had committed when they were asked last: by group, by destination.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadBack(BTreeMap<u16, BTreeMap<u16, Told>>);

impl ReadBack {
    /// Takes the last answer of each group and destination of its lane.
    pub(crate) fn of(context: &Context<'_>, answers: Vec<Event>) -> Self {
        let mut read_back = Self::default();
        for event in answers {
            let Ok(number) = u16::try_from(event.detail) else { continue };
            let Some(group) = context.manifest.groups.get(usize::from(number)) else { continue };
            if context.destination(event.destination).is_none_or(|known| known.lane != group.lane) {
                continue;
            }
            let offset = if event.offset == NO_OFFSET { 0 } else { event.offset };
            let told = Told { offset, at_ns: event.time_ns };
            let last = read_back.0.entry(number).or_default().entry(event.destination).or_insert(told);
            if told.at_ns >= last.at_ns {
                *last = told;
            }
        }
        read_back
    }
}

/// Answers that observers recorded: a person's own log has them there.
pub(crate) fn observed(context: &Context<'_>) -> Vec<Event> {
    let observers = context.workers().filter(|(_, worker)| worker.role == Role::Observer);
    let events = observers.flat_map(|(worker, _)| context.stream(worker));
    events.filter(|event| event.kind == kind::OBSERVED_COMMIT).copied().collect()
}

/// Both tallies: messages committed past and never processed; destinations whose commit was not kept.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    pub(crate) unprocessed: Tally,
    pub(crate) lost: Tally,
}

/// Compares what `seen` did with what was read back of its commits.
pub(crate) fn find(
    work: &LaneWork<'_, '_>,
    seen: &GroupWork,
    read_back: &ReadBack,
    audits: &Audits<'_>,
    health: &Health,
) -> Committed {
    let mut found = Committed::default();
    let Some(told) = read_back.0.get(&seen.group).filter(|_| work.is_log() && work.scope == Scope::All) else {
        return found;
    };
    if seen.members.is_empty() || !seen.members.iter().all(|member| health.is_sound(*member)) {
        return found;
    }
    // What was transformed is judged by what came of it.
    if !seen.transforms && seen.marks.iter().any(|marks| marks & mark::PROCESSED == 0) {
        unprocessed(work, seen, audits, told, &mut found.unprocessed);
    }
    lost(work.context, seen, told, &mut found.lost);
    found
}

fn unprocessed(
    work: &LaneWork<'_, '_>,
    seen: &GroupWork,
    audits: &Audits<'_>,
    told: &BTreeMap<u16, Told>,
    tally: &mut Tally,
) {
    for (destination, committed) in told {
        let Some(run) = audits.of(*destination).first() else { continue };
        let passed = run.reads.partition_point(|read| read.offset < committed.offset);
        let mut counted: Vec<usize> = Vec::new();
        for read in run.reads[..passed].iter().filter(|read| read.kind == kind::AUDIT_READ && read.flags == 0) {
            let Found::Judged { index, .. } = work.resolve(read) else { continue };
            if seen.marks[index] & mark::PROCESSED == 0 {
                counted.push(index);
            }
        }
        counted.sort_unstable();
        counted.dedup();
        for index in counted {
            let invoked = work.invoked_of(index);
            let subject = Subject::Message { session: invoked.session, sequence: invoked.sequence };
            tally.add(invoked.time_ns, subject, *destination);
        }
    }
}

/// A commit that may be the last one the broker took.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    asked_ns: u64,
    confirmed_ns: u64,
    worker: u16,
    offset: u64,
}

/// Commits in one destination.
#[derive(Debug, Default)]
struct Commits {
    /// Confirmed, and not certainly taken before another one.
    candidates: Vec<Candidate>,
    /// Asked for, and nobody knows: (when, offset).
    unknown: Vec<(u64, u64)>,
}

impl Commits {
    fn confirm(&mut self, candidate: Candidate) {
        self.candidates.retain(|known| known.confirmed_ns >= candidate.asked_ns);
        self.candidates.push(candidate);
    }

    /// The lowest of all that may have come last, where one of those was confirmed.
    fn least(&self) -> Option<Candidate> {
        let least = self.candidates.iter().min_by_key(|known| known.offset)?;
        let asked_ns = self.candidates.iter().map(|known| known.asked_ns).max()?;
        let mut unknown = self.unknown.iter().filter(|(unknown_ns, _)| *unknown_ns >= asked_ns);
        unknown.all(|(_, offset)| *offset >= least.offset).then_some(*least)
    }
}

/// Destinations of which less was read back than had been confirmed before the audit began.
fn lost(context: &Context<'_>, seen: &GroupWork, told: &BTreeMap<u16, Told>, tally: &mut Tally) {
    let Some(audit_ns) = context.timeline.entered_ns(Phase::Audit).filter(|_| seen.settled > 0) else { return };
    // Which commit came last is known where one clock orders them.
    if !context.clocks.is_one_for(&seen.members) {
        return;
    }
    let mut commits: BTreeMap<u16, Commits> = BTreeMap::new();
    // By member, destination and offset: when the commit was asked for.
    let mut asked: HashMap<(u16, u16, u64), u64> = HashMap::new();
    let mut confirmed: HashMap<(u16, u16), u64> = HashMap::new();
    let in_order = InOrder::new(context, &seen.members).filter(|(_, event)| event.kind != kind::POSITION_RESET);
    for (worker, event) in in_order {
        let key = (worker, event.destination, event.offset);
        match event.kind {
            kind::SETTLE_INVOKED => drop(asked.insert(key, event.time_ns)),
            kind::SETTLE_OK => {
                let known = commits.entry(event.destination).or_default();
                // A client that commits by itself asks after it was told of the commit before.
                let before_ns = confirmed.insert((worker, event.destination), event.time_ns);
                let asked_ns = asked.remove(&key).or(before_ns).unwrap_or(0);
                // What came after the audit had begun may be kept or not: it is no proof, but may have moved it back.
                let asked_ns = if event.time_ns < audit_ns { asked_ns } else { 0 };
                known.confirm(Candidate { asked_ns, confirmed_ns: event.time_ns, worker, offset: event.offset });
            }
            _ => {
                let asked_ns = asked.remove(&key).unwrap_or(event.time_ns);
                if !is_refusal(event) {
                    commits.entry(event.destination).or_default().unknown.push((asked_ns, event.offset));
                }
            }
        }
    }
    for ((_, destination, offset), asked_ns) in asked {
        commits.entry(destination).or_default().unknown.push((asked_ns, offset));
    }
    for (destination, told) in told {
        let Some(least) = commits.get(destination).and_then(Commits::least) else { continue };
        if told.offset < least.offset {
            let subject = Subject::Kept {
                group: seen.group,
                destination: *destination,
                worker: least.worker,
                confirmed_ns: least.confirmed_ns,
                confirmed: least.offset,
                read_ns: told.at_ns,
                kept: told.offset,
            };
            tally.add(told.at_ns, subject, *destination);
        }
    }
}

/// The broker said that it did not take the commit.
fn is_refusal(failed: &Event) -> bool {
    let reason = Reason::from_number(failed.detail);
    matches!(
        reason,
        Some(
            Reason::Fenced
                | Reason::UnknownMember
                | Reason::IllegalGeneration
                | Reason::FencedInstance
                | Reason::StaleEpoch
                | Reason::Rebalancing
                | Reason::AssignmentLost
                | Reason::NotAuthorised
        )
    )
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Commits};

    fn commits(confirmed: &[(u64, u64, u64)], unknown: &[(u64, u64)]) -> Option<u64> {
        let mut commits = Commits { unknown: unknown.to_vec(), ..Commits::default() };
        for (asked_ns, confirmed_ns, offset) in confirmed {
            let (asked_ns, confirmed_ns, offset) = (*asked_ns, *confirmed_ns, *offset);
            commits.confirm(Candidate { asked_ns, confirmed_ns, worker: 0, offset });
        }
        commits.least().map(|least| least.offset)
    }

    #[test]
    fn only_what_must_have_come_last_is_held_against_the_broker() {
        assert_eq!(commits(&[(1, 2, 10), (3, 4, 20)], &[]), Some(20));
        assert_eq!(commits(&[(1, 4, 10), (3, 5, 20)], &[]), Some(10), "either may have come last");
        assert_eq!(commits(&[(1, 2, 20), (3, 4, 10)], &[]), Some(10), "the group moved back by itself");
        assert_eq!(commits(&[(1, 2, 10)], &[(3, 5)]), None, "nobody knows whether that one moved it back");
        assert_eq!(commits(&[(1, 2, 10)], &[(3, 50)]), Some(10));
        assert_eq!(commits(&[(1, 2, 10), (4, 5, 20)], &[(3, 5)]), Some(20), "it came before the last one");
        assert_eq!(commits(&[], &[(3, 5)]), None);
    }
}
