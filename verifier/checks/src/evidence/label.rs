//! The observed label: who accepted writes on which side of a cut, from detection to heal.

use std::collections::BTreeMap;

use delivery_history::manifest::Fault;

use crate::acks::AckTrack;
use crate::context::Context;
use crate::evidence::bite::FaultFacts;
use crate::evidence::segments::Sides;
use crate::judgement::{Label, NOT_SHOWN, SideWrites};
use crate::node_set::node_bits;
use crate::sends::FaultWrites;
use crate::work::LaneWork;

/// Attempts on a side before it can be said to refuse, and acks before it can be said to accept.
const MIN_ATTEMPTS: u64 = 10;

/// Labels that can be observed, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    Cp,
    UnavailableSafe,
    Unavailable,
    Ap,
    ApLossy,
    Neither,
}

impl Shown {
    const fn label(self) -> &'static str {
        match self {
            Self::Cp => "CP",
            Self::UnavailableSafe => "unavailable-safe",
            Self::Unavailable => "unavailable",
            Self::Ap => "AP",
            Self::ApLossy => "AP, lossy",
            Self::Neither => "neither",
        }
    }
}

/// What the label depends on beside the writes.
pub(crate) struct Outcome<'a> {
    /// Messages proved lost, by destination.
    pub(crate) lost: &'a BTreeMap<u16, u64>,
    /// Offsets at which replicas or readers differ.
    pub(crate) disagreements: u64,
    /// Why the absence of loss or divergence is not shown; empty when it is.
    pub(crate) doubts: &'a [String],
    /// By fault: why it proves nothing about the lane.
    pub(crate) vacuous: &'a [Option<String>],
}

/// Does a side take writes?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Accepts,
    Refuses,
    Unclear,
}

/// Why a cut shows no label.
enum Unshown {
    /// The minority alone took writes, and nothing is lost: seen clearly, and none of the labels.
    MinorityAlone(String),
    /// It is not known what the sides did.
    Unclear(String),
}

impl From<String> for Unshown {
    fn from(reason: String) -> Self {
        Self::Unclear(reason)
    }
}

/// Judges the label of a lane over all of its destinations and cuts.
pub(crate) fn judge(work: &LaneWork<'_, '_>, facts: &[FaultFacts], outcome: &Outcome<'_>) -> Label {
    let manifest = work.context.manifest;
    let cuts: Vec<(usize, &Fault)> =
        manifest.faults.iter().enumerate().take(facts.len()).filter(|(_, fault)| fault.sides.len() > 1).collect();
    let sides = side_writes(work, &cuts, facts);
    let not_shown = |reason: String| Label { observed: NOT_SHOWN.to_owned(), reason, sides: sides.clone() };
    if manifest.faults.iter().take(facts.len()).all(|fault| fault.sides.is_empty()) {
        return not_shown(String::from("no fault cut the cluster into sides"));
    }
    if !work.acknowledged {
        return not_shown(String::from("the configuration asks for no acknowledgement: nobody says who accepted"));
    }
    let mut shown: Vec<Shown> = Vec::new();
    let mut reasons: Vec<String> = Vec::new();
    let mut alone: Option<String> = None;
    for (index, fault) in &cuts {
        for destination in &work.destinations {
            match one(work, *index, fault, *destination, facts, outcome) {
                Ok((label, reason)) => {
                    shown.push(label);
                    reasons.push(reason);
                }
                Err(Unshown::MinorityAlone(reason)) => alone = Some(reason),
                Err(Unshown::Unclear(reason)) => return not_shown(reason),
            }
        }
    }
    let refused = refusals(work, facts, outcome);
    if let Some(reason) = alone.filter(|_| refused.is_empty() || !shown.is_empty()) {
        return not_shown(reason);
    }
    for (label, reason) in refused {
        shown.push(label);
        reasons.push(reason);
    }
    if shown.is_empty() {
        return not_shown(String::from(
            "no fault cut the cluster into sides, and the nodes that were left took writes",
        ));
    }
    reasons.dedup();
    reasons.truncate(3);
    let worst = shown.into_iter().max().map_or(NOT_SHOWN, Shown::label);
    Label { observed: worst.to_owned(), reason: reasons.join("; "), sides }
}

/// Faults that took nodes down leave one side: that it refuses is all they can show.
fn refusals(work: &LaneWork<'_, '_>, facts: &[FaultFacts], outcome: &Outcome<'_>) -> Vec<(Shown, String)> {
    let faults = work.context.manifest.faults.iter().enumerate().take(facts.len());
    let mut shown = Vec::new();
    for (index, fault) in faults.filter(|(_, fault)| fault.sides.len() == 1) {
        let judged = work.destinations.iter().map(|place| one(work, index, fault, *place, facts, outcome));
        shown.extend(judged.filter_map(Result::ok));
    }
    shown.retain(|(label, _)| matches!(label, Shown::Unavailable | Shown::UnavailableSafe));
    shown
}

fn one(
    work: &LaneWork<'_, '_>,
    index: usize,
    fault: &Fault,
    destination: u16,
    facts: &[FaultFacts],
    outcome: &Outcome<'_>,
) -> Result<(Shown, String), Unshown> {
    if let Some(Some(reason)) = outcome.vacuous.get(index) {
        return Err(reason.clone().into());
    }
    let place = work.context.destination_name(destination);
    let Some(writes) = work.sends.writes.get(&(index, destination)) else {
        return Err(format!("nobody wrote to {place} between detection and heal").into());
    };
    let sides: Vec<Side> = (0..writes.acks.len()).map(|side| side_of(writes, side)).collect();
    let majority = majority_side(work.context, &Sides::new(&fault.sides));
    let lost = outcome.lost.get(&destination).copied().unwrap_or(0);
    let numbers = numbers(work, fault, writes, facts.get(index), &place, lost);
    let accepts = |side: usize| sides.get(side) == Some(&Side::Accepts);
    let all_refuse = sides.iter().all(|side| *side == Side::Refuses);
    let minority_refuses = majority
        .is_some_and(|majority| sides.iter().enumerate().all(|(side, is)| side == majority || *is == Side::Refuses));
    let confined_everywhere = writes.attempts.iter().all(|attempts| *attempts >= MIN_ATTEMPTS);
    if lost > 0 && sides.contains(&Side::Refuses) {
        return Ok((Shown::Neither, numbers));
    }
    if all_refuse {
        // Refusing is safe where it is shown that nothing acked before went missing meanwhile.
        let safe = lost == 0 && outcome.doubts.is_empty();
        return Ok((if safe { Shown::UnavailableSafe } else { Shown::Unavailable }, numbers));
    }
    if sides.contains(&Side::Unclear) {
        return Err(format!("too few attempts or acks on a side to say whether it accepts: {numbers}").into());
    }
    if sides.iter().all(|side| *side == Side::Accepts) {
        return match (confined_everywhere, lost > 0, outcome.doubts.first()) {
            (false, ..) => Err(format!("clients reach every node, which cannot show AP: {numbers}").into()),
            (true, true, _) => Ok((Shown::ApLossy, numbers)),
            (true, false, None) => Ok((Shown::Ap, numbers)),
            (true, false, Some(doubt)) => Err(format!("no loss is not shown: {doubt}").into()),
        };
    }
    if !(majority.is_some_and(accepts) && minority_refuses) {
        let words = format!("the majority refused and a minority accepted, without a loss: {numbers}");
        return Err(Unshown::MinorityAlone(words));
    }
    match (outcome.disagreements, outcome.doubts.first()) {
        (0, None) => Ok((Shown::Cp, numbers)),
        (0, Some(doubt)) => Err(format!("no loss and no divergence is not shown: {doubt}").into()),
        (count, _) => {
            Err(format!("one side accepted, but replicas or readers differ at {count} offsets: {numbers}").into())
        }
    }
}

/// Clients that reach every node attempt every side; only confined ones show that a side was tried alone.
fn side_of(writes: &FaultWrites, side: usize) -> Side {
    let acks = writes.acks.get(side).copied().unwrap_or(0);
    let attempts = writes.attempts.get(side).copied().unwrap_or(0).saturating_add(writes.free_attempts);
    match (acks, attempts) {
        (MIN_ATTEMPTS.., MIN_ATTEMPTS..) => Side::Accepts,
        (0, MIN_ATTEMPTS..) => Side::Refuses,
        _ => Side::Unclear,
    }
}

fn majority_side(context: &Context<'_>, sides: &Sides) -> Option<usize> {
    let all = node_bits(context.manifest.nodes.iter().map(|node| node.id)).count_ones();
    sides.nodes.iter().position(|bits| node_count(context, *bits) * 2 > all)
}

fn node_count(context: &Context<'_>, bits: u64) -> u32 {
    (bits & node_bits(context.manifest.nodes.iter().map(|node| node.id))).count_ones()
}

fn side_name(work: &LaneWork<'_, '_>, sides: &Sides, side: usize, fact: Option<&FaultFacts>) -> String {
    let context = work.context;
    let members = context.host_names(sides.hosts(side).iter().copied());
    let bits = sides.nodes.get(side).copied().unwrap_or(0);
    let led = work.destinations.iter().filter_map(|place| fact.and_then(|fact| fact.before.leader(*place)));
    let leads = node_bits(led.map(|known| known.leader)) & bits != 0;
    let kind = match (majority_side(context, sides) == Some(side), leads) {
        (true, _) => "majority side",
        (false, true) => "leader side",
        (false, false) => "minority side",
    };
    format!("{kind} ({members})")
}

fn numbers(
    work: &LaneWork<'_, '_>,
    fault: &Fault,
    writes: &FaultWrites,
    fact: Option<&FaultFacts>,
    place: &str,
    lost: u64,
) -> String {
    let sides = Sides::new(&fault.sides);
    let of_side = |side: usize| {
        let name = side_name(work, &sides, side, fact);
        let acks = writes.acks.get(side).copied().unwrap_or(0);
        match writes.attempts.get(side).copied().unwrap_or(0) {
            0 => format!("{name} acked {acks}"),
            attempts => format!("{name} acked {acks} of {attempts} sends of its own clients"),
        }
    };
    let mut parts: Vec<String> = (0..sides.nodes.len()).map(of_side).collect();
    if writes.free_attempts > 0 {
        parts.push(format!("clients that reach every node sent {}", writes.free_attempts));
    }
    if lost > 0 {
        parts.push(format!("{lost} lost"));
    }
    format!("{place} from detection to heal: {}", parts.join(", "))
}

fn side_writes(work: &LaneWork<'_, '_>, cuts: &[(usize, &Fault)], facts: &[FaultFacts]) -> Vec<SideWrites> {
    let mut all: Vec<SideWrites> = Vec::new();
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for (index, fault) in cuts {
        let sides = Sides::new(&fault.sides);
        for side in 0..sides.nodes.len() {
            let name = side_name(work, &sides, side, facts.get(*index));
            let at = all.iter().position(|known| known.side == name).unwrap_or_else(|| {
                all.push(SideWrites { side: name, ..SideWrites::default() });
                stretches.push((0, 0));
                all.len() - 1
            });
            if let Some((from_ns, to_ns)) = facts.get(*index).and_then(|fact| fact.span_ns) {
                let acks = work.sends.side_acks.get(&(*index, side));
                let none = ((0, AckTrack::stretches(from_ns, to_ns)), to_ns - from_ns);
                let ((with_ack, of), stall_ns) =
                    acks.map_or(none, |acks| (acks.available(from_ns, to_ns), acks.longest_stall_ns(from_ns, to_ns)));
                stretches[at] = (stretches[at].0 + with_ack, stretches[at].1 + of);
                all[at].longest_stall_ms = all[at].longest_stall_ms.max(stall_ns / 1_000_000);
            }
            for destination in &work.destinations {
                let Some(writes) = work.sends.writes.get(&(*index, *destination)) else { continue };
                let of = |counts: &[u64]| counts.get(side).copied().unwrap_or(0);
                all[at].attempts += of(&writes.attempts);
                all[at].acks += of(&writes.acks);
                all[at].acks_during_fault += of(&writes.acks_during_fault);
            }
        }
    }
    for (side, (with_ack, of)) in all.iter_mut().zip(stretches) {
        side.available = (work.acknowledged && of > 0).then(|| with_ack as f64 / of as f64);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::Shown;
    use crate::judgement::{NOT_SHOWN, OBSERVED_LABELS};

    #[test]
    fn every_label_is_one_of_those_that_can_be_observed() {
        let shown = [Shown::Cp, Shown::UnavailableSafe, Shown::Unavailable, Shown::Ap, Shown::ApLossy, Shown::Neither];
        assert_eq!(shown.map(Shown::label), OBSERVED_LABELS[..6]);
        assert_eq!(OBSERVED_LABELS[6], NOT_SHOWN);
    }
}
