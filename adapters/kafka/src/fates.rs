//! What became of the transactions a log holds: only the marker that ends one says whether its messages count.
//!
//! Read from the log itself, and not from the list of aborted transactions that brokers send with it: consumers rely on
//! that list, so what they were given can be held against this.

use std::collections::VecDeque;

use delivery_broker::{AuditItem, Decoded, decode};
use kafka_protocol::records::Record;

/// Length of a control record's key: version, then type.
const CONTROL_KEY_BYTES: usize = 4;
/// Type of the marker that aborts.
const ABORT: i16 = 0;
/// Type of the marker that commits.
const COMMIT: i16 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Of no transaction, or of one that committed.
    Stands,
    Aborted,
    /// Of a transaction of this producer, and nothing has ended it yet.
    Open(i64),
    /// No message.
    Control,
}

/// Records in the order of the log, held back until it is known what became of them.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    held: VecDeque<(u64, Decoded, Fate)>,
}

impl Fates {
    /// Takes the next record, and hands on what is decided.
    pub(crate) fn take(&mut self, record: &Record, offset: u64, run_tag: u64, sink: &mut dyn FnMut(AuditItem)) {
        if record.control {
            self.settle(record);
            self.held.push_back((offset, Decoded::Foreign, Fate::Control));
        } else {
            let payload = decode(record.value.as_deref().unwrap_or_default(), run_tag);
            let fate = if record.transactional { Fate::Open(record.producer_id) } else { Fate::Stands };
            self.held.push_back((offset, payload, fate));
        }
        while let Some(next) = self.held.pop_front_if(|(_, _, fate)| !matches!(fate, Fate::Open(_))) {
            sink(item(next));
        }
    }

    /// The log ends: what is open stays so.
    pub(crate) fn end(&mut self, sink: &mut dyn FnMut(AuditItem)) {
        self.held.drain(..).map(item).for_each(sink);
    }

    fn settle(&mut self, marker: &Record) {
        let fate = match marker_type(marker) {
            Some(COMMIT) => Fate::Stands,
            Some(ABORT) => Fate::Aborted,
            // Other control records (a leader's change) end no transaction.
            _ => return,
        };
        let ends = Fate::Open(marker.producer_id);
        self.held.iter_mut().filter(|(_, _, held)| *held == ends).for_each(|(_, _, held)| *held = fate);
    }
}

fn marker_type(record: &Record) -> Option<i16> {
    let key = record.key.as_deref().filter(|key| key.len() >= CONTROL_KEY_BYTES)?;
    Some(i16::from_be_bytes([key[2], key[3]]))
}

fn item((offset, payload, fate): (u64, Decoded, Fate)) -> AuditItem {
    match fate {
        Fate::Control => AuditItem::Control(offset),
        Fate::Stands => AuditItem::Message { offset, payload },
        Fate::Aborted => AuditItem::Aborted { offset, payload },
        Fate::Open(_) => AuditItem::Open { offset, payload },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use delivery_broker::{AuditItem, Decoded};
    use kafka_protocol::records::{NO_PARTITION_LEADER_EPOCH, Record, TimestampType};

    use super::Fates;

    fn record(producer_id: i64, transactional: bool, marker: Option<i16>) -> Record {
        let key = marker.map(|kind| Bytes::copy_from_slice(&[0, 0, 0, kind as u8]));
        Record {
            transactional,
            control: marker.is_some(),
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id,
            producer_epoch: 0,
            timestamp_type: TimestampType::Creation,
            offset: 0,
            sequence: 0,
            timestamp: 0,
            key,
            value: None,
            headers: Default::default(),
        }
    }

    fn read(records: &[Record]) -> Vec<AuditItem> {
        let (mut fates, mut items) = (Fates::default(), Vec::new());
        for (record, offset) in records.iter().zip(0..) {
            fates.take(record, offset, 7, &mut |item| items.push(item));
        }
        fates.end(&mut |item| items.push(item));
        items
    }

    #[test]
    fn only_its_own_producers_marker_decides_over_a_message() {
        let payload = Decoded::Foreign;
        let items = read(&[
            record(1, true, None),
            record(2, true, None),
            record(-1, false, None),
            record(2, true, Some(1)),
            record(1, true, Some(0)),
            record(1, true, None),
            record(9, false, Some(2)),
        ]);
        let expected = [
            AuditItem::Aborted { offset: 0, payload },
            AuditItem::Message { offset: 1, payload },
            AuditItem::Message { offset: 2, payload },
            AuditItem::Control(3),
            AuditItem::Control(4),
            AuditItem::Open { offset: 5, payload },
            AuditItem::Control(6),
        ];
        assert_eq!(items, expected);
    }
}
