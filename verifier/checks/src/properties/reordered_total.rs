//! Reordered in total: stored before a message that had been acked before this one was sent. A log appends where it
//! ends, so what is sent after an ack stands behind it (real-time order, as in Herlihy and Wing, 1990).
//!
//! A curve of the highest offset acked by each moment, taken along with the sends, shows whether anything can be amiss;
//! only then are the producers' streams merged by time and compared exactly.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use delivery_history::{Event, NO_DESTINATION, NO_OFFSET};

use crate::audits::Audits;
use crate::directory::state;
use crate::health::kind;
use crate::sends::Sends;
use crate::stored::same_message;
use crate::tally::{Subject, Tally};
use crate::work::{Found, LaneWork};

/// Fewest cells of a destination's curve.
const MIN_CELLS: u64 = 16;
/// Events of producers for each cell: memory stays far below a byte a message.
const EVENTS_PER_CELL: u64 = 32;

/// Highest offset acked by each moment, by destination.
#[derive(Clone, Debug)]
pub(crate) struct AckCurve {
    origin_ns: u64,
    shift: u32,
    cells: usize,
    /// By destination; one higher than the offset, so that 0 means none yet.
    highest: BTreeMap<u16, Vec<u64>>,
    last: u16,
    current: Vec<u64>,
    /// The cell the last ack fell into: its number and when it begins.
    at: usize,
    at_ns: u64,
}

impl AckCurve {
    /// A curve over a load from `start_ns` to `end_ns`, of about this many events in so many destinations.
    pub(crate) fn new(start_ns: u64, end_ns: u64, events: u64, destinations: usize) -> Self {
        let wanted = (events / EVENTS_PER_CELL / (destinations as u64).max(1)).max(MIN_CELLS);
        let length_ns = end_ns.saturating_sub(start_ns);
        let mut shift = 0;
        while (length_ns >> shift) >= wanted {
            shift += 1;
        }
        let cells = usize::try_from(length_ns >> shift).unwrap_or(0) + 1;
        Self {
            origin_ns: start_ns,
            shift,
            cells,
            highest: BTreeMap::new(),
            last: u16::MAX,
            current: Vec::new(),
            at: 0,
            at_ns: start_ns,
        }
    }

    #[inline]
    fn cell(&self, at_ns: u64) -> usize {
        let cell = usize::try_from(at_ns.saturating_sub(self.origin_ns) >> self.shift).unwrap_or(usize::MAX);
        cell.min(self.cells - 1)
    }

    /// Takes an ack at an offset.
    #[inline]
    pub(crate) fn take(&mut self, event: &Event) {
        if event.offset == NO_OFFSET || event.destination == NO_DESTINATION {
            return;
        }
        if event.destination != self.last {
            self.turn_to(event.destination);
        }
        if event.time_ns.wrapping_sub(self.at_ns) >> self.shift != 0 {
            self.at = self.cell(event.time_ns);
            self.at_ns = self.origin_ns + ((self.at as u64) << self.shift);
        }
        let highest = &mut self.current[self.at];
        *highest = (*highest).max(event.offset + 1);
    }

    #[cold]
    fn turn_to(&mut self, destination: u16) {
        self.put_back();
        self.last = destination;
        self.current = self.highest.remove(&destination).unwrap_or_else(|| vec![0; self.cells]);
    }

    fn put_back(&mut self) {
        if !self.current.is_empty() {
            self.highest.insert(self.last, std::mem::take(&mut self.current));
        }
        self.last = u16::MAX;
    }

    /// Each cell holds the highest of it and all before.
    pub(crate) fn finish(&mut self) {
        self.put_back();
        for cells in self.highest.values_mut() {
            let mut so_far = 0;
            for cell in cells {
                so_far = (*cell).max(so_far);
                *cell = so_far;
            }
        }
    }
}

/// Counts messages that stand before one that had been acked when they were sent, by one clock.
pub(crate) fn find(work: &LaneWork<'_, '_>, audits: &Audits<'_>, producers: &[u16]) -> Tally {
    let mut tally = Tally::default();
    if producers.iter().any(|worker| may_be_amiss(work, &work.sends, *worker)) {
        let groups = work.context.clocks.groups(producers);
        groups.iter().for_each(|of_one_clock| tally.merge(merge(work, audits, of_one_clock)));
    }
    tally
}

/// Whether an ack of this producer stands before what may have been acked when its message was sent.
fn may_be_amiss(work: &LaneWork<'_, '_>, sends: &Sends, worker: u16) -> bool {
    let mut place: (u16, &[u64]) = (u16::MAX, &[]);
    for event in work.context.stream(worker).iter().filter(|event| event.kind == kind::SEND_ACKED) {
        if event.offset == NO_OFFSET {
            continue;
        }
        if place.0 != event.destination || place.1.is_empty() {
            place = (event.destination, sends.curve.highest.get(&event.destination).map_or(&[], Vec::as_slice));
        }
        let Some((_, entry)) = work.directory.find(event.session, event.sequence) else { continue };
        if !entry.judged || entry.lane != work.lane {
            continue;
        }
        let invoked_ns = work.invoked(entry, entry.base as usize + event.sequence as usize).time_ns;
        if place.1.get(sends.curve.cell(invoked_ns)).is_some_and(|highest| *highest > event.offset + 1) {
            return true;
        }
    }
    false
}

/// The producers' sends and acks in the order of time, with exact answers.
fn merge(work: &LaneWork<'_, '_>, audits: &Audits<'_>, producers: &[u16]) -> Tally {
    let streams: Vec<&[Event]> = producers.iter().map(|worker| work.context.stream(*worker)).collect();
    // At one moment sends come first: an ack of the same moment is not before them.
    let key = |stream: usize, at: usize| {
        let event = streams[stream].get(at)?;
        Some(Reverse((event.time_ns, event.kind != kind::SEND_INVOKED, stream, at)))
    };
    let mut heap: BinaryHeap<_> = (0..streams.len()).filter_map(|stream| key(stream, 0)).collect();
    let mut tally = Tally::default();
    let mut highest: HashMap<u16, u64, foldhash::fast::RandomState> = HashMap::default();
    let mut in_flight: HashMap<usize, u64, foldhash::fast::RandomState> = HashMap::default();
    while let Some(Reverse((_, _, stream, at))) = heap.pop() {
        heap.extend(key(stream, at + 1));
        let event = &streams[stream][at];
        let Found::Judged { index, .. } = work.resolve(event) else { continue };
        match event.kind {
            kind::SEND_INVOKED => {
                let due = highest.get(&event.destination).copied().unwrap_or(0);
                in_flight.entry(index).or_insert(due);
            }
            kind::SEND_ACKED if stands_there(work, audits, event, index) => {
                if in_flight.remove(&index).is_some_and(|due| event.offset < due) {
                    let invoked = work.invoked_of(index);
                    let subject = Subject::Message { session: invoked.session, sequence: invoked.sequence };
                    tally.add(invoked.time_ns, subject, invoked.destination);
                }
                let known = highest.entry(event.destination).or_insert(0);
                *known = event.offset.saturating_add(1).max(*known);
            }
            kind::SEND_ACKED | kind::SEND_SENT | kind::SEND_FAILED | kind::SEND_UNKNOWN => {
                in_flight.remove(&index);
            }
            _ => {}
        }
    }
    tally
}

/// Whether the log still holds the message where its ack said: what is lost has no place any more.
fn stands_there(work: &LaneWork<'_, '_>, audits: &Audits<'_>, event: &Event, index: usize) -> bool {
    let stored_once = work.sends.messages.state[index] & (state::STORED | state::STORED_TWICE) == state::STORED;
    let run = audits.of(event.destination).first();
    stored_once && run.and_then(|run| run.at(event.offset)).is_some_and(|read| same_message(event, read))
}
