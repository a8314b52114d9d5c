//! When nodes began to tell of another leader, in-sync set, controller or membership.

use std::collections::BTreeMap;

use delivery_history::Event;

use super::{Change, ChangeKind};
use crate::context::Context;
use crate::evidence::bite;
use crate::evidence::observations::{self, Subject};

/// Changes kept of one lane, or of the cluster as a whole.
const MAX_CHANGES: u64 = 40;

/// What is told of one subject.
#[derive(Default)]
struct Told {
    /// By node: what it said last.
    by_node: BTreeMap<u32, u32>,
    /// What was told of last as something new, and the epoch of the newest leader.
    newest: Option<(u32, u64)>,
}

/// The changes, and how many there are beyond the most that are kept. A change is told of once: by the node that was the
/// first to say something else than it had said before, not by those that follow.
pub(super) fn find(context: &Context<'_>) -> (Vec<Change>, u64) {
    let mut told: BTreeMap<Subject, Told> = BTreeMap::new();
    let mut kept: BTreeMap<Option<u16>, u64> = BTreeMap::new();
    let (mut changes, mut left_out) = (Vec::new(), 0);
    for event in context.observations.between(0, u64::MAX) {
        let Some(subject) = Subject::of(event) else { continue };
        let Some(before) = told.entry(subject).or_default().take(subject, event) else { continue };
        if event.time_ns < context.timeline.load_start_ns {
            continue;
        }
        let lane = lane_of(context, subject);
        let count = kept.entry(lane).or_default();
        if *count == MAX_CHANGES {
            left_out += 1;
            continue;
        }
        *count += 1;
        let change =
            observations::Change { subject, node: event.session, at_ns: event.time_ns, before, now: event.detail };
        changes.push(Change {
            at_ms: context.at_ms(event.time_ns),
            kind: kind_of(subject),
            lane,
            what: bite::said_words(context, &change),
        });
    }
    (changes, left_out)
}

impl Told {
    /// Takes what a node said; returns what it had said before where it is the first to say so.
    fn take(&mut self, subject: Subject, event: &Event) -> Option<u32> {
        let has_epochs = matches!(subject, Subject::Leader(_) | Subject::Controller);
        let said = (event.detail, if has_epochs { event.offset } else { 0 });
        let newest = *self.newest.get_or_insert(said);
        let before = self.by_node.insert(event.session, event.detail).filter(|before| *before != event.detail)?;
        let is_news = newest.0 != said.0 && said.1 >= newest.1;
        if is_news {
            self.newest = Some(said);
        }
        is_news.then_some(before)
    }
}

fn kind_of(subject: Subject) -> ChangeKind {
    match subject {
        Subject::Leader(_) => ChangeKind::Leader,
        Subject::Isr(_) => ChangeKind::InSync,
        Subject::Controller => ChangeKind::Controller,
        Subject::Members => ChangeKind::Members,
    }
}

fn lane_of(context: &Context<'_>, subject: Subject) -> Option<u16> {
    match subject {
        Subject::Leader(destination) | Subject::Isr(destination) => {
            context.destination(destination).map(|known| known.lane)
        }
        Subject::Controller | Subject::Members => None,
    }
}
