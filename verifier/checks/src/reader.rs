//! Where a reader of a log stands in each destination, and whether it got there by reading.

use std::collections::BTreeMap;

use delivery_history::event::FLAG_SELF;
use delivery_history::{Event, NO_DESTINATION, NO_OFFSET};

use crate::audits::{AuditRun, Audits};
use crate::health::kind;
use crate::tally::{Subject, Tally};

/// How a reader came to the offset it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is the next one, or nothing says which one is due.
    Due,
    /// It had passed this offset.
    Back,
    /// It passed over the offsets from here on.
    Skipped(u64),
}

/// What is due in one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    /// The next offset; nothing where that is not known.
    next: Option<u64>,
    /// An assignment was recorded: the reader alone reads here.
    assigned: bool,
}

/// One member on its way through the logs it reads.
#[derive(Debug)]
pub(crate) struct Positions {
    others: BTreeMap<u16, Position>,
    /// The destination that was read last, kept at hand.
    current: (u16, Position),
}

impl Positions {
    /// Nothing is read yet.
    pub(crate) fn new() -> Self {
        Self { others: BTreeMap::new(), current: (NO_DESTINATION, Position::default()) }
    }

    #[inline]
    fn of(&mut self, destination: u16) -> &mut Position {
        if self.current.0 != destination {
            let position = self.others.remove(&destination).unwrap_or_default();
            let (last, left) = std::mem::replace(&mut self.current, (destination, position));
            self.others.insert(last, left);
        }
        &mut self.current.1
    }

    /// The reader begins at the event's offset, or somewhere unknown.
    pub(crate) fn assign(&mut self, event: &Event) {
        let next = (event.offset != NO_OFFSET).then_some(event.offset);
        *self.of(event.destination) = Position { next, assigned: true };
    }

    /// The destination is no longer read.
    pub(crate) fn revoke(&mut self, event: &Event) {
        self.of(event.destination).next = None;
    }

    /// The client said that it moves. A jump that was only inferred from what was read excuses nothing.
    pub(crate) fn reset(&mut self, event: &Event) {
        if event.has(FLAG_SELF) || event.offset == NO_OFFSET {
            self.of(event.destination).next = None;
        }
    }

    #[inline]
    fn read(&mut self, destination: u16, offset: u64) -> Step {
        let position = self.of(destination);
        let due = position.next.replace(offset.saturating_add(1));
        match due {
            Some(due) if offset > due => Step::Skipped(due),
            Some(due) if offset < due => Step::Back,
            _ => Step::Due,
        }
    }
}

/// Jumps of the members of one group.
#[derive(Debug, Default)]
pub(crate) struct Jumps {
    back: Tally,
    skipped: Tally,
    /// Skips of readers whose assignment nobody recorded: other members may have read what they skipped.
    unassigned: Tally,
    /// Offsets without a message, by destination: made when a reader first skips.
    controls: BTreeMap<u16, Vec<u64>>,
}

impl Jumps {
    /// Takes a delivery at a known offset.
    #[inline]
    pub(crate) fn take(&mut self, positions: &mut Positions, event: &Event, audits: &Audits<'_>) {
        match positions.read(event.destination, event.offset) {
            Step::Due => {}
            Step::Back => self.back.add(event.time_ns, place(event), event.destination),
            Step::Skipped(from) => self.skip(positions, event, from, audits),
        }
    }

    #[cold]
    fn skip(&mut self, positions: &mut Positions, event: &Event, from: u64, audits: &Audits<'_>) {
        // Without an audit nobody knows whether the offsets in between held anything.
        let Some(run) = audits.of(event.destination).first() else { return };
        let controls = self.controls.entry(event.destination).or_insert_with(|| controls_of(run));
        if !holds_message(run, controls, from, event.offset) {
            return;
        }
        let tally = if positions.of(event.destination).assigned { &mut self.skipped } else { &mut self.unassigned };
        tally.add(event.time_ns, place(event), event.destination);
    }

    /// (Went back, passed over stored messages), over all members; `alone`: there is but one.
    pub(crate) fn into_tallies(mut self, alone: bool) -> (Tally, Tally) {
        if alone {
            self.skipped.merge(self.unassigned);
        }
        (self.back, self.skipped)
    }
}

fn place(event: &Event) -> Subject {
    Subject::Place { destination: event.destination, offset: event.offset }
}

fn controls_of(run: &AuditRun<'_>) -> Vec<u64> {
    run.reads.iter().filter(|read| read.kind != kind::AUDIT_READ).map(|read| read.offset).collect()
}

/// Whether the audit read a message from `from` to `to` (exclusive).
fn holds_message(run: &AuditRun<'_>, controls: &[u64], from: u64, to: u64) -> bool {
    let (from, to) = (from.max(run.start_offset), to.min(run.end_offset()));
    let between = controls.partition_point(|offset| *offset < to) - controls.partition_point(|offset| *offset < from);
    to > from && to - from > between as u64
}

#[cfg(test)]
mod tests {
    use delivery_history::event::FLAG_SELF;
    use delivery_history::{Event, EventKind};

    use super::{Positions, Step};

    #[test]
    fn steps_are_told_from_jumps() {
        let mut positions = Positions::new();
        assert_eq!(positions.read(0, 7), Step::Due, "nobody said where it begins");
        assert_eq!(positions.read(0, 8), Step::Due);
        assert_eq!(positions.read(1, 3), Step::Due);
        assert_eq!(positions.read(0, 12), Step::Skipped(9));
        assert_eq!(positions.read(0, 12), Step::Back);
        assert_eq!(positions.read(1, 4), Step::Due, "each destination has a position of its own");
    }

    #[test]
    fn assignments_and_announced_resets_excuse_a_jump_and_inferred_ones_do_not() {
        let mut positions = Positions::new();
        let at = |kind: EventKind, offset: u64| Event::new(kind).destination(0).offset(offset);
        positions.assign(&at(EventKind::Assigned, 5));
        assert_eq!(positions.read(0, 4), Step::Back);
        positions.reset(&at(EventKind::PositionReset, 90));
        assert_eq!(positions.read(0, 90), Step::Skipped(5));
        positions.reset(&at(EventKind::PositionReset, 20).flags(FLAG_SELF));
        assert_eq!(positions.read(0, 20), Step::Due);
        positions.revoke(&at(EventKind::Revoked, 0));
        assert_eq!(positions.read(0, 2), Step::Due);
    }
}
