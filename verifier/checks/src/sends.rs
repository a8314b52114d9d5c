//! One pass over the producers of a lane: outcomes, rates, latency, who acked when.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use delivery_history::manifest::{Lane, Role, first_session, worker_of_session};
use delivery_history::{Event, EventKind, NO_DESTINATION, NO_NODE};

use crate::acks::AckTrack;
use crate::context::Context;
use crate::directory::{Directory, Messages, Session, state};
use crate::evidence::segments::{Cursor, Part, Segment, Segments, Sides};
use crate::health::{Health, Watch, kind};
use crate::judge::Scope;
use crate::latency::Latencies;
use crate::node_set::node_bit;
use crate::properties::outputs::Transform;
use crate::properties::reordered_total::AckCurve;
use crate::transactions::Transactions;

/// Events that are looked at together before they are taken one by one.
const BLOCK: usize = 256;

/// Sends and outcomes in one segment of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) invoked: u64,
    pub(crate) acked: u64,
    pub(crate) sent: u64,
}

/// Writes to one destination during one fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultWrites {
    /// Sends past detection by clients that reach every node.
    pub(crate) free_attempts: u64,
    /// By side: sends past detection by clients confined to it.
    pub(crate) attempts: Vec<u64>,
    /// By side: acks of its nodes past detection.
    pub(crate) acks: Vec<u64>,
    /// By side: acks of its nodes while the fault was on.
    pub(crate) acks_during_fault: Vec<u64>,
}

/// What the producers of a lane did.
pub(crate) struct Sends {
    pub(crate) messages: Messages,
    /// Slots of the lane's sessions in the directory, in the order of their messages; none before they are entered.
    pub(crate) slots: Range<usize>,
    /// By worker, in the order of their messages: sessions that are to be entered.
    sessions: Vec<(u16, Vec<Session>)>,
    /// By segment.
    pub(crate) counts: Vec<Counts>,
    /// Acked (or sent) messages exposed to a fault that bit.
    pub(crate) exposed: u64,
    /// By fault and destination.
    pub(crate) writes: HashMap<(usize, u16), FaultWrites>,
    pub(crate) acks: AckTrack,
    /// The same by fault and side of the node that acked.
    pub(crate) side_acks: BTreeMap<(usize, usize), AckTrack>,
    /// By fault: the first ack after it was healed.
    pub(crate) first_ack_ns: Vec<Option<u64>>,
    /// Highest offset acked by each moment.
    pub(crate) curve: AckCurve,
    pub(crate) transactions: Transactions,
    /// Messages that were made into others.
    pub(crate) transforms: Vec<Transform>,
    /// Sessions that ended with a fatal error.
    pub(crate) sessions_ended: u64,
    pub(crate) latency: Latencies,
    pub(crate) first_send_ns: Option<u64>,
    pub(crate) last_send_ns: u64,
    pub(crate) last_ack_ns: u64,
}

/// One stream on its way.
struct Pass<'a, 'b> {
    context: &'b Context<'a>,
    lane: u16,
    worker: u16,
    acknowledged: bool,
    /// The application sends a message again under the same identity, its predecessor's messages too.
    resends: bool,
    /// Latencies, availability and who acked are asked for.
    measured: bool,
    events: &'a [Event],
    /// Side of each fault this worker's host is confined to.
    confined: Vec<Option<usize>>,
    sides: &'b [Sides],
    /// Follows the times of invocation of the messages whose outcomes come in.
    invoked: Cursor<'b>,
    sessions: Vec<Session>,
    /// Destination of the lane that was sent to last.
    own: u16,
    /// Heals that no ack has come after yet, the latest first.
    heals: Vec<(u64, usize)>,
    watch: Watch,
    /// Events that cannot be: outcomes without a send, numbers out of order, foreign destinations.
    irregular: u64,
    /// Identities sent again.
    again: u64,
    /// Outcomes that contradict an earlier one.
    contradictory: u64,
}

/// Goes through the producers of `lane`.
pub(crate) fn read_sends(
    context: &Context<'_>,
    lane: u16,
    settings: &Lane,
    scope: Scope,
    segments: &Segments,
    sides: &[Sides],
    health: &mut Health,
) -> Sends {
    let mut sends = Sends {
        messages: Messages::default(),
        slots: 0..0,
        sessions: Vec::new(),
        counts: vec![Counts::default(); segments.len()],
        exposed: 0,
        writes: HashMap::new(),
        acks: AckTrack::new(context.timeline.load_start_ns, context.timeline.load_end_ns),
        side_acks: BTreeMap::new(),
        first_ack_ns: vec![None; context.timeline.faults.len()],
        curve: AckCurve::new(
            context.timeline.load_start_ns,
            context.timeline.load_end_ns,
            context.producers_of(lane).iter().map(|worker| context.stream(*worker).len() as u64).sum(),
            context.destinations_of(lane).len(),
        ),
        transactions: Transactions::default(),
        transforms: Vec::new(),
        sessions_ended: 0,
        latency: Latencies::new("send"),
        first_send_ns: None,
        last_send_ns: 0,
        last_ack_ns: 0,
    };
    let heals = heals_of(context);
    // A send and its outcome are two events; only memory that is written to is really taken.
    sends.messages.reserve(context.producers_of(lane).iter().map(|worker| context.stream(*worker).len() / 2 + 1).sum());
    for (worker, role) in context.workers() {
        if role.role != Role::Producer || role.lane != Some(lane) {
            continue;
        }
        let mut pass = Pass {
            context,
            lane,
            worker,
            acknowledged: settings.acknowledged,
            resends: settings.resends,
            measured: scope == Scope::All,
            events: context.stream(worker),
            confined: sides.iter().map(|sides| sides.of_host(role.host)).collect(),
            sides,
            invoked: segments.cursor(),
            sessions: Vec::new(),
            own: NO_DESTINATION,
            heals: heals.clone(),
            watch: Watch::default(),
            irregular: 0,
            again: 0,
            contradictory: 0,
        };
        pass.run(&mut sends, segments.cursor(), role.group.is_none());
        pass.report(settings, health);
        sends.sessions.push((worker, pass.sessions));
    }
    sends.messages.shrink();
    sends.curve.finish();
    sends.transactions.withdraw(&mut sends.messages);
    sends
}

impl Sends {
    /// Enters the sessions of the lane, after those of the lanes before it.
    pub(crate) fn enter(&mut self, directory: &mut Directory) {
        let first = directory.len();
        for (worker, sessions) in self.sessions.drain(..) {
            directory.add(worker, sessions);
        }
        self.slots = first..directory.len();
    }
}

/// When each fault was healed, the latest first.
fn heals_of(context: &Context<'_>) -> Vec<(u64, usize)> {
    let windows = context.timeline.faults.iter().enumerate();
    let mut heals: Vec<(u64, usize)> = windows.filter_map(|(fault, window)| Some((window.healed_ns?, fault))).collect();
    heals.sort_unstable_by(|left, right| right.cmp(left));
    heals
}

impl Pass<'_, '_> {
    /// `is_load`: what it sends is what the lane was asked to; else it comes of what others sent, by itself.
    fn run(&mut self, sends: &mut Sends, mut cursor: Cursor<'_>, is_load: bool) {
        let load = (!is_load).then(|| sends.counts.clone());
        sends.transactions.begin_stream();
        let mut at = 0;
        for block in self.events.chunks(BLOCK) {
            match self.steady_segment(block, &mut cursor) {
                Some((number, segment)) => self.take_steady(sends, at, block, number, segment, &mut cursor),
                None => {
                    for (inside, event) in block.iter().enumerate() {
                        self.watch.see(event);
                        self.take(sends, at + inside, event, &mut cursor);
                    }
                }
            }
            at += block.len();
        }
        sends.transactions.end_stream(u32::try_from(sends.messages.state.len()).unwrap_or(u32::MAX));
        load.into_iter().for_each(|load| sends.counts = load);
    }

    /// The segment all of the block lies in, where its times never go back.
    #[inline]
    fn steady_segment<'s>(&self, block: &[Event], cursor: &mut Cursor<'s>) -> Option<(usize, &'s Segment)> {
        let (first_ns, last_ns) = (block.first()?.time_ns, block.last()?.time_ns);
        let mut steady = self.watch.is_at_or_before(first_ns);
        for pair in block.windows(2) {
            steady &= pair[0].time_ns <= pair[1].time_ns;
        }
        let (number, segment) = cursor.at(first_ns);
        (steady && last_ns < segment.until_ns).then_some((number, segment))
    }

    /// Takes a block of events whose times never go back and that all lie in one segment.
    #[inline]
    fn take_steady(
        &mut self,
        sends: &mut Sends,
        from: usize,
        block: &[Event],
        number: usize,
        segment: &Segment,
        cursor: &mut Cursor<'_>,
    ) {
        // Where no fault is on and none is near, nobody asks who tried and who acked.
        let calm = segment.on_bits == 0 && segment.exposed_bits == 0;
        let (mut invoked, mut acked) = (0, 0);
        for (inside, event) in block.iter().enumerate() {
            match event.kind {
                kind::SEND_INVOKED if calm => {
                    invoked += 1;
                    note_send(sends, event.time_ns);
                    self.enter(sends, from + inside, event);
                }
                kind::SEND_ACKED if calm => match self.find(event) {
                    Some(index) => {
                        acked += 1;
                        self.settle(sends, state::ACKED, index);
                        self.measure_ack(sends, event, index);
                    }
                    None => self.outcome(sends, event, state::ACKED, cursor),
                },
                _ => self.take(sends, from + inside, event, cursor),
            }
        }
        sends.counts[number].invoked += invoked;
        sends.counts[number].acked += acked;
        if let Some(last) = block.last() {
            self.watch.see(last);
        }
    }

    #[inline]
    fn take(&mut self, sends: &mut Sends, at: usize, event: &Event, cursor: &mut Cursor<'_>) {
        match event.kind {
            kind::SEND_INVOKED => {
                let (segment_at, segment) = cursor.at(event.time_ns);
                sends.counts[segment_at].invoked += 1;
                self.invoke(sends, at, event, segment);
            }
            kind::SEND_ACKED => self.outcome(sends, event, state::ACKED, cursor),
            kind::SEND_SENT => self.outcome(sends, event, state::SENT, cursor),
            kind::SEND_FAILED => self.outcome(sends, event, state::FAILED, cursor),
            kind::SEND_UNKNOWN => self.outcome(sends, event, state::UNKNOWN, cursor),
            kind::TRANSACTION_BEGIN
            | kind::TRANSACTION_COMMIT
            | kind::TRANSACTION_ABORT
            | kind::TRANSACTION_OUTCOME => {
                let next = u32::try_from(sends.messages.state.len()).unwrap_or(u32::MAX);
                self.irregular += u64::from(!sends.transactions.take(event, next));
            }
            kind::TRANSFORMED => {
                let output = u32::try_from(sends.messages.state.len()).unwrap_or(u32::MAX);
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                sends.transforms.push(Transform { output, worker: self.worker, at });
            }
            kind::SESSION_ENDED => sends.sessions_ended += 1,
            _ => self.watch.pass_over(event),
        }
    }

    #[inline]
    fn invoke(&mut self, sends: &mut Sends, at: usize, event: &Event, segment: &Segment) {
        note_send(sends, event.time_ns);
        self.enter(sends, at, event);
        if let Some(fault) = segment.alone
            && segment.past_detection
        {
            let sides = self.sides.get(fault).map_or(0, |sides| sides.nodes.len());
            let writes = fault_writes(sends, fault, event.destination, sides);
            match self.confined.get(fault).copied().flatten() {
                Some(side) => writes.attempts[side] += 1,
                None => writes.free_attempts += 1,
            }
        }
    }

    /// Enters the message into the tables: the next of its session, or the first of the next session.
    #[inline]
    fn enter(&mut self, sends: &mut Sends, at: usize, event: &Event) {
        if let (Some(open), Ok(at)) = (self.sessions.last_mut(), u32::try_from(at))
            && open.session == event.session
            && open.len == event.sequence
            && open.destination == event.destination
            && event.destination == self.own
            && sends.messages.state.len() < u32::MAX as usize
        {
            open.len += 1;
            sends.messages.state.push(0);
            sends.messages.invoked_at.push(at);
            return;
        }
        self.enter_another(sends, at, event);
    }

    /// The same where the message is not simply the next one to the same place.
    fn enter_another(&mut self, sends: &mut Sends, at: usize, event: &Event) {
        let count = self.sessions.len();
        let expected = first_session(self.worker).checked_add(u32::try_from(count).unwrap_or(u32::MAX));
        let (Ok(at), Ok(base)) = (u32::try_from(at), u32::try_from(sends.messages.state.len())) else {
            self.irregular += 1;
            return;
        };
        match self.sessions.last_mut() {
            Some(open) if open.session == event.session && open.len == event.sequence => {
                open.len += 1;
                open.mixed |= open.destination != event.destination;
            }
            _ if Some(event.session) == expected && count <= 0xffff && event.sequence == 0 => {
                self.sessions.push(Session {
                    session: event.session,
                    lane: self.lane,
                    destination: event.destination,
                    base,
                    len: 1,
                    mixed: false,
                    judged: true,
                });
            }
            _ => {
                match self.find(event).or_else(|| self.find_predecessors(sends, event)) {
                    Some(_) => self.again += 1,
                    None => self.irregular += 1,
                }
                return;
            }
        }
        if event.destination != self.own || event.destination == NO_DESTINATION {
            self.look_up(event.destination);
        }
        sends.messages.state.push(0);
        sends.messages.invoked_at.push(at);
    }

    /// Remembers that a destination is one of the lane's, or counts that it is not.
    fn look_up(&mut self, destination: u16) {
        match self.context.destination(destination) {
            Some(known) if known.lane == self.lane => self.own = destination,
            _ => self.irregular += 1,
        }
    }

    /// Dense number of the message an event names, if this worker sent it.
    #[inline]
    fn find(&self, event: &Event) -> Option<usize> {
        let inside = (event.session & 0xffff) as usize;
        let entry = self.sessions.get(inside)?;
        let mine = worker_of_session(event.session) == self.worker && event.sequence < entry.len;
        mine.then(|| entry.base as usize + event.sequence as usize)
    }

    /// The same of a message that another producer of the lane had sent before, where this application may send it again.
    #[cold]
    fn find_predecessors(&self, sends: &Sends, event: &Event) -> Option<usize> {
        let worker = worker_of_session(event.session);
        let (_, sessions) = sends.sessions.iter().find(|(known, _)| self.resends && *known == worker)?;
        let entry = sessions.get((event.session & 0xffff) as usize)?;
        (event.sequence < entry.len).then(|| entry.base as usize + event.sequence as usize)
    }

    #[inline]
    fn outcome(&mut self, sends: &mut Sends, event: &Event, bit: u16, cursor: &mut Cursor<'_>) {
        let Some(index) = self.find(event) else {
            self.outcome_of_predecessors(sends, event, bit, cursor);
            return;
        };
        self.settle(sends, bit, index);
        if bit & (state::ACKED | state::SENT) == 0 {
            return;
        }
        let (at, segment) = cursor.at(event.time_ns);
        if bit == state::SENT {
            self.note_taken(sends, event.time_ns);
            sends.counts[at].sent += 1;
            let exposed = !self.acknowledged && segment.exposed_bits != 0 && segment.part != Part::After;
            sends.exposed += u64::from(exposed);
            return;
        }
        sends.counts[at].acked += 1;
        self.measure_ack(sends, event, index);
        self.ack(sends, event, segment);
    }

    /// An outcome of what a predecessor had sent first: its latency is nobody's, since the wait began with another.
    #[cold]
    fn outcome_of_predecessors(&mut self, sends: &mut Sends, event: &Event, bit: u16, cursor: &mut Cursor<'_>) {
        let Some(index) = self.find_predecessors(sends, event) else {
            self.irregular += 1;
            return;
        };
        // Whatever became of this attempt, nobody knows what became of the first.
        sends.messages.state[index] |=
            if sends.messages.state[index] & state::OUTCOMES == 0 { state::UNKNOWN } else { 0 };
        self.settle(sends, bit, index);
        if bit & (state::ACKED | state::SENT) == 0 {
            return;
        }
        let (at, segment) = cursor.at(event.time_ns);
        self.note_taken(sends, event.time_ns);
        if bit == state::SENT {
            sends.counts[at].sent += 1;
            return;
        }
        sends.counts[at].acked += 1;
        if self.measured {
            sends.curve.take(event);
        }
        self.ack(sends, event, segment);
    }

    /// Enters the outcome of message `index`.
    #[inline]
    fn settle(&mut self, sends: &mut Sends, bit: u16, index: usize) {
        let message = &mut sends.messages.state[index];
        if self.resends && *message & state::OUTCOMES & !bit != 0 {
            *message = settled_again(*message, bit);
            return;
        }
        self.contradictory += u64::from(*message & state::OUTCOMES & !bit != 0);
        *message |= bit;
    }

    #[inline]
    fn note_taken(&mut self, sends: &mut Sends, at_ns: u64) {
        sends.acks.take(at_ns);
        if self.heals.last().is_some_and(|(healed_ns, _)| at_ns >= *healed_ns) {
            self.note_comeback(sends, at_ns);
        }
        sends.last_ack_ns = sends.last_ack_ns.max(at_ns);
    }

    #[inline]
    fn measure_ack(&mut self, sends: &mut Sends, event: &Event, index: usize) {
        if !self.measured {
            sends.last_ack_ns = sends.last_ack_ns.max(event.time_ns);
            return;
        }
        self.note_taken(sends, event.time_ns);
        sends.curve.take(event);
        let invoked_ns = self.events[sends.messages.invoked_at[index] as usize].time_ns;
        let part = self.invoked.part(invoked_ns);
        sends.latency.take(part, invoked_ns, event.time_ns);
    }

    /// The first ack of this stream after one or more heals.
    #[cold]
    fn note_comeback(&mut self, sends: &mut Sends, acked_ns: u64) {
        while let Some((healed_ns, fault)) = self.heals.pop_if(|(healed_ns, _)| acked_ns >= *healed_ns) {
            debug_assert!(acked_ns >= healed_ns);
            let first = &mut sends.first_ack_ns[fault];
            *first = Some(first.map_or(acked_ns, |known| known.min(acked_ns)));
        }
    }

    fn ack(&self, sends: &mut Sends, event: &Event, segment: &Segment) {
        let node = node_bit(event.detail);
        // Where the client does not say who acked, an ack before the end of the fault may be a target's.
        let anonymous = event.detail == NO_NODE && segment.exposed_bits != 0 && segment.part != Part::After;
        sends.exposed += u64::from(segment.exposed_bits & node != 0 || anonymous);
        let Some(fault) = segment.alone else { return };
        let Some(sides) = self.sides.get(fault) else { return };
        let Some(side) = sides.of_node_bit(node) else { return };
        let writes = fault_writes(sends, fault, event.destination, sides.nodes.len());
        writes.acks_during_fault[side] += 1;
        writes.acks[side] += u64::from(segment.past_detection);
        let timeline = &self.context.timeline;
        let track = sends.side_acks.entry((fault, side));
        track.or_insert_with(|| AckTrack::new(timeline.load_start_ns, timeline.load_end_ns)).take(event.time_ns);
    }

    fn report(&self, settings: &Lane, health: &mut Health) {
        let name = self.context.worker_name(self.worker);
        health.note_watch(self.worker, &name, &self.watch);
        health.pass_over(self.irregular + if settings.resends { 0 } else { self.again });
        if self.irregular > 0 {
            let words =
                "events of sends that cannot be (no such send, a number out of order, another lane's destination)";
            health.worker_damage(self.worker, format!("{name} recorded {} {words}", self.irregular));
        }
        if self.contradictory > 0 {
            let words = "outcomes that contradict an earlier one of the same message, which is then unknown";
            health.worker_damage(self.worker, format!("{name} recorded {} {words}", self.contradictory));
        }
        if self.again > 0 && !settings.resends {
            let words = "messages again under an identity that was used before";
            health.worker_damage(self.worker, format!("{name} sent {} {words}", self.again));
        }
    }
}

/// The state of a message that was sent again: one attempt that was taken is enough, and none that failed undoes what an
/// earlier one may have stored.
#[cold]
const fn settled_again(message: u16, bit: u16) -> u16 {
    let taken = state::ACKED | state::SENT;
    if bit & taken != 0 {
        (message & !state::OUTCOMES) | bit
    } else if message & taken != 0 {
        message
    } else {
        (message & !state::OUTCOMES) | state::UNKNOWN
    }
}

#[inline]
fn note_send(sends: &mut Sends, at_ns: u64) {
    if sends.first_send_ns.is_none_or(|first_ns| at_ns < first_ns) {
        sends.first_send_ns = Some(at_ns);
    }
    sends.last_send_ns = sends.last_send_ns.max(at_ns);
}

#[inline]
fn fault_writes(sends: &mut Sends, fault: usize, destination: u16, sides: usize) -> &mut FaultWrites {
    sends.writes.entry((fault, destination)).or_insert_with(|| FaultWrites {
        free_attempts: 0,
        attempts: vec![0; sides],
        acks: vec![0; sides],
        acks_during_fault: vec![0; sides],
    })
}

/// Enters the sessions of the sentinels and says to which destinations a sentinel was written.
pub(crate) fn read_sentinels(context: &Context<'_>, directory: &mut Directory, health: &mut Health) -> Sentinels {
    let mut sentinels = Sentinels::default();
    for (worker, role) in context.workers().filter(|(_, worker)| worker.role == Role::Sentinel) {
        let mut watch = Watch::default();
        let mut sessions: Vec<Session> = Vec::new();
        for event in context.stream(worker) {
            watch.see(event);
            match event.kind() {
                Some(EventKind::SendInvoked) => {
                    sentinels.tried.insert(event.destination);
                    enter_sentinel(&mut sessions, worker, event);
                }
                Some(EventKind::SendAcked | EventKind::SendSent) => {
                    sentinels.last_ack_ns = sentinels.last_ack_ns.max(event.time_ns);
                    sentinels.written.insert(event.destination);
                }
                Some(_) => {}
                None => watch.unknown_kinds += 1,
            }
        }
        health.note_watch(worker, &role.name, &watch);
        directory.add(worker, sessions);
    }
    sentinels
}

/// Which destinations got a sentinel.
#[derive(Debug, Default)]
pub(crate) struct Sentinels {
    tried: HashSet<u16>,
    written: HashSet<u16>,
    /// Last time one was taken.
    pub(crate) last_ack_ns: u64,
}

impl Sentinels {
    /// Whether a sentinel was sent to `destination`, whatever became of it.
    pub(crate) fn tried(&self, destination: u16) -> bool {
        self.tried.contains(&destination)
    }

    /// Whether `destination` took its sentinel.
    pub(crate) fn wrote(&self, destination: u16) -> bool {
        self.written.contains(&destination)
    }
}

fn enter_sentinel(sessions: &mut Vec<Session>, worker: u16, event: &Event) {
    let room = sessions.len() <= 0xffff;
    let expected = first_session(worker).checked_add(u32::try_from(sessions.len()).unwrap_or(u32::MAX));
    match sessions.last_mut() {
        Some(open) if open.session == event.session && open.len == event.sequence => open.len += 1,
        _ if Some(event.session) == expected && event.sequence == 0 && room => {
            sessions.push(Session {
                session: event.session,
                lane: 0,
                destination: event.destination,
                base: 0,
                len: 1,
                mixed: true,
                judged: false,
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::settled_again;
    use crate::directory::state;

    #[test]
    fn one_attempt_that_was_taken_is_enough() {
        assert_eq!(settled_again(state::UNKNOWN, state::ACKED), state::ACKED);
        assert_eq!(settled_again(state::ACKED, state::UNKNOWN), state::ACKED);
        assert_eq!(settled_again(state::UNKNOWN, state::FAILED), state::UNKNOWN, "the first may be stored");
        assert_eq!(settled_again(state::FAILED, state::UNKNOWN), state::UNKNOWN);
        assert_eq!(settled_again(state::UNKNOWN | state::STORED, state::SENT), state::SENT | state::STORED);
    }
}
