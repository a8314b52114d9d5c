//! Frames that come later than they are sent, each peer's in the order they were sent.
//!
//! They are numbered, and may be lost or cut off, only once they go out.

use std::collections::{BTreeMap, VecDeque};

use delivery_broker::LinkLedger;

/// Frames that wait for one peer at most, as a socket's buffer holds so many and no more.
const MAX_FRAMES: usize = 4_096;

/// A frame, and when it may go out, nanoseconds.
type Late = (u64, Vec<u8>);

/// What waits, by peer.
#[derive(Debug, Default)]
pub(crate) struct LateFrames {
    by_peer: BTreeMap<u32, VecDeque<Late>>,
}

impl LateFrames {
    /// Keeps a frame from `me` to `peer` where it is to come later, or others before it do; false where it goes at once.
    pub(crate) fn keep(&mut self, ledger: &LinkLedger, (me, peer): (u32, u32), now_ns: u64, frame: &[u8]) -> bool {
        let late_ms = ledger.lateness_ms(me, peer);
        let waiting = self.by_peer.get(&peer).is_some_and(|frames| !frames.is_empty());
        if late_ms.is_none() && !waiting {
            return false;
        }
        let frames = self.by_peer.entry(peer).or_default();
        if frames.len() >= MAX_FRAMES {
            ledger.had_no_room(me, peer);
            return true;
        }
        let due_ns = now_ns + u64::from(late_ms.unwrap_or(0)) * 1_000_000;
        // Links keep the order of what they are given.
        let due_ns = frames.back().map_or(due_ns, |(last_ns, _)| due_ns.max(*last_ns));
        frames.push_back((due_ns, frame.to_vec()));
        true
    }

    /// Takes what is due by `now_ns`, with the peer each is for.
    pub(crate) fn take(&mut self, ledger: &LinkLedger, me: u32, now_ns: u64) -> Vec<(u32, Vec<u8>)> {
        let mut due = Vec::new();
        for (peer, frames) in &mut self.by_peer {
            if ledger.is_held(me, *peer) {
                continue;
            }
            while frames.front().is_some_and(|(due_ns, _)| *due_ns <= now_ns) {
                due.extend(frames.pop_front().map(|(_, frame)| (*peer, frame)));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use delivery_broker::Lateness;

    use super::*;

    const MS: u64 = 1_000_000;

    fn numbers(frames: Vec<(u32, Vec<u8>)>) -> Vec<u8> {
        frames
            .into_iter()
            .map(|(peer, frame)| {
                assert_eq!(peer, 2);
                frame[0]
            })
            .collect()
    }

    #[test]
    fn frames_come_later_and_in_the_order_they_were_sent() {
        let (ledger, mut late) = (LinkLedger::seeded(3), LateFrames::default());
        assert!(!late.keep(&ledger, (1, 2), 0, &[0]));
        ledger.delay(0, &[(1, 2)], Lateness::Of { ms: 100, jitter_ms: 90 });
        assert!(!late.keep(&ledger, (1, 3), 0, &[0]), "that link is none of those");
        for number in 0..20 {
            assert!(late.keep(&ledger, (1, 2), u64::from(number) * 5 * MS, &[number]));
        }
        assert_eq!(late.take(&ledger, 1, 9 * MS), []);
        let mut arrived = Vec::new();
        for at_ms in (10..300).step_by(5) {
            arrived.extend(numbers(late.take(&ledger, 1, at_ms * MS)));
        }
        assert_eq!(arrived, (0..20).collect::<Vec<u8>>());
    }

    #[test]
    fn what_waits_when_a_delay_ends_comes_before_what_is_sent_then() {
        let (ledger, mut late) = (LinkLedger::default(), LateFrames::default());
        ledger.delay(0, &[(1, 2)], Lateness::Of { ms: 100, jitter_ms: 0 });
        assert!(late.keep(&ledger, (1, 2), 0, &[1]));
        ledger.stop_delaying(0);
        assert!(late.keep(&ledger, (1, 2), 10 * MS, &[2]));
        assert_eq!(late.take(&ledger, 1, 99 * MS), []);
        assert_eq!(numbers(late.take(&ledger, 1, 100 * MS)), [1, 2]);
        assert!(!late.keep(&ledger, (1, 2), 101 * MS, &[3]));
    }

    #[test]
    fn held_frames_wait_for_the_end_and_no_more_than_there_is_room_for() {
        let (ledger, mut late) = (LinkLedger::default(), LateFrames::default());
        ledger.delay(0, &[(1, 2)], Lateness::UntilItEnds);
        for _ in 0..MAX_FRAMES + 3 {
            assert!(late.keep(&ledger, (1, 2), 0, &[1]));
        }
        assert_eq!(late.take(&ledger, 1, u64::MAX), []);
        assert_eq!((ledger.delayed(0).delayed, ledger.delayed(0).dropped), (MAX_FRAMES as u64 + 3, 3));
        ledger.stop_delaying(0);
        assert_eq!(late.take(&ledger, 1, 0).len(), MAX_FRAMES);
    }
}
