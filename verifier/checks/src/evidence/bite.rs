//! Did a fault bite, and did the cluster notice? (No vacuous pass.)

use delivery_history::manifest::{BiteProof, Fault, Role, Workload};
use delivery_history::{EventKind, NO_NODE};

use crate::context::Context;
use crate::evidence::change::{ChangeFacts, confirmed, is_change};
use crate::evidence::clocks::{clock_readings, clock_words};
use crate::evidence::hook::HookFacts;
use crate::evidence::machines::{ended_words, held_by_third, restart_words, restarted};
use crate::evidence::observations::{Before, Change, Subject};
use crate::evidence::packets::{packets_dropped, packets_hit};
use crate::evidence::proof::{is_of_processes, looks, was_at_work, why_not_bit, writes_lost};
use crate::evidence::stall::{Felt, Slowed};
use crate::evidence::timeline::FaultWindow;
use crate::judgement::FaultJudgement;
use crate::node_set::{node_bits, nodes_in};

/// A change the fault caused may be told of this long after the heal: observers ask every half second.
const NOTICE_GRACE_NS: u64 = 1_000_000_000;
/// Changes told in words; more say nothing new.
const MAX_EVIDENCE: usize = 12;

/// What is known of one fault of the schedule.
pub(crate) struct FaultFacts {
    /// `netsplit@2s+1s`.
    pub(crate) label: String,
    /// Start and heal, where both happened.
    pub(crate) span_ns: Option<(u64, u64)>,
    /// What the cluster looked like before it.
    pub(crate) before: Before,
    changes: Vec<Change>,
    /// Hit hosts as node bits.
    pub(crate) target_bits: u64,
    /// Why it did not bite; empty when it did.
    not_bit: Vec<String>,
    /// Why nobody can have noticed, or `no change was seen`.
    unnoticed: String,
    /// Clients that were hit themselves.
    workers: Vec<u16>,
    /// Of a fault that may stay below failure detection: lanes whose clients stalled, with for how long.
    stalls: Vec<(u16, u64)>,
    /// Lanes whose sends took longer, with how long.
    slowed: Vec<(u16, Slowed)>,
    /// Destinations it added, those first that some node told of while it was on.
    adds: Vec<u16>,
    told_of: Vec<u16>,
    /// It is a change the product was asked for.
    change: Option<ChangeFacts>,
    /// It held processes down, and cut nothing.
    of_processes: bool,
    /// Some node that was not hit told of a resource alarm that was raised meanwhile: who, and when.
    alarmed: Option<(u32, u64)>,
    /// What became of the processes of nodes whose machine was hit, in words.
    words: Vec<String>,
    /// The product itself showed it to us: it stamped what it took with the wrong time.
    shown_by_hit: bool,
    /// No node was left to notice, and each of them was asked and did not answer.
    all_silent: bool,
    /// A command of the user's injected it.
    hook: Option<HookFacts>,
}

impl FaultFacts {
    /// Collects what was recorded of fault `index`.
    pub(crate) fn collect(context: &Context<'_>, index: usize, fault: &Fault) -> Self {
        let window = context.timeline.faults.get(index).cloned().unwrap_or_default();
        let before = window.started_ns.map(|at_ns| context.observations.before(at_ns)).unwrap_or_default();
        let target_bits = node_bits(fault.targets.iter().copied());
        // A change of the product leaves everybody able to tell, but for a node that is taken out.
        let is_well = is_change(fault.bites_by) && fault.bites_by != BiteProof::MemberLeft;
        let witnesses = witnesses(context, if is_well { 0 } else { target_bits });
        let changes = window.span_ns().map_or_else(Vec::new, |(from_ns, to_ns)| {
            let until_ns = to_ns.saturating_add(NOTICE_GRACE_NS);
            match is_change(fault.bites_by) {
                true => context.observations.moves(&before, witnesses, from_ns, until_ns),
                false => context.observations.changes(&before, witnesses, from_ns, until_ns),
            }
        });
        let label = fault_label(fault);
        let change = ChangeFacts::collect(context, &label, fault, &window, &before);
        let alarmed = window.span_ns().and_then(|(from_ns, to_ns)| {
            context.observations.alarm_raised(witnesses, from_ns, to_ns.saturating_add(NOTICE_GRACE_NS))
        });
        let words = match fault.bites_by {
            BiteProof::ProcessRestarted => restart_words(context, fault, &window),
            BiteProof::ClockShifted => clock_words(context, fault, &window),
            BiteProof::DiskFull => ended_words(context, fault, &window),
            _ => Vec::new(),
        };
        let mut not_bit = why_not_bit(context, &label, fault, &window);
        let hook = (fault.bites_by == BiteProof::HookFelt)
            .then(|| HookFacts::collect(context, &label, fault, &window, &before, (target_bits, witnesses)));
        not_bit.extend(hook.iter().flat_map(|hook| hook.reasons.clone()));
        let shown_by_hit = fault.bites_by == BiteProof::ClockShifted && not_bit.is_empty();
        let unnoticed = why_unnoticed(context, &label, fault, &window, &before);
        let span_ns = window.span_ns();
        let of_processes = is_of_processes(fault.bites_by);
        let all_silent = of_processes && all_were_silent(context, target_bits, span_ns);
        let workers = fault.workers.clone();
        let (stalls, slowed) = match window.span_ns().filter(|_| fault.gray && not_bit.is_empty()) {
            Some(span_ns) => felt(context, index, span_ns),
            None => (Vec::new(), Vec::new()),
        };
        let told_of = told_of(context, fault, window.span_ns());
        let adds = fault.adds.clone();
        Self {
            label,
            span_ns,
            before,
            changes,
            target_bits,
            not_bit,
            unnoticed,
            workers,
            stalls,
            slowed,
            adds,
            told_of,
            change,
            alarmed,
            words,
            shown_by_hit,
            of_processes,
            all_silent,
            hook,
        }
    }

    /// Nodes whose acks the fault could undo in a lane with these destinations: the targets, and who led before it;
    /// every node where clients were hit, whoever acked what they sent or read.
    pub(crate) fn exposed_bits(&self, destinations: &[u16]) -> u64 {
        if !self.workers.is_empty() {
            return u64::MAX;
        }
        let leaders = destinations.iter().filter_map(|destination| self.before.leader(*destination));
        self.target_bits | node_bits(leaders.map(|known| known.leader).filter(|leader| *leader != NO_NODE))
    }

    /// Why the fault proves nothing about a lane with these destinations; nothing when it bit and was noticed.
    pub(crate) fn why_vacuous(
        &self,
        context: &Context<'_>,
        workload: Workload,
        lane: u16,
        destinations: &[u16],
    ) -> Option<String> {
        if let Some(reason) = self.not_bit.first() {
            return Some(reason.clone());
        }
        if !self.workers.is_empty() {
            return self.why_clients_vacuous(context, lane);
        }
        if let Some(change) = &self.change {
            return change.why_vacuous(destinations);
        }
        if !self.adds.is_empty() {
            return self.why_unchanged(destinations);
        }
        if !self.hit_lane(context, workload, destinations) {
            let hit = context.host_names(nodes_in(self.target_bits));
            return Some(format!("{} hit {hit}, which neither led nor held anything of this lane", self.label));
        }
        if let Some(hook) = &self.hook {
            return (!self.is_felt_by(hook, lane, destinations)).then(|| self.unfelt());
        }
        let stalled = self.stalls.iter().any(|(stalled, _)| *stalled == lane)
            || self.slowed.iter().any(|(slowed, _)| *slowed == lane);
        (!self.noticed_by(destinations) && !stalled && self.alarmed.is_none() && !self.shown_by_hit)
            .then(|| self.unnoticed.clone())
    }

    fn is_felt_by(&self, hook: &HookFacts, lane: u16, destinations: &[u16]) -> bool {
        let stalled = self.stalls.iter().find(|(stalled, _)| *stalled == lane).map(|(_, stall_ns)| *stall_ns);
        let slowed = self.slowed.iter().find(|(slowed, _)| *slowed == lane).map(|(_, slowed)| *slowed);
        hook.is_felt_by(destinations, stalled, slowed)
    }

    fn unfelt(&self) -> String {
        format!(
            "the fault hook said that {} was on, but neither did other nodes miss whom it hit, nor did clients stand still \
             most of its time",
            self.label
        )
    }

    /// Whether anybody at all felt what a command injected.
    fn is_felt(&self, context: &Context<'_>, hook: &HookFacts) -> bool {
        let lanes = (0u16..).zip(&context.manifest.lanes).map(|(lane, _)| lane);
        hook.is_felt_by_nodes() || lanes.into_iter().any(|lane| self.is_felt_by(hook, lane, &[]))
    }

    /// Why a change of the product proves nothing about a lane with these destinations.
    fn why_unchanged(&self, destinations: &[u16]) -> Option<String> {
        let mine = || self.adds.iter().filter(|added| destinations.contains(added));
        if mine().next().is_none() {
            return Some(format!("{} added nothing to this lane", self.label));
        }
        let untold = mine().any(|added| !self.told_of.contains(added));
        untold.then(|| format!("no node told of what {} added while it was on", self.label))
    }

    fn why_clients_vacuous(&self, context: &Context<'_>, lane: u16) -> Option<String> {
        let of_lane = |worker: &&u16| {
            context.manifest.workers.get(usize::from(**worker)).is_some_and(|known| known.lane == Some(lane))
        };
        let Some(worker) = self.workers.iter().find(of_lane) else {
            return Some(format!("{} hit no client of this lane", self.label));
        };
        let start_ns = self.span_ns.map_or(0, |(start_ns, _)| start_ns);
        (!was_at_work(context, *worker, start_ns)).then(|| {
            format!(
                "{} was not at work when {} hit it: there was nothing to bite",
                context.worker_name(*worker),
                self.label
            )
        })
    }

    /// How long after its start a fault of processes was noticed, milliseconds: a connection that breaks says so long before
    /// any time-out does. Nothing for a cut, which breaks none.
    pub(crate) fn noticed_after_ms(&self) -> Option<u64> {
        let first_ns = self.changes.iter().map(|change| change.at_ns).min().filter(|_| self.of_processes)?;
        Some(first_ns.saturating_sub(self.span_ns?.0) / 1_000_000)
    }

    /// Whether producers were hit themselves: that they send nothing is the fault.
    pub(crate) fn hit_producers(&self, context: &Context<'_>) -> bool {
        let workers = &context.manifest.workers;
        let mut hit = self.workers.iter().filter_map(|worker| workers.get(usize::from(*worker)));
        hit.any(|worker| worker.role == Role::Producer)
    }

    fn noticed_by(&self, destinations: &[u16]) -> bool {
        self.all_silent
            || self.changes.iter().any(|change| match change.subject {
                Subject::Leader(destination) | Subject::Isr(destination) => destinations.contains(&destination),
                Subject::Controller | Subject::Members => true,
            })
    }

    fn hit_lane(&self, context: &Context<'_>, workload: Workload, destinations: &[u16]) -> bool {
        let all_nodes = node_bits(context.manifest.nodes.iter().map(|node| node.id));
        let controllers = node_bits(context.manifest.controllers.iter().map(|node| node.id));
        destinations.iter().any(|destination| {
            let leader = self.before.leader(*destination).map_or(0, |known| node_bits([known.leader]));
            let members = match (workload, self.before.isr_bits(*destination)) {
                (Workload::Log | Workload::Transactions | Workload::Queue, Some(bits)) => u64::from(bits),
                _ => all_nodes,
            };
            // Whoever keeps the metadata belongs to every lane.
            self.target_bits & (leader | members | controllers) != 0
        })
    }

    /// Whether anybody noticed a fault that is no change of the product's own.
    fn is_noticed(&self) -> bool {
        // Clients notice themselves that they are gone or stand still.
        !self.changes.is_empty()
            || !self.stalls.is_empty()
            || !self.slowed.is_empty()
            || self.alarmed.is_some()
            || self.shown_by_hit
            || self.all_silent
            || !self.workers.is_empty()
            || (!self.adds.is_empty() && self.adds.iter().all(|added| self.told_of.contains(added)))
    }

    /// What the report says of the fault; `flowed_again`: writes were taken after the heal.
    pub(crate) fn judgement(
        &self,
        context: &Context<'_>,
        index: usize,
        fault: &Fault,
        flowed_again: bool,
    ) -> FaultJudgement {
        let window = context.timeline.faults.get(index).cloned().unwrap_or_default();
        let seen = match (&self.change, &self.hook) {
            (Some(change), _) => change.is_noticed(),
            (None, Some(hook)) => self.is_felt(context, hook),
            (None, None) => self.is_noticed(),
        };
        // What did nothing cannot have been what was seen.
        let noticed = seen && self.not_bit.is_empty();
        let is_back = self.change.as_ref().is_none_or(|change| change.why_not_back().is_none());
        let healed = window.healed_ns.is_some() && flowed_again && is_back;
        let (packets_dropped, dropped_by_third) = packets_dropped(&window);
        let mut reasons = self.not_bit.clone();
        if self.not_bit.is_empty() && !noticed {
            reasons.push(match (&self.change, &self.hook) {
                (Some(change), _) => format!("{} was confirmed, but {}", self.label, change.untold()),
                (None, Some(_)) => self.unfelt(),
                (None, None) => self.unnoticed.clone(),
            });
        }
        reasons.extend(self.change.as_ref().and_then(ChangeFacts::why_not_back));
        if window.healed_ns.is_some() && !flowed_again {
            reasons.push(format!("no write was taken after {} was healed", self.label));
        }
        FaultJudgement {
            fault: if fault.shape.is_empty() {
                fault.fault.clone()
            } else {
                format!("{}:{}", fault.fault, fault.shape)
            },
            targets: names(context, fault),
            start_ms: fault.start_ms,
            lasted_ms: window.span_ns().map_or(0, |(from_ns, to_ns)| (to_ns - from_ns) / 1_000_000),
            bit: self.not_bit.is_empty() && (noticed || self.hook.is_none()),
            noticed,
            healed,
            packets_dropped,
            packets_crossed: window.crossed.unwrap_or(0),
            dropped_by_third,
            packets_hit: packets_hit(fault, &window),
            looks: looks(fault, &window),
            writes_lost: writes_lost(&window),
            confirmed: confirmed(fault, &window),
            restarted: (fault.bites_by == BiteProof::ProcessRestarted).then(|| restarted(fault, &window)),
            clock_readings: (fault.bites_by == BiteProof::ClockShifted)
                .then(|| clock_readings(context, fault, &window)),
            operations_held: (fault.bites_by == BiteProof::DiskSlow).then(|| held_by_third(&window, None)),
            hook: self.hook.as_ref().map(|hook| hook.words.clone()),
            evidence: self.evidence(context, window.started_ns.unwrap_or(0)),
            reasons,
        }
    }

    fn evidence(&self, context: &Context<'_>, start_ns: u64) -> Vec<String> {
        let mut changes = self.changes.clone();
        changes.sort_by_key(|change| change.at_ns);
        changes.truncate(MAX_EVIDENCE);
        let stalls = self.stalls.iter().map(|(lane, stall_ns)| stall_words(context, *lane, *stall_ns));
        let slowed = self.slowed.iter().map(|(lane, slowed)| slowed_words(context, *lane, *slowed));
        let alarm = self.alarmed.map(|(node, at_ns)| {
            let after_s = at_ns.saturating_sub(start_ns) as f64 / 1e9;
            format!("{} told of a resource alarm after {after_s:.1} s", context.host_name(node))
        });
        let changes = changes.iter().map(|change| change_words(context, change, start_ns));
        self.words.iter().cloned().chain(alarm).chain(changes).chain(stalls).chain(slowed).collect()
    }
}

/// Nodes whose word shows that the cluster noticed. That a cut-off node misses its peers within a
/// heartbeat says nothing of the rest, which may never have missed it.
fn witnesses(context: &Context<'_>, target_bits: u64) -> u64 {
    let all = node_bits(context.manifest.nodes.iter().chain(&context.manifest.controllers).map(|node| node.id));
    if all & !target_bits == 0 { all } else { all & !target_bits }
}

fn change_words(context: &Context<'_>, change: &Change, start_ns: u64) -> String {
    let after_s = change.at_ns.saturating_sub(start_ns) as f64 / 1e9;
    format!("{} after {after_s:.1} s", said_words(context, change))
}

/// `n2 said leader of safe-0 n1 -> n2`.
pub(crate) fn said_words(context: &Context<'_>, change: &Change) -> String {
    let who = context.host_name(change.node);
    let set = |bits: u32| context.host_names(nodes_in(u64::from(bits)));
    let name = |node: u32| context.host_name(node);
    let said = match change.subject {
        Subject::Leader(destination) => {
            let place = context.destination_name(destination);
            format!("leader of {place} {} -> {}", name(change.before), name(change.now))
        }
        Subject::Isr(destination) => {
            let place = context.destination_name(destination);
            format!("in-sync replicas of {place} {{{}}} -> {{{}}}", set(change.before), set(change.now))
        }
        Subject::Controller => format!("controller {} -> {}", name(change.before), name(change.now)),
        Subject::Members => format!("members {{{}}} -> {{{}}}", set(change.before), set(change.now)),
    };
    format!("{who} said {said}")
}

/// `netsplit@2s+1s`.
fn fault_label(fault: &Fault) -> String {
    format!("{}@{}+{}", fault.fault, seconds(fault.start_ms), seconds(fault.duration_ms))
}

/// Milliseconds as seconds without idle zeros: `1.5s`.
pub(crate) fn seconds(time_ms: u64) -> String {
    format!("{}s", time_ms as f64 / 1e3)
}

/// Nodes and clients that were hit, by name.
pub(crate) fn names(context: &Context<'_>, fault: &Fault) -> Vec<String> {
    let nodes = fault.targets.iter().map(|target| context.host_name(*target));
    nodes.chain(fault.workers.iter().map(|worker| context.worker_name(*worker))).collect()
}

/// Lanes whose clients stalled, each with the longest time without an ack, and those whose sends took longer.
type FeltByLane = (Vec<(u16, u64)>, Vec<(u16, Slowed)>);

/// What the clients of each lane felt of fault `index`, which bit.
fn felt(context: &Context<'_>, index: usize, span_ns: (u64, u64)) -> FeltByLane {
    let others = others_that_bit(context, index);
    let lanes = (0u16..).zip(&context.manifest.lanes);
    let felt: Vec<(u16, Felt<'_>)> =
        lanes.map(|(lane, _)| (lane, Felt::new(context, lane, span_ns, &others))).collect();
    let stalls = felt.iter().filter_map(|(lane, felt)| Some((*lane, felt.stall_ns()?))).collect();
    let slowed = felt.iter().filter_map(|(lane, felt)| Some((*lane, felt.slowed()?))).collect();
    (stalls, slowed)
}

/// When each other fault was on that bit. One that did not changed nothing: what clients waited for then they wait for by
/// themselves.
fn others_that_bit(context: &Context<'_>, index: usize) -> Vec<(u64, u64)> {
    let all = context.manifest.faults.iter().zip(&context.timeline.faults).enumerate();
    let others = all.filter(|(other, _)| *other != index);
    others
        .filter(|(_, (fault, window))| why_not_bit(context, &fault_label(fault), fault, window).is_empty())
        .filter_map(|(_, (_, window))| window.span_ns())
        .collect()
}

fn stall_words(context: &Context<'_>, lane: u16, stall_ns: u64) -> String {
    let name = context.manifest.lanes.get(usize::from(lane)).map_or("?", |lane| lane.name.as_str());
    format!("{name} got no ack for {:.1} s", stall_ns as f64 / 1e9)
}

fn slowed_words(context: &Context<'_>, lane: u16, slowed: Slowed) -> String {
    let name = context.manifest.lanes.get(usize::from(lane)).map_or("?", |lane| lane.name.as_str());
    let (during_ms, before_ms) = (slowed.during_ns / 1_000_000, slowed.before_ns / 1_000_000);
    format!("half of the sends of {name} took {during_ms} ms or longer, nine of ten no more than {before_ms} ms before")
}

/// Added destinations whose leader some node named while the fault was on.
fn told_of(context: &Context<'_>, fault: &Fault, span_ns: Option<(u64, u64)>) -> Vec<u16> {
    let Some((from_ns, to_ns)) = span_ns else { return Vec::new() };
    let named = |added: &&u16| {
        let mut told = context.observations.between(from_ns, to_ns.saturating_add(NOTICE_GRACE_NS));
        told.any(|event| event.kind() == Some(EventKind::ObservedLeader) && event.destination == **added)
    };
    fault.adds.iter().filter(named).copied().collect()
}

/// Whether the fault left no node that could have noticed, and none of them answered all the while it was on.
fn all_were_silent(context: &Context<'_>, target_bits: u64, span_ns: Option<(u64, u64)>) -> bool {
    let nodes: Vec<u32> = context.manifest.nodes.iter().map(|node| node.id).collect();
    let Some((from_ns, to_ns)) = span_ns else { return false };
    let all_hit = node_bits(nodes.iter().copied()) & !target_bits == 0;
    all_hit && nodes.iter().all(|node| context.observations.was_silent(*node, from_ns, to_ns))
}

fn why_unnoticed(context: &Context<'_>, label: &str, fault: &Fault, window: &FaultWindow, before: &Before) -> String {
    let Some((from_ns, to_ns)) = window.span_ns() else { return format!("{label} had no window") };
    if before.is_empty() {
        return format!("no node was observed before {label}: whether the cluster noticed is not known");
    }
    if context.observations.between(from_ns, to_ns).next().is_none() {
        return format!("no node answered the observer during {label}: whether the cluster noticed is not known");
    }
    let lasted_ms = (to_ns - from_ns) / 1_000_000;
    if lasted_ms < fault.detection_ms {
        let detection = seconds(fault.detection_ms).replace('s', " s");
        return format!(
            "{label} was over before detection ({detection}): no leader, ISR or membership change was seen"
        );
    }
    format!("{label} was not noticed: no leader, ISR, controller or membership change was seen")
}
