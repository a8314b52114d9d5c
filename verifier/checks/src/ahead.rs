//! Looking ahead along a stream whose deliveries jump about: what they touch is fetched in a few plain loops, so that
//! the processor waits for many cache lines at once instead of for one after the other.

use std::hint::black_box;

use delivery_history::manifest::worker_of_session;
use delivery_history::{Event, NO_OFFSET};

use crate::audits::Audits;
use crate::health::kind;
use crate::work::{Found, LaneWork};

/// Events that are looked at together.
pub(crate) const LOOK_AHEAD: usize = 192;
/// Messages this far apart share no cache line of the tables.
const FAR: usize = 64;
/// Of a stream whose deliveries do not jump about, one block in so many is looked at.
const SAMPLED: u32 = 16;

/// Whether a stream's deliveries jump about, and what the next ones will touch.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    scattered: bool,
    blocks: u32,
}

impl Ahead {
    /// Looks at the next [`LOOK_AHEAD`] events of `left`, and fetches what they touch if they jump about.
    #[cold]
    pub(crate) fn look(&mut self, work: &LaneWork<'_, '_>, marks: &[u8], audits: &Audits<'_>, left: &[Event]) {
        self.blocks = self.blocks.wrapping_add(1);
        if !self.scattered && !self.blocks.is_multiple_of(SAMPLED) {
            return;
        }
        let block = &left[..left.len().min(LOOK_AHEAD)];
        let mut found = [(0, 0); LOOK_AHEAD];
        let mut count = 0;
        let mut jumps = 0;
        // By session: several that are read in turn, each in its order, do not jump about.
        let mut last = [0; 64];
        for event in block.iter().filter(|event| event.kind == kind::DELIVERED) {
            if let Found::Judged { slot, index } = work.resolve(event) {
                let last = &mut last[slot % 64];
                jumps += usize::from(index.abs_diff(*last) > FAR);
                *last = index;
                found[count] = (event.session, index);
                count += 1;
            }
        }
        self.scattered = jumps * 4 > count;
        if self.scattered {
            fetch(work, marks, &mut found[..count]);
            fetch_audits(audits, block);
        }
    }
}

fn fetch(work: &LaneWork<'_, '_>, marks: &[u8], found: &mut [(u32, usize)]) {
    let mut touched = 0;
    for (_, index) in found.iter_mut() {
        touched ^= u64::from(marks[*index]);
        *index = work.sends.messages.invoked_at[*index] as usize;
    }
    let mut stream: (u16, &[Event]) = (u16::MAX, &[]);
    for (session, at) in found.iter() {
        let worker = worker_of_session(*session);
        if worker != stream.0 {
            stream = (worker, work.context.stream(worker));
        }
        touched ^= stream.1.get(*at).map_or(0, |event| event.time_ns);
    }
    black_box(touched);
}

fn fetch_audits(audits: &Audits<'_>, block: &[Event]) {
    let mut touched = 0;
    let mut place = (u16::MAX, None);
    for event in block.iter().filter(|event| event.kind == kind::DELIVERED && event.offset != NO_OFFSET) {
        if event.destination != place.0 {
            place = (event.destination, audits.of(event.destination).first());
        }
        touched ^= place.1.and_then(|run| run.at(event.offset)).map_or(0, |read| read.session);
    }
    black_box(touched);
}
