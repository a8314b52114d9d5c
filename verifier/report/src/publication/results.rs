//! The newest result of each system, version, configuration and fault.

use std::collections::BTreeMap;

use delivery_checks::judgement::{Guarantee, Verdict};
use delivery_claims::{ClaimOutcome, LaneVerdict, Standing};
use delivery_history::manifest::{Amount, Fault, RunManifest};
use serde::{Deserialize, Serialize};

use super::expectations::{Cells, Expectation, NotRun};
use super::meaning::meaning;
use super::order::natural;
use super::{JudgedRun, LeftOut, Publication};
use crate::LaneView;
use crate::terminal::{loss_base, lost_count};

/// Version of the document.
pub const RESULTS_SCHEMA: u32 = 1;
/// Name of its file.
pub const RESULTS_FILE: &str = "results.json";

/// The tables as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`RESULTS_SCHEMA`].
    pub schema: u32,
    /// Names of the files that were written beside this one.
    pub files: Vec<String>,
    /// Runs the tables rest on, the newest of each result and those before it.
    pub runs: usize,
    /// The newest result of each system, version, configuration and fault, in this order.
    pub results: Vec<ResultRow>,
    /// Cells of matrices against what was expected of them.
    pub expectations: Vec<Expectation>,
    /// Cells of matrices that were not run.
    pub not_run: Vec<NotRun>,
    /// Directories that are left out.
    pub left_out: Vec<LeftOut>,
}

/// What a result comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A promise or a requirement is broken, or a guarantee that no document gives up.
    Violated,
    /// A promise, a requirement or durability could not be shown.
    Inconclusive,
    /// Guarantees are violated, each as the vendor documents.
    AsAdvertised,
    /// Nothing is violated.
    Holds,
}

impl Outcome {
    /// As it stands in tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Violated => "violated",
            Self::Inconclusive => "inconclusive",
            Self::AsAdvertised => "as advertised",
            Self::Holds => "holds",
        }
    }

    /// Its mark, so that no colour has to say it.
    pub const fn mark(self) -> char {
        match self {
            Self::Violated => '\u{2717}',
            Self::Inconclusive => '?',
            Self::AsAdvertised => '!',
            Self::Holds => '\u{2713}',
        }
    }

    pub(crate) fn of(verdict: Option<&LaneVerdict>) -> Self {
        match verdict.map(|verdict| verdict.standing) {
            Some(Standing::Broken) => Self::Violated,
            Some(Standing::Documented) => Self::AsAdvertised,
            Some(Standing::Held) => Self::Holds,
            Some(Standing::Unshown) | None => Self::Inconclusive,
        }
    }
}

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    /// `kafka`, `rabbitmq`, `pubsub`.
    pub system: String,
    /// Version of the product.
    pub version: String,
    /// Name of the configuration.
    pub lane: String,
    /// Its settings, short.
    pub settings: String,
    /// The faults it was under, without the times they began at: `netsplit:leader+15s`.
    pub faults: String,
    /// `vendor` or `short`, with what differs from the vendor's.
    pub timings: String,
    /// What it comes to.
    pub outcome: Outcome,
    /// Label the vendor claims, where it claims one.
    pub label_claimed: Option<String>,
    /// Label that was observed.
    pub label_observed: String,
    /// Messages lost of those it is counted over; none where absence could not be shown.
    pub lost: Option<u64>,
    /// Messages acked, or sent where no acknowledgement is asked for.
    pub counted: u64,
    /// False where no acknowledgement is asked for.
    pub acknowledged: bool,
    /// What it means, in a sentence.
    pub meaning: String,
    /// What the outcome rests on: the vendor's claims by their id, `required:` and `undocumented:` guarantees.
    pub statements: BTreeMap<String, ClaimOutcome>,
    /// How many messages show each kind of finding.
    pub findings: BTreeMap<String, u64>,
    /// Every guarantee that applies.
    pub guarantees: BTreeMap<Guarantee, Verdict>,
    /// Runs of the same, this one among them.
    pub runs: u32,
    /// Runs of the same that lost messages.
    pub runs_that_lost: u32,
    /// The run it comes from, the newest.
    pub run: Provenance,
}

/// Where a result comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Identity of the run.
    pub id: String,
    /// Index of the lane in the run.
    pub lane_index: usize,
    /// Wall-clock start, RFC 3339.
    pub started_at: String,
    /// Version of this program.
    pub tool_version: String,
    /// Commit it was built from; empty where unknown.
    pub tool_commit: String,
    /// Client library and version.
    pub client: String,
    /// Cores, memory, kernel.
    pub machine: String,
    /// Where the cluster ran.
    pub backend: String,
    /// No real broker took part.
    pub simulated: bool,
    /// Seed of everything drawn.
    pub seed: u64,
    /// The history was there and was judged again; else what the run had been judged to show is told.
    pub judged_again: bool,
}

/// What makes two results comparable.
pub(crate) type Key<'a> = [&'a str; 6];

impl ResultRow {
    /// What has to be the same for another result to be about the same.
    pub(crate) fn key(&self) -> Key<'_> {
        [&self.system, &self.version, &self.lane, &self.settings, &self.faults, &self.timings]
    }

    /// `kafka 4.1.1 fast (acks=1, min.isr=1) under netsplit:leader+15s`.
    pub fn subject(&self) -> String {
        let Self { system, version, lane, settings, faults, timings, .. } = self;
        let settings = if settings.is_empty() { String::new() } else { format!(" ({settings})") };
        let timings = if timings == "vendor" { String::new() } else { format!(", {timings} timings") };
        format!(
            "{system} {version} {lane}{settings} under {}{timings}",
            if faults.is_empty() { "no fault" } else { faults }
        )
    }
}

impl Results {
    pub(super) fn of(publication: &Publication) -> Self {
        let (runs, onto) = (publication.run_ids(), publication.onto.as_ref());
        let mut fresh = fresh(publication);
        let mut cells = Cells::default();
        let mut left_out = publication.left_out.clone();
        if let Some(earlier) = onto {
            earlier.keep_results(&mut fresh, &runs);
            cells.expectations.clone_from(&earlier.results.expectations);
            cells.not_run.clone_from(&earlier.results.not_run);
            left_out.extend(earlier.results.left_out.iter().filter(|left| !runs.contains(&*left.directory)).cloned());
            left_out.sort();
            left_out.dedup();
        }
        publication.matrices.iter().for_each(|matrix| cells.take_in(matrix));
        let mut results: Vec<ResultRow> = fresh.into_iter().map(|fresh| fresh.row).collect();
        // Lanes of one run stay in its order where all else is equal.
        results.sort_by_cached_key(|row| {
            let place = (row.run.lane_index, row.lane.clone(), row.settings.clone());
            (row.system.clone(), natural(&row.version), row.faults.clone(), row.timings.clone(), place)
        });
        Self {
            schema: RESULTS_SCHEMA,
            files: Vec::new(),
            runs: onto.map_or(runs.len(), |earlier| earlier.results.runs + earlier.count_new(&runs)),
            results,
            expectations: cells.expectations,
            not_run: cells.not_run,
            left_out,
        }
    }

    /// Systems there are results of, in their order.
    pub(crate) fn systems(&self) -> Vec<&str> {
        let mut systems: Vec<&str> = self.results.iter().map(|row| row.system.as_str()).collect();
        systems.dedup();
        systems
    }

    /// How many results come to `outcome`.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.results.iter().filter(|row| row.outcome == outcome).count()
    }
}

/// The newest result of runs that are told of anew, and which runs those are.
pub(super) struct Fresh {
    pub(super) row: ResultRow,
    pub(super) runs: Vec<String>,
}

/// Runs stand in the order of their start, so the last of the same is the newest.
fn fresh(publication: &Publication) -> Vec<Fresh> {
    let mut all: Vec<Fresh> = Vec::new();
    for run in &publication.runs {
        for (index, view) in run.report().lanes().enumerate() {
            let row = row(run, index, &view);
            let id = row.run.id.clone();
            match all.iter_mut().find(|known| known.row.key() == row.key()) {
                Some(known) => {
                    known.row = newer(&known.row, row);
                    known.runs.push(id);
                }
                None => all.push(Fresh { row, runs: vec![id] }),
            }
        }
    }
    all
}

fn newer(known: &ResultRow, row: ResultRow) -> ResultRow {
    ResultRow { runs: known.runs + row.runs, runs_that_lost: known.runs_that_lost + row.runs_that_lost, ..row }
}

fn row(run: &JudgedRun, index: usize, view: &LaneView<'_>) -> ResultRow {
    let manifest = &run.manifest;
    let lost = lost_count(view);
    let durable = view.judged.and_then(|judged| judged.verdict(Guarantee::Durability));
    let shown = lost > 0 || durable.is_some_and(|found| found.verdict == Verdict::Holds);
    let findings = view.judged.map_or(&[][..], |judged| &judged.findings);
    let guarantees = view.judged.map_or(&[][..], |judged| &judged.guarantees);
    let observed = view.judged.map_or("", |judged| judged.label.observed.as_str());
    ResultRow {
        system: manifest.system.clone(),
        version: manifest.broker_version.clone(),
        lane: view.lane.name.clone(),
        settings: view.lane.settings.clone(),
        faults: faults_as_typed(&manifest.faults),
        timings: timings(manifest),
        outcome: Outcome::of(view.verdict),
        label_claimed: view.verdict.and_then(|verdict| verdict.claimed_label.clone()),
        label_observed: if observed.is_empty() { "not shown" } else { observed }.to_owned(),
        lost: shown.then_some(lost),
        counted: loss_base(view),
        acknowledged: view.lane.acknowledged,
        meaning: meaning(&run.report(), view),
        statements: view.verdict.map(statements).unwrap_or_default(),
        findings: findings.iter().map(|finding| (finding.kind.label().to_owned(), finding.count)).collect(),
        guarantees: guarantees.iter().map(|judged| (judged.name, judged.verdict)).collect(),
        runs: 1,
        runs_that_lost: u32::from(lost > 0),
        run: Provenance {
            id: manifest.run_id.clone(),
            lane_index: index,
            started_at: manifest.started_at.clone(),
            tool_version: manifest.tool_version.clone(),
            tool_commit: manifest.tool_commit.clone(),
            client: manifest.client.clone(),
            machine: manifest.machine.clone(),
            backend: manifest.backend.clone(),
            simulated: manifest.simulated,
            seed: manifest.seed,
            judged_again: run.picture.is_some(),
        },
    }
}

fn statements(verdict: &LaneVerdict) -> BTreeMap<String, ClaimOutcome> {
    let claims = verdict.claims.iter().map(|claim| (claim.id.clone(), claim.outcome));
    let required = verdict.required.iter().map(|required| {
        let outcome = match required.verdict {
            Verdict::Holds => ClaimOutcome::Holds,
            Verdict::Inconclusive => ClaimOutcome::Inconclusive,
            Verdict::Violated => ClaimOutcome::Violated,
        };
        (format!("required:{}", required.guarantee), outcome)
    });
    let undocumented = verdict
        .violations
        .iter()
        .filter(|found| found.breaks.is_empty() && found.documented_by.is_empty() && !found.required);
    let undocumented =
        undocumented.map(|found| (format!("undocumented:{}", found.guarantee.label()), ClaimOutcome::Violated));
    claims.chain(required).chain(undocumented).collect()
}

fn timings(manifest: &RunManifest) -> String {
    if manifest.tuned.is_empty() {
        return manifest.timings.clone();
    }
    format!("{} ({})", manifest.timings, manifest.tuned.join(", "))
}

/// The schedule as `--faults` takes it, without starts: `kill:leader+5s*3,loss=30+10s`.
pub(crate) fn faults_as_typed(faults: &[Fault]) -> String {
    let typed: Vec<String> = faults.iter().map(fault_as_typed).collect();
    let series = typed.chunk_by(|one, next| one == next);
    let series = series.map(|series| match series {
        [only] => only.clone(),
        _ => format!("{}*{}", series[0], series.len()),
    });
    series.collect::<Vec<_>>().join(",")
}

fn amount_as_typed(amount: Amount) -> String {
    match amount {
        Amount::Percent(share) => share.to_string(),
        Amount::KbitPerS(rate) => format!("{rate}kbit"),
        Amount::Delay { ms, jitter_ms } => format!("{ms}ms~{jitter_ms}ms"),
    }
}

fn fault_as_typed(fault: &Fault) -> String {
    let shape = if fault.shape.is_empty() { String::new() } else { format!(":{}", fault.shape) };
    let amount = fault.amount.map_or_else(String::new, |amount| format!("={}", amount_as_typed(amount)));
    let length = match fault.duration_ms {
        whole if whole.is_multiple_of(1_000) => format!("{}s", whole / 1_000),
        other => format!("{other}ms"),
    };
    format!("{}{shape}{amount}+{length}", fault.fault)
}
