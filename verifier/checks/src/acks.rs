//! When acks came: availability during faults, and the longest stall.

/// Availability is counted in stretches of this length.
const BUCKET_NS: u64 = 100_000_000;
/// Finest resolution of the track: 2^23 ns, about 8 ms.
const FINEST_SHIFT: u32 = 23;
/// Most cells of a track, whatever times a history claims.
const MAX_CELLS: u64 = 1 << 16;

/// First and last ack of each short stretch of the load.
#[derive(Clone, Debug)]
pub(crate) struct AckTrack {
    origin_ns: u64,
    shift: u32,
    /// Cells of the whole load.
    limit: usize,
    /// As far as acks came. First and last ack; (`u64::MAX`, 0) where none came.
    cells: Vec<(u64, u64)>,
    /// The cell the last ack fell into: its number and when it begins.
    current: usize,
    current_ns: u64,
}

impl AckTrack {
    /// A track over a load from `start_ns` to `end_ns`.
    pub(crate) fn new(start_ns: u64, end_ns: u64) -> Self {
        let length_ns = end_ns.saturating_sub(start_ns);
        let mut shift = FINEST_SHIFT;
        while (length_ns >> shift) >= MAX_CELLS {
            shift += 1;
        }
        let limit = usize::try_from((length_ns >> shift) + 1).unwrap_or(1);
        Self { origin_ns: start_ns, shift, limit, cells: Vec::new(), current: 0, current_ns: start_ns }
    }

    /// Takes an ack; those outside of the load are left out.
    #[inline]
    pub(crate) fn take(&mut self, at_ns: u64) {
        let elsewhere = at_ns.wrapping_sub(self.current_ns) >> self.shift != 0 || self.cells.is_empty();
        if elsewhere && !self.turn_to(at_ns) {
            return;
        }
        let (first, last) = &mut self.cells[self.current];
        *first = (*first).min(at_ns);
        *last = (*last).max(at_ns);
    }

    /// Goes to the cell of `at_ns`; false where that is outside of the load.
    #[cold]
    fn turn_to(&mut self, at_ns: u64) -> bool {
        let Ok(cell) = usize::try_from(at_ns.wrapping_sub(self.origin_ns) >> self.shift) else { return false };
        if cell >= self.limit {
            return false;
        }
        if cell >= self.cells.len() {
            self.cells.resize(cell + 1, (u64::MAX, 0));
        }
        self.current = cell;
        self.current_ns = self.origin_ns + ((cell as u64) << self.shift);
        true
    }

    fn acks(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.cells.iter().copied().filter(|(first, last)| first <= last)
    }

    /// How many stretches there are from `from_ns` to `to_ns`.
    pub(crate) fn stretches(from_ns: u64, to_ns: u64) -> u64 {
        to_ns.saturating_sub(from_ns).div_ceil(BUCKET_NS)
    }

    /// (stretches with an ack, all stretches) from `from_ns` to `to_ns`.
    pub(crate) fn available(&self, from_ns: u64, to_ns: u64) -> (u64, u64) {
        let all = Self::stretches(from_ns, to_ns);
        let mut counted = 0;
        let mut next = 0;
        for at_ns in self.acks().flat_map(|(first, last)| [first, last]) {
            if at_ns < from_ns || at_ns >= to_ns {
                continue;
            }
            let bucket = (at_ns - from_ns) / BUCKET_NS;
            if bucket >= next {
                counted += 1;
                next = bucket + 1;
            }
        }
        (counted, all)
    }

    /// The first ack from `at_ns` on, to the resolution of the track; nothing where none came.
    pub(crate) fn first_from(&self, at_ns: u64) -> Option<u64> {
        self.acks().find(|(_, last)| *last >= at_ns).map(|(first, _)| first.max(at_ns))
    }

    /// Longest time without an ack from one moment (the first send) to another (the last), nanoseconds.
    pub(crate) fn longest_stall_ns(&self, first_send_ns: u64, last_send_ns: u64) -> u64 {
        let mut waiting_since_ns = first_send_ns;
        let mut longest_ns = 0;
        for (first, last) in self.acks() {
            longest_ns = longest_ns.max(first.min(last_send_ns).saturating_sub(waiting_since_ns));
            waiting_since_ns = waiting_since_ns.max(last);
        }
        longest_ns.max(last_send_ns.saturating_sub(waiting_since_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::AckTrack;

    const MS: u64 = 1_000_000;

    fn track(load_ms: u64, acks_ms: &[u64]) -> AckTrack {
        let mut track = AckTrack::new(1_000 * MS, (1_000 + load_ms) * MS);
        for at_ms in acks_ms {
            track.take((1_000 + at_ms) * MS);
        }
        track
    }

    #[test]
    fn stretches_with_an_ack_are_counted_once() {
        let track = track(1_000, &[10, 20, 30, 150, 420, 499, 990]);
        assert_eq!(track.available(1_000 * MS, 1_500 * MS), (3, 5));
    }

    #[test]
    fn a_stall_reaches_from_ack_to_ack_or_to_the_last_send() {
        let track = track(1_000, &[10, 20, 420, 430]);
        assert_eq!(track.longest_stall_ns(1_005 * MS, 1_450 * MS), 400 * MS);
        assert_eq!(track.longest_stall_ns(1_005 * MS, 1_990 * MS), 560 * MS);
        assert_eq!(super::AckTrack::new(0, 0).longest_stall_ns(0, 5), 5);
    }

    #[test]
    fn a_stall_may_lie_at_either_end_of_any_stretch() {
        let longest = |acks_ms: &[u64], from_ms: u64, to_ms: u64| {
            track(1_000, acks_ms).longest_stall_ns((1_000 + from_ms) * MS, (1_000 + to_ms) * MS) / MS
        };
        assert_eq!(longest(&[10, 12, 20], 10, 20), 8);
        assert_eq!(longest(&[15], 0, 20), 15);
        assert_eq!(longest(&[3], 0, 20), 17);
        assert_eq!(longest(&[50], 0, 20), 20, "what came outside is no ack inside");
        assert_eq!(longest(&[], 20, 10), 0);
    }

    #[test]
    fn the_first_ack_from_a_moment_on_is_found() {
        let track = track(1_000, &[10, 420, 990]);
        let first = |from_ms: u64| track.first_from((1_000 + from_ms) * MS).map(|at_ns| at_ns / MS - 1_000);
        assert_eq!(
            [first(0), first(10), first(11), first(421), first(991)],
            [Some(10), Some(10), Some(420), Some(990), None]
        );
    }

    #[test]
    fn a_load_of_centuries_takes_no_more_memory() {
        let mut track = AckTrack::new(0, u64::MAX);
        track.take(u64::MAX);
        assert!(track.cells.len() <= super::MAX_CELLS as usize);
    }
}
