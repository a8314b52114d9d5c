//! Holds a judged history against claims and requirements.

use delivery_checks::judgement::{FindingKind, Guarantee, Judgement, LaneJudgement, Verdict};
use delivery_history::RunManifest;
use delivery_history::manifest::{Lane, Requirement, RunStatus};

use crate::applies::{applies, release_of};
use crate::registry::{Claim, Promise, Registry, registry};
use crate::verdict::{
    ClaimJudgement, ClaimKind, LaneVerdict, Overall, RequiredJudgement, RunVerdict, Standing, Violation,
};

/// What the observed label says where nothing was shown.
const NOT_SHOWN: &str = "not shown";

/// Judges a run: what vendors promise for its lanes, and what the user requires of them.
///
/// Violated beats inconclusive beats holds. A run that did not finish is never better than inconclusive.
pub fn judge_claims(manifest: &RunManifest, judgement: &Judgement) -> RunVerdict {
    judge_with(registry(), manifest, judgement)
}

fn judge_with(registry: &Registry, manifest: &RunManifest, judgement: &Judgement) -> RunVerdict {
    let mut reasons = Reasons::default();
    let release = release_of(&manifest.broker_version);
    let mut lanes = Vec::with_capacity(manifest.lanes.len());
    for lane in &manifest.lanes {
        let judged = judgement.lanes.iter().find(|judged| judged.lane == lane.name);
        let spoken: Vec<&Claim> = registry.claims.iter().filter(|claim| applies(claim, manifest, lane)).collect();
        let claims: Vec<ClaimJudgement> = match &release {
            Some(release) => spoken
                .into_iter()
                .filter(|claim| claim.versions.matches(release))
                .map(|claim| judge_claim(claim, judged))
                .collect(),
            None => {
                reasons.note_unread_version(&manifest.broker_version, lane, spoken.len());
                Vec::new()
            }
        };
        lanes.push(judge_lane(lane, judged, claims, &manifest.required));
    }
    for lane in &lanes {
        reasons.note_lane(lane);
    }
    reasons.note_unknown_lanes(manifest);
    reasons.note_status(&manifest.status);
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

fn judge_claim(claim: &Claim, judged: Option<&LaneJudgement>) -> ClaimJudgement {
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
    ClaimJudgement {
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
        ("CP", "AP" | "AP, lossy" | "neither") | ("AP", "CP" | "neither" | "unavailable") => Verdict::Violated,
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

/// Reasons as they come up, each once.
#[derive(Default)]
struct Reasons {
    violated: Vec<String>,
    inconclusive: Vec<String>,
}

impl Reasons {
    fn note(&mut self, verdict: Verdict, reason: String) {
        let list = match verdict {
            Verdict::Holds => return,
            Verdict::Violated => &mut self.violated,
            Verdict::Inconclusive => &mut self.inconclusive,
        };
        if !list.contains(&reason) {
            list.push(reason);
        }
    }

    fn note_lane(&mut self, lane: &LaneVerdict) {
        let mut subjects: Vec<Subject<'_>> = Vec::new();
        for required in &lane.required {
            let subject = Subject::of(&mut subjects, &required.guarantee, required.verdict, &required.reason);
            subject.required = true;
        }
        for claim in lane.claims.iter().filter(|claim| claim.counts) {
            let label = claim.label.as_deref().unwrap_or_default();
            let name = claim.guarantee.map_or(label, |guarantee| guarantee.label());
            let subject = Subject::of(&mut subjects, name, claim.verdict, &claim.reason);
            subject.promised_by.push(&claim.id);
        }
        for subject in subjects {
            self.note(subject.verdict, subject.sentence(&lane.lane));
        }
    }

    fn note_unread_version(&mut self, version: &str, lane: &Lane, claims: usize) {
        if claims > 0 {
            let what = format!("version `{version}` names no release, so {claims} claims could not be held against it");
            self.note(Verdict::Inconclusive, format!("{}: {what}", lane.name));
        }
    }

    fn note_unknown_lanes(&mut self, manifest: &RunManifest) {
        for requirement in &manifest.required {
            let Some(name) = &requirement.lane else { continue };
            if !manifest.lanes.iter().any(|lane| lane.name == *name) {
                let reason = format!("required {} of lane {name}, which is not in this run", requirement.guarantee);
                self.note(Verdict::Inconclusive, reason);
            }
        }
    }

    fn note_status(&mut self, status: &RunStatus) {
        match status {
            RunStatus::Finished { .. } => {}
            RunStatus::Running => {
                self.note(Verdict::Inconclusive, String::from("the run did not finish: it was killed or still runs"));
            }
            RunStatus::CutShort { reason, .. } => {
                self.note(Verdict::Inconclusive, format!("the run was cut short: {reason}"));
            }
        }
    }
}

/// One thing that was promised or required of a lane, so that it is said once however many ask for it.
struct Subject<'a> {
    name: &'a str,
    verdict: Verdict,
    reason: &'a str,
    required: bool,
    promised_by: Vec<&'a str>,
}

impl<'a> Subject<'a> {
    fn of<'s>(known: &'s mut Vec<Self>, name: &'a str, verdict: Verdict, reason: &'a str) -> &'s mut Self {
        let same = |subject: &Self| subject.name == name && subject.verdict == verdict && subject.reason == reason;
        let index = known.iter().position(same).unwrap_or(known.len());
        if index == known.len() {
            known.push(Self { name, verdict, reason, required: false, promised_by: Vec::new() });
        }
        &mut known[index]
    }

    fn sentence(&self, lane: &str) -> String {
        let promised = format!("promised by {}", self.promised_by.join(", "));
        let by = match (self.required, self.promised_by.is_empty()) {
            (true, true) => String::from("required"),
            (true, false) => format!("required; {promised}"),
            (false, _) => promised,
        };
        let word = match self.verdict {
            Verdict::Holds => "holds",
            Verdict::Inconclusive => "is inconclusive",
            Verdict::Violated => "is violated",
        };
        let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("{lane}: {} ({by}) {word}{why}", self.name)
    }
}

fn conclude(reasons: Reasons, lanes: Vec<LaneVerdict>) -> RunVerdict {
    let mut verdict = RunVerdict { overall: Overall::NotJudged, reasons: Vec::new(), lanes };
    let (claims, required) = (verdict.counted_claims(), verdict.required());
    verdict.overall = if !reasons.violated.is_empty() {
        Overall::Violated
    } else if !reasons.inconclusive.is_empty() {
        Overall::Inconclusive
    } else if claims + required > 0 {
        verdict.reasons.push(format!(
            "{} and {} hold",
            counted(claims, "claim"),
            counted(required, "required guarantee")
        ));
        Overall::Holds
    } else {
        verdict.reasons.push(String::from("nothing was claimed or required"));
        Overall::NotJudged
    };
    verdict.reasons.extend(reasons.violated);
    verdict.reasons.extend(reasons.inconclusive);
    verdict
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
