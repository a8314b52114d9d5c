//! From findings and doubts to verdicts. Violated needs proof, holds needs no doubt left,
//! everything else is inconclusive and says why.

use delivery_history::manifest::Workload;

use crate::judge::Scope;
use crate::judgement::{Guarantee, GuaranteeJudgement, Verdict};

/// Doubts told in one reason.
const MAX_TOLD: usize = 3;

/// What keeps guarantees from being judged to hold, by what it touches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubts {
    /// Everything: damage, a fault that did not bite, clients that did little.
    pub(crate) general: Vec<String>,
    /// What is stored is not known whole.
    pub(crate) storage: Vec<String>,
    /// Messages are missing, and nothing proves whose doing that is.
    pub(crate) missing: Vec<String>,
    /// Replicas were not all read, or cannot be compared.
    pub(crate) replicas: Vec<String>,
    /// Groups did not drain, or their members did not record all.
    pub(crate) readers: Vec<String>,
    /// Writes and groups were not seen to come back.
    pub(crate) comeback: Vec<String>,
    /// One guarantee could not have been seen to break.
    pub(crate) unbreakable: Vec<(Guarantee, String)>,
}

impl Doubts {
    /// All of them, each once.
    pub(crate) fn all(&self) -> Vec<String> {
        let parts = [&self.general, &self.storage, &self.missing, &self.replicas, &self.readers, &self.comeback];
        let mut all: Vec<String> = Vec::new();
        for doubt in parts.into_iter().flatten() {
            if !all.contains(doubt) {
                all.push(doubt.clone());
            }
        }
        all
    }

    /// Those that touch `guarantee`.
    fn touching(&self, guarantee: Guarantee, workload: Workload) -> Vec<&String> {
        let fanout = workload == Workload::Fanout;
        let (storage, replicas, readers) = match guarantee {
            // What a queue's consumers were given has an order, what lies in it shows none.
            Guarantee::Ordering if workload == Workload::Queue => (false, false, true),
            Guarantee::Durability | Guarantee::Ordering => (true, false, fanout),
            Guarantee::AtLeastOnce
            | Guarantee::AtMostOnce
            | Guarantee::ExactlyOnce
            | Guarantee::Integrity
            | Guarantee::Atomicity => (true, false, true),
            Guarantee::Agreement => (true, true, true),
            Guarantee::Liveness => (false, false, true),
        };
        let mut touching: Vec<&String> = self.general.iter().collect();
        touching.extend(self.storage.iter().filter(|_| storage));
        let counts_all = matches!(guarantee, Guarantee::Durability | Guarantee::AtLeastOnce | Guarantee::ExactlyOnce);
        touching.extend(self.missing.iter().filter(|_| counts_all));
        touching.extend(self.replicas.iter().filter(|_| replicas));
        touching.extend(self.readers.iter().filter(|_| readers));
        touching.extend(&self.comeback);
        touching.extend(self.unbreakable.iter().filter(|(one, _)| *one == guarantee).map(|(_, words)| words));
        touching
    }
}

/// What was proved against guarantees: counts of anomalies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proved {
    pub(crate) lost: u64,
    /// (Message, group) pairs, with the drain as proof.
    pub(crate) undelivered: u64,
    pub(crate) stored_twice: u64,
    pub(crate) processed_twice: u64,
    pub(crate) reordered: u64,
    pub(crate) disagreement: u64,
    pub(crate) phantom: u64,
    pub(crate) corrupt: u64,
    pub(crate) failed_but_stored: u64,
    pub(crate) torn: u64,
    pub(crate) aborted_read: u64,
    pub(crate) uncommitted_read: u64,
    pub(crate) output_twice: u64,
    pub(crate) hanging: u64,
    /// Why liveness is violated.
    pub(crate) not_live: Option<String>,
}

/// What the lane is, for reasons.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneKind {
    pub(crate) scope: Scope,
    pub(crate) workload: Workload,
    pub(crate) acknowledged: bool,
    /// No fault was asked for.
    pub(crate) calm: bool,
}

/// Judges every guarantee that applies, in the order of the output.
pub(crate) fn judge(kind: LaneKind, proved: &Proved, doubts: &Doubts) -> Vec<GuaranteeJudgement> {
    let applies = |guarantee: &&Guarantee| match guarantee {
        Guarantee::Ordering | Guarantee::Agreement | Guarantee::Atomicity | Guarantee::Liveness
            if kind.scope == Scope::Delivery =>
        {
            false
        }
        guarantee => guarantee.applies_to(kind.workload),
    };
    Guarantee::ALL.iter().filter(applies).map(|guarantee| judge_one(*guarantee, kind, proved, doubts)).collect()
}

fn judge_one(name: Guarantee, kind: LaneKind, proved: &Proved, doubts: &Doubts) -> GuaranteeJudgement {
    let against = proved_against(name, kind, proved);
    if !against.is_empty() {
        return GuaranteeJudgement { name, verdict: Verdict::Violated, reason: against.join("; ") };
    }
    let mut touching = doubts.touching(name, kind.workload);
    touching.dedup();
    if !touching.is_empty() {
        let mut told: Vec<String> = touching.iter().take(MAX_TOLD).map(|doubt| (*doubt).clone()).collect();
        if touching.len() > MAX_TOLD {
            told.push(format!("and {} more", touching.len() - MAX_TOLD));
        }
        return GuaranteeJudgement { name, verdict: Verdict::Inconclusive, reason: told.join("; ") };
    }
    let reason = if kind.calm { "no fault was injected: holds in calm weather only" } else { "" };
    GuaranteeJudgement { name, verdict: Verdict::Holds, reason: reason.to_owned() }
}

fn proved_against(name: Guarantee, kind: LaneKind, proved: &Proved) -> Vec<String> {
    let taken = if kind.acknowledged { "acked" } else { "sent (no ack is asked for)" };
    let lost = (proved.lost, format!("{} {taken} {} lost", proved.lost, messages(proved.lost)));
    let undelivered = (
        proved.undelivered,
        format!("{} {taken} but never processed before the drain ended", counted(proved.undelivered)),
    );
    let stored_twice = (proved.stored_twice, format!("{} stored more than once", counted(proved.stored_twice)));
    let processed_twice =
        (proved.processed_twice, format!("{} processed more than once in a group", counted(proved.processed_twice)));
    let output_twice =
        (proved.output_twice, format!("{} with more than one committed output", counted(proved.output_twice)));
    let against = match name {
        Guarantee::Durability => vec![lost],
        Guarantee::AtLeastOnce => vec![lost, undelivered],
        Guarantee::AtMostOnce => vec![processed_twice, stored_twice, output_twice],
        Guarantee::ExactlyOnce => vec![lost, undelivered, processed_twice, output_twice],
        Guarantee::Ordering => {
            let what =
                if matches!(kind.workload, Workload::Fanout | Workload::Queue) { "first delivered" } else { "stored" };
            vec![(
                proved.reordered,
                format!("{} {what} after a later one of the same session", counted(proved.reordered)),
            )]
        }
        Guarantee::Agreement => {
            vec![(proved.disagreement, format!("replicas or readers differ at {} offsets", proved.disagreement))]
        }
        Guarantee::Integrity => vec![
            (proved.phantom, format!("{} never sent there", counted(proved.phantom))),
            (proved.corrupt, format!("{} altered", counted(proved.corrupt))),
            (
                proved.failed_but_stored,
                format!("{} failed for certain and there all the same", counted(proved.failed_but_stored)),
            ),
        ],
        Guarantee::Atomicity => vec![
            (proved.torn, format!("{} transactions torn", proved.torn)),
            (proved.aborted_read, format!("{} of aborted transactions read", counted(proved.aborted_read))),
            (proved.uncommitted_read, format!("{} read before the commit", counted(proved.uncommitted_read))),
        ],
        Guarantee::Liveness => {
            let words = proved.not_live.clone();
            let hanging = format!("transactions that nobody ends in {} destinations", proved.hanging);
            vec![(u64::from(words.is_some()), words.unwrap_or_default()), (proved.hanging, hanging)]
        }
    };
    against.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect()
}

fn messages(count: u64) -> &'static str {
    if count == 1 { "message" } else { "messages" }
}

/// `1 message`, `3 messages`.
pub(crate) fn counted(count: u64) -> String {
    format!("{count} {}", messages(count))
}
