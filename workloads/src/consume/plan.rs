//! How a consumer works: how much it takes at once, how long a message takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use delivery_broker::CommitMode;

use crate::handler::processing;

/// Messages a consumer is handed at once where its configuration does not say.
const DEFAULT_POLL_RECORDS: usize = 500;

/// What a consumer reads, and how it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumePlan {
    /// When it settles.
    pub commit: CommitMode,
    /// It is a subscriber of its own: owed everything from its subscription on.
    pub subscriber: bool,
    /// How long it works on each message.
    pub processing: Duration,
    /// Messages it takes at once; it does not poll before it has worked them off.
    pub poll_records: usize,
    /// Workers whose sentinels it must have read, per destination, to be drained.
    pub sentinels: BTreeMap<u16, BTreeSet<u16>>,
}

impl ConsumePlan {
    /// What a lane's configuration asks for.
    pub fn of(config: &BTreeMap<String, String>, subscriber: bool, sentinels: BTreeMap<u16, BTreeSet<u16>>) -> Self {
        let number = |name: &str| config.get(name).and_then(|value| value.parse::<u64>().ok());
        let poll_records = number("consumer.max.poll.records").and_then(|records| usize::try_from(records).ok());
        Self {
            commit: CommitMode::of(config),
            subscriber,
            processing: processing(config),
            poll_records: poll_records.unwrap_or(DEFAULT_POLL_RECORDS).max(1),
            sentinels,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use delivery_broker::CommitMode;

    use super::ConsumePlan;

    #[test]
    fn a_configuration_says_how_a_consumer_works() {
        let config = [("consumer.commit", "auto-manual-store"), ("consumer.processing.ms", "30")];
        let config: BTreeMap<String, String> =
            config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let plan = ConsumePlan::of(&config, false, BTreeMap::new());
        assert_eq!((plan.commit, plan.processing), (CommitMode::AutoManualStore, Duration::from_millis(30)));
        assert_eq!(plan.poll_records, 500);
        assert_eq!(ConsumePlan::of(&BTreeMap::new(), true, BTreeMap::new()).commit, CommitMode::None);
    }
}
