//! What came of the messages of a lane that transforms them: every acked one has one output that stands committed.
//!
//! Transforming is undone by an abort and done again, so what counts is not how often a message was handled but how many
//! of its outputs the read-committed audit holds. None: it is undelivered, where the workers drained. Several: output
//! twice.

use delivery_history::manifest::worker_of_session;

use crate::audits::Audits;
use crate::consumed::GroupWork;
use crate::directory::{Outcome, outcome_of, state};
use crate::properties::undelivered::Leftover;
use crate::tally::{Subject, Tally};
use crate::work::LaneWork;

/// A message that was made into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transform {
    /// Dense number of the next message that was sent.
    pub(crate) output: u32,
    /// Who did it.
    pub(crate) worker: u16,
    /// Index of the event in its stream.
    pub(crate) at: u32,
}

/// Outputs of one message.
#[derive(Clone, Copy, Debug, Default)]
struct Outputs {
    standing: u32,
    /// One committed, and is lost: that is told of the output.
    lost: bool,
}

/// Counts messages of which several outputs stand, and those of which none does into `undelivered`.
pub(crate) fn judge(
    work: &mut LaneWork<'_, '_>,
    seen: &GroupWork,
    audits: &Audits<'_>,
    recovered: bool,
    left: &mut Leftover,
    undelivered: &mut Tally,
) -> Tally {
    let outputs = count(work);
    let places = work.context.outputs_of(work.lane);
    let shown = recovered && places.iter().all(|place| audits.prove_absence(*place));
    let mut twice = Tally::default();
    for (index, Outputs { standing, lost }) in outputs.into_iter().enumerate() {
        let message = work.sends.messages.state[index];
        let missing = standing == 0 && !lost && message & state::STORED != 0 && work.is_owed(message);
        if standing < 2 && !missing {
            continue;
        }
        let invoked = *work.invoked_of(index);
        if work.context.is_output(invoked.destination) {
            continue;
        }
        let subject = Subject::Message { session: invoked.session, sequence: invoked.sequence };
        if standing > 1 {
            twice.add(invoked.time_ns, subject, invoked.destination);
        } else if shown && left.sound && seen.drained.contains(&invoked.destination) {
            left.proved += 1;
            work.sends.messages.state[index] |= state::UNDELIVERED;
            undelivered.add(invoked.time_ns, subject, invoked.destination);
        } else if shown && left.dead {
            left.of_dead_group += 1;
            work.sends.messages.state[index] |= state::UNDELIVERED;
            undelivered.add(invoked.time_ns, subject, invoked.destination);
        } else {
            left.unproved += 1;
        }
    }
    twice
}

/// By dense number: what stands of each message.
fn count(work: &LaneWork<'_, '_>) -> Vec<Outputs> {
    let states = &work.sends.messages.state;
    let mut outputs = vec![Outputs::default(); states.len()];
    for transform in &work.sends.transforms {
        let Some((input, output)) = ends(work, transform) else { continue };
        outputs[input].standing += u32::from(states[output] & (state::STORED | state::MISPLACED) != 0);
        outputs[input].lost |= states[output] & state::LOST != 0;
    }
    outputs
}

/// Dense numbers of the message and of its output; nothing where the output was never sent.
fn ends(work: &LaneWork<'_, '_>, transform: &Transform) -> Option<(usize, usize)> {
    let event = work.context.stream(transform.worker).get(transform.at as usize)?;
    let output = transform.output as usize;
    work.sends.messages.state.get(output)?;
    let sent = work.invoked_of(output);
    let is_its = worker_of_session(sent.session) == transform.worker && sent.sequence == event.detail;
    let (_, entry) = work.directory.find(event.session, event.sequence)?;
    let judged = entry.judged && entry.lane == work.lane;
    (is_its && judged).then_some((entry.base as usize + event.sequence as usize, output))
}

/// Who made what of message `index`, or of what it was made: when, and in words.
pub(crate) fn story(work: &LaneWork<'_, '_>, index: usize) -> Vec<(u64, String)> {
    let context = work.context;
    let mut steps = Vec::new();
    for transform in &work.sends.transforms {
        let Some((input, output)) = ends(work, transform).filter(|ends| ends.0 == index || ends.1 == index) else {
            continue;
        };
        let at_ns = context.stream(transform.worker)[transform.at as usize].time_ns;
        let name_of = |index: usize| {
            let invoked = work.invoked_of(index);
            context.message_name(invoked.session, invoked.sequence)
        };
        let worker = context.worker_name(transform.worker);
        if output == index {
            steps.push((at_ns, format!("made by {worker} of {}", name_of(input))));
            continue;
        }
        let message = work.sends.messages.state[output];
        let stands = match message & (state::STORED | state::MISPLACED) != 0 {
            true => "which stands committed",
            false if outcome_of(message) == Outcome::Failed => "which failed for certain",
            false => "which does not stand committed",
        };
        steps.push((at_ns, format!("transformed by {worker} into {}, {stands}", name_of(output))));
    }
    steps
}
