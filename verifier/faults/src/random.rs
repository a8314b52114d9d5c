//! A schedule drawn from a seed.

use crate::amount;
use crate::kind::{ActsOn, FaultKind, Shape};
use crate::request::FaultRequest;

/// Most faults a drawn schedule has.
const MOST_FAULTS: u32 = 3;
/// A client that is hit is down for this long, milliseconds.
const CLIENT_DOWN_MS: std::ops::RangeInclusive<u64> = 1_000..=4_000;
/// A fault outlasts failure detection by this much, milliseconds.
const BEYOND_DETECTION_MS: std::ops::RangeInclusive<u64> = 500..=4_500;
/// Between two faults that do not overlap, milliseconds.
const BETWEEN_MS: std::ops::RangeInclusive<u64> = 1_500..=5_000;

/// What is drawn from, and for when.
pub struct Lot<'a> {
    /// Every shape of every fault that may be drawn.
    pub choices: &'a [(&'static dyn FaultKind, Shape)],
    /// No fault starts earlier, milliseconds.
    pub first_start_ms: u64,
    /// No fault ends later, milliseconds, where that matters.
    pub last_end_ms: Option<u64>,
    /// Failure detection of the system, milliseconds.
    pub detection_ms: u64,
}

/// Draws one to three faults, the same for the same seed: one after the other, or a process that fails during a cut.
/// Nothing where there is nothing to draw from, or no time for it.
pub fn draw(seed: u64, lot: &Lot<'_>) -> Vec<FaultRequest> {
    let mut random = fastrand::Rng::with_seed(seed ^ 0xfa17);
    let mut drawn: Vec<FaultRequest> = Vec::new();
    let mut next_ms = lot.first_start_ms + random.u64(0..=1_000);
    let mut cut_ms = None;
    for _ in 0..random.u32(1..=MOST_FAULTS) {
        let Some((kind, shape)) = choose(&mut random, lot.choices) else { break };
        let during_cut = (kind.acts_on() == ActsOn::Processes && random.bool()).then(|| cut_ms.take()).flatten();
        let start_ms = during_cut.map_or(next_ms, |(from_ms, to_ms): (u64, u64)| random.u64(from_ms..to_ms));
        let hits_nodes = kind.clients_hit(shape.name).is_none();
        let length_ms = match hits_nodes {
            true => {
                let own_ms = kind.length_ms().unwrap_or(lot.detection_ms) + random.u64(BEYOND_DETECTION_MS);
                own_ms.max(kind.takes_ms(shape.name).unwrap_or(0))
            }
            false => random.u64(CLIENT_DOWN_MS),
        };
        if lot.last_end_ms.is_some_and(|last_ms| start_ms + length_ms > last_ms) {
            break;
        }
        let amount = kind.amount().map(|like| amount::draw(&mut random, like));
        let is_cut = kind.acts_on() == ActsOn::Network;
        cut_ms = is_cut.then_some((start_ms + 1, start_ms + length_ms));
        next_ms = next_ms.max(start_ms + length_ms + random.u64(BETWEEN_MS));
        drawn.push(FaultRequest {
            fault: kind.name(),
            shape: shape.name,
            amount,
            start_ms: Some(start_ms),
            duration_ms: Some(length_ms),
        });
    }
    drawn
}

/// A kind first, then one of its shapes: a kind of many shapes comes no more often.
fn choose(
    random: &mut fastrand::Rng,
    choices: &[(&'static dyn FaultKind, Shape)],
) -> Option<(&'static dyn FaultKind, Shape)> {
    let mut kinds: Vec<&str> = choices.iter().map(|(kind, _)| kind.name()).collect();
    kinds.dedup();
    let name = random.choice(kinds)?;
    let of_kind: Vec<_> = choices.iter().filter(|(kind, _)| kind.name() == name).copied().collect();
    random.choice(of_kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kind::ALL;
    use crate::schedule::{Defaults, plan_load};

    fn everything() -> Vec<(&'static dyn FaultKind, Shape)> {
        ALL.iter().flat_map(|kind| kind.shapes().iter().map(|shape| (*kind, *shape))).collect()
    }

    #[test]
    fn every_shape_is_drawn_by_some_seed() {
        let choices = everything();
        let lot = Lot { choices: &choices, first_start_ms: 0, last_end_ms: None, detection_ms: 3_000 };
        let mut missing: Vec<String> =
            choices.iter().map(|(kind, shape)| format!("{}:{}", kind.name(), shape.name)).collect();
        for seed in 0..2_000 {
            let drawn = draw(seed, &lot);
            missing.retain(|label| !drawn.iter().any(|one| one.label() == *label));
        }
        assert_eq!(missing, Vec::<String>::new());
        assert!(draw(1, &Lot { choices: &[], ..lot }).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_drawn_can_be_planned_and_is_the_same_again(seed: u64, end_ms in proptest::option::of(9_000u64..60_000)) {
            let choices = everything();
            let lot = Lot { choices: &choices, first_start_ms: 4_000, last_end_ms: end_ms, detection_ms: 3_500 };
            let drawn = draw(seed, &lot);
            prop_assert_eq!(&drawn, &draw(seed, &lot));
            let defaults = Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 3_500, session_timeout_ms: 1 };
            let planned = plan_load(&drawn, end_ms, defaults);
            prop_assert!(planned.is_ok(), "{:?}", planned);
            prop_assert!(end_ms.is_some() || !drawn.is_empty());
        }
    }
}
