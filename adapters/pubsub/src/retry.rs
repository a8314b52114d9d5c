//! Messages that not every node has confirmed yet.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use delivery_broker::{MessageId, Reason, SendOutcome, SendReport};

/// Where the outcomes of one producer's sends go.
pub(crate) type Reports = Rc<RefCell<Vec<SendReport>>>;

/// A message that is kept until it is confirmed.
#[derive(Debug)]
pub(crate) struct Unconfirmed {
    pub(crate) id: MessageId,
    pub(crate) payload: Bytes,
    /// Nodes that have not confirmed it; none when it is done.
    pub(crate) missing_bits: u32,
    /// When it was last sent to anybody.
    pub(crate) sent_ns: u64,
    reports: Reports,
}

/// Unconfirmed messages of one topic, in the order of their tags.
#[derive(Debug)]
pub(crate) struct RetryBuffer {
    destination: u16,
    me: u32,
    limit: usize,
    first_tag: u64,
    window: VecDeque<Unconfirmed>,
}

impl RetryBuffer {
    /// Keeps at most `limit` messages from the oldest unconfirmed one on.
    pub(crate) fn new(destination: u16, me: u32, limit: usize) -> Self {
        Self { destination, me, limit, first_tag: 0, window: VecDeque::new() }
    }

    /// Keeps a message; returns its tag, or nothing when the buffer is full.
    pub(crate) fn push(
        &mut self,
        id: MessageId,
        payload: Bytes,
        missing_bits: u32,
        now_ns: u64,
        reports: &Reports,
    ) -> Option<u64> {
        if self.window.len() >= self.limit {
            return None;
        }
        let tag = self.first_tag + self.window.len() as u64;
        self.window.push_back(Unconfirmed { id, payload, missing_bits, sent_ns: now_ns, reports: reports.clone() });
        Some(tag)
    }

    /// The nodes in `bits` confirmed the message with this tag. The last confirm acks it.
    pub(crate) fn confirm(&mut self, tag: u64, bits: u32) {
        let Some(at) = tag.checked_sub(self.first_tag) else { return };
        let Some(message) = self.window.get_mut(at as usize) else { return };
        if message.missing_bits == 0 {
            return;
        }
        message.missing_bits &= !bits;
        if message.missing_bits == 0 {
            let outcome = SendOutcome::Acked { offset: None, by_node: Some(self.me) };
            finish(message, self.destination, outcome);
        }
        self.drop_done();
    }

    /// As [`RetryBuffer::confirm`] for every message there is.
    pub(crate) fn confirm_all(&mut self, bits: u32) {
        for tag in self.first_tag..self.first_tag + self.window.len() as u64 {
            self.confirm(tag, bits);
        }
    }

    /// Gives up on the messages of one producer.
    pub(crate) fn purge(&mut self, reports: &Reports) {
        for message in &mut self.window {
            if message.missing_bits != 0 && Rc::ptr_eq(&message.reports, reports) {
                message.missing_bits = 0;
                finish(message, self.destination, SendOutcome::NotAcked(Reason::Purged));
            }
        }
        self.drop_done();
    }

    /// Messages that wait for a confirm since `sent_before_ns` or longer, oldest first.
    pub(crate) fn overdue(&mut self, sent_before_ns: u64) -> impl Iterator<Item = (u64, &mut Unconfirmed)> {
        let first_tag = self.first_tag;
        let tagged = self.window.iter_mut().enumerate().map(move |(at, message)| (first_tag + at as u64, message));
        tagged.filter(move |(_, message)| message.missing_bits != 0 && message.sent_ns <= sent_before_ns)
    }

    fn drop_done(&mut self) {
        while self.window.front().is_some_and(|message| message.missing_bits == 0) {
            self.window.pop_front();
            self.first_tag += 1;
        }
    }
}

fn finish(message: &mut Unconfirmed, destination: u16, outcome: SendOutcome) {
    message.payload = Bytes::new();
    message.reports.borrow_mut().push(SendReport { id: message.id, destination, outcome });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(sequence: u32) -> MessageId {
        MessageId { session: 0, sequence }
    }

    fn acked(reports: &Reports) -> Vec<u32> {
        reports.borrow().iter().map(|report| report.id.sequence).collect()
    }

    #[test]
    fn the_last_confirm_acks_and_a_repeated_one_does_nothing() {
        let reports = Reports::default();
        let mut buffer = RetryBuffer::new(4, 1, 10);
        let tag = buffer.push(id(0), Bytes::new(), 0b110, 5, &reports).unwrap();
        buffer.confirm(tag, 0b010);
        buffer.confirm(tag, 0b010);
        assert!(reports.borrow().is_empty());
        buffer.confirm(tag, 0b100);
        buffer.confirm(tag, 0b100);
        let outcome = SendOutcome::Acked { offset: None, by_node: Some(1) };
        assert_eq!(*reports.borrow(), [SendReport { id: id(0), destination: 4, outcome }]);
    }

    #[test]
    fn the_window_is_bounded_by_its_oldest_unconfirmed_message() {
        let reports = Reports::default();
        let mut buffer = RetryBuffer::new(0, 1, 2);
        let first = buffer.push(id(0), Bytes::new(), 1, 0, &reports).unwrap();
        let second = buffer.push(id(1), Bytes::new(), 1, 0, &reports).unwrap();
        buffer.confirm(second, 1);
        assert_eq!(buffer.push(id(2), Bytes::new(), 1, 0, &reports), None);
        buffer.confirm(first, 1);
        assert_eq!(buffer.push(id(2), Bytes::new(), 1, 0, &reports), Some(2));
        assert_eq!(acked(&reports), [1, 0]);
    }

    #[test]
    fn a_purge_reports_one_producers_messages_and_no_others() {
        let (mine, other) = (Reports::default(), Reports::default());
        let mut buffer = RetryBuffer::new(0, 1, 10);
        let kept = buffer.push(id(7), Bytes::new(), 1, 0, &other).unwrap();
        buffer.push(id(0), Bytes::new(), 1, 0, &mine);
        buffer.purge(&mine);
        buffer.purge(&mine);
        assert_eq!(mine.borrow().len(), 1);
        assert_eq!(mine.borrow()[0].outcome, SendOutcome::NotAcked(Reason::Purged));
        assert_eq!(buffer.overdue(0).map(|(tag, _)| tag).collect::<Vec<_>>(), [kept]);
    }

    proptest! {
        #[test]
        fn every_message_is_acked_exactly_once_in_whatever_order_confirms_come(
            confirms in proptest::collection::vec((0u64..30, 0u32..3), 0..400),
        ) {
            let reports = Reports::default();
            let mut buffer = RetryBuffer::new(0, 1, 30);
            for sequence in 0..30 {
                prop_assert!(buffer.push(id(sequence), Bytes::new(), 0b111, 0, &reports).is_some());
            }
            for (tag, node) in confirms {
                buffer.confirm(tag, 1 << node);
            }
            buffer.confirm_all(0b111);
            let mut all = acked(&reports);
            all.sort_unstable();
            prop_assert_eq!(all, (0..30).collect::<Vec<_>>());
            prop_assert!(buffer.window.is_empty());
        }
    }
}
