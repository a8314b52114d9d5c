//! What the faults of a schedule need that is not there from the start: who takes the places of clients that are killed,
//! and destinations that are added.

use std::collections::{BTreeMap, BTreeSet};

use delivery_faults::{FaultKind, find_fault};
use delivery_history::manifest::{Destination, Fault, Role, Worker};

/// Clients are hit as planned: in every lane one of the role, each in its turn (so `kill:consumer*3` goes through a group
/// of three), and whoever took its place. A client that is killed is succeeded by a worker of its own, which is
/// appended to `workers`.
pub(crate) fn plan_clients_hit(workers: &mut Vec<Worker>, faults: &mut [Fault]) {
    let lanes: BTreeSet<u16> = workers.iter().filter_map(|worker| worker.lane).collect();
    let mut seats: BTreeMap<(Role, u16), Seats> = BTreeMap::new();
    for fault in faults {
        let Ok(kind) = find_fault(&fault.fault) else { continue };
        let Some(role) = kind.clients_hit(&fault.shape) else { continue };
        for lane in &lanes {
            let seats = seats.entry((role, *lane)).or_insert_with(|| Seats::of(workers, role, *lane));
            let Some(holder) = seats.next() else { continue };
            fault.workers.push(*holder);
            if kind.is_succeeded() {
                *holder = add_successor(workers, *holder);
            }
        }
    }
}

/// Every lane whose destinations are partitions is given one more by each fault that adds one.
pub(crate) fn plan_destinations_added(destinations: &mut Vec<Destination>, faults: &mut [Fault]) {
    for fault in faults {
        if !find_fault(&fault.fault).is_ok_and(FaultKind::adds_destinations) {
            continue;
        }
        let mut last: BTreeMap<(u16, String), Destination> = BTreeMap::new();
        for destination in destinations.iter().filter(|destination| destination.partition.is_some()) {
            last.insert((destination.lane, destination.name.clone()), destination.clone());
        }
        for (_, known) in last {
            let partition = known.partition.map(|partition| partition + 1);
            // What comes of the messages of a partition ends in the one with its number.
            let is_input = |other: &&Destination| {
                other.lane == known.lane && other.partition == partition && other.output_of.is_none()
            };
            let input = || destinations.iter().position(|other| is_input(&other));
            let output_of = known.output_of.and_then(|_| input()).and_then(|input| u16::try_from(input).ok());
            destinations.push(Destination { partition, output_of, added: true, ..known });
            fault.adds.push((destinations.len() - 1) as u16);
        }
    }
}

/// The places of one role in one lane, with who holds each.
struct Seats {
    holders: Vec<u16>,
    turn: usize,
}

impl Seats {
    fn of(workers: &[Worker], role: Role, lane: u16) -> Self {
        let mine = (0u16..).zip(workers).filter(|(_, worker)| worker.role == role && worker.lane == Some(lane));
        let first = mine.filter(|(_, worker)| worker.succeeds.is_none());
        Self { holders: first.map(|(number, _)| number).collect(), turn: 0 }
    }

    /// The holder whose turn it is.
    fn next(&mut self) -> Option<&mut u16> {
        let seats = self.holders.len();
        let seat = self.turn.checked_rem(seats)?;
        self.turn += 1;
        self.holders.get_mut(seat)
    }
}

fn add_successor(workers: &mut Vec<Worker>, victim: u16) -> u16 {
    let mut first = victim;
    let mut turn = 2;
    while let Some(before) = workers[usize::from(first)].succeeds {
        first = before;
        turn += 1;
    }
    let name = format!("{}-{turn}", workers[usize::from(first)].name);
    let successor = Worker { name, succeeds: Some(victim), ..workers[usize::from(victim)].clone() };
    workers.push(successor);
    (workers.len() - 1) as u16
}

#[cfg(test)]
mod tests {
    use delivery_faults::schedule::Defaults;
    use delivery_faults::{FaultRequest, plan_load};

    use super::*;

    fn worker(name: &str, role: Role, lane: u16) -> Worker {
        Worker { name: name.to_owned(), role, lane: Some(lane), group: None, host: 101, succeeds: None }
    }

    /// Names of those each fault hits, and of everybody in the end.
    fn hit(faults: &str) -> (Vec<Vec<String>>, Vec<String>) {
        let mut workers = vec![
            worker("a-producer-1", Role::Producer, 0),
            worker("a-consumer-1", Role::Consumer, 0),
            worker("a-consumer-2", Role::Consumer, 0),
            worker("b-consumer-1", Role::Consumer, 1),
        ];
        let defaults = Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 1, session_timeout_ms: 1 };
        let mut faults = plan_load(&FaultRequest::parse_list(faults).unwrap(), None, defaults).unwrap().faults;
        plan_clients_hit(&mut workers, &mut faults);
        let name = |worker: &u16| workers[usize::from(*worker)].name.clone();
        let hit = faults.iter().map(|fault| fault.workers.iter().map(name).collect()).collect();
        (hit, workers.iter().map(|worker| worker.name.clone()).collect())
    }

    #[test]
    fn a_series_of_kills_goes_through_a_group_and_then_hits_those_that_took_the_places() {
        let (hit, everybody) = hit("kill:consumer*3");
        assert_eq!(hit[0], ["a-consumer-1", "b-consumer-1"]);
        assert_eq!(hit[1], ["a-consumer-2", "b-consumer-1-2"]);
        assert_eq!(hit[2], ["a-consumer-1-2", "b-consumer-1-3"]);
        assert_eq!(everybody.len(), 4 + 6);
        assert!(everybody.contains(&String::from("b-consumer-1-4")), "{everybody:?}");
    }

    #[test]
    fn each_topic_is_given_the_partition_after_its_last() {
        let destination = |lane: u16, partition: Option<u32>| Destination {
            lane,
            name: format!("t{lane}"),
            partition,
            dead_letters_of: None,
            output_of: None,
            added: false,
        };
        let mut destinations = vec![destination(0, Some(0)), destination(0, Some(1)), destination(1, None)];
        let defaults = Defaults { baseline_ms: 1, after_heal_ms: 1, detection_ms: 1, session_timeout_ms: 1 };
        let requests = FaultRequest::parse_list("add-partition*2,kill:leader").unwrap();
        let mut faults = plan_load(&requests, None, defaults).unwrap().faults;
        plan_destinations_added(&mut destinations, &mut faults);
        let adds: Vec<&[u16]> = faults.iter().map(|fault| &fault.adds[..]).collect();
        assert_eq!(adds, [&[3][..], &[4], &[]]);
        let added = |index: usize| (destinations[index].partition, destinations[index].added);
        assert_eq!((added(3), added(4)), ((Some(2), true), (Some(3), true)));
    }

    #[test]
    fn who_is_paused_keeps_its_place_and_lanes_without_the_role_are_left_alone() {
        let (hit, everybody) = self::hit("pause:producer*2");
        assert_eq!(hit, [["a-producer-1"], ["a-producer-1"]]);
        assert_eq!(everybody.len(), 4);
    }
}
