//! Message identity and the payload that carries it.
//!
//! Layout, little endian: magic (4 bytes), CRC-32C of all that follows (4), run tag (8),
//! producer session (4), sequence (4), key (4), then padding to the message size. The
//! checksum covers the padding, so any altered byte shows.

/// First bytes of every payload.
const MAGIC: [u8; 4] = *b"DLV1";
/// Bytes before the padding; the smallest payload.
pub const HEADER_BYTES: usize = 28;

/// Which message this is: dense, so checks index arrays with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// Producer session.
    pub session: u32,
    /// Place in the session, from 0 without gaps.
    pub sequence: u32,
}

/// What a payload turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// One of ours, unaltered.
    Message {
        /// Which one.
        id: MessageId,
        /// Its key.
        key: u32,
    },
    /// Starts as ours do, but was altered on the way.
    Corrupt,
    /// Not written by this run.
    Foreign,
}

/// Writes the payload of a message into `buffer`, which is cleared first and ends up
/// `size_bytes` long (at least [`HEADER_BYTES`]).
pub fn encode(buffer: &mut Vec<u8>, run_tag: u64, id: MessageId, key: u32, size_bytes: usize) {
    buffer.clear();
    buffer.extend_from_slice(&MAGIC);
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&run_tag.to_le_bytes());
    buffer.extend_from_slice(&id.session.to_le_bytes());
    buffer.extend_from_slice(&id.sequence.to_le_bytes());
    buffer.extend_from_slice(&key.to_le_bytes());
    buffer.resize(size_bytes.max(HEADER_BYTES), id.sequence as u8);
    let checksum = crc32c::crc32c(&buffer[8..]);
    buffer[4..8].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads a payload back.
pub fn decode(payload: &[u8], run_tag: u64) -> Decoded {
    if payload.len() < HEADER_BYTES || payload[..4] != MAGIC {
        return Decoded::Foreign;
    }
    if crc32c::crc32c(&payload[8..]) != word(payload, 4) {
        return Decoded::Corrupt;
    }
    let tag = u64::from(word(payload, 8)) | u64::from(word(payload, 12)) << 32;
    if tag != run_tag {
        return Decoded::Foreign;
    }
    let id = MessageId { session: word(payload, 16), sequence: word(payload, 20) };
    Decoded::Message { id, key: word(payload, 24) }
}

fn word(payload: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([payload[at], payload[at + 1], payload[at + 2], payload[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::{Decoded, HEADER_BYTES, MessageId, decode, encode};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(tag: u64, session: u32, sequence: u32, key: u32, size in 0usize..600) {
            let mut buffer = Vec::new();
            let id = MessageId { session, sequence };
            encode(&mut buffer, tag, id, key, size);
            prop_assert_eq!(buffer.len(), size.max(HEADER_BYTES));
            prop_assert_eq!(decode(&buffer, tag), Decoded::Message { id, key });
            prop_assert_eq!(decode(&buffer, tag ^ 1), Decoded::Foreign);
        }

        #[test]
        fn any_altered_byte_shows(sequence: u32, size in HEADER_BYTES..200, at in 0usize..200, flip in 1u8..) {
            let mut buffer = Vec::new();
            encode(&mut buffer, 7, MessageId { session: 1, sequence }, 3, size);
            let at = at % buffer.len();
            buffer[at] ^= flip;
            let expected = if at < 4 { Decoded::Foreign } else { Decoded::Corrupt };
            prop_assert_eq!(decode(&buffer, 7), expected);
        }

        #[test]
        fn arbitrary_bytes_are_never_a_message(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let is_message = matches!(decode(&bytes, 7), Decoded::Message { .. });
            prop_assert!(!is_message);
        }
    }
}
