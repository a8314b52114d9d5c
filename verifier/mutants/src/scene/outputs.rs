//! A log that is transformed into another: one producer sends to the first, the other one reads that and writes what
//! comes of it, in transactions of four messages each, to the second, which two groups read side by side.

use std::collections::BTreeMap;

use delivery_history::manifest::{Group, worker_of_session};
use delivery_history::{Event, EventKind};

use super::clients::sentinel;
use super::manifest::OBSERVER;
use super::{C0, C1, DRAIN_MS, Id, P1, Scene, about, of};

/// Where the messages are, and where what comes of them ends.
const INPUT: u16 = 0;
const OUTPUT: u16 = 1;

impl Scene {
    /// Turns transactions into those of a transformer: every message that was taken has one committed output.
    pub(crate) fn transform(&mut self) {
        self.manifest.destinations[usize::from(OUTPUT)].output_of = Some(INPUT);
        let group = |name: &str| Group { name: name.to_owned(), ..self.manifest.groups[0].clone() };
        let (workers, readers, beside) = (group("workers"), group("readers"), group("beside"));
        self.manifest.groups = vec![
            workers,
            Group { reads_outputs: true, ..readers },
            Group { reads_outputs: true, read_uncommitted: true, beside: true, ..beside },
        ];
        for (worker, group) in [(P1, 0), (C0, 1), (C1, 2)] {
            self.manifest.workers[usize::from(worker)].group = Some(group);
        }
        self.transactions.retain(|open| worker_of_session(open.session) == P1);
        let outputs = self.visible_outputs();
        let inputs = self.inputs_for(&outputs);
        self.store();
        self.notes.clear();
        let offsets = self.offsets_of_inputs();
        self.note(P1, 0, of(EventKind::Assigned, INPUT).offset(0));
        for reader in [C0, C1] {
            self.note(reader, 0, of(EventKind::Assigned, OUTPUT).offset(0));
        }
        for (input, (output, at_ms)) in inputs.iter().zip(&outputs) {
            let event = |kind: EventKind| about(kind, *input, INPUT).offset(offsets[input]);
            self.note(P1, at_ms - 3, event(EventKind::Delivered));
            self.note(P1, at_ms - 1, event(EventKind::Transformed).detail(output.1));
        }
        self.note(P1, DRAIN_MS + 100, about(EventKind::Delivered, sentinel(INPUT), INPUT));
        self.drained = vec![(P1, INPUT), (C0, OUTPUT), (C1, OUTPUT)];
    }

    /// What the transformer sent and committed, with when.
    fn visible_outputs(&self) -> Vec<(Id, u64)> {
        let taken = self.taken(OUTPUT).into_iter();
        let visible = taken.filter(|send| self.transaction_of(send.id).is_some_and(|open| open.is_visible()));
        visible.map(|send| (send.id, send.at_ms)).collect()
    }

    /// A message for each output, sent before it; what would be left over is never sent.
    fn inputs_for(&mut self, outputs: &[(Id, u64)]) -> Vec<Id> {
        let mut inputs = Vec::new();
        let mut left = outputs.iter();
        let mut last = None;
        for send in self.taken(INPUT) {
            if left.by_ref().next().is_none() {
                last = Some(send.id);
                break;
            }
            inputs.push(send.id);
        }
        let beyond = |id: Id| last.is_some_and(|last| id.0 == last.0 && id.1 >= last.1);
        self.sends.retain(|send| !beyond(send.id));
        inputs
    }

    fn offsets_of_inputs(&self) -> BTreeMap<Id, u64> {
        let taken = self.taken(INPUT);
        taken.into_iter().zip(self.log_start..).map(|(send, offset)| (send.id, offset)).collect()
    }

    /// The transformer made this output of another message than it did.
    pub(crate) fn made_of(&mut self, output: Id, input: Id) {
        let made = |event: &&mut (u16, u64, Event)| {
            event.2.kind() == Some(EventKind::Transformed) && event.0 == P1 && event.2.detail == output.1
        };
        if let Some((_, _, event)) = self.notes.iter_mut().find(made) {
            (event.session, event.sequence) = input;
        }
    }

    /// The transformer had made this output, too, which nobody sees, of a message.
    pub(crate) fn made_before(&mut self, output: Id, input: Id) {
        let at_ms = self.sent(output).at_ms - 1;
        self.note(P1, at_ms, about(EventKind::Transformed, input, INPUT).detail(output.1));
    }

    /// The leader says so much of a destination's last stable offset, every half second from the drain on.
    pub(crate) fn stands_still(&mut self, destination: u16, behind: u32, for_ms: u64) {
        for after_ms in (0..=for_ms).step_by(500) {
            let said = of(EventKind::ObservedStable, destination).offset(40).detail(behind);
            self.note(OBSERVER, DRAIN_MS + after_ms, Event { session: 1, ..said });
        }
    }
}
