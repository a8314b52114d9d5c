//! Confirms a node owes its peers, collected into ranges and sent together.

use std::collections::BTreeMap;

use crate::frame::{self, Range, Sender};
use crate::outbox::Outbox;

/// Tags taken care of and not confirmed yet, per peer.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    owed: BTreeMap<u32, Owed>,
}

#[derive(Debug)]
struct Owed {
    incarnation: u64,
    topics: BTreeMap<u16, Vec<Range>>,
}

impl Confirms {
    /// Tag `tag` of `publisher` is taken care of.
    pub(crate) fn add(&mut self, publisher: Sender, destination: u16, tag: u64) {
        let fresh = || Owed { incarnation: publisher.incarnation, topics: BTreeMap::new() };
        let owed = self.owed.entry(publisher.node).or_insert_with(fresh);
        if owed.incarnation != publisher.incarnation {
            *owed = fresh();
        }
        let ranges = owed.topics.entry(destination).or_default();
        match ranges.last_mut() {
            Some(last) if last.last.wrapping_add(1) == tag => last.last = tag,
            _ => ranges.push(Range { destination, first: tag, last: tag }),
        }
    }

    /// Hands everything to the outbox.
    pub(crate) fn send(&mut self, outbox: &mut Outbox) {
        for (peer, owed) in std::mem::take(&mut self.owed) {
            let ranges: Vec<Range> = owed.topics.into_values().flatten().collect();
            for frame in frame::confirms(outbox.from, owed.incarnation, &ranges) {
                outbox.frame(peer, frame);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Body;

    #[test]
    fn runs_become_ranges_and_an_earlier_life_is_forgotten() {
        let mut confirms = Confirms::default();
        confirms.add(Sender { node: 2, incarnation: 1 }, 0, 99);
        for tag in [5, 6, 7, 9] {
            confirms.add(Sender { node: 2, incarnation: 8 }, 0, tag);
        }
        let mut outbox = Outbox::new(Sender { node: 1, incarnation: 4 });
        confirms.send(&mut outbox);
        let mut to_one = outbox.take().to_one;
        let (peer, frame) = to_one.pop().unwrap();
        let Body::Confirm { incarnation, ranges } = frame::read(frame.into()).unwrap().body else { panic!() };
        assert_eq!((peer, incarnation, to_one.len()), (2, 8, 0));
        let spans: Vec<_> = ranges.iter().map(|range| (range.first, range.last)).collect();
        assert_eq!(spans, [(5, 7), (9, 9)]);
    }
}
