//! The verdict of a run: plain data, ready for reports and exit codes.

use delivery_checks::judgement::{FindingKind, Guarantee, Verdict};
use serde::{Deserialize, Serialize};

/// The verdict of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overall {
    /// Every claim and required guarantee holds.
    Holds,
    /// One is violated.
    Violated,
    /// None is violated, one could not be shown.
    Inconclusive,
    /// Nothing was claimed or required.
    NotJudged,
}

impl Overall {
    /// Name in JSON and tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated => "violated",
            Self::Inconclusive => "inconclusive",
            Self::NotJudged => "not-judged",
        }
    }

    /// Exit code of the program.
    pub const fn exit_code(self) -> i32 {
        match self {
            Self::Holds | Self::NotJudged => 0,
            Self::Violated => 1,
            Self::Inconclusive => 3,
        }
    }
}

/// What kind of statement a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimKind {
    /// A promise: it counts for the verdict of the run.
    Promise,
    /// The vendor says that the guarantee may be broken: it excuses, and never counts.
    DocumentedLoss,
    /// CP, AP or CA.
    Label,
}

/// What a run says of a claim, in the words of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimOutcome {
    /// What is promised was put to the test and held.
    Holds,
    /// It was broken.
    Violated,
    /// It was put to the test, and not shown either way.
    #[default]
    Inconclusive,
    /// Nothing in the run put it to the test.
    NotExercised,
    /// A loss the vendor warns of was seen.
    AsAdvertised,
}

impl ClaimOutcome {
    /// Name in JSON and tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated => "violated",
            Self::Inconclusive => "inconclusive",
            Self::NotExercised => "not exercised",
            Self::AsAdvertised => "as advertised",
        }
    }
}

/// The finding that decides what is said of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedBy {
    /// Its kind.
    pub kind: FindingKind,
    /// How many messages show it.
    pub count: u64,
}

/// What another document of the vendor says against a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradicted {
    /// In our words.
    pub says: String,
    /// Title, section, edition and address.
    pub documented_in: String,
}

/// A claim held against one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimJudgement {
    /// Which claim.
    pub id: String,
    /// What kind it is.
    pub kind: ClaimKind,
    /// The guarantee it is about; none for a label.
    pub guarantee: Option<Guarantee>,
    /// The label it claims; none for a guarantee.
    pub label: Option<String>,
    /// A promise: as judged. A documented loss: `holds` where it was seen, `inconclusive` where it was not.
    pub verdict: Verdict,
    /// Whether the verdict of the run rests on it.
    pub counts: bool,
    /// Why; empty where it simply holds.
    pub reason: String,
    /// The promise in our words.
    pub promise: String,
    /// Where the vendor says it.
    pub source: String,
    /// That in full: title, section, version or commit, address.
    #[serde(default)]
    pub documented_in: String,
    /// What the run says of it.
    #[serde(default)]
    pub outcome: ClaimOutcome,
    /// The finding that decides, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
    /// What the same vendor says elsewhere against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradicted: Vec<Contradicted>,
}

/// A required guarantee held against one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredJudgement {
    /// The guarantee, as required.
    pub guarantee: String,
    /// How it was judged.
    pub verdict: Verdict,
    /// Why; empty where it simply holds.
    pub reason: String,
}

/// A violated guarantee, and whether that was to be expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which guarantee.
    pub guarantee: Guarantee,
    /// The user requires it.
    pub required: bool,
    /// Ids of the promises it breaks.
    pub breaks: Vec<String>,
    /// Ids of the claims that document it.
    pub documented_by: Vec<String>,
}

impl Violation {
    /// Documented by the vendor, promised by nobody, required by nobody: yellow. Anything else is red.
    pub fn is_excused(&self) -> bool {
        !self.required && self.breaks.is_empty() && !self.documented_by.is_empty()
    }
}

/// How a lane stands, for its mark and colour; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A promise or requirement is broken, or a guarantee that no vendor's document gives up.
    Broken,
    /// A promise, a requirement or durability could not be shown.
    Unshown,
    /// Guarantees are violated, each as the vendor documents.
    Documented,
    /// Nothing is violated.
    Held,
}

/// What one lane comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneVerdict {
    /// Name of the lane.
    pub lane: String,
    /// Claims that apply to it, in the order of the registry.
    pub claims: Vec<ClaimJudgement>,
    /// What the user requires of it.
    pub required: Vec<RequiredJudgement>,
    /// Every violated guarantee.
    pub violations: Vec<Violation>,
    /// The label the vendor claims, where it claims one.
    pub claimed_label: Option<String>,
    /// How it stands.
    pub standing: Standing,
}

impl LaneVerdict {
    /// The violation of `guarantee`, if it was violated.
    pub fn violation(&self, guarantee: Guarantee) -> Option<&Violation> {
        self.violations.iter().find(|violation| violation.guarantee == guarantee)
    }
}

/// What a whole run comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunVerdict {
    /// Violated beats inconclusive beats holds.
    pub overall: Overall,
    /// Why, in words; the gravest first, never empty.
    pub reasons: Vec<String>,
    /// Lanes in the order of the manifest.
    pub lanes: Vec<LaneVerdict>,
}

impl RunVerdict {
    /// The verdict on the lane with this name.
    pub fn lane(&self, name: &str) -> Option<&LaneVerdict> {
        self.lanes.iter().find(|lane| lane.lane == name)
    }

    /// Promises and labels the verdict rests on, over all lanes.
    pub fn counted_claims(&self) -> usize {
        self.lanes.iter().flat_map(|lane| &lane.claims).filter(|claim| claim.counts).count()
    }

    /// Required guarantees, over all lanes.
    pub fn required(&self) -> usize {
        self.lanes.iter().map(|lane| lane.required.len()).sum()
    }
}
