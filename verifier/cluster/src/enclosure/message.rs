//! What the inner processes tell the caller, in records small enough to be written whole.

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::error::{Refusal, Step};

/// Bytes of a record: kind, step, value.
const RECORD_BYTES: usize = 12;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The enclosure could not be made.
    Refused(Refusal),
    /// The runner ended with this code.
    Exited(i32),
    /// The runner was killed by this signal.
    Killed(i32),
}

/// Writes a record; a caller that is gone needs none.
pub(super) fn send(report: &OwnedFd, message: Message) {
    let (kind, step, value) = match message {
        Message::Refused(refusal) => (1_u32, refusal.step as u32, refusal.errno as i32),
        Message::Exited(code) => (2, 0, code),
        Message::Killed(signal) => (3, 0, signal),
    };
    let mut record = [0; RECORD_BYTES];
    record[..4].copy_from_slice(&kind.to_ne_bytes());
    record[4..8].copy_from_slice(&step.to_ne_bytes());
    record[8..].copy_from_slice(&value.to_ne_bytes());
    while nix::unistd::write(report, &record) == Err(Errno::EINTR) {}
}

/// The first record there is, once its writers have ended.
pub(super) fn receive(report: &OwnedFd) -> Option<Message> {
    let mut record = [0; RECORD_BYTES];
    let read = loop {
        match nix::unistd::read(report, &mut record) {
            Err(Errno::EINTR) => {}
            other => break other.ok()?,
        }
    };
    if read != RECORD_BYTES {
        return None;
    }
    let word = |at: usize| [record[at], record[at + 1], record[at + 2], record[at + 3]];
    let value = i32::from_ne_bytes(word(8));
    match u32::from_ne_bytes(word(0)) {
        1 => {
            let step = Step::from_number(u32::from_ne_bytes(word(4)))?;
            Some(Message::Refused(Refusal { step, errno: Errno::from_raw(value) }))
        }
        2 => Some(Message::Exited(value)),
        3 => Some(Message::Killed(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let messages = [
            Message::Refused(Refusal { step: Step::ProcMount, errno: Errno::EPERM }),
            Message::Exited(3),
            Message::Killed(9),
        ];
        for message in messages {
            let (reader, writer) = nix::unistd::pipe().unwrap();
            send(&writer, message);
            drop(writer);
            assert_eq!(receive(&reader), Some(message));
            assert_eq!(receive(&reader), None);
        }
    }
}
