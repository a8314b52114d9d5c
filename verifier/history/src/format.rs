//! The header of an event file.

use crate::map::{EVENT_BYTES, HEADER_BYTES};

/// First bytes of every event file.
const MAGIC: [u8; 8] = *b"DLVEVENT";
/// Version of the event format; another version is refused by name.
pub const EVENT_FORMAT: u32 = 1;

/// What stands before the first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Number of the worker that recorded the file.
    pub(crate) worker: u16,
}

/// A file that is no event file of this version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeaderError {
    /// Shorter than a header: the recorder was killed before it began.
    #[error("it ends inside its header")]
    Short,
    /// Not an event file.
    #[error("it is no event file (it does not start with DLVEVENT)")]
    Magic,
    /// An event file of another version.
    #[error(
        "its events have format version {found}, this program reads version {EVENT_FORMAT}; use the `verify` that recorded it"
    )]
    Version {
        /// Version it has.
        found: u32,
    },
    /// Right version, wrong event size: damaged.
    #[error("its header says that an event has {found} bytes, not {EVENT_BYTES}")]
    EventSize {
        /// Size it gives.
        found: u32,
    },
}

/// The bytes an event file of `worker` begins with; events follow as they stand in memory (little-endian).
pub fn header_bytes(worker: u16) -> [u8; HEADER_BYTES] {
    Header { worker }.to_bytes()
}

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&EVENT_FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&(EVENT_BYTES as u32).to_le_bytes());
        bytes[16..18].copy_from_slice(&self.worker.to_le_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(HeaderError::Short)?;
        if header[..8] != MAGIC {
            return Err(HeaderError::Magic);
        }
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if word(8) != EVENT_FORMAT {
            return Err(HeaderError::Version { found: word(8) });
        }
        if word(12) as usize != EVENT_BYTES {
            return Err(HeaderError::EventSize { found: word(12) });
        }
        Ok(Self { worker: u16::from_le_bytes([header[16], header[17]]) })
    }
}
