//! What a history of operations says of the guarantees, in the words of every other judgement: one lane.
//!
//! Each anomaly breaks one guarantee. What was acknowledged and never polled is not lost for that: no audit tells.

use super::anomaly::Anomaly;
use super::{LogCounts, LogJudgement};
use crate::judgement::{FindingKind, Guarantee, GuaranteeJudgement, Judgement, Label, LaneJudgement, Stats, Verdict};

/// Said wherever nothing is against a guarantee.
const CALM: &str = "no fault is shown to have bitten: holds in calm weather only";

impl Anomaly {
    /// The guarantee it breaks; nothing for what proves no breach by itself.
    pub const fn breaks(self) -> Option<Guarantee> {
        match self {
            Self::LostWrite => Some(Guarantee::Durability),
            Self::Duplicate => Some(Guarantee::AtMostOnce),
            Self::IntPollSkip
            | Self::IntNonmonotonicPoll
            | Self::IntSendSkip
            | Self::IntNonmonotonicSend
            | Self::PollSkip
            | Self::NonmonotonicPoll
            | Self::NonmonotonicSend => Some(Guarantee::Ordering),
            Self::InconsistentOffsets => Some(Guarantee::Agreement),
            Self::G1a | Self::Phantom => Some(Guarantee::Integrity),
            Self::PrecommittedRead | Self::G0 | Self::G1c | Self::G0Realtime | Self::G1cRealtime => {
                Some(Guarantee::Atomicity)
            }
            Self::Unseen => None,
        }
    }
}

impl LogJudgement {
    /// How many of `anomaly`.
    pub fn count(&self, anomaly: Anomaly) -> u64 {
        let found = self.findings.iter().find(|finding| finding.kind == FindingKind::Jepsen(anomaly));
        found.map_or(0, |finding| finding.count)
    }

    /// As the judgement of a run with one lane of this name.
    pub fn into_judgement(self, lane: &str) -> Judgement {
        let guarantees = self.guarantees();
        let events = self.events;
        let LogCounts { sent, acked, failed, unknown, delivered } = self.counts;
        let seconds = self.spans_ns as f64 / 1e9;
        let rate_per_s = if seconds > 0.0 { sent as f64 / seconds } else { 0.0 };
        let stats = Stats { sent, acked, failed, unknown, delivered, rate_per_s, ..Stats::default() };
        let reason = String::from("a history of operations does not say which node took them");
        let label = Label { observed: String::from("not shown"), reason, sides: Vec::new() };
        let lane = LaneJudgement {
            lane: lane.to_owned(),
            stats,
            findings: self.findings,
            guarantees,
            label,
            available_during_fault: None,
            longest_stall_ms: 0,
            recovery: Vec::new(),
            doubts: Vec::new(),
        };
        Judgement { faults: Vec::new(), lanes: vec![lane], doubts: Vec::new(), events }
    }

    /// A verdict on every guarantee such a history can say something about.
    fn guarantees(&self) -> Vec<GuaranteeJudgement> {
        let applies = |guarantee: &&Guarantee| match guarantee {
            Guarantee::Liveness => false,
            Guarantee::Atomicity => self.transactional || !self.against(Guarantee::Atomicity).is_empty(),
            _ => true,
        };
        Guarantee::ALL.iter().filter(applies).map(|guarantee| self.judge_one(*guarantee)).collect()
    }

    fn judge_one(&self, name: Guarantee) -> GuaranteeJudgement {
        let against = self.against(name);
        let open = self.open(name);
        let (verdict, reason) = if !against.is_empty() {
            (Verdict::Violated, against.join("; "))
        } else if !open.is_empty() {
            (Verdict::Inconclusive, open.join("; "))
        } else if name == Guarantee::Atomicity && !self.ww_deps {
            (Verdict::Holds, format!("without write-write dependencies (see --ww-deps); {CALM}"))
        } else {
            (Verdict::Holds, String::from(CALM))
        };
        GuaranteeJudgement { name, verdict, reason }
    }

    /// What breaks it, in words.
    fn against(&self, name: Guarantee) -> Vec<String> {
        let parts: &[Guarantee] = match name {
            Guarantee::AtLeastOnce => &[Guarantee::Durability],
            Guarantee::ExactlyOnce => &[Guarantee::Durability, Guarantee::AtMostOnce],
            _ => std::slice::from_ref(&name),
        };
        let found = self.findings.iter().filter_map(|finding| {
            let FindingKind::Jepsen(anomaly) = finding.kind else { return None };
            let breaks = anomaly.breaks().is_some_and(|broken| parts.contains(&broken));
            breaks.then(|| format!("{} {}", finding.count, anomaly.label()))
        });
        let mut against: Vec<String> = found.collect();
        if parts.contains(&Guarantee::AtMostOnce) && self.given_to_two_members > 0 {
            let (count, named) = (self.given_to_two_members, self.two_members_named.join(", "));
            let messages = if count == 1 { "message was" } else { "messages were" };
            against.push(format!("{count} {messages} given to two members of the group ({named})"));
        }
        against
    }

    /// What keeps it from being judged to hold, in words.
    fn open(&self, name: Guarantee) -> Vec<String> {
        let mut open = Vec::new();
        let delivers = matches!(name, Guarantee::Durability | Guarantee::AtLeastOnce | Guarantee::ExactlyOnce);
        if self.counts.acked == 0 && delivers {
            open.push(String::from("nothing was acknowledged"));
        }
        let unseen = self.count(Anomaly::Unseen);
        if unseen > 0 && delivers {
            let messages = if unseen == 1 { "message was" } else { "messages were" };
            open.push(format!("{unseen} acknowledged {messages} never polled, and there is no audit to look for them"));
        }
        if self.counts.delivered == 0 && !delivers {
            open.push(String::from("no poll returned anything"));
        }
        open
    }
}
