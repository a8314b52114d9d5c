//! When a queue is drained: three answers in a row that say the same and nothing unsettled.

/// Answers in a row that must agree.
const IN_A_ROW: u32 = 3;
/// Answers in a row that must say that a queue is gone: longer, since it may come back with a node.
const GONE_IN_A_ROW: u32 = 20;

/// What was said of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Led by this node.
    Leader(u32),
    /// How deep it is, by `node`.
    Depth {
        /// Who was asked.
        node: u32,
        /// Messages nobody has been handed.
        ready: u64,
        /// Messages handed out and not settled.
        unacked: u64,
    },
    /// Every node says that it is not there.
    Gone,
    /// No answer.
    Nothing,
}

/// The last answers about a queue.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    last: Option<Said>,
    agreeing: u32,
}

impl Drained {
    /// Takes in an answer.
    pub(crate) fn take(&mut self, said: Said) {
        let same = match (self.last, said) {
            (Some(Said::Depth { ready: before, .. }), Said::Depth { ready, unacked: 0, .. }) => before == ready,
            (Some(Said::Gone), Said::Gone) => true,
            _ => false,
        };
        let counts = matches!(said, Said::Gone | Said::Depth { unacked: 0, .. });
        self.agreeing = match (counts, same) {
            (true, true) => self.agreeing + 1,
            (true, false) => 1,
            (false, _) => 0,
        };
        self.last = Some(said);
    }

    /// Whether that is enough.
    pub(crate) fn is_certain(&self) -> bool {
        self.agreeing >= if self.is_gone() { GONE_IN_A_ROW } else { IN_A_ROW }
    }

    /// Whether the last answer is that there is no such queue.
    pub(crate) fn is_gone(&self) -> bool {
        self.last == Some(Said::Gone)
    }

    /// Messages that are left, by the last answer.
    pub(crate) fn ready(&self) -> u64 {
        match self.last {
            Some(Said::Depth { ready, .. }) => ready,
            _ => 0,
        }
    }

    /// Who gave the last answer.
    pub(crate) fn node(&self) -> Option<u32> {
        match self.last {
            Some(Said::Depth { node, .. }) => Some(node),
            _ => None,
        }
    }

    /// For people.
    pub(crate) fn what_is_missing(&self) -> String {
        match self.last {
            Some(Said::Depth { ready, unacked, .. }) => {
                format!("not drained: {ready} messages ready and {unacked} unsettled at the last look")
            }
            Some(Said::Gone) => String::from("not every node says for long enough that it is gone"),
            _ => String::from("nobody says how deep it is"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Drained, Said};

    fn depth(ready: u64, unacked: u64) -> Said {
        Said::Depth { node: 1, ready, unacked }
    }

    #[test]
    fn three_equal_answers_with_nothing_unsettled() {
        let mut drained = Drained::default();
        for said in [depth(9, 0), depth(5, 0), depth(0, 3), depth(0, 0), depth(0, 0)] {
            drained.take(said);
            assert!(!drained.is_certain(), "{drained:?}");
        }
        drained.take(Said::Nothing);
        drained.take(depth(0, 0));
        drained.take(depth(0, 0));
        assert!(!drained.is_certain());
        drained.take(depth(0, 0));
        assert!(drained.is_certain());
    }

    #[test]
    fn what_nobody_takes_is_left() {
        let mut drained = Drained::default();
        (0..3).for_each(|_| drained.take(depth(7, 0)));
        assert!(drained.is_certain());
        assert_eq!((drained.ready(), drained.node()), (7, Some(1)));
    }

    #[test]
    fn a_queue_is_gone_only_after_a_while() {
        let mut drained = Drained::default();
        (0..19).for_each(|_| drained.take(Said::Gone));
        assert!(!drained.is_certain());
        drained.take(Said::Gone);
        assert!(drained.is_certain() && drained.is_gone());
        drained.take(depth(0, 0));
        assert!(!drained.is_certain(), "it came back");
    }
}
