//! Histories of Jepsen's Kafka workload, judged in that workload's own anomaly names.
//!
//! Every message (a key and a value) gets a dense number first, so all that follows indexes arrays: the cost grows with
//! the number of operations, never with an offset. One file a family of anomalies.

mod aborted_read;
mod anomaly;
mod collect;
mod components;
mod cycles;
mod external;
mod facts;
mod internal;
mod log_order;
mod lost_write;
mod members;
mod offsets;
mod phantom;
mod precommitted_read;
mod tie;
mod unseen;
mod verdict;

use delivery_history::import::{Action, Function, Operation, OperationHistory};

use crate::judgement::{EventCounts, Finding};
pub use anomaly::Anomaly;

/// What may be concluded from a history.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogOptions {
    /// Take the order of offsets for an order of transactions (write-write dependencies).
    pub ww_deps: bool,
}

/// What a history of operations was found to say.
#[derive(Clone, Debug, PartialEq)]
pub struct LogJudgement {
    /// Anomalies that were seen, in the order of [`Anomaly::ALL`].
    pub findings: Vec<Finding>,
    /// Sends acknowledged, certainly failed and of unknown outcome; messages read by polls that ended well.
    pub counts: LogCounts,
    /// Messages that two members of the consumer group were given: they break at-most-once, and nothing else.
    pub given_to_two_members: u64,
    /// The first few of them.
    pub two_members_named: Vec<String>,
    /// Operations that were judged, and those that were not.
    pub events: EventCounts,
    /// Some operation is a transaction, or sends more than one message.
    pub transactional: bool,
    /// Write-write dependencies were taken into account.
    pub ww_deps: bool,
    /// From the first operation to the last one, nanoseconds.
    pub spans_ns: u64,
}

/// Messages sent and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Sends that ended, or were invoked and never ended.
    pub sent: u64,
    /// Of them acknowledged.
    pub acked: u64,
    /// Certainly failed.
    pub failed: u64,
    /// Of unknown outcome.
    pub unknown: u64,
    /// Messages that polls returned.
    pub delivered: u64,
}

/// Judges a history of operations on a log.
pub fn judge_operations(history: &OperationHistory, options: LogOptions) -> LogJudgement {
    let facts = facts::Facts::new(history);
    let order = log_order::LogOrder::new(&facts);
    let mut found = collect::Collector::new(&facts);
    offsets::check(&facts, &order, &mut found);
    aborted_read::check(&facts, &mut found);
    precommitted_read::check(&facts, &mut found);
    lost_write::check(&facts, &order, &mut found);
    unseen::check(&facts, &mut found);
    internal::check(&facts, &order, &mut found);
    external::check(&facts, &order, &mut found);
    phantom::check(&facts, &mut found);
    cycles::check(&facts, &order, options.ww_deps, &mut found);
    let (given_to_two_members, two_members_named) = members::given_to_two(&facts);
    let all = history.operations().iter();
    let other = all.clone().filter(|operation| operation.function == Function::Other).count() as u64;
    let sends = |operation: &Operation| {
        history.micro_operations(operation).iter().filter(|micro| micro.action == Action::Send).count()
    };
    let transactional = |operation: &Operation| operation.function == Function::Transaction || sends(operation) > 1;
    LogJudgement {
        findings: found.findings(),
        counts: facts.counts(),
        given_to_two_members,
        two_members_named,
        events: EventCounts { judged: all.len() as u64 - other, not_judged: history.not_judged },
        transactional: all.clone().any(transactional),
        ww_deps: options.ww_deps,
        spans_ns: span_ns(history),
    }
}

/// From the first operation to the last one, nanoseconds.
fn span_ns(history: &OperationHistory) -> u64 {
    let times = || history.operations().iter().map(|operation| operation.time_ns);
    match (times().min(), times().max()) {
        (Some(first_ns), Some(last_ns)) => last_ns.abs_diff(first_ns),
        _ => 0,
    }
}
