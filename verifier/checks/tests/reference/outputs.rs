//! What was made of messages in transactions, and whether those end.

use std::collections::BTreeMap;

use delivery_checks::judgement::FindingKind;
use delivery_history::EventKind;
use delivery_history::manifest::{Phase, Role, Workload};

use super::Reference;
use super::logs::Log;
use super::past::Past;

/// Of every message one output stands; none where that is proved is undelivered.
pub fn check(past: &Past<'_>, log: &Log, members: &[u16], reference: &mut Reference) {
    let outputs: Vec<u16> = past.places().into_iter().filter(|place| past.is_output(*place)).collect();
    let shown = past.recovered && outputs.iter().all(|place| log.proves_absence(*place));
    let dead = !members.is_empty() && members.iter().all(|member| past.crashed.contains(member));
    for sent in past.sends.values().filter(|sent| !past.is_output(sent.destination)) {
        let made: Vec<_> = past.made.iter().filter(|made| made.of == sent.id).map(|made| made.output).collect();
        let standing = made.iter().filter(|id| log.stored.contains(id) || log.misplaced.contains(id)).count();
        if standing > 1 {
            reference.add(FindingKind::OutputTwice, past.name(sent.id));
            continue;
        }
        let told = made.iter().any(|id| log.lost.contains(id));
        if standing == 1 || told || !past.is_owed(sent) || !log.stored.contains(&sent.id) || !shown {
            continue;
        }
        let drained = members
            .iter()
            .flat_map(|member| past.stream(*member))
            .any(|event| event.kind() == Some(EventKind::Drained) && event.destination == sent.destination);
        reference.undelivered_proved += u64::from(drained);
        if drained || dead {
            reference.add_once(FindingKind::Undelivered, past.name(sent.id));
        }
    }
}

/// The last stable offset of a destination stood still, short of the end, for the whole limit before it was last asked.
pub fn hanging(past: &Past<'_>, reference: &mut Reference) {
    let Some(limit_ms) = past.manifest.limits_ms.get("transactions") else { return };
    let Some(drain_ns) = past.entered_ns(Phase::Drain).filter(|_| past.workload == Workload::Transactions) else {
        return;
    };
    let observers = past.manifest.workers.iter().zip(past.streams).filter(|(one, _)| one.role == Role::Observer);
    let said = observers.flat_map(|(_, events)| events);
    let mut by_place: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    for event in said.filter(|event| event.kind() == Some(EventKind::ObservedStable) && event.time_ns >= drain_ns) {
        by_place.entry(event.destination).or_default().push(event);
    }
    for (place, said) in by_place {
        let last = said[said.len() - 1];
        let still = said.iter().rev().take_while(|event| event.offset == last.offset && event.detail > 0).last();
        if still.is_some_and(|first| (last.time_ns - first.time_ns) / 1_000_000 >= *limit_ms) {
            reference.add(FindingKind::HangingTransaction, past.place_name(place));
        }
    }
}
