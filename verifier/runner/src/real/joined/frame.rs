//! What crosses the connection between the runner and a machine: frames of a bounded length.

use std::io::{self, Read, Write};

use delivery_history::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes of a frame.
const MAX_BYTES: usize = 1 << 20;
/// Bytes of its length and its kind.
const HEAD_BYTES: usize = 5;
/// Words, as JSON.
const WORDS: u8 = 0;
/// Events of one process.
const EVENTS: u8 = 1;

/// One frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame<W> {
    /// Words.
    Words(W),
    /// Events that a process recorded, by the clock of its machine.
    Events {
        /// The process.
        process: u32,
        /// In order.
        events: Vec<Event>,
    },
}

/// Writes words.
///
/// # Errors
/// When nobody takes them, or they are too long.
pub(crate) fn write_words(to: &mut impl Write, words: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(words)?;
    write_frame(to, WORDS, &[&body])
}

/// Writes events; not more than [`MAX_BYTES`] of them.
///
/// # Errors
/// When nobody takes them.
pub(crate) fn write_events(to: &mut impl Write, process: u32, events: &[Event]) -> io::Result<()> {
    write_frame(to, EVENTS, &[&process.to_le_bytes(), bytemuck::cast_slice(events)])
}

fn write_frame(to: &mut impl Write, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > MAX_BYTES {
        let what = format!("{length} bytes are more than the {MAX_BYTES} of one frame");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let mut frame = Vec::with_capacity(HEAD_BYTES + length);
    frame.extend((length as u32).to_le_bytes());
    frame.push(kind);
    parts.iter().for_each(|part| frame.extend_from_slice(part));
    to.write_all(&frame)?;
    to.flush()
}

/// Reads the next frame.
///
/// # Errors
/// When the other side is gone, says nothing for too long, or says what no `verify` says.
pub(crate) fn read_frame<W: DeserializeOwned>(from: &mut impl Read) -> io::Result<Frame<W>> {
    let mut head = [0; HEAD_BYTES];
    from.read_exact(&mut head)?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if length > MAX_BYTES {
        return Err(strange("a frame that is too long"));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    match head[4] {
        WORDS => Ok(Frame::Words(serde_json::from_slice(&body)?)),
        EVENTS => read_events(&body),
        _ => Err(strange("a frame of an unknown kind")),
    }
}

fn read_events<W>(body: &[u8]) -> io::Result<Frame<W>> {
    let (process, rest) = body.split_first_chunk::<4>().ok_or_else(|| strange("events of no process"))?;
    if rest.len() % size_of::<Event>() != 0 {
        return Err(strange("a part of an event"));
    }
    let events = rest.chunks_exact(size_of::<Event>()).map(bytemuck::pod_read_unaligned).collect();
    Ok(Frame::Events { process: u32::from_le_bytes(*process), events })
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it sent {what}: is it a `verify`?"))
}

#[cfg(test)]
mod tests {
    use delivery_history::EventKind;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_are_read_as_they_were_written(words in "(?s).{0,300}", process: u32, offsets in proptest::collection::vec(any::<u64>(), 0..50)) {
            let event = |offset: &u64| Event::new(EventKind::Delivered).offset(*offset).at(1);
            let events: Vec<Event> = offsets.iter().map(event).collect();
            let mut wire = Vec::new();
            write_words(&mut wire, &words).unwrap();
            write_events(&mut wire, process, &events).unwrap();
            let mut wire = &wire[..];
            prop_assert_eq!(read_frame::<String>(&mut wire).unwrap(), Frame::Words(words));
            prop_assert_eq!(read_frame::<String>(&mut wire).unwrap(), Frame::Events { process, events });
            prop_assert!(read_frame::<String>(&mut wire).is_err(), "nothing more");
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = read_frame::<String>(&mut &bytes[..]);
        }
    }

    #[test]
    fn a_length_beyond_all_bounds_is_refused_before_anything_is_reserved() {
        let wire = [0xff, 0xff, 0xff, 0xff, 0];
        assert!(read_frame::<String>(&mut &wire[..]).is_err());
    }
}
