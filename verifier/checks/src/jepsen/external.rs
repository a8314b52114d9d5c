//! `poll-skip`, `nonmonotonic-poll`, `nonmonotonic-send`: per process and key, the last message of one operation against
//! the first of the next. An assignment or a subscription keeps only the keys it lists.

use std::collections::HashMap;

use delivery_history::import::{Action, Function, Operation, OperationKind};

use super::anomaly::Anomaly;
use super::collect::Collector;
use super::facts::{Facts, MessageId};
use super::internal::name;
use super::log_order::LogOrder;

/// Where a process stands in a key.
#[derive(Clone, Copy, Debug)]
struct Stand {
    message: MessageId,
    place: u32,
    /// The key was rebalanced since: skipping on is no wonder.
    rebalanced: bool,
}

type Stands = HashMap<u32, Stand, foldhash::fast::RandomState>;

#[derive(Debug, Default)]
struct Client {
    reads: Stands,
    sends: Stands,
}

pub(super) fn check(facts: &Facts<'_>, order: &LogOrder, found: &mut Collector<'_, '_>) {
    let mut clients = HashMap::<i64, Client, foldhash::fast::RandomState>::default();
    let mut seen = Seen { reads: vec![u32::MAX; facts.history.key_count()], sends: Vec::new() };
    seen.sends.clone_from(&seen.reads);
    for (place, operation) in facts.history.operations().iter().enumerate() {
        if operation.kind == OperationKind::Invoke {
            continue;
        }
        let client = clients.entry(operation.process).or_default();
        for key in facts.history.rebalanced(operation) {
            if let Some(stand) = client.reads.get_mut(key) {
                stand.rebalanced = true;
            }
        }
        match operation.function {
            Function::Assign | Function::Subscribe if operation.kind != OperationKind::Fail => {
                let kept = facts.history.keys_of(operation);
                client.reads = keep(&client.reads, kept);
                client.sends = keep(&client.sends, kept);
            }
            Function::Send | Function::Poll | Function::Transaction => {
                let step = Step { facts, order, place: place as u32 };
                step.compare(client, &mut seen, found);
                step.advance(client, operation);
            }
            _ => {}
        }
    }
}

fn keep(stands: &Stands, keys: &[u32]) -> Stands {
    keys.iter().filter_map(|key| stands.get(key).map(|stand| (*key, *stand))).collect()
}

/// The last operation that touched each key, so that only its first message there counts.
struct Seen {
    reads: Vec<u32>,
    sends: Vec<u32>,
}

/// One operation against what its process did before.
struct Step<'f, 'a> {
    facts: &'f Facts<'a>,
    order: &'f LogOrder,
    place: u32,
}

impl Step<'_, '_> {
    fn compare(&self, client: &Client, seen: &mut Seen, found: &mut Collector<'_, '_>) {
        let operation = &self.facts.history.operations()[self.place as usize];
        for micro in self.facts.micro(self.place as usize) {
            let key = self.facts.message(micro.message).key;
            let (stands, seen) = match micro.action {
                Action::Read => (&client.reads, &mut seen.reads),
                Action::Send => (&client.sends, &mut seen.sends),
            };
            if std::mem::replace(&mut seen[key as usize], self.place) == self.place {
                continue;
            }
            let Some(stand) = stands.get(&key) else { continue };
            let step = self.order.step(stand.message, micro.message);
            let what = || format!("{step:+} in its key's order from {}", name(self.facts, stand.message));
            let places = [stand.place, self.place];
            match micro.action {
                Action::Read if step > 1 && !stand.rebalanced => {
                    found.add(Anomaly::PollSkip, micro.message, what, &places);
                }
                Action::Read if step < 1 => found.add(Anomaly::NonmonotonicPoll, micro.message, what, &places),
                // What certainly failed was not sent out of order.
                Action::Send if step < 1 && operation.kind != OperationKind::Fail => {
                    found.add(Anomaly::NonmonotonicSend, micro.message, what, &places);
                }
                _ => {}
            }
        }
    }

    /// Reads count once the operation is known to have happened; sends may have been stored anyway.
    fn advance(&self, client: &mut Client, operation: &Operation) {
        for micro in self.facts.micro(self.place as usize) {
            let key = self.facts.message(micro.message).key;
            let stand = Stand { message: micro.message, place: self.place, rebalanced: false };
            match (micro.action, operation.kind) {
                (Action::Read, OperationKind::Ok) => client.reads.insert(key, stand),
                (Action::Send, OperationKind::Ok | OperationKind::Info) => client.sends.insert(key, stand),
                _ => None,
            };
        }
    }
}
