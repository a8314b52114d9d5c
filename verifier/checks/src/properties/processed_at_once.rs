//! Processed at once: in processing at two members of one group at the same time. Only messages whose processing began
//! twice are gone into, so a healthy history pays for one look at its marks.

use std::collections::BTreeMap;

use delivery_history::Event;

use crate::clocks::Clocks;
use crate::consumed::{GroupWork, mark};
use crate::health::kind;
use crate::tally::{OnceTally, Subject};
use crate::work::{Found, LaneWork};

/// A handler's run in one member; without an end it is known to have run at its start only.
#[derive(Clone, Copy, Debug)]
struct Run {
    worker: u16,
    from_ns: u64,
    to_ns: u64,
}

/// Counts messages that two members of the group had in processing at the same time.
pub(crate) fn find(work: &LaneWork<'_, '_>, seen: &GroupWork, tally: &mut OnceTally) {
    let again = seen.marks.iter().any(|marks| marks & mark::PROCESSING_AGAIN != 0);
    if !again || seen.members.len() < 2 {
        return;
    }
    let mut runs: BTreeMap<usize, Vec<Run>> = BTreeMap::new();
    for worker in &seen.members {
        for event in work.context.stream(*worker) {
            if matches!(event.kind, kind::PROCESSING | kind::PROCESSED)
                && let Found::Judged { index, .. } = work.resolve(event)
                && seen.marks[index] & mark::PROCESSING_AGAIN != 0
            {
                take(runs.entry(index).or_default(), *worker, event);
            }
        }
    }
    for (index, runs) in &mut runs {
        if let Some(met_ns) = first_meeting(runs, &work.context.clocks) {
            let invoked = work.invoked_of(*index);
            let subject = Subject::Message { session: invoked.session, sequence: invoked.sequence };
            tally.add(met_ns, subject, invoked.destination);
        }
    }
}

fn take(runs: &mut Vec<Run>, worker: u16, event: &Event) {
    if event.kind == kind::PROCESSING {
        runs.push(Run { worker, from_ns: event.time_ns, to_ns: event.time_ns });
    } else if let Some(open) = runs.last_mut().filter(|run| run.worker == worker) {
        open.to_ns = event.time_ns.max(open.from_ns);
    }
}

/// When two members first had it at the same time.
fn first_meeting(runs: &mut [Run], clocks: &Clocks) -> Option<u64> {
    runs.sort_unstable_by_key(|run| (run.from_ns, run.worker));
    // The run that lasts longest so far, and the longest of any other member.
    let (mut longest, mut second): (Option<Run>, Option<Run>) = (None, None);
    for run in runs.iter() {
        let meets = |other: &Option<Run>| {
            other.is_some_and(|other| {
                let apart = clocks.slack_ns(other.worker, run.worker);
                // The other began first as far as one clock can tell; as far as two can, before this one ended.
                let began = apart == 0 || other.from_ns.saturating_add(apart) < run.to_ns;
                other.worker != run.worker && began && run.from_ns.saturating_add(apart) < other.to_ns
            })
        };
        if meets(&longest) || meets(&second) {
            return Some(run.from_ns);
        }
        match longest {
            Some(known) if known.to_ns >= run.to_ns => {
                if known.worker != run.worker && second.is_none_or(|second| second.to_ns < run.to_ns) {
                    second = Some(*run);
                }
            }
            known => {
                second = if known.is_some_and(|known| known.worker != run.worker) { known } else { second };
                longest = Some(*run);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Run, first_meeting};
    use crate::clocks::Clocks;

    fn meeting(runs: &[(u16, u64, u64)]) -> Option<u64> {
        let mut runs: Vec<Run> = runs
            .iter()
            .map(|(worker, from_ns, to_ns)| Run { worker: *worker, from_ns: *from_ns, to_ns: *to_ns })
            .collect();
        first_meeting(&mut runs, &Clocks::default())
    }

    #[test]
    fn only_two_members_at_the_same_time_meet() {
        assert_eq!(meeting(&[(1, 0, 10), (2, 10, 20)]), None, "one after the other");
        assert_eq!(meeting(&[(1, 0, 10), (1, 5, 20)]), None, "the same member");
        assert_eq!(meeting(&[(1, 0, 10), (2, 9, 20)]), Some(9));
        assert_eq!(meeting(&[(1, 0, 0), (2, 0, 20)]), None, "a handler without an end is known at its start only");
        assert_eq!(meeting(&[(1, 0, 30), (1, 2, 40), (2, 35, 36)]), Some(35), "the longer run of the same member");
        assert_eq!(meeting(&[(1, 0, 30), (2, 40, 90), (1, 50, 60)]), Some(50));
    }
}
