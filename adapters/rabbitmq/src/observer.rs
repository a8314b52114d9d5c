//! Asks every node, each on its own connection, what it believes.

use std::time::{Duration, Instant, SystemTime};

use delivery_broker::observe::{CLOCKS, ahead_ms};
use delivery_broker::{ClientError, ClientSpec, DestinationRef, Observation, Observer};

use crate::erlang::{Known, Look, Peer, peers};

/// Longest time one node has to answer.
const ROUND_LIMIT: Duration = Duration::from_millis(300);
/// The same for the management plug-in of somebody else's node, which asks others before it answers.
const PLUGIN_LIMIT: Duration = Duration::from_millis(900);
/// Between two rounds there: they are not free.
const PLUGIN_INTERVAL: Duration = Duration::from_millis(500);

/// Asks the nodes side by side, so a round is as long as the slowest node's limit.
pub(crate) struct RabbitObserver {
    peers: Vec<Peer>,
    destinations: Vec<DestinationRef>,
    /// Clocks of nodes are of interest.
    tells_clocks: bool,
    /// Somebody else runs the nodes.
    is_outside: bool,
    last: Option<Instant>,
}

impl RabbitObserver {
    /// An observer of the nodes and destinations given.
    ///
    /// # Errors
    /// A node's address cannot be used.
    pub(crate) fn new(spec: &ClientSpec) -> Result<Self, ClientError> {
        Ok(Self {
            peers: peers(spec)?,
            destinations: spec.destinations.clone(),
            tells_clocks: spec.config.contains_key(CLOCKS),
            is_outside: spec.access.is_some(),
            last: None,
        })
    }
}

impl Observer for RabbitObserver {
    fn observe(&mut self, seen: &mut dyn FnMut(Observation)) {
        if self.is_outside && self.last.is_some_and(|last| last.elapsed() < PLUGIN_INTERVAL) {
            return;
        }
        self.last = Some(Instant::now());
        let limit = if self.is_outside { PLUGIN_LIMIT } else { ROUND_LIMIT };
        let (destinations, tells_clocks) = (&self.destinations, self.tells_clocks);
        let answers: Vec<Vec<Observation>> = std::thread::scope(|scope| {
            let asked: Vec<_> = self
                .peers
                .iter_mut()
                .map(|peer| scope.spawn(move || ask(peer, destinations, tells_clocks, limit)))
                .collect();
            // A thread that panicked has seen nothing; the next round asks again.
            asked.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        });
        answers.into_iter().flatten().for_each(seen);
    }
}

fn ask(peer: &mut Peer, destinations: &[DestinationRef], tells_clocks: bool, limit: Duration) -> Vec<Observation> {
    let names: Vec<&str> = destinations.iter().map(|destination| destination.name.as_str()).collect();
    let asked = SystemTime::now();
    match peer.look(&names, Instant::now() + limit) {
        Ok(look) => {
            let clock = tells_clocks.then(|| ahead_ms(look.clock_ms, asked)).flatten();
            let clock = clock.map(|ahead_ms| Observation::Clock { node: peer.id, ahead_ms });
            from_look(peer.id, &look, destinations).into_iter().chain(clock).collect()
        }
        Err(error) => vec![Observation::silence(peer.id, error.reason())],
    }
}

/// A node whose broker application is down (paused, restarting) is up, but a member of nothing.
fn from_look(node: u32, look: &Look, destinations: &[DestinationRef]) -> Vec<Observation> {
    let members_bits = if look.running { look.up_bits } else { 0 };
    let mut seen = vec![Observation::Members { node, members_bits }];
    // Told while they last; a node that says nothing of them has none.
    if look.alarms > 0 {
        seen.push(Observation::Alarms { node, alarms: look.alarms });
    }
    if look.partition_bits != 0 {
        seen.push(Observation::Partitioned { node, from_bits: look.partition_bits });
    }
    for (destination, known) in destinations.iter().zip(&look.queues) {
        let destination = destination.index;
        match known {
            Known::Unknown => {}
            Known::Gone => seen.push(Observation::Leader { node, destination, leader: None, epoch: 0 }),
            Known::Queue(queue) => {
                let (leader, epoch) = (queue.leader, queue.epoch);
                seen.push(Observation::Leader { node, destination, leader, epoch });
                seen.push(Observation::Isr { node, destination, isr_bits: queue.in_sync_bits });
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use delivery_broker::{DestinationRef, Observation};

    use super::from_look;
    use crate::erlang::{Known, Look, QueueLook};

    fn destinations() -> Vec<DestinationRef> {
        let destination = |index| DestinationRef { index, name: format!("q{index}"), partition: None };
        vec![destination(4), destination(5)]
    }

    #[test]
    fn a_paused_node_is_a_member_of_nothing_and_says_nothing_of_queues() {
        let look = Look { up_bits: 0b1110, queues: vec![Known::Unknown, Known::Unknown], ..Look::default() };
        assert_eq!(from_look(2, &look, &destinations()), [Observation::Members { node: 2, members_bits: 0 }]);
    }

    #[test]
    fn alarms_and_partitions_are_told_while_they_last() {
        let look = Look { up_bits: 0b10, running: true, alarms: 2, partition_bits: 0b1100, ..Look::default() };
        let told = from_look(1, &look, &[]);
        assert_eq!(told[1], Observation::Alarms { node: 1, alarms: 2 });
        assert_eq!(told[2], Observation::Partitioned { node: 1, from_bits: 0b1100 });
    }

    #[test]
    fn queues_are_told_by_their_destination() {
        let queue = QueueLook { leader: Some(3), epoch: 7, applied: 9, member_bits: 0b1110, in_sync_bits: 0b1010 };
        let queues = vec![Known::Queue(queue), Known::Gone];
        let look = Look { up_bits: 0b1010, running: true, queues, ..Look::default() };
        let told = [
            Observation::Members { node: 1, members_bits: 0b1010 },
            Observation::Leader { node: 1, destination: 4, leader: Some(3), epoch: 7 },
            Observation::Isr { node: 1, destination: 4, isr_bits: 0b1010 },
            Observation::Leader { node: 1, destination: 5, leader: None, epoch: 0 },
        ];
        assert_eq!(from_look(1, &look, &destinations()), told);
    }
}
