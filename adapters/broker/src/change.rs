//! What a product can be asked to change of itself while clients work, and what it answers.

use serde::{Deserialize, Serialize};

use crate::client::DestinationRef;

/// A kind of change, for what a system can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// [`Change::TransferLeaders`].
    TransferLeaders,
    /// [`Change::ElectPreferred`].
    ElectPreferred,
    /// [`Change::ElectUnclean`].
    ElectUnclean,
    /// [`Change::Rebalance`].
    Rebalance,
    /// [`Change::Reassign`].
    Reassign,
    /// [`Change::Leave`].
    Leave,
}

/// A change an administrator is asked for, of the lanes' destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// `to` is to lead, though the leader is well.
    TransferLeaders {
        /// Number of the node.
        to: u32,
    },
    /// Whoever is to lead by the order of replicas leads again.
    ElectPreferred,
    /// A replica that is not in sync may lead, since none that is lives.
    ElectUnclean,
    /// The product spreads leaders over its nodes as it sees fit.
    Rebalance,
    /// The leader's replica is given to a node that holds none.
    Reassign,
    /// `node` is to be no member any more, and to forget what it stores.
    Leave {
        /// Its number.
        node: u32,
    },
    /// `node`, which left, is to be a member again, and to copy everything anew.
    Rejoin {
        /// Its number.
        node: u32,
    },
}

/// What became of a change for one destination. Numbers stand in event offsets and never change their meaning.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeOutcome {
    /// It was made.
    Done = 1,
    /// There was nothing to change.
    NotNeeded = 2,
    /// It was refused, or failed.
    Refused = 3,
    /// Such a destination has no such thing.
    NoMeaning = 4,
}

impl ChangeOutcome {
    /// The outcome with this number, if there is one.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Done),
            2 => Some(Self::NotNeeded),
            3 => Some(Self::Refused),
            4 => Some(Self::NoMeaning),
            _ => None,
        }
    }
}

/// What the product answered for one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeAnswer {
    /// Index of the destination.
    pub destination: u16,
    /// What became of it.
    pub outcome: ChangeOutcome,
    /// The product's words where it was not made; else empty.
    pub words: String,
}

impl ChangeAnswer {
    /// An answer without words.
    pub fn new(destination: u16, outcome: ChangeOutcome) -> Self {
        Self { destination, outcome, words: String::new() }
    }

    /// A refusal.
    pub fn refused(destination: u16, words: impl Into<String>) -> Self {
        Self { destination, outcome: ChangeOutcome::Refused, words: words.into() }
    }

    /// The same refusal for all of them.
    pub fn all_refused(destinations: &[DestinationRef], words: &str) -> Vec<Self> {
        destinations.iter().map(|destination| Self::refused(destination.index, words)).collect()
    }
}

/// What an administrator has to tell of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// One answer for each destination that was asked for.
    pub answers: Vec<ChangeAnswer>,
    /// What a node forgot of what it had stored, bytes, where the administrator made it forget.
    pub wiped_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::ChangeOutcome;

    #[test]
    fn outcomes_are_read_back_from_their_numbers() {
        use ChangeOutcome::{Done, NoMeaning, NotNeeded, Refused};
        for outcome in [Done, NotNeeded, Refused, NoMeaning] {
            assert_eq!(ChangeOutcome::from_number(outcome as u64), Some(outcome));
        }
        assert_eq!(ChangeOutcome::from_number(0), None);
    }
}
