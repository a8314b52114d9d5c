//! What goes over the wire between two nodes: one frame is one datagram.
//!
//! Layout, little endian: kind (1 byte), sender (4), its incarnation (8), frame number on
//! this link (8), then by kind: a heartbeat's heard nodes as bits (4); a publish's records;
//! or the incarnation that is confirmed to (8) and ranges of tags.

use bytes::{Buf, Bytes};
use delivery_broker::MessageId;

/// Largest frame, as with UDP over IP; also bounds what one read can bring.
pub(crate) const MAX_FRAME_BYTES: usize = 60_000;
/// Bytes before the body.
const HEADER_BYTES: usize = 21;
/// Where the frame number stands.
const NUMBER: std::ops::Range<usize> = 13..21;
/// Bytes of a record before its payload.
const RECORD_BYTES: usize = 23;
/// Largest payload: a record always fits into an empty frame.
pub(crate) const MAX_PAYLOAD_BYTES: usize = MAX_FRAME_BYTES - HEADER_BYTES - RECORD_BYTES;
/// Bytes of a range of tags.
const RANGE_BYTES: usize = 18;
/// Ranges that fit into one frame.
const MAX_RANGES: usize = (MAX_FRAME_BYTES - HEADER_BYTES - 8) / RANGE_BYTES;

const HEARTBEAT: u8 = 1;
const PUBLISH: u8 = 2;
const CONFIRM: u8 = 3;
const FLAG_RETRY: u8 = 1;

/// Who speaks: a node, and which of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) node: u32,
    pub(crate) incarnation: u64,
}

/// A message on its way to another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) destination: u16,
    /// Sent before: the receiver may have it already.
    pub(crate) retry: bool,
    /// The sender's name for it; confirmed by it.
    pub(crate) tag: u64,
    pub(crate) id: MessageId,
    pub(crate) payload: Bytes,
}

/// Tags `first..=last` of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) destination: u16,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) from: Sender,
    pub(crate) number: u64,
    pub(crate) body: Body,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// The sender lives, and hears these nodes.
    Heartbeat { heard_bits: u32 },
    /// Messages: read them with [`next_record`].
    Publish(Bytes),
    /// These tags of life `incarnation` are taken care of.
    Confirm { incarnation: u64, ranges: Vec<Range> },
}

/// A datagram that is no frame. Nothing but nodes speaks on their port, so it is a bug.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a node received a datagram that is no frame of the bus; this is a bug in the embedded PubSub, please report it"
)]
pub(crate) struct Malformed;

impl From<bytes::TryGetError> for Malformed {
    fn from(_: bytes::TryGetError) -> Self {
        Self
    }
}

fn begin(kind: u8, from: Sender, capacity: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + capacity);
    frame.push(kind);
    frame.extend_from_slice(&from.node.to_le_bytes());
    frame.extend_from_slice(&from.incarnation.to_le_bytes());
    frame.extend_from_slice(&[0; NUMBER.end - NUMBER.start]);
    frame
}

/// Writes the number a finished frame has on the link it is about to take.
pub(crate) fn set_number(frame: &mut [u8], number: u64) {
    frame[NUMBER].copy_from_slice(&number.to_le_bytes());
}

/// A whole heartbeat.
pub(crate) fn heartbeat(from: Sender, heard_bits: u32) -> Vec<u8> {
    let mut frame = begin(HEARTBEAT, from, 4);
    frame.extend_from_slice(&heard_bits.to_le_bytes());
    frame
}

/// Whole confirm frames, as many as the ranges need.
pub(crate) fn confirms(from: Sender, incarnation: u64, ranges: &[Range]) -> impl Iterator<Item = Vec<u8>> {
    ranges.chunks(MAX_RANGES).map(move |chunk| {
        let mut frame = begin(CONFIRM, from, 8 + chunk.len() * RANGE_BYTES);
        frame.extend_from_slice(&incarnation.to_le_bytes());
        for range in chunk {
            frame.extend_from_slice(&range.destination.to_le_bytes());
            frame.extend_from_slice(&range.first.to_le_bytes());
            frame.extend_from_slice(&range.last.to_le_bytes());
        }
        frame
    })
}

/// An empty publish frame.
pub(crate) fn publish(from: Sender) -> Vec<u8> {
    begin(PUBLISH, from, 0)
}

/// Whether `frame` is a publish that takes another `payload_bytes`.
pub(crate) fn takes_record(frame: &[u8], payload_bytes: usize) -> bool {
    frame.first() == Some(&PUBLISH) && frame.len() + RECORD_BYTES + payload_bytes <= MAX_FRAME_BYTES
}

/// Adds a record to a publish frame that takes it.
pub(crate) fn push_record(frame: &mut Vec<u8>, record: &Record) {
    debug_assert!(takes_record(frame, record.payload.len()));
    frame.extend_from_slice(&record.destination.to_le_bytes());
    frame.push(if record.retry { FLAG_RETRY } else { 0 });
    frame.extend_from_slice(&record.tag.to_le_bytes());
    frame.extend_from_slice(&record.id.session.to_le_bytes());
    frame.extend_from_slice(&record.id.sequence.to_le_bytes());
    frame.extend_from_slice(&(record.payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(&record.payload);
}

/// Reads a frame.
pub(crate) fn read(mut datagram: Bytes) -> Result<Frame, Malformed> {
    let kind = datagram.try_get_u8()?;
    let node = datagram.try_get_u32_le()?;
    let incarnation = datagram.try_get_u64_le()?;
    let number = datagram.try_get_u64_le()?;
    let body = match kind {
        HEARTBEAT => Body::Heartbeat { heard_bits: datagram.try_get_u32_le()? },
        PUBLISH => Body::Publish(datagram),
        CONFIRM => Body::Confirm { incarnation: datagram.try_get_u64_le()?, ranges: read_ranges(datagram)? },
        _ => return Err(Malformed),
    };
    Ok(Frame { from: Sender { node, incarnation }, number, body })
}

fn read_ranges(mut body: Bytes) -> Result<Vec<Range>, Malformed> {
    let mut ranges = Vec::with_capacity(body.len() / RANGE_BYTES);
    while body.has_remaining() {
        let destination = body.try_get_u16_le()?;
        let (first, last) = (body.try_get_u64_le()?, body.try_get_u64_le()?);
        if first > last {
            return Err(Malformed);
        }
        ranges.push(Range { destination, first, last });
    }
    Ok(ranges)
}

/// Takes the next record off a publish body; nothing at its end.
pub(crate) fn next_record(body: &mut Bytes) -> Result<Option<Record>, Malformed> {
    if body.is_empty() {
        return Ok(None);
    }
    let destination = body.try_get_u16_le()?;
    let retry = body.try_get_u8()? & FLAG_RETRY != 0;
    let tag = body.try_get_u64_le()?;
    let id = MessageId { session: body.try_get_u32_le()?, sequence: body.try_get_u32_le()? };
    let length = body.try_get_u32_le()? as usize;
    if length > body.len() {
        return Err(Malformed);
    }
    Ok(Some(Record { destination, retry, tag, id, payload: body.split_to(length) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FROM: Sender = Sender { node: 3, incarnation: 17 };

    fn any_record() -> impl Strategy<Value = Record> {
        let payload = proptest::collection::vec(any::<u8>(), 0..300);
        (any::<u16>(), any::<bool>(), any::<u64>(), any::<(u32, u32)>(), payload).prop_map(
            |(destination, retry, tag, (session, sequence), payload)| Record {
                destination,
                retry,
                tag,
                id: MessageId { session, sequence },
                payload: payload.into(),
            },
        )
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_were(records in proptest::collection::vec(any_record(), 0..20), number: u64) {
            let mut frame = publish(FROM);
            records.iter().for_each(|record| push_record(&mut frame, record));
            set_number(&mut frame, number);
            let read = read(frame.into()).unwrap();
            prop_assert_eq!((read.from, read.number), (FROM, number));
            let Body::Publish(mut body) = read.body else { panic!("not a publish") };
            let mut again = Vec::new();
            while let Some(record) = next_record(&mut body).unwrap() {
                again.push(record);
            }
            prop_assert_eq!(again, records);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(Frame { body: Body::Publish(mut body), .. }) = read(bytes.into()) {
                while let Ok(Some(_)) = next_record(&mut body) {}
            }
        }
    }

    #[test]
    fn many_ranges_are_spread_over_frames_that_fit() {
        let ranges: Vec<Range> =
            (0..10_000).map(|tag| Range { destination: 1, first: tag * 2, last: tag * 2 }).collect();
        let mut again = Vec::new();
        for frame in confirms(FROM, 9, &ranges) {
            assert!(frame.len() <= MAX_FRAME_BYTES);
            let Body::Confirm { incarnation: 9, ranges } = read(frame.into()).unwrap().body else { panic!() };
            again.extend(ranges);
        }
        assert_eq!(again, ranges);
    }

    #[test]
    fn a_heartbeat_comes_back_and_a_cut_off_one_is_refused() {
        let frame = heartbeat(FROM, 0b110);
        assert_eq!(read(frame.clone().into()).unwrap().body, Body::Heartbeat { heard_bits: 0b110 });
        assert_eq!(read(frame[..frame.len() - 1].to_vec().into()), Err(Malformed));
    }
}
