//! Changes of the product itself: what it answered, and what its nodes told of.

use std::collections::{BTreeMap, BTreeSet};

use delivery_broker::ChangeOutcome;
use delivery_history::manifest::{BiteProof, Fault};
use delivery_history::{Event, EventKind, NO_NODE};

use crate::context::Context;
use crate::evidence::observations::Before;
use crate::evidence::timeline::FaultWindow;
use crate::judgement::Confirmed;
use crate::node_set::{node_bits, nodes_in};

/// A change the fault caused may be told of this long after it is over.
const TOLD_GRACE_NS: u64 = 1_000_000_000;

/// Whether the fault is a change the product is asked for, and answers destination by destination.
pub(crate) const fn is_change(proof: BiteProof) -> bool {
    matches!(
        proof,
        BiteProof::LeaderMoved | BiteProof::UncleanElected | BiteProof::ReplicasMoved | BiteProof::MemberLeft
    )
}

/// What is known of a change.
#[derive(Clone, Debug)]
pub(crate) struct ChangeFacts {
    label: String,
    proof: BiteProof,
    /// What the product answered, by destination.
    answered: BTreeMap<u16, u64>,
    /// Destinations of which nodes told the change that was asked for.
    told: BTreeSet<u16>,
    /// Destinations a node that left was told to be in sync for again.
    back: BTreeSet<u16>,
    /// Names of the nodes that are to come back.
    who: String,
}

impl ChangeFacts {
    /// Collects what was recorded of it; nothing for a fault that is no such change.
    pub(crate) fn collect(
        context: &Context<'_>,
        label: &str,
        fault: &Fault,
        window: &FaultWindow,
        before: &Before,
    ) -> Option<Self> {
        if !is_change(fault.bites_by) {
            return None;
        }
        let target_bits = node_bits(fault.targets.iter().copied());
        let answered = window.answered.clone();
        let (mut told, mut back) = (BTreeSet::new(), BTreeSet::new());
        if let Some((from_ns, to_ns)) = window.span_ns() {
            let until_ns = to_ns.saturating_add(TOLD_GRACE_NS);
            let shows = |event: &&Event| shows_change(fault.bites_by, event, before, target_bits);
            told = destinations(context.observations.between(from_ns, until_ns).filter(shows));
            let is_back = |event: &&Event| told_in_sync(event, target_bits);
            back = destinations(context.observations.between(to_ns, u64::MAX).filter(is_back));
        }
        let who = context.host_names(nodes_in(target_bits));
        Some(Self { label: label.to_owned(), proof: fault.bites_by, answered, told, back, who })
    }

    /// Whether nodes told of a change anywhere.
    pub(crate) fn is_noticed(&self) -> bool {
        !self.told.is_empty()
    }

    /// Why it proves nothing about a lane with these destinations; nothing when the product made the change for one of them
    /// and nodes told of it.
    pub(crate) fn why_vacuous(&self, destinations: &[u16]) -> Option<String> {
        let label = &self.label;
        let mine = || destinations.iter().filter_map(|place| Some((place, *self.answered.get(place)?)));
        let made: Vec<u16> =
            mine().filter(|(_, outcome)| is(*outcome, ChangeOutcome::Done)).map(|(place, _)| *place).collect();
        if made.is_empty() {
            let all = |outcome| mine().all(|(_, answered)| is(answered, outcome));
            return Some(match mine().next() {
                None => format!("{label} was not answered for this lane"),
                Some(_) if all(ChangeOutcome::NotNeeded) => {
                    format!("{label} found nothing to change in this lane, by the product's own word")
                }
                Some(_) if all(ChangeOutcome::NoMeaning) => {
                    format!("{label} has no meaning for what this lane sends to")
                }
                Some(_) => format!("{label} was refused for this lane by the product"),
            });
        }
        if !made.iter().any(|place| self.told.contains(place)) {
            return Some(format!("{label} was confirmed, but {}", self.untold()));
        }
        let missing = self.proof == BiteProof::MemberLeft && !made.iter().all(|place| self.back.contains(place));
        missing.then(|| self.not_back())
    }

    /// Why a node that left was not seen to be back; nothing where it was, or none left.
    pub(crate) fn why_not_back(&self) -> Option<String> {
        let missing = self.proof == BiteProof::MemberLeft && !self.told.iter().all(|place| self.back.contains(place));
        missing.then(|| self.not_back())
    }

    fn not_back(&self) -> String {
        format!("{} was not seen in sync again after {}", self.who, self.label)
    }

    /// Why nobody is known to have noticed.
    pub(crate) fn untold(&self) -> String {
        String::from(match self.proof {
            BiteProof::UncleanElected => "no node told of a leader that had not been in sync",
            BiteProof::ReplicasMoved => "no node told of a replica in sync that had not been",
            BiteProof::MemberLeft => "no other node told of it as out of sync",
            _ => "no node told of another leader",
        })
    }
}

/// Why nothing shows that the product made the change anywhere.
pub(crate) fn why_not_made(label: &str, fault: &Fault, window: &FaultWindow) -> Vec<String> {
    let outcomes = || window.answered.values().copied();
    let any = |outcome| outcomes().any(|answered| is(answered, outcome));
    let all = |outcome| outcomes().all(|answered| is(answered, outcome));
    let mut reasons = Vec::new();
    if window.answered.is_empty() {
        reasons.push(format!("{label} was never answered by the product while it was on"));
    } else if !any(ChangeOutcome::Done) {
        reasons.push(match (all(ChangeOutcome::NotNeeded), all(ChangeOutcome::NoMeaning)) {
            (true, _) => format!("{label} found nothing to change, by the product's own word"),
            (_, true) => format!("{label} has no meaning for what the lanes send to"),
            _ => format!("{label} was refused by the product"),
        });
    }
    if fault.bites_by == BiteProof::MemberLeft && window.wiped.values().sum::<u64>() == 0 {
        reasons.push(format!("{label}: what the node stored was not seen to be gone"));
    }
    reasons
}

/// How often the product confirmed a change; nothing for what is no such change.
pub(crate) fn confirmed(fault: &Fault, window: &FaultWindow) -> Option<Confirmed> {
    if fault.bites_by == BiteProof::ChangeApplied {
        let of = fault.adds.len() as u64;
        return Some(Confirmed { done: if window.applied_ns.is_some() { of } else { 0 }, of, wiped_kib: None });
    }
    is_change(fault.bites_by).then(|| Confirmed {
        done: window.answered.values().filter(|outcome| is(**outcome, ChangeOutcome::Done)).count() as u64,
        of: window.answered.len() as u64,
        wiped_kib: (!window.wiped.is_empty()).then(|| window.wiped.values().sum::<u64>().div_ceil(1_024)),
    })
}

fn is(answered: u64, outcome: ChangeOutcome) -> bool {
    ChangeOutcome::from_number(answered) == Some(outcome)
}

fn destinations<'a>(events: impl Iterator<Item = &'a Event>) -> BTreeSet<u16> {
    events.map(|event| event.destination).collect()
}

/// Whether a node tells of what such a change makes of a destination.
fn shows_change(proof: BiteProof, event: &Event, before: &Before, target_bits: u64) -> bool {
    let in_sync_before = before.isr_bits(event.destination).map(u64::from);
    match (proof, event.kind()) {
        (BiteProof::LeaderMoved, Some(EventKind::ObservedLeader)) => is_another_leader(event, before),
        (BiteProof::UncleanElected, Some(EventKind::ObservedLeader)) => {
            is_another_leader(event, before) && in_sync_before.is_some_and(|bits| bits & node_bits([event.detail]) == 0)
        }
        (BiteProof::ReplicasMoved, Some(EventKind::ObservedIsr)) => {
            in_sync_before.is_some_and(|bits| u64::from(event.detail) & !bits != 0)
        }
        // The node that is taken out is no witness of it.
        (BiteProof::MemberLeft, Some(EventKind::ObservedIsr)) => {
            let left = u64::from(event.detail) & target_bits == 0 && event.detail != 0;
            let was_in = in_sync_before.is_some_and(|bits| bits & target_bits != 0);
            left && was_in && node_bits([event.session]) & target_bits == 0
        }
        _ => false,
    }
}

/// Whether it tells of a leader newer than anybody knew, and another.
fn is_another_leader(event: &Event, before: &Before) -> bool {
    let known = before.leader(event.destination);
    event.detail != NO_NODE && known.is_some_and(|known| event.detail != known.leader && event.offset >= known.epoch)
}

fn told_in_sync(event: &Event, target_bits: u64) -> bool {
    event.kind() == Some(EventKind::ObservedIsr)
        && node_bits([event.session]) & target_bits == 0
        && u64::from(event.detail) & target_bits == target_bits
}
