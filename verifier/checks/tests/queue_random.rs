//! Random queues that keep every promise hold, and one broken promise is found with the right message.

#[path = "common/broker.rs"]
mod broker;
mod common;
#[path = "common/queue.rs"]
mod queue;

use broker::{About, Life, live};
use common::*;
use delivery_broker::Settle;
use delivery_checks::judgement::{FindingKind, Guarantee, LaneJudgement, Verdict};
use delivery_history::event::FLAG_REDELIVERED;
use delivery_history::manifest::first_session;
use delivery_history::{Event, EventKind};
use proptest::prelude::*;
use queue::*;

/// What a correct queue may show beside the one finding that is looked for.
fn expected(life: &Life, broken: Option<(FindingKind, u64)>) -> Vec<(FindingKind, u64)> {
    let again = (FindingKind::Redelivered, life.again.len() as u64);
    let dead = (FindingKind::DeadLettered, life.dead_lettered.len() as u64);
    let mut all: Vec<_> = [Some(again), Some(dead), broken].into_iter().flatten().filter(|found| found.1 > 0).collect();
    all.sort();
    all
}

fn name(id: Id) -> String {
    let producer = if id.0 == first_session(P0) { "p0" } else { "p1" };
    format!("{producer}/{}", id.1)
}

/// Exactly this finding, once, beside what the queue shows anyway, with this message as its witness.
fn expect_one(life: &Life, kind: FindingKind, id: Id) -> Result<LaneJudgement, TestCaseError> {
    let lane = life.queue.lane();
    prop_assert_eq!(found(&lane), expected(life, Some((kind, 1))), "{:?}", lane.doubts);
    prop_assert_eq!(story(&lane, kind).0, name(id));
    Ok(lane)
}

fn is(kind: EventKind, event: &Event) -> bool {
    event.kind() == Some(kind)
}

fn pick_acked(life: &Life, pick: prop::sample::Index) -> Id {
    let acked = life.acked();
    acked[pick.index(acked.len())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_correct_queues_hold(seed in any::<u64>()) {
        let life = live(seed);
        let lane = life.queue.lane();
        prop_assert_eq!(found(&lane), expected(&life, None));
        prop_assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_QUEUE, "{:?}", lane.guarantees);
    }

    #[test]
    fn one_lost_message_is_found(seed in any::<u64>(), pick in any::<prop::sample::Index>()) {
        let mut life = live(seed);
        let gone = pick_acked(&life, pick);
        life.forget(gone);
        let lane = expect_one(&life, FindingKind::Lost, gone)?;
        prop_assert_eq!(with(&lane, Verdict::Violated), ["durability", "at-least-once", "exactly-once"]);
    }

    #[test]
    fn one_lost_message_of_an_automatic_ack_queue_is_not_blamed_on_it_where_somebody_died(
        seed in any::<u64>(),
        pick in any::<prop::sample::Index>(),
    ) {
        let mut life = live(seed);
        life.queue.scene.manifest.lanes[0].automatic_ack = true;
        let gone = pick_acked(&life, pick);
        life.forget(gone);
        let ended = life.events().iter().any(|(_, event)| is(EventKind::SessionEnded, event));
        let died = ended || !life.queue.scene.crashes.is_empty();
        let kind = if died { FindingKind::Undelivered } else { FindingKind::Lost };
        let lane = expect_one(&life, kind, gone)?;
        let durability = if died { Verdict::Inconclusive } else { Verdict::Violated };
        prop_assert_eq!(verdict(&lane, Guarantee::Durability), durability);
    }

    #[test]
    fn one_unprocessed_message_is_found(seed in any::<u64>(), pick in any::<prop::sample::Index>()) {
        let mut life = live(seed);
        let forgotten = pick_acked(&life, pick);
        let handler = |event: &Event| is(EventKind::Processing, event) || is(EventKind::Processed, event);
        life.events().retain(|(_, event)| !event.message_is(forgotten) || !handler(event));
        let lane = expect_one(&life, FindingKind::Undelivered, forgotten)?;
        prop_assert_eq!(with(&lane, Verdict::Violated), ["at-least-once", "exactly-once"]);
    }

    #[test]
    fn one_message_processed_twice_is_found(seed in any::<u64>(), pick in any::<prop::sample::Index>()) {
        let mut life = live(seed);
        let twice = pick_acked(&life, pick);
        life.again.remove(&twice);
        let events = life.events();
        let at = events.iter().position(|(_, event)| event.message_is(twice) && is(EventKind::Processing, event));
        let began = events[at.unwrap()];
        events.insert(at.unwrap(), began);
        let lane = expect_one(&life, FindingKind::ProcessedTwice, twice)?;
        prop_assert_eq!(with(&lane, Verdict::Violated), ["at-most-once", "exactly-once"]);
    }

    #[test]
    fn one_missing_flag_is_found(seed in any::<u64>(), pick in any::<prop::sample::Index>()) {
        let mut life = live(seed);
        // Not of one whose first delivery nobody recorded: without the flag it is taken for the first.
        let events = life.events();
        let first = |id: Id, at: usize| !events[..at].iter().any(|(_, event)| event.message_is(id));
        let flagged: Vec<usize> = (0..events.len())
            .filter(|at| {
                let event = &events[*at].1;
                is(EventKind::Delivered, event) && event.has(FLAG_REDELIVERED)
                    && !first((event.session, event.sequence), *at)
            })
            .collect();
        prop_assume!(!flagged.is_empty());
        let event = &mut events[flagged[pick.index(flagged.len())]].1;
        event.flags = 0;
        let id = (event.session, event.sequence);
        let lane = expect_one(&life, FindingKind::RedeliveredUnflagged, id)?;
        prop_assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_QUEUE);
    }

    #[test]
    fn one_delivery_after_a_confirmed_settle_is_found(seed in any::<u64>(), pick in any::<prop::sample::Index>()) {
        let mut life = live(seed);
        let settled: Vec<Id> = life.events().iter()
            .filter(|(_, event)| is(EventKind::SettleOk, event) && event.detail == Settle::Ack as u32)
            .map(|(_, event)| (event.session, event.sequence))
            .collect();
        let id = settled[pick.index(settled.len())];
        life.deliver_last(id, FLAG_REDELIVERED, false);
        life.again.insert(id);
        let lane = expect_one(&life, FindingKind::RedeliveredSettled, id)?;
        prop_assert_eq!(with(&lane, Verdict::Holds).len(), ALL_OF_A_QUEUE);
    }

    #[test]
    fn one_late_first_delivery_is_found(seed in any::<u64>(), pick in any::<prop::sample::Index>()) {
        let mut life = live(seed);
        // The last session of the first consumer must have seen a later message of the same producer.
        let events = life.events();
        let ended = events.iter().rposition(|(worker, event)| *worker == C0 && is(EventKind::SessionEnded, event));
        let highest = |producer: u16| {
            let session = first_session(producer);
            let firsts = events[ended.unwrap_or(0)..].iter().filter(|(worker, event)| {
                *worker == C0 && is(EventKind::Delivered, event) && event.session == session && event.flags == 0
            });
            firsts.map(|(_, event)| (session, event.sequence)).max()
        };
        let highest = [highest(P0), highest(P1)];
        let acked = life.acked();
        let before: Vec<Id> = acked.into_iter()
            .filter(|id| highest.iter().flatten().any(|high| high.0 == id.0 && id.1 < high.1))
            .collect();
        prop_assume!(!before.is_empty());
        let late = before[pick.index(before.len())];
        life.forget(late);
        life.deliver_last(late, 0, true);
        let lane = expect_one(&life, FindingKind::Reordered, late)?;
        prop_assert_eq!(with(&lane, Verdict::Violated), ["ordering"]);
    }

    #[test]
    fn one_message_left_in_its_queue_is_found(seed in any::<u64>(), pick in any::<prop::sample::Index>()) {
        let mut life = live(seed);
        let left = pick_acked(&life, pick);
        life.forget(left);
        life.queue.leave(ORDERS, vec![left]);
        let lane = life.queue.lane();
        let mut all = expected(&life, Some((FindingKind::LeftInQueue, 1)));
        all.insert(0, (FindingKind::Undelivered, 1));
        prop_assert_eq!(found(&lane), all);
        prop_assert_eq!(story(&lane, FindingKind::LeftInQueue).0, name(left));
    }

    #[test]
    fn one_phantom_is_found(seed in any::<u64>(), beyond in 1_200u32..u32::MAX) {
        let mut life = live(seed);
        life.deliver_last(p1(beyond), 0, true);
        let lane = expect_one(&life, FindingKind::Phantom, p1(beyond))?;
        prop_assert_eq!(with(&lane, Verdict::Violated), ["integrity"]);
    }
}
