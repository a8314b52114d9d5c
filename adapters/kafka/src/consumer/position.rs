//! Where a consumer stands in each destination, and whether it got there by reading.

use std::collections::BTreeMap;

/// The next offset of each destination that is read.
#[derive(Debug, Default)]
pub(super) struct Positions {
    next: BTreeMap<u16, u64>,
}

impl Positions {
    /// Reading starts at `offset`, or somewhere unknown.
    pub(super) fn assign(&mut self, destination: u16, offset: Option<u64>) {
        match offset {
            Some(offset) => self.next.insert(destination, offset),
            None => self.next.remove(&destination),
        };
    }

    /// The destination is no longer read, or its position is gone.
    pub(super) fn forget(&mut self, destination: u16) {
        self.next.remove(&destination);
    }

    /// A message was read at `offset`. True when that is not where reading had come to: back, or
    /// ahead over offsets that were never handed out.
    pub(super) fn read(&mut self, destination: u16, offset: u64) -> bool {
        let expected = self.next.insert(destination, offset + 1);
        expected.is_some_and(|expected| expected != offset)
    }
}

#[cfg(test)]
mod tests {
    use super::Positions;

    #[test]
    fn jumps_are_seen_and_steps_are_not() {
        let mut positions = Positions::default();
        positions.assign(0, Some(5));
        assert!(!positions.read(0, 5));
        assert!(!positions.read(0, 6));
        assert!(positions.read(0, 4), "back");
        assert!(!positions.read(0, 5));
        assert!(positions.read(0, 9), "ahead");
        assert!(!positions.read(1, 70), "where it starts was not known");
        positions.forget(0);
        positions.assign(0, Some(3));
        assert!(positions.read(0, 4), "the first message is not where reading was to start");
    }
}
