//! What a recorded run came to, lane by lane: counted with sets, apart from the real checks.

use std::collections::{BTreeMap, BTreeSet};

use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED};
use delivery_history::manifest::Role;
use delivery_history::{Event, EventKind, History};

/// A message.
pub(crate) type Id = (u32, u32);

/// One lane.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) invoked: BTreeSet<Id>,
    pub(crate) acked: BTreeSet<Id>,
    pub(crate) sent: BTreeSet<Id>,
    pub(crate) failed: BTreeSet<Id>,
    pub(crate) unknown: BTreeSet<Id>,
    /// Taken and missing, counted per subscriber.
    pub(crate) missing: usize,
    /// Deliveries of a message its subscriber had before.
    pub(crate) duplicates: usize,
    /// First deliveries without the redelivered flag that came after a later one of their session.
    pub(crate) reordered: usize,
    pub(crate) corrupt: usize,
    /// Delivered and never sent, or certainly failed.
    pub(crate) phantom: usize,
    pub(crate) resets: usize,
}

/// Counts each lane.
pub(crate) fn tally(history: &History) -> Vec<Tally> {
    let view = history.view();
    assert_eq!(view.damage, Vec::<String>::new());
    let mut lanes: Vec<Tally> = Vec::new();
    lanes.resize_with(view.manifest.lanes.len(), Tally::default);
    let worker = |at: u16| &view.manifest.workers[usize::from(at)];
    let lane_of = |at: u16| usize::from(worker(at).lane.expect("a lane"));
    for stream in view.streams.iter().filter(|stream| worker(stream.worker).role == Role::Producer) {
        stream.events.iter().for_each(|event| lanes[lane_of(stream.worker)].take_outcome(event));
    }
    for stream in view.streams.iter().filter(|stream| worker(stream.worker).role == Role::Consumer) {
        lanes[lane_of(stream.worker)].take_subscriber(stream.events);
    }
    lanes
}

impl Tally {
    fn take_outcome(&mut self, event: &Event) {
        let id = (event.session, event.sequence);
        let fresh = match event.kind() {
            Some(EventKind::SendInvoked) => self.invoked.insert(id),
            Some(EventKind::SendAcked) => self.acked.insert(id),
            Some(EventKind::SendSent) => self.sent.insert(id),
            Some(EventKind::SendFailed) => self.failed.insert(id),
            Some(EventKind::SendUnknown) => self.unknown.insert(id),
            _ => true,
        };
        assert!(fresh, "{event:?} twice");
    }

    fn take_subscriber(&mut self, events: &[Event]) {
        let (mut had, mut newest): (BTreeSet<Id>, BTreeMap<u32, u32>) = Default::default();
        assert_eq!(events.first().and_then(Event::kind), Some(EventKind::Assigned));
        for event in events {
            match event.kind() {
                Some(EventKind::PositionReset) => self.resets += 1,
                Some(EventKind::Processed) if event.has(FLAG_CORRUPT) || event.has(FLAG_FOREIGN) => self.corrupt += 1,
                Some(EventKind::Processed) => {
                    let id = (event.session, event.sequence);
                    if !self.invoked.contains(&id) || self.failed.contains(&id) {
                        self.phantom += 1;
                    } else if !had.insert(id) {
                        self.duplicates += 1;
                    } else if !event.has(FLAG_REDELIVERED) {
                        let newest = newest.entry(id.0).or_insert(id.1);
                        self.reordered += usize::from(id.1 < *newest);
                        *newest = id.1.max(*newest);
                    }
                }
                _ => {}
            }
        }
        self.missing += self.acked.union(&self.sent).filter(|id| !had.contains(id)).count();
    }

    /// Every send has exactly one end.
    pub(crate) fn ended(&self) -> usize {
        self.acked.len() + self.sent.len() + self.failed.len() + self.unknown.len()
    }
}
