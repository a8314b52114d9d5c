//! What each node believed, and when.

use std::collections::{BTreeMap, BTreeSet};

use delivery_history::manifest::{Role, RunManifest};
use delivery_history::{Event, EventKind, NO_NODE};

use crate::evidence::hook::is_loss;
use crate::health::{Health, Watch};
use crate::node_set::node_bits;

/// What the nodes said, in the order of time.
pub(crate) struct Observations<'a> {
    said: Vec<&'a Event>,
    /// Who was asked and did not answer: (time, node).
    silent: Vec<(u64, u32)>,
    /// By which clock a node went: (time, node, how far it was ahead, milliseconds).
    clocks: Vec<(u64, u32, i64)>,
    /// Who told of resource alarms: (time, node).
    alarmed: Vec<(u64, u32)>,
    /// First time each node told of a resource alarm.
    pub(crate) alarms: BTreeMap<u32, u64>,
}

/// An answer that was on its way when a node went down may still come in for this long.
const ON_ITS_WAY_NS: u64 = 1_000_000_000;

/// Observers ask every half second: an alarm that nobody told of for this long was over.
const STANDING_NS: u64 = 2_000_000_000;
/// What a fault takes to start, at most, before its start is recorded.
const STARTING_NS: u64 = 1_000_000_000;

/// Leader of a destination as it was known at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownLeader {
    pub(crate) leader: u32,
    pub(crate) epoch: u64,
}

/// What an observation is about: who leads, and so on, where that is asked per destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Leader(u16),
    Isr(u16),
    Controller,
    Members,
}

impl Subject {
    pub(crate) fn of(event: &Event) -> Option<Self> {
        match event.kind()? {
            EventKind::ObservedLeader => Some(Self::Leader(event.destination)),
            EventKind::ObservedIsr => Some(Self::Isr(event.destination)),
            EventKind::ObservedController => Some(Self::Controller),
            EventKind::ObservedMembers => Some(Self::Members),
            _ => None,
        }
    }
}

/// A change some node told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) subject: Subject,
    /// Who said it.
    pub(crate) node: u32,
    pub(crate) at_ns: u64,
    /// What was believed before the fault (a leader, or a set of nodes).
    pub(crate) before: u32,
    /// What is believed now.
    pub(crate) now: u32,
}

/// What the nodes last said before a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// Newest epoch anybody told of, by subject.
    newest: BTreeMap<Subject, KnownLeader>,
    /// Sets, by subject and by who said it.
    sets: BTreeMap<(Subject, u32), u32>,
}

impl Before {
    /// The leader of `destination`.
    pub(crate) fn leader(&self, destination: u16) -> Option<KnownLeader> {
        self.newest.get(&Subject::Leader(destination)).copied()
    }

    /// Every node anybody counted as an in-sync replica of `destination`; nothing where nobody was asked.
    pub(crate) fn isr_bits(&self, destination: u16) -> Option<u32> {
        let said = self.sets.range((Subject::Isr(destination), 0)..=(Subject::Isr(destination), u32::MAX));
        said.map(|(_, bits)| *bits).reduce(|left, right| left | right)
    }

    /// Whether anything was observed at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.is_empty() && self.sets.is_empty()
    }

    fn take(&mut self, subject: Subject, event: &Event) {
        match subject {
            Subject::Leader(_) | Subject::Controller => {
                let said = KnownLeader { leader: event.detail, epoch: event.offset };
                let known = self.newest.entry(subject).or_insert(said);
                // A node that lags tells of an older epoch; one that knows none says so under the same one.
                if said.epoch > known.epoch || (said.epoch == known.epoch && said.leader != NO_NODE) {
                    *known = said;
                }
            }
            Subject::Isr(_) | Subject::Members => {
                self.sets.insert((subject, event.session), event.detail);
            }
        }
    }

    /// What was believed before, if `event` tells of something else: newer than anybody knew, or a set
    /// that nobody held. A node that merely catches up tells of no change.
    fn changed_by(&self, subject: Subject, event: &Event) -> Option<u32> {
        match subject {
            Subject::Leader(_) | Subject::Controller => {
                let known = self.newest.get(&subject)?;
                let other_leader = event.offset == known.epoch && event.detail != known.leader;
                (event.offset > known.epoch || other_leader).then_some(known.leader)
            }
            Subject::Isr(_) | Subject::Members => {
                let own = *self.sets.get(&(subject, event.session))?;
                let said = self.sets.range((subject, 0)..=(subject, u32::MAX));
                said.map(|(_, bits)| *bits).all(|bits| bits != event.detail).then_some(own)
            }
        }
    }
}

impl<'a> Observations<'a> {
    /// Reads the observers' streams.
    pub(crate) fn read(manifest: &RunManifest, streams: &[Option<&'a [Event]>], health: &mut Health) -> Self {
        let nodes: BTreeSet<u32> = manifest.nodes.iter().chain(&manifest.controllers).map(|node| node.id).collect();
        let mut said: Vec<&'a Event> = Vec::new();
        let mut silent: Vec<(u64, u32)> = Vec::new();
        let mut alarms: BTreeMap<u32, u64> = BTreeMap::new();
        let mut alarmed: Vec<(u64, u32)> = Vec::new();
        let mut clocks: Vec<(u64, u32, i64)> = Vec::new();
        for (number, worker) in manifest.workers.iter().enumerate().filter(|(_, one)| one.role == Role::Observer) {
            let (Some(Some(events)), Ok(number)) = (streams.get(number), u16::try_from(number)) else { continue };
            let mut watch = Watch::default();
            for event in *events {
                watch.see(event);
                watch.unknown_kinds += u64::from(event.kind().is_none());
            }
            health.note_watch(number, &worker.name, &watch);
            let no_answer = events.iter().filter(|event| event.kind() == Some(EventKind::ObservedSilence));
            silent.extend(no_answer.map(|event| (event.time_ns, event.session)));
            for event in events.iter().filter(|event| event.kind() == Some(EventKind::ObservedAlarms)) {
                alarms.entry(event.session).or_insert(event.time_ns);
                alarmed.push((event.time_ns, event.session));
            }
            let told = events.iter().filter(|event| event.kind() == Some(EventKind::ObservedClock));
            clocks.extend(told.map(|event| (event.time_ns, event.session, event.offset.cast_signed())));
            said.extend(events.iter().filter(|event| Subject::of(event).is_some() && nodes.contains(&event.session)));
        }
        said.sort_by_key(|event| event.time_ns);
        alarmed.sort_unstable();
        clocks.sort_unstable();
        Self { said, silent, clocks, alarmed, alarms }
    }

    /// Whether `node` was asked from `from_ns` to `to_ns` and answered nothing.
    pub(crate) fn was_silent(&self, node: u32, from_ns: u64, to_ns: u64) -> bool {
        let asked = self.silent.iter().any(|(at_ns, silent)| *silent == node && (from_ns..=to_ns).contains(at_ns));
        let answered = self.between(from_ns.saturating_add(ON_ITS_WAY_NS), to_ns).any(|event| event.session == node);
        asked && !answered
    }

    /// How far ahead the clock of `node` was from `from_ns` to `to_ns`: (time, milliseconds).
    pub(crate) fn clocks(&self, node: u32, from_ns: u64, to_ns: u64) -> impl Iterator<Item = (u64, i64)> {
        let of_node = self.clocks.iter().filter(move |(_, told, _)| *told == node);
        of_node.filter(move |(at_ns, ..)| (from_ns..=to_ns).contains(at_ns)).map(|(at_ns, _, ahead)| (*at_ns, *ahead))
    }

    /// The first of the nodes `witnesses` to tell of a resource alarm that was raised from `from_ns` to `to_ns`, and when: none of
    /// them had told of any for a while. It may be raised while a fault still starts: a disk takes a moment to fill.
    pub(crate) fn alarm_raised(&self, witnesses: u64, from_ns: u64, to_ns: u64) -> Option<(u32, u64)> {
        let told = self.alarmed.iter().filter(|(_, node)| witnesses & node_bits([*node]) != 0);
        let mut last_ns = None;
        for (at_ns, node) in told {
            let is_news = last_ns.is_none_or(|last_ns: u64| at_ns - last_ns >= STANDING_NS);
            if is_news && (from_ns.saturating_sub(STARTING_NS)..=to_ns).contains(at_ns) {
                return Some((*node, *at_ns));
            }
            last_ns = Some(*at_ns);
        }
        None
    }

    /// What the nodes last said before `time_ns`.
    pub(crate) fn before(&self, time_ns: u64) -> Before {
        let mut before = Before::default();
        for event in self.said.iter().take_while(|event| event.time_ns < time_ns) {
            if let Some(subject) = Subject::of(event) {
                before.take(subject, event);
            }
        }
        before
    }

    /// Changes against `before` that one of the nodes `witnesses` told of from `from_ns` to `to_ns`: the
    /// first of each subject.
    pub(crate) fn changes(&self, before: &Before, witnesses: u64, from_ns: u64, to_ns: u64) -> Vec<Change> {
        self.changes_that(before, witnesses, (from_ns, to_ns), |_| true)
    }

    /// Those among them that name somebody else: a leader that was elected again is none.
    pub(crate) fn moves(&self, before: &Before, witnesses: u64, from_ns: u64, to_ns: u64) -> Vec<Change> {
        let is_move = |change: &Change| change.now != change.before && change.now != NO_NODE;
        self.changes_that(before, witnesses, (from_ns, to_ns), is_move)
    }

    /// Those among them that leave out one of `targets` that was in before: the first of each subject.
    pub(crate) fn losses(
        &self,
        before: &Before,
        witnesses: u64,
        (from_ns, to_ns): (u64, u64),
        targets: u64,
    ) -> Vec<Change> {
        let counts = |change: &Change| is_loss(change.subject, change.before, change.now, targets);
        self.changes_that(before, witnesses, (from_ns, to_ns), counts)
    }

    /// Whether whoever told of a loss told until `until_ns` that a target is back in.
    pub(crate) fn comes_back(&self, loss: &Change, until_ns: u64, targets: u64) -> bool {
        let mut later = self.between(loss.at_ns.saturating_add(1), until_ns);
        later.any(|event| {
            let same = event.session == loss.node && Subject::of(event) == Some(loss.subject);
            same && !is_loss(loss.subject, loss.before, event.detail, targets)
        })
    }

    fn changes_that(
        &self,
        before: &Before,
        witnesses: u64,
        (from_ns, to_ns): (u64, u64),
        counts: impl Fn(&Change) -> bool,
    ) -> Vec<Change> {
        let mut first: BTreeMap<Subject, Change> = BTreeMap::new();
        let told = self.between(from_ns, to_ns).filter(|event| witnesses & node_bits([event.session]) != 0);
        for event in told {
            let Some(subject) = Subject::of(event) else { continue };
            let Some(believed) = before.changed_by(subject, event) else { continue };
            let change =
                Change { subject, node: event.session, at_ns: event.time_ns, before: believed, now: event.detail };
            if counts(&change) {
                first.entry(subject).or_insert(change);
            }
        }
        first.into_values().collect()
    }

    /// Observations from `from_ns` to `to_ns`, both included.
    pub(crate) fn between(&self, from_ns: u64, to_ns: u64) -> impl Iterator<Item = &'a Event> {
        let from = self.said.partition_point(|event| event.time_ns < from_ns);
        self.said[from..].iter().copied().take_while(move |event| event.time_ns <= to_ns)
    }

    /// Who led `destination` at `time_ns` according to each node: (leader, the nodes that said so).
    pub(crate) fn leaders_at(&self, destination: u16, time_ns: u64) -> BTreeMap<u32, Vec<u32>> {
        let mut by_node: BTreeMap<u32, u32> = BTreeMap::new();
        let until = self.said.partition_point(|event| event.time_ns <= time_ns);
        for event in &self.said[..until] {
            if Subject::of(event) == Some(Subject::Leader(destination)) {
                by_node.insert(event.session, event.detail);
            }
        }
        let mut leaders: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (node, leader) in by_node {
            leaders.entry(leader).or_default().push(node);
        }
        leaders
    }
}
