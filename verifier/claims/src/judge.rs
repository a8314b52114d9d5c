//! Holds a judged history against claims and requirements.

use delivery_checks::judgement::{FindingKind, Guarantee, Judgement, LaneJudgement, NOT_SHOWN, Verdict};
use delivery_history::RunManifest;
use delivery_history::manifest::{Lane, Requirement};

use crate::applies::{applies, release_of};
use crate::reasons::Reasons;
use crate::registry::{Claim, Promise, Registry, registry};
use crate::verdict::{
    ClaimJudgement, ClaimKind, ClaimOutcome, Contradicted, DecidedBy, LaneVerdict, Overall, RequiredJudgement,
    RunVerdict, Standing, Violation,
};

/// Judges a run: what vendors promise for its lanes, and what the user requires of them.
///
/// Violated beats inconclusive beats holds. A run that did not finish is never better than inconclusive.
pub fn judge_claims(manifest: &RunManifest, judgement: &Judgement) -> RunVerdict {
    judge_with(registry(), manifest, judgement)
}

fn judge_with(registry: &Registry, manifest: &RunManifest, judgement: &Judgement) -> RunVerdict {
    let mut reasons = Reasons::default();
    reasons.note_status(&manifest.status);
    let release = release_of(&manifest.broker_version);
    let mut lanes = Vec::with_capacity(manifest.lanes.len());
    for lane in &manifest.lanes {
        let judged = judgement.lanes.iter().find(|judged| judged.lane == lane.name);
        let spoken: Vec<&Claim> = registry.claims.iter().filter(|claim| applies(claim, manifest, lane)).collect();
        let claims: Vec<ClaimJudgement> = match &release {
            Some(release) => spoken
                .into_iter()
                .filter(|claim| claim.versions.matches(release))
                .map(|claim| judge_claim(registry, claim, judged, weather(manifest, judgement)))
                .collect(),
            None => {
                reasons.note_unread_version(&manifest.broker_version, lane, &spoken);
                Vec::new()
            }
        };
        lanes.push(judge_lane(lane, judged, claims, &manifest.required));
    }
    for lane in &lanes {
        reasons.note_lane(lane);
    }
    reasons.note_unknown_lanes(manifest);
    conclude(reasons, lanes)
}

fn judge_lane(
    lane: &Lane,
    judged: Option<&LaneJudgement>,
    claims: Vec<ClaimJudgement>,
    requirements: &[Requirement],
) -> LaneVerdict {
    let mut required: Vec<RequiredJudgement> = Vec::new();
    for requirement in requirements {
        let meant = requirement.lane.as_ref().is_none_or(|name| *name == lane.name);
        if meant && !required.iter().any(|known| known.guarantee == requirement.guarantee) {
            required.push(judge_required(&requirement.guarantee, judged));
        }
    }
    let violations = judged.map_or_else(Vec::new, |judged| violations(judged, &claims, &required));
    let claimed_label = claims.iter().find_map(|claim| claim.label.clone());
    let standing = standing(judged, &claims, &required, &violations);
    LaneVerdict { lane: lane.name.clone(), claims, required, violations, claimed_label, standing }
}

fn judge_required(guarantee: &str, judged: Option<&LaneJudgement>) -> RequiredJudgement {
    let (verdict, reason) = match (Guarantee::from_label(guarantee), judged) {
        (None, _) => (Verdict::Inconclusive, String::from("no guarantee of this name can be judged by this version")),
        (Some(_), None) => (Verdict::Inconclusive, String::from("the lane was not judged")),
        (Some(known), Some(judged)) => verdict_on(judged, known),
    };
    RequiredJudgement { guarantee: guarantee.to_owned(), verdict, reason }
}

fn verdict_on(judged: &LaneJudgement, guarantee: Guarantee) -> (Verdict, String) {
    match judged.verdict(guarantee) {
        Some(found) => (found.verdict, found.reason.clone()),
        None => (Verdict::Inconclusive, String::from("it was not judged: it does not apply to this workload")),
    }
}

/// What the run put claims to the test with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// No fault was asked for.
    Calm,
    /// Faults were asked for, and none of them bit.
    Missed,
    /// One bit.
    Rough,
}

fn weather(manifest: &RunManifest, judgement: &Judgement) -> Weather {
    if manifest.faults.is_empty() {
        Weather::Calm
    } else if judgement.faults.iter().any(|fault| fault.bit) {
        Weather::Rough
    } else {
        Weather::Missed
    }
}

fn outcome(kind: ClaimKind, verdict: Verdict, judged: Option<&LaneJudgement>, weather: Weather) -> ClaimOutcome {
    let has_label = judged.is_some_and(|judged| !["", NOT_SHOWN].contains(&judged.label.observed.as_str()));
    match (kind, verdict) {
        (ClaimKind::DocumentedLoss, Verdict::Holds) => ClaimOutcome::AsAdvertised,
        (ClaimKind::DocumentedLoss, _) => ClaimOutcome::NotExercised,
        (ClaimKind::Label, _) if !has_label => ClaimOutcome::NotExercised,
        (_, Verdict::Violated) => ClaimOutcome::Violated,
        (_, Verdict::Holds) if weather == Weather::Calm => ClaimOutcome::NotExercised,
        (_, Verdict::Holds) => ClaimOutcome::Holds,
        (_, Verdict::Inconclusive) if weather == Weather::Missed => ClaimOutcome::NotExercised,
        (_, Verdict::Inconclusive) => ClaimOutcome::Inconclusive,
    }
}

/// The finding with the most messages of those that break what the claim is about.
fn decided_by(claim: &Claim, outcome: ClaimOutcome, judged: Option<&LaneJudgement>) -> Option<DecidedBy> {
    if !matches!(outcome, ClaimOutcome::Violated | ClaimOutcome::AsAdvertised) {
        return None;
    }
    let guarantee = claim.guarantee.unwrap_or(Guarantee::Durability);
    let kinds = claim.finding.as_ref().map_or(guarantee.broken_by(), std::slice::from_ref);
    let counts =
        kinds.iter().map(|kind| DecidedBy { kind: *kind, count: judged.map_or(0, |judged| judged.count(*kind)) });
    counts.filter(|decided| decided.count > 0).max_by_key(|decided| decided.count)
}

fn judge_claim(registry: &Registry, claim: &Claim, judged: Option<&LaneJudgement>, weather: Weather) -> ClaimJudgement {
    let kind = match (claim.guarantee, claim.promises) {
        (Some(_), Some(Promise::MayViolate)) => ClaimKind::DocumentedLoss,
        (Some(_), _) => ClaimKind::Promise,
        (None, _) => ClaimKind::Label,
    };
    let (verdict, reason, counts) = match judged {
        None => (Verdict::Inconclusive, String::from("the lane was not judged"), kind == ClaimKind::Promise),
        Some(judged) => match (claim.guarantee, kind) {
            (Some(guarantee), ClaimKind::DocumentedLoss) => documented_loss(judged, guarantee),
            (Some(guarantee), _) => promise(judged, guarantee, claim.finding),
            (None, _) => label(judged, claim.label.as_deref().unwrap_or_default()),
        },
    };
    let outcome = outcome(kind, verdict, judged, weather);
    let against = claim.contradicted.iter();
    ClaimJudgement {
        documented_in: registry.cited(&claim.source),
        outcome,
        decided_by: decided_by(claim, outcome, judged),
        contradicted: against
            .map(|other| Contradicted { says: other.says.clone(), documented_in: registry.cited(&other.source) })
            .collect(),
        id: claim.id.clone(),
        kind,
        guarantee: claim.guarantee,
        label: claim.label.clone(),
        verdict,
        counts,
        reason,
        promise: claim.says.clone(),
        source: claim.source.clone(),
    }
}

/// A loss that is documented but was not seen refutes nothing, so it never counts.
fn documented_loss(judged: &LaneJudgement, guarantee: Guarantee) -> (Verdict, String, bool) {
    match verdict_on(judged, guarantee) {
        (Verdict::Violated, reason) => (Verdict::Holds, reason, false),
        _ => (Verdict::Inconclusive, String::from("documented, not seen in this run"), false),
    }
}

fn promise(judged: &LaneJudgement, guarantee: Guarantee, finding: Option<FindingKind>) -> (Verdict, String, bool) {
    let (verdict, reason) = match finding {
        Some(kind) => verdict_on_finding(judged, guarantee, kind),
        None => verdict_on(judged, guarantee),
    };
    (verdict, reason, true)
}

/// A promise about one kind of finding. Where the guarantee is broken by another kind, the absence of this one is shown
/// only if durability holds: that took the same fault that bit and the same complete audit.
fn verdict_on_finding(judged: &LaneJudgement, guarantee: Guarantee, kind: FindingKind) -> (Verdict, String) {
    let count = judged.count(kind);
    if count > 0 {
        return (Verdict::Violated, format!("{count} messages {}", kind.label()));
    }
    match verdict_on(judged, guarantee) {
        (Verdict::Violated, _) => match verdict_on(judged, Guarantee::Durability) {
            (Verdict::Holds, _) => (Verdict::Holds, format!("no message {}", kind.label())),
            (_, reason) => {
                (Verdict::Inconclusive, format!("no message {}, but that was not shown: {reason}", kind.label()))
            }
        },
        other => other,
    }
}

/// CA sets partitions aside, and a label that could not be observed contradicts nothing: neither counts.
fn label(judged: &LaneJudgement, claimed: &str) -> (Verdict, String, bool) {
    let observed = judged.label.observed.as_str();
    if observed.is_empty() || observed == NOT_SHOWN {
        return (Verdict::Inconclusive, String::from("no label could be observed in this run"), false);
    }
    let verdict = match (claimed, observed) {
        ("CP", "CP") | ("AP", "AP" | "AP, lossy") => Verdict::Holds,
        ("CP", "AP" | "AP, lossy" | "neither") | ("AP", "CP" | "neither" | "unavailable" | "unavailable-safe") => {
            Verdict::Violated
        }
        ("CP" | "AP", _) => Verdict::Inconclusive,
        _ => return (Verdict::Inconclusive, format!("{claimed} says nothing about a partition"), false),
    };
    (verdict, format!("claimed {claimed}, observed {observed}: {}", judged.label.reason), true)
}

fn violations(judged: &LaneJudgement, claims: &[ClaimJudgement], required: &[RequiredJudgement]) -> Vec<Violation> {
    let ids = |guarantee: Guarantee, kind: ClaimKind, verdict: Verdict| -> Vec<String> {
        let about = |claim: &&ClaimJudgement| {
            claim.guarantee == Some(guarantee) && claim.kind == kind && claim.verdict == verdict
        };
        claims.iter().filter(about).map(|claim| claim.id.clone()).collect()
    };
    let violated = judged.guarantees.iter().filter(|found| found.verdict == Verdict::Violated);
    violated
        .map(|found| Violation {
            guarantee: found.name,
            required: required.iter().any(|known| known.guarantee == found.name.label()),
            breaks: ids(found.name, ClaimKind::Promise, Verdict::Violated),
            documented_by: ids(found.name, ClaimKind::DocumentedLoss, Verdict::Holds),
        })
        .collect()
}

fn standing(
    judged: Option<&LaneJudgement>,
    claims: &[ClaimJudgement],
    required: &[RequiredJudgement],
    violations: &[Violation],
) -> Standing {
    let counted = || {
        let claims = claims.iter().filter(|claim| claim.counts).map(|claim| claim.verdict);
        claims.chain(required.iter().map(|known| known.verdict))
    };
    let durability = judged.and_then(|judged| judged.verdict(Guarantee::Durability)).map(|found| found.verdict);
    if counted().any(|verdict| verdict == Verdict::Violated) || violations.iter().any(|found| !found.is_excused()) {
        Standing::Broken
    } else if counted().any(|verdict| verdict == Verdict::Inconclusive)
        || matches!(durability, None | Some(Verdict::Inconclusive))
    {
        Standing::Unshown
    } else if violations.is_empty() {
        Standing::Held
    } else {
        Standing::Documented
    }
}

fn conclude(reasons: Reasons, lanes: Vec<LaneVerdict>) -> RunVerdict {
    let mut verdict = RunVerdict { overall: Overall::NotJudged, reasons: Vec::new(), lanes };
    let (claims, required) = (verdict.counted_claims(), verdict.required());
    verdict.overall = if reasons.any_violated() {
        Overall::Violated
    } else if reasons.any_inconclusive() {
        Overall::Inconclusive
    } else if claims + required > 0 {
        verdict.reasons.push(all_hold(claims, required));
        Overall::Holds
    } else {
        verdict.reasons.push(String::from("nothing was claimed or required"));
        Overall::NotJudged
    };
    verdict.reasons.extend(reasons.sentences());
    verdict
}

fn all_hold(claims: usize, required: usize) -> String {
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    let parts: Vec<String> =
        [counted(claims, "claim"), counted(required, "required guarantee")].into_iter().flatten().collect();
    format!("{} {}", parts.join(" and "), if claims + required == 1 { "holds" } else { "hold" })
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
