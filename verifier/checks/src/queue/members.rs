//! One pass over each consumer of a queue lane: delivered, processing, processed, settled; and
//! what a recording cannot say without being wrong.

use std::collections::{HashMap, HashSet};

use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN, FLAG_REDELIVERED};
use delivery_history::manifest::Role;
use delivery_history::{Event, NO_OFFSET, NO_SESSION};
use foldhash::fast::RandomState;

use crate::consumed::mark;
use crate::directory::state;
use crate::evidence::segments::{Cursor, Segments};
use crate::health::{Health, Watch, kind};
use crate::latency::Latencies;
use crate::queue::{Place, place_of};
use crate::work::LaneWork;

/// Handed out by a second delivery; [`mark::AGAIN`] also stands for a first one that was flagged.
pub(crate) const TWICE: u8 = 1 << 7;

/// What the consumers of a queue lane did, all groups together.
pub(crate) struct Members {
    /// [`mark`] bits and [`TWICE`] by message.
    pub(crate) marks: Vec<u8>,
    pub(crate) delivered: u64,
    pub(crate) processed: u64,
    pub(crate) workers: Vec<u16>,
    /// Those that crashed, or whose connection ended at least once.
    pub(crate) ended: Vec<u16>,
    /// Those that neither crashed nor ended as they were told to: what they had at hand may not be recorded.
    pub(crate) unfinished: Vec<u16>,
    /// Connections and channels that ended in the middle.
    pub(crate) sessions_ended: u64,
    /// Queues that a consumer was given once more.
    pub(crate) assigned_again: u64,
    /// By segment in which a message was invoked: when the last of them was first delivered.
    pub(crate) caught_up_ns: Vec<u64>,
    /// Every one of them crashed.
    pub(crate) dead: bool,
    /// All of them recorded all they did, until they crashed or ended as they were told to.
    pub(crate) sound: bool,
}

/// Goes through every consumer of the lane.
pub(crate) fn read(
    work: &mut LaneWork<'_, '_>,
    segments: &Segments,
    latency: &mut Latencies,
    health: &mut Health,
) -> Members {
    let context = work.context;
    let mut members = Members {
        marks: vec![0; work.sends.messages.state.len()],
        delivered: 0,
        processed: 0,
        workers: consumers_of(work),
        ended: Vec::new(),
        unfinished: Vec::new(),
        sessions_ended: 0,
        assigned_again: 0,
        caught_up_ns: vec![0; segments.len()],
        dead: false,
        sound: true,
    };
    for worker in members.workers.clone() {
        let mut pass = Pass {
            work,
            members: &mut members,
            worker,
            latency,
            invoked: segments.cursor(),
            tags: HashMap::default(),
            session: 0,
            ended: context.timeline.crashes.contains_key(&worker),
            finished: context.timeline.crashes.contains_key(&worker),
            strangers: HashSet::new(),
            tags_again: 0,
            settles_astray: 0,
            health,
        };
        let watch = pass.run(context.stream(worker));
        let (ended, finished) = (pass.ended, pass.finished);
        let (tags_again, settles_astray) = (pass.tags_again, pass.settles_astray);
        members.ended.extend(ended.then_some(worker));
        members.unfinished.extend((!finished).then_some(worker));
        let name = context.worker_name(worker);
        health.note_watch(worker, &name, &watch);
        if tags_again > 0 {
            let words = "deliveries under a tag that its session had passed";
            health.worker_damage(worker, format!("{name} recorded {tags_again} {words}"));
        }
        health.pass_over(settles_astray);
        if settles_astray > 0 {
            let words = "settles of messages it had not been given";
            health.worker_damage(worker, format!("{name} recorded {settles_astray} {words}"));
        }
        members.sound &= health.is_sound(worker) && finished;
    }
    members.dead = !members.workers.is_empty()
        && members.workers.iter().all(|worker| context.timeline.crashes.contains_key(worker));
    members
}

/// Consumers of the lane: by their group, or by what the manifest says of themselves.
fn consumers_of(work: &LaneWork<'_, '_>) -> Vec<u16> {
    let context = work.context;
    let groups = context.groups_of(work.lane);
    let mine = |group: Option<u16>| group.is_some_and(|group| groups.binary_search(&group).is_ok());
    let consumers = context.workers().filter(|(_, worker)| worker.role == Role::Consumer);
    consumers
        .filter(|(_, worker)| worker.lane == Some(work.lane) || mine(worker.group))
        .map(|(number, _)| number)
        .collect()
}

/// Delivery tags of one queue at one consumer.
#[derive(Clone, Copy, Debug, Default)]
struct Tags {
    /// The consumer was given the queue.
    assigned: bool,
    /// Consumer session `last` belongs to.
    session: u32,
    /// Last one of the session.
    last: Option<u64>,
    /// Highest of all sessions: a settle may come after its session ended.
    highest: Option<u64>,
}

/// One consumer's stream on its way.
struct Pass<'a, 'b, 'c> {
    work: &'c mut LaneWork<'a, 'b>,
    members: &'c mut Members,
    worker: u16,
    latency: &'c mut Latencies,
    invoked: Cursor<'c>,
    /// By queue.
    tags: HashMap<u16, Tags, RandomState>,
    /// Connections or channels before the one it consumes on.
    session: u32,
    ended: bool,
    finished: bool,
    /// Messages it was given that nobody sent to their queue: their settles are no surprise.
    strangers: HashSet<(u32, u32)>,
    tags_again: u64,
    settles_astray: u64,
    health: &'c Health,
}

impl Pass<'_, '_, '_> {
    fn run(&mut self, events: &[Event]) -> Watch {
        let mut watch = Watch::default();
        for event in events {
            watch.see(event);
            match event.kind {
                kind::DELIVERED => self.deliver(event),
                kind::PROCESSING => {
                    self.mark(event, mark::PROCESSING, mark::PROCESSING_AGAIN);
                }
                kind::PROCESSED => {
                    self.members.processed += u64::from(self.mark(event, mark::PROCESSED, 0));
                }
                kind::SETTLE_INVOKED | kind::SETTLE_OK | kind::SETTLE_FAILED => self.settle(event),
                kind::WORKER_FINISHED => self.finished = true,
                kind::ASSIGNED => {
                    let tags = self.tags.entry(event.destination).or_default();
                    self.members.assigned_again += u64::from(std::mem::replace(&mut tags.assigned, true));
                    tags.last = None;
                }
                kind::SESSION_ENDED => {
                    self.ended = true;
                    self.members.sessions_ended += 1;
                    self.session = self.session.wrapping_add(1);
                }
                _ => watch.pass_over(event),
            }
        }
        watch
    }

    fn mark(&mut self, event: &Event, once: u8, again: u8) -> bool {
        let (Place::Own { index, .. } | Place::DeadLetters { index }) = place_of(self.work, event) else {
            return false;
        };
        let marks = &mut self.members.marks[index];
        *marks |= if *marks & once != 0 { once | again } else { once };
        true
    }

    fn deliver(&mut self, event: &Event) {
        self.take_tag(event);
        if self.work.take_unreadable(self.worker, event) {
            return;
        }
        match place_of(self.work, event) {
            Place::Own { slot, index } => self.deliver_message(event, slot, index),
            // A reader of the dead letters was given one: that is where it ended.
            Place::DeadLetters { index } => {
                self.members.delivered += 1;
                self.work.sends.messages.state[index] |= state::MISPLACED;
            }
            Place::Sentinel => {}
            Place::Elsewhere { .. } | Place::Phantom => {
                self.strangers.insert((event.session, event.sequence));
                self.work.take_phantom(event, self.health);
            }
        }
    }

    fn deliver_message(&mut self, event: &Event, slot: usize, index: usize) {
        self.members.delivered += 1;
        let marks = &mut self.members.marks[index];
        let first = *marks & mark::DELIVERED == 0;
        *marks |= mark::DELIVERED;
        if event.has(FLAG_REDELIVERED) {
            *marks |= mark::AGAIN;
        }
        if !first {
            *marks |= mark::AGAIN | TWICE;
            return;
        }
        let entry = self.work.directory.sessions(slot..slot + 1)[0];
        let invoked_ns = self.work.invoked(&entry, index).time_ns;
        let (segment_at, segment) = self.invoked.at(invoked_ns);
        self.latency.take(segment.part, invoked_ns, event.time_ns);
        let caught_up_ns = &mut self.members.caught_up_ns[segment_at];
        *caught_up_ns = event.time_ns.max(*caught_up_ns);
    }

    /// Tags rise within a session, so one that does not was handed out before.
    fn take_tag(&mut self, event: &Event) {
        if event.offset == NO_OFFSET {
            return;
        }
        let tags = self.tags.entry(event.destination).or_default();
        if tags.session != self.session {
            (tags.session, tags.last) = (self.session, None);
        }
        self.tags_again += u64::from(tags.last.is_some_and(|last| event.offset <= last));
        tags.last = tags.last.max(Some(event.offset));
        tags.highest = tags.highest.max(Some(event.offset));
    }

    /// Counts settles that cannot be: of a message nobody was given, or of a tag that was not handed out.
    fn settle(&mut self, event: &Event) {
        if event.session == NO_SESSION || event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) != 0 {
            return;
        }
        let given = match place_of(self.work, event) {
            Place::Own { index, .. } => self.members.marks[index] & mark::DELIVERED != 0,
            Place::DeadLetters { index } => self.work.sends.messages.state[index] & state::MISPLACED != 0,
            Place::Elsewhere { .. } | Place::Phantom => self.strangers.contains(&(event.session, event.sequence)),
            // Not every consumer records a sentinel as a delivery.
            Place::Sentinel => return,
        };
        let highest = self.tags.get(&event.destination).and_then(|tags| tags.highest);
        let handed_out = event.offset == NO_OFFSET || highest.is_some_and(|highest| event.offset <= highest);
        self.settles_astray += u64::from(!given || !handed_out);
    }
}
