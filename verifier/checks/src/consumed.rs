//! One pass over the members of a group (or over a subscriber): delivered, processing, processed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use delivery_history::event::{FLAG_CORRUPT, FLAG_FOREIGN, REVOKED_LOST};
use delivery_history::manifest::{Role, Workload};
use delivery_history::{Event, NO_DESTINATION, NO_OFFSET, NO_SEQUENCE, NO_SESSION};

use crate::ahead::{Ahead, LOOK_AHEAD};
use crate::audits::{AuditRun, Audits};
use crate::directory::state;
use crate::evidence::segments::{Cursor, Segments};
use crate::health::{Health, Watch, kind};
use crate::judge::Scope;
use crate::judgement::Rebalances;
use crate::latency::Latencies;
use crate::properties::aborted_read::Isolation;
use crate::properties::{aborted_read, reordered_key};
use crate::reader::{Jumps, Positions};
use crate::stored::same_content;
use crate::tally::Subject;
use crate::work::{Found, LaneWork};

/// Bits of a message's state in one group.
pub(crate) mod mark {
    /// Handed to the application.
    pub(crate) const DELIVERED: u8 = 1;
    /// Handed to it again, or with the redelivered flag.
    pub(crate) const AGAIN: u8 = 1 << 1;
    /// Its handler started.
    pub(crate) const PROCESSING: u8 = 1 << 2;
    /// Its handler started again.
    pub(crate) const PROCESSING_AGAIN: u8 = 1 << 3;
    /// Its handler finished.
    pub(crate) const PROCESSED: u8 = 1 << 4;
}

/// Largest dense table of (session, destination) pairs, beyond one entry a message.
const DENSE_PAIRS: usize = 1 << 16;

/// What one group (or subscriber) did.
pub(crate) struct GroupWork {
    pub(crate) group: u16,
    /// [`mark`] bits by message.
    pub(crate) marks: Vec<u8>,
    pub(crate) delivered: u64,
    pub(crate) processed: u64,
    /// Its workers.
    pub(crate) members: Vec<u16>,
    /// What it asks for of transactions that have not committed.
    isolation: Isolation,
    /// Its members make other messages of what they read, in transactions: those are what is judged.
    pub(crate) transforms: bool,
    /// Jumps of its readers.
    pub(crate) jumps: Jumps,
    /// Settles that were confirmed.
    pub(crate) settled: u64,
    /// Destinations that were taken from a member, or given to one again.
    pub(crate) rebalanced: u64,
    /// Destinations that were given, given back and lost.
    pub(crate) places: Rebalances,
    /// Commits that were not confirmed, by number of the reason.
    pub(crate) refused: BTreeMap<u32, u64>,
    /// Connections of members that ended in the middle.
    pub(crate) sessions_ended: u64,
    /// Destinations that were given to a member.
    assigned: BTreeSet<u16>,
    /// By segment in which a message was invoked: when the last of them was first delivered.
    pub(crate) caught_up_ns: Vec<u64>,
    /// Destinations some member has drained.
    pub(crate) drained: BTreeSet<u16>,
    /// By destination: from when to when (exclusive) it is owed what is sent.
    subscribed: BTreeMap<u16, Vec<(u64, u64)>>,
}

impl GroupWork {
    /// Whether a message invoked at `time_ns`, by a clock that may be off by `slack_ns`, is owed to this subscriber.
    pub(crate) fn was_subscribed(&self, destination: u16, time_ns: u64, slack_ns: u64) -> bool {
        let covers = |(from_ns, to_ns): &(u64, u64)| {
            from_ns.saturating_add(slack_ns) <= time_ns
                && (*to_ns == u64::MAX || time_ns < to_ns.saturating_sub(slack_ns))
        };
        self.subscribed.get(&destination).is_some_and(|spans| spans.iter().any(covers))
    }

    /// Whether every member ended without being told to.
    pub(crate) fn is_dead(&self, work: &LaneWork<'_, '_>) -> bool {
        let crashes = &work.context.timeline.crashes;
        !self.members.is_empty() && self.members.iter().all(|member| crashes.contains_key(member))
    }

    fn subscribe(&mut self, destination: u16, from_ns: u64) {
        let spans = self.subscribed.entry(destination).or_default();
        if spans.last().is_none_or(|(_, to_ns)| *to_ns != u64::MAX) {
            spans.push((from_ns, u64::MAX));
        }
    }

    fn unsubscribe(&mut self, destination: u16, to_ns: u64) {
        let open = self.subscribed.get_mut(&destination).and_then(|spans| spans.last_mut());
        if let Some(span) = open.filter(|span| span.1 == u64::MAX) {
            span.1 = to_ns;
        }
    }
}

/// Goes through the members of `group`.
pub(crate) fn read_group(
    work: &mut LaneWork<'_, '_>,
    group: u16,
    audits: &Audits<'_>,
    segments: &Segments,
    latency: &mut Latencies,
    health: &mut Health,
) -> GroupWork {
    let mut seen = GroupWork {
        group,
        marks: vec![0; work.sends.messages.state.len()],
        delivered: 0,
        processed: 0,
        members: Vec::new(),
        isolation: Isolation::of(work.context, group),
        transforms: false,
        jumps: Jumps::default(),
        settled: 0,
        rebalanced: 0,
        places: Rebalances::default(),
        refused: BTreeMap::new(),
        sessions_ended: 0,
        assigned: BTreeSet::new(),
        caught_up_ns: vec![0; segments.len()],
        drained: BTreeSet::new(),
        subscribed: BTreeMap::new(),
    };
    let context = work.context;
    for (worker, role) in context.workers() {
        if !matches!(role.role, Role::Consumer | Role::Producer) || role.group != Some(group) {
            continue;
        }
        seen.transforms |= role.role == Role::Producer;
        seen.members.push(worker);
        let all = work.scope == Scope::All;
        let in_log = work.is_log() && all;
        let transactional = all && work.sends.transactions.iter().next().is_some();
        let mut pass = Pass {
            transactional,
            in_log,
            seen: &mut seen,
            worker,
            audits,
            reference: None,
            latency,
            invoked: segments.cursor(),
            measured: all,
            ahead: Ahead::default(),
            highest: (work.workload == Workload::Fanout && all).then(|| {
                let limit = DENSE_PAIRS.max(work.sends.messages.state.len());
                Highest::new(work.sends.slots.len(), &work.destinations, limit)
            }),
            positions: Positions::new(),
            reordered: false,
            last: (NO_SESSION, NO_SEQUENCE, NO_DESTINATION, Found::Phantom),
            health,
            work,
        };
        let watch = pass.run(context.stream(worker));
        health.note_watch(worker, &role.name, &watch);
    }
    seen
}

/// One member's stream on its way.
struct Pass<'a, 'b, 'c, 'd> {
    work: &'c mut LaneWork<'a, 'b>,
    seen: &'c mut GroupWork,
    worker: u16,
    audits: &'c Audits<'d>,
    /// What is audited of the destination that was read last.
    reference: Option<(u16, Option<&'c AuditRun<'d>>)>,
    latency: &'c mut Latencies,
    invoked: Cursor<'c>,
    /// Highest sequence first delivered so far, for subscribers.
    highest: Option<Highest>,
    positions: Positions,
    /// Some first delivery was out of order.
    reordered: bool,
    /// The lane's messages were sent in transactions.
    transactional: bool,
    /// Fetches what is about to be needed, where deliveries jump about.
    ahead: Ahead,
    /// They stand in logs.
    in_log: bool,
    /// Latencies and order are asked for.
    measured: bool,
    /// What the last event's identity stood for: a message's three events mostly follow each other.
    last: (u32, u32, u16, Found),
    health: &'c Health,
}

impl Pass<'_, '_, '_, '_> {
    fn run(&mut self, events: &[Event]) -> Watch {
        let mut watch = Watch::default();
        let mut left = events;
        let mut looked_ahead = left.len() + 1;
        while let Some((event, rest)) = left.split_first() {
            if left.len() < looked_ahead {
                self.ahead.look(self.work, &self.seen.marks, self.audits, left);
                looked_ahead = left.len().saturating_sub(LOOK_AHEAD);
            }
            left = match left.first_chunk() {
                Some(whole) if self.take_whole(whole) => {
                    whole.iter().for_each(|event| watch.see(event));
                    &left[whole.len()..]
                }
                _ => {
                    watch.see(event);
                    self.take(event, &mut watch);
                    rest
                }
            };
        }
        if self.reordered {
            let readable =
                |event: &&Event| event.kind == kind::DELIVERED && event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) == 0;
            let marks = &self.seen.marks;
            reordered_key::mark(self.work, events.iter().filter(readable), |index, _| marks[index] & mark::AGAIN != 0);
        }
        watch
    }

    /// Takes a message that is delivered, begun and done in a row, for the first time: what nearly every one comes to.
    /// False, and nothing is taken, where it is anything else.
    #[inline(always)]
    fn take_whole(&mut self, whole: &[Event; 3]) -> bool {
        let [delivered, processing, processed] = whole;
        let kinds = (delivered.kind, processing.kind, processed.kind);
        if kinds != (kind::DELIVERED, kind::PROCESSING, kind::PROCESSED)
            || delivered.flags != 0
            || !same_subject(delivered, processing)
            || !same_subject(delivered, processed)
            || self.transactional
        {
            return false;
        }
        let Found::Judged { slot, index } = self.work.resolve(delivered) else { return false };
        let marks = &mut self.seen.marks[index];
        if *marks != 0 {
            return false;
        }
        *marks = mark::DELIVERED | mark::PROCESSING | mark::PROCESSED;
        self.seen.delivered += 1;
        self.seen.processed += 1;
        if self.measured {
            self.first_delivery(delivered, slot, index);
        }
        if self.in_log && delivered.offset != NO_OFFSET {
            self.seen.jumps.take(&mut self.positions, delivered, self.audits);
            self.compare_with_audit(delivered);
        }
        true
    }

    #[inline]
    fn take(&mut self, event: &Event, watch: &mut Watch) {
        match event.kind {
            kind::DELIVERED => self.deliver(event),
            kind::PROCESSING => {
                self.mark(event, mark::PROCESSING, mark::PROCESSING_AGAIN);
            }
            kind::PROCESSED => {
                self.seen.processed += u64::from(self.mark(event, mark::PROCESSED, 0));
            }
            kind::DRAINED => {
                self.seen.drained.insert(event.destination);
            }
            kind::ASSIGNED => {
                self.seen.rebalanced += u64::from(!self.seen.assigned.insert(event.destination));
                self.seen.places.assigned += 1;
                self.positions.assign(event);
            }
            kind::REVOKED => {
                self.seen.rebalanced += 1;
                let lost = event.detail == REVOKED_LOST;
                *(if lost { &mut self.seen.places.lost } else { &mut self.seen.places.revoked }) += 1;
                self.positions.revoke(event);
            }
            kind::POSITION_RESET => self.positions.reset(event),
            kind::SESSION_ENDED => self.seen.sessions_ended += 1,
            kind::SETTLE_OK => self.seen.settled += 1,
            kind::SETTLE_FAILED => *self.seen.refused.entry(event.detail).or_default() += 1,
            kind::SUBSCRIBED => self.seen.subscribe(event.destination, event.time_ns),
            kind::UNSUBSCRIBED => self.seen.unsubscribe(event.destination, event.time_ns),
            _ => watch.pass_over(event),
        }
    }

    /// What the event's identity stands for.
    #[inline]
    fn resolve(&mut self, event: &Event) -> Found {
        let (session, sequence, destination, found) = self.last;
        if (session, sequence, destination) == (event.session, event.sequence, event.destination) {
            return found;
        }
        let found = self.work.resolve(event);
        self.last = (event.session, event.sequence, event.destination, found);
        found
    }

    #[inline]
    fn mark(&mut self, event: &Event, once: u8, again: u8) -> bool {
        let Found::Judged { index, .. } = self.resolve(event) else { return false };
        let marks = &mut self.seen.marks[index];
        *marks |= if *marks & once != 0 { once | again } else { once };
        true
    }

    #[inline]
    fn deliver(&mut self, event: &Event) {
        let in_log = self.in_log && event.offset != NO_OFFSET;
        if in_log {
            self.seen.jumps.take(&mut self.positions, event, self.audits);
        }
        if self.work.take_unreadable(self.worker, event) {
            return;
        }
        let found = self.resolve(event);
        match found {
            Found::Judged { slot, index } => self.deliver_message(event, slot, index),
            Found::Sentinel => {}
            Found::Misplaced { .. } | Found::Phantom => self.work.take_phantom(event, self.health),
        }
        if in_log {
            self.compare_with_audit(event);
        }
    }

    #[inline]
    fn deliver_message(&mut self, event: &Event, slot: usize, index: usize) {
        self.seen.delivered += 1;
        if self.transactional {
            self.judge_transaction(event, index);
        }
        let marks = &mut self.seen.marks[index];
        let first = *marks & mark::DELIVERED == 0;
        let flagged = event.has(delivery_history::event::FLAG_REDELIVERED);
        *marks |= if first && !flagged { mark::DELIVERED } else { mark::DELIVERED | mark::AGAIN };
        if first && self.measured {
            self.first_delivery(event, slot, index);
        }
    }

    /// Measures, and judges the order of, what is handed out for the first time.
    #[inline]
    fn first_delivery(&mut self, event: &Event, slot: usize, index: usize) {
        let entry = self.work.directory.sessions(slot..slot + 1)[0];
        let invoked_ns = self.work.invoked(&entry, index).time_ns;
        let (segment_at, segment) = self.invoked.at(invoked_ns);
        self.latency.take(segment.part, invoked_ns, event.time_ns);
        let caught_up_ns = &mut self.seen.caught_up_ns[segment_at];
        *caught_up_ns = event.time_ns.max(*caught_up_ns);
        self.check_order(event, slot, index);
    }

    fn judge_transaction(&mut self, event: &Event, index: usize) {
        aborted_read::take_delivery(self.work, self.seen.isolation, self.worker, index, event);
    }

    #[inline]
    fn check_order(&mut self, event: &Event, slot: usize, index: usize) {
        let Some(highest) = &mut self.highest else { return };
        let known = highest.of(slot - self.work.sends.slots.start, event.destination);
        // Kept one higher, so that 0 means none yet.
        let now = event.sequence.saturating_add(1);
        if now < *known {
            self.work.sends.messages.state[index] |= state::REORDERED;
            self.reordered = true;
        }
        *known = now.max(*known);
    }

    /// What a reader was given at an offset must be what the log holds there.
    #[inline]
    fn compare_with_audit(&mut self, event: &Event) {
        let reference = match self.reference {
            Some((destination, run)) if destination == event.destination => run,
            _ => {
                let run = self.audits.of(event.destination).first();
                self.reference = Some((event.destination, run));
                run
            }
        };
        let Some(run) = reference else { return };
        let differs = match run.at(event.offset) {
            Some(read) if read.kind == kind::AUDIT_CONTROL => true,
            // Who is given messages of aborted transactions is another matter: this is what stands there.
            Some(read) => !same_content(&Event { kind: read.kind, ..*event }, read),
            // Before its start the log was cut by retention; past its end it holds nothing any more.
            None => run.is_complete() && event.offset >= run.end_offset(),
        };
        if differs {
            let place = Subject::Place { destination: event.destination, offset: event.offset };
            self.work.disagreement.add(event.time_ns, place, event.destination);
        }
    }
}

/// Whether both events are about one message in one place.
#[inline(always)]
fn same_subject(left: &Event, right: &Event) -> bool {
    (left.session, left.sequence, left.destination) == (right.session, right.sequence, right.destination)
}

/// Highest sequence by (session, destination): dense where that is small, hashed where not.
enum Highest {
    Dense { sessions: usize, places: HashMap<u16, usize>, table: Vec<u32>, last: (u16, usize) },
    Hashed(HashMap<(usize, u16), u32>),
}

impl Highest {
    fn new(sessions: usize, destinations: &[u16], limit: usize) -> Self {
        match sessions.checked_mul(destinations.len()) {
            Some(pairs) if pairs <= limit && pairs > 0 => {
                let places =
                    destinations.iter().enumerate().map(|(place, destination)| (*destination, place)).collect();
                Self::Dense { sessions, places, table: vec![0; pairs], last: (destinations[0], 0) }
            }
            _ => Self::Hashed(HashMap::new()),
        }
    }

    #[inline]
    fn of(&mut self, session: usize, destination: u16) -> &mut u32 {
        match self {
            Self::Dense { sessions, places, table, last } => {
                if last.0 != destination {
                    // A message is only judged in a destination of its lane, so it has a place.
                    *last = (destination, places.get(&destination).copied().unwrap_or(0));
                }
                &mut table[last.1 * *sessions + session]
            }
            Self::Hashed(known) => known.entry((session, destination)).or_default(),
        }
    }
}
