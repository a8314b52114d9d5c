//! Commit back: a group's committed offset moved back. A group that starts again from there is given again what it had
//! settled. An announced reset of a member excuses what it commits from then on.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use delivery_history::event::FLAG_SELF;
use delivery_history::{Event, NO_OFFSET};

use crate::consumed::GroupWork;
use crate::context::Context;
use crate::health::kind;
use crate::tally::{Subject, Tally};

/// What one destination's group has committed so far.
#[derive(Clone, Copy, Debug, Default)]
struct Committed {
    offset: u64,
    /// When that was confirmed, and to whom.
    at_ns: u64,
    worker: u16,
}

/// Counts confirmed commits that lie before one that was confirmed before they were asked for.
pub(crate) fn find(context: &Context<'_>, seen: &GroupWork) -> Tally {
    let mut tally = Tally::default();
    // Members that no clock orders may have moved the group back by themselves, one after the other.
    if seen.settled == 0 || !context.clocks.is_one_for(&seen.members) {
        return tally;
    }
    let mut committed: HashMap<u16, Committed> = HashMap::new();
    // By member, destination and offset: when the commit was asked for.
    let mut asked: HashMap<(u16, u16, u64), u64> = HashMap::new();
    for (worker, event) in InOrder::new(context, &seen.members) {
        match event.kind {
            kind::SETTLE_INVOKED => {
                asked.insert((worker, event.destination, event.offset), event.time_ns);
            }
            kind::POSITION_RESET if event.has(FLAG_SELF) || event.offset == NO_OFFSET => {
                committed.remove(&event.destination);
            }
            kind::SETTLE_FAILED => {
                asked.remove(&(worker, event.destination, event.offset));
            }
            kind::SETTLE_OK => {
                let asked_ns = asked.remove(&(worker, event.destination, event.offset));
                take(&mut committed, &mut tally, worker, event, asked_ns);
            }
            _ => {}
        }
    }
    tally
}

fn take(committed: &mut HashMap<u16, Committed>, tally: &mut Tally, worker: u16, event: &Event, asked_ns: Option<u64>) {
    let known = committed.entry(event.destination).or_default();
    // A client that commits by itself says when it was done, not when it asked: only its own commits have an order then.
    let after = asked_ns.map_or(known.worker == worker, |asked_ns| known.at_ns < asked_ns);
    if event.offset >= known.offset {
        *known = Committed { offset: event.offset, at_ns: event.time_ns, worker };
    } else if after {
        let subject = Subject::Commit {
            worker,
            time_ns: event.time_ns,
            destination: event.destination,
            offset: event.offset,
            before: known.offset,
        };
        tally.add(event.time_ns, subject, event.destination);
        *known = Committed { offset: event.offset, at_ns: event.time_ns, worker };
    }
}

/// Commits and resets of several members in the order of time.
pub(crate) struct InOrder<'a> {
    streams: Vec<(u16, &'a [Event])>,
    heap: BinaryHeap<Reverse<(u64, usize, usize)>>,
}

impl<'a> InOrder<'a> {
    /// Those of `members`.
    pub(crate) fn new(context: &Context<'a>, members: &[u16]) -> Self {
        let streams: Vec<(u16, &'a [Event])> =
            members.iter().map(|worker| (*worker, context.stream(*worker))).collect();
        let mut order = Self { heap: BinaryHeap::with_capacity(streams.len()), streams };
        (0..order.streams.len()).for_each(|stream| order.queue(stream, 0));
        order
    }

    /// Puts the next commit or reset of a stream in line.
    fn queue(&mut self, stream: usize, from: usize) {
        let events = self.streams[stream].1;
        let next = events[from..].iter().position(|event| {
            matches!(event.kind, kind::SETTLE_INVOKED | kind::SETTLE_OK | kind::SETTLE_FAILED | kind::POSITION_RESET)
        });
        if let Some(next) = next {
            let at = from + next;
            self.heap.push(Reverse((events[at].time_ns, stream, at)));
        }
    }
}

impl<'a> Iterator for InOrder<'a> {
    type Item = (u16, &'a Event);

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, stream, at)) = self.heap.pop()?;
        self.queue(stream, at + 1);
        let (worker, events) = self.streams[stream];
        Some((worker, &events[at]))
    }
}
