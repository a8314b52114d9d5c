//! Observations as events.

use delivery_broker::Observation;
use delivery_history::{Event, EventKind, NO_NODE, NO_OFFSET};

/// The event an observation becomes: `session` is the node that said it.
pub fn observation_event(observation: &Observation) -> Event {
    let event = |kind: EventKind, node: u32, detail: u32| {
        let mut event = Event::new(kind).detail(detail);
        event.session = node;
        event
    };
    match *observation {
        Observation::Leader { node, destination, leader, epoch } => {
            event(EventKind::ObservedLeader, node, leader.unwrap_or(NO_NODE))
                .destination(destination)
                .offset(u64::from(epoch))
        }
        Observation::Isr { node, destination, isr_bits } => {
            event(EventKind::ObservedIsr, node, isr_bits).destination(destination)
        }
        Observation::Controller { node, controller, epoch } => {
            event(EventKind::ObservedController, node, controller.unwrap_or(NO_NODE)).offset(u64::from(epoch))
        }
        Observation::Members { node, members_bits } => event(EventKind::ObservedMembers, node, members_bits),
        Observation::Group { node, group, members } => {
            event(EventKind::ObservedGroup, node, u32::from(group)).offset(u64::from(members))
        }
        Observation::Coordinator { node, group, coordinator } => {
            event(EventKind::ObservedCoordinator, node, u32::from(group))
                .offset(coordinator.map_or(NO_OFFSET, u64::from))
        }
        Observation::Stable { node, destination, stable, behind } => {
            event(EventKind::ObservedStable, node, behind).destination(destination).offset(stable)
        }
        Observation::Alarms { node, alarms } => {
            event(EventKind::ObservedAlarms, node, NO_NODE).offset(u64::from(alarms))
        }
        Observation::Partitioned { node, from_bits } => event(EventKind::ObservedPartitioned, node, from_bits),
        Observation::Clock { node, ahead_ms } => {
            event(EventKind::ObservedClock, node, NO_NODE).offset(ahead_ms.cast_unsigned())
        }
        Observation::Silence { node, reason } => event(EventKind::ObservedSilence, node, reason),
    }
}
