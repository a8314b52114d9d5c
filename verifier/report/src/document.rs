//! The JSON document: of `--json`, and of `findings.json`. Its fields are promises to other people's programs: fields
//! may be added under one [`SCHEMA`], a change of meaning makes it another.

use std::collections::BTreeMap;

use delivery_checks::judgement::{
    Confirmed, EventCounts, FaultJudgement, Finding, GuaranteeJudgement, Judgement, Label, LaneJudgement, PacketsHit,
    ProcessLooks, Recovery, SideWrites, Stats, WritesLost,
};
use delivery_claims::{ClaimJudgement, LaneVerdict, Overall, RequiredJudgement, RunVerdict, Standing, Violation};
use delivery_history::WorkerMachine;
use delivery_history::manifest::{Requirement, RunStatus, Workload};
use serde::{Deserialize, Serialize};

use crate::{LaneView, Report};

/// Version of the document.
pub const SCHEMA: u32 = 1;

/// A judged run, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What ran.
    pub run: RunEntry,
    /// `holds`, `violated`, `inconclusive` or `not-judged`.
    pub verdict: Overall,
    /// Exit code that goes with it.
    pub exit_code: i32,
    /// Why, in words, the gravest first.
    pub reasons: Vec<String>,
    /// Faults in the order of the schedule.
    pub faults: Vec<FaultEntry>,
    /// Lanes in the order of the run.
    pub lanes: Vec<LaneEntry>,
    /// Doubts about the run as a whole.
    pub doubts: Vec<String>,
}

/// What ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEntry {
    /// Identity of the run.
    pub id: String,
    /// `kafka`, `rabbitmq`, `pubsub`.
    pub system: String,
    /// Version of the product.
    pub broker_version: String,
    /// Features the cluster had agreed on, each with its level; left out where the product has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, String>,
    /// Client library and version.
    pub client: String,
    /// Version of this program.
    pub tool_version: String,
    /// Commit it was built from; left out where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool_commit: String,
    /// Where the cluster ran.
    pub backend: String,
    /// No real broker took part.
    pub simulated: bool,
    /// `vendor` or `short`.
    pub timings: String,
    /// Timings that differ from the vendor's.
    pub tuned: Vec<String>,
    /// What had to be done by hand, as an operator would, for the cluster to come back; left out where nothing had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<String>,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Wall-clock start, RFC 3339.
    pub started_at: String,
    /// Wall-clock length, milliseconds; none where the run did not end.
    pub took_ms: Option<u64>,
    /// How it ended.
    pub status: RunStatus,
    /// Cores, memory, kernel.
    pub machine: String,
    /// Machines that joined the run with clients; left out where there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<WorkerMachine>,
    /// Nodes of the cluster.
    pub nodes: usize,
    /// Messages a second and lane, as asked for.
    pub rate_per_s: u32,
    /// Payload bytes a message.
    pub size_bytes: u32,
    /// Planned length of the load, milliseconds.
    pub load_ms: u64,
    /// What the user required.
    pub required: Vec<Requirement>,
    /// Events (of a history of operations: its lines) the verdict rests on.
    #[serde(default)]
    pub events_judged: u64,
    /// Events that could not be judged: of an unknown kind, or such as cannot be.
    #[serde(default)]
    pub events_not_judged: u64,
}

/// One fault and its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultEntry {
    /// `netsplit:leader`.
    pub fault: String,
    /// Who was hit, by name.
    pub target: Vec<String>,
    /// Planned start, milliseconds after the load began.
    pub start_ms: u64,
    /// How long it was on, milliseconds.
    pub lasted_ms: u64,
    /// Its rules dropped packets throughout and nothing crossed a full cut.
    pub bit: bool,
    /// The cluster saw it.
    pub noticed: bool,
    /// It was taken back and traffic flowed again.
    pub healed: bool,
    /// Packets (or frames) its rules dropped.
    pub packets_dropped: u64,
    /// Packets that crossed a full cut.
    pub packets_crossed: u64,
    /// Drops in each third of the window.
    pub dropped_by_third: [u64; 3],
    /// What it did to packets other than dropping them; absent for any other fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets_hit: Option<PacketsHit>,
    /// Looks at the processes it held down; absent for a fault of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks: Option<ProcessLooks>,
    /// Writes that were not synced and lost to a cut of the power; absent for any other fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_lost: Option<WritesLost>,
    /// What the product said of a change it was asked for; absent for any other fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed>,
    /// Nodes that were gone and came back; absent for any fault but a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted: Option<u64>,
    /// How often the clocks it set were read back; absent for any other fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_readings: Option<u64>,
    /// Writes and syncs that were held up in each third of the window; absent for any fault but a slow disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations_held: Option<[u64; 3]>,
    /// How the calls of the user's command ended that injected it; left out for any other fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// What the cluster saw, in words.
    pub evidence: Vec<String>,
    /// Why it did not bite, was not noticed or did not heal.
    pub reasons: Vec<String>,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneEntry {
    /// Its name.
    pub lane: String,
    /// Every setting by full name.
    pub config: BTreeMap<String, String>,
    /// The settings as the table shows them.
    pub settings: String,
    /// Whose defaults fill the rest.
    pub defaults_of: String,
    /// What its clients do.
    pub workload: Workload,
    /// False where the configuration asks for no acknowledgement: `lost` is then counted over `sent_unacknowledged`.
    pub acknowledged: bool,
    /// Settings of the user's file that the client does not know.
    pub not_applied: Vec<String>,
    /// Counts and latencies.
    pub stats: Stats,
    /// Anomalies that were seen, by kind.
    pub findings: Vec<Finding>,
    /// Every guarantee that applies.
    pub guarantees: Vec<GuaranteeJudgement>,
    /// Violated guarantees: required, promised, documented by whom.
    pub violations: Vec<Violation>,
    /// What the user required.
    pub required: Vec<RequiredJudgement>,
    /// CP, AP and the like.
    pub label: LabelEntry,
    /// Claims of the vendor's that apply.
    pub claims: Vec<ClaimJudgement>,
    /// How the lane stands; none where it was not judged.
    pub standing: Option<Standing>,
    /// Share of the fault's time with sends acked, 0 to 1.
    pub available_during_fault: Option<f64>,
    /// Longest time without an ack, milliseconds.
    pub longest_stall_ms: u64,
    /// By fault: how long the lane took to come back after its heal.
    pub recovery: Vec<Recovery>,
    /// What keeps anything here from being judged to hold.
    pub doubts: Vec<String>,
}

/// The label a vendor claims and the one that was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelEntry {
    /// As the vendor uses it; none where it uses none.
    pub claimed: Option<String>,
    /// As observed.
    pub observed: String,
    /// The numbers it rests on.
    pub reason: String,
    /// Writes per side of the cut.
    pub sides: Vec<SideWrites>,
}

/// The document of a report.
pub fn document(report: &Report<'_>) -> Document {
    Document {
        schema: SCHEMA,
        run: run_entry(report),
        verdict: report.verdict.overall,
        exit_code: report.verdict.overall.exit_code(),
        reasons: report.verdict.reasons.clone(),
        faults: fault_entries(report),
        lanes: report.lanes().map(lane_entry).collect(),
        doubts: report.judgement.doubts.clone(),
    }
}

impl Document {
    /// What it was made of: all that is left of a run whose history was thrown away.
    pub fn read_back(self) -> (Judgement, RunVerdict) {
        let events = EventCounts { judged: self.run.events_judged, not_judged: self.run.events_not_judged };
        let (mut judged, mut verdicts) = (Vec::new(), Vec::new());
        for lane in self.lanes {
            let (judgement, verdict) = lane.read_back();
            judged.extend(judgement);
            verdicts.extend(verdict);
        }
        let faults = self.faults.into_iter().map(FaultEntry::read_back).collect();
        let judgement = Judgement { faults, lanes: judged, doubts: self.doubts, events };
        (judgement, RunVerdict { overall: self.verdict, reasons: self.reasons, lanes: verdicts })
    }
}

impl FaultEntry {
    fn read_back(self) -> FaultJudgement {
        FaultJudgement {
            fault: self.fault,
            targets: self.target,
            start_ms: self.start_ms,
            lasted_ms: self.lasted_ms,
            bit: self.bit,
            noticed: self.noticed,
            healed: self.healed,
            packets_dropped: self.packets_dropped,
            packets_crossed: self.packets_crossed,
            dropped_by_third: self.dropped_by_third,
            packets_hit: self.packets_hit,
            looks: self.looks,
            writes_lost: self.writes_lost,
            confirmed: self.confirmed,
            restarted: self.restarted,
            clock_readings: self.clock_readings,
            operations_held: self.operations_held,
            hook: self.hook,
            evidence: self.evidence,
            reasons: self.reasons,
        }
    }
}

impl LaneEntry {
    /// Nothing was judged where no guarantee was.
    fn read_back(self) -> (Option<LaneJudgement>, Option<LaneVerdict>) {
        let verdict = self.standing.map(|standing| LaneVerdict {
            lane: self.lane.clone(),
            claims: self.claims,
            required: self.required,
            violations: self.violations,
            claimed_label: self.label.claimed,
            standing,
        });
        let judged = LaneJudgement {
            lane: self.lane,
            stats: self.stats,
            findings: self.findings,
            label: Label { observed: self.label.observed, reason: self.label.reason, sides: self.label.sides },
            available_during_fault: self.available_during_fault,
            longest_stall_ms: self.longest_stall_ms,
            recovery: self.recovery,
            doubts: self.doubts,
            guarantees: self.guarantees,
        };
        (Some(judged).filter(|judged| !judged.guarantees.is_empty()), verdict)
    }
}

/// Wall-clock length of a run that ended, milliseconds.
pub(crate) fn took_ms(status: &RunStatus) -> Option<u64> {
    match status {
        RunStatus::Running => None,
        RunStatus::Finished { took_ms } | RunStatus::CutShort { took_ms, .. } => Some(*took_ms),
    }
}

fn run_entry(report: &Report<'_>) -> RunEntry {
    let manifest = report.manifest;
    RunEntry {
        id: manifest.run_id.clone(),
        system: manifest.system.clone(),
        broker_version: manifest.broker_version.clone(),
        features: manifest.features.clone(),
        client: manifest.client.clone(),
        tool_version: manifest.tool_version.clone(),
        tool_commit: manifest.tool_commit.clone(),
        backend: manifest.backend.clone(),
        simulated: manifest.simulated,
        timings: manifest.timings.clone(),
        tuned: manifest.tuned.clone(),
        by_hand: manifest.by_hand.clone(),
        seed: manifest.seed,
        started_at: manifest.started_at.clone(),
        took_ms: took_ms(&manifest.status),
        status: manifest.status.clone(),
        machine: manifest.machine.clone(),
        machines: manifest.machines.clone(),
        nodes: manifest.nodes.len(),
        rate_per_s: manifest.rate_per_s,
        size_bytes: manifest.size_bytes,
        load_ms: manifest.load_ms,
        required: manifest.required.clone(),
        events_judged: report.judgement.events.judged,
        events_not_judged: report.judgement.events.not_judged,
    }
}

fn fault_entries(report: &Report<'_>) -> Vec<FaultEntry> {
    let faults = report.judgement.faults.iter();
    faults
        .map(|fault| FaultEntry {
            fault: fault.fault.clone(),
            target: fault.targets.clone(),
            start_ms: fault.start_ms,
            lasted_ms: fault.lasted_ms,
            bit: fault.bit,
            noticed: fault.noticed,
            healed: fault.healed,
            packets_dropped: fault.packets_dropped,
            packets_crossed: fault.packets_crossed,
            dropped_by_third: fault.dropped_by_third,
            packets_hit: fault.packets_hit.clone(),
            looks: fault.looks.clone(),
            writes_lost: fault.writes_lost,
            confirmed: fault.confirmed,
            restarted: fault.restarted,
            clock_readings: fault.clock_readings,
            operations_held: fault.operations_held,
            hook: fault.hook.clone(),
            evidence: fault.evidence.clone(),
            reasons: fault.reasons.clone(),
        })
        .collect()
}

fn lane_entry(view: LaneView<'_>) -> LaneEntry {
    let LaneView { lane, judged, verdict } = view;
    let label = judged.map(|judged| judged.label.clone()).unwrap_or_default();
    let claimed = verdict.and_then(|verdict| verdict.claimed_label.clone());
    let findings = judged.map(|judged| judged.findings.clone()).unwrap_or_default();
    LaneEntry {
        lane: lane.name.clone(),
        config: lane.config.clone(),
        settings: lane.settings.clone(),
        defaults_of: lane.defaults_of.clone(),
        workload: lane.workload,
        acknowledged: lane.acknowledged,
        not_applied: lane.not_applied.clone(),
        stats: judged.map(|judged| judged.stats.clone()).unwrap_or_default(),
        findings: findings.into_iter().filter(|finding| finding.count > 0).collect(),
        guarantees: judged.map(|judged| judged.guarantees.clone()).unwrap_or_default(),
        violations: verdict.map(|verdict| verdict.violations.clone()).unwrap_or_default(),
        required: verdict.map(|verdict| verdict.required.clone()).unwrap_or_default(),
        label: LabelEntry { claimed, observed: label.observed, reason: label.reason, sides: label.sides },
        claims: verdict.map(|verdict| verdict.claims.clone()).unwrap_or_default(),
        standing: verdict.map(|verdict| verdict.standing),
        available_during_fault: judged.and_then(|judged| judged.available_during_fault),
        longest_stall_ms: judged.map_or(0, |judged| judged.longest_stall_ms),
        recovery: judged.map_or_else(Vec::new, |judged| judged.recovery.clone()),
        doubts: judged.map(|judged| judged.doubts.clone()).unwrap_or_default(),
    }
}
