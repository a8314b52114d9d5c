//! Counting anomalies of one kind and keeping the earliest as witnesses.

use std::collections::HashSet;

/// Witnesses a finding carries.
pub(crate) const MAX_WITNESSES: usize = 5;

/// What an anomaly is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A message by its identity.
    Message { session: u32, sequence: u32 },
    /// A place in a destination.
    Place { destination: u16, offset: u64 },
    /// Something one worker met at one moment.
    Moment { worker: u16, time_ns: u64, destination: u16 },
    /// A commit that moved back: to `offset`, from `before`.
    Commit { worker: u16, time_ns: u64, destination: u16, offset: u64, before: u64 },
    /// Less was read back of a group's commits than had been confirmed.
    Kept { group: u16, destination: u16, worker: u16, confirmed_ns: u64, confirmed: u64, read_ns: u64, kept: u64 },
    /// A destination as a whole.
    Destination(u16),
}

/// Anomalies of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    count: u64,
    /// The earliest, with when they came about and in which destination.
    earliest: Vec<(u64, Subject, u16)>,
}

impl Tally {
    /// Counts one. `time_ns` orders the witnesses; `destination` is where it happened.
    pub(crate) fn add(&mut self, time_ns: u64, subject: Subject, destination: u16) {
        self.count += 1;
        if self.earliest.len() == MAX_WITNESSES && self.earliest.last().is_some_and(|last| last.0 <= time_ns) {
            return;
        }
        let at = self.earliest.partition_point(|known| known.0 <= time_ns);
        self.earliest.insert(at, (time_ns, subject, destination));
        self.earliest.truncate(MAX_WITNESSES);
    }

    /// Counts what another tally has counted, too.
    pub(crate) fn merge(&mut self, other: Self) {
        let told = other.earliest.len() as u64;
        for (time_ns, subject, destination) in other.earliest {
            self.add(time_ns, subject, destination);
        }
        self.count += other.count - told;
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The witnesses, earliest first: what, and in which destination.
    pub(crate) fn witnesses(&self) -> impl Iterator<Item = (Subject, u16)> + '_ {
        self.earliest.iter().map(|(_, subject, destination)| (*subject, *destination))
    }
}

/// Counts each subject once, however many replicas and readers show it.
#[derive(Clone, Debug, Default)]
pub(crate) struct OnceTally {
    seen: HashSet<Subject>,
    tally: Tally,
}

impl OnceTally {
    /// Counts `subject` unless it was counted before.
    #[cold]
    pub(crate) fn add(&mut self, time_ns: u64, subject: Subject, destination: u16) {
        if self.seen.insert(subject) {
            self.tally.add(time_ns, subject, destination);
        }
    }

    /// The count without the memory of who was counted.
    pub(crate) fn into_tally(self) -> Tally {
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_WITNESSES, OnceTally, Subject, Tally};

    #[test]
    fn the_earliest_stay_in_order() {
        let mut tally = Tally::default();
        for time_ns in [9, 3, 7, 1, 8, 2, 6] {
            tally.add(time_ns, Subject::Destination(time_ns as u16), 0);
        }
        assert_eq!(tally.count(), 7);
        let kept: Vec<_> = tally.witnesses().map(|(subject, _)| subject).collect();
        assert_eq!(kept.len(), MAX_WITNESSES);
        assert_eq!(kept, [1, 2, 3, 6, 7].map(Subject::Destination));
    }

    #[test]
    fn the_same_subject_counts_once() {
        let mut once = OnceTally::default();
        for _ in 0..3 {
            once.add(1, Subject::Place { destination: 0, offset: 4 }, 0);
        }
        assert_eq!(once.into_tally().count(), 1);
    }
}
