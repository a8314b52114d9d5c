//! Messages that two members of the consumer group were given: at-most-once is broken then, although no anomaly of the
//! workload's own names it. Processes that subscribed are members; those that were assigned read for themselves.

use std::collections::HashSet;

use delivery_history::import::{Function, OperationKind};

use super::facts::Facts;

/// Messages that are named.
const NAMED: usize = 3;

/// How many, and the first few by name.
pub(super) fn given_to_two(facts: &Facts<'_>) -> (u64, Vec<String>) {
    let mut members = HashSet::<i64, foldhash::fast::RandomState>::default();
    let mut given: Vec<Option<i64>> = vec![None; facts.messages.len()];
    let mut twice = vec![false; facts.messages.len()];
    for (place, operation) in facts.history.operations().iter().enumerate() {
        match (operation.function, operation.kind) {
            (Function::Subscribe, OperationKind::Ok) => {
                members.insert(operation.process);
            }
            (Function::Assign, OperationKind::Ok) | (Function::Crash, OperationKind::Info | OperationKind::Ok) => {
                members.remove(&operation.process);
            }
            (_, OperationKind::Ok) if members.contains(&operation.process) => {
                for read in facts.reads(place) {
                    let first = given[read.message as usize].get_or_insert(operation.process);
                    twice[read.message as usize] |= *first != operation.process;
                }
            }
            _ => {}
        }
    }
    let named = |(id, twice): (usize, &bool)| {
        let message = facts.message(id as u32);
        twice.then(|| format!("{} of key {}", facts.history.text(message.value), facts.history.key(message.key)))
    };
    let few = twice.iter().enumerate().filter_map(named).take(NAMED).collect();
    (twice.iter().filter(|twice| **twice).count() as u64, few)
}
