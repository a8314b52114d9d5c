//! One more pass over a lane's clients, only when it is to be drawn.

use std::collections::HashSet;

use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN};
use delivery_history::manifest::Role;
use delivery_history::{Event, EventKind};

use super::spread::Spreads;
use super::{Axis, Bin, LanePicture};
use crate::directory::state;
use crate::health::kind;
use crate::work::{Found, LaneWork};

/// A lane's picture on its way.
struct Drawing<'a, 'b> {
    work: &'b LaneWork<'a, 'b>,
    axis: Axis,
    bins: Vec<Bin>,
    send: Spreads,
    age: Spreads,
    /// Lost messages that have their mark: one that was sent twice may have been acked twice.
    marked: HashSet<usize>,
}

/// Draws a lane whose messages have been judged.
pub(crate) fn draw_lane(work: &LaneWork<'_, '_>, axis: Axis) -> LanePicture {
    let bins = axis.bins();
    let mut drawing = Drawing {
        work,
        axis,
        bins: vec![Bin::default(); bins],
        send: Spreads::new(bins),
        age: Spreads::new(bins),
        marked: HashSet::new(),
    };
    for worker in work.context.producers_of(work.lane) {
        work.context.stream(worker).iter().for_each(|event| drawing.take_send(event));
    }
    for (worker, role) in work.context.workers() {
        let group = role.group.and_then(|group| work.context.manifest.groups.get(usize::from(group)));
        let reads = matches!(role.role, Role::Consumer | Role::Producer);
        if reads && group.is_some_and(|group| group.lane == work.lane) {
            work.context.stream(worker).iter().for_each(|event| drawing.take_delivery(event));
        }
    }
    drawing.take_silent_ends();
    drawing.finish()
}

impl Drawing<'_, '_> {
    fn take_send(&mut self, event: &Event) {
        let Some(bin) = self.axis.bin_of(event.time_ns) else { return };
        let here = &mut self.bins[bin];
        match event.kind {
            kind::SEND_INVOKED => here.invoked = here.invoked.saturating_add(1),
            kind::SEND_FAILED => here.failed = here.failed.saturating_add(1),
            kind::SEND_UNKNOWN => here.unknown = here.unknown.saturating_add(1),
            kind::SEND_ACKED | kind::SEND_SENT => self.take_ack(bin, event),
            _ => {}
        }
    }

    fn take_ack(&mut self, bin: usize, event: &Event) {
        let here = &mut self.bins[bin];
        here.acked = here.acked.saturating_add(1);
        let Some((_, entry)) = self.work.directory.find(event.session, event.sequence) else { return };
        if !entry.judged || entry.lane != self.work.lane {
            return;
        }
        let index = entry.base as usize + event.sequence as usize;
        if event.kind == kind::SEND_ACKED {
            self.send.take(bin, self.work.invoked(entry, index).time_ns, event.time_ns);
        }
        if self.work.sends.messages.state[index] & state::LOST != 0 && self.marked.insert(index) {
            here.lost = here.lost.saturating_add(1);
        }
    }

    fn take_delivery(&mut self, event: &Event) {
        if event.kind != EventKind::Delivered as u8 || event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) != 0 {
            return;
        }
        let Some(bin) = self.axis.bin_of(event.time_ns) else { return };
        let (Found::Judged { index, .. } | Found::Misplaced { index }) = self.work.resolve(event) else { return };
        let here = &mut self.bins[bin];
        here.delivered = here.delivered.saturating_add(1);
        self.age.take(bin, self.work.invoked_of(index).time_ns, event.time_ns);
    }

    /// Sends whose client never told of an outcome: they may be stored, from when they were invoked.
    fn take_silent_ends(&mut self) {
        let work = self.work;
        for entry in work.directory.sessions(work.sends.slots.clone()) {
            for index in entry.base as usize..entry.base as usize + entry.len as usize {
                if work.sends.messages.state[index] & state::OUTCOMES != 0 {
                    continue;
                }
                if let Some(bin) = self.axis.bin_of(work.invoked(entry, index).time_ns) {
                    self.bins[bin].unknown = self.bins[bin].unknown.saturating_add(1);
                }
            }
        }
    }

    fn finish(self) -> LanePicture {
        let Self { mut bins, send, age, .. } = self;
        for ((bin, send), age) in bins.iter_mut().zip(send.finish()).zip(age.finish()) {
            (bin.send, bin.age) = (send, age);
        }
        LanePicture { bins }
    }
}
