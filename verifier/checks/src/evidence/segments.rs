//! The run cut into stretches of time in which nothing changes that a count depends on, so that
//! every event costs one comparison.

use crate::evidence::bite::FaultFacts;
use crate::evidence::timeline::{MAX_FAULTS, Timeline};
use crate::node_set::node_bits;

/// One replication lag: what was acked this long before a fault may not have been replicated yet.
pub(crate) const REPLICATION_LAG_NS: u64 = 1_000_000_000;

/// Before, during or after the faults, by the time of invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Before = 0,
    During = 1,
    After = 2,
}

impl Part {
    /// In the order of their numbers.
    pub(crate) const LABELS: [&str; 3] = ["before", "during", "after"];
}

/// A stretch of time.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// First nanosecond that is not in it any more.
    pub(crate) until_ns: u64,
    pub(crate) part: Part,
    /// The faults that are on, as bits by their index.
    pub(crate) on_bits: u64,
    /// The fault that is on where no other is: only then is what happens its own doing.
    pub(crate) alone: Option<usize>,
    /// The fault that is on alone is past detection: what happens now shows the label.
    pub(crate) past_detection: bool,
    /// Acks by these nodes are exposed to a fault that bit.
    pub(crate) exposed_bits: u64,
}

/// The whole run, in the order of time.
#[derive(Clone, Debug)]
pub(crate) struct Segments {
    all: Vec<Segment>,
}

/// Goes through the segments along with one stream.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    segments: &'a [Segment],
    at: usize,
    from_ns: u64,
    until_ns: u64,
}

impl Segments {
    /// Cuts the run for a lane with these destinations; `bit[i]`: fault `i` bit for it.
    pub(crate) fn new(
        timeline: &Timeline,
        facts: &[FaultFacts],
        detection_ms: &[u64],
        destinations: &[u16],
        bit: &[bool],
    ) -> Self {
        let recovered_ns = timeline.recovered_ns();
        let mut bounds_ns = vec![timeline.load_start_ns, recovered_ns, u64::MAX];
        for (index, window) in timeline.faults.iter().enumerate() {
            let Some(start_ns) = window.started_ns else { continue };
            bounds_ns.extend([
                start_ns.saturating_sub(REPLICATION_LAG_NS),
                start_ns,
                detected_ns(start_ns, detection_ms, index),
            ]);
            bounds_ns.extend(window.healed_ns);
        }
        bounds_ns.sort_unstable();
        bounds_ns.dedup();
        let exposed: Vec<u64> = facts.iter().map(|fact| fact.exposed_bits(destinations)).collect();
        let mut from_ns = 0;
        let mut all = Vec::with_capacity(bounds_ns.len());
        for until_ns in bounds_ns {
            let mut segment = segment_at(timeline, detection_ms, from_ns);
            segment.until_ns = until_ns;
            segment.exposed_bits = exposed_at(timeline, &exposed, bit, from_ns, recovered_ns);
            all.push(segment);
            from_ns = until_ns;
        }
        Self { all }
    }

    /// Number of segments.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Segments with their index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.all.iter()
    }

    /// A cursor at the start.
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        Cursor {
            segments: &self.all,
            at: 0,
            from_ns: 0,
            until_ns: self.all.first().map_or(u64::MAX, |first| first.until_ns),
        }
    }
}

impl<'a> Cursor<'a> {
    /// The segment `time_ns` lies in, with its index.
    #[inline]
    pub(crate) fn at(&mut self, time_ns: u64) -> (usize, &'a Segment) {
        if time_ns < self.from_ns || time_ns >= self.until_ns {
            self.seek(time_ns);
        }
        (self.at, &self.segments[self.at])
    }

    /// The part of the run `time_ns` lies in.
    #[inline]
    pub(crate) fn part(&mut self, time_ns: u64) -> Part {
        self.at(time_ns).1.part
    }

    #[cold]
    fn seek(&mut self, time_ns: u64) {
        let after = self.segments.partition_point(|segment| segment.until_ns <= time_ns);
        self.at = after.min(self.segments.len() - 1);
        self.from_ns = self.segments[..self.at].last().map_or(0, |segment| segment.until_ns);
        self.until_ns = self.segments[self.at].until_ns;
    }
}

fn detected_ns(start_ns: u64, detection_ms: &[u64], index: usize) -> u64 {
    let wait_ms = detection_ms.get(index).copied().unwrap_or(0);
    start_ns.saturating_add(wait_ms.saturating_mul(1_000_000))
}

fn segment_at(timeline: &Timeline, detection_ms: &[u64], at_ns: u64) -> Segment {
    const { assert!(MAX_FAULTS <= u64::BITS as usize) };
    let on = timeline.faults.iter().enumerate().filter(|(_, window)| window.contains(at_ns));
    let on_bits = on.fold(0_u64, |bits, (index, _)| bits | 1 << index);
    let alone = (on_bits.count_ones() == 1).then_some(on_bits.trailing_zeros() as usize);
    let start_ns = alone.and_then(|index| timeline.faults[index].started_ns);
    let past_detection =
        alone.zip(start_ns).is_some_and(|(index, start_ns)| at_ns >= detected_ns(start_ns, detection_ms, index));
    let part = match (on_bits, timeline.first_fault_ns()) {
        (1.., _) => Part::During,
        (0, Some(first_ns)) if at_ns >= first_ns => Part::After,
        (0, _) => Part::Before,
    };
    Segment { until_ns: u64::MAX, part, on_bits, alone, past_detection, exposed_bits: 0 }
}

fn exposed_at(timeline: &Timeline, exposed: &[u64], bit: &[bool], at_ns: u64, recovered_ns: u64) -> u64 {
    let windows = timeline.faults.iter().zip(exposed).zip(bit);
    windows
        .filter(|((window, _), bit)| {
            let from_ns = window.started_ns.map(|start_ns| start_ns.saturating_sub(REPLICATION_LAG_NS));
            **bit && from_ns.is_some_and(|from_ns| from_ns <= at_ns) && at_ns < recovered_ns
        })
        .fold(0, |bits, ((_, nodes), _)| bits | nodes)
}

/// Sides of a cut as sets of nodes and lists of client hosts.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    /// Node bits of each side.
    pub(crate) nodes: Vec<u64>,
    hosts: Vec<Vec<u32>>,
}

impl Sides {
    /// Most sides that are told apart.
    const MAX: usize = 8;

    /// The sides of a fault.
    pub(crate) fn new(sides: &[Vec<u32>]) -> Self {
        let hosts: Vec<Vec<u32>> = sides.iter().take(Self::MAX).cloned().collect();
        Self { nodes: hosts.iter().map(|side| node_bits(side.iter().copied())).collect(), hosts }
    }

    /// The side a host is confined to.
    pub(crate) fn of_host(&self, host: u32) -> Option<usize> {
        self.hosts.iter().position(|side| side.contains(&host))
    }

    /// The side a node bit belongs to.
    #[inline]
    pub(crate) fn of_node_bit(&self, bit: u64) -> Option<usize> {
        self.nodes.iter().position(|side| side & bit != 0)
    }

    /// Hosts of one side.
    pub(crate) fn hosts(&self, side: usize) -> &[u32] {
        self.hosts.get(side).map_or(&[], Vec::as_slice)
    }
}
