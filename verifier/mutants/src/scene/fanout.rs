//! A topic with two subscribers, each owed everything.

use delivery_history::manifest::Lane;
use delivery_history::{EventKind, NO_OFFSET};

use super::log::DELIVERY_MS;
use super::{C0, C1, Delivery, Ended, Scene, of};

impl Scene {
    /// Both subscribers got everything that was sent.
    pub(super) fn fanout(lane: Lane) -> Self {
        let ended = if lane.acknowledged { Ended::Acked(1) } else { Ended::Sent };
        let mut scene = Self::empty(lane);
        scene.send_throughout([0, 0], |_| ended);
        scene.sentinels = vec![0];
        scene.drained = vec![(C0, 0), (C1, 0)];
        for send in &scene.sends {
            scene.deliveries.extend([C0, C1].map(|by| Delivery {
                by,
                id: send.id,
                destination: 0,
                offset: NO_OFFSET,
                at_ms: send.at_ms + DELIVERY_MS,
                flags: 0,
                began: 1,
                processed: true,
                settle: None,
            }));
        }
        for worker in [C0, C1] {
            scene.note(worker, 0, of(EventKind::Subscribed, 0));
        }
        scene
    }
}
