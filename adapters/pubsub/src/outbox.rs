//! Frames that wait for the next turn of their node: everything that is sent to a peer in
//! one turn shares as few datagrams as it fits into.

use std::collections::BTreeMap;

use crate::frame::{self, Record, Sender};

/// Frames to all peers that wait at most; beyond that a publish is refused.
const MAX_BROADCAST_FRAMES: usize = 1_024;

/// Frames in the order they will be sent.
#[derive(Debug, Default)]
struct Queue {
    frames: Vec<Vec<u8>>,
}

impl Queue {
    fn push(&mut self, from: Sender, record: &Record) {
        if let Some(open) = self.frames.last_mut()
            && frame::takes_record(open, record.payload.len())
        {
            return frame::push_record(open, record);
        }
        let mut fresh = frame::publish(from);
        frame::push_record(&mut fresh, record);
        self.frames.push(fresh);
    }
}

/// What a node is about to send.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) from: Sender,
    to_all: Queue,
    to_one: BTreeMap<u32, Queue>,
}

impl Outbox {
    pub(crate) fn new(from: Sender) -> Self {
        Self { from, to_all: Queue::default(), to_one: BTreeMap::new() }
    }

    /// Whether another message to all peers must be refused.
    pub(crate) fn is_full(&self) -> bool {
        self.to_all.frames.len() >= MAX_BROADCAST_FRAMES
    }

    /// To every peer.
    pub(crate) fn publish(&mut self, record: &Record) {
        self.to_all.push(self.from, record);
    }

    /// To one peer again.
    pub(crate) fn retry(&mut self, peer: u32, record: &Record) {
        self.to_one.entry(peer).or_default().push(self.from, record);
    }

    /// A whole frame to one peer.
    pub(crate) fn frame(&mut self, peer: u32, frame: Vec<u8>) {
        self.to_one.entry(peer).or_default().frames.push(frame);
    }

    /// Takes everything that waits.
    pub(crate) fn take(&mut self) -> Waiting {
        let to_one = std::mem::take(&mut self.to_one);
        let to_one = to_one.into_iter().flat_map(|(peer, queue)| queue.frames.into_iter().map(move |one| (peer, one)));
        Waiting { to_all: std::mem::take(&mut self.to_all.frames), to_one: to_one.collect() }
    }
}

/// Frames taken from an outbox. Those for all peers go first: they are the new messages.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) to_all: Vec<Vec<u8>>,
    /// With the peer each is for.
    pub(crate) to_one: Vec<(u32, Vec<u8>)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Body, MAX_FRAME_BYTES, MAX_PAYLOAD_BYTES};
    use delivery_broker::MessageId;

    fn record(payload_bytes: usize) -> Record {
        let id = MessageId { session: 1, sequence: 2 };
        Record { destination: 0, retry: false, tag: 0, id, payload: vec![7; payload_bytes].into() }
    }

    #[test]
    fn messages_of_one_turn_share_frames_and_no_frame_is_too_large() {
        let mut outbox = Outbox::new(Sender { node: 1, incarnation: 0 });
        (0..1_000).for_each(|_| outbox.publish(&record(100)));
        outbox.publish(&record(MAX_PAYLOAD_BYTES));
        let Waiting { to_all, to_one } = outbox.take();
        assert!(to_one.is_empty());
        assert_eq!(to_all.len(), 1_000 * 123 / MAX_FRAME_BYTES + 2);
        let mut records = 0;
        for frame in to_all {
            assert!(frame.len() <= MAX_FRAME_BYTES);
            let Body::Publish(mut body) = frame::read(frame.into()).unwrap().body else { panic!() };
            while frame::next_record(&mut body).unwrap().is_some() {
                records += 1;
            }
        }
        assert_eq!(records, 1_001);
    }

    #[test]
    fn a_full_outbox_says_so_until_it_is_taken() {
        let mut outbox = Outbox::new(Sender { node: 1, incarnation: 0 });
        while !outbox.is_full() {
            outbox.publish(&record(MAX_PAYLOAD_BYTES));
        }
        assert_eq!(outbox.take().to_all.len(), MAX_BROADCAST_FRAMES);
        assert!(!outbox.is_full());
    }
}
