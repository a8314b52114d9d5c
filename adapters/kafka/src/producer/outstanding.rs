//! Sends that were accepted and not yet reported, so that each is reported exactly once.

use delivery_broker::MessageId;

/// A send that waits for its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// Which message.
    pub(super) id: MessageId,
    /// Where it was sent.
    pub(super) destination: u16,
}

/// A place for a send; its generation tells a late report from that of the place's next send.
#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    pending: Option<Pending>,
}

/// Sends in flight, found again by the ticket the client library carries through.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    slots: Vec<Slot>,
    free: Vec<u32>,
    len: usize,
}

impl Outstanding {
    /// Sends in flight.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes note of a send and gives its ticket.
    pub(super) fn insert(&mut self, pending: Pending) -> usize {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.pending = Some(pending);
        self.len += 1;
        (slot.generation as usize) << 32 | index as usize
    }

    /// The send of a ticket; nothing when it was reported before.
    pub(super) fn remove(&mut self, ticket: usize) -> Option<Pending> {
        let (generation, index) = ((ticket >> 32) as u32, ticket as u32);
        let slot = self.slots.get_mut(index as usize).filter(|slot| slot.generation == generation)?;
        let pending = slot.pending.take()?;
        self.free.push(index);
        self.len -= 1;
        Some(pending)
    }

    /// Takes out everything that is left.
    pub(super) fn drain(&mut self) -> Vec<Pending> {
        let mut left = Vec::with_capacity(self.len);
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if let Some(pending) = slot.pending.take() {
                self.free.push(index as u32);
                left.push(pending);
            }
        }
        self.len = 0;
        left.sort_unstable_by_key(|pending| (pending.id.session, pending.id.sequence));
        left
    }
}

#[cfg(test)]
mod tests {
    use delivery_broker::MessageId;
    use proptest::prelude::*;

    use super::{Outstanding, Pending};

    fn pending(sequence: u32) -> Pending {
        Pending { id: MessageId { session: 3, sequence }, destination: 1 }
    }

    proptest! {
        #[test]
        fn every_send_comes_out_exactly_once(choices in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..300)) {
            let mut outstanding = Outstanding::default();
            let mut tickets: Vec<(usize, u32)> = Vec::new();
            let mut spent: Vec<usize> = Vec::new();
            for (next, (report, which)) in (0u32..).zip(choices) {
                if report && !tickets.is_empty() {
                    let (ticket, sequence) = tickets.swap_remove(which.index(tickets.len()));
                    prop_assert_eq!(outstanding.remove(ticket), Some(pending(sequence)));
                    spent.push(ticket);
                } else {
                    tickets.push((outstanding.insert(pending(next)), next));
                }
                prop_assert_eq!(outstanding.len(), tickets.len());
                for ticket in &spent {
                    prop_assert_eq!(outstanding.remove(*ticket), None);
                }
            }
            let mut expected: Vec<u32> = tickets.iter().map(|(_, sequence)| *sequence).collect();
            expected.sort_unstable();
            let left: Vec<u32> = outstanding.drain().iter().map(|pending| pending.id.sequence).collect();
            prop_assert_eq!(left, expected);
            prop_assert_eq!(outstanding.len(), 0);
        }
    }

    #[test]
    fn a_late_report_never_takes_the_next_sends_place() {
        let mut outstanding = Outstanding::default();
        let first = outstanding.insert(pending(0));
        assert_eq!(outstanding.drain(), [pending(0)]);
        let second = outstanding.insert(pending(1));
        assert_eq!(outstanding.remove(first), None);
        assert_eq!(outstanding.remove(second), Some(pending(1)));
    }
}
