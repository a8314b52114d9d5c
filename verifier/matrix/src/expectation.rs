//! What is expected of a cell, and how an observation compares.

use std::collections::BTreeMap;

use delivery_broker::config::nearest;
use delivery_checks::judgement::{FindingKind, Guarantee, NOT_SHOWN, OBSERVED_LABELS, Verdict};
use delivery_claims::{Overall, Standing};
use delivery_history::manifest::Workload;
use delivery_journal::{Comparison, Observed};

/// What an expectation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A guarantee's verdict.
    Guarantee(Guarantee),
    /// Whether messages show a kind of finding.
    Finding(FindingKind),
    /// The observed label.
    Label,
    /// How the lane stands against what its vendor says: `as-advertised` is a loss that is documented.
    Standing,
    /// What its claims come to.
    Verdict,
}

/// One expectation: any of the values agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// What it is about.
    pub subject: Subject,
    /// What agrees.
    pub values: Vec<String>,
}

/// What was seen of an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// One of its values.
    Expected,
    /// Another.
    Other(String),
    /// Neither was shown.
    Open,
}

const SHOWN: &str = "some";
const ABSENT: &str = "none";
const AS_ADVERTISED: &str = "as-advertised";

impl Subject {
    /// The subject with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "label" => Some(Self::Label),
            "standing" => Some(Self::Standing),
            "verdict" => Some(Self::Verdict),
            _ => Guarantee::from_label(name)
                .map(Self::Guarantee)
                .or_else(|| FindingKind::from_label(name).map(Self::Finding)),
        }
    }

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guarantee(guarantee) => guarantee.label(),
            Self::Finding(kind) => kind.label(),
            Self::Label => "label",
            Self::Standing => "standing",
            Self::Verdict => "verdict",
        }
    }

    /// What it can come to.
    fn values(self) -> &'static [&'static str] {
        match self {
            Self::Guarantee(_) => &["holds", "violated", "inconclusive"],
            Self::Finding(_) => &[SHOWN, ABSENT],
            Self::Label => &OBSERVED_LABELS,
            Self::Standing => &["held", AS_ADVERTISED, "broken", "unshown"],
            Self::Verdict => &["holds", "violated", "inconclusive", "not-judged"],
        }
    }
}

/// Every name an expectation may have.
fn names() -> impl Iterator<Item = &'static str> {
    let guarantees = Guarantee::ALL.iter().map(|guarantee| guarantee.label());
    let kinds = FindingKind::ALL.iter().map(|kind| kind.label());
    guarantees.chain(kinds).chain(["label", "standing", "verdict"])
}

impl Expectation {
    /// Reads what stands in a file.
    ///
    /// # Errors
    /// A name or value that no check gives, with the nearest valid ones.
    pub fn parse(name: &str, values: &[String]) -> Result<Self, String> {
        let suggest = |name: &str, valid: &[&str]| nearest(name, valid.iter().copied()).join(", ");
        let Some(subject) = Subject::from_name(name) else {
            let names: Vec<&str> = names().collect();
            return Err(format!("no check gives a verdict on `{name}`; nearest: {}", suggest(name, &names)));
        };
        if let Some(value) = values.iter().find(|value| !subject.values().contains(&value.as_str())) {
            let valid = subject.values().join(", ");
            return Err(format!("no check says `{value}` of {name}; it is one of: {valid}"));
        }
        Ok(Self { subject, values: values.to_vec() })
    }

    /// Why no lane of this workload can come to it; nothing where one can.
    pub fn refusal(&self, workload: Workload) -> Option<String> {
        let Subject::Guarantee(guarantee) = self.subject else { return None };
        let of = match workload {
            Workload::Log => "a log",
            Workload::Queue => "a queue",
            Workload::Fanout => "a fan-out",
            Workload::Transactions => "transactions",
        };
        (!guarantee.applies_to(workload)).then(|| format!("{} is not judged for {of}", guarantee.label()))
    }

    /// Whether one run that shows it settles it; otherwise every run must.
    pub(crate) fn is_settled_by_one(&self) -> bool {
        let broken = |value: &String| value == "violated" || value == SHOWN;
        matches!(self.subject, Subject::Guarantee(_) | Subject::Finding(_)) && self.values.iter().all(broken)
    }

    /// Whether a run that contradicts it has messages for witnesses: no other run takes that back.
    pub(crate) fn is_refuted_by_one(&self) -> bool {
        matches!(self.subject, Subject::Guarantee(_) | Subject::Finding(_)) && !self.is_settled_by_one()
    }

    /// What an observation says of it.
    pub(crate) fn seen(&self, observed: &Observed) -> Seen {
        let said = said(self.subject, observed);
        match said {
            Said::Shown(value) if self.values.contains(&value) => Seen::Expected,
            Said::Shown(value) => Seen::Other(value),
            Said::Open(value) if self.values.iter().any(|expected| expected == value) => Seen::Expected,
            Said::Open(_) => Seen::Open,
        }
    }
}

enum Said {
    Shown(String),
    /// Not shown either way, and what that is called.
    Open(&'static str),
}

fn said(subject: Subject, observed: &Observed) -> Said {
    let shown = |value: &str| Said::Shown(value.to_owned());
    match subject {
        Subject::Guarantee(guarantee) => match observed.guarantees.get(&guarantee) {
            Some(Verdict::Holds) => shown("holds"),
            Some(Verdict::Violated) => shown("violated"),
            Some(Verdict::Inconclusive) | None => Said::Open("inconclusive"),
        },
        Subject::Finding(kind) => match observed.findings.get(kind.label()) {
            Some(count) if *count > 0 => shown(SHOWN),
            // That none was found means something only where the run and its audit could have shown one.
            _ => match observed.guarantees.get(&Guarantee::Durability) {
                Some(Verdict::Holds | Verdict::Violated) => shown(ABSENT),
                _ => Said::Open("inconclusive"),
            },
        },
        Subject::Label if observed.label.is_empty() || observed.label == NOT_SHOWN => Said::Open(NOT_SHOWN),
        Subject::Label => shown(&observed.label),
        Subject::Standing => match observed.standing {
            Standing::Held => shown("held"),
            Standing::Documented => shown(AS_ADVERTISED),
            Standing::Broken => shown("broken"),
            Standing::Unshown => Said::Open("unshown"),
        },
        Subject::Verdict => match observed.verdict {
            Overall::Inconclusive => Said::Open("inconclusive"),
            other => shown(other.label()),
        },
    }
}

/// An observation against all that is expected, and why it is anything but agreed; `why` tells what a verdict rests on.
pub(crate) fn compare(
    expected: &[Expectation],
    observed: &Observed,
    why: impl Fn(Subject) -> String,
) -> (Comparison, Vec<String>) {
    if expected.is_empty() {
        return (Comparison::NotExpected, Vec::new());
    }
    let (mut surprises, mut open) = (Vec::new(), Vec::new());
    for expectation in expected {
        let (name, values) = (expectation.subject.name(), expectation.values.join(" or "));
        let why = || match why(expectation.subject) {
            reason if reason.is_empty() => reason,
            reason => format!(": {reason}"),
        };
        match expectation.seen(observed) {
            Seen::Expected => {}
            Seen::Other(value) => surprises.push(format!("{name}: expected {values}, saw {value}{}", why())),
            Seen::Open => open.push(format!("{name}: expected {values}, not shown either way{}", why())),
        }
    }
    let comparison = match (surprises.is_empty(), open.is_empty()) {
        (false, _) => Comparison::Surprising,
        (true, false) => Comparison::Inconclusive,
        (true, true) => Comparison::Agreed,
    };
    surprises.append(&mut open);
    (comparison, surprises)
}

/// As it stands in a journal.
pub(crate) fn entries(expected: &[Expectation]) -> BTreeMap<String, Vec<String>> {
    expected.iter().map(|expectation| (expectation.subject.name().to_owned(), expectation.values.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use delivery_checks::judgement::{Guarantee, Verdict};
    use delivery_claims::{Overall, Standing};
    use delivery_history::manifest::Workload;
    use delivery_journal::{Comparison, Observed};

    use super::{Expectation, Subject, compare, names};

    fn expectation(name: &str, values: &[&str]) -> Result<Expectation, String> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        Expectation::parse(name, &values)
    }

    fn observed(durability: Verdict, lost: u64, label: &str) -> Observed {
        Observed {
            verdict: Overall::Holds,
            standing: Standing::Held,
            label: label.to_owned(),
            guarantees: BTreeMap::from([(Guarantee::Durability, durability)]),
            findings: if lost > 0 { BTreeMap::from([(String::from("lost"), lost)]) } else { BTreeMap::new() },
            sent: 100,
            acked: 100,
        }
    }

    fn compared(name: &str, values: &[&str], observed: &Observed) -> Comparison {
        compare(&[expectation(name, values).unwrap()], observed, |_| String::new()).0
    }

    #[test]
    fn every_name_is_read_back() {
        for name in names() {
            assert_eq!(Subject::from_name(name).map(Subject::name), Some(name));
        }
    }

    #[test]
    fn what_no_check_says_is_refused() {
        let told = |name: &str, values: &[&str]| expectation(name, values).unwrap_err();
        assert!(told("durabilty", &["holds"]).contains("nearest: durability"));
        assert_eq!(
            told("durability", &["lost"]),
            "no check says `lost` of durability; it is one of: holds, violated, inconclusive"
        );
        assert!(told("label", &["CAP"]).contains("unavailable-safe"));
        let atomicity = expectation("atomicity", &["holds"]).unwrap();
        assert_eq!(atomicity.refusal(Workload::Queue).as_deref(), Some("atomicity is not judged for a queue"));
        assert_eq!(atomicity.refusal(Workload::Transactions), None);
    }

    #[test]
    fn verdicts_agree_surprise_or_stay_open() {
        let held = observed(Verdict::Holds, 0, "CP");
        let lost = observed(Verdict::Violated, 3, "neither");
        let open = observed(Verdict::Inconclusive, 0, "not shown");
        assert_eq!(compared("durability", &["holds"], &held), Comparison::Agreed);
        assert_eq!(compared("durability", &["holds"], &lost), Comparison::Surprising);
        assert_eq!(compared("durability", &["violated"], &held), Comparison::Surprising);
        assert_eq!(compared("durability", &["violated"], &open), Comparison::Inconclusive);
        assert_eq!(compared("durability", &["inconclusive"], &open), Comparison::Agreed);
        assert_eq!(compared("durability", &["inconclusive"], &held), Comparison::Surprising);
        assert_eq!(compared("lost", &["some"], &lost), Comparison::Agreed);
        assert_eq!(compared("lost", &["none"], &held), Comparison::Agreed);
        assert_eq!(compared("lost", &["none"], &open), Comparison::Inconclusive, "nothing was shown to be absent");
        assert_eq!(compared("label", &["CP", "AP"], &held), Comparison::Agreed);
        assert_eq!(compared("label", &["CP"], &lost), Comparison::Surprising);
        assert_eq!(compared("label", &["CP"], &open), Comparison::Inconclusive);
        assert_eq!(compared("label", &["not shown"], &open), Comparison::Agreed);
        assert_eq!(compared("standing", &["as-advertised"], &held), Comparison::Surprising);
    }

    #[test]
    fn a_surprise_is_told_before_what_is_open() {
        let expected = [expectation("label", &["CP"]).unwrap(), expectation("durability", &["holds"]).unwrap()];
        let why = |subject: Subject| if subject == Subject::Label { String::from("no cut") } else { String::new() };
        let (comparison, reasons) = compare(&expected, &observed(Verdict::Violated, 3, "not shown"), why);
        assert_eq!(comparison, Comparison::Surprising);
        assert_eq!(
            reasons,
            ["durability: expected holds, saw violated", "label: expected CP, not shown either way: no cut"]
        );
        assert_eq!(compare(&[], &observed(Verdict::Violated, 3, ""), why).0, Comparison::NotExpected);
    }
}
