//! Why a verdict is what it is, in words.

use delivery_checks::judgement::Verdict;
use delivery_history::RunManifest;
use delivery_history::manifest::{Lane, RunStatus};

use crate::registry::Claim;
use crate::verdict::LaneVerdict;

/// Reasons as they come up: a violation for itself, everything that is inconclusive for one reason together.
#[derive(Default)]
pub(crate) struct Reasons {
    violated: Vec<String>,
    inconclusive: Vec<Unshown>,
}

/// One reason, and per lane what could not be shown for it.
struct Unshown {
    reason: String,
    lanes: Vec<(String, Vec<String>)>,
}

impl Unshown {
    fn sentence(&self) -> String {
        let lanes: Vec<String> =
            self.lanes.iter().map(|(lane, names)| format!("{lane}: {}", names.join(", "))).collect();
        let whose = if lanes.is_empty() { String::new() } else { format!(" [{}]", lanes.join("; ")) };
        format!("inconclusive: {}{whose}", self.reason)
    }
}

impl Reasons {
    pub(crate) fn any_violated(&self) -> bool {
        !self.violated.is_empty()
    }

    pub(crate) fn any_inconclusive(&self) -> bool {
        !self.inconclusive.is_empty()
    }

    /// Violations first.
    pub(crate) fn sentences(self) -> impl Iterator<Item = String> {
        let Self { violated, inconclusive } = self;
        violated.into_iter().chain(inconclusive.into_iter().map(|unshown| unshown.sentence()))
    }

    pub(crate) fn note_lane(&mut self, lane: &LaneVerdict) {
        for subject in subjects(lane) {
            match subject.verdict {
                Verdict::Holds => {}
                Verdict::Violated => self.violated.push(subject.violation(&lane.lane)),
                Verdict::Inconclusive => self.note_unshown(subject.reason, Some((&lane.lane, subject.name))),
            }
        }
    }

    fn note_unshown(&mut self, reason: &str, what: Option<(&str, &str)>) {
        let reason = if reason.is_empty() { "no reason was recorded" } else { reason };
        let index = self.inconclusive.iter().position(|known| known.reason == reason).unwrap_or_else(|| {
            self.inconclusive.push(Unshown { reason: reason.to_owned(), lanes: Vec::new() });
            self.inconclusive.len() - 1
        });
        let lanes = &mut self.inconclusive[index].lanes;
        let Some((lane, name)) = what else { return };
        match lanes.iter_mut().find(|(known, _)| known == lane) {
            Some((_, names)) if names.iter().any(|known| known == name) => {}
            Some((_, names)) => names.push(name.to_owned()),
            None => lanes.push((lane.to_owned(), vec![name.to_owned()])),
        }
    }

    pub(crate) fn note_unread_version(&mut self, version: &str, lane: &Lane, claims: &[&Claim]) {
        let reason = format!("version `{version}` names no release, so no claim could be held against it");
        for claim in claims {
            self.note_unshown(&reason, Some((&lane.name, &claim.id)));
        }
    }

    pub(crate) fn note_unknown_lanes(&mut self, manifest: &RunManifest) {
        for requirement in &manifest.required {
            let Some(name) = &requirement.lane else { continue };
            if !manifest.lanes.iter().any(|lane| lane.name == *name) {
                self.note_unshown("the lane is not in this run", Some((name, &requirement.guarantee)));
            }
        }
    }

    pub(crate) fn note_status(&mut self, status: &RunStatus) {
        match status {
            RunStatus::Finished { .. } => {}
            RunStatus::Running => self.note_unshown("the run did not finish: it was killed or still runs", None),
            RunStatus::CutShort { reason, .. } => {
                self.note_unshown(&format!("the run was cut short: {reason}"), None);
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

fn subjects(lane: &LaneVerdict) -> Vec<Subject<'_>> {
    let mut known: Vec<Subject<'_>> = Vec::new();
    for required in &lane.required {
        subject(&mut known, &required.guarantee, required.verdict, &required.reason).required = true;
    }
    for claim in lane.claims.iter().filter(|claim| claim.counts) {
        let label = claim.label.as_deref().unwrap_or_default();
        let name = claim.guarantee.map_or(label, |guarantee| guarantee.label());
        subject(&mut known, name, claim.verdict, &claim.reason).promised_by.push(&claim.id);
    }
    known
}

fn subject<'s, 'a>(
    known: &'s mut Vec<Subject<'a>>,
    name: &'a str,
    verdict: Verdict,
    reason: &'a str,
) -> &'s mut Subject<'a> {
    let same = |subject: &Subject<'_>| subject.name == name && subject.verdict == verdict && subject.reason == reason;
    let index = known.iter().position(same).unwrap_or(known.len());
    if index == known.len() {
        known.push(Subject { name, verdict, reason, required: false, promised_by: Vec::new() });
    }
    &mut known[index]
}

impl Subject<'_> {
    fn violation(&self, lane: &str) -> String {
        let promised = format!("promised by {}", self.promised_by.join(", "));
        let by = match (self.required, self.promised_by.is_empty()) {
            (true, true) => String::from("required"),
            (true, false) => format!("required; {promised}"),
            (false, _) => promised,
        };
        let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("violated: {lane}: {} ({by}){why}", self.name)
    }
}
