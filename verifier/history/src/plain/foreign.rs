//! Reads a person's own log: messages get numbers in the order they were sent, and whatever contradicts itself is told
//! of by its line. A history that does is judged all the same, but nothing is shown to hold by it.

use std::collections::HashMap;

use super::decode::quoted;
use super::draft::{Book, Draft, NONE};
use super::infer::{Cast, cast};
use super::line::{Lines, Parsed, next_event_line, parse};
use super::names::MessageNames;
use super::{PlainHistory, line::Place};
use crate::event::{Event, EventKind, NO_DESTINATION, NO_NODE};
use crate::import::{ImportError, Problem};
use crate::manifest::{Role, first_session};

/// Session of messages nobody sent: of a worker there cannot be.
const NOBODYS: u32 = first_session(u16::MAX);
/// Time of the first event, nanoseconds: no event has time 0.
const START_NS: u64 = 1_000_000;
/// Lines that are told of in full.
const MAX_TOLD: usize = 18;

/// Reads every line.
pub(super) fn read(mut lines: Lines<'_>, file: &str) -> Result<PlainHistory, ImportError> {
    let mut book = Book::default();
    let mut last = Place { text: b"", line: 1, byte: 0 };
    while let Some(place) = next_event_line(&mut lines)? {
        match parse(&place)? {
            Parsed::Event(line) => book.take(&place, &line)?,
            Parsed::Declaration(declared) => book.declare(&place, declared)?,
        }
        last = place;
    }
    check_lanes(&book).map_err(|problem| last.error(problem))?;
    let times = || book.drafts.iter().map(|draft| draft.time_ns);
    let (first_ns, last_ns) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let spans_ms = last_ns.abs_diff(first_ns) / 1_000_000;
    let cast = cast(&book, file, spans_ms).ok_or_else(|| last.error(Problem::TooMany("workers")))?;
    let history = Numbering::new(&book, &cast, file, first_ns);
    history.all().map_err(|problem| last.error(problem)).map(|(streams, damage, names, implied, not_judged)| {
        PlainHistory { manifest: cast.manifest, streams, damage, names: Some(names), implied, not_judged }
    })
}

/// A destination can only be in a lane there is.
fn check_lanes(book: &Book) -> Result<(), Problem> {
    let named = book.of_destinations.values().filter_map(|declared| declared.lane.as_deref());
    match named.into_iter().find(|name| !book.lanes.iter().any(|lane| lane.name == *name)) {
        Some(name) => Err(Problem::Unknown { what: "lane", name: quoted(name) }),
        None => Ok(()),
    }
}

/// What is known of a message.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Session and sequence; nothing before it was met.
    number: Option<(u32, u32)>,
    /// Who sent it, and on which line (0: nobody did).
    sender: u16,
    sent_line: u64,
    /// Where it was sent, or first delivered.
    destination: u16,
    outcome: Option<(EventKind, u64)>,
}

/// What came of the file.
type Numbered = (Vec<Vec<Event>>, Vec<String>, MessageNames, u64, u64);

struct Numbering<'b> {
    book: &'b Book,
    cast: &'b Cast,
    file: &'b str,
    first_ns: i64,
    known: Vec<Known>,
    names: MessageNames,
    /// By worker: number of the session that is open, and whether it has messages.
    sessions: Vec<(u32, bool)>,
    /// By worker: lines on which a session ended, and which.
    ends: Vec<Vec<(u64, u32)>>,
    streams: Vec<Vec<Event>>,
    /// Lines by worker: the last one.
    last: Vec<Option<Draft>>,
    /// By worker and message: given to it, and being worked on.
    open: HashMap<(u16, u32), (bool, bool), foldhash::fast::RandomState>,
    damage: Vec<String>,
    untold: u64,
    implied: u64,
    not_judged: u64,
}

impl<'b> Numbering<'b> {
    fn new(book: &'b Book, cast: &'b Cast, file: &'b str, first_ns: i64) -> Self {
        let workers = cast.manifest.workers.len();
        let unknown =
            Known { number: None, sender: u16::MAX, sent_line: 0, destination: NO_DESTINATION, outcome: None };
        Self {
            book,
            cast,
            file,
            first_ns,
            known: vec![unknown; book.messages.len()],
            names: MessageNames::default(),
            sessions: (0..workers).map(|worker| (first_session(worker as u16), false)).collect(),
            ends: vec![Vec::new(); workers],
            streams: vec![Vec::new(); workers],
            last: vec![None; workers],
            open: HashMap::default(),
            damage: Vec::new(),
            untold: 0,
            implied: 0,
            not_judged: 0,
        }
    }

    fn all(mut self) -> Result<Numbered, Problem> {
        if self.book.drafts.is_empty() {
            self.tell(format!("{} holds no event", self.file));
        }
        for draft in &self.book.drafts {
            self.number_send(draft)?;
        }
        for draft in &self.book.drafts {
            self.take(draft)?;
        }
        if self.untold > 0 {
            let more = format!("{} more lines of {} contradict themselves", self.untold, self.file);
            self.damage.push(more);
        }
        Ok((self.streams, self.damage, self.names, self.implied, self.not_judged))
    }

    fn tell(&mut self, words: String) {
        if self.damage.len() < MAX_TOLD {
            self.damage.push(words);
        } else {
            self.untold += 1;
        }
    }

    fn at(&self, draft: &Draft) -> String {
        format!("{} line {}: {}", self.file, draft.line, self.book.workers.name(draft.worker))
    }

    /// First pass: gives numbers to what is sent.
    fn number_send(&mut self, draft: &Draft) -> Result<(), Problem> {
        let Some(worker) = self.cast.worker_of(draft) else { return Ok(()) };
        let role = self.cast.manifest.workers[usize::from(worker)].role;
        let sends = matches!(role, Role::Producer | Role::Sentinel);
        let session = &mut self.sessions[usize::from(worker)];
        match draft.kind() {
            EventKind::SessionEnded if sends => {
                self.ends[usize::from(worker)].push((draft.line, session.0));
                if !session.1 {
                    return Ok(());
                }
                let next = session.0 + 1;
                if next >> 16 != u32::from(worker) {
                    return Err(Problem::TooMany("sessions of one producer"));
                }
                *session = (next, false);
            }
            EventKind::SendInvoked if sends => {
                let known = &mut self.known[draft.message as usize];
                if known.number.is_none() {
                    session.1 = true;
                    let sequence = self.names.push(session.0, self.book.messages.name(draft.message));
                    known.number = Some((session.0, sequence.ok_or(Problem::TooMany("messages"))?));
                    (known.sender, known.sent_line) = (worker, draft.line);
                    known.destination = draft.event.destination;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Second pass: an event with its message, into its worker's stream.
    fn take(&mut self, draft: &Draft) -> Result<(), Problem> {
        let Some(worker) = self.cast.worker_of(draft) else {
            self.not_judged += 1;
            let words =
                format!("{} only started or ended: nothing says what it does (declare its role)", self.at(draft));
            self.tell(words);
            return Ok(());
        };
        if !self.follows(draft, worker) {
            return Ok(());
        }
        let mut event = draft.event;
        event.time_ns = draft.time_ns.abs_diff(self.first_ns).saturating_add(START_NS);
        let role = self.cast.manifest.workers[usize::from(worker)].role;
        match draft.kind() {
            EventKind::WorkerCrashed => {
                // Its name has a number from being named here: it is a worker only if it recorded something.
                let crashed = self.cast.named(event.detail);
                event.detail = crashed.first().map_or(event.detail, |(_, number)| u32::from(*number));
                for (_, number) in crashed.iter().skip(1) {
                    self.implied += 1;
                    self.streams[usize::from(worker)].push(Event { detail: u32::from(*number), ..event });
                }
                if crashed.is_empty() && event.detail != NO_NODE {
                    let name = quoted(self.book.workers.name(event.detail));
                    let words = format!("{} tells of a crash of {name}, who recorded nothing", self.at(draft));
                    self.tell(words);
                    self.not_judged += 1;
                    return Ok(());
                }
            }
            EventKind::SessionEnded if matches!(role, Role::Producer | Role::Sentinel) => {
                let ended = &self.ends[usize::from(worker)];
                let at = ended.binary_search_by_key(&draft.line, |(line, _)| *line);
                event.session = at.map_or(event.session, |at| ended[at].1);
            }
            _ => {}
        }
        if draft.message != NONE {
            self.name_message(draft, worker, &mut event)?;
        }
        self.imply(worker, draft, &event);
        self.streams[usize::from(worker)].push(event);
        Ok(())
    }

    /// Holds an event against the last one of its worker; false for the same line over again.
    fn follows(&mut self, draft: &Draft, worker: u16) -> bool {
        let last = self.last[usize::from(worker)].replace(*draft);
        let Some(last) = last else { return true };
        if (last.event, last.time_ns, last.message) == (draft.event, draft.time_ns, draft.message) {
            let words = format!("{} says the same as on line {}: it is judged once", self.at(draft), last.line);
            self.tell(words);
            self.not_judged += 1;
            return false;
        }
        if draft.time_ns < last.time_ns {
            let back_ms = last.time_ns.abs_diff(draft.time_ns) as f64 / 1e6;
            let words = format!("{} goes back {back_ms} ms from line {}", self.at(draft), last.line);
            self.tell(words);
        }
        true
    }

    fn name_message(&mut self, draft: &Draft, worker: u16, event: &mut Event) -> Result<(), Problem> {
        let name = self.book.messages.name(draft.message);
        // Where there is one place only, what is nowhere else is there.
        let only = if self.cast.manifest.destinations.len() == 1 { 0 } else { NO_DESTINATION };
        let known = &mut self.known[draft.message as usize];
        if known.number.is_none() {
            // Sent by nobody: it still has a name to be shown by.
            let sequence = self.names.push(NOBODYS, name).ok_or(Problem::TooMany("messages nobody sent"))?;
            known.number = Some((NOBODYS, sequence));
            known.destination = event.destination;
        }
        (event.session, event.sequence) = known.number.unwrap_or((NOBODYS, 0));
        if event.destination == NO_DESTINATION {
            event.destination = if known.destination == NO_DESTINATION { only } else { known.destination };
        }
        let known = *known;
        match draft.kind() {
            EventKind::SendInvoked => self.check_send(draft, &known),
            EventKind::SendAcked | EventKind::SendSent | EventKind::SendFailed | EventKind::SendUnknown => {
                self.check_outcome(draft, worker, &known);
            }
            _ => {}
        }
        Ok(())
    }

    fn check_send(&mut self, draft: &Draft, known: &Known) {
        let resends = self.cast.lane_of(draft.event.destination).is_some_and(|lane| lane.resends);
        if known.sent_line != draft.line && !resends {
            let name = quoted(self.book.messages.name(draft.message));
            let words = format!("{} sends {name} again, which line {} had sent", self.at(draft), known.sent_line);
            self.tell(words);
        }
    }

    fn check_outcome(&mut self, draft: &Draft, worker: u16, known: &Known) {
        let (name, kind) = (quoted(self.book.messages.name(draft.message)), draft.kind());
        let says = format!("{} says `{}` of {name}", self.at(draft), kind.label());
        if known.sent_line == 0 {
            self.tell(format!("{says}, which nobody sent"));
        } else if known.sender != worker {
            let sender = &self.cast.manifest.workers[usize::from(known.sender)].name;
            self.tell(format!("{says}, which {sender} sent (line {})", known.sent_line));
        } else if known.sent_line > draft.line {
            self.tell(format!("{says}, which is only sent on line {}: out of order", known.sent_line));
        } else if let Some((before, line)) = known.outcome {
            let how = if before == kind { "again, as" } else { "but" };
            self.tell(format!("{says}, {how} line {line} says `{}`", before.label()));
        }
        self.known[draft.message as usize].outcome.get_or_insert((kind, draft.line));
    }

    /// Whoever has processed a message was given it and began with it, whether its log says so or not.
    fn imply(&mut self, worker: u16, draft: &Draft, event: &Event) {
        if draft.message == NONE {
            return;
        }
        let (given, begun) = self.open.get(&(worker, draft.message)).copied().unwrap_or_default();
        let missing = |kind: EventKind| Event { kind: kind as u8, flags: 0, detail: NO_NODE, ..*event };
        let (state, implied) = match draft.kind() {
            EventKind::Delivered => ((true, false), [None, None]),
            EventKind::Processing => ((true, true), [(!given).then(|| missing(EventKind::Delivered)), None]),
            EventKind::Processed => {
                let begin = (!begun).then(|| missing(EventKind::Processing));
                ((false, false), [(!given).then(|| missing(EventKind::Delivered)), begin])
            }
            _ => return,
        };
        self.open.insert((worker, draft.message), state);
        for event in implied.into_iter().flatten() {
            self.implied += 1;
            self.streams[usize::from(worker)].push(event);
        }
    }
}
