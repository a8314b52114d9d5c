//! The registry: one TOML file a system, embedded, checked as it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use delivery_checks::judgement::{FindingKind, Guarantee};
use delivery_history::manifest::Workload;
use semver::VersionReq;
use serde::{Deserialize, Serialize};

/// Every embedded file: its name for messages, its text.
const FILES: &[(&str, &str)] = &[
    ("kafka.toml", include_str!("../claims/kafka.toml")),
    ("pubsub.toml", include_str!("../claims/pubsub.toml")),
    ("rabbitmq.toml", include_str!("../claims/rabbitmq.toml")),
];

/// Words of the vendor's that a claim may quote.
const MAX_QUOTED_WORDS: usize = 12;

/// Labels a vendor may use of itself.
const LABELS: &[&str] = &["CP", "AP", "CA"];

/// The values of one setting under which a claim applies (or does not).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Accepted {
    /// This one.
    One(String),
    /// Any of these.
    Any(Vec<String>),
}

impl Accepted {
    /// The values as one slice.
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Any(values) => values,
        }
    }

    /// Whether `value` is one of them; case and outer space do not matter. `!none` is anything but `none`.
    pub fn accepts(&self, value: &str) -> bool {
        let is = |accepted: &str| accepted.eq_ignore_ascii_case(value.trim());
        self.values().iter().any(|accepted| match accepted.strip_prefix('!') {
            Some(other) => !is(other),
            None => is(accepted),
        })
    }
}

/// What the vendor says will come of the guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// It holds.
    Holds,
    /// It may be broken: a documented loss, never a promise.
    MayViolate,
}

/// What a claim rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// The vendor's own documents.
    Documented,
    /// The vendor's own code.
    Code,
    /// Tested by somebody else, who published how.
    Tested,
    /// The vendor's words as others quote them.
    Secondary,
    /// We are the vendor.
    Own,
}

impl Evidence {
    /// Every class, in the order of the output.
    pub const ALL: [Self; 5] = [Self::Documented, Self::Code, Self::Tested, Self::Secondary, Self::Own];

    /// In words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Documented => "the vendor's documents",
            Self::Code => "the vendor's code",
            Self::Tested => "tests that others published",
            Self::Secondary => "the vendor's words as others quote them",
            Self::Own => "our own documents",
        }
    }
}

/// Where a vendor says something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its address; claims name it by that.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Where in it: a heading, or what it is about there.
    pub section: String,
    /// Version, commit or date of what was read; pages that have none say so.
    pub edition: String,
}

/// What another document of the same vendor says, against a claim. It is shown beside the claim, and not judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contradiction {
    /// In our words.
    pub says: String,
    /// At most a dozen of the vendor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// The address of its document.
    pub source: String,
}

/// One statement of a vendor's about one guarantee (or its label) under one configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Its name, for good: reports and scripts refer to it.
    pub id: String,
    /// System it is about, by its name on the command line.
    pub system: String,
    /// Broker versions it is about.
    pub versions: VersionReq,
    /// Client library it is about, by the start of its name; any where none is given.
    #[serde(default)]
    pub client: Option<String>,
    /// What the lane's clients must do; anything where nothing is said.
    #[serde(default)]
    pub workload: Option<Workload>,
    /// Settings, by full name, that must have one of these values. A setting the lane does not state does not match.
    #[serde(default)]
    pub when: BTreeMap<String, Accepted>,
    /// Settings that exclude the claim when they have one of these values.
    #[serde(default)]
    pub unless: BTreeMap<String, Accepted>,
    /// Faults it covers: `netsplit` (every shape) or `netsplit:leader`; a documented loss may cover `any`. A run without a
    /// fault is always covered.
    pub faults: Vec<String>,
    /// Faults of which the run must have had one: without any, the claim says nothing. Each of them is in `faults`, too.
    #[serde(default)]
    pub with: Vec<String>,
    /// The guarantee it is about; a claim has this or `label`.
    #[serde(default)]
    pub guarantee: Option<Guarantee>,
    /// The one kind of finding it is about, where it says less than the whole guarantee.
    #[serde(default)]
    pub finding: Option<FindingKind>,
    /// What it says of the guarantee.
    #[serde(default)]
    pub promises: Option<Promise>,
    /// CP, AP or CA, as the vendor calls itself.
    #[serde(default)]
    pub label: Option<String>,
    /// The promise in our words.
    pub says: String,
    /// At most a dozen of the vendor's.
    #[serde(default)]
    pub quote: Option<String>,
    /// Where it stands: the address of a [`Document`], or `own: ` and where we say it.
    pub source: String,
    /// What it rests on.
    pub evidence: Evidence,
    /// What the same vendor says elsewhere against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradicted: Vec<Contradiction>,
}

/// Every claim there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Registry {
    /// In the order of the files.
    pub claims: Vec<Claim>,
    /// Where vendors say it.
    pub documents: Vec<Document>,
}

/// A registry file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Not TOML, a field nobody knows, or one that is missing.
    #[error("{file}: {cause}. Correct the file.")]
    Syntax {
        /// Which.
        file: String,
        /// What the parser says.
        cause: Box<toml::de::Error>,
    },
    /// A claim that contradicts itself or lacks something.
    #[error("{file}: claim `{id}` {problem}. Correct the file.")]
    Claim {
        /// Which file.
        file: String,
        /// Which claim.
        id: String,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimFile {
    #[serde(default)]
    document: Vec<Document>,
    claim: Vec<Claim>,
}

/// The embedded registry.
pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::parse(FILES).expect("the embedded claims are valid: a test reads them"))
}

impl Registry {
    /// Reads and checks registry files: (name for messages, text) each.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, RegistryError> {
        let mut registry = Self { claims: Vec::new(), documents: Vec::new() };
        let mut ids = BTreeSet::new();
        for (file, text) in files {
            let parsed: ClaimFile = toml::from_str(text)
                .map_err(|cause| RegistryError::Syntax { file: (*file).to_owned(), cause: Box::new(cause) })?;
            registry.documents.extend(parsed.document);
            for claim in parsed.claim {
                let problem = claim.problem().or_else(|| duplicate(&mut ids, &claim.id));
                if let Some(problem) = problem.or_else(|| registry.source_problem(&claim)) {
                    return Err(RegistryError::Claim { file: (*file).to_owned(), id: claim.id, problem });
                }
                registry.claims.push(claim);
            }
        }
        Ok(registry)
    }

    fn source_problem(&self, claim: &Claim) -> Option<String> {
        let of_others = claim.contradicted.iter().map(|other| &other.source);
        let mut sources = std::iter::once(&claim.source).filter(|source| source.starts_with("https:")).chain(of_others);
        let unknown = sources.find(|source| self.document(source).is_none())?;
        Some(format!("names {unknown}, of which the file has no [[document]]"))
    }

    /// The document at this address.
    pub fn document(&self, url: &str) -> Option<&Document> {
        self.documents.iter().find(|document| document.url == url)
    }

    /// Where a source is, in words: title, section, version and address; what is our own as it stands.
    pub fn cited(&self, source: &str) -> String {
        match self.document(source) {
            Some(Document { url, title, section, edition }) => format!("{title}, {section} ({edition}), {url}"),
            None => source.to_owned(),
        }
    }

    /// The claims about `system`.
    pub fn of_system<'a>(&'a self, system: &'a str) -> impl Iterator<Item = &'a Claim> {
        self.claims.iter().filter(move |claim| claim.system == system)
    }

    /// The claim with this id, if there is one.
    pub fn find(&self, id: &str) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.id == id)
    }
}

/// Stands for every fault: what a document warns of whatever the reason.
const ANY: &str = "any";

/// Whether a fault of this shape is one of those named: `netsplit` (every shape), `netsplit:leader` or `any`.
pub(crate) fn is_among(named: &[String], fault: &str, shape: &str) -> bool {
    named.iter().any(|covered| match covered.split_once(':') {
        Some((name, of_shape)) => name == fault && of_shape == shape,
        None => covered == fault || covered == ANY,
    })
}

fn duplicate(ids: &mut BTreeSet<String>, id: &str) -> Option<String> {
    (!ids.insert(id.to_owned())).then(|| String::from("is there twice: give one of them another id"))
}

impl Claim {
    /// Whether it covers a fault of this shape.
    pub fn covers(&self, fault: &str, shape: &str) -> bool {
        is_among(&self.faults, fault, shape)
    }

    /// The configuration it speaks of: `producer.acks=all|-1, topic.cleanup.policy is not compact`.
    pub fn expression(&self) -> String {
        let positive = self.when.iter().map(|(name, accepted)| format!("{name}={}", accepted.values().join("|")));
        let negative =
            self.unless.iter().map(|(name, excluded)| format!("{name} is not {}", excluded.values().join("|")));
        positive.chain(negative).collect::<Vec<_>>().join(", ")
    }

    /// What keeps the claim from being used, if anything.
    fn problem(&self) -> Option<String> {
        self.subject_problem().or_else(|| self.text_problem()).or_else(|| self.settings_problem())
    }

    fn subject_problem(&self) -> Option<String> {
        match (self.guarantee, self.promises, self.label.as_deref()) {
            (Some(_), Some(_), None) => {}
            (None, None, Some(label)) if LABELS.contains(&label) => {}
            (None, None, Some(label)) => return Some(format!("has label `{label}`; labels are {}", LABELS.join(", "))),
            _ => return Some(String::from("needs `guarantee` and `promises`, or `label`, and not both")),
        }
        if self.finding.is_some() && self.promises != Some(Promise::Holds) {
            return Some(String::from("has `finding`, which only a promise that holds can have"));
        }
        None
    }

    fn text_problem(&self) -> Option<String> {
        if self.id.is_empty() || !self.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            return Some(String::from("needs an id of lower-case letters, digits and hyphens"));
        }
        if self.says.trim().is_empty() {
            return Some(String::from("says nothing: `says` is empty"));
        }
        let own = self.source.starts_with("own: ") && self.evidence == Evidence::Own;
        let published = self.source.starts_with("https://") && self.evidence != Evidence::Own;
        if !own && !published {
            return Some(String::from("needs a `source`: a https:// address, or `own: ` with evidence = \"own\""));
        }
        let quotes = self.contradicted.iter().map(|other| &other.quote).chain(std::iter::once(&self.quote)).flatten();
        let words = quotes.map(|quote| quote.split_whitespace().count()).max().unwrap_or(0);
        (words > MAX_QUOTED_WORDS).then(|| format!("quotes {words} words; at most {MAX_QUOTED_WORDS} are allowed"))
    }

    fn settings_problem(&self) -> Option<String> {
        if self.faults.is_empty() {
            return Some(String::from("covers no fault: `faults` is empty"));
        }
        if self.faults.iter().any(|fault| fault == ANY) && self.promises != Some(Promise::MayViolate) {
            return Some(String::from("promises something under `any` fault: name those its document speaks of"));
        }
        if let Some(fault) = self.with.iter().find(|fault| !self.faults.contains(fault)) {
            return Some(format!("speaks of runs with `{fault}`, which it does not cover: name it in `faults`"));
        }
        let settings = || self.when.iter().chain(&self.unless);
        if let Some((name, _)) = settings().find(|(name, _)| !name.contains('.')) {
            return Some(format!("names setting `{name}` without its scope (`producer.acks`)"));
        }
        let empty = settings().find(|(_, accepted)| accepted.values().is_empty());
        empty.map(|(name, _)| format!("names no value for setting `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::{FILES, Promise, Registry, RegistryError, registry};

    const GOOD: &str = r#"
[[document]]
url = "https://example.org/"
title = "A"
section = "B"
edition = "1"

[[claim]]
id = "a"
system = "kafka"
versions = ">=3.3.1"
when = { "producer.acks" = ["all", "-1"] }
faults = ["netsplit"]
guarantee = "durability"
promises = "holds"
says = "Nothing is lost."
source = "https://example.org/"
evidence = "documented"
"#;

    fn error_of(text: &str) -> String {
        Registry::parse(&[("x.toml", text)]).unwrap_err().to_string()
    }

    #[test]
    fn embedded_files_are_valid_and_each_belongs_to_its_system() {
        for (file, text) in FILES {
            let parsed = Registry::parse(&[(file, text)]).unwrap();
            assert!(!parsed.claims.is_empty(), "{file}");
            for claim in &parsed.claims {
                assert_eq!(format!("{}.toml", claim.system), *file, "{}", claim.id);
                assert!(claim.id.starts_with(&claim.system), "{}", claim.id);
            }
        }
        assert_eq!(
            ["kafka", "pubsub", "rabbitmq"].map(|system| registry().of_system(system).count()).iter().sum::<usize>(),
            registry().claims.len()
        );
        assert!(
            registry().find("kafka-acks-all-durability").is_some_and(|claim| claim.promises == Some(Promise::Holds))
        );
    }

    #[test]
    fn unknown_fields_are_refused_by_name() {
        let error = error_of(&GOOD.replace("says =", "sais ="));
        assert!(error.contains("x.toml") && error.contains("sais"), "{error}");
    }

    #[test]
    fn claims_that_say_nothing_usable_are_refused() {
        let cases = [
            (GOOD.replace("https://example.org/", "somewhere"), "needs a `source`"),
            (GOOD.replace("url = \"https://example.org/", "url = \"https://example.com/"), "has no [[document]]"),
            (
                format!("{GOOD}\n[[claim.contradicted]]\nsays = \"No.\"\nsource = \"https://x.org\"\n"),
                "https://x.org, of which the file has no [[document]]",
            ),
            (GOOD.replace("\"netsplit\"", ""), "covers no fault"),
            (GOOD.replace("producer.acks", "acks"), "without its scope"),
            (GOOD.replace("faults =", "with = [\"kill\"]\nfaults ="), "which it does not cover"),
            (GOOD.replace("\"netsplit\"", "\"any\""), "under `any` fault"),
            (GOOD.replace("[\"all\", \"-1\"]", "[]"), "names no value"),
            (GOOD.replace("promises = \"holds\"", ""), "needs `guarantee` and `promises`, or `label`"),
            (GOOD.replace("promises = \"holds\"", "promises = \"holds\"\nlabel = \"CP\""), "and not both"),
            (GOOD.replace("promises = \"holds\"", "promises = \"may-violate\"\nfinding = \"lost\""), "only a promise"),
            (GOOD.replace("evidence =", "quote = \"a b c d e f g h i j k l m\"\nevidence ="), "quotes 13 words"),
            (GOOD.replace("id = \"a\"", "id = \"A b\""), "lower-case"),
            (GOOD.replace("Nothing is lost.", " "), "`says` is empty"),
            (format!("{GOOD}{GOOD}"), "is there twice"),
        ];
        for (text, problem) in cases {
            let error = error_of(&text);
            assert!(error.contains(problem), "{problem}: {error}");
        }
        assert!(Registry::parse(&[("x.toml", GOOD)]).is_ok());
    }

    #[test]
    fn broken_versions_are_a_syntax_error() {
        let broken = GOOD.replace(">=3.3.1", "new ones");
        assert!(matches!(Registry::parse(&[("x.toml", &broken)]), Err(RegistryError::Syntax { .. })));
    }
}
