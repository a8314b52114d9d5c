//! Handing messages to the subscribers of one topic on one node.

use bytes::Bytes;
use delivery_broker::{Decoded, MessageId, decode, encode};
use tokio::sync::broadcast::{Receiver, Sender, channel};

use crate::mutation::Mutation;

/// Messages the slowest subscriber may be behind. A topic with confirms takes no more from
/// then on; one without loses its subscriber's oldest ones.
const CAPACITY: usize = 8_192;

/// A message for subscribers.
#[derive(Clone, Debug)]
pub(crate) struct BusMessage {
    pub(crate) payload: Bytes,
    /// It was sent to this node before and may have been delivered.
    pub(crate) redelivered: bool,
}

/// The subscribers of one topic on one node.
#[derive(Debug)]
pub(crate) struct Mailbox {
    sender: Sender<BusMessage>,
    /// A lower bound, corrected when it is used up: asking the channel takes a search.
    room: usize,
    run_tag: u64,
    mutation: Option<Mutation>,
    /// A message the broken bus hands over late.
    held: Option<(u32, BusMessage)>,
}

impl Mailbox {
    pub(crate) fn new(run_tag: u64, mutation: Option<Mutation>) -> Self {
        Self { sender: channel(CAPACITY).0, room: 0, run_tag, mutation, held: None }
    }

    pub(crate) fn subscribe(&self) -> Receiver<BusMessage> {
        self.sender.subscribe()
    }

    /// Whether every subscriber can take another message without losing one.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.room == 0 {
            // Two more than one message at a time: a broken bus delivers one twice or late.
            self.room = CAPACITY.saturating_sub(self.sender.len() + 2);
        }
        self.room > 0
    }

    /// Hands a message to every subscriber there is.
    pub(crate) fn deliver(&mut self, id: MessageId, message: BusMessage) {
        match self.mutation {
            None => self.send(message),
            Some(mutation) => self.deliver_broken(mutation, id, message),
        }
    }

    fn send(&mut self, message: BusMessage) {
        self.room = self.room.saturating_sub(1);
        // Without subscribers the message is owed to nobody.
        let _ = self.sender.send(message);
    }

    fn deliver_broken(&mut self, mutation: Mutation, id: MessageId, message: BusMessage) {
        let hit = mutation.hits(id.sequence);
        match mutation {
            Mutation::Duplicate if hit => {
                self.send(message.clone());
                self.send(message);
            }
            Mutation::Corrupt if hit => self.send(BusMessage { payload: altered(&message.payload), ..message }),
            Mutation::Invent if hit => {
                let invented = invented(&message.payload, self.run_tag);
                self.send(message);
                self.send(BusMessage { payload: invented, redelivered: false });
            }
            Mutation::Reorder if hit && self.held.is_none() => self.held = Some((id.session, message)),
            Mutation::Reorder if self.held.as_ref().is_some_and(|(session, _)| *session == id.session) => {
                self.send(message);
                self.release_held();
            }
            _ => self.send(message),
        }
    }

    /// Hands over what the broken bus held back, so that it never becomes a loss.
    pub(crate) fn release_held(&mut self) {
        if let Some((_, message)) = self.held.take() {
            self.send(message);
        }
    }
}

fn altered(payload: &Bytes) -> Bytes {
    let mut bytes = payload.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 0x55;
    }
    bytes.into()
}

fn invented(payload: &Bytes, run_tag: u64) -> Bytes {
    let Decoded::Message { id, key } = decode(payload, run_tag) else { return payload.clone() };
    let mut bytes = Vec::with_capacity(payload.len());
    let never_sent = MessageId { sequence: id.sequence | 0x4000_0000, ..id };
    encode(&mut bytes, run_tag, never_sent, key, payload.len());
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u64 = 5;

    fn after(mutation: Option<Mutation>) -> Vec<Decoded> {
        let mut mailbox = Mailbox::new(RUN, mutation);
        let mut receiver = mailbox.subscribe();
        for sequence in 60..70 {
            let id = MessageId { session: 1, sequence };
            let mut payload = Vec::new();
            encode(&mut payload, RUN, id, 0, 40);
            mailbox.deliver(id, BusMessage { payload: payload.into(), redelivered: false });
        }
        mailbox.release_held();
        std::iter::from_fn(|| receiver.try_recv().ok()).map(|message| decode(&message.payload, RUN)).collect()
    }

    fn sequences(decoded: &[Decoded]) -> Vec<u32> {
        let sequence = |one: &Decoded| match one {
            Decoded::Message { id, .. } => id.sequence,
            Decoded::Corrupt | Decoded::Foreign => u32::MAX,
        };
        decoded.iter().map(sequence).collect()
    }

    #[test]
    fn a_correct_mailbox_hands_over_what_it_got() {
        assert_eq!(sequences(&after(None)), (60..70).collect::<Vec<_>>());
    }

    #[test]
    fn each_mutation_breaks_its_own_promise_and_no_other() {
        assert_eq!(sequences(&after(Some(Mutation::Duplicate)))[3..6], [63, 63, 64]);
        assert_eq!(sequences(&after(Some(Mutation::Reorder)))[3..6], [64, 63, 65]);
        assert_eq!(sequences(&after(Some(Mutation::Invent)))[3..6], [63, 63 | 0x4000_0000, 64]);
        let corrupt = after(Some(Mutation::Corrupt));
        assert_eq!((corrupt[3], corrupt.len()), (Decoded::Corrupt, 10));
    }

    #[test]
    fn a_mailbox_is_full_until_its_slowest_subscriber_reads() {
        let mut mailbox = Mailbox::new(RUN, None);
        let (mut slow, mut fast) = (mailbox.subscribe(), mailbox.subscribe());
        let mut taken = 0;
        while mailbox.has_room() {
            let id = MessageId { session: 1, sequence: taken };
            mailbox.deliver(id, BusMessage { payload: Bytes::new(), redelivered: false });
            taken += 1;
        }
        assert_eq!(taken as usize, CAPACITY - 2);
        while fast.try_recv().is_ok() {}
        assert!(!mailbox.has_room());
        for _ in 0..taken {
            slow.try_recv().unwrap();
        }
        assert!(mailbox.has_room());
    }
}
