//! A person's own log while it is read: names become numbers, messages wait until every send is known.

use std::collections::HashMap;

use super::decode::{self, Resolve, quoted};
use super::encode::is_about_message;
use super::interner::Interner;
use super::line::{Declaration, EventLine, Place};
use super::number::NameOrNumber;
use crate::event::{Event, EventKind, FLAG_CORRUPT, FLAG_FOREIGN, NO_DESTINATION};
use crate::import::{ImportError, Problem};
use crate::manifest::{Role, Workload};

/// No message, or no group.
pub(super) const NONE: u32 = u32::MAX;
/// Workers, destinations and groups are numbered in 16 bits; the last of them stand for nobody.
const MOST_PLACES: usize = u16::MAX as usize - 1;

/// An event whose message has no number yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) event: Event,
    pub(super) time_ns: i64,
    /// Number of the worker's name.
    pub(super) worker: u32,
    /// Number of the message's name.
    pub(super) message: u32,
    /// Number of the group's name.
    pub(super) group: u32,
    pub(super) line: u64,
}

impl Draft {
    /// Its kind: unknown ones are refused as they are read.
    pub(super) fn kind(&self) -> EventKind {
        self.event.kind().unwrap_or(EventKind::WorkerStarted)
    }
}

/// What a person declared of a lane.
#[derive(Clone, Debug, Default)]
pub(super) struct LaneDeclared {
    pub(super) name: String,
    pub(super) workload: Option<Workload>,
    pub(super) acknowledged: Option<bool>,
    pub(super) resends: bool,
    pub(super) automatic_ack: bool,
}

/// What a person declared of a worker.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkerDeclared {
    pub(super) role: Option<Role>,
    pub(super) group: Option<u32>,
    pub(super) host: Option<String>,
}

/// What a person declared of a destination: its lane, and whose dead letters end there.
#[derive(Clone, Debug, Default)]
pub(super) struct DestinationDeclared {
    pub(super) lane: Option<String>,
    pub(super) dead_letters_of: Option<u32>,
}

/// What a person declared of a group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GroupDeclared {
    pub(super) session_timeout_ms: u64,
    pub(super) read_uncommitted: bool,
}

/// A fault as declared; nodes by number.
#[derive(Clone, Debug)]
pub(super) struct FaultDeclared {
    pub(super) fault: String,
    pub(super) shape: String,
    pub(super) start_ms: u64,
    pub(super) duration_ms: u64,
    pub(super) targets: Vec<u32>,
    pub(super) sides: Vec<Vec<u32>>,
    pub(super) full_cut: bool,
    pub(super) detection_ms: u64,
}

/// Everything the file says.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) drafts: Vec<Draft>,
    pub(super) workers: Interner,
    pub(super) destinations: Interner,
    pub(super) groups: Interner,
    pub(super) nodes: Interner,
    pub(super) messages: Interner,
    keys: Interner,
    pub(super) lanes: Vec<LaneDeclared>,
    pub(super) of_workers: HashMap<u32, WorkerDeclared>,
    pub(super) of_destinations: HashMap<u32, DestinationDeclared>,
    pub(super) of_groups: HashMap<u32, GroupDeclared>,
    pub(super) faults: Vec<FaultDeclared>,
}

impl Book {
    /// Takes an event.
    pub(super) fn take(&mut self, place: &Place<'_>, line: &EventLine<'_>) -> Result<(), ImportError> {
        let draft = self.draft(place.line, line).map_err(|problem| place.error(problem))?;
        self.drafts.push(draft);
        Ok(())
    }

    fn draft(&mut self, number: u64, line: &EventLine<'_>) -> Result<Draft, Problem> {
        let worker = line.worker.as_ref().ok_or(Problem::Absent("worker"))?;
        let worker = self.workers.number(&worker.text(), MOST_PLACES).ok_or(Problem::TooMany("workers"))?;
        let label = line.event.as_ref().ok_or(Problem::Absent("event"))?;
        let kind = decode::kind(label)?;
        let known = EventKind::from_number(kind)
            .ok_or_else(|| Problem::Unknown { what: "kind of event", name: quoted(label) })?;
        let raw = [("session", line.session.is_some()), ("sequence", line.sequence.is_some())];
        if let Some((field, _)) = raw.into_iter().chain([("flags", line.flags.is_some())]).find(|(_, there)| *there) {
            return Err(Problem::NotHere(field));
        }
        let event = decode::event(line, kind, self)?;
        let unreadable = event.flags & (FLAG_CORRUPT | FLAG_FOREIGN) != 0;
        if is_about_message(known) && line.message.is_none() && !unreadable {
            return Err(Problem::Absent("message"));
        }
        if needs_destination(known) && event.destination == NO_DESTINATION {
            return Err(Problem::Absent("destination"));
        }
        let message = line.message.as_ref().map(|message| self.messages.number(&message.text(), NONE as usize));
        let group = line.group.as_ref().map(|group| self.groups.number(&group.text(), MOST_PLACES));
        Ok(Draft {
            event,
            time_ns: time_ns(line)?,
            worker,
            message: message.map_or(Ok(NONE), |found| found.ok_or(Problem::TooMany("messages")))?,
            group: group.map_or(Ok(NONE), |found| found.ok_or(Problem::TooMany("groups")))?,
            line: number,
        })
    }

    /// Takes a declaration.
    pub(super) fn declare(&mut self, place: &Place<'_>, declared: Declaration) -> Result<(), ImportError> {
        self.note(declared).map_err(|problem| place.error(problem))
    }

    fn note(&mut self, declared: Declaration) -> Result<(), Problem> {
        match declared {
            Declaration::Lane { name, workload, acknowledged, resends, automatic_ack } => {
                if self.lanes.iter().any(|known| known.name == name) {
                    return Err(twice("lane", &name));
                }
                let (resends, automatic_ack) = (resends.unwrap_or(false), automatic_ack.unwrap_or(false));
                self.lanes.push(LaneDeclared { name, workload, acknowledged, resends, automatic_ack });
            }
            Declaration::Worker { name, role, group, host } => {
                let worker = self.workers.number(&name, MOST_PLACES).ok_or(Problem::TooMany("workers"))?;
                let group = match group {
                    Some(group) => Some(self.groups.number(&group, MOST_PLACES).ok_or(Problem::TooMany("groups"))?),
                    None => None,
                };
                if self.of_workers.insert(worker, WorkerDeclared { role, group, host }).is_some() {
                    return Err(twice("worker", &name));
                }
            }
            Declaration::Destination { name, lane, dead_letters_of } => {
                let named = |book: &mut Self, name: &str| {
                    book.destinations.number(name, MOST_PLACES).ok_or(Problem::TooMany("destinations"))
                };
                let destination = named(self, &name)?;
                let dead_letters_of = dead_letters_of.map(|queue| named(self, &queue)).transpose()?;
                let declared = DestinationDeclared { lane, dead_letters_of };
                if self.of_destinations.insert(destination, declared).is_some() {
                    return Err(twice("destination", &name));
                }
            }
            Declaration::Group { name, session_timeout_ms, read_uncommitted } => {
                let group = self.groups.number(&name, MOST_PLACES).ok_or(Problem::TooMany("groups"))?;
                let declared = GroupDeclared {
                    session_timeout_ms: session_timeout_ms.unwrap_or(0),
                    read_uncommitted: read_uncommitted.unwrap_or(false),
                };
                if self.of_groups.insert(group, declared).is_some() {
                    return Err(twice("group", &name));
                }
            }
            Declaration::Node { name } => {
                self.node(&NameOrNumber::Name(name.into()))?;
            }
            Declaration::Fault { fault, shape, start_ms, duration_ms, targets, sides, full_cut, detection_ms } => {
                let mut ids = |names: Vec<String>| -> Result<Vec<u32>, Problem> {
                    names.into_iter().map(|name| self.node(&NameOrNumber::Name(name.into()))).collect()
                };
                let targets = ids(targets)?;
                let sides = sides.into_iter().map(ids).collect::<Result<_, _>>()?;
                self.faults.push(FaultDeclared {
                    fault,
                    shape: shape.unwrap_or_default(),
                    start_ms,
                    duration_ms,
                    targets,
                    sides,
                    full_cut: full_cut.unwrap_or(false),
                    detection_ms: detection_ms.unwrap_or(0),
                });
            }
        }
        Ok(())
    }
}

fn twice(what: &str, name: &str) -> Problem {
    Problem::Contradiction(format!("{what} {} is declared twice", quoted(name)))
}

impl Resolve for Book {
    fn destination(&mut self, name: &NameOrNumber<'_>) -> Result<u16, Problem> {
        let number = self.destinations.number(&name.text(), MOST_PLACES).ok_or(Problem::TooMany("destinations"))?;
        Ok(number as u16)
    }

    /// Nodes count from 1.
    fn node(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem> {
        Ok(self.nodes.number(&name.text(), MOST_PLACES).ok_or(Problem::TooMany("nodes"))? + 1)
    }

    /// The number of its name; it becomes that of the worker once all are known.
    fn worker(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem> {
        self.workers.number(&name.text(), MOST_PLACES).ok_or(Problem::TooMany("workers"))
    }

    fn key(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem> {
        self.keys.number(&name.text(), NONE as usize).ok_or(Problem::TooMany("keys"))
    }

    fn fault(&mut self, name: &NameOrNumber<'_>) -> Result<u32, Problem> {
        let found = match name {
            NameOrNumber::Number(number) => usize::try_from(*number).ok().filter(|index| *index < self.faults.len()),
            NameOrNumber::Name(name) => self.faults.iter().position(|fault| fault.fault == **name),
        };
        let unknown = || Problem::Unknown { what: "fault declared before as", name: quoted(&name.text()) };
        found.and_then(|index| u32::try_from(index).ok()).ok_or_else(unknown)
    }
}

/// Whether an event of this kind means nothing without its destination.
const fn needs_destination(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::SendInvoked
            | EventKind::Assigned
            | EventKind::Revoked
            | EventKind::PositionReset
            | EventKind::Subscribed
            | EventKind::Unsubscribed
            | EventKind::AuditRead
            | EventKind::AuditControl
            | EventKind::AuditAborted
            | EventKind::AuditOpen
            | EventKind::Transformed
            | EventKind::AuditStart
            | EventKind::AuditEnd
            | EventKind::Drained
            | EventKind::ObservedLeader
            | EventKind::ObservedIsr
            | EventKind::ObservedDepth
            | EventKind::ObservedStable
            | EventKind::ObservedCommit
    )
}

/// The time of a line, on a clock of its own.
fn time_ns(line: &EventLine<'_>) -> Result<i64, Problem> {
    match (line.time_ns, line.time_ms) {
        (Some(time_ns), None) => i64::try_from(time_ns).map_err(|_| Problem::Time),
        (None, Some(time_ms)) if time_ms.abs() <= i64::MAX as f64 / 2e6 => Ok((time_ms * 1e6).round() as i64),
        (None, None) => Err(Problem::Absent("time_ms")),
        _ => Err(Problem::Time),
    }
}
