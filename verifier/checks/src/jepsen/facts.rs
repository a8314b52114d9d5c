//! What is known of every message before any check: who sent it, how that ended, whether it was read.

use std::collections::HashMap;

use delivery_history::import::{Action, Operation, OperationHistory, OperationKind, Scalar};

use super::LogCounts;

/// Number of a message: one value of one key.
pub(super) type MessageId = u32;

/// What is known of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) key: u32,
    pub(super) value: Scalar,
    /// Place of the last operation that tried to send it: its completion, or the invocation where there is none.
    pub(super) writer: Option<u32>,
    /// A send of it certainly failed.
    pub(super) failed: bool,
    /// A send of it was acknowledged.
    pub(super) ok_sent: bool,
    /// A poll that ended well returned it.
    pub(super) ok_polled: bool,
}

/// A micro-operation with its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Micro {
    pub(super) action: Action,
    pub(super) message: MessageId,
    pub(super) offset: Option<u64>,
}

/// The history with its messages numbered.
pub(super) struct Facts<'a> {
    pub(super) history: &'a OperationHistory,
    pub(super) messages: Vec<Message>,
    micro: Vec<Micro>,
    /// Of each operation, where its micro-operations begin; one more for the end.
    begins: Vec<u32>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(history: &'a OperationHistory) -> Self {
        let mut facts = Self { history, messages: Vec::new(), micro: Vec::new(), begins: vec![0] };
        let mut numbers = HashMap::<(u32, Scalar), MessageId, foldhash::fast::RandomState>::default();
        for operation in history.operations() {
            for micro in history.micro_operations(operation) {
                let message = *numbers.entry((micro.key, micro.value)).or_insert_with(|| {
                    facts.messages.push(Message {
                        key: micro.key,
                        value: micro.value,
                        writer: None,
                        failed: false,
                        ok_sent: false,
                        ok_polled: false,
                    });
                    facts.messages.len() as u32 - 1
                });
                facts.micro.push(Micro { action: micro.action, message, offset: micro.offset });
            }
            facts.begins.push(facts.micro.len() as u32);
        }
        facts.note_outcomes();
        facts
    }

    fn note_outcomes(&mut self) {
        for (place, operation) in self.history.operations().iter().enumerate() {
            if !self.ended(operation) {
                continue;
            }
            for at in self.begins[place]..self.begins[place + 1] {
                let micro = self.micro[at as usize];
                let message = &mut self.messages[micro.message as usize];
                match (micro.action, operation.kind) {
                    (Action::Send, kind) => {
                        message.writer = Some(place as u32);
                        message.failed |= kind == OperationKind::Fail;
                        message.ok_sent |= kind == OperationKind::Ok;
                    }
                    (Action::Read, OperationKind::Ok) => message.ok_polled = true,
                    (Action::Read, _) => {}
                }
            }
        }
    }

    /// A completion, or an invocation that has none: that one may have happened as well.
    pub(super) fn ended(&self, operation: &Operation) -> bool {
        operation.kind != OperationKind::Invoke || self.history.partner(operation).is_none()
    }

    /// Completions, and invocations without one, that send or poll; with their places.
    pub(super) fn transactions(&self) -> impl Iterator<Item = (usize, &'a Operation)> {
        let operations = self.history.operations().iter().enumerate();
        operations.filter(|(_, operation)| operation.function.is_transactional() && self.ended(operation))
    }

    pub(super) fn micro(&self, place: usize) -> &[Micro] {
        &self.micro[self.begins[place] as usize..self.begins[place + 1] as usize]
    }

    pub(super) fn reads(&self, place: usize) -> impl Iterator<Item = &Micro> {
        self.micro(place).iter().filter(|micro| micro.action == Action::Read)
    }

    pub(super) fn sends(&self, place: usize) -> impl Iterator<Item = &Micro> {
        self.micro(place).iter().filter(|micro| micro.action == Action::Send)
    }

    pub(super) fn message(&self, message: MessageId) -> &Message {
        &self.messages[message as usize]
    }

    /// The operation is known to have happened: it says so, or one of its messages was read.
    pub(super) fn committed(&self, place: usize) -> bool {
        match self.history.operations()[place].kind {
            OperationKind::Ok => true,
            OperationKind::Fail => false,
            OperationKind::Info | OperationKind::Invoke => {
                self.sends(place).any(|micro| self.message(micro.message).ok_polled)
            }
        }
    }

    pub(super) fn counts(&self) -> LogCounts {
        let mut counts = LogCounts::default();
        for (place, operation) in self.transactions() {
            let sends = self.sends(place).count() as u64;
            counts.sent += sends;
            match operation.kind {
                OperationKind::Ok => {
                    counts.acked += sends;
                    counts.delivered += self.reads(place).count() as u64;
                }
                OperationKind::Fail => counts.failed += sends,
                OperationKind::Info | OperationKind::Invoke => counts.unknown += sends,
            }
        }
        counts
    }
}
