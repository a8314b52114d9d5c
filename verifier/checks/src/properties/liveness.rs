//! Liveness: the cluster took writes, and groups progressed, within the limit after the heal.

use delivery_history::manifest::RunStatus;

use crate::properties::undelivered::Leftover;
use crate::sends::Sentinels;
use crate::tally::{Subject, Tally};
use crate::work::LaneWork;

/// Words the runner begins its reason with when the limit of the recovery ran out.
pub(crate) const NOT_RECOVERED: &str = "not recovered";
/// Words the runner begins its reason with when the limit of the drain ran out.
pub(crate) const NOT_DRAINED: &str = "not drained";

/// How far the run got after the faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comeback {
    /// The cluster was whole again and the drain was entered.
    Recovered,
    /// The limit ran out before the cluster was whole: the runner's words.
    NotRecovered(String),
    /// The cluster was whole, but a limit of the drain ran out for some destination: the runner's words.
    NotDrained(String),
    /// The run ended before that could be seen.
    Unseen,
}

impl Comeback {
    /// What the manifest and the phases say.
    pub(crate) fn of(status: &RunStatus, went_past_recovery: bool) -> Self {
        let reason = match status {
            RunStatus::CutShort { reason, .. } => reason.as_str(),
            RunStatus::Running | RunStatus::Finished { .. } => "",
        };
        let limit_ran_out = reason.starts_with(NOT_RECOVERED) || reason.starts_with(NOT_DRAINED);
        match (went_past_recovery, limit_ran_out) {
            (true, true) => Self::NotDrained(reason.to_owned()),
            (true, false) => Self::Recovered,
            (false, _) if reason.starts_with(NOT_RECOVERED) => Self::NotRecovered(reason.to_owned()),
            (false, _) => Self::Unseen,
        }
    }

    /// Whether absence can be proved: the cluster was whole before it was drained and audited.
    pub(crate) fn recovered(&self) -> bool {
        matches!(self, Self::Recovered | Self::NotDrained(_))
    }
}

/// What is known of the lane's coming back.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    /// Destinations that did not come back within the limit.
    pub(crate) not_recovered: Tally,
    /// Why, where some did not.
    pub(crate) violated: Option<String>,
    /// What keeps it from being judged to hold.
    pub(crate) doubts: Vec<String>,
}

/// Judges whether writes and groups came back.
pub(crate) fn judge(
    work: &LaneWork<'_, '_>,
    comeback: &Comeback,
    sentinels: &Sentinels,
    groups: &[Leftover],
) -> Liveness {
    let mut liveness = Liveness::default();
    let context = work.context;
    let unwritten: Vec<u16> = work.destinations.iter().copied().filter(|place| !sentinels.wrote(*place)).collect();
    // A group that the test itself left without a live member cannot progress, a sentinel that was never
    // sent cannot be taken, and one that was not taken cannot be read.
    let alive = groups.iter().filter(|left| !left.dead);
    let unread = alive.flat_map(|left| left.not_drained.iter().copied()).filter(|place| sentinels.wrote(*place));
    let refused = unwritten.iter().copied().filter(|place| sentinels.tried(*place));
    let mut late: Vec<u16> = refused.chain(unread).collect();
    late.sort_unstable();
    late.dedup();
    let (late, words) = match comeback {
        Comeback::NotRecovered(words) => (work.destinations.clone(), Some(words.clone())),
        Comeback::NotDrained(words) if !late.is_empty() => (late, Some(words.clone())),
        _ => (Vec::new(), None),
    };
    for destination in late {
        liveness.not_recovered.add(context.timeline.recovered_ns(), Subject::Destination(destination), destination);
    }
    liveness.violated = words;
    if *comeback == Comeback::Unseen {
        liveness.doubts.push(String::from("the run ended before the cluster was seen to be whole again"));
    }
    for destination in unwritten {
        let place = context.destination_name(destination);
        liveness.doubts.push(format!("no sentinel was taken by {place}: the drain proves nothing"));
    }
    liveness
}

/// Why the group's silence about a message proves nothing.
pub(crate) fn not_drained_words(work: &LaneWork<'_, '_>, left: &Leftover) -> Option<String> {
    if left.not_drained.is_empty() {
        return None;
    }
    let group = work.context.group_name(left.group);
    let places: Vec<String> =
        left.not_drained.iter().take(4).map(|place| work.context.destination_name(*place)).collect();
    let places = places.join(", ");
    Some(if left.dead {
        format!(
            "group {group} had no live member at the drain and never drained {places}: {} messages undelivered",
            left.of_dead_group
        )
    } else {
        format!("group {group} never drained {places}: {} messages it has not processed prove nothing", left.unproved)
    })
}
