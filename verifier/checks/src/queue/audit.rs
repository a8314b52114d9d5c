//! When the audit of a queue proves what the queue held: nothing on its way to a consumer, the
//! same number of messages ready three times in a row, and just as many taken out of it.

use delivery_history::Event;

use crate::audits::{AuditRun, Audits};
use crate::context::Context;
use crate::guarantees::counted;
use crate::queue::DeadLetters;

/// How often in a row a queue must say the same.
const STEADY: usize = 3;

/// Ready and unacked messages as a queue was last asked for them, the newest last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depths([Option<(u64, u32)>; STEADY]);

impl Depths {
    /// Takes what the queue said next.
    pub(crate) fn see(&mut self, event: &Event) {
        self.0.rotate_left(1);
        self.0[STEADY - 1] = Some((event.offset, event.detail));
    }

    /// Messages that lay ready, the same number every time, none of them on its way to a consumer.
    fn steady(&self) -> Option<u64> {
        let (ready, unacked) = self.0[0]?;
        (unacked == 0 && self.0.iter().all(|said| *said == self.0[0])).then_some(ready)
    }

    /// The last answer that spoke of messages, or the last one.
    fn telling(&self) -> Option<(u64, u32)> {
        let said = self.0.iter().rev().copied().flatten();
        let busy = |(ready, unacked): &(u64, u32)| *ready > 0 || *unacked > 0;
        said.clone().find(busy).or_else(|| said.clone().next())
    }
}

/// Why this reading of a queue does not prove what the queue held; nothing when it does.
pub(crate) fn flaw(context: &Context<'_>, run: &AuditRun<'_>) -> Option<String> {
    let place = context.destination_name(run.destination);
    let Some(ready) = run.depths.steady() else {
        return Some(match run.depths.telling() {
            Some((ready, unacked)) => {
                format!("queue {place} was not seen empty three times in a row: {ready} ready, {unacked} unacked")
            }
            None => format!("queue {place} was not seen empty three times in a row: nobody asked for its depth"),
        });
    };
    let asked = context.host_name(run.replica);
    if let Some(flaw) = &run.flaw {
        return Some(format!("the audit of queue {place} on {asked} {flaw}"));
    }
    let taken = run.reads.len() as u64;
    let ready_words = counted(ready);
    (taken != ready).then(|| format!("{ready_words} lay ready in queue {place}, but its audit took {taken} out"))
}

/// The audits of a lane's queues, and where their dead letters end.
pub(crate) struct Audited<'a, 'b> {
    pub(crate) audits: &'a Audits<'b>,
    pub(crate) dead_letters: DeadLetters,
}

impl Audited<'_, '_> {
    /// Why it is not known what `queue` held at the end; nothing when it is.
    ///
    /// A reading that broke off may have taken out one more message than it recorded, so a later one
    /// that is complete does not make up for it.
    pub(crate) fn why_open(&self, context: &Context<'_>, queue: u16) -> Option<String> {
        let runs = self.audits.of(queue);
        let place = context.destination_name(queue);
        let Some(first) = runs.first() else { return Some(format!("queue {place} was not audited")) };
        if !first.is_complete() {
            return first.flaw.clone();
        }
        if first.start_offset > 0 {
            return Some(format!("the audit of queue {place} does not begin with its first message"));
        }
        let took = |run: &&AuditRun<'_>| !run.reads.is_empty() || run.depths.steady().is_some_and(|ready| ready > 0);
        let broken = runs.iter().filter(took).find_map(|run| run.flaw.clone());
        broken.map(|flaw| format!("an audit that took messages out was not complete: {flaw}"))
    }

    /// The same of `queue` and of where its dead letters end.
    pub(crate) fn why_any_open(&self, context: &Context<'_>, queue: u16) -> Option<String> {
        let all = std::iter::once(&queue).chain(self.dead_letters.queues(queue));
        all.into_iter().find_map(|queue| self.why_open(context, *queue))
    }

    /// Messages the audits took out of `queue`.
    pub(crate) fn left_in(&self, queue: u16) -> u64 {
        self.audits.of(queue).iter().map(|run| run.reads.len() as u64).max().unwrap_or(0)
    }
}
