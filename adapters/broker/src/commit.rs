//! When a consumer of a log tells the broker that it is done.

use std::collections::BTreeMap;

/// When a consumer tells the broker that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// Process, then commit: at-least-once.
    AfterProcessing,
    /// Commit, then process: at-most-once.
    BeforeProcessing,
    /// The client commits by itself, now and then, what it has handed out.
    Auto,
    /// The client commits by itself what the application has told it is processed, message by message.
    AutoManualStore,
    /// The same, but the application tells it once all it was handed at once is processed.
    AutoBatchStore,
    /// Nobody commits (a fan-out subscriber).
    None,
}

impl CommitMode {
    /// Every mode by the name it has in a configuration.
    pub const NAMES: &[(&str, CommitMode)] = &[
        ("after-processing", Self::AfterProcessing),
        ("before-processing", Self::BeforeProcessing),
        ("auto", Self::Auto),
        ("auto-manual-store", Self::AutoManualStore),
        ("auto-batch-store", Self::AutoBatchStore),
        ("none", Self::None),
    ];

    /// The mode of this name, with or without `commit-` before it.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.strip_prefix("commit-").unwrap_or(name);
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode)
    }

    /// The mode a lane's configuration asks for (`consumer.commit`).
    pub fn of(config: &BTreeMap<String, String>) -> Self {
        config.get("consumer.commit").and_then(|name| Self::from_name(name)).unwrap_or(Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::CommitMode;

    #[test]
    fn names_are_taken_in_both_spellings() {
        for (name, mode) in CommitMode::NAMES {
            assert_eq!(CommitMode::from_name(name), Some(*mode));
            assert_eq!(CommitMode::from_name(&format!("commit-{name}")), Some(*mode));
        }
        assert_eq!(CommitMode::from_name("never"), None);
    }
}
